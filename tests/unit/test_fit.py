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
from transfergain.engine.saves import Saves
from transfergain.engine.schedule import Progress, Schedule, least_apart, next_evaluation
from transfergain.engine.training import Training
from transfergain.engine.weights import Average, Kept, Weights
from transfergain.outcome import DevScore
from transfergain.split import TEST
from transfergain.trial import Bench, run_trial
from transfergain.types import Dataset, Example, Recipe, TrialSpec

WORDS = 12
RECIPE = Recipe(learning_rate=0.05, batch_size=4, epochs=1, min_steps=160, warmup_steps=20, patience=0.5)
READ = (8, 16, 24, 32, 40, 50, 63, 79, 99, 124, 155, 160)
"""The dev evaluations of a run that goes to the cap of 160 steps: 32 dev examples are 8 batches."""


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
UNLIKE = [f | {"labels": 1 - f["labels"]} for f in DEV]
"""What is learned from TRAIN is wrong here: the loss on dev rises, and has no say in when a run ends."""


def accuracy(predicted):
    return DevScore(float(np.mean([row.argmax() == f["labels"] for row, f in zip(predicted.outputs, DEV, strict=True)])))


def weights_of(model):
    return [p.detach().clone() for p in model.parameters()]


class Scripted:
    """A score function that says what the test wants, and remembers the weights it was asked about."""

    def __init__(self, model, scores, error=0.0):
        self.model, self.scores, self.error, self.seen = model, scores, error, []

    def __call__(self, predicted):
        self.seen.append(weights_of(self.model) if self.model else [])
        return DevScore(self.scores[min(len(self.seen), len(self.scores)) - 1], self.error)


def run(model=None, score=accuracy, recipe=RECIPE, replicate=0, progress=silent, dev=DEV, **keys):
    model = model or Bag()
    return model, fit(model, Training(TRAIN, dev, recipe, replicate, 0, **keys), score, progress)


def same(model, weights):
    return all(torch.equal(a, b) for a, b in zip(model.parameters(), weights, strict=True))


# --- Schedule


def test_the_step_cap_is_epochs_or_the_floor():
    assert Recipe(1.0, batch_size=16, epochs=3, min_steps=10).max_steps(100) == 3 * 7
    assert Recipe(1.0, batch_size=16, epochs=3, min_steps=300).max_steps(100) == 300


def test_warm_up_then_constant_whatever_the_cap():
    for cap in (160, 1600):
        schedule = Schedule(replace(RECIPE, min_steps=cap), len(TRAIN))
        rates = [schedule.learning_rate(step) for step in range(schedule.max_steps)]
        assert len(rates) == cap
        assert rates[:20] == pytest.approx([RECIPE.learning_rate * (i + 1) / 20 for i in range(20)])
        assert set(rates[20:]) == {RECIPE.learning_rate}


def test_a_cap_that_is_near_leaves_half_of_the_run_at_the_full_rate():
    schedule = Schedule(replace(RECIPE, warmup_steps=100, min_steps=60), 4)
    assert schedule.warmup == 30 and schedule.learning_rate(29) == RECIPE.learning_rate
    assert Schedule(replace(RECIPE, warmup_steps=0), 4).learning_rate(0) == RECIPE.learning_rate


@given(n_dev=st.integers(1, 5000), batch=st.integers(1, 64))
@settings(deadline=None)
def test_evaluations_grow_apart_and_cost_less_than_training(n_dev, batch):
    apart = least_apart(n_dev, batch)
    assert least_apart(n_dev, batch, reading=6) == pytest.approx(6 * n_dev / batch, abs=1)
    steps = [next_evaluation(0, apart)]
    while steps[-1] < 100_000:
        steps.append(next_evaluation(steps[-1], apart))
    apart = [b - a for a, b in itertools.pairwise([0, *steps])]
    assert all(later >= earlier for earlier, later in itertools.pairwise(apart))
    assert len(steps) * n_dev <= max(steps) * batch + n_dev * batch, "all readings together: less than an example a step"
    assert all(distance <= max(0.25 * step + 1, n_dev / batch) for distance, step in zip(apart, [0, *steps], strict=False))


