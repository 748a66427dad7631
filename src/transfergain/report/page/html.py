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
from transfergain.analysis.findings import Findings
from transfergain.analysis.rows import Benefit, BenefitRow, Verdict
from transfergain.analysis.verdict import VERDICTS
from transfergain.report.limits import limits
from transfergain.report.page import ASSETS, downloads, examples, svg, tables
from transfergain.report.page.figures import Figure, TextTable
from transfergain.report.page.forest import forest
from transfergain.report.page.panels import PANELS
from transfergain.report.page.panels.base import DatasetView, Panel, PanelKind, rows_table
from transfergain.report.toml import study_toml
from transfergain.running.search import LEARNING_RATES


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
    """A data set: its id, what is known of it, the answer, and the panels."""

    id: str
    name: str
    entry: DatasetEntry
    answer: str
    benefits: Sequence[PanelOnPage]
    panels: Sequence[PanelOnPage]
    examples: Sequence[TextTable]


def render(findings: Findings, live: bool = False) -> str:
    """Render the report as HTML. It loads nothing: style, script and data are inside. `live` says that the study still runs.

    Raises FileNotFoundError when plotly's script is missing from its package.
    """
    answers = findings.benefits()
    sections = [
        _section(findings, name, number, {row.benefit: row for row in answers if row.dataset == name})
        for number, name in enumerate(findings.data, 1)
    ]
    drawn = [d for section in sections for shown in section.panels for d in (*shown.figures, *shown.more)]
    toml = study_toml(findings.study.request)
    content = downloads.tables_to_download(findings)
    return _template().render(
        title=f"Does starting from {findings.study.model} beat training from scratch?",
        live=live,
        findings=findings,
        study=findings.study,
        seeds=words.planned_seeds(findings.study.seeds),
        counts=findings.trials,
        sections=sections,
        forest=forest(findings),
        limits=limits(findings),
        aggregate=rows_table("Over all data sets", findings.aggregate),
        warnings=[warning.text for warning in findings.warnings],
        recipe_table=tables.full_recipes(findings.recipes),
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


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["flags"] = _flags
    return environment.get_template("page.html.j2")


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


def _section(findings: Findings, name: str, number: int, answers: Mapping[Benefit, BenefitRow]) -> SectionOnPage:
    """Build the part of one data set."""
    view = DatasetView(findings, name)
    verdicts = {benefit: row.verdict for benefit, row in answers.items()}
    panels = [_panel(view, kind, f"{key.replace(' ', '-')}-{number}", verdicts) for key, kind in PANELS.items()]
    return SectionOnPage(
        id=f"data-{number}",
        name=name,
        entry=view.entry,
        answer=answers[Benefit.PERFORMANCE].sentence.removeprefix(f"{name}: "),
        benefits=[panel for panel in panels if panel.kind.benefit],
        panels=panels,
        examples=examples.disagreements(findings, name),
    )


def _panel(view: DatasetView, kind: PanelKind, slug: str, verdicts: Mapping[Benefit, Verdict]) -> PanelOnPage:
    """Build one panel of a data set."""
    panel = kind.build(view)
    first, more = (
        [_draw(figure, f"{slug}-{part}{i}") for i, figure in enumerate(figures, 1)]
        for part, figures in (("", panel.figures), ("more-", panel.more))
    )
    return PanelOnPage(slug, kind, panel, first, more, verdicts[kind.benefit] if kind.benefit else Verdict.NONE)


def _draw(figure: Figure, identifier: str) -> FigureOnPage:
    log, legend = figure.layout["xaxis"].get("type") == "log", svg.keys(figure)
    return FigureOnPage(identifier, figure, Markup(svg.draw(figure)), [(name, Markup(key)) for name, key in legend], log)
