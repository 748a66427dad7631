"""Say what is known of a checkpoint before anything is trained. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RankRow:
    """What one checkpoint promises. None is what is not known: all but the name where it could not be read."""

    model: str
    probe: float | None = None
    """Score of a cross-fitted linear probe: the mean over draws."""
    low: float | None = None
    high: float | None = None
    """95 % interval of it, over draws and examples."""
    behind: float | None = None
    """How much more the first checkpoint's probe scores, paired by draw and example; None of the first itself."""
    behind_low: float | None = None
    behind_high: float | None = None
    """95 % interval of that difference."""
    log_me: float | None = None
    """Of the layer where it is largest; for questions there is no such score, as spans are no classes."""
    log_me_all: float | None = None
    """Of the mean over all layers."""
    h_score: float | None = None
    h_score_all: float | None = None
    best: str = ""
    """What the layer is that LogME is largest at."""
    parameters: int | None = None
    hidden: int | None = None
    seconds: float | None = None
    """To compute the features of 1,000 examples here."""
    megabytes: float | None = None
    """The most memory that the process held meanwhile; None where the system does not say."""
    problem: str = ""
    """Why the checkpoint is not ranked."""
