"""Public corpora as users have them are read, cleaned and carved; skipped where they are not at hand."""

import pytest

from transfergain.data.prepare import DataSource, load
from transfergain.tasks import TASKS


def test_csv_splits_with_a_shift(real_data):
    files = (str(real_data / "sst2" / f"{split}.csv") for split in ("train", "validation", "test"))
    tweets = str(real_data / "tweet_sentiment" / "test.csv")
    data = load(DataSource(*files, shifts={"tweets": tweets}), TASKS["sentiment"])
    assert data.name == "sst2" and data.labels == ("negative", "positive")
    assert (len(data.dev), len(data.test), len(data.shifts["tweets"])) == (872, 1821, 2000)
    assert len(data.train) < 6920 and "duplicates dropped" in " ".join(data.notes)
    test, train = ({TASKS["sentiment"].text(e).casefold() for e in rows} for rows in (data.test, data.train))
    assert not test & train


def test_a_folder_of_jsonl_splits(real_data):
    data = load(DataSource(dataset_name=str(real_data / "ag_news")), TASKS["classification"])
    assert len(data.labels) == 4 and len(data.test) == pytest.approx(2000, abs=20)


def test_77_classes_in_a_column_of_another_name_and_no_other_file(real_data):
    source = DataSource(str(real_data / "banking77" / "train.csv"), options={"label_column": "category"})
    data = load(source, TASKS["classification"])
    assert len(data.labels) == 77
    for rows in (data.train, data.dev, data.test):
        assert {e.target for e in rows} == set(range(77))
    assert any("carved from train" in note for note in data.notes)
