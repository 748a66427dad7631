"""Keep the only memory of a study: one SQLite file with a row for each trial, written in one transaction each."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import math
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transfergain.errors import UserError
from transfergain.outcome import AdaptationDetails, Choice, CurvePoint, Details, Evaluated, Outcome
from transfergain.split import Split
from transfergain.types import SCHEMA_VERSION, Status, TrialSpec

STORE_FILE = "study.sqlite"

CREATE_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS trials (
    id TEXT PRIMARY KEY, spec TEXT NOT NULL, status TEXT NOT NULL, error TEXT NOT NULL, dev_score REAL,
    converged INTEGER, curve TEXT NOT NULL, evaluated TEXT NOT NULL, details TEXT NOT NULL, seconds REAL NOT NULL,
    digest TEXT NOT NULL
);
"""

TRIAL_COLUMNS = "id, spec, status, error, dev_score, converged, curve, evaluated, details, seconds"
SELECT_TRIALS = f"SELECT {TRIAL_COLUMNS}, digest FROM trials"
RESTORE_ADVICE = "restore it from a copy, or choose another --output-dir"
UPDATED_COLUMNS = ", ".join(f"{name}=excluded.{name}" for name in [*TRIAL_COLUMNS.split(", ")[2:], "digest"])


def make_private(folder: Path) -> None:
    """Make a study's output folder, for its owner alone: it holds texts. One that is there already is left as it is."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)


@dataclass(frozen=True)
class StoredTrial:
    """One trial as stored."""

    spec: TrialSpec
    outcome: Outcome


class Store:
    """The trials of one study. Open it as a context manager; writes are durable when the call returns."""

    def __init__(self, folder: str | Path, create: bool = False) -> None:
        """Open the store of an output folder. Raises UserError when it is absent (unless `create`) or unreadable."""
        self.path = Path(folder) / STORE_FILE
        if not create and not self.path.exists():
            raise UserError(f"{folder}: no study there ({STORE_FILE} is missing); give the --output-dir of a run")
        try:
            make_private(self.path.parent)
            fresh = create and not self.path.exists()
            self._db = sqlite3.connect(self.path, isolation_level=None, timeout=30)
            self._db.text_factory = lambda raw: raw.decode("utf-8", "replace")  # digests tell what is no text any more
        except (sqlite3.Error, OSError) as error:
            raise UserError(f"{self.path}: cannot open the study's store ({error}); choose another folder") from None
        try:
            self._check(create)
            if fresh:
                self.path.chmod(0o600)
        except BaseException:
            self._db.close()
            raise

    def _check(self, create: bool) -> None:
        """Set up a new store; refuse a file that is not a store of ours or whose structure is damaged."""
        if create and self.path.exists() and not self.path.stat().st_size and self.path.with_name("findings.json").exists():
            raise UserError(
                f"{self.path}: the study's store is empty, though findings.json stands beside it; {RESTORE_ADVICE}"
            )
        with self._readable():
            self._db.execute("PRAGMA synchronous=FULL")
            problem = self._db.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if problem != "ok":  # SQLite itself may read a damaged file without noticing, and leave rows out
                raise ValueError(problem)
            tables = dict(self._db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall())
            if tables and ("trials" not in tables or "digest" not in tables["trials"]):
                raise ValueError("it is another program's, or an earlier version's")
            if create:
                self._db.executescript(CREATE_TABLES)
            elif not tables:
                raise UserError(f"{self.path}: its run ended before the study was set up; run it again")
        version = self.get_meta("schema_version")
        if version is None and create:
            self.set_meta("schema_version", SCHEMA_VERSION)
        elif version != SCHEMA_VERSION:
            raise UserError(
                f"{self.path}: written by another version of transfergain (schema {version}, this is {SCHEMA_VERSION}); "
                "choose another --output-dir"
            )

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    @contextmanager
    def _readable(self) -> Iterator[None]:
        """Turn the errors of reading a damaged file into one line for the user (UserError)."""
        try:
            yield
        except (sqlite3.Error, zlib.error, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"{self.path}: the study's store cannot be read ({' '.join(str(error).split())[:200]}); {RESTORE_ADVICE}"
            ) from None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # SQLite itself ends it on some errors, such as a full disk
                    self._db.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: cannot write to the study's store ({error}); check the disk") from None

    def get_meta(self, key: str) -> Any:
        """Read the value stored under `key`, or None."""
        with self._readable():
            row = self._db.execute("SELECT value, digest FROM meta WHERE key = ?", (key,)).fetchone()
            if row is not None and _digest((key, row[0])) != row[1]:
                raise ValueError(f"its {key} was changed after it was written")
            return None if row is None else json.loads(row[0])

    def set_meta(self, key: str, value: Any) -> None:
        """Store a JSON value under `key`."""
        self.update_meta({key: value})

    def update_meta(self, values: Mapping[str, Any]) -> None:
        """Store several JSON values by key, all of them or none."""
        pairs = [(key, json.dumps(value, sort_keys=True)) for key, value in values.items()]
        with self._transaction():
            rows = [(*pair, _digest(pair)) for pair in pairs]
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", rows)

    def put(self, spec: TrialSpec, outcome: Outcome) -> None:
        """Store a trial's outcome. A finished trial is never overwritten: at-least-once executors stay exactly-once."""
        values = (
            spec.id,
            spec.to_json(),
            outcome.status,
            outcome.error,
            None if outcome.dev_score is None or math.isnan(outcome.dev_score) else outcome.dev_score,  # as SQLite has it
            None if outcome.converged is None else int(outcome.converged),
            json.dumps([asdict(point) for point in outcome.curve]),
            json.dumps({str(split): _pack(e) for split, e in outcome.evaluated.items()}),
            json.dumps(_pack_details(outcome.details), sort_keys=True),
            outcome.seconds,
        )
        with self._transaction():
            self._db.execute(
                f"INSERT INTO trials VALUES (?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT(id) DO UPDATE SET {UPDATED_COLUMNS} "
                f"WHERE trials.status != '{Status.DONE}'",
                (*values, _digest(values)),
            )

    def mend(self) -> int:
        """Remove trials whose row is not as it was written, so that they run again; returns how many."""
        with self._readable():
            damaged = [v[0] for v in self._db.execute(SELECT_TRIALS).fetchall() if _digest(v[:-1]) != v[-1]]
        with self._transaction():
            self._db.executemany("DELETE FROM trials WHERE id = ?", [(trial,) for trial in damaged])
        return len(damaged)

    def status(self) -> dict[str, Status]:
        """Read the status of every trial, by id."""
        with self._readable():
            return {name: Status(status) for name, status in self._db.execute("SELECT id, status FROM trials").fetchall()}

    def get(self, trial_id: str) -> StoredTrial | None:
        """Read one trial by id, or None."""
        with self._readable():
            values = self._db.execute(f"{SELECT_TRIALS} WHERE id = ?", (trial_id,)).fetchone()
            return None if values is None else _stored(values)

    def rows(self) -> list[StoredTrial]:
        """Read all trials, in an order that depends on their specs alone."""
        with self._readable():
            rows = [_stored(values) for values in self._db.execute(SELECT_TRIALS).fetchall()]
        return sorted(rows, key=lambda r: (r.spec.dataset, r.spec.phase, r.spec.budget, r.spec.arm, r.spec.replicate,
                                           r.spec.id))  # fmt: skip


