"""The two exceptions with a meaning of their own. Anything else that is raised is a bug."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The user asked for something that cannot be done.

    The message is one line: it names the file, row or flag, says what is wrong and what to do.
    The command line prints it and exits with code 2.
    """


class Declined(Exception):
    """An arm or floor does not apply to this checkpoint or task; the trial is `skipped` with this reason."""


def nearest(word: str, known: Iterable[str]) -> str:
    """A hint such as ' Did you mean "budgets"?' for a misspelt `word`, or the list of known words."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else f" Known: {', '.join(known)}."
