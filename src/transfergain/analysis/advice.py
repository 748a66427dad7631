"""Say what to run next and what to be careful about, at most three of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from transfergain.analysis import words
from transfergain.analysis.entries import DatasetEntry, StudyRequest
from transfergain.analysis.last_labels import LastLabelsRow
from transfergain.analysis.recommend import upper
from transfergain.analysis.rows import GainRow, ScoreRow, Verdict
from transfergain.analysis.sequential import COUNTS
from transfergain.analysis.short import hidden
from transfergain.analysis.summary import MoreLabels, NextStep
from transfergain.arms import REFERENCE
from transfergain.split import TEST
from transfergain.types import LEAST_BUDGET, Status, StudyWarning, WarningKind

MOST = 3
FEWEST = 3
"""Seeds that an interval takes."""
PENDING = "pending"
"""What `Findings.trials` counts under beside each `Status`: trials of the plan that the store has no outcome of."""
WEIGHTIEST = (WarningKind.SKIPPED, WarningKind.CONTAMINATION, WarningKind.DIVERGED, WarningKind.DESIGN)
"""Kinds of warnings that are caveats, in order."""


class AdviceTables(Protocol):
    """What of `Findings` is read here."""

    @property
    def study(self) -> StudyRequest: ...
    @property
    def data(self) -> Mapping[str, DatasetEntry]: ...
    @property
    def last_labels(self) -> Sequence[LastLabelsRow]: ...
    @property
    def scores(self) -> Sequence[ScoreRow]: ...
    @property
    def trials(self) -> Mapping[str, int]: ...
    @property
    def warnings(self) -> Sequence[StudyWarning]: ...


def equal_training(row: GainRow) -> list[str]:
    """Qualify an answer that endless training may change: a yes where scratch was cut short, a no where the arm was."""
    yes = row.verdict is Verdict.SUPPORTED
    return ["at equal training"] if (row.endless.cut_short if yes else row.endless.arm_cut_short) else []


def price(row: GainRow) -> str:
    """Say what would decide an undecided gain: `, about 12 seeds would decide it`."""
    if row.verdict is not Verdict.INCONCLUSIVE:
        return ""
    if hopeless(row):
        return "; more seeds alone would hardly decide it"
    return f"; about {row.seeds_needed} seeds would probably decide it" if row.seeds_needed else f"; {row.why}"


def hopeless(row: GainRow) -> bool:
    """Tell whether an undecided gain would take more seeds than a study may have."""
    return row.why.startswith("needs") and not 0 < (row.seeds_needed or 0) <= COUNTS[-1]


def steps(tables: AdviceTables, name: str, gain: GainRow | None) -> list[NextStep]:
    """List what to run next."""
    return list(islice(_steps(tables, name, gain), MOST))


def _steps(tables: AdviceTables, name: str, gain: GainRow | None) -> Iterator[NextStep]:
    if tables.trials.get(PENDING) or tables.trials.get(Status.FAILED):
        yield NextStep(text="the same command runs what is missing and keeps what is done")
    if tables.study.request.get("quick"):
        yield NextStep(text="all arms, and seeds until it is clear (keeps what is done)", key="quick")
    if gain is not None and gain.n_seeds < FEWEST:
        if not tables.trials.get(PENDING) and not tables.trials.get(Status.FAILED):  # else they are among what is missing
            text = "three seeds give a first interval" if hidden(gain) or gain.low is None else "three seeds make it surer"
            yield NextStep(text=text, key="seeds", value=str(FEWEST))
    elif gain is not None and gain.verdict is Verdict.INCONCLUSIVE:
        yield _decide(gain, tables.data[name].looks)
    if tables.data[name].reference != REFERENCE:
        arms = ",".join([REFERENCE, *tables.study.arms])
        yield NextStep(text="what pretraining itself brings, in labels and in steps too", key="arms", value=arms)
    if not tables.data[name].shifts:
        gains = gain is None or gain.estimate > 0
        text = "whether the gain holds on text of another kind" if gains else "whether it is so on text of another kind"
        yield NextStep(text=text, key="shift", value="NAME=FILE")
    if tables.study.tune == 0 and not tables.study.request.get("quick"):
        yield NextStep(text="every arm chooses its learning rate on dev", key="tune", value="4")


def _decide(gain: GainRow, looks: Sequence[int]) -> NextStep:
    """Say what would decide a gain that is open. A study that looks at its seeds has a maximum to raise.

    Either way results have been seen, so more studies of equal arms find something (docs/decisions/0040-looks-at-seeds.md).
    """
    needed, now = gain.seeds_needed or 0, looks[-1] if looks else gain.n_seeds
    if hopeless(gain) or now >= COUNTS[-1]:
        more = "label more test examples and start in another folder: more seeds would hardly decide it"
        return NextStep(text=more, of_study=False)
    most = str(min(needed if needed > now else 2 * now, COUNTS[-1]))
    if len(looks) > 1:
        return NextStep(text="an open question gets more seeds (false findings: 5 to 7 %)", key="max_seeds", value=most)
    decide = "would probably decide it" if needed else "may decide it"
    return NextStep(text=f"so many seeds {decide} (false findings: 5 to 9 %)", key="seeds", value=most)


def more_labels(tables: AdviceTables, name: str, arm: str) -> MoreLabels:
    """Say what the last labels brought, as what the next ones may buy; no forecast."""
    row = next((row for row in tables.last_labels if (row.dataset, row.arm) == (name, arm)), None)
    if row is not None:
        last = "doubling of labels" if row.budget == 2 * row.fewer else "step in labels"
        return MoreLabels(text=f"the last {last}, {row.fewer:,} to {row.budget:,}, {_brought(row)}", row=row)
    budgets = sorted({row.budget for row in tables.scores if (row.dataset, row.arm) == (name, arm)})
    if len(budgets) != 1:
        return MoreLabels(text=f"not known: no seed of {arm or 'an arm'} has finished with two numbers of labels")
    if tables.trials.get(PENDING):
        return MoreLabels(text=f"not known yet: all scores of {arm} so far are with {budgets[0]:,} labels")
    step = NextStep(text="what more labels bring", key="budgets", value=f"{max(LEAST_BUDGET, budgets[0] // 2)},{budgets[0]}")
    return MoreLabels(text=f"not known: all scores of {arm} are with {budgets[0]:,} labels", step=step)


def _brought(row: LastLabelsRow) -> str:
    amount, ends = f"{words.in_percent(abs(row.estimate))} points", words.interval(row.low, row.high)
    does = f"{'brought' if row.estimate >= 0 else 'cost'} {row.arm}"
    if row.low is None:
        return f"{does} {amount} in the one seed that has both"
    if hidden(row):
        return f"{does} {amount} ({words.seeds(row.n_seeds)}, too few for an interval)"
    if row.verdict is Verdict.SUPPORTED:
        return f"{does} {amount} ({ends})"
    if row.verdict is Verdict.NEGATIVE_TRANSFER:
        return f"{does} {amount} ({ends}): more labels like these are not what helps {row.arm}"
    figures = f"({words.points(row.estimate)}, {ends})"
    if row.verdict is Verdict.NOT_SUPPORTED:
        return f"brought {row.arm} next to nothing {figures}: more labels are not what helps {row.arm}"
    return f"brought {row.arm} nothing clear {figures}"


def caveats(tables: AdviceTables, name: str, gain: GainRow | None) -> list[str]:
    """List what to be careful about, the weightiest first."""
    return list(islice(_caveats(tables, name, gain), MOST))


def _caveats(tables: AdviceTables, name: str, gain: GainRow | None) -> Iterator[str]:
    missing = [
        f"{n:,} {said}"
        for key, said in ((Status.FAILED, "failed"), (PENDING, "not run yet"))
        if (n := tables.trials.get(key, 0))
    ]
    if missing:
        yield f"Trials without a score: {', '.join(missing)}."
    if gain is not None and gain.endless.cut_short:
        shrinks = gain.endless.may_shrink(gain.estimate)
        may_be = "the gain may be smaller" if shrinks else "the answer may be another one"
        yield f"{gain.endless.late().capitalize()}: with more training {may_be}."
    elif gain is not None and gain.endless.arm_cut_short and gain.verdict is not Verdict.SUPPORTED:
        yield f"{upper(gain.endless.late_arm(gain.arm))}: with more training the answer may be another one."
    if tables.data[name].reference != REFERENCE:
        yield f"Without the {REFERENCE} arm nothing is said of what the pretrained weights bring."
    if gain is not None and gain.n_seeds == 1:
        yield "One seed: another one may say something else."
    for row in tables.scores if gain else ():
        place = (row.dataset, row.arm, row.budget, row.split, row.metric)
        if gain and row.collapsed and place == (name, gain.arm, gain.budget, TEST, gain.metric):
            yield f"{gain.arm} was at or below chance in {row.collapsed} of {words.seeds(row.n_seeds)}."
    for kind in WEIGHTIEST:
        yield from (
            _sentence(warning, name) for warning in tables.warnings if warning.kind is kind and _about(warning, tables, name)
        )


def _about(warning: StudyWarning, tables: AdviceTables, name: str) -> bool:
    """Tell whether a warning is about this data set or about all: those about one begin with its name."""
    return not any(warning.text.startswith(f"{other}: ") for other in tables.data if other != name)


def _sentence(warning: StudyWarning, name: str) -> str:
    """Write a warning as a sentence that does not name its data set."""
    text = warning.text.removeprefix(f"{name}: ").removesuffix(".")
    return f"{upper(text)}."
