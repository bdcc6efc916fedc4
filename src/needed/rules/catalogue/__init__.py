"""One module for each rule; its name is the rule's, with underscores. Its docstring is what `needed rules NAME` prints.

The docstring says, in this order and with these words: what it does (first line), `Recognises:`, `Adds:`, `Costs:`
(bytes, on Debian 12 amd64), `Choices:` where there are any, and `Source:`.
"""
