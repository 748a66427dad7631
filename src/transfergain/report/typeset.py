"""Tables of findings as markdown and LaTeX."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from transfergain.report import reading
from transfergain.report.page.figures import MISSING, Row, interval


class Field(NamedTuple):
    """A column of a typeset table."""

    title: str
    cell: Callable[[Row], str]
    numeric: bool = False


def _plain(key: str) -> Callable[[Row], str]:
    return lambda row: MISSING if row.get(key) in (None, "") else str(row[key])


def _count(key: str) -> Callable[[Row], str]:
    return lambda row: MISSING if row.get(key) is None else f"{row[key]:,}"


def _number(key: str, form: str = "{:.3f}") -> Callable[[Row], str]:
    return lambda row: MISSING if row.get(key) is None else form.format(row[key])


def p_value(value: float | None) -> str:
    """`< .001`, `.034`, or a dash."""
    return MISSING if value is None else "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


COMMON = (Field("data set", _plain("dataset")), Field("labels", _count("budget"), True), Field("arm", _plain("arm")))
GAINS = (
    *COMMON,
    Field("split", _plain("split")),
    Field("error of scratch", _number("reference_error"), True),
    Field("error", _number("error"), True),
    Field("gain [95 %]", lambda row: f"{row['estimate']:+z.3f} {interval(row, '+')}", True),
    Field("Holm p", lambda row: p_value(row.get("p_holm")), True),
    Field("seeds", _count("n_seeds"), True),
    Field("verdict", _plain("verdict")),
)
SCORES = (
    *COMMON,
    Field("split", _plain("split")),
    Field("metric", _plain("metric")),
    Field("score [95 %]", lambda row: f"{row['mean']:.3f} {interval(row)}", True),
    Field("seeds", _count("n_seeds"), True),
)
TRIALS = (
    *COMMON,
    Field("seed", _plain("seed"), True),
    Field("phase", _plain("phase")),
    Field("status", _plain("status")),
    Field("learning rate", _number("learning_rate", "{:.2e}"), True),
    Field("dev score", _number("dev_score", "{:.4f}"), True),
    Field("error", _plain("error")),
)
BENEFIT = (
    *COMMON,
    Field("split", _plain("split")),
    Field("measure", reading.measure),
    Field("estimate", reading.value, True),
    Field("95 % interval", reading.bounds, True),
    Field("seeds", _count("n_seeds"), True),
    Field("verdict", _plain("verdict")),
)
LAYOUTS: dict[str, Sequence[Field]] = {"gains": GAINS, "scores": SCORES, "trials": TRIALS}
"""Table -> its columns; the tables of benefits share theirs."""


def markdown(table: str, rows: Sequence[Row]) -> str:
    """A GitHub-flavoured table."""
    fields = LAYOUTS.get(table, BENEFIT)
    lines = [[field.title for field in fields], ["--:" if field.numeric else "---" for field in fields]]
    lines += [[markdown_text(field.cell(row)) for field in fields] for row in rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def latex(table: str, rows: Sequence[Row], caption: str) -> str:
    """A `table` for the booktabs package. Needs T1 or a Unicode engine for text that is not ASCII."""
    fields = LAYOUTS.get(table, BENEFIT)
    columns = "".join("r" if field.numeric else "l" for field in fields)
    body = [" & ".join(latex_text(field.cell(row)) for field in fields) + r" \\" for row in rows]
    head = " & ".join(latex_text(field.title) for field in fields) + r" \\"
    lines = (
        *("% needs \\usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{latex_text(caption)}}}"),
        *(rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body),
        *(r"\bottomrule", r"\end{tabular}", r"\end{table}"),
    )
    return "\n".join(lines) + "\n"


LATEX: Mapping[str, str] = {
    **{c: "\\" + c for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "–": "--",
    "−": "$-$",
    "×": r"$\times$",
    "\n": " ",
    "\r": " ",
    "\t": " ",
}


def latex_text(text: Any) -> str:
    """Text that LaTeX prints as it is; a minus sign in front of a number is one."""
    escaped = "".join(LATEX.get(c, c) for c in str(text))
    return re.sub(r"(?<![\w.])-(?=[\d.])", "$-$", escaped)


def markdown_text(text: Any) -> str:
    """Text that GitHub shows as it is: no markup, no links, no mentions, on one line."""
    one_line = " ".join(str(text).split())
    escaped = re.sub(r"([\\`*_{}\[\]()#!|~$])", r"\\\1", one_line)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", "&#64;")
