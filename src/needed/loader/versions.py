"""Symbol versions: `_dl_check_map_versions` of elf/dl-version.c, done before anything runs.

Each `verneed` of each object names a file and versions that it must define. A file without any definition is accepted,
a weak version may be missing. musl does not look at versions.
"""

from __future__ import annotations

from needed.closure import VersionProblem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from needed.closure import LoadedObject


def find_version_problems(
    objects: Iterable[LoadedObject], known: Mapping[str, LoadedObject]
) -> Iterator[VersionProblem]:
    """What is asked for and not defined, in the loader's order; `known` are the names of what is loaded."""
    defined: dict[str, frozenset[str]] = {}
    for item in objects:
        for need in item.elf.version_needs:
            provider = known.get(need.file)
            if provider is None:
                continue  # missing altogether, which is told as such
            if not provider.elf.defines_versions:
                for version in (*need.versions, *need.weak):
                    yield VersionProblem(version, provider.path, item.path, "unversioned")
                continue
            names = defined.get(provider.path)
            if names is None:
                # The soname is the name of the base version, which counts too.
                own = provider.elf.soname or ""
                names = defined[provider.path] = frozenset((*provider.elf.version_definitions, own))
            for versions, kind in ((need.versions, "missing"), (need.weak, "weak")):
                if not names.issuperset(versions):
                    absent = (version for version in versions if version not in names)
                    yield from (VersionProblem(version, provider.path, item.path, kind) for version in absent)
