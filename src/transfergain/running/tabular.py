"""Give a result with rows to Python and to scripts: as dicts, as a frame, as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast


class Tabular:
    """A dataclass whose `rows` are dataclasses."""

    rows: Sequence[Any]

    def to_dicts(self) -> list[dict[str, Any]]:
        """Give the rows as dicts."""
        return [asdict(row) for row in self.rows]

    def to_frame(self) -> Any:
        """Give the rows as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.to_dicts())

    def to_json(self) -> str:
        """Write all of it as JSON."""
        return json.dumps(asdict(cast(Any, self)), indent=1, ensure_ascii=False, allow_nan=False)
