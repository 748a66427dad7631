"""Print everything: one table and a line a benefit for each data set, then one line over all of them, the warnings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from transfergain.analysis import words
from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import Benefit, BenefitRow, GainRow, Measure, Row, Verdict
from transfergain.metrics import METRICS
from transfergain.report import reading
from transfergain.report.wrap import columns, labelled, put, wrapped
from transfergain.split import TEST

R = TypeVar("R", bound=Row)
VERDICT_STYLES = {
    Verdict.SUPPORTED: "bold green",
    Verdict.PARTLY: "bold yellow",
    Verdict.NEGATIVE_TRANSFER: "bold red",
    Verdict.NOT_SUPPORTED: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.NOT_MEASURED: "dim",
}
"""Verdict -> its style; in the order in which verdicts over several data sets are counted."""
INDENT = " " * 4
WIDE, NARROW_COLUMNS = 80, 4
"""Columns of text that the whole table takes; its columns that a narrower terminal has."""
MOST_DETAILS = 12
"""Further lines of a benefit; findings.json and the page have all."""
DetailLines = Callable[[Findings, str], Iterator[str]]
"""The sentences under a benefit's own on one data set."""


def show(findings: Findings, console: Console) -> None:
    """Print a table and the benefits of every data set, the overall line, the warnings."""
    lead, width = findings.benefits(), columns(console)
    for dataset, entry in findings.data.items():
        metric = METRICS[entry.metric].title
        heading = f"{entry.title} on {dataset}, {findings.study.model}, {metric}, test set of {entry.n_test:,}"
        console.print()
        put(console, wrapped(heading, width, style="bold"))
        console.print(_table(findings, dataset, console.width < WIDE))
        console.print()
        for number, row in enumerate((r for r in lead if r.dataset == dataset), start=1):
            put(console, _benefit(number, row, width))
            for line in _details(findings, row):
                put(console, labelled(Text(INDENT), _under(dataset, line), width, len(INDENT), style="dim"))
    console.print()
    put(console, labelled(Text("Overall  ", style="bold"), _overall(findings, lead), width, 9))
    if findings.warnings:
        console.print()
        for warning in findings.warnings:
            put(console, labelled(Text("warning  ", style="yellow"), warning.text, width, 9))


def _benefit(number: int, row: BenefitRow, width: int) -> list[Text]:
    """Write `1 Performance SUPPORTED sentence`."""
    label = Text(f"{number} {row.benefit.capitalize()} ", style="bold")
    label += Text(f"{row.verdict.upper()} ", style=VERDICT_STYLES[row.verdict])
    return labelled(label, _under(row.dataset, row.sentence), width, len(INDENT))


def _under(dataset: str, sentence: str) -> str:
    """Take the data set's name off a sentence that stands under its heading."""
    return sentence.removeprefix(f"{dataset}: ")


def _details(findings: Findings, row: BenefitRow) -> list[str]:
    """Give the sentences under a benefit's own, in the order in which they answer it; the first MOST_DETAILS."""
    known = dict.fromkeys(DETAIL_LINES[row.benefit](findings, row.dataset))
    lines = [sentence for sentence in known if sentence != row.sentence]
    more = [f"and {len(lines) - MOST_DETAILS} more in findings.json"] if len(lines) > MOST_DETAILS else []
    return lines[:MOST_DETAILS] + more


def _top(findings: Findings, dataset: str) -> int:
    return max((row.budget for row in findings.scores if row.dataset == dataset), default=0)


def _performance(findings: Findings, dataset: str) -> Iterator[str]:
    """Tell of the other arms, of predictions that files give, then of calibration."""
    yield from (row.sentence for row in reading.of(findings.headline(), dataset))
    yield from (row.sentence for row in reading.of(findings.beside(), dataset))
    wanted = (Measure.ECE_SCALED, TEST, _top(findings, dataset))
    for row in _leading(findings, findings.calibration, dataset):
        if (row.measure, row.split, row.budget) == wanted:
            yield row.sentence


def _data_efficiency(findings: Findings, dataset: str) -> Iterator[str]:
    """Tell of the multiples at the budgets but the largest, then of labels not bought yet and of where curves cross."""
    rows = _leading(findings, findings.data_efficiency, dataset)
    top = _top(findings, dataset)
    yield from (row.sentence for row in rows if row.measure is Measure.MULTIPLIER and row.budget < top)
    ahead = _leading(findings, findings.forecast, dataset)
    yield from (row.sentence for row in ahead if row.measure is not Measure.FORECAST or row.budget != row.largest)
    yield from (row.sentence for row in _leading(findings, findings.break_even, dataset))


