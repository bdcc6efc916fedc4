"""Where an image comes from: layouts, archives, engines. Each reader gives the tree of one image as a Root.

Trusts nothing: every byte is checked against its digest and size, and held to `needed.image.limits`, before it is used.
Unpacks nothing: content is read in place, or from an unnamed file where it had to be decompressed. Writes nothing that
has a name. Which transports there are: `needed.source.opening`.
"""
