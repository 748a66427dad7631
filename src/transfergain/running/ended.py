"""Tell which trials have ended, for a run that tries again what failed before it."""

from __future__ import annotations

from collections.abc import Iterable

from transfergain.store import Store, StoredTrial
from transfergain.types import Status, TrialSpec


class Ended:
    """The trials that have ended: all in the store, but those that failed in an earlier run and wait for another try."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._again = {name for name, status in store.status().items() if status != Status.DONE}

    def add(self, spec: TrialSpec) -> None:
        """Count a trial as ended, whatever became of it: it is in the store now."""
        self._again.discard(spec.id)

    def missing(self, specs: Iterable[TrialSpec]) -> list[TrialSpec]:
        """List those of the specs that have not ended."""
        stored = self._store.status().keys() - self._again
        return [spec for spec in specs if spec.id not in stored]

    def rows(self, specs: Iterable[TrialSpec]) -> list[StoredTrial]:
        """Read those of the trials that have ended."""
        names = [name for spec in specs if (name := spec.id) not in self._again]
        return [row for name in names if (row := self._store.get(name)) is not None]