def test_matrices_decay_and_nothing_else_does():
    model = Bag()
    model.out.bias.requires_grad_(False)
    decayed, kept = Weights(model, RECIPE, {}).optimizer.param_groups
    assert decayed["weight_decay"] == RECIPE.weight_decay and kept["weight_decay"] == 0
    assert [id(p) for p in decayed["params"]] == [id(model.out.weight)]
    assert [id(p) for p in kept["params"]] == [id(model.words.weight)], "frozen parameters are in no group"


# --- Progress


def test_progress_is_more_than_the_noise_of_dev():
    progress, seen = Progress(0), []
    for step, score in enumerate([0.5, 0.52, 0.54, 0.56, 0.58, 0.61, 0.6], start=1):
        progress.see(step, DevScore(score, 0.05), 2.0, 1.0 / step)
        seen.append(progress.since)
    assert seen == [1, 1, 1, 4, 4, 4, 4], "small steps add up to one: .56 is more than .05 above .50, .61 not above .56"


def test_a_lower_loss_is_progress_though_the_score_stands_still():
    progress, seen = Progress(0), []
    for step, loss in enumerate([2.0, 1.99, 1.985, 1.97, 3.0, 1.96, 1.94], start=1):
        progress.see(step, DevScore(0.5, 0.05), loss, 1.0 / step)
        seen.append(progress.since)
    assert seen == [1, 1, 1, 4, 4, 4, 7], "by a hundredth of the last mark"


def test_a_perfect_score_has_nothing_left_to_improve():
    """The loss of a dev set without a mistake falls for ever: such a run went on to its cap, and was called unfinished."""
    progress, seen = Progress(0), []
    for step, (score, loss) in enumerate([(0.9, 1.0), (1.0, 0.5), (1.0, 0.25), (1.0, 0.1)], start=1):
        progress.see(step, DevScore(score, 0.0), loss, 1.0 / step)
        seen.append(progress.since)
    assert seen == [1, 2, 2, 2]


def test_progress_is_old_by_the_length_of_the_run():
    progress = Progress(100)
    progress.see(50, DevScore(0.9, 0.1), 1.0, 2.0)
    assert not progress.is_old(199, 0.5) and progress.is_old(200, 0.5), "the warm-up counts as progress"
    progress.see(190, DevScore(1.1, 0.1), 1.0, 0.1)
    assert progress.is_old(254, 0.25) and not progress.is_old(379, 0.5) and progress.is_old(380, 0.5)


def test_a_run_that_has_not_begun_to_learn_is_waited_for_within_limits():
    """A transformer from random weights may stand at chance, on its training texts too, long after the warm-up."""
    progress, seen = Progress(20), []
    for step, training_loss in [(30, 0.7), (100, 0.69), (150, 0.65), (190, 0.6), (195, 0.64), (210, 0.69)]:
        progress.see(step, DevScore(0.5, 0.05), 0.7, training_loss)
        seen.append(progress.since)
    assert seen == [30, 100, 150, 150, 195, 195], "not when the loss is below .63, nor beyond ten warm-ups"


def test_a_tagger_that_says_nothing_yet_is_waited_for():
    """A run from scratch on WNUT-17: its loss fell at once, its entity F1 stayed 0, and it ended after 94 steps."""
    curve = [(12, 0.83), (24, 0.55), (36, 0.49), (48, 0.53), (60, 0.54), (75, 0.52), (94, 0.49)]
    falling, rising = Progress(50), Progress(50)
    for step, loss in curve:
        falling.see(step, DevScore(0.0, 0.0), loss, loss)
        rising.see(step, DevScore(0.0, 0.0), 1.0 + step / 100, 1.0 / step)
    assert falling.since == 94 and not falling.is_old(94, 0.4)
    assert rising.is_old(94, 0.4), "one that learns its training texts by heart, and nothing else, is not"
    falling.see(118, DevScore(0.1, 0.02), 0.49, 0.4)
    falling.see(148, DevScore(0.1, 0.02), 0.49, 0.4)
    assert falling.since == 118, "once the score has risen, it is judged as others are"


# --- Average, Kept


