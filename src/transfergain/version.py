"""The package's version, apart from its root, so that no part imports the whole to say it."""

__version__ = "0.1.0"
