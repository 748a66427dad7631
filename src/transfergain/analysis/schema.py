"""Write the JSON schema of findings.json, from the types of its rows: `python -m transfergain.analysis.schema`."""

from __future__ import annotations

import ast
import collections.abc
import inspect
import itertools
import json
import textwrap
import types
import typing
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from transfergain.analysis.entries import DatasetEntry
from transfergain.analysis.findings import BENEFITS, FINDINGS_SCHEMA_VERSION, PREDICTIONS, Findings
from transfergain.analysis.rows import BenefitRow
from transfergain.analysis.summary import Summary
from transfergain.split import Split
from transfergain.types import StudyWarning

PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
"""Python type -> JSON's."""
SPLIT = {"type": "string", "description": "test, shift:NAME, perturbed:NAME@SEVERITY, adapted:NAME@LABELS/METHOD, or dev"}
Schema = dict[str, Any]


def schema() -> Schema:
    """Build the schema of what `Findings.to_json` writes."""
    defined: dict[str, Schema] = {}
    hints = typing.get_type_hints(Findings)
    content = {
        "schema_version": {"const": FINDINGS_SCHEMA_VERSION},
        "summary": _of(Summary, defined),
        "study": {"type": "object", "description": "The request, as the user's flags and file made it."},
        "environment": _of(hints["environment"], defined),
        "warnings": {"type": "array", "items": _of(StudyWarning, defined)},
        "trials": _of(hints["trials"], defined),
        "data": _of(Mapping[str, DatasetEntry], defined),
        "benefits": {"type": "array", "items": _of(BenefitRow, defined)},
        **{name: _of(hints[name], defined) for name in ("recipes", "scores", "gains", *BENEFITS, PREDICTIONS)},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "findings.json of transfergain",
        **_object(content, list(content)),
        "$defs": defined,
    }


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _of(kind: Any, defined: dict[str, Schema]) -> Schema:
    """Build the schema of a type; classes go to `defined` and are referred to."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return {}
    if kind is Split:
        return SPLIT
    if kind in PLAIN:
        return {"type": PLAIN[kind]}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_of(part, defined) for part in arguments]}
    if origin is collections.abc.Mapping:
        return {"type": "object", "additionalProperties": _of(arguments[1], defined)}
    if origin is tuple:
        parts = [_of(part, defined) for part in arguments]
        return {"type": "array", "prefixItems": parts, "minItems": len(parts), "maxItems": len(parts)}
    if origin is collections.abc.Sequence:
        return {"type": "array", "items": _of(arguments[0], defined)}
    if kind.__name__ not in defined:
        defined[kind.__name__] = {}  # before its fields, which may refer to it
        defined[kind.__name__] = _class(kind, defined)
    return {"$ref": f"#/$defs/{kind.__name__}"}


def _class(kind: type, defined: dict[str, Schema]) -> Schema:
    said = {"description": inspect.getdoc(kind)}
    if issubclass(kind, StrEnum):
        return said | {"enum": [str(member) for member in kind]}
    hints, notes = typing.get_type_hints(kind), _notes(kind)
    if not hints:
        raise TypeError(f"{kind} has no place in findings.json")
    properties = {name: _of(hint, defined) | notes.get(name, {}) for name, hint in hints.items()}
    return said | _object(properties, list(properties))


def _notes(kind: type) -> dict[str, Schema]:
    """Read the descriptions of a dataclass's fields: the strings that stand below them in its source."""
    found: dict[str, Schema] = {}
    for base in reversed([base for base in kind.__mro__ if "__dataclass_fields__" in vars(base)]):
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(tree, ast.ClassDef)
        for node, below in itertools.pairwise(tree.body):
            if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                found[node.target.id] = {"description": " ".join(str(below.value.value).split())}
    return found


if __name__ == "__main__":
    print(json.dumps(schema(), indent=1, ensure_ascii=False))
