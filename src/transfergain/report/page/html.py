"""The page: one self-contained offline HTML file, the answer first and every trial at the end."""

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
from transfergain.analysis.findings import Findings
from transfergain.analysis.verdict import VERDICTS
from transfergain.report import reading
from transfergain.report.limits import limits
from transfergain.report.page import ASSETS, downloads, examples, svg, tables
from transfergain.report.page.figures import Figure, Row, Table
from transfergain.report.page.forest import forest
from transfergain.report.page.panels import PANELS
from transfergain.report.page.panels.base import Kind, Panel, View, rows_table
from transfergain.report.toml import study_toml
from transfergain.running.search import LEARNING_RATES


@dataclass(frozen=True)
class Drawn:
    """A figure on the page: its id, its picture and its legend."""

    id: str
    figure: Figure
    picture: Markup
    legend: Sequence[tuple[str, Markup]]
    toggles_log: bool


@dataclass(frozen=True)
class Shown:
    """A panel on the page."""

    id: str
    kind: Kind
    panel: Panel
    figures: Sequence[Drawn]
    more: Sequence[Drawn]
    verdict: str


def render(findings: Findings, live: bool = False) -> str:
    """The report as HTML. It loads nothing: style, script and data are inside. `live` says that the study still runs.

    Raises FileNotFoundError when plotly's script is missing from its package.
    """
    answers = reading.benefits(findings)
    sections = [_section(findings, name, i, answers) for i, name in enumerate(findings.data, 1)]
    drawn = [d for section in sections for shown in section["panels"] for d in (*shown.figures, *shown.more)]
    toml = study_toml(findings.study)
    content = downloads.tables(findings)
    return _template().render(
        title=f"Does starting from {findings.study['model']} beat training from scratch?",
        live=live,
        findings=findings,
        study=findings.study,
        seeds=words.planned_seeds(findings.study),
        counts=findings.trials,
        sections=sections,
        forest=forest(findings),
        limits=limits(findings),
        aggregate=_aggregate(findings),
        warnings=findings.warnings,
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
    """The sentence, escaped, with its flags as code, which does not break at their hyphens."""
    return Markup(re.sub(r"(?<![\w-])--[a-z]+(-[a-z]+)*", r"<code>\g<0></code>", str(escape(sentence))))


def _packed(drawn: Sequence[Drawn], content: Mapping[str, Any]) -> dict[str, str]:
    """Element id -> packed text that the page's script unpacks when it is asked for."""
    if not drawn and not content:
        return {}
    figures = {d.id: {"data": d.figure.traces, "layout": d.figure.layout} for d in drawn}
    packed = {"plotly-source": downloads.plotly(), "figures-data": downloads.pack(_json(figures))} if drawn else {}
    return packed | {"tables-data": downloads.pack(_json(content))}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _section(findings: Findings, name: str, number: int, answers: Sequence[Row]) -> dict[str, Any]:
    """One data set."""
    view, verdicts = View(findings, name), {r["benefit"]: r for r in reading.of(answers, name)}
    panels = []
    for key, kind in PANELS.items():
        panel, slug = kind.build(view), f"{key.replace(' ', '-')}-{number}"
        first, more = (
            [_draw(figure, f"{slug}-{part}{i}") for i, figure in enumerate(figures, 1)]
            for part, figures in (("", panel.figures), ("more-", panel.more))
        )
        panels.append(Shown(slug, kind, panel, first, more, verdicts.get(key, {}).get("verdict", "")))
    benefits = [(shown, verdicts.get(key)) for key, shown in zip(PANELS, panels, strict=True) if key in reading.BENEFITS]
    return {
        "id": f"data-{number}",
        "name": name,
        "entry": view.entry,
        "answer": _answer(findings, name, panels[0], verdicts),
        "benefits": benefits,
        "panels": panels,
        "examples": examples.disagreements(findings, name),
    }


def _answer(findings: Findings, name: str, performance: Shown, verdicts: Mapping[str, Row]) -> Row:
    """The one sentence on a data set."""
    if row := verdicts.get(reading.BENEFITS[0]):
        return dict(row) | {"sentence": str(row["sentence"]).removeprefix(f"{name}: ")}
    return {"verdict": "not measured", "sentence": performance.panel.missing or f"{name}: nothing to say yet."}


def _draw(figure: Figure, identifier: str) -> Drawn:
    log = figure.layout["xaxis"].get("type") == "log"
    return Drawn(identifier, figure, Markup(svg.draw(figure)), [(name, Markup(key)) for name, key in svg.keys(figure)], log)


def _aggregate(findings: Findings) -> list[Table]:
    return rows_table("Over all data sets", findings.aggregate)
