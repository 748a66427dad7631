"""The training loop: schedule, best weights, patience, convergence, divergence, repeatability."""

import itertools
import math
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.texts import sentences
from transfergain.engine.fit import fit, silent
from transfergain.engine.predict import predict
from transfergain.engine.schedule import Patience, Schedule, evaluation_steps
from transfergain.engine.training import Training
from transfergain.engine.weights import Weights
from transfergain.split import TEST
from transfergain.trial import Bench, run_trial
from transfergain.types import Dataset, Example, Recipe, TrialSpec

WORDS, DEV_EVERY = 12, 10  # 160 steps in 16 evaluations
EARLY = (1, 2, 5)
"""Further evaluations before the first of these."""
RECIPE = Recipe(learning_rate=0.05, batch_size=4, epochs=1, min_steps=160, evaluations=16, patience=3)
STILL = replace(RECIPE, learning_rate=1e-5)
"""Trains too little for the loss to have a say."""


class Bag(torch.nn.Module):
    """Mean of word vectors, linear, dropout: the smallest model with the interface of `transformers`' classifiers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(WORDS, 4)
        self.dropout = torch.nn.Dropout(0.1)
        self.out = torch.nn.Linear(4, 2)
        self.training_calls = 0

    def forward(self, input_ids, attention_mask, labels):
        self.training_calls += self.training
        mask = attention_mask[..., None]
        logits = self.out(self.dropout((self.words(input_ids) * mask).sum(1) / mask.sum(1)))
        return SimpleNamespace(loss=torch.nn.functional.cross_entropy(logits, labels), logits=logits)


def rows(count, seed):
    """Features whose class is whether most of their words are odd."""
    rng = np.random.default_rng(seed)
    texts = [rng.integers(1, WORDS, size=rng.integers(1, 8)).tolist() for _ in range(count)]
    labels = [int(sum(i % 2 for i in text) * 2 > len(text)) for text in texts]
    return [{"input_ids": t, "attention_mask": [1] * len(t), "labels": y} for t, y in zip(texts, labels, strict=True)]


TRAIN, DEV = rows(64, 0), rows(32, 1)


def accuracy(predicted):
    return float(np.mean([row.argmax() == f["labels"] for row, f in zip(predicted.outputs, DEV, strict=True)]))


def weights_of(model):
    return [p.detach().clone() for p in model.parameters()]


class Scripted:
    """A score function that says what the test wants, and remembers the weights it was asked about.

    `scores` are those of the regular evaluations; the early ones have `early`.
    """

    def __init__(self, model, scores, early=(0.1, 0.1, 0.1)):
        self.model, self.scores, self.seen = model, [*early, *scores], []

    def __call__(self, predicted):
        self.seen.append(weights_of(self.model) if self.model else [])
        return self.scores[min(len(self.seen), len(self.scores)) - 1]


def run(model=None, score=accuracy, recipe=RECIPE, replicate=0, progress=silent, **keys):
    model = model or Bag()
    return model, fit(model, Training(TRAIN, DEV, recipe, replicate, 0, **keys), score, progress)


def same(model, weights):
    return all(torch.equal(a, b) for a, b in zip(model.parameters(), weights, strict=True))


# --- Schedule


def test_the_step_cap_is_epochs_or_the_floor():
    assert Recipe(1.0, batch_size=16, epochs=3, min_steps=10).max_steps(100) == 3 * 7
    assert Recipe(1.0, batch_size=16, epochs=3, min_steps=300).max_steps(100) == 300


def test_warm_up_constant_decay_to_zero():
    schedule = Schedule(RECIPE, len(TRAIN))
    rates = [schedule.learning_rate(step) for step in range(schedule.max_steps)]
    assert schedule.max_steps == 160
    assert rates[:16] == pytest.approx([RECIPE.learning_rate * (i + 1) / 16 for i in range(16)])
    assert set(rates[16:129]) == {RECIPE.learning_rate}
    assert rates[128:] == pytest.approx([RECIPE.learning_rate * (160 - i) / 32 for i in range(128, 160)])
    assert schedule.learning_rate(schedule.end) == 0


@given(
    n=st.integers(1, 500), step=st.integers(1, 2000), warmup=st.floats(0, 0.5), decay=st.floats(0.05, 0.5),
    cap=st.integers(1, 1000),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_an_early_decay_takes_its_share_and_never_passes_the_cap(n, step, warmup, decay, cap):
    recipe = Recipe(1e-3, epochs=1, min_steps=cap, warmup=warmup, decay=decay)
    schedule = Schedule(recipe, n)
    step = min(step, schedule.decay_from)
    schedule.decay_now(step)
    assert step <= schedule.end <= schedule.max_steps
    length = schedule.end - step
    if schedule.end < schedule.max_steps:  # the promised share of the run, to the step
        assert decay * schedule.end <= length + 1e-9 and length < decay / (1 - decay) * step + 1
    rates = [schedule.learning_rate(s) for s in range(step, schedule.end + 1)]
    if step >= schedule.warmup:
        assert all(later <= earlier for earlier, later in itertools.pairwise(rates))
    assert all(0 <= rate <= recipe.learning_rate for rate in rates)
    assert schedule.learning_rate(schedule.end) == (0 if length else pytest.approx(schedule.learning_rate(step)))


def test_matrices_decay_and_nothing_else_does():
    model = Bag()
    model.out.bias.requires_grad_(False)
    decayed, kept = Weights(model, RECIPE, {}).optimizer.param_groups
    assert decayed["weight_decay"] == RECIPE.weight_decay and kept["weight_decay"] == 0
    assert [id(p) for p in decayed["params"]] == [id(model.out.weight)]
    assert [id(p) for p in kept["params"]] == [id(model.words.weight)], "frozen parameters are in no group"


# --- fit


def test_learns_and_reports_its_curve():
    steps = []
    model, fitted = run(progress=lambda step, cap, best: steps.append((step, cap, best)))
    first = accuracy(predict(Bag(), DEV, 0, "fp32"))
    assert fitted.dev_score > max(first, 0.85)
    assert [p.step for p in fitted.curve] == [s for s, _, _ in steps]
    assert {cap for _, cap, _ in steps} == {fitted.max_steps}
    assert steps[-1][2] == fitted.dev_score == max(p.score for p in fitted.curve)
    assert accuracy(predict(model, DEV, 0, "fp32")) == fitted.dev_score
    assert not fitted.diverged


def test_restores_the_weights_of_the_best_evaluation():
    model = Bag()
    score = Scripted(model, [0.5, 0.6, 0.9, 0.7, 0.8, 0.7])
    _, fitted = run(model, score)
    assert fitted.best_step == 3 * DEV_EVERY and fitted.dev_score == 0.9
    assert same(model, score.seen[len(EARLY) + 2]) and not same(model, score.seen[-1])


def test_equal_scores_are_told_apart_by_loss():
    model = Bag()
    score = Scripted(model, [0.5], early=[0.5] * 3)
    _, fitted = run(model, score)
    best = min(fitted.curve, key=lambda p: p.loss)
    assert fitted.best_step == best.step
    assert same(model, score.seen[fitted.curve.index(best)])


def test_stops_early_with_patience_and_decays_first():
    model = Bag()
    score = Scripted(model, [0.5, 0.9, 0.8, 0.7, 0.6])
    _, fitted = run(model, score, recipe=STILL)
    stopped = (2 + RECIPE.patience) * DEV_EVERY
    schedule = Schedule(RECIPE, len(TRAIN))
    schedule.decay_now(stopped)
    assert fitted.converged and fitted.steps == schedule.end == math.ceil(stopped * 1.25) < fitted.max_steps
    assert [p.phase for p in fitted.curve] == ["stable" if p.step <= stopped else "decay" for p in fitted.curve]
    assert fitted.curve[-1].phase == "decay" and fitted.curve[-1].step == fitted.steps
    assert model.training_calls == fitted.steps


def test_a_better_score_in_the_decay_counts_but_ends_no_later():
    model = Bag()
    score = Scripted(model, [0.5, 0.9, 0.8, 0.7, 0.6, 0.95, 0.7])
    _, fitted = run(model, score, recipe=STILL)
    assert fitted.best_step == 60 and fitted.dev_score == 0.95
    assert fitted.converged and fitted.steps < fitted.max_steps


def test_a_run_that_still_improves_at_the_cap_has_not_converged():
    model = Bag()
    score = Scripted(model, [i / 100 for i in range(40)])
    _, fitted = run(model, score)
    assert fitted.steps == fitted.max_steps == fitted.curve[-1].step == 160
    assert not fitted.converged and fitted.best_step == 160


def test_the_dev_score_is_read_more_often_before_the_first_regular_evaluation():
    _, fitted = run(score=Scripted(None, [i / 100 for i in range(40)]))
    assert [p.step for p in fitted.curve] == [*EARLY, *range(10, 161, 10)]
    assert evaluation_steps(1) == frozenset() and evaluation_steps(2) == {1} and evaluation_steps(16) == {2, 4, 8}


def test_an_early_score_may_be_the_best_but_does_not_run_out_patience():
    model = Bag()
    score = Scripted(model, [0.5, 0.6, 0.7, 0.6, 0.6, 0.6], early=[0.3, 0.9, 0.4])
    _, fitted = run(model, score, recipe=STILL)
    assert fitted.best_step == EARLY[1] and fitted.dev_score == 0.9 and same(model, score.seen[1])
    assert [p.step for p in fitted.curve if p.phase == "stable"][-1] == (3 + RECIPE.patience) * DEV_EVERY


def test_a_run_can_be_ended_at_a_step():
    model = Bag()
    _, whole = run(model, Scripted(model, [i / 100 for i in range(40)]))
    _, part = run(score=Scripted(None, [i / 100 for i in range(40)]), stop_at=34)
    assert part.steps == 34 and not part.converged
    assert part.curve[:-1] == whole.curve[: len(EARLY) + 3] and part.curve[-1].step == 34


def test_the_curve_says_what_training_has_cost():
    steps = []
    _, fitted = run(
        score=Scripted(None, [i / 100 for i in range(40)]), progress=lambda *_: steps.append(time.perf_counter())
    )
    points = fitted.curve
    assert [p.examples for p in points] == [4 * p.step for p in points], "batches of four, 64 examples"
    products = 3 * 2 * 4 * 4 * 2  # forward, and backward to weights and inputs, of four examples times a 4 x 2 matrix
    assert [p.flops for p in points] == [products * p.step for p in points] and fitted.flops == products * 160
    seconds = [p.seconds for p in points]
    assert seconds == sorted(seconds) and seconds[0] > 0 and fitted.train_seconds >= seconds[-1]
    assert seconds[-1] < steps[-1] - steps[0] + seconds[0], "evaluations are left out"


def test_patience_counts_what_brings_neither_score_nor_loss():
    patience, seen = Patience(), []
    for score, loss in [(0.5, 2.0), (0.5, 1.9), (0.5, 1.89), (0.4, 1.885), (0.6, 3.0), (0.6, 3.0), (0.5, 1.8)]:
        patience.see(score, loss)
        seen.append(patience.stale)
    assert seen == [0, 0, 0, 1, 0, 1, 0], "1.885 is within a hundredth of 1.9, and its score is no record"


def test_a_run_whose_loss_falls_goes_on_though_its_score_does_not_rise():
    scores = [0.5 - i / 1000 for i in range(40)]
    falling, standing = (run(score=Scripted(None, scores), recipe=each)[1] for each in (RECIPE, STILL))
    assert standing.steps < falling.steps


def test_patience_does_not_run_out_while_warming_up():
    recipe = Recipe(0.05, batch_size=4, epochs=1, min_steps=160, evaluations=16, patience=2, warmup=0.5)
    model = Bag()
    _, fitted = run(model, Scripted(model, [0.9, 0.1]), recipe)
    first_decay = next(p.step for p in fitted.curve if p.phase == "decay")
    assert first_decay > 80


class Breaks(Bag):
    """A model whose loss is NaN at training step `at`."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        if self.training and self.training_calls == self.at:
            output.loss = output.loss * math.nan
        return output


