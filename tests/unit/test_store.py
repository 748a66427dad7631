import json
import sqlite3

import numpy as np
import pytest

from support.fakes import evaluated, spec
from transfergain.analysis.findings import load
from transfergain.errors import UserError
from transfergain.outcome import AdaptationDetails, CurvePoint, Details, Outcome
from transfergain.split import TEST, adapted, shift
from transfergain.store import STORE_FILE, Store, _unpack_details
from transfergain.types import SCHEMA_VERSION, Recipe

ADAPTED = {
    adapted("tweets", 16, "full"): AdaptationDetails(8, 6, 24, 99, ((2, 0.5), (8, 0.75))),
    adapted("tweets", 16, "head"): AdaptationDetails(declined="no head"),
}
FULL_OUTCOME = Outcome(
    status="done",
    error="",
    dev_score=0.1 + 0.2,
    curve=(CurvePoint(5, 0.5, 0.693), CurvePoint(10, 0.75, float("inf"))),
    converged=False,
    evaluated={TEST: evaluated([0, 1, 1], 2), shift("tweets"): evaluated([1, 0], 0)},
    details=Details(steps=10, checks={"median_std": 0.02, "note": "naïve ✓"}, adapted=ADAPTED),
    seconds=1.25,
)


def same(a, b):
    """Whether two outcomes agree in every field, arrays and their types included."""
    plain = {f: getattr(a, f) == getattr(b, f) for f in vars(a) if f != "evaluated"}
    assert all(plain.values()), plain
    assert list(a.evaluated) == list(b.evaluated)
    for name, left in a.evaluated.items():
        right = b.evaluated[name]
        assert left.predictions == right.predictions
        assert list(left.counts) == list(right.counts)
        for metric, counts in left.counts.items():
            np.testing.assert_array_equal(counts, right.counts[metric], strict=True)


@pytest.mark.parametrize(
    "outcome",
    [
        FULL_OUTCOME,
        Outcome("failed", error="RuntimeError: a long\nstory", seconds=0.5),
        Outcome("skipped", error="no linear layers"),
        Outcome("done", dev_score=0.0, converged=True),
    ],
    ids=["full", "failed", "skipped", "sparse"],
)
def test_every_field_comes_back_as_it_went_in(tmp_path, outcome):
    trial = spec(
        recipe=Recipe(3.3e-4, batch_size=3, epochs=2, min_steps=7, max_length=9, precision="bf16"),
        splits=((TEST, "a"), (shift("tweets"), "b")),
    )
    with Store(tmp_path, create=True) as store:
        store.put(trial, outcome)
    with Store(tmp_path) as store:
        row = store.get(trial.id)
        assert row.spec == trial
        assert row.spec.id == trial.id
        same(row.outcome, outcome)
        same(store.rows()[0].outcome, outcome)
        assert store.status() == {trial.id: outcome.status}
        assert store.get("unknown") is None