def test_the_average_is_that_of_the_last_part_of_the_run():
    weights = Weights(Bag(), RECIPE, {})
    average, values = Average(weights), []
    for step in range(1, 401):
        weights.put([torch.full_like(m, float(step)) for m in weights.masters])
        average.take(step)
        with average.in_place():
            values.append(weights.masters[0][0, 0].item())
        assert weights.masters[0][0, 0].item() == step, "the weights themselves are as they were"
    assert values[0] == 1.0 and values == sorted(values)
    for step in (40, 100, 200, 400):  # the mean of t with density ~ t^8 on (0, T) is .9 T
        assert values[step - 1] == pytest.approx(0.9 * step, rel=0.05)


def test_weights_at_a_constant_are_their_own_average():
    weights = Weights(Bag(), RECIPE, {})
    before, average = weights.copy(), Average(weights)
    for step in range(1, 50):
        average.take(step)
    with average.in_place():
        assert all(torch.equal(a, b) for a, b in zip(weights.masters, before, strict=True))


def kept(readings, error):
    weights = Weights(Bag(), RECIPE, {})
    keeper = Kept(weights)
    for step, (score, loss) in enumerate(readings, start=1):
        weights.put([torch.full_like(m, float(step)) for m in weights.masters])
        keeper.offer(step, DevScore(score, error), loss)
    keeper.put_back()
    return keeper.step, keeper.score, weights.masters[0][0, 0].item()


def test_the_latest_weights_within_a_standard_error_of_the_best_are_kept():
    readings = [(0.5, 1.0), (0.74, 0.8), (0.70, 0.9), (0.71, 1.1), (0.64, 1.2)]
    assert kept(readings, 0.05) == (4, 0.71, 4.0), ".64 is worse than .74 by more than .05"
    assert kept(readings, 0.01) == (2, 0.74, 2.0)
    assert kept([(0.5, 1.0), (0.5, 0.9), (0.5, 0.95)], 0.0) == (2, 0.5, 2.0), "no noise: equal scores differ by loss"


# --- fit


def test_learns_and_reports_its_curve():
    steps = []
    model, fitted = run(progress=lambda step, cap, best: steps.append((step, cap, best)))
    first = accuracy(predict(Bag(), DEV, 0, "fp32")).score
    assert fitted.dev_score > max(first, 0.85)
    assert [p.step for p in fitted.curve] == [s for s, _, _ in steps]
    assert {cap for _, cap, _ in steps} == {fitted.max_steps}
    assert steps[-1][2] == fitted.dev_score == max(p.score for p in fitted.curve)
    assert accuracy(predict(model, DEV, 0, "fp32")).score == fitted.dev_score
    assert not fitted.diverged


def test_is_left_with_the_weights_that_were_read_and_kept():
    model = Bag()
    score = Scripted(model, [0.5, 0.6, 0.9, 0.7, 0.8, 0.7])
    _, fitted = run(model, score)
    assert fitted.best_step == READ[2] and fitted.dev_score == 0.9
    assert same(model, score.seen[2]) and not same(model, score.seen[-1])


def test_ends_by_itself_when_its_progress_is_old():
    model = Bag()
    score = Scripted(model, [0.5, 0.9, 0.8, 0.7, 0.6])
    _, fitted = run(model, score, dev=UNLIKE)
    assert fitted.converged and fitted.steps == 40 < fitted.max_steps, "the first reading from 2 x 20 steps on"
    assert [p.step for p in fitted.curve] == [8, 16, 24, 32, 40]
    assert model.training_calls == fitted.steps


def test_a_better_score_within_the_noise_ends_no_later_and_is_kept():
    score = Scripted(None, [0.5, 0.9, 0.8, 0.9, 0.92, 0.6], error=0.05)
    _, fitted = run(score=score, dev=UNLIKE)
    assert fitted.converged and fitted.steps == fitted.best_step == 40 and fitted.dev_score == 0.92


def test_a_run_that_still_improves_at_the_cap_is_unfinished():
    model = Bag()
    score = Scripted(model, [i / 100 for i in range(40)])
    _, fitted = run(model, score)
    assert fitted.steps == fitted.max_steps == fitted.curve[-1].step == 160
    assert [p.step for p in fitted.curve] == list(READ)
    assert not fitted.converged and fitted.best_step == 160


def test_a_run_can_be_ended_at_a_step():
    model = Bag()
    _, whole = run(model, Scripted(model, [i / 100 for i in range(40)]))
    _, part = run(score=Scripted(None, [i / 100 for i in range(40)]), stop_at=34)
    assert part.steps == 34 and not part.converged
    assert part.curve[:-1] == whole.curve[:4] and part.curve[-1].step == 34


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


