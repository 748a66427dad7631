"""Read a length of time as people write it: `90s`, `20m`, `1h30m`."""

from __future__ import annotations

import re
from typing import Any

from transfergain.counts import counted

PARTS = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def seconds_of(text: Any) -> float:
    """Turn a length of time into seconds. Raises ValueError saying how to write it."""
    found = PARTS.fullmatch(str(text).strip().lower().replace(" ", ""))
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if total := 3600 * hours + 60 * minutes + seconds:
        return float(total)
    number = str(text).strip()
    minutes = int(number) if number.isdecimal() and int(number) else 20
    example = f"{minutes}m for {counted(minutes, 'minute')}"
    raise ValueError(f"needs a unit: write {example}, 90s or 1h30m")