def _digest(values: tuple[Any, ...]) -> str:
    """Hash a row's values (sha256): SQLite has no checksums of its own, and a flipped bit would be a wrong number."""
    return hashlib.sha256(json.dumps(values, default=repr).encode()).hexdigest()


def _stored(values: tuple[Any, ...]) -> StoredTrial:
    if _digest(values[:-1]) != values[-1]:
        raise ValueError(f"trial {str(values[0])[:12]} was changed after it was written: the command of its run mends it")
    _, spec, status, error, dev_score, converged, curve, evaluated, details, seconds, _ = values
    outcome = Outcome(
        status=Status(status),
        error=error,
        dev_score=dev_score,
        converged=None if converged is None else bool(converged),
        curve=tuple(CurvePoint(**point) for point in json.loads(curve)),
        evaluated={Split.parse(split): _unpack(packed) for split, packed in json.loads(evaluated).items()},
        details=_unpack_details(json.loads(details)),
        seconds=seconds,
    )
    return StoredTrial(TrialSpec.from_json(spec), outcome)


def _pack_details(details: Details) -> Mapping[str, Any]:
    """Turn details into JSON's types; empty where nothing is known, as for a floor."""
    if details == Details():
        return {}
    adapted = {str(split): _pack_adaptation(adaptation) for split, adaptation in details.adapted.items()}
    alike, chosen = [str(split) for split in details.read_as_test], asdict(details.choice) if details.choice else {}
    rest = asdict(replace(details, adapted={}, read_as_test=(), choice=None))
    return rest | {"adapted": adapted, "read_as_test": alike, "choice": chosen}


def _pack_adaptation(details: AdaptationDetails) -> Mapping[str, Any]:
    if details.declined:
        return {"declined": details.declined}
    return {name: value for name, value in asdict(details).items() if name != "declined"}


def _unpack_details(packed: Mapping[str, Any]) -> Details:
    """Invert `_pack_details`; names that this version does not know are ignored."""
    known = {field.name: packed[field.name] for field in fields(Details) if field.name in packed}
    adapted = {Split.parse(split): _unpack_adaptation(values) for split, values in packed.get("adapted", {}).items()}
    alike = tuple(Split.parse(split) for split in packed.get("read_as_test", ()))
    chosen = Choice(**packed["choice"]) if packed.get("choice") else None
    return Details(**known | {"adapted": adapted, "read_as_test": alike, "choice": chosen})


def _unpack_adaptation(packed: Mapping[str, Any]) -> AdaptationDetails:
    return AdaptationDetails(**{**packed, "curve": tuple((step, score) for step, score in packed.get("curve", ()))})


def _pack(evaluated: Evaluated) -> Mapping[str, Any]:
    counts = {name: _pack_array(array) for name, array in evaluated.counts.items()}
    arrays = {"clusters": evaluated.clusters, "calibration": evaluated.calibration}
    given = {name: _pack_array(array) for name, array in arrays.items() if array is not None}
    return {"predictions": list(evaluated.predictions), "counts": counts} | given


def _unpack(packed: Mapping[str, Any]) -> Evaluated:
    counts = {name: _unpack_array(text) for name, text in packed["counts"].items()}
    given = {name: _unpack_array(packed[name]) for name in ("clusters", "calibration") if name in packed}
    return Evaluated(tuple(packed["predictions"]), counts, **given)


def _pack_array(array: NDArray[Any]) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return base64.b64encode(zlib.compress(buffer.getvalue())).decode()


def _unpack_array(text: str) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(zlib.decompress(base64.b64decode(text))), allow_pickle=False)
    return array
