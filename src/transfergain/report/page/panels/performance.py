"""Show performance: each seed's scores, paired, and the floors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from transfergain.analysis.rows import ScoreRow
from transfergain.analysis.trial_rows import trial_score
from transfergain.analysis.words import in_percent
from transfergain.arms import REFERENCE
from transfergain.report.page.figures import (
    QUIET_COLOUR,
    Column,
    Figure,
    RowGroup,
    Style,
    TextTable,
    Trace,
    layout,
    line,
    marker,
    quiet,
)
from transfergain.report.page.panels.base import DatasetView, Panel, floor_label
from transfergain.report.page.tables import gains_table, parts_table, scores_table
from transfergain.split import TEST, Kind
from transfergain.types import Phase, Status

Scores = Mapping[str, Mapping[int, float]]


def build(view: DatasetView) -> Panel:
    """Give the sentences of the test set and of the shifts, the paired dots, the tables of scores and gains."""
    findings = view.findings
    headline = [row for row in findings.headline() if row.dataset == view.dataset]
    own = view.of(findings.primary(findings.gains))
    shifts = [row for row in own if (row.split.kind, row.budget) == (Kind.SHIFT, view.top)]
    figure = paired(view)
    tables = [parts_table(findings, view.dataset)]
    tables += [make(findings, view.dataset, natural) for natural in (False, True) for make in (gains_table, scores_table)]
    return Panel(
        [*headline, *shifts],
        [figure] if figure else [],
        (),
        [t for t in reversed(tables) if t.groups],
        "" if headline else _silence(view),
    )


def _silence(view: DatasetView) -> str:
    """Say why there is no headline."""
    scored = list(dict.fromkeys(row.arm for row in view.findings.scores if row.dataset == view.dataset))
    if not scored:
        return "No reported trial has finished: nothing to say yet."
    pair = f"No seed has finished both {view.entry.reference} and another arm"
    return f"{pair}: no gain to report yet. Scored: {', '.join(scored)}."


def paired(view: DatasetView) -> Figure | None:
    """Draw each seed's test score, scratch beside every pretrained arm, at the largest budget; None without a pair."""
    found, reported = _by_seed(view)
    gains = [r for r in view.findings.headline() if r.dataset == view.dataset]
    panels = [row for row in gains if _pairs(found, row.arm)]
    if view.top is None or not panels:
        return None
    traces = _seed_lines(found, [row.arm for row in panels])
    for name in (REFERENCE, *(row.arm for row in panels)):
        at = [i for i, row in enumerate(panels) if name in (REFERENCE, row.arm)]
        traces += _dots(name, view.styles[name], found, [(3 * i + (name != REFERENCE), panels[i].arm) for i in at])
    ends = [-0.6, 3 * len(panels) - 1.4]
    floors = [r for r in view.scores(TEST, view.top) if r.arm not in view.findings.study.arms]
    traces += [_floor_line(row.arm, view.styles[row.arm], row.mean, ends) for row in floors]
    notes = [_gain_note(3 * i + 0.5, row.estimate) for i, row in enumerate(panels)]
    drawn = layout(f"{view.score}, %", _panel_axis([row.arm for row in panels], ends), annotations=notes)
    title = f"{view.dataset}: {view.score} in % on the test set, seed by seed, with {view.top:,} labels"
    words = (
        "Each line joins the two scores of one seed, scratch on the left and the pretrained arm on the right; "
        "a dashed line is a seed in which the pretrained arm did no better. The bars are means, the level lines floors. "
        "The figure above a pair is its gain in points."
    )
    return Figure(view.name("paired"), title, words, traces, drawn, _seed_table(view, title, reported, floors))


