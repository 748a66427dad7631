"""Render the page: one self-contained offline HTML file, the answer first and every trial at the end."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2
from markupsafe import Markup, escape

from transfergain.analysis import words
from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.findings import PENDING, Findings
from transfergain.analysis.rows import Benefit, Verdict
from transfergain.analysis.verdict import VERDICTS
from transfergain.counts import counted
from transfergain.metrics import METRICS
from transfergain.report.limits import limits
from transfergain.report.page import ASSETS, dots, downloads, examples, svg, tables
from transfergain.report.page.answer import Answer, answers, common_steps, panel_id
from transfergain.report.page.controls import without_controls
from transfergain.report.page.figures import Figure, TextTable
from transfergain.report.page.panels import PANELS
from transfergain.report.page.panels.base import DatasetView, Panel, PanelKind, overall_table
from transfergain.report.toml import study_toml
from transfergain.running.search import LEARNING_RATES
from transfergain.types import Status


@dataclass(frozen=True)
class FigureOnPage:
    """A figure on the page: its id, its picture and its legend."""

    id: str
    figure: Figure
    picture: Markup
    legend: Sequence[tuple[str, Markup]]
    toggles_log: bool


@dataclass(frozen=True)
class PanelOnPage:
    """A panel: its id, its kind, what it holds, and the benefit's verdict where it is one."""

    id: str
    kind: PanelKind
    panel: Panel
    figures: Sequence[FigureOnPage]
    more: Sequence[FigureOnPage]
    verdict: Verdict


@dataclass(frozen=True)
class SectionOnPage:
    """A data set: its answer, what is known of it, and the panels."""

    name: str
    entry: DatasetEntry
    answer: Answer
    panels: Sequence[PanelOnPage]
    examples: Sequence[TextTable]


def render(findings: Findings, live: bool = False) -> str:
    """Render the report as HTML. It loads nothing: style, script and data are inside. `live` says that the study still runs.

    Raises FileNotFoundError when plotly's script is missing from its package.
    """
    sections = [_section(findings, answer, number) for number, answer in enumerate(answers(findings), 1)]
    drawn = [d for section in sections for shown in section.panels for d in (*shown.figures, *shown.more)]
    gains = dots.gains(findings)  # of one arm on one data set the answer has said it
    toml = study_toml(findings.study.request)
    content = downloads.tables_to_download(findings)
    return template("page.html.j2").render(
        title=findings.summary.question,
        live=live,
        findings=findings,
        study=findings.study,
        about=_about(findings),
        counts=findings.trials,
        trial_words=_trial_words(findings),
        trial_count=len(findings.all_rows),
        steps=common_steps(findings.summary),
        sections=sections,
        summary=findings.summary,
        all_gains=gains if gains and len(gains.dots) > 1 else None,
        limits=limits(findings),
        aggregate=overall_table(findings.aggregate),
        warnings=[warning.text for warning in findings.warnings],
        recipe_table=tables.full_recipes(findings.recipes),
        stepless=tables.stepless(findings.recipes),
        search_space=" to ".join(f"{rate:g}" for rate in LEARNING_RATES),
        checks=tables.checks(findings),
        failed=tables.failed(findings),
        trials=tables.trials(findings),
        verdicts=VERDICTS,
        toml=toml,
        toml_link="data:text/plain;base64," + base64.b64encode(toml.encode("utf-8")).decode("ascii"),
        packed=_packed(drawn, content),
        downloads=list(content),
        embed=downloads.embed,
    )


def _about(findings: Findings) -> str:
    """Say in a line what the study is made of."""
    parts = [_trial_words(findings), f"{words.planned_seeds(findings.study.seeds)} planned, paired between the arms"]
    if len(findings.data) == 1:
        name, entry = next(iter(findings.data.items()))
        parts.insert(0, f"{name}: {METRICS[entry.metric].title} on {entry.n_test:,} test examples")
    return " · ".join([*parts, f"a gain matters from {words.margin(findings.study.margin)}"])


def _trial_words(findings: Findings) -> str:
    """Count the trials by what became of them."""
    others = ((Status.FAILED, "failed"), (Status.SKIPPED, "skipped"), (PENDING, "not run yet"))
    done = counted(findings.trials[Status.DONE], "trial done", "trials done")
    return ", ".join([done, *(f"{n:,} {word}" for key, word in others if (n := findings.trials[key]))])


@cache
def template(name: str) -> jinja2.Template:
    """Load a template of the page's assets; `flags` is a filter that marks flags in a sentence."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=without_controls,
    )
    environment.filters["flags"] = _flags
    return environment.get_template(name)


def _flags(sentence: str) -> Markup:
    """Escape the sentence and mark its flags as code, which does not break at their hyphens."""
    return Markup(re.sub(r"(?<![\w-])--[a-z]+(-[a-z]+)*", r"<code>\g<0></code>", str(escape(sentence))))


def _packed(drawn: Sequence[FigureOnPage], content: Mapping[str, Any]) -> dict[str, str]:
    """Pack what the page's script reads: element id -> packed text, unpacked when a reader asks for it."""
    if not drawn and not content:
        return {}
    figures = {d.id: {"data": d.figure.traces, "layout": d.figure.layout} for d in drawn}
    packed = {"plotly-source": downloads.plotly(), "figures-data": downloads.pack(_json(figures))} if drawn else {}
    return packed | {"tables-data": downloads.pack(_json(content))}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _section(findings: Findings, answer: Answer, number: int) -> SectionOnPage:
    """Build the part of one data set."""
    name = answer.of.dataset
    view = DatasetView(findings, name)
    verdicts: dict[Benefit | None, Verdict] = {line.benefit: line.verdict for line in answer.of.benefits}
    panels = [_panel(view, kind, panel_id(key, number), verdicts) for key, kind in PANELS.items() if kind.applies(view)]
    return SectionOnPage(name, view.entry, answer, panels, examples.disagreements(findings, name))


def _panel(view: DatasetView, kind: PanelKind, slug: str, verdicts: Mapping[Benefit | None, Verdict]) -> PanelOnPage:
    """Build one panel of a data set."""
    panel = kind.build(view)
    first, more = (
        [_draw(figure, f"{slug}-{part}{i}") for i, figure in enumerate(figures, 1)]
        for part, figures in (("", panel.figures), ("more-", panel.more))
    )
    return PanelOnPage(slug, kind, panel, first, more, verdicts.get(kind.benefit, Verdict.NONE))


def _draw(figure: Figure, identifier: str) -> FigureOnPage:
    log, legend = figure.layout["xaxis"].get("type") == "log", svg.keys(figure)
    return FigureOnPage(identifier, figure, Markup(svg.draw(figure)), [(name, Markup(key)) for name, key in legend], log)
