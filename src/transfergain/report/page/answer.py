"""Prepare the answer for the first screen: its box, the dots of all arms and floors, the learning curve, four tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from markupsafe import Markup

from transfergain.analysis import words
from transfergain.analysis.advice import MOST
from transfergain.analysis.candidates import Difference
from transfergain.analysis.findings import Findings
from transfergain.analysis.recommend import title, upper
from transfergain.analysis.rows import Benefit, GainRow, Verdict
from transfergain.analysis.short import hidden
from transfergain.analysis.summary import DatasetSummary, Summary
from transfergain.report.page import dots, forecast, svg
from transfergain.report.page.dots import DotPlot
from transfergain.report.page.figures import styles
from transfergain.report.page.panels import data_efficiency
from transfergain.report.page.panels.base import DatasetView
from transfergain.report.steps import flags, labels_brought, of_study
from transfergain.split import TEST


class KeyFigure(NamedTuple):
    """A figure in large print, with what it is and how sure it is."""

    value: str
    label: str
    note: str


class Tile(NamedTuple):
    """A benefit in short: the id of its panel, its verdict and a line."""

    id: str
    benefit: Benefit
    verdict: Verdict
    text: str


class Curve(NamedTuple):
    """The learning curve in small."""

    title: str
    picture: Markup
    legend: Sequence[tuple[str, Markup]]
    forecast: bool


@dataclass(frozen=True)
class Answer:
    """What the first screen says of one data set."""

    id: str
    of: DatasetSummary
    take: str
    figures: Sequence[KeyFigure]
    labels: Sequence[str]
    """What the next labels probably buy, and what the last ones brought; none where nothing was scored."""
    steps: Sequence[str]
    tiles: Sequence[Tile]
    dots: DotPlot | None
    curve: Curve | None


def answers(findings: Findings) -> list[Answer]:
    """Answer for every data set, in their order."""
    drawn = styles(findings)
    return [
        Answer(
            id=f"data-{number}",
            of=of,
            take=upper(of.recommendation.title),
            figures=_figures(findings, of),
            labels=[upper(text) for text in labels_brought(of.more_labels, flags)] if of.score is not None else [],
            steps=[flags(step) for step in of.next],
            tiles=[Tile(panel_id(b.benefit, number), b.benefit, b.verdict, _in_words(b.text, of)) for b in of.benefits],
            dots=dots.candidates(of, drawn),
            curve=_curve(DatasetView(findings, of.dataset)),
        )
        for number, of in enumerate(findings.summary.datasets, 1)
    ]


def common_steps(summary: Summary) -> list[str]:
    """List what to run next in a study of several data sets: the steps that are not about one of them."""
    return [flags(step) for step in of_study(summary.datasets)[:MOST]]


def panel_id(key: str, number: int) -> str:
    """Name a panel of the data set of that number, for links."""
    return f"{key.replace(' ', '-')}-{number}"


def _in_words(text: str, of: DatasetSummary) -> str:
    """Name the best floor in words, where a line has it as the terminal's columns do."""
    floor = of.over_floor.against if of.over_floor else ""
    return text.replace(f"over {floor} ", f"over {title(floor)} ") if floor else text


def _figures(findings: Findings, of: DatasetSummary) -> list[KeyFigure]:
    """Pick the score of what to take, and what it gains over the reference and over the best floor.

    Where that is a floor, or scratch itself, the gains are those of the arm that the answer is about.
    """
    best = of.recommendation
    if best.score is None:
        return []
    found = [KeyFigure(words.score(best.score), f"{of.metric} of {best.title}", _score_interval(best.low, best.high))]
    gained = _over_reference(findings, of, best.name)
    arm = best.name if gained else of.arm
    by = f"{title(arm)} " if arm != best.name and arm else ""
    over_floor = next((row.over_floor for row in of.candidates if row.arm == arm), None)
    if gained := gained or _over_reference(findings, of, arm):
        found.append(_difference(gained, f"{by}over {title(of.reference)}"))
    if over_floor and of.reference != over_floor.against:
        found.append(_difference(over_floor, f"{by}over the best floor, {title(over_floor.against)}"))
    return found


def _over_reference(findings: Findings, of: DatasetSummary, arm: str) -> GainRow | None:
    metric = findings.data[of.dataset].metric
    wanted = (of.dataset, arm, of.budget, TEST, metric)
    return next((r for r in findings.gains if (r.dataset, r.arm, r.budget, r.split, r.metric) == wanted), None)


def _difference(row: GainRow | Difference, label: str) -> KeyFigure:
    interval = words.interval(row.low, row.high)
    note = interval if interval and not hidden(row) else f"{words.seeds(row.n_seeds)}, too few for an interval"
    return KeyFigure(words.points(row.estimate), label, note)


def _score_interval(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"95 %: {words.from_to(low, high)}"


def _curve(view: DatasetView) -> Curve | None:
    """Draw the learning curve in small; none of a single number of labels, which the dots show."""
    figure = data_efficiency.learning_curve(view, TEST, arrow=False)
    if figure is None or figure.layout["xaxis"].get("type") != "log":
        return None
    figure.layout["xaxis"]["title"]["text"] = forecast.axis_title(view, "labels")
    names = ((name.removesuffix(" (floor)").removesuffix(" (given)"), key) for name, key in svg.keys(figure))
    legend = [(name, Markup(key)) for name, key in names]  # the dots say which are floors
    return Curve(
        f"By number of labels: {view.score} in %",
        Markup(svg.draw(figure, frame=svg.SMALL)),
        legend,
        bool(forecast.bands(view)),
    )
