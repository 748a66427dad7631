"""Write one table of findings to a file, and the figures as pictures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfergain.analysis.findings import BENEFITS, PREDICTIONS, Findings, load
from transfergain.analysis.rows import Row
from transfergain.analysis.trial_rows import TrialRow
from transfergain.arms import REFERENCE
from transfergain.errors import UserError, install, nearest
from transfergain.report import sealed_texts, typeset
from transfergain.report.file_names import distinct
from transfergain.report.formulas import harmless
from transfergain.report.page import forest, svg
from transfergain.report.page.figures import Figure
from transfergain.report.page.panels import PANELS
from transfergain.report.page.panels.base import DatasetView
from transfergain.shell import command

TABLES = ("gains", "scores", "trials", *BENEFITS, PREDICTIONS, sealed_texts.TABLE)
PICTURES = ("svg", "png")
TYPESET = ("latex", "markdown")
"""Formats for reading, which hold one metric unless more are asked for; the others hold all."""
ALL_METRICS = "all"

ENDINGS = {".csv": "csv", ".parquet": "parquet", ".json": "json", ".tex": "latex", ".md": "markdown"}
"""Ending of a table's file -> its format."""
Writer = Callable[[Findings, str, Path], None]


def write(
    folder: str, table: str | None = None, format: str | None = None, output: str | None = None, metric: str | None = None
) -> list[Path]:
    """Write one table of a run as `write_table` does, or its sealed texts as `sealed_texts.write` does; returns the files.

    Without a format, that of the ending of `output`, or csv.
    """
    chosen = format or ENDINGS.get(Path(output or "").suffix.lower(), "csv")
    if table != sealed_texts.TABLE:
        return [write_table(folder, table, chosen, output, metric)]
    if metric:
        raise UserError(f"--metric cannot be given beside --table {table}, which holds no scores; leave it out")
    return sealed_texts.write(folder, chosen, output)


def write_table(
    folder: str, table: str | None = None, format: str = "csv", output: str | None = None, metric: str | None = None
) -> Path:
    """Write one table of a run, or with the format svg or png all figures; returns the file, or the folder of figures.

    `metric`: the one whose rows are written, or `all`; where none is given, each data set's first metric in latex and
    markdown, all elsewhere. Raises UserError for an unknown table, format, metric or folder, for a table without rows, and
    for figures of one table or metric.
    """
    if format not in FORMATS:
        raise UserError(f'--format: unknown format "{format}".{nearest(format, FORMATS)}')
    if table is not None and table not in TABLES:
        raise UserError(f'--table: unknown table "{table}".{nearest(table, TABLES)}')
    if format in PICTURES and (flag := "--table" if table else "--metric" if metric else ""):
        raise UserError(f"{flag} cannot be given beside --format {format}, which draws all figures; leave {flag} out")
    table = table or TABLES[0]
    findings = load(folder)
    if format not in PICTURES:
        if not findings.table(table):
            raise UserError(
                f"--table {table}: the study in {folder} has no such rows: none were asked for, or no trial of theirs has "
                f"finished; {command('transfergain', 'report', folder, '--full')} says what it has"
            )
        findings = _of_metric(findings, table, format, metric)
    ending = next((ending for ending, name in ENDINGS.items() if name == format), f".{format}")
    path = Path(output) if output else Path(folder) / ("figures" if format in PICTURES else f"{table}{ending}")
    try:
        FORMATS[format](findings, table, path)
    except OSError as error:
        raise UserError(f"--output {path}: cannot write there ({error.strerror or error})") from None
    return path


def _of_metric(findings: Findings, table: str, format: str, metric: str | None) -> Findings:
    """Keep the rows of one metric; those over several metrics stay. Raises UserError where the table lacks the metric."""
    if table == "trials":
        if metric not in (None, ALL_METRICS):
            raise UserError("--metric cannot be given beside --table trials, whose rows have a column for every metric")
        return findings
    if metric == ALL_METRICS or (metric is None and format not in TYPESET):
        return findings
    rows: Sequence[Row] = getattr(findings, table)
    known = list(dict.fromkeys(row.metric for row in rows if row.metric))
    if metric is not None and metric not in known:
        raise UserError(f'--metric: the table {table} has no metric "{metric}", but {", ".join([*known, ALL_METRICS])}')
    first = {name: entry.metric for name, entry in findings.data.items()}
    kept: dict[str, Any] = {table: [row for row in rows if row.metric in ("", metric or first.get(row.dataset, row.metric))]}
    return replace(findings, **kept)


