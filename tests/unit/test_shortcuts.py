"""Training with the shortcuts is training without them: the same losses and answers, and nothing is left behind."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import log_softmax

from support.heads import HEAD, STEPPED, prepare
from support.texts import articles, sentences, tagged, translations, write_conll, write_csv, write_parallel, write_squad
from transfergain import checkpoint as checkpoints_
from transfergain.arms.base import Blueprint
from transfergain.data.draws import draw
from transfergain.data.prepare import DataSource, load
from transfergain.engine import learner
from transfergain.engine.material import Material, Rows
from transfergain.engine.reading import Reader
from transfergain.engine.shortcuts import ALL_SHORTCUTS, NO_SHORTCUTS
from transfergain.engine.weights import Weights
from transfergain.options import OptionKind
from transfergain.sharing import Memo
from transfergain.split import TEST
from transfergain.tasks import TASKS
from transfergain.types import Recipe

CPU = torch.device("cpu")
LANGUAGES = {"source_lang": "fr", "target_lang": "en"}
TRAINED = [(task, arm) for task in ("sentiment", "ner", "qa") for arm in (*STEPPED, HEAD)] + [("translation", "full")]
TAKEN = {
    "few_tokens": {"full", "scratch"},
    "stored_features": {HEAD},
    "attention": {*STEPPED, HEAD},
    "bf16_weights": {*STEPPED, HEAD},
}
"""Shortcut -> arms of a classifier that take it."""


PADDING = 0.05
"""The loss of a span is over padding too, whose hidden states are not stored: a head's span losses are off by so much."""


def data_of(task, folder):
    source = {
        "sentiment": lambda: DataSource(write_csv(folder / "reviews.csv", sentences(90))),
        "ner": lambda: DataSource(write_conll(folder / "names.conll", tagged(90))),
        "qa": lambda: DataSource(write_squad(folder / "places.json", articles(24))),
        "translation": lambda: DataSource(write_parallel(folder / "phrases", translations(90)), options=LANGUAGES),
    }[task]()
    return load(source, TASKS[task])


@pytest.fixture
def untrained(checkpoints, tmp_path):
    """(task, arm, shortcuts, recipe's changes) -> a learner without dropout, whose masks are the one thing that differs."""

    def get(task, arm, shortcuts, **changes):
        checkpoint = checkpoints_.resolve(checkpoints("bert"))
        data, task, tokenizer = data_of(task, tmp_path), TASKS[task], checkpoints_.load_tokenizer(checkpoint)
        more = LANGUAGES | {"max_target_length": 8} if task.generates else {}
        options = tuple(sorted((task.defaults(OptionKind.ENCODING) | more).items()))
        rows = {"learning_rate": 3e-3, "batch_size": 8, "epochs": 1, "min_steps": 16, "warmup_steps": 3, "max_length": 48}
        recipe = Recipe(**rows | changes, options=options)
        config = checkpoints_.load_config(checkpoint, tokenizer, data.labels, generates=task.generates)
        prepared = prepare(arm, Blueprint(checkpoint, task.auto_class, config, 0))
        for module in prepared.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for settings in (config, *(getattr(config, side) for side in ("encoder", "decoder") if hasattr(config, side))):
            settings.hidden_dropout_prob = settings.attention_probs_dropout_prob = 0.0
        start = getattr(config, "decoder_start_token_id", None)
        drawn = draw(data, 40, 0, task.stratum)
        learned = {"train": Rows("train", drawn.train), "dev": Rows("dev", drawn.dev)}
        pools = [Rows("all of train", data.train), Rows("all of dev", data.dev)]
        reader = Reader(task, data.labels, tokenizer, checkpoint.revision, recipe, start, Memo())
        material = Material(learned, {TEST: Rows("test", data.test)}, pools)
        return learner.make_learner(prepared, reader, material, CPU, shortcuts)

    return get