def test_a_nan_loss_is_divergence_and_the_best_weights_stay():
    model = Breaks(35)
    score = Scripted(model, [0.5, 0.9, 0.6])
    _, fitted = run(model, score)
    assert fitted.diverged and not fitted.converged and fitted.steps == 34
    assert fitted.best_step == 20 and fitted.dev_score == 0.9
    assert same(model, score.seen[len(EARLY) + 1])


class Poisoned(Bag):
    """A model whose weights are all NaN after training step `at`, its loss at that step being finite."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def forward(self, *args, **kwargs):
        output = super().forward(*args, **kwargs)
        if self.training and self.training_calls == self.at:
            output.loss.register_hook(lambda gradient: gradient * math.nan)
        return output


def test_nan_weights_are_never_the_best_even_if_their_score_is():
    """Weights that turned NaN in the step before an evaluation predict one class, which may score well by chance."""
    model = Poisoned(30)
    score = Scripted(model, [0.5, 0.5, 0.5, 0.9])
    _, fitted = run(model, score)
    assert fitted.diverged and fitted.steps == 30 and fitted.dev_score == 0.5
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert all(math.isfinite(p.loss) for p in fitted.curve)


def test_a_run_that_diverges_at_once_has_the_score_of_its_initial_weights():
    model = Breaks(1)
    initial = weights_of(model)
    expected = accuracy(predict(Bag(), DEV, 0, "fp32"))
    _, fitted = run(model)
    assert fitted.diverged and fitted.steps == fitted.best_step == 0 and fitted.curve == ()
    assert fitted.dev_score == expected
    assert same(model, initial)


def test_frozen_parameters_stay_as_they_are():
    model = Bag()
    model.words.weight.requires_grad_(False)
    before = weights_of(model)
    run(model)
    after = weights_of(model)
    assert torch.equal(before[0], after[0]) and not torch.equal(before[1], after[1])


def test_the_same_call_gives_the_same_numbers_and_another_replicate_others():
    first_model, first = run()
    torch.manual_seed(77)
    np.random.seed(3)
    second_model, second = run()
    assert first == second and same(first_model, weights_of(second_model))
    _, other = run(replicate=1)
    assert other.curve != first.curve


def test_evaluating_more_often_changes_no_training_step():
    """Evaluation takes nothing from the dropout stream: the weights after a full run are the same."""
    weights = []
    for evaluations in (4, 16):
        recipe = Recipe(0.05, batch_size=4, epochs=1, min_steps=160, evaluations=evaluations, patience=99)
        model = Bag()
        score = Scripted(model, [0.5])
        run(model, score, recipe)
        weights.append(score.seen[-1])
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def test_predicting_nothing_raises():
    with pytest.raises(ValueError, match="nothing to predict"):
        predict(Bag(), [], 0, "fp32")


def test_predictions_are_in_the_order_of_the_features_and_in_evaluation_mode():
    model = Bag().train()
    together = predict(model, DEV, 0, "fp32")
    assert model.training
    alone = [predict(model, [f], 0, "fp32") for f in DEV]
    np.testing.assert_allclose(np.stack(together.outputs), np.stack([p.outputs[0] for p in alone]), atol=1e-6)
    assert together.loss == pytest.approx(np.mean([p.loss for p in alone]), abs=1e-6)


# --- a whole trial


def test_the_same_spec_gives_the_same_trial_twice(checkpoints):
    from transfergain.checkpoint import resolve

    labels = ("negative", "positive")
    pairs = [sentences(40, 0), sentences(12, 1), sentences(16, 2)]
    parts = [tuple(Example({"text": text}, labels.index(label)) for text, label in part) for part in pairs]
    data = Dataset("sentiment", "tiny", labels, *parts, {}, "f", {})
    checkpoint = resolve(checkpoints("bert"))
    recipe = Recipe(3e-3, batch_size=8, epochs=1, min_steps=8, evaluations=4, max_length=16)
    key = ("sentiment", "tiny", "full", 40, 0, "report", recipe, ((TEST, "f"),), "f", checkpoint.revision)
    found = []
    for stray in (1, 2):
        torch.manual_seed(stray)
        outcome = vars(run_trial(TrialSpec(*key), Bench({"tiny": data}, checkpoint, "cpu", 1)))
        evaluated = outcome.pop("evaluated")[TEST]
        del outcome["seconds"]
        found.append((outcome, evaluated.predictions, {n: c.tolist() for n, c in evaluated.counts.items()}))
    assert found[0] == found[1]
    assert [p.step for p in found[0][0]["curve"]] == [1, 2, 4, 6, 8]