def test_floor_spec_without_recipe_comes_back(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.put(spec(arm="majority", recipe=None, splits=()), Outcome("done"))
        assert store.rows()[0].spec == spec(arm="majority", recipe=None, splits=())


@pytest.mark.parametrize("later", ["failed", "skipped", "done"])
def test_a_done_row_is_never_overwritten(tmp_path, later):
    with Store(tmp_path, create=True) as store:
        store.put(spec(), FULL_OUTCOME)
        store.put(spec(), Outcome(later, error="later", dev_score=0.9))
        same(store.get(spec().id).outcome, FULL_OUTCOME)
        assert len(store.rows()) == 1


@pytest.mark.parametrize("first", ["failed", "skipped"])
def test_an_unfinished_row_is_overwritten(tmp_path, first):
    with Store(tmp_path, create=True) as store:
        store.put(spec(), Outcome(first, error="first"))
        store.put(spec(), FULL_OUTCOME)
        same(store.get(spec().id).outcome, FULL_OUTCOME)
        assert len(store.rows()) == 1


def test_order_of_rows_does_not_depend_on_insertion(tmp_path):
    trials = [
        spec(dataset=dataset, arm=arm, budget=budget, replicate=replicate, phase=phase)
        for dataset in ("b", "a")
        for arm in ("scratch", "full")
        for budget in (80, 20)
        for replicate in (10, 2)
        for phase in ("tune", "report")
    ]
    orders = []
    for name, inserted in (("one", trials), ("two", trials[::-1]), ("three", trials[5:] + trials[:5])):
        with Store(tmp_path / name, create=True) as store:
            for trial in inserted:
                store.put(trial, Outcome("done"))
            orders.append([row.spec for row in store.rows()])
    assert orders[0] == orders[1] == orders[2]
    assert len(orders[0]) == len(trials)


STORED = (
    '{"adapted": {"adapted:t@16/full": {"best_step": 6, "curve": [[2, 0.5], [8, 0.75]], "max_steps": 24, "steps": 8, '
    '"trained_parameters": 99}, "adapted:t@16/head": {"declined": "no head"}}, "best_step": 20, "checkpointing": false, '
    '"checks": {"newly_initialised": ["a", "b"]}, "choice": {}, "diverged": false, "flops": 94317350400.0, '
    '"frozen_features": true, '
    '"max_steps": 26, "micro_batch": 8, "parameters": 100, "read_as_test": ["perturbed:lowercase@3"], '
    '"setting": {"null": 0.5}, "steps": 24, "temperature": 1.5, "tokens_kept": 1090, '
    '"train_seconds": 1.25, "trained_parameters": 99}'
)
"""The details of a trial as they are written."""


CHOSEN = STORED.replace('"choice": {}', '"choice": {"reads": "mean of tokens, all layers", "strength": 0.1, "tried": 14}')


@pytest.mark.parametrize("text", [STORED, CHOSEN, "{}"])
def test_details_are_stored_as_they_always_were(tmp_path, text):
    details = _unpack_details(json.loads(text))
    with Store(tmp_path, create=True) as store:
        store.put(spec(), Outcome("done", details=details))
        assert store.rows()[0].outcome.details == details
    with sqlite3.connect(tmp_path / STORE_FILE) as db:
        assert db.execute("SELECT details FROM trials").fetchone() == (text,)
    db.close()


def test_details_that_another_version_lacks_or_knows_are_no_obstacle():
    assert _unpack_details({"steps": 3, "of the future": 1}) == Details(steps=3)


def test_meta_comes_back_and_is_written_together_or_not_at_all(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.set_meta("plan", ["a", "b"])
        store.update_meta({"plan": ["c"], "study": {"seeds": 2, "model": "é"}})
        with pytest.raises(TypeError):
            store.update_meta({"plan": [], "study": object()})
    with Store(tmp_path) as store:
        assert store.get_meta("plan") == ["c"]
        assert store.get_meta("study") == {"seeds": 2, "model": "é"}
        assert store.get_meta("absent") is None


def one_line(error):
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("create", [True, False])
def test_another_schema_version_is_refused(tmp_path, create):
    with Store(tmp_path, create=True) as store:
        store.set_meta("schema_version", SCHEMA_VERSION + 1)
    with pytest.raises(UserError, match=f"schema {SCHEMA_VERSION + 1}, this is {SCHEMA_VERSION}") as error:
        Store(tmp_path, create=create)
    assert STORE_FILE in one_line(error)


def test_absent_store_is_refused_and_not_created(tmp_path):
    with pytest.raises(UserError, match="no study there"):
        Store(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


@pytest.mark.parametrize("create", [True, False])
def test_a_file_that_is_no_database_is_refused_in_one_line(tmp_path, create):
    (tmp_path / STORE_FILE).write_bytes(b"this is not a database at all, but it is long enough" * 40)
    with pytest.raises(UserError) as error:
        Store(tmp_path, create=create)
    assert str(tmp_path / STORE_FILE) in one_line(error)
    assert (tmp_path / STORE_FILE).read_bytes().startswith(b"this is not")


def test_reading_leaves_a_foreign_database_as_it_is(tmp_path):
    with sqlite3.connect(tmp_path / STORE_FILE) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    before = (tmp_path / STORE_FILE).read_bytes()
    with pytest.raises(UserError):
        Store(tmp_path)
    assert (tmp_path / STORE_FILE).read_bytes() == before


def test_a_truncated_database_is_a_user_error(tmp_path):
    with Store(tmp_path, create=True) as store:
        for replicate in range(40):
            store.put(spec(replicate=replicate), FULL_OUTCOME)
    whole = (tmp_path / STORE_FILE).read_bytes()
    (tmp_path / STORE_FILE).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError) as error, Store(tmp_path) as store:
        store.rows()
    assert STORE_FILE in one_line(error)


@pytest.mark.parametrize("column", ["spec", "curve", "evaluated", "details"])
def test_a_damaged_row_is_a_user_error(tmp_path, column):
    with Store(tmp_path, create=True) as store:
        store.put(spec(), FULL_OUTCOME)
    db = sqlite3.connect(tmp_path / STORE_FILE)
    db.execute(f"UPDATE trials SET {column} = substr({column}, 1, length({column}) - 3) || 'x'")
    db.commit()
    db.close()
    with Store(tmp_path) as store:
        for read in (store.rows, lambda: store.get(spec().id)):
            with pytest.raises(UserError, match="cannot be read") as error:
                read()
            one_line(error)


def test_a_store_that_cannot_be_written_is_a_user_error(tmp_path):
    with Store(tmp_path, create=True) as store:
        store._db.execute("PRAGMA query_only=ON")
        with pytest.raises(UserError, match="cannot write") as error:
            store.put(spec(), FULL_OUTCOME)
        one_line(error)
        store._db.execute("PRAGMA query_only=OFF")
        store.put(spec(), FULL_OUTCOME)
        assert len(store.rows()) == 1


def test_findings_of_a_run_that_never_got_under_way_are_refused(tmp_path):
    Store(tmp_path, create=True).__exit__()
    with pytest.raises(UserError, match="before the study was set up"):
        load(tmp_path)


def damage(path, statement, *values):
    db = sqlite3.connect(path / STORE_FILE)
    db.execute(statement, values)
    db.commit()
    db.close()


CHANGES = {
    "dev_score": 0.9,
    "converged": 1,
    "status": "failed",
    "error": "other",
    "seconds": 9.0,
    "spec": spec(replicate=7).to_json(),
    "details": "{}",
    "curve": "[]",
    "evaluated": "{}",
}


@pytest.mark.parametrize("column", CHANGES)
def test_no_value_of_a_row_can_change_unnoticed(tmp_path, column):
    """A flipped bit in a file that SQLite can read would else be a wrong number."""
    with Store(tmp_path, create=True) as store:
        store.put(spec(), FULL_OUTCOME)
        store.put(spec(replicate=1), FULL_OUTCOME)
    damage(tmp_path, f"UPDATE trials SET {column} = ? WHERE id = ?", CHANGES[column], spec().id)
    with Store(tmp_path) as store:
        with pytest.raises(UserError, match=f"trial {spec().id[:12]} was changed") as error:
            store.rows()
        one_line(error)
        assert store.mend() == 1
        assert [row.spec for row in store.rows()] == [spec(replicate=1)]
        assert store.mend() == 0


def test_meta_cannot_change_unnoticed(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.set_meta("plan", ["a", "b"])
    damage(tmp_path, "UPDATE meta SET value = ? WHERE key = 'plan'", '["a"]')
    with Store(tmp_path) as store, pytest.raises(UserError, match="its plan was changed"):
        store.get_meta("plan")


@pytest.mark.parametrize("create", [True, False])
def test_a_store_whose_structure_is_damaged_is_refused(tmp_path, create):
    """An index that lost an entry: SQLite would read on, and take the same trial twice."""
    with Store(tmp_path, create=True) as store:
        for replicate in range(9):
            store.put(spec(replicate=replicate), FULL_OUTCOME)
    whole = (tmp_path / STORE_FILE).read_bytes()
    at = whole.rindex(spec(replicate=3).id.encode())
    (tmp_path / STORE_FILE).write_bytes(whole[:at] + b"f" * 64 + whole[at + 64 :])
    with pytest.raises(UserError, match="cannot be read") as error:
        Store(tmp_path, create=create)
    one_line(error)


def test_an_emptied_store_beside_findings_is_refused(tmp_path):
    Store(tmp_path, create=True).__exit__()
    (tmp_path / STORE_FILE).write_bytes(b"")
    Store(tmp_path, create=True).__exit__()  # a kill in the first moment leaves this
    (tmp_path / STORE_FILE).write_bytes(b"")
    (tmp_path / "findings.json").write_text("{}")
    with pytest.raises(UserError, match="empty, though findings"):
        Store(tmp_path, create=True)


@pytest.mark.parametrize("create", [True, False])
def test_a_foreign_database_is_refused_and_left_as_it_is(tmp_path, create):
    damage(tmp_path, "CREATE TABLE songs (title TEXT)")
    before = (tmp_path / STORE_FILE).read_bytes()
    with pytest.raises(UserError, match="another program's"):
        Store(tmp_path, create=create)
    assert (tmp_path / STORE_FILE).read_bytes() == before
