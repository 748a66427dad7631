"""Typeset tables of findings as markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from transfergain.analysis import words
from transfergain.analysis.rows import GainRow, MeasureRow, ScoreRow
from transfergain.analysis.trial_rows import TrialRow
from transfergain.analysis.words import in_percent
from transfergain.errors import visible
from transfergain.report import reading
from transfergain.report.page.figures import MISSING

R = TypeVar("R", contravariant=True)


class Field(NamedTuple, Generic[R]):
    """A column of a typeset table."""

    title: str
    cell: Callable[[R], str]
    numeric: bool = False


Layout = Sequence[Field[R]]
"""The columns of a table of rows of one type."""


class Placed(Protocol):
    """A row that says its place."""

    @property
    def dataset(self) -> str: ...
    @property
    def budget(self) -> int: ...
    @property
    def arm(self) -> str: ...


class Bounded(Protocol):
    """A row with an interval, of more than one seed."""

    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def bounds(row: Bounded, sign: str = "") -> str:
    """Write ` [90.1, 92.3]`; nothing where there is no interval."""
    return "" if row.low is None or row.high is None else f" [{in_percent(row.low, sign)}, {in_percent(row.high, sign)}]"


COMMON_LAYOUT: Layout[Placed] = (
    Field("data set", lambda row: row.dataset or MISSING),
    Field("labels", lambda row: f"{row.budget:,}", True),
    Field("arm", lambda row: row.arm or MISSING),
)
GAINS_LAYOUT: Layout[GainRow] = (
    *COMMON_LAYOUT,
    Field("split", lambda row: str(row.split)),
    Field("metric", lambda row: row.metric or MISSING),
    Field("score, %", lambda row: in_percent(1 - row.error), True),
    Field("over", lambda row: row.reference),
    Field("its score, %", lambda row: in_percent(1 - row.reference_error), True),
    Field("gain [95 %], points", lambda row: in_percent(row.estimate, "+") + bounds(row, "+"), True),
    Field("Holm p", lambda row: MISSING if row.p_holm is None else words.p_value(row.p_holm), True),
    Field("seeds", lambda row: f"{row.n_seeds:,}", True),
    Field("verdict", lambda row: row.verdict or MISSING),
)
SCORES_LAYOUT: Layout[ScoreRow] = (
    *COMMON_LAYOUT,
    Field("split", lambda row: str(row.split)),
    Field("metric", lambda row: row.metric),
    Field("score [95 %], %", lambda row: in_percent(row.mean) + bounds(row), True),
    Field("seeds", lambda row: f"{row.n_seeds:,}", True),
)
TRIALS_LAYOUT: Layout[TrialRow] = (
    *COMMON_LAYOUT,
    Field("seed", lambda row: str(row.seed), True),
    Field("phase", lambda row: row.phase),
    Field("status", lambda row: row.status),
    Field("learning rate", lambda row: MISSING if row.learning_rate is None else f"{row.learning_rate:.2e}", True),
    Field("dev score", lambda row: MISSING if row.dev_score is None else f"{row.dev_score:.4f}", True),
    Field("error", lambda row: row.error or MISSING),
)
BENEFIT_LAYOUT: Layout[MeasureRow] = (
    *COMMON_LAYOUT,
    Field("split", lambda row: str(row.split)),
    Field("metric", lambda row: row.metric or MISSING),
    Field("measure", reading.measure_text),
    Field("estimate", reading.value_text, True),
    Field("95 % interval", reading.bounds_text, True),
    Field("seeds", lambda row: f"{row.n_seeds:,}", True),
    Field("verdict", lambda row: row.verdict or MISSING),
)
FORECAST_LAYOUT: Layout[MeasureRow] = tuple(
    field._replace(title="90 % interval") if field.title == "95 % interval" else field for field in BENEFIT_LAYOUT
)
"""A forecast's interval is a narrower one."""


def markdown(fields: Layout[R], rows: Sequence[R]) -> str:
    """Typeset a GitHub-flavoured table."""
    lines = [[field.title for field in fields], ["--:" if field.numeric else "---" for field in fields]]
    lines += [[markdown_text(field.cell(row)) for field in fields] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def latex(fields: Layout[R], rows: Sequence[R], caption: str) -> str:
    """Typeset a `table` for the booktabs package. Needs T1 or a Unicode engine for text that is not ASCII."""
    columns = "".join("r" if field.numeric else "l" for field in fields)
    body = [_latex_row(" & ".join(latex_text(field.cell(row)) for field in fields)) for row in rows]
    head = " & ".join(latex_text(field.title) for field in fields) + r" \\"
    lines = (
        *("% needs \\usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{latex_text(caption)}}}"),
        *(rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body),
        *(r"\bottomrule", r"\end{tabular}", r"\end{table}"),
    )
    return "\n".join(lines) + "\n"


def _latex_row(cells: str) -> str:
    """End a row. One that begins with a bracket or a star would give the end of the row before it an argument."""
    return ("{}" if cells[:1] in ("[", "*") else "") + cells + r" \\"


ADDRESS = re.compile(r"\b(https?|ftp|mailto|xmpp|www)([:.])", re.IGNORECASE)
"""Where GitHub begins a link by itself."""
LATEX_ESCAPES: Mapping[str, str] = {
    **{c: "\\" + c for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
}


def latex_text(text: Any) -> str:
    """Escape text, so that LaTeX prints it as it is; a minus sign in front of a number is one."""
    escaped = "".join(LATEX_ESCAPES.get(c, c) for c in visible(str(text)))
    return re.sub(r"(?<![\w.])-(?=[\d.])", "$-$", escaped)


def markdown_text(text: Any) -> str:
    """Escape text, so that GitHub shows it as it is: no markup, no links, no mentions, on one line."""
    return _escaped(text, r"([\\`*_{}\[\]()#!|~$])")


def markdown_prose(sentence: str) -> str:
    """Escape a sentence, so that names in it are shown as they are; its own brackets and dots need no escape."""
    return _escaped(sentence, r"([\\`*_\[\]#!|~$]|^[-+](?=\s)|(?<=^\d)[.)])")


def _escaped(text: Any, signs: str) -> str:
    one_line = " ".join(visible(str(text)).split())
    escaped = re.sub(signs, r"\\\1", one_line)
    for sign, entity in {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#64;"}.items():
        escaped = escaped.replace(sign, entity)
    return ADDRESS.sub(lambda found: f"{found[1]}&#{ord(found[2])};", escaped)
