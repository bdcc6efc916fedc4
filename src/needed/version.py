"""The version, alone, so that `needed --version` reads one line and the build back end needs no import."""

__version__ = "0.1.0"
