"""Gather what a reader must know before believing a figure, each warning with its kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transfergain.analysis import words
from transfergain.analysis.endless import unfinished
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.gain import Cell
from transfergain.analysis.robustness import unseen
from transfergain.analysis.rows import RecipeRow, ScoreRow
from transfergain.arms import ARMS
from transfergain.counts import counted
from transfergain.course import Course, has_learned
from transfergain.split import TEST
from transfergain.store import StoredTrial
from transfergain.types import Phase, Status, StudyWarning, WarningKind

KNOWN_WORDS = {
    "share a 13-gram with train": WarningKind.CONTAMINATION,
    " was trained on ": WarningKind.CONTAMINATION,
    " was pretrained on ": WarningKind.CONTAMINATION,
    " in pretraining: ": WarningKind.CONTAMINATION,
    "too few to tell luck from gain": WarningKind.DESIGN,
    "recipes were not tuned": WarningKind.DESIGN,
    "lower-cases": WarningKind.CHECKPOINT,
    "strips accents": WarningKind.CHECKPOINT,
}
"""What a warning without a kind says -> its kind: studies of before version 0.2 stored the text alone."""


def stored(found: Sequence[str | Mapping[str, str]]) -> list[StudyWarning]:
    """Read warnings as a store has them: a kind and a text, or the text alone where the study is old."""
    return [
        StudyWarning(_kind(warning), warning)
        if isinstance(warning, str)
        else StudyWarning(WarningKind(warning["kind"]), warning["text"])
        for warning in found
    ]


def _kind(text: str) -> WarningKind:
    return next((kind for words, kind in KNOWN_WORDS.items() if words in text), WarningKind.OTHER)


def of_trials(trials: Sequence[StoredTrial], pending: int) -> list[StudyWarning]:
    """Warn of trials without a score."""
    found = []
    if pending:
        text = f"{counted(pending, 'trial has', 'trials have')} not run yet; the same command continues"
        found.append(StudyWarning(WarningKind.PENDING, text))
    unscored = dict[tuple[str, Status, str], list[str]]()
    for trial in trials:
        if trial.outcome.status != Status.DONE:
            place = (trial.spec.dataset, trial.outcome.status, trial.outcome.error)
            unscored.setdefault(place, []).append(trial.spec.arm)
    for (dataset, status, error), arms in unscored.items():
        kind = WarningKind.SKIPPED if status == Status.SKIPPED else WarningKind.FAILED
        which = f"{counted(len(arms), 'trial')} of {words.listed(list(dict.fromkeys(arms)))}"
        found.append(StudyWarning(kind, f"{dataset}: {which} {status}: {error}"))
    return found


def of_raised_seeds(data: Mapping[str, DatasetEntry]) -> list[StudyWarning]:
    """Warn of seeds that were raised after a look: the 5 % are spent up to the maximum that was named first."""
    return [
        StudyWarning(
            WarningKind.DESIGN,
            f"{name}: its seeds were raised from {words.listed([str(count) for count in entry.most_before])} to "
            f"{entry.looks[-1]} after results had been seen: up to 11 % of studies of equal arms find something then, in "
            "place of 5 %",
        )
        for name, entry in data.items()
        if entry.most_before
    ]


def of_pretrainings(trials: Sequence[StoredTrial]) -> list[StudyWarning]:
    """Warn of pretrainings that were too short to learn from context: the arm's score says nothing about the objective."""
    found = []
    for trial in trials:
        spec, checks = trial.spec, trial.outcome.details.checks
        if spec.phase is not Phase.PRETRAIN or trial.outcome.status != Status.DONE or spec.recipe is None:
            continue
        if not has_learned(checks["loss"], checks["unigram_loss"]):
            found.append(
                StudyWarning(
                    WarningKind.UNFINISHED,
                    f"{spec.dataset}: {spec.arm} was pretrained too short to tell what its text is worth: after "
                    f"{Course.of(spec.recipe)} its loss on held-out text is {checks['loss']:.2f}, that of counting tokens "
                    f"{checks['unigram_loss']:.2f}; give more --pretrain-steps",
                )
            )
    return found


def of_cells(
    found: Sequence[Cell], data: Mapping[str, DatasetEntry], scores: Sequence[ScoreRow], recipes: Sequence[RecipeRow]
) -> list[StudyWarning]:
    """Warn of what happened in cells that scored, in one line a data set and kind of event."""
    events = _Events()
    for cell in found:
        outcomes = cell.outcomes.values()
        what = (WarningKind.UNFINISHED, "runs that had not ended by themselves when their steps ran out")
        late = [] if _has_a_set_end(cell.arm) else unfinished(cell.outcomes, list(cell.outcomes))
        events.add(*what, cell, len(late), len(outcomes))
        diverged = sum(bool(outcome.details.diverged) for outcome in outcomes)
        events.add(WarningKind.DIVERGED, "diverged, kept as scored", cell, diverged, len(outcomes))
    floors = {cell.arm for cell in found if not cell.is_arm}
    for score in scores:
        entry = data[score.dataset]
        if score.arm not in floors and score.split == TEST and score.metric == entry.metric:
            at_chance = f"at or below chance ({words.score(entry.chance)})"
            events.add(WarningKind.COLLAPSED, at_chance, score, score.collapsed or 0, score.n_seeds)
    at_edge = "learning rate chosen at the edge of those tried (try more with --tune)"
    for recipe in recipes:
        events.add(WarningKind.TUNING_EDGE, at_edge, recipe, int(recipe.at_edge))
    return [*_unseen(found, data), *events.warnings()]


def _has_a_set_end(arm: str) -> bool:
    """Tell whether the runs of an arm end where another's operations are spent, and not by themselves."""
    return arm in ARMS and bool(ARMS[arm].as_costly_as)


def _unseen(found: Sequence[Cell], data: Mapping[str, DatasetEntry]) -> list[StudyWarning]:
    """Warn of perturbations that a tokenizer undoes."""
    warnings = []
    for dataset in data:
        cells = [cell for cell in found if cell.dataset == dataset]
        if same := unseen(cells):
            names = words.perturbations(same, {split for cell in cells for split in cell.splits()})
            text = f"nothing that the model reads is changed by {names}: scores repeat the test set's"
            warnings.append(StudyWarning(WarningKind.UNSEEN_PERTURBATION, f"{dataset}: {text}"))
    return warnings


class _Events:
    """What happened in cells, gathered by data set and event."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, WarningKind, str], dict[str, list[str]]] = {}

    def add(
        self, kind: WarningKind, what: str, where: Cell | ScoreRow | RecipeRow, count: int, of: int | None = None
    ) -> None:
        """Note that in `count` of a cell's `of` seeds `what` happened; nothing for none."""
        if count:
            seeds = f" ({count} of {words.seeds(of)})" if of else ""
            arms = self._found.setdefault((where.dataset, kind, what), {})
            arms.setdefault(where.arm, []).append(f"{where.budget:,} labels{seeds}")

    def warnings(self) -> list[StudyWarning]:
        """Say each event of each data set in one line."""
        return [
            StudyWarning(
                kind, f"{dataset}: {what}: " + "; ".join(f"{arm} at {', '.join(cells)}" for arm, cells in arms.items())
            )
            for (dataset, kind, what), arms in self._found.items()
        ]
