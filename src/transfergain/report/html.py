"""The page: one self-contained offline HTML file, the verdict first and every trial at the end."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from transfergain.analysis.findings import Findings
from transfergain.analysis.verdict import VERDICTS
from transfergain.report import tables
from transfergain.report.figures import Figure, Row, learning_curve, paired, top_budget
from transfergain.study import LEARNING_RATES

PLOTLY = ("package_data", "plotly.min.js")


def render(findings: Findings) -> str:
    """The report as HTML. It loads nothing: style, script and data are inside.

    Raises FileNotFoundError when plotly's script is missing from its package.
    """
    source = resources.files("transfergain.report").joinpath("page.html.j2").read_text("utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    trials = findings.table("trials")
    sections = [_dataset(findings, name, trials) for name in findings.data]
    drawn = any(section["figures"] for section in sections)
    return environment.from_string(source).render(
        title=f"{findings.study['model']} against training from scratch on {', '.join(findings.data) or 'no data'}",
        study=findings.study,
        counts=findings.trials,
        unfinished=_unfinished(findings),
        sections=sections,
        warnings=findings.warnings,
        recipe_table=tables.full_recipes(findings.recipes),
        search_space=" to ".join(f"{rate:g}" for rate in LEARNING_RATES),
        checks=tables.checks(findings),
        environment=findings.environment,
        trials=tables.trials(findings, trials),
        verdicts=VERDICTS,
        toml=study_toml(findings.study),
        script=_script() if drawn else None,
        embed=embed,
    )


def embed(value: Any) -> str:
    """A value as JSON that may stand inside a script element: no text in it can end the element.

    Raises ValueError on NaN and infinities, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _script() -> str:
    """Plotly's own script, read without importing the package."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("plotly is not installed")
    text = Path(next(iter(spec.submodule_search_locations)), *PLOTLY).read_text("utf-8")
    # Both would change how the browser reads the element; in strings and patterns the backslash changes nothing.
    return re.sub(r"</(?=script)", r"<\\/", text, flags=re.IGNORECASE).replace("<!--", r"<\!--")


def _unfinished(findings: Findings) -> str:
    missing = [f"{findings.trials[key]:,} {word}" for key, word in
               (("pending", "not run yet"), ("failed", "failed"), ("skipped", "skipped"))
               if findings.trials[key]]  # fmt: skip
    return f"Not all trials have a score: {', '.join(missing)}. What stands here is of the finished part." if missing else ""


def _dataset(findings: Findings, name: str, trials: Sequence[Row]) -> dict[str, Any]:
    entry, top = findings.data[name], top_budget(findings, name)
    headline = [row for row in findings.headline() if row["dataset"] == name]
    shifts = [row for row in findings.primary(findings.gains)
              if row["dataset"] == name and row["budget"] == top and row["split"] != "test"]  # fmt: skip
    splits = ["test", *(f"shift:{shift}" for shift in entry["shifts"])]
    figures: list[Figure | None] = [paired(findings, name, trials)]
    figures += [learning_curve(findings, name, split) for split in splits]
    return {
        "name": name,
        "entry": entry,
        "headline": headline,
        "shifts": shifts,
        "silence": "" if headline else _silence(findings, name),
        "figures": [figure for figure in figures if figure],
        "scores": tables.scores(findings, name),
        "parts": tables.parts(findings, name),
        "gains": tables.gains(findings, name),
        "recipes": tables.recipes(findings, name),
    }


def _silence(findings: Findings, dataset: str) -> str:
    """Why there is no headline."""
    scored = list(dict.fromkeys(row["arm"] for row in findings.scores if row["dataset"] == dataset))
    if not scored:
        return "No reported trial has finished: nothing to say yet."
    return f"No seed has finished both scratch and a pretrained arm: no gain to report yet. Scored: {', '.join(scored)}."


def study_toml(study: Mapping[str, Any]) -> str:
    """The resolved study as a file that `transfergain run` reads: keys without a value left out, tables last."""
    filled = {key: value for key, value in study.items() if value not in (None, {}, [])}
    entries = filled.pop("tasks", [])
    lines = [f"{key} = {_toml(value)}" for key, value in filled.items()]
    for entry in entries:
        lines += ["", "[[tasks]]", *(f"{key} = {_toml(value)}" for key, value in entry.items() if value not in (None, {}))]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A value in TOML; its strings are JSON's, but for the delete character."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_toml(str(key))} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")
