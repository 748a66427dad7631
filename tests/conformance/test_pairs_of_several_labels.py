"""Pairs of texts with several labels each, which is both at once, on every architecture that classifies."""

import numpy as np
import pytest
import torch
from transformers import pipeline

from transfergain import checkpoint as checkpoints_
from transfergain.arms import ARMS
from transfergain.arms.adapt import METHODS, Adaptation
from transfergain.data.prepare import DataSource, load
from transfergain.split import TEST, shift
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Recipe, TrialSpec

pytestmark = pytest.mark.long

KINDS = ("bert", "roberta", "distilbert", "gpt2", "t5", "bart")
ARMS_EVERYWHERE = ("full", "lora", "probe")
OPTIONS = {"multi_label": True, "text_pair_column": "reply", "label_column": "labels"}
WORDS = ["soup", "bread", "chef", "bill", "waiter", "garden", "table", "music"]


def write(path, count, seed):
    rng = np.random.default_rng(seed)
    rows = ["text,reply,labels"]
    for i in range(count):
        words, reply = rng.permutation(WORDS)[:4], rng.permutation(WORDS)[:2]
        labels = [name for name, word in (("food", "soup"), ("money", "bill"), ("place", "garden")) if word in words]
        rows.append(f"{' '.join(words)} {i},{' '.join(reply)},{';'.join(labels)}")
    path.write_text("\n".join(rows) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    files = {"shifts": {"away": write(folder / "away.csv", 20, 1)}, "targets": {"away": write(folder / "more.csv", 60, 2)}}
    return load(DataSource(write(folder / "mails.csv", 90, 0), options=OPTIONS, **files), TASKS["classification"])


def trial(data, folder, arm, save_to=None, splits=(), precision="fp32"):
    recipe = Recipe(1e-3, batch_size=8, epochs=1, min_steps=6, max_length=24, precision=precision)
    spec = TrialSpec(data.task, data.name, arm, 60, 0, "report", recipe, ((TEST, data.fingerprint), *splits), "f", "c")
    return run_trial(spec, Bench({data.name: data}, checkpoints_.resolve(folder), "cpu", 1), save_to)


@pytest.mark.parametrize("arm", ARMS_EVERYWHERE)
@pytest.mark.parametrize("kind", KINDS)
def test_every_architecture_learns_and_its_saved_model_answers_alike(data, checkpoints, tmp_path, kind, arm):
    outcome = trial(data, checkpoints(kind), arm, tmp_path)
    assert outcome.status == "done", outcome.error
    asked = pipeline("text-classification", str(tmp_path), top_k=None, device="cpu", trust_remote_code=arm == "probe")
    threshold = outcome.details.setting
    for row, said in zip(data.test, outcome.evaluated[TEST].predictions, strict=True):
        found = asked({"text": row.inputs["text"], "text_pair": row.inputs["text_pair"]}, truncation=True, max_length=24)
        score = {entry["label"]: entry["score"] for entry in (found[0] if isinstance(found[0], list) else found)}
        close = any(abs(value - threshold) < 1e-5 for value in score.values())
        assert close or said == [int(score[label] >= threshold) for label in data.labels]


@pytest.mark.parametrize("arm", [arm for arm in ARMS if arm not in (*ARMS_EVERYWHERE, "setfit")])
def test_bert_trains_the_other_arms(data, checkpoints, arm):
    assert trial(data, checkpoints("bert"), arm).status == "done"


def test_setfit_pairs_texts_of_one_class_and_declines_several_labels(data, checkpoints):
    outcome = trial(data, checkpoints("bert"), "setfit")
    assert outcome.status == "skipped" and "these have several labels" in outcome.error


def test_bfloat16_trains_it_too(data, checkpoints):
    assert trial(data, checkpoints("bert"), "full", precision="bf16").status == "done"


@pytest.mark.parametrize("method", METHODS)
def test_a_model_is_adapted_to_another_domain(data, checkpoints, method):
    split = Adaptation("away", 16, method).split
    away = (shift("away"), data.shift_fingerprints["away"])
    outcome = trial(data, checkpoints("bert"), "full", splits=[away, (split, data.target_fingerprints["away"])])
    assert outcome.status == "done" and len(outcome.evaluated[split].predictions) == len(data.shifts["away"])


def test_an_old_head_of_another_kind_leaves_nothing_behind(data, checkpoints, tmp_path):
    """A checkpoint of several labels serves one class a text, and the other way round."""
    from transfergain.checkpoint import load_config, load_tokenizer

    trial(data, checkpoints("bert"), "full", tmp_path)
    checkpoint = checkpoints_.resolve(str(tmp_path))
    config = load_config(checkpoint, load_tokenizer(checkpoint), ("a", "b"))
    assert config.problem_type is None and config.num_labels == 2
    task = TASKS["classification"].chosen(OPTIONS)
    config = load_config(checkpoint, load_tokenizer(checkpoint), data.labels, head=task.head)
    assert config.problem_type == "multi_label_classification"


def test_the_loss_is_the_binary_cross_entropy_of_all_labels(data, checkpoints):
    from transfergain.arms import weights
    from transfergain.arms.base import Blueprint
    from transfergain.engine.predict import predict
    from transfergain.sharing import Memo

    task, checkpoint = TASKS["classification"].chosen(OPTIONS), checkpoints_.resolve(checkpoints("bert"))
    tokenizer = checkpoints_.load_tokenizer(checkpoint)
    config = checkpoints_.load_config(checkpoint, tokenizer, data.labels, head=task.head)
    model = weights.build_pretrained(Blueprint(checkpoint, task.auto_class, config, 0, Memo())).model
    features = task.encode(data.test, tokenizer, {"max_length": 24}).features
    found = predict(model, features, tokenizer.pad_token_id, "fp32")
    wanted = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(np.stack(found.outputs)), torch.tensor([e.target for e in data.test], dtype=torch.float)
    )
    assert found.loss == pytest.approx(float(wanted), abs=1e-5)
