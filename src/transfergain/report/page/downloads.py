"""Pack what the page carries to be read by its script: text, and the tables to download."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import Any

from transfergain.analysis.findings import BENEFITS, Findings

PLOTLY = ("package_data", "plotly.min.js")


def embed(value: Any) -> str:
    """Write a value as JSON that may stand inside a script element: no text in it can end the element.

    Raises ValueError on NaN and infinities, which JSON does not have.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def pack(text: str, level: int = 6) -> str:
    """Pack text as base64 of gzip, the same bytes for the same text; the browser unpacks it by itself."""
    return base64.b64encode(gzip.compress(text.encode("utf-8"), level, mtime=0)).decode("ascii")


@cache
def plotly() -> str:
    """Pack Plotly's own script, read without importing the package. Raises FileNotFoundError without it."""
    spec = importlib.util.find_spec("plotly")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("plotly is not installed")
    return pack(Path(next(iter(spec.submodule_search_locations)), *PLOTLY).read_text("utf-8"), 9)


def tables_to_download(findings: Findings) -> dict[str, list[dict[str, Any]]]:
    """Flatten the tables of the findings that have rows, by name; scores of single seeds stay with their rows."""
    found = {name: findings.table(name) for name in ("gains", "scores", *BENEFITS, "timings")}
    return {name: rows for name, rows in found.items() if rows}
