"""Print the summary of findings: the answer first, on a screen; everything else is in `details`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

from rich.console import Console
from rich.text import Text

from transfergain.analysis import words
from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import Verdict
from transfergain.analysis.summary import BenefitLine, DatasetSummary, Summary
from transfergain.report import details
from transfergain.report.details import VERDICT_STYLES
from transfergain.report.steps import Step, flags, labels_brought, of_study, recommended
from transfergain.report.wrap import columns, labelled, put, wrapped

MOST_LINES = 25
WIDE = 76
"""Columns from which on verdicts stand in a column of their own."""
LABEL = 9
MOST_BUDGETS = 4


def show(findings: Findings, console: Console, full: bool = False) -> None:
    """Print the summary; with `full`, then all tables, sentences and warnings."""
    console.print()
    put(console, lines(findings.summary, columns(console)))
    if full:
        details.show(findings, console)


def lines(summary: Summary, width: int, step: Step = flags) -> list[Text]:
    """Lay the summary out in at most MOST_LINES lines, for one data set; for several with a row each."""
    layouts = [(3, 3, MOST_BUDGETS), (3, 1, MOST_BUDGETS), (1, 1, 2), (1, 1, 1), (1, 0, 1)]
    for most_steps, most_caveats, most_budgets in layouts:
        if len(summary.datasets) == 1:
            found = list(_one(summary.datasets[0], width, step, most_steps, most_caveats, most_budgets))
        else:
            found = list(_several(summary, width, step, most_steps, most_caveats))
        if len(found) <= MOST_LINES:
            return found
    return [line for line in found if line.plain]  # a narrow terminal keeps what is said, without the space between


def _one(
    of: DatasetSummary, width: int, step: Step, most_steps: int, most_caveats: int, most_budgets: int
) -> Iterator[Text]:
    yield from _answer(of.answer, of.verdict, width)
    yield Text("")
    yield from _item("Take", recommended(of), width)
    yield Text("")
    for number, line in enumerate(of.benefits, start=1):
        yield from _benefit(number, line, of.benefits, width)
    if of.parts:
        yield Text("")
        yield from _item("Parts", of.parts, width)
    if of.table.budgets:
        yield Text("")
        yield from _table(of, width, most_budgets)
    notes = {
        "Labels": ["; ".join(labels_brought(of.more_labels, step)[: max(2, most_caveats)])] if of.score is not None else [],
        "Next": [step(each) for each in of.next[:most_steps]],
        "Careful": of.caveats[:most_caveats],
    }
    yield from _notes(notes, width)


def _notes(notes: Mapping[str, Sequence[str]], width: int) -> Iterator[Text]:
    if any(notes.values()):
        yield Text("")
    for label, texts in notes.items():
        for i, text in enumerate(texts):
            yield from _item("" if i else label, text, width)


def _answer(answer: str, verdict: Verdict, width: int) -> Iterator[Text]:
    """Print the answer with its first words in the colour of the verdict."""
    first, *others = wrapped(answer, width)
    start = answer.split(". ")[0].split(": ")[0]
    first.stylize(VERDICT_STYLES.get(verdict, "bold"), 0, min(len(start) + 1, len(first)))
    yield first
    yield from others


def _item(label: str, text: str, width: int) -> list[Text]:
    return labelled(Text(f"{label:<{LABEL}}", style="bold"), text, width, LABEL)


def _benefit(number: int, line: BenefitLine, all_: Sequence[BenefitLine], width: int) -> list[Text]:
    """Write `1 Performance      supported  text`; on a narrow terminal the verdict takes no column."""
    name, style = f"  {number} {line.benefit.capitalize()}", VERDICT_STYLES[line.verdict]
    if width < WIDE:
        return labelled(Text(f"{name}, ") + Text(f"{line.verdict}: ", style=style), line.text, width, 4)
    room = max(len(each.verdict) for each in all_) + 2
    label = Text(f"{name:<21}") + Text(f"{line.verdict:<{room}}", style=style)
    return labelled(label, line.text, width, len(label))


def _table(of: DatasetSummary, width: int, most: int) -> Iterator[Text]:
    """Write the scores by number of labels, those of the arms that are in the answer last to go."""
    table = of.table
    rows = list(zip(table.budgets, table.scores, strict=True))
    if len(rows) > most:
        rows = [*rows[: most > 1], *rows[-max(1, most - 1) :]]
    room = [max(len(name), 5) + 2 for name in table.columns]
    shown = list(range(len(room)))
    while len(shown) > 2 and 10 + sum(room[i] for i in shown) > width:
        shown.remove(next(i for i in shown if table.columns[i] not in (of.arm, of.recommendation.name)))
    head = f"{'labels':>10}" + "".join(f"{table.columns[i]:>{room[i]}}" for i in shown)
    caption = f"{of.metric} in %, test set of {of.n_test:,}"
    if len(head) + 4 + len(caption) <= width:
        yield Text(head, style="bold") + Text(f"    {caption}")
    else:
        yield Text(f"{'':4}{caption}")
        yield Text(head, style="bold")
    for budget, scores in rows:
        cells = "".join(f"{'' if (x := scores[i]) is None else words.in_percent(x):>{room[i]}}" for i in shown)
        yield Text(f"{budget:>10,}{cells}".rstrip())


def _several(summary: Summary, width: int, step: Step, most_steps: int, most_caveats: int) -> Iterator[Text]:
    verdicts = {each.verdict for each in summary.datasets}
    yield from _answer(summary.answer, verdicts.pop() if len(verdicts) == 1 else Verdict.PARTLY, width)
    yield Text("")
    yield from _rows(summary.datasets, width)
    yield Text("")
    yield from _item("Benefits", _benefits(summary.datasets), width)
    steps = map(step, of_study(summary.datasets))
    caveats = (f"{of.dataset}: {text}" for of in summary.datasets for text in of.caveats)
    yield from _notes({"Next": list(islice(steps, most_steps)), "Careful": list(islice(caveats, most_caveats))}, width)


def _benefits(of: Sequence[DatasetSummary]) -> str:
    """Count the data sets that each benefit is supported on."""
    known = [line for each in of for line in each.benefits]
    counts = Counter(line.benefit for line in known if line.verdict is Verdict.SUPPORTED)
    parts = [f"{benefit} {counts[benefit]}" for benefit in dict.fromkeys(line.benefit for line in known)]
    return f"supported on so many of {len(of)} data sets: {', '.join(parts)}"


def _rows(of: Sequence[DatasetSummary], width: int) -> Iterator[Text]:
    """Write a row a data set, with as many columns as there is room for."""
    chosen = dict.fromkeys(FIRST_COLUMNS)
    for name in LAST_COLUMNS:
        if sum(_room(each, of) for each in (*chosen, name)) <= width:
            chosen[name] = None
    order = [name for name in COLUMNS if name in chosen]
    yield Text("".join(f"{name:<{_room(name, of)}}" for name in order).rstrip(), style="bold")
    for each in of:
        line = Text("")
        for name in order:
            style = VERDICT_STYLES[each.verdict] if name == "verdict" else ""
            line += Text(f"{COLUMNS[name](each):<{_room(name, of)}}", style=style)
        line.rstrip()
        yield line


def _room(name: str, of: Sequence[DatasetSummary]) -> int:
    return max(len(name), *(len(COLUMNS[name](each)) for each in of)) + 2


def _short(name: str) -> str:
    return name if len(name) <= 20 else f"{name[:19]}…"


def _gain(of: DatasetSummary) -> str:
    return "" if of.over_reference is None else words.in_percent(of.over_reference.estimate, "+")


def _interval(of: DatasetSummary) -> str:
    over = of.over_reference
    return "" if over is None else words.ends(over.low, over.high)


def _scores(of: DatasetSummary) -> str:
    over = of.over_reference
    return "" if over is None else f"{words.in_percent(over.score_against)} to {words.in_percent(over.score)}"


def _floor(of: DatasetSummary) -> str:
    return "" if of.over_floor is None else f"{words.in_percent(of.over_floor.estimate, '+')} {of.over_floor.against}"


COLUMNS: dict[str, Callable[[DatasetSummary], str]] = {
    "data set": lambda of: _short(of.dataset),
    "metric, %": lambda of: of.metric,
    "score": _scores,
    "gain": _gain,
    "95 %": _interval,
    "over floor": _floor,
    "verdict": lambda of: of.verdict,
    "take": lambda of: of.recommendation.name,
}
"""Head -> what a data set has there, from left to right."""
FIRST_COLUMNS = ("data set", "gain", "verdict", "take")
LAST_COLUMNS = ("95 %", "over floor", "metric, %", "score")
"""Columns there is not always room for, the first to come first."""
