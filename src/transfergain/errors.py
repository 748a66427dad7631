"""Define the three exceptions with a meaning of their own. Anything else that is raised is a bug."""

from __future__ import annotations

import contextlib
import difflib
import errno
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Generic, Protocol, TypeVar

LONGEST_MESSAGE = 1500
"""The most characters of a message: a file may have thousands of columns to list."""
BOX = 84
"""The most characters of a line of a message in a notebook, long words apart."""


class UserError(Exception):
    """The user asked for something that cannot be done.

    The message is one line: it names the file, row or flag, says what is wrong and what to do.
    The command line prints it and exits with code 2. Whatever the message quotes from the user's files, it is one line that
    a terminal can show.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))

    def _render_traceback_(self) -> list[str]:
        """Show the message in a box: what a notebook prints instead of a traceback (a hook of IPython)."""
        lines = textwrap.wrap(str(self), BOX, break_long_words=False, break_on_hyphens=False)
        wide = max(BOX // 2, *(len(line) for line in lines)) if lines else BOX
        top, bottom = f"╭─ transfergain {'─' * (wide - 13)}╮", f"╰{'─' * (wide + 2)}╯"
        return [top, *(f"│ {line:<{wide}} │" for line in lines), bottom]


class Declined(Exception):
    """An arm or floor does not apply to this checkpoint or task; the trial is `skipped` with this reason."""


class Counted(Protocol):
    """The part of findings that the command line needs to end the process."""

    @property
    def trials(self) -> Mapping[str, int]:
        """Status -> number of trials."""


F = TypeVar("F", bound=Counted)


class Interrupted(Exception, Generic[F]):
    """Ctrl-C, or SIGTERM or SIGHUP: the findings of what is done are written; `findings` holds them."""

    def __init__(self, findings: F, signal: int) -> None:
        super().__init__("interrupted")
        self.findings = findings
        self.signal = signal


def printable(text: str) -> str:
    """Put a text on one line that a terminal can show.

    Line ends and odd spaces become spaces, other control characters escapes; the middle of a very long text is left out.
    """
    line = visible(text)
    if len(line) <= LONGEST_MESSAGE:
        return line
    return f"{line[: LONGEST_MESSAGE * 2 // 3]} [...] {line[-LONGEST_MESSAGE // 4 :]}"


def visible(text: str) -> str:
    """Write line ends and odd spaces as spaces, and other characters that cannot be shown as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else c.encode("unicode_escape").decode() for c in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Give a hint such as ' Did you mean "budgets"?' for a misspelt `word`, or the list of known words."""
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f' Did you mean "{close[0]}"?' if close else f" Known: {', '.join(known)}."


def install(extra: str) -> str:
    """Say how an optional part is installed: from a clone, as the package is on no index."""
    return f'in a clone of transfergain: pip install ".[{extra}]"'


@contextlib.contextmanager
def writable(folder: Path) -> Iterator[None]:
    """Guard writing to a study's output folder: a disk that is full or read-only becomes a UserError."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO):
            raise
        raise UserError(
            f"--output-dir {folder}: cannot write there ({error.strerror}); the trials that are done are kept: "
            "mend that and give the same command again"
        ) from None
