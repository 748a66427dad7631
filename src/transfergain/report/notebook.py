"""Show findings in Python: the summary as text and as HTML, and the page's figures as `plotly.graph_objects.Figure`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transfergain.analysis import findings as analysis
from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import Verdict
from transfergain.analysis.summary import BenefitLine, DatasetSummary
from transfergain.analysis.words import in_percent
from transfergain.errors import UserError
from transfergain.report import terminal
from transfergain.report.page.figures import Figure
from transfergain.report.page.forest import figure as forest
from transfergain.report.page.panels import convergence, data_efficiency, robustness
from transfergain.report.page.panels.base import DatasetView
from transfergain.report.steps import in_keywords, keywords, labels_brought, recommended
from transfergain.split import TEST, Split
from transfergain.study import load_keys

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
    """Findings that show themselves in Python: what `transfergain.run` and `transfergain.load` return.

    `dataset` may be left out of every plot: then it is the first of the study. A plot raises ValueError for a data set that
    is not there, and where there is nothing to draw.
    """

    @classmethod
    def of(cls, findings: Findings) -> StudyFindings:
        """Give findings their notebook views."""
        return cls(**{field.name: getattr(findings, field.name) for field in fields(Findings)})

    def __repr__(self) -> str:
        """Show the summary as the terminal does, in 80 columns."""
        return in_keywords("\n".join(line.plain.rstrip() for line in terminal.lines(self.summary, 80, keywords)))

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
        advice = 'run it with shift={"NAME": "FILE"} or with perturbations'
        found = robustness.scores_by_severity(view, kinds, "all") if kinds else None
        return plotly_figure(found, f"{view.dataset} was tested on no shift and no perturbation: {advice}")

    def _view(self, dataset: str | None) -> DatasetView:
        if dataset is not None and dataset not in self.data:
            raise ValueError(f'no data set "{dataset}" in this study; it has: {", ".join(self.data)}')
        return DatasetView(self, dataset or next(iter(self.data)))


def load(folder: str | Path, **ahead: Any) -> StudyFindings:
    """Read the findings of an output folder. Raises UserError when it holds no study.

    `forecast`, `target_error`, `label_cost` and `currency` stand in for those of the run; nothing is trained.
    """
    try:
        return StudyFindings.of(analysis.load(folder, load_keys(ahead) if ahead else None))
    except UserError as error:
        raise UserError(in_keywords(str(error))) from None


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
    """Write the summary: the answer, what to take, the benefits, the scores, what next; all text escaped."""
    summary = findings.summary
    parts = [f"<p><b>{escape(summary.answer)}</b></p>"] if len(summary.datasets) > 1 else []
    parts += [_dataset(each, len(summary.datasets) > 1) for each in summary.datasets]
    if findings.folder:
        parts.append(f"<p>Report: <code>{escape(str(Path(findings.folder) / 'report.html'))}</code></p>")
    return f"<div>{''.join(parts)}</div>"


def _dataset(of: DatasetSummary, named: bool) -> str:
    head = f"<h4>{escape(of.dataset)}</h4>" if named else ""
    benefits = "".join(f"<li>{_benefit(line)}</li>" for line in of.benefits)
    take = f"<p>Take: {escape(recommended(of))}</p>"
    labels = f"<p>Labels: {escape('; '.join(labels_brought(of.more_labels, keywords)))}</p>"
    notes = _list("Next", map(keywords, of.next)) + _list("Careful", map(in_keywords, of.caveats))
    return f"{head}<p><b>{escape(of.answer)}</b></p>{take}<ul>{benefits}</ul>{_table(of)}{labels}{notes}"


def _benefit(line: BenefitLine) -> str:
    mark = VERDICT_MARKS.get(line.verdict, "·")
    return f"{mark} <b>{line.benefit}, {line.verdict}</b>: {escape(in_keywords(line.text))}"


def _list(title: str, texts: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<p>{title}</p><ul>{items}</ul>" if items else ""


def _table(of: DatasetSummary) -> str:
    """List the scores on the test set by number of labels, in per cent."""
    table = of.table
    if not table.budgets:
        return "<p>no trial has finished</p>"
    heads = "".join(f"<th {CELL_STYLE}>{escape(name)}</th>" for name in ("labels", *table.columns))
    body = "".join(
        f"<tr><td {CELL_STYLE}>{budget:,}</td>"
        + "".join(f"<td {CELL_STYLE}>{'' if x is None else in_percent(x)}</td>" for x in scores)
        + "</tr>"
        for budget, scores in zip(table.budgets, table.scores, strict=True)
    )
    title = escape(f"{of.dataset}: {of.metric} in %, test set of {of.n_test:,}")
    return f"<table><caption>{title}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