def log_probabilities(trained, task):
    """What is said of the test set's own words, padding left out.

    Not the logits: a shift of all of them leaves the loss as it is, so rounding alone decides how far Adam moves it.
    """
    found = zip(trained.outputs(TEST), trained.learner.parts[TEST].features, strict=True)
    lengths = {"sentiment": lambda row, n: row, "ner": lambda row, n: row[:n], "qa": lambda row, n: row[:, :n]}
    rows = [lengths[task](row, len(feature["input_ids"])) for row, feature in found]
    return [log_softmax(row, axis=-1) for row in rows]


def losses(trained):
    return [point.loss for point in trained.fitted.curve]


@pytest.mark.parametrize(("task", "arm"), TRAINED)
def test_training_with_all_of_them_is_training_with_none(untrained, task, arm):
    # Where a model generates, tokens left out are out of its softmax: part of the recipe, and no shortcut.
    none = replace(NO_SHORTCUTS, few_tokens=TASKS[task].generation is not None)
    faster = {"learning_rate": 3e-2} if (task, arm) == ("sentiment", HEAD) else {}  # this head alone moves by little
    fast, plain = (untrained(task, arm, taken, **faster).train("train", "dev", 0) for taken in (ALL_SHORTCUTS, none))
    off = PADDING if (task, arm) == ("qa", HEAD) else 2e-4
    assert losses(fast) == pytest.approx(losses(plain), abs=off)
    assert max(losses(fast)) > min(losses(fast)) + 1e-4, "the model learns"
    assert (fast.base is not None) == (arm == HEAD) and plain.base is None
    if TASKS[task].generation is None:
        assert fast.learner.vocabulary.kept or arm in (HEAD, "lora")
        assert plain.learner.vocabulary.kept == ()
        for a, b in zip(log_probabilities(fast, task), log_probabilities(plain, task), strict=True):
            np.testing.assert_allclose(a, b, atol=off + 5e-3)
    assert fast.answer([TEST]).evaluated[TEST].predictions


@pytest.mark.parametrize("shortcut", TAKEN)
@pytest.mark.parametrize("arm", ["full", HEAD])
def test_each_of_them_alone_changes_no_loss(untrained, shortcut, arm):
    precision = "bf16" if shortcut == "bf16_weights" else "fp32"
    with_it, without = (
        untrained("sentiment", arm, replace(NO_SHORTCUTS, **{shortcut: taken}), precision=precision).train("train", "dev", 0)
        for taken in (True, False)
    )
    assert losses(with_it) == pytest.approx(losses(without), abs=2e-4 if precision == "fp32" else 2e-2)


def test_none_of_them_means_pytorchs_own(untrained, monkeypatch):
    own, seen = torch.nn.functional.dropout, []
    bench = untrained("sentiment", "full", NO_SHORTCUTS, precision="bf16")
    inner = bench.model.forward

    def forward(*given, **named):
        seen.append((torch.nn.functional.dropout is own, {p.dtype for p in bench.model.parameters()}))
        assert bench.model.config._attn_implementation == "sdpa"
        return inner(*given, **named)

    monkeypatch.setattr(bench.model, "forward", forward)
    bench.train("train", "dev", 0)
    assert seen and all(found == (True, {torch.float32}) for found in seen)


def test_a_training_that_fails_leaves_nothing_behind(untrained):
    own = torch.nn.functional.dropout
    from transfergain.engine.training import Training

    bench = untrained("sentiment", "full", ALL_SHORTCUTS, precision="bf16")
    features = bench.parts["train"].features
    training = Training(features, features, bench.reader.recipe, 0, bench.vocabulary.pad_token_id)
    with pytest.raises(KeyError), ALL_SHORTCUTS.applied(bench.model, training) as weights:
        assert torch.nn.functional.dropout is not own and type(weights) is not Weights
        assert torch.bfloat16 in {p.dtype for p in bench.model.parameters()}
        raise KeyError
    assert torch.nn.functional.dropout is own
    assert {p.dtype for p in bench.model.parameters()} == {torch.float32}
    assert bench.model.config._attn_implementation == "sdpa"
