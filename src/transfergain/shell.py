"""Write commands that can be copied into a shell, whatever their words are."""

from __future__ import annotations

import os
import shlex


def command(*words: object) -> str:
    """Write a command in one line that can be shown, of which a shell makes the same words."""
    return " ".join(quoted(str(word)) for word in words)


def quoted(word: str) -> str:
    """Quote a word where it needs that; one with signs that cannot be shown by their bytes, as bash and zsh read them."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(c if c.isprintable() and c not in "\\'" else _bytes(c) for c in word) + "'"


def _bytes(character: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in os.fsencode(character))