def _json(findings: Findings, table: str, path: Path) -> None:
    """Write JSON, not by pandas, which rounds to ten decimals."""
    path.write_text(json.dumps(findings.table(table), indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def _frame(findings: Findings, table: str) -> Any:
    """Make a frame in which columns of whole numbers stay whole where some rows have none."""
    return findings.to_frame(table).convert_dtypes(convert_string=False, convert_floating=False)


def _csv(findings: Findings, table: str, path: Path) -> None:
    frame = _frame(findings, table)
    for name in frame.select_dtypes(include="object"):
        frame[name] = frame[name].map(lambda cell: harmless(cell) if isinstance(cell, str) else cell)
    frame.to_csv(path, index=False)


def _parquet(findings: Findings, table: str, path: Path) -> None:
    """Write Parquet: lists stay lists, but for those that mix words and numbers, which become JSON."""
    import pyarrow

    frame = _frame(findings, table)
    for name in frame.select_dtypes(include="object"):
        try:
            pyarrow.array(frame[name], from_pandas=True)
        except pyarrow.ArrowException:
            frame[name] = frame[name].map(lambda cell: json.dumps(cell) if isinstance(cell, list | dict) else cell)
    frame.to_parquet(path, index=False)


def _latex(findings: Findings, table: str, path: Path) -> None:
    against = "the same architecture from scratch" if REFERENCE in findings.study.arms else "the best floor"
    caption = f"{table.replace('_', ' ').capitalize()}, {findings.study.model} against {against}"
    layout, rows = _typeset(findings, table)
    path.write_text(typeset.latex(layout, rows, caption), "utf-8")


def _markdown(findings: Findings, table: str, path: Path) -> None:
    path.write_text(typeset.markdown(*_typeset(findings, table)), "utf-8")


def _typeset(findings: Findings, table: str) -> tuple[typeset.Layout[Any], Sequence[Any]]:
    """Choose the columns of a table, and its rows."""
    if table == "trials":
        return typeset.TRIALS_LAYOUT, [TrialRow.of(trial) for trial in findings.all_rows]
    known: dict[str, typeset.Layout[Any]] = {
        "gains": typeset.GAINS_LAYOUT,
        "scores": typeset.SCORES_LAYOUT,
        PREDICTIONS: typeset.GAINS_LAYOUT,
        "forecast": typeset.FORECAST_LAYOUT,
    }
    return known.get(table, typeset.BENEFIT_LAYOUT), getattr(findings, table)


def figures(findings: Findings) -> Iterator[Figure]:
    """Draw the figures of the page, the forest plot first."""
    if found := forest.figure(findings):
        yield found
    for name in findings.data:
        view = DatasetView(findings, name)
        for kind in PANELS.values():
            panel = kind.build(view)
            yield from (*panel.figures, *panel.more)


def _named(findings: Findings) -> list[tuple[str, Figure]]:
    """Draw all figures of the page, each with the name of its file."""
    drawn = list(figures(findings))
    return list(zip(distinct(figure.name for figure in drawn), drawn, strict=True))


def _svg(findings: Findings, table: str, path: Path) -> None:
    path.mkdir(exist_ok=True)
    for name, figure in _named(findings):
        (path / f"{name}.svg").write_text(svg.draw(figure, alone=True), "utf-8")


def _png(findings: Findings, table: str, path: Path) -> None:
    """Write pictures at twice the size in pixels. Raises UserError where the package that turns SVG into PNG is missing."""
    try:
        import resvg_py
    except ImportError:
        raise UserError(f"--format png: needs the package resvg-py; {install('png')}; or use svg") from None
    path.mkdir(exist_ok=True)
    for name, figure in _named(findings):
        picture = resvg_py.svg_to_bytes(svg_string=svg.draw(figure, alone=True), zoom=2)
        (path / f"{name}.png").write_bytes(bytes(picture))


FORMATS: dict[str, Writer] = {
    "csv": _csv,
    "parquet": _parquet,
    "json": _json,
    "latex": _latex,
    "markdown": _markdown,
    "svg": _svg,
    "png": _png,
}