def test_a_run_whose_loss_falls_goes_on_though_its_score_does_not_rise():
    scores = [0.5 - i / 1000 for i in range(40)]
    falling, standing = (run(score=Scripted(None, scores), dev=dev)[1] for dev in (DEV, UNLIKE))
    assert standing.steps < falling.steps


def test_no_run_ends_while_warming_up():
    _, fitted = run(score=Scripted(None, [0.9, 0.1]), recipe=replace(RECIPE, warmup_steps=40), dev=UNLIKE)
    assert fitted.converged and fitted.steps == 99, "the first reading from 2 x 40 steps on"


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
    assert fitted.best_step == 16 and fitted.dev_score == 0.9
    assert same(model, score.seen[1])


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
    model = Poisoned(32)
    score = Scripted(model, [0.5, 0.5, 0.5, 0.9])
    _, fitted = run(model, score)
    assert fitted.diverged and fitted.steps == 32 and fitted.dev_score == 0.5
    assert all(torch.isfinite(p).all() for p in model.parameters())
    assert all(math.isfinite(p.loss) for p in fitted.curve)


def test_a_run_that_diverges_at_once_has_the_score_of_its_initial_weights():
    model = Breaks(1)
    initial = weights_of(model)
    expected = accuracy(predict(Bag(), DEV, 0, "fp32")).score
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


def test_reading_dev_changes_no_training_step():
    """Evaluation takes nothing from the dropout stream, and the average leaves the weights: all losses are the same."""
    losses = []
    for dev in (DEV, DEV * 4):
        curve = fit(Bag(), Training(TRAIN, dev, RECIPE, 0, 0), lambda _: DevScore(0.5)).curve
        losses.append({point.step: point.loss for point in curve})
    shared = losses[0].keys() & losses[1].keys()
    assert len(shared) > 1 and all(losses[0][step] == pytest.approx(losses[1][step], abs=1e-6) for step in shared)


class Killed(Exception):
    """Stands for a process that dies between two steps."""


class Dying(Saves):
    """Saves that are offered at every step, and end the training at one of them."""

    def __init__(self, path, at):
        super().__init__(path, seconds_apart=0.0)
        self.left = at

    def offer(self, state):
        super().offer(state)
        self.left -= 1
        if not self.left:
            raise Killed


@pytest.mark.parametrize("deaths", [[1], [2], [37], [20, 20, 20]])
def test_a_training_that_is_killed_goes_on_bit_for_bit(deaths, tmp_path):
    whole_model, whole = run()
    file = tmp_path / "states" / "trial.state"
    for at in deaths:
        with pytest.raises(Killed):
            fit(Bag(), Training(TRAIN, DEV, RECIPE, 0, 0), accuracy, saves=Dying(file, at))
        torch.manual_seed(at)
    model = Bag()
    again = fit(model, Training(TRAIN, DEV, RECIPE, 0, 0), accuracy, saves=Saves(file))
    assert again == whole and same(model, weights_of(whole_model))
    assert model.training_calls < whole.steps or deaths == [1]
    assert not list(file.parent.iterdir()), "nothing is left behind"


def test_a_state_that_is_not_whole_counts_as_none(tmp_path):
    file = tmp_path / "trial.state"
    file.write_bytes(b"PK half a file")
    assert fit(Bag(), Training(TRAIN, DEV, RECIPE, 0, 0), accuracy, saves=Saves(file)) == run()[1]


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
    recipe = Recipe(3e-3, batch_size=8, epochs=1, min_steps=8, max_length=16)
    key = ("sentiment", "tiny", "full", 40, 0, "report", recipe, ((TEST, "f"),), "f", checkpoint.revision)
    found = []
    for stray in (1, 2):
        torch.manual_seed(stray)
        outcome = vars(run_trial(TrialSpec(*key), Bench({"tiny": data}, checkpoint, "cpu", 1)))
        evaluated = outcome.pop("evaluated")[TEST]
        del outcome["seconds"]
        found.append((outcome, evaluated.predictions, {n: c.tolist() for n, c in evaluated.counts.items()}))
    assert found[0] == found[1]
    assert [p.step for p in found[0][0]["curve"]] == [1, 2, 3, 4, 5, 7, 8]
