"""Findings for the terminal: one table and a line a benefit for each data set, then one line over all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, JustifyMethod, RenderableType
from rich.table import Table
from rich.text import Text

from transfergain.analysis import words
from transfergain.analysis.benefits import BENEFITS
from transfergain.analysis.findings import Findings

COLOURS = {
    "supported": "bold green",
    "partly": "bold yellow",
    "negative transfer": "bold red",
    "not supported": "bold red",
    "inconclusive": "bold yellow",
    "void": "bold yellow",
    "not measured": "dim",
}
INDENT = " " * 19
SHOWN = 8
"""Further lines of a benefit at most; findings.json and the page have all."""


def show(findings: Findings, console: Console) -> None:
    """Print a table and the four benefits of every data set, the overall line, the warnings."""
    lead = findings.benefits()
    for dataset, entry in findings.data.items():
        heading = f"{entry['title']} on {dataset}, {findings.study['model']}, {entry['metric']}, test {entry['n_test']:,}"
        console.print()
        console.print(Text(heading, style="bold"), soft_wrap=True)
        console.print(_table(findings, dataset))
        console.print()
        for number, row in enumerate((r for r in lead if r["dataset"] == dataset), start=1):
            console.print(_benefit(number, row), soft_wrap=True)
            for line in _details(findings, row):
                console.print(Text(INDENT + line, style="dim"), soft_wrap=True)
    console.print()
    console.print(_overall(findings, lead), soft_wrap=True)
    if findings.warnings:
        console.print()
        for warning in findings.warnings:
            console.print(Text("warning  ", style="yellow") + Text(warning), soft_wrap=True)


def _benefit(number: int, row: Mapping[str, Any]) -> Text:
    """`1 Performance      SUPPORTED          sentence`."""
    label = Text(f"{number} {row['benefit'].capitalize():<17}", style="bold")
    return label + Text(f"{row['verdict'].upper():<18}", style=COLOURS[row["verdict"]]) + Text(row["sentence"])


def _details(findings: Findings, row: Mapping[str, Any]) -> list[str]:
    """The sentences under a benefit's own, in the order in which they answer it; the first SHOWN."""
    find = {
        "performance": _performance,
        "data efficiency": _data_efficiency,
        "convergence": _convergence,
        "robustness": _robustness,
    }[row["benefit"]]
    seen, lines = {row["sentence"]}, list[str]()
    for sentence in find(findings, row["dataset"], row["arm"]):
        if sentence not in seen:
            seen.add(sentence)
            lines.append(sentence)
    more = [f"and {len(lines) - SHOWN} more in findings.json"] if len(lines) > SHOWN else []
    return lines[:SHOWN] + more


def _top(findings: Findings, dataset: str) -> int:
    return max((row["budget"] for row in findings.scores if row["dataset"] == dataset), default=0)


def _performance(findings: Findings, dataset: str, arm: str) -> Iterator[str]:
    """The other arms, calibration, the ladder."""
    for row in findings.headline():
        if row["dataset"] == dataset:
            yield row["sentence"]
    top = _top(findings, dataset)
    for row in _of(findings.calibration, dataset, arm):
        if (row["measure"], row["split"], row["budget"]) == ("ece_scaled", "test", top):
            yield row["sentence"]


def _data_efficiency(findings: Findings, dataset: str, arm: str) -> Iterator[str]:
    """The label saving, then the multiples at the other budgets but the largest."""
    rows = _of(findings.data_efficiency, dataset, arm)
    top = _top(findings, dataset)
    yield from (row["sentence"] for row in rows if row["measure"] == "label_saving" and row["estimate"] is not None)
    yield from (row["sentence"] for row in rows if row["measure"] == "multiplier" and row["budget"] < top)


