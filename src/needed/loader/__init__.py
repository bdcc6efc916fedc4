"""Which files a program needs to start, exactly as the dynamic loader of its C library would find them.

`resolve(root, executables, settings)` runs nothing and reads nothing outside the root. `resolve` decides what each
file is to the kernel, `walk` is the one breadth-first walk over a load list; `glibc` and `musl` say where a name is
searched for, `verdict` what becomes of the file that is there; `ldso` reads the constants built into a root's own
loader, `cache` its `ld.so.cache`. The C library is the one of the interpreter that the program names, never ours.
"""

from needed.loader.resolve import Resolver, resolve
from needed.loader.settings import Settings

__all__ = ["Resolver", "Settings", "resolve"]
