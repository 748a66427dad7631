"""Name files after what users have named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def distinct(names: Iterable[str]) -> list[str]:
    """Give every file a name of its own: `a`, `b`, `a-2`; those of data sets in other scripts may be alike."""
    seen, found = Counter[str](), list[str]()
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return found