def _convergence(findings: Findings, dataset: str, arm: str) -> Iterator[str]:
    """The other units, seconds last."""
    top = _top(findings, dataset)
    for row in (*_of(findings.convergence, dataset, arm), *_of(findings.timings, dataset, arm)):
        other = row["measure"] == "speed_up" and row["unit"] != "steps"  # the benefit's own line has those
        if other and row["budget"] == top and row["estimate"] is not None:
            yield f"in {row['unit']}: {words.bounded_ratio(row)}"


def _robustness(findings: Findings, dataset: str, arm: str) -> Iterator[str]:
    """Gains, effective robustness and retention on shifts; then adapting to them, and the ladder of arms."""
    top = _top(findings, dataset)
    rows = [row for row in _of(findings.robustness, dataset, arm) if row["budget"] == top]
    for measure in ("ood_gain", "effective_robustness", "retention"):
        yield from (row["sentence"] for row in rows if row["measure"] == measure)
    adapted = _of(findings.adaptation, dataset, arm)
    yield from (row["sentence"] for row in adapted if row["measure"] == "effort")
    ladder = [row for row in findings.adaptation if (row["dataset"], row["measure"]) == (dataset, "ladder")]
    if len(ladder) > 1:
        yield from (row["sentence"] for row in ladder)


def _of(rows: Sequence[Mapping[str, Any]], dataset: str, arm: str) -> list[Mapping[str, Any]]:
    return [row for row in rows if (row["dataset"], row["arm"]) == (dataset, arm)]


def _overall(findings: Findings, lead: Sequence[Mapping[str, Any]]) -> Text:
    """One line: what starting from the checkpoint brought, over all data sets."""
    sets = len(findings.data)
    parts = []
    for benefit in BENEFITS:
        verdicts = [row["verdict"] for row in lead if row["benefit"] == benefit]
        if sets == 1:
            parts.append(f"{benefit} {verdicts[0]}")
            continue
        counts = {word: verdicts.count(word) for word in COLOURS if word in verdicts}
        if counts == {"not measured": sets}:
            parts.append(f"{benefit} not measured")
        else:
            yes = counts.pop("supported", 0)
            rest = f" ({', '.join(f'{n} {word}' for word, n in counts.items())})" if counts else ""
            parts.append(f"{benefit} supported on {yes} of {sets} data sets{rest}")
    arm = lead[0]["arm"] if lead else ""
    text = f"{arm} from {findings.study['model']} against scratch: {'; '.join(parts)}."
    for row in findings.aggregate:
        if row["arm"] == arm and row["measure"] in ("tasks_supported", "probability_of_improvement"):
            text += f" {row['sentence']}"
    return Text("Overall  ", style="bold") + Text(text)


def _table(findings: Findings, dataset: str) -> RenderableType:
    table = Table(box=None, pad_edge=False)
    headers = ("labels", "arm", "error", "gain over scratch (95 %)", "Holm p", "verdict")
    for header in headers:
        justify: JustifyMethod = "right" if header in ("labels", "error", "Holm p") else "left"
        table.add_column(header, justify=justify, no_wrap=True)
    gains = {(r["budget"], r["arm"]): r for r in findings.primary(findings.gains)
             if r["dataset"] == dataset and r["split"] == "test"}  # fmt: skip
    scores = [r for r in findings.primary(findings.scores) if r["dataset"] == dataset and r["split"] == "test"]
    previous = None
    for score in scores:
        if previous not in (None, score["budget"]):
            table.add_row()
        labels = f"{score['budget']:,}" if score["budget"] != previous else ""
        previous = score["budget"]
        table.add_row(labels, score["arm"], f"{1 - score['mean']:.3f}", *_gain_cells(gains.get((previous, score["arm"]))))
    return table if scores else Text("  no trial has finished")


def _gain_cells(row: Mapping[str, Any] | None) -> list[RenderableType]:
    if row is None:
        return []
    gain = words.signed(row["estimate"], row["low"], row["high"])
    p = "" if row["p_holm"] is None else "< .001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}".lstrip("0")
    return [gain, p, Text(row["verdict"], style=COLOURS[row["verdict"]])]
