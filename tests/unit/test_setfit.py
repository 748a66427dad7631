"""SetFit: pairs of labelled texts, their loss, and an arm that tunes before its layer is solved for."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch

from support.texts import sentences, write_csv
from transfergain.arms import ARMS, DEFAULT_ARMS
from transfergain.arms.base import Blueprint
from transfergain.checkpoint import load_config, load_tokenizer, resolve
from transfergain.data import prepare
from transfergain.engine import contrast
from transfergain.errors import Declined
from transfergain.split import TEST
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Recipe, TrialSpec

pytestmark = pytest.mark.long


def test_each_text_begins_as_many_pairs_of_its_class_as_of_others():
    labels = [0, 0, 0, 1, 1, 2]
    pairs = contrast.draw_pairs(labels, 0)
    assert len(pairs) == 2 * contrast.PAIRS * len(labels)
    assert all(pair.alike == (labels[pair.first] == labels[pair.second]) for pair in pairs)
    assert Counter((pair.first, pair.alike) for pair in pairs) == {(i, a): contrast.PAIRS for i in range(6) for a in (0, 1)}
    assert all((pair.first == pair.second) == (pair.first == 5) for pair in pairs if pair.alike), "5 is alone in its class"
    assert pairs == contrast.draw_pairs(labels, 0) != contrast.draw_pairs(labels, 1)


def test_many_labels_begin_fewer_pairs():
    assert len(contrast.draw_pairs([0, 1] * 2000, 0)) == contrast.MOST_PAIRS
    assert len(contrast.draw_pairs([0, 1] * 200, 0)) == 400 * 2 * contrast.PAIRS == contrast.MOST_PAIRS


def test_the_rate_rises_for_a_tenth_and_falls_to_nothing():
    rates = [contrast._share(step, 40) for step in range(41)]
    assert rates[3] == rates[4] == 1.0 == max(rates) and rates[0] == 0.25 and rates[40] == 0.0
    assert all(a > b for a, b in pairwise(rates[4:]))


def built(checkpoints, auto_class="AutoModelForSequenceClassification"):
    checkpoint = resolve(str(checkpoints("bert")))
    tokenizer = load_tokenizer(checkpoint)
    config = load_config(checkpoint, tokenizer, ("negative", "positive"))
    return ARMS["setfit"].build(Blueprint(checkpoint, auto_class, config, 0)), tokenizer


def test_the_loss_is_that_of_sentence_transformers(checkpoints):
    pytest.importorskip("sentence_transformers")
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    prepared, tokenizer = built(checkpoints)
    encoder = prepared.model.encoder.eval()
    rows = [dict(tokenizer(text)) for text in ("good film", "the chair was bad", "good meal", "ugly")]
    mine = contrast.pair_loss(encoder, rows, [True, False], tokenizer.pad_token_id, "fp32")

    def embed(features):
        tokens = encoder(**features["inputs"]).last_hidden_state
        mask = features["inputs"]["attention_mask"][..., None]
        return {"sentence_embedding": (tokens * mask).sum(1) / mask.sum(1)}

    sides = [{"inputs": tokenizer(list(texts), return_tensors="pt", padding=True)}
             for texts in (("good film", "good meal"), ("the chair was bad", "ugly"))]  # fmt: skip
    theirs = CosineSimilarityLoss(embed)(sides, torch.tensor([1.0, 0.0]))
    assert float(mine) == pytest.approx(float(theirs), abs=1e-6)


def test_tuning_brings_texts_of_one_class_together(checkpoints):
    prepared, tokenizer = built(checkpoints)
    texts = sentences(16)
    rows = [dict(tokenizer(text)) | {"labels": int(label == "positive")} for text, label in texts]
    alike = [pair.alike for pair in contrast.draw_pairs([row["labels"] for row in rows], 7)[:64]]
    pairs = [{k: v for k, v in rows[i].items() if k != "labels"} for p in
             contrast.draw_pairs([row["labels"] for row in rows], 7)[:64] for i in (p.first, p.second)]  # fmt: skip

    def loss():
        with torch.no_grad():
            return float(contrast.pair_loss(prepared.model.encoder.eval(), pairs, alike, tokenizer.pad_token_id, "fp32"))

    before = loss()
    took = contrast.tune(prepared.model, rows, tokenizer.pad_token_id, Recipe(1e-4), 0)
    assert loss() < before and took.steps == 40 and took.flops > 0 and not prepared.model.encoder.training


def test_a_trial_is_scored_costs_steps_and_repeats(checkpoints, tmp_path):
    data = prepare.load(
        prepare.DataSource(train_file=write_csv(tmp_path / "reviews.csv", sentences(120))), TASKS["sentiment"]
    )
    checkpoint = resolve(str(checkpoints("bert")))
    bench = Bench({data.name: data}, checkpoint, "cpu", 1)

    def outcome(arm):
        recipe, mark = Recipe(0.0, max_length=24), data.fingerprint
        spec = TrialSpec("sentiment", data.name, arm, 20, 0, "report", recipe, ((TEST, mark),), mark, checkpoint.revision)
        return run_trial(spec, bench, tmp_path / arm)

    first, again, probe = outcome("setfit"), outcome("setfit"), outcome("probe")
    assert first.status == "done" and first.details.steps == 40 and first.details.choice
    assert first.evaluated[TEST].predictions == again.evaluated[TEST].predictions and first.dev_score == again.dev_score
    assert first.details.flops > 100 * probe.details.flops
    assert first.details.trained_parameters > probe.details.trained_parameters > 0
    assert (tmp_path / "setfit" / "model.safetensors").exists()
    kept = {name: np.abs(value).sum() for name, value in _weights(tmp_path / "setfit").items()}
    frozen = {name: np.abs(value).sum() for name, value in _weights(tmp_path / "probe").items()}
    assert any(kept[name] != pytest.approx(frozen[name], rel=1e-6) for name in kept if name.startswith("encoder."))


def _weights(folder):
    from safetensors.numpy import load_file

    return load_file(folder / "model.safetensors")


def test_tasks_without_a_class_a_text_decline_it_and_no_study_runs_it_unasked(checkpoints):
    with pytest.raises(Declined, match="pairs whole texts by their class"):
        built(checkpoints, "AutoModelForTokenClassification")
    assert "setfit" in ARMS and "setfit" not in DEFAULT_ARMS and set(DEFAULT_ARMS) < set(ARMS)
