"""One study of the built-in pairs and of the built-in texts with several labels: every arm, floor, shift and noise."""

import json

import numpy as np
import pytest
import sklearn.metrics
from transformers import pipeline

from support.tiny import InProcess, command, findings
from transfergain.arms import DEFAULT_ARMS
from transfergain.data import prepare
from transfergain.executors import EXECUTORS
from transfergain.metrics import METRICS
from transfergain.split import TEST
from transfergain.store import Store
from transfergain.study import load
from transfergain.tasks import TASKS, find

KINDS = {"pairs": "classification", "topics": "multi-label"}
SHIFTS = {"pairs": "shift:notices", "topics": "shift:guests"}
NOISE = "perturbed:keyboard@5"
KEYS = {
    "budgets": [60], "seeds": 2, "tune": 0, "epochs": 1, "min_steps": 12, "max_length": 48, "precision": "fp32",
    "device": "cpu", "workers": 1, "perturbations": ["keyboard@5"], "arms": list(DEFAULT_ARMS),
}  # fmt: skip


@pytest.fixture(scope="module")
def first(tmp_path_factory, checkpoints):
    """(study file, output folder) of a study that has run."""
    folder = tmp_path_factory.mktemp("both")
    keys = KEYS | {"model": checkpoints(), "output_dir": str(folder / "out")}
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    for name in KINDS:
        lines += ["", "[[tasks]]", 'task = "classification"', f'dataset_name = "builtin:{name}"']
    file = folder / "study.toml"
    file.write_text("\n".join(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXECUTORS, "local", InProcess)
        assert command(patch, "run", file) == 0
    return file, folder / "out"


@pytest.fixture(scope="module")
def datasets(first):
    return {e.source().name(): prepare.load(e.source(), TASKS[e.task]) for e in load({}, first[0]).entries()}


@pytest.fixture(scope="module")
def rows(first):
    with Store(first[1]) as store:
        return list(store.rows())


def test_every_trial_of_every_arm_and_floor_is_done(first):
    trials = 2 * 2 * (len(DEFAULT_ARMS) + len(TASKS["classification"].floors))
    assert findings(first[1])["trials"] == {"done": trials, "failed": 0, "skipped": 0, "pending": 0}
    assert {name: entry["task"] for name, entry in findings(first[1])["data"].items()} == KINDS


def test_every_split_is_scored_by_the_metrics_of_its_kind(first):
    scored = {(s["dataset"], s["split"], s["metric"]) for s in findings(first[1])["scores"]}
    assert scored == {
        (name, split, metric)
        for name, kind in KINDS.items()
        for split in ("test", SHIFTS[name], NOISE)
        for metric in find(kind).metrics
    }


def test_stored_sets_have_scikit_learns_scores(rows, datasets):
    several = [row for row in rows if row.spec.dataset == "topics"]
    assert len(several) == 2 * (len(DEFAULT_ARMS) + 2)
    for row in several:
        for split, evaluated in row.outcome.evaluated.items():
            splits = datasets["topics"].splits()
            truth = np.array([e.target for e in splits[split if split in splits else TEST]])
            said = np.array(evaluated.predictions)
            assert said.shape == truth.shape and set(np.unique(said)) <= {0, 1}
            expected = {
                "micro_f1": sklearn.metrics.f1_score(truth, said, average="micro", zero_division=0),
                "label_macro_f1": sklearn.metrics.f1_score(truth, said, average="macro", zero_division=0),
                "subset_accuracy": sklearn.metrics.accuracy_score(truth, said),
            }
            found = {
                name: float(METRICS[name].finish(counts.astype(np.int64).sum(axis=0)))
                for name, counts in evaluated.counts.items()
            }
            assert found == pytest.approx(expected, abs=1e-9)


def test_scores_of_labels_stand_beside_each_other(first, datasets):
    parts = [s for s in findings(first[1])["scores"] if s["parts"]]
    assert {(s["dataset"], s["metric"]) for s in parts} == {("topics", "micro_f1")}
    assert all(tuple(s["parts"]) == datasets["topics"].labels for s in parts)


@pytest.mark.parametrize("arm", DEFAULT_ARMS)
def test_a_kept_model_of_pairs_answers_in_a_pipeline_as_it_did(first, rows, datasets, arm):
    folder, data = first[1] / "models" / f"pairs-{arm}", datasets["pairs"]
    texts = [{"text": e.inputs["text"], "text_pair": e.inputs["text_pair"]} for e in data.test[:24]]
    said = answers(folder, texts)
    assert [max(row, key=row.get) for row in said] == [data.labels[c] for c in kept(rows, folder)[:24]]


@pytest.mark.parametrize("arm", DEFAULT_ARMS)
def test_a_kept_model_of_labels_answers_in_a_pipeline_as_it_did(first, rows, datasets, arm):
    """Its card names the threshold, and its scores are sigmoids, each for itself."""
    folder, data = first[1] / "models" / f"topics-{arm}", datasets["topics"]
    assert json.loads((folder / "config.json").read_text())["problem_type"] == "multi_label_classification"
    card = (folder / "README.md").read_text("utf-8")
    threshold = float(card.partition("Give each label whose score is ")[2].split()[0])
    said = answers(folder, [e.inputs["text"] for e in data.test[:24]])
    for row, prediction in zip(said, kept(rows, folder)[:24], strict=True):
        close = [abs(score - threshold) < 1e-4 for score in row.values()]
        given = [row[label] >= threshold for label in data.labels]
        assert any(close) or given == [bool(hit) for hit in prediction]


def answers(folder, inputs):
    """Label -> score of each input, in a batch each: padding changes a sum's last digits."""
    trusted = (folder / "probe_model.py").exists()
    asked = pipeline("text-classification", str(folder), top_k=None, device="cpu", trust_remote_code=trusted)
    found = [asked(one, truncation=True, max_length=48) for one in inputs]
    return [{entry["label"]: entry["score"] for entry in (row[0] if isinstance(row[0], list) else row)} for row in found]


def kept(rows, folder):
    """What the trial of a kept model predicted on test."""
    (row,) = [row for row in rows if row.spec.id == (folder / "trial").read_text()]
    return row.outcome.evaluated[TEST].predictions


def test_the_page_shows_both_texts_and_the_names_of_labels(first):
    page = (first[1] / "report.html").read_text("utf-8")
    assert " ‖ " in page and "Multi-label classification" in page and "micro F1" in page


def test_the_same_command_again_runs_nothing(first, monkeypatch):
    file, folder = first
    before = (folder / "findings.json").read_bytes()
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    monkeypatch.setattr(InProcess, "ran", [])
    assert command(monkeypatch, "run", file) == 0
    assert not InProcess.ran and (folder / "findings.json").read_bytes() == before
