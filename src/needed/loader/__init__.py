"""Which files a program needs to start, exactly as the dynamic loader of its C library would find them.

`resolve(root, executables)` runs nothing and reads nothing outside the root. `resolve` holds the one breadth-first walk
over a load list; `glibc` and `musl` say where a name is searched for; `ldso` reads the constants built into a root's
own loader; `cache` reads `ld.so.cache`. The C library is the one of the interpreter that the program names, never ours.
"""

from needed.loader.resolve import Resolver, resolve

__all__ = ["Resolver", "resolve"]
