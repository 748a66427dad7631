"""Show findings in a notebook: a compact HTML view, and the page's figures as `plotly.graph_objects.Figure`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from transfergain.analysis import findings as analysis
from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import BenefitRow, Verdict
from transfergain.report import reading
from transfergain.report.page.figures import Figure, gain_text
from transfergain.report.page.forest import figure as forest
from transfergain.report.page.panels import convergence, data_efficiency, robustness
from transfergain.report.page.panels.base import DatasetView
from transfergain.split import TEST, Split

if TYPE_CHECKING:
    import plotly.graph_objects as go

VERDICT_MARKS = {
    Verdict.SUPPORTED: "✔",
    Verdict.NEGATIVE_TRANSFER: "✘",
    Verdict.NOT_SUPPORTED: "✘",
    Verdict.INCONCLUSIVE: "?",
}
CELL_STYLE = 'style="text-align:left;padding:2px 10px"'


class StudyFindings(Findings):
    """Findings that show themselves in a notebook: what `transfergain.run` and `transfergain.load` return.

    `dataset` may be left out of every plot: then it is the first of the study. A plot raises ValueError for a data set that
    is not there, and where there is nothing to draw.
    """

    @classmethod
    def of(cls, findings: Findings) -> StudyFindings:
        """Give findings their notebook views."""
        return cls(**{field.name: getattr(findings, field.name) for field in fields(Findings)})

    def _repr_html_(self) -> str:
        return html(self)

    def plot_learning_curve(self, dataset: str | None = None, split: str | Split = TEST) -> go.Figure:
        """Draw the primary score by label budget, for every arm and floor, with its interval."""
        view, split = self._view(dataset), Split.parse(str(split))
        return plotly_figure(data_efficiency.learning_curve(view, split), f"{view.dataset} has no scores on {split}")

    def plot_gains(self) -> go.Figure:
        """Draw the gains over scratch at the largest budget with their intervals, for every data set and pretrained arm."""
        return plotly_figure(forest(self), "no gain to draw: no arm and scratch have finished together")

    def plot_convergence(self, dataset: str | None = None) -> go.Figure:
        """Draw the dev score by training step at the largest budget, a line a seed."""
        view = self._view(dataset)
        return plotly_figure(convergence.curves(view, "steps"), f"{view.dataset} has no learning curve yet")

    def plot_robustness(self, dataset: str | None = None, shift: str | None = None) -> go.Figure:
        """Draw scores on a shift against those on the test set; scores by severity in a study without shifts.

        Of several shifts, the first is drawn where `shift` is left out.
        """
        view = self._view(dataset)
        shifts, kinds = view.entry.shifts, robustness.perturbation_kinds(view)
        if shift is not None and shift not in shifts:
            raise ValueError(f'{view.dataset} has no shift "{shift}"; it has: {", ".join(shifts) or "none"}')
        if shifts:
            name = shift or next(iter(shifts))
            return plotly_figure(robustness.effective(view, name), f"{view.dataset} has no scores on {name} yet")
        advice = "run it with --shift NAME=FILE or --perturbations"
        found = robustness.scores_by_severity(view, kinds, "all") if kinds else None
        return plotly_figure(found, f"{view.dataset} was tested on no shift and no perturbation: {advice}")

    def _view(self, dataset: str | None) -> DatasetView:
        if dataset is not None and dataset not in self.data:
            raise ValueError(f'no data set "{dataset}" in this study; it has: {", ".join(self.data)}')
        return DatasetView(self, dataset or next(iter(self.data)))


def load(folder: str | Path) -> StudyFindings:
    """Read the findings of an output folder. Raises UserError when it holds no study."""
    return StudyFindings.of(analysis.load(folder))


def plotly_figure(figure: Figure | None, otherwise: str) -> go.Figure:
    """Turn a figure of the page into one of plotly's, with its title and legend. Raises ValueError(otherwise) for None."""
    if figure is None:
        raise ValueError(otherwise)
    import plotly.graph_objects as go

    layout = {key: value for key, value in figure.layout.items() if not key.endswith("_bgcolor")}
    layout |= {
        "title": {"text": escape(figure.title)},
        "margin": figure.layout["margin"] | {"t": 64},
        "showlegend": True,
        "dragmode": "zoom",
        "height": 480,
    }
    return go.Figure(data=figure.traces, layout=layout)


def html(findings: Findings) -> str:
    """Write the answer in a sentence each, the arms at the largest budget, and warnings folded; all text escaped."""
    parts = [f"<b>{escape(findings.study.model)}</b> compared with training from scratch: {_trials(findings)}"]
    parts.append("<ul>" + "".join(f"<li>{_verdict(row)}</li>" for row in findings.benefits()) + "</ul>")
    parts += [_table(findings, dataset) for dataset in findings.data]
    if findings.warnings:
        parts.append(_folded(f"{len(findings.warnings)} warnings", [warning.text for warning in findings.warnings]))
    if findings.folder:
        parts.append(f"<p>Report: <code>{escape(str(Path(findings.folder) / 'report.html'))}</code></p>")
    return f"<div>{''.join(parts)}</div>"


def _folded(summary: str, texts: Sequence[str]) -> str:
    lines = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<details><summary>{summary}</summary><ul>{lines}</ul></details>"


def _trials(findings: Findings) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in findings.trials.items() if count) + " trials"


def _verdict(row: BenefitRow) -> str:
    return f"{VERDICT_MARKS.get(row.verdict, '·')} <b>{row.benefit}, {row.verdict}</b>: {escape(row.sentence)}"


def _table(findings: Findings, dataset: str) -> str:
    """List error and gain of every arm and floor on the test set at the largest budget."""
    budget = reading.top_budget(findings, dataset)
    gains = {row.arm: gain_text(row) for row in reading.of(findings.headline(), dataset)}
    scores = reading.scores_on(findings, dataset, TEST, budget)
    if not scores:
        return f"<p>{escape(dataset)}: no trial has finished</p>"
    body = "".join(
        f"<tr><td {CELL_STYLE}>{escape(row.arm)}</td><td {CELL_STYLE}>{1 - row.mean:.3f}</td>"
        f"<td {CELL_STYLE}>{gains.get(row.arm, '')}</td></tr>"
        for row in scores
    )
    title = f"{dataset}, {findings.data[dataset].metric}, {budget:,} labels"
    heads = "".join(f"<th {CELL_STYLE}>{name}</th>" for name in ("arm", "error", "gain over scratch (95 %)"))
    return f"<table><caption>{escape(title)}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