def _by_seed(view: DatasetView) -> tuple[Scores, dict[tuple[int, str], str]]:
    """Score the trials: arm -> seed -> score; and (seed, arm) -> the score, or what became of the trial, in words."""
    found: dict[str, dict[int, float]] = {}
    cells: dict[tuple[int, str], str] = {}
    for row in view.findings.rows:
        spec, outcome = row.spec, row.outcome
        if (spec.dataset, spec.budget, spec.phase) != (view.dataset, view.top, Phase.REPORT):
            continue
        cells[spec.replicate, spec.arm] = outcome.status
        score = trial_score(outcome, TEST, view.metric)
        if outcome.status == Status.DONE and score is not None:
            found.setdefault(spec.arm, {})[spec.replicate] = score
            cells[spec.replicate, spec.arm] = in_percent(score)
    return found, cells


def _pairs(found: Scores, arm: str) -> list[int]:
    """Find the seeds that both scratch and the arm have finished."""
    return sorted(set(found.get(REFERENCE, {})) & set(found.get(arm, {})))


def _seed_lines(found: Scores, arms: Sequence[str]) -> list[Trace]:
    """Draw one line a seed and panel: solid where the arm is better, dashed where it is not."""
    lines: dict[str, tuple[list[float | None], list[float | None]]] = {"solid": ([], []), "dash": ([], [])}
    for i, arm in enumerate(arms):
        for seed in _pairs(found, arm):
            before, after = found[REFERENCE][seed], found[arm][seed]
            x, y = lines["solid" if after > before else "dash"]
            x += [3 * i, 3 * i + 1, None]
            y += [100 * before, 100 * after, None]
    return [
        {"x": x, "y": y, "mode": "lines", "line": {"color": QUIET_COLOUR, "width": 1.3, "dash": dash},
         "hoverinfo": "skip", "showlegend": False}
        for dash, (x, y) in lines.items() if x
    ]  # fmt: skip


def _dots(name: str, style: Style, found: Scores, places: Sequence[tuple[int, str]]) -> list[Trace]:
    """Draw the paired seeds of an arm as dots at (x, panel's arm) places, and a bar at the mean of each place."""
    points = [(x, seed, found[name][seed]) for x, arm in places for seed in _pairs(found, arm)]
    means = [(x, [found[name][seed] for seed in _pairs(found, arm)]) for x, arm in places]
    dots = line(name, style, [p[0] for p in points], [100 * p[2] for p in points],
                [f"{name}, seed {seed}: {in_percent(score)} %" for _, seed, score in points], "markers")  # fmt: skip
    dots["marker"] = marker(style, 10) | {"opacity": 0.85}
    levels = [100 * sum(scores) / len(scores) for _, scores in means]
    bars = line(name, style, [x for x, _ in means], levels, [f"{name}, mean: {level:.1f} %" for level in levels], "markers")
    bars["marker"] = {"symbol": "line-ew-open", "size": 40, "color": style.colour, "line": {"width": 3}}
    return [quiet(bars), dots]


def _floor_line(name: str, style: Style, score: float, ends: Sequence[float]) -> Trace:
    shown = floor_label(name)
    return line(shown, style, ends, [100 * score] * 2, [f"{shown}: {in_percent(score)} %"] * 2, "lines")


def _seed_table(
    view: DatasetView, title: str, cells: Mapping[tuple[int, str], str], floors: Sequence[ScoreRow]
) -> TextTable:
    """List the scores behind `paired`; a trial without a score shows what became of it."""
    shown = [name for name in view.styles if any(arm == name for _, arm in cells)]
    floor_names = {row.arm for row in floors}
    body = [[str(seed), *(cells.get((seed, name), "not run") for name in shown)] for seed in sorted({s for s, _ in cells})]
    columns = [Column(floor_label(name) if name in floor_names else name, True) for name in shown]
    return TextTable(title, [Column("seed", True), *columns], [RowGroup("", body)])


def _panel_axis(arms: Iterable[str], ends: Sequence[float]) -> dict[str, Any]:
    names = [escape(name) for arm in arms for name in (REFERENCE, arm)]
    places = [3 * (i // 2) + i % 2 for i in range(len(names))]
    return {"tickvals": places, "ticktext": names, "range": list(ends), "showgrid": False}


def _gain_note(x: float, gain: float) -> dict[str, Any]:
    return {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "showarrow": False, "text": in_percent(gain, "+")}