def _convergence(findings: Findings, dataset: str) -> Iterator[str]:
    """Tell of the other units, seconds last."""
    top = _top(findings, dataset)
    for row in _leading(findings, (*findings.convergence, *findings.timings), dataset):
        other = row.measure is Measure.SPEED_UP and row.unit != "steps"  # the benefit's own line has those
        if other and row.budget == top and row.estimate is not None:
            yield f"in {row.unit}: {words.bounded_ratio(row)}"


def _robustness(findings: Findings, dataset: str) -> Iterator[str]:
    """Tell of gains and retention on shifts; then of adapting to them, and of the ladder of arms."""
    top = _top(findings, dataset)
    rows = [row for row in _leading(findings, findings.robustness, dataset) if row.budget == top]
    for measure in (Measure.OOD_GAIN, Measure.RETENTION):
        yield from (row.sentence for row in rows if row.measure is measure)
    adapted = _leading(findings, findings.adaptation, dataset)
    yield from (row.sentence for row in adapted if row.measure is Measure.EFFORT)
    ladder = [row for row in findings.adaptation if (row.dataset, row.measure) == (dataset, Measure.LADDER)]
    if len(ladder) > 1:
        yield from (row.sentence for row in ladder)


DETAIL_LINES: dict[Benefit, DetailLines] = {
    Benefit.PERFORMANCE: _performance,
    Benefit.DATA_EFFICIENCY: _data_efficiency,
    Benefit.CONVERGENCE: _convergence,
    Benefit.ROBUSTNESS: _robustness,
    Benefit.BEYOND_ACCURACY: lambda findings, dataset: iter(()),  # its own sentence says all
}


def _leading(findings: Findings, rows: Sequence[R], dataset: str) -> list[R]:
    """Keep the leading arm's rows of one data set."""
    return [row for row in rows if (row.dataset, row.arm) == (dataset, findings.leading_arm)]


def _overall(findings: Findings, lead: Sequence[BenefitRow]) -> str:
    """Say in one line what starting from the checkpoint brought, over all data sets."""
    parts = []
    for benefit in dict.fromkeys(row.benefit for row in lead):
        verdicts = [row.verdict for row in lead if row.benefit is benefit]
        sets = len(verdicts)
        if len(findings.data) == 1:
            parts.append(f"{benefit} {verdicts[0]}")
            continue
        counts = {verdict: verdicts.count(verdict) for verdict in VERDICT_STYLES if verdict in verdicts}
        if counts == {Verdict.NOT_MEASURED: sets}:
            parts.append(f"{benefit} not measured")
        else:
            yes = counts.pop(Verdict.SUPPORTED, 0)
            rest = f" ({', '.join(f'{n} {verdict}' for verdict, n in counts.items())})" if counts else ""
            parts.append(f"{benefit} supported on {yes} of {sets} data sets{rest}")
    arm = findings.leading_arm
    over = " and ".join(dict.fromkeys(entry.reference for entry in findings.data.values()))
    text = f"{arm} from {findings.study.model} against {over}: {'; '.join(parts)}."
    for row in findings.aggregate:
        if row.arm == arm and row.measure in (Measure.TASKS_SUPPORTED, Measure.PROBABILITY_OF_IMPROVEMENT):
            text += f" {row.sentence}"
    return text


def _table(findings: Findings, dataset: str, narrow: bool) -> RenderableType:
    """List scores and gains; on a narrow terminal p and verdict are left to the sentences."""
    table = Table(box=None, pad_edge=False)
    over = findings.data[dataset].reference
    headers = ("labels", "arm", "score, %", f"gain over {over} (95 %)", "Holm p", "verdict")
    for header in headers[: NARROW_COLUMNS if narrow else len(headers)]:
        justify: JustifyMethod = "right" if header in ("labels", "score, %", "Holm p") else "left"
        table.add_column(header, justify=justify, no_wrap=True)
    own = [row for row in findings.primary(findings.gains) if row.dataset == dataset and row.split == TEST]
    gains = {(row.budget, row.arm): row for row in own}
    scores = reading.scores_on(findings, dataset, TEST)
    previous = None
    for score in scores:
        if previous not in (None, score.budget):
            table.add_row()
        labels = f"{score.budget:,}" if score.budget != previous else ""
        previous = score.budget
        cells = [labels, score.arm, words.in_percent(score.mean), *_gain_cells(gains.get((previous, score.arm)))]
        table.add_row(*cells[: len(table.columns)])
    return table if scores else Text("  no trial has finished")


def _gain_cells(row: GainRow | None) -> list[RenderableType]:
    if row is None:
        return []
    gain = words.in_percent(row.estimate, "+")
    if row.low is not None and row.high is not None:
        gain += f" [{words.in_percent(row.low, '+')}, {words.in_percent(row.high, '+')}]"
    p = "" if row.p_holm is None else words.p_value(row.p_holm)
    return [gain, p, Text(row.verdict, style=VERDICT_STYLES[row.verdict])]
