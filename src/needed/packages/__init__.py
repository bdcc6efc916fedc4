"""A distribution's package database, read inside a Root: what is installed, whose a file is, what of a package a
program needs at run time. Runs nothing, and knows of no loader: what ELF files need is `loader`'s, what scripts and
interpreters need is `rules`'."""

from needed.packages.dependencies import Dependency
from needed.packages.model import Package
from needed.packages.opening import open_packages
from needed.packages.selection import LeftOut, Selected, Selection, select_files

__all__ = ["Dependency", "LeftOut", "Package", "Selected", "Selection", "open_packages", "select_files"]
