"""Everything that programs need: the loader and the rules, and the packages named, asked until nothing new is found."""

from needed.gather.rounds import Applied, Gathered, gather, is_libc, replay

__all__ = ["Applied", "Gathered", "gather", "is_libc", "replay"]
