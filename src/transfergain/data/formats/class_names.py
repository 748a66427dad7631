"""Put the names of classes in place of their numbers, where the features of a data set of `datasets` tell them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transfergain.data.formats.table import Table
from transfergain.errors import UserError


def named(table: Table, features: Mapping[str, Any]) -> Table:
    """Name the classes of every row, in place; -1 and nothing mean that there is none.

    Raises UserError naming the row of a number without a name.
    """
    from datasets import ClassLabel

    single = {key: f for key, f in features.items() if isinstance(f, ClassLabel)}
    lists = {key: f.feature for key, f in features.items() if isinstance(getattr(f, "feature", None), ClassLabel)}
    for i, row in enumerate(table.rows):
        for key, feature in single.items():
            row[key] = None if row.get(key) in (-1, None) else _name(table.where(i), key, feature.names, row[key])
        for key, feature in lists.items():
            if isinstance(row.get(key), list):
                row[key] = [_name(table.where(i), key, feature.names, value) for value in row[key]]
    return table


def _name(where: str, column: str, names: list[str], value: Any) -> Any:
    """Name one number; what is a word already stays."""
    if isinstance(value, str):
        return value
    if not isinstance(value, int) or not 0 <= value < len(names):
        raise UserError(
            f'{where}: "{column}" is {value}, for which the data set has no name; it names 0 to {len(names) - 1}'
        )
    return names[value]
