"""A Rootfs and Docker's words become an OCI image: a layer, a config and a manifest, the same bytes every time.

Values in, values out: nothing here opens a file by its host path, a socket or a process. A layer's bytes go to a
`LayerStore` that the caller gives. Follows OCI image-spec 1.1.1 and POSIX.1-2017 `pax`.
"""
