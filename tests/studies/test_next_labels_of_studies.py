"""From a finished study to the texts to label next: pairs, several labels a text, three classes, words that are tagged."""

import csv
import json

import pytest

from support.texts import sentences, tagged, write_conll, write_csv
from support.tiny import InProcess, command
from transfergain.executors import EXECUTORS

pytestmark = pytest.mark.long
KEYS = {"arms": "full", "budgets": 60, "seeds": 1, "tune": 0, "epochs": 1, "min_steps": 4, "max-length": 32,
        "precision": "fp32", "device": "cpu", "workers": 1, "keep-models": "best"}  # fmt: skip
PAIRS = [["Is it open?", "It closes at six."], ["Who won?", "Ada won."], ["Who won?", "Ada won."], ["Is it far?", "No."]]
TOPICS = [["a train is late"], ["the bank and the train"], ["rain"], ["rain"]]
SENTENCES = [["Ada met Bo in Rome"], ['["Rome", "is", "big"]'], ["the film was good"], ["the film was good"]]
CASES = {
    "pairs": (["classification", "--dataset-name", "builtin:pairs"], ("text", "text_pair"), PAIRS),
    "labels": (["classification", "--dataset-name", "builtin:topics"], ("text",), TOPICS),
    "classes": (["classification", "--train-file", "topics.csv"], ("text",), TOPICS),
    "words": (["ner", "--train-file", "names.conll"], ("tokens",), SENTENCES),
}


@pytest.mark.parametrize("kind", CASES)
def test_a_study_of_every_kind_says_which_texts_to_label(kind, checkpoints, monkeypatch, tmp_path, capsys):
    (task, *data), columns, pool = CASES[kind]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    write_conll(tmp_path / "names.conll", tagged(120))
    write_csv(tmp_path / "topics.csv", [(f"{text} {i}", "abc"[i % 3]) for i, (text, _) in enumerate(sentences(120))])
    with (tmp_path / "pool.csv").open("w", newline="") as file:
        csv.writer(file).writerows([columns, *pool])
    keys = [part for key, value in KEYS.items() for part in (f"--{key.replace('_', '-')}", value)]
    assert command(monkeypatch, "run", "--task", task, *data, "--model", checkpoints(), *keys, "--output-dir", "out") == 0
    capsys.readouterr()
    assert command(monkeypatch, "next-labels", "out", "--pool", "pool.csv", "-n", 2, "--json") == 0
    chosen = json.loads(capsys.readouterr().out)
    with (tmp_path / "out" / "next-labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row) for row in rows] == [[*columns, "score"]] * 2
    assert [[row[name] for name in columns] for row in rows] == [[each[name] for name in columns] for each in chosen]
    assert len({tuple(each[name] for name in columns) for each in chosen}) == 2
    assert (
        all([each[name] for name in columns] in pool for each in chosen)
        and 0 <= chosen[1]["score"] <= chosen[0]["score"] <= 1
    )
