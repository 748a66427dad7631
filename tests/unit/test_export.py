import json

import pandas as pd
import pytest
from fakes import FakeExecutor, dataset, outcome_of, run

from transfergain.analysis.findings import load
from transfergain.errors import UserError
from transfergain.report.export import FORMATS, TABLES, write_table
from transfergain.types import Outcome


@pytest.fixture
def folder(tmp_path):
    """A study with a shift and a failed trial."""

    def behave(spec, data):
        if spec.arm == "full" and spec.replicate == 1:
            return Outcome("failed", error='RuntimeError: "no", luck')
        return outcome_of(spec, data)

    run(tmp_path / "run", {"reviews": dataset(shift=True)}, FakeExecutor(behave=behave), seeds=3)
    return tmp_path / "run"


def read(path):
    if path.suffix == ".csv":
        return pd.read_csv(path)
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.DataFrame(json.loads(path.read_text("utf-8"), parse_constant=pytest.fail))


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("table", TABLES)
def test_every_table_in_every_format(folder, table, format):
    path = write_table(str(folder), table, format)
    assert path == folder / f"{table}.{format}"
    expected, frame = load(folder).table(table), read(path)
    assert list(frame.columns) == list(pd.DataFrame(expected).columns)
    assert len(frame) == len(expected) > 0
    for row, wanted in zip(frame.to_dict("records"), expected, strict=True):
        for key, value in wanted.items():
            if isinstance(value, float | int) and not isinstance(value, bool):
                assert row[key] == value, key
            elif isinstance(value, str) and value:
                assert str(row[key]) == value, key


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_whole_numbers_stay_whole_where_some_rows_have_none(folder, format):
    path = write_table(str(folder), "trials", format)
    if format == "csv":
        steps = pd.read_csv(path, dtype=str)["steps"]
        assert set(steps.dropna()) == {"10"}
    else:
        steps = pd.read_parquet(path)["steps"]
        assert pd.api.types.is_integer_dtype(steps.dtype)
    assert steps.isna().any()


def test_failed_trials_are_exported_with_their_error(folder):
    frame = read(write_table(str(folder), "trials", "csv"))
    failed = frame[frame["status"] == "failed"]
    assert failed[["arm", "seed", "error"]].to_numpy().tolist() == [["full", 1, 'RuntimeError: "no", luck']]
    assert failed["test accuracy"].isna().all()


def test_json_is_exact_to_the_last_digit(folder):
    written = json.loads(write_table(str(folder), "gains", "json").read_text("utf-8"))
    assert written == [dict(row) for row in load(folder).gains]


def test_output_goes_where_it_is_told_and_the_store_is_left_alone(folder, tmp_path):
    before = (folder / "study.sqlite").read_bytes()
    path = write_table(str(folder), "gains", "csv", str(tmp_path / "mine.txt"))
    assert path == tmp_path / "mine.txt"
    assert len(pd.read_csv(path)) == len(load(folder).gains)
    assert (folder / "study.sqlite").read_bytes() == before


@pytest.mark.parametrize("format", FORMATS)
def test_an_unwritable_output_is_a_user_error(folder, tmp_path, format):
    with pytest.raises(UserError, match=r"--output .*cannot write") as error:
        write_table(str(folder), "gains", format, str(tmp_path / "absent" / "x"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gains", "cvs"), 'unknown format "cvs". Did you mean "csv"?'),
        (("gain", "csv"), 'unknown table "gain". Did you mean "gains"?'),
    ],
)
def test_misspellings_get_a_hint(folder, arguments, message):
    with pytest.raises(UserError) as error:
        write_table(str(folder), *arguments)
    assert message in str(error.value)


def test_a_folder_without_study_is_a_user_error(tmp_path):
    with pytest.raises(UserError, match="no study there"):
        write_table(str(tmp_path), "gains", "csv")
