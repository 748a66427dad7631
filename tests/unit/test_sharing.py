"""What trials share is made once, is the same as made anew, and is not held for longer than the next trial."""

import gc
import pickle
import weakref
from dataclasses import replace

import pytest

from support.texts import sentences
from transfergain import checkpoint as checkpoints_
from transfergain.arms import ARMS, weights
from transfergain.engine import material
from transfergain.running.tryout import Sample, try_out
from transfergain.sharing import Shared, of_this_process
from transfergain.split import TEST, perturbed
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Dataset, Example, Recipe, TrialSpec


class Thing:
    """Something whose end can be seen."""


def test_a_trial_has_what_the_trial_before_used():
    shared, made = Shared(), []
    for _ in range(3):
        with shared.trial() as memo:
            assert memo.get("a", lambda: made.append("a") or 7) == 7
            assert memo.get("a", lambda: made.append("again")) == 7
    assert made == ["a"]


def test_what_a_trial_does_not_ask_for_is_gone():
    shared = Shared()
    with shared.trial() as memo:
        thing = weakref.ref(memo.get("a", Thing))
    with shared.trial() as memo:
        assert thing() is not None, "it may yet be asked for"
        memo.drop_unused()
        gc.collect()
        assert thing() is None
    with shared.trial() as memo:
        thing = weakref.ref(memo.get("a", Thing))
    with shared.trial() as memo:
        pass
    gc.collect()
    assert thing() is None


def test_a_result_may_be_nothing():
    shared, made = Shared(), []
    for _ in range(2):
        with shared.trial() as memo:
            assert memo.get("a", lambda: made.append("a")) is None
    assert made == ["a"]


def test_a_trial_that_fails_leaves_what_it_used():
    shared = Shared()
    with pytest.raises(ValueError), shared.trial() as memo:
        memo.get("a", lambda: 1)
        raise ValueError
    with shared.trial() as memo:
        assert memo.get("a", lambda: 2) == 1


def test_another_process_has_what_is_shared_there():
    shared = Shared()
    of_this_process.cache_clear()  # as in a process that has just begun
    with shared.trial() as memo:
        memo.get("a", lambda: 1)
    with pickle.loads(pickle.dumps(shared)).trial() as memo:
        assert memo.get("a", lambda: 2) == 2
    with pickle.loads(pickle.dumps(shared)).trial() as memo:
        assert memo.get("a", lambda: 3) == 2
    of_this_process.cache_clear()


def test_the_first_trial_inherits_what_the_trying_of_the_checkpoint_made(checkpoints, monkeypatch):
    of_this_process.cache_clear()
    checkpoint = checkpoints_.resolve(checkpoints("bert"))
    sample = Sample("tiny", "sentiment", DATA.labels, DATA.test[:1], 32, {}, {})
    assert try_out(checkpoint, [sample], "cpu", "fp32").device == "cpu"
    drawn, fresh = [], weights.fresh_model
    monkeypatch.setattr(weights, "fresh_model", lambda b, stream: drawn.append(stream) or fresh(b, stream))
    monkeypatch.setattr(checkpoints_, "load_tokenizer", lambda _: pytest.fail("loaded again"))
    bench = pickle.loads(pickle.dumps(Bench({"tiny": DATA}, checkpoint, "cpu", 1)))
    spec = TrialSpec("sentiment", "tiny", "full", 40, 0, "report", RECIPE, SPLITS, "f", checkpoint.revision)
    assert run_trial(spec, bench).status == "done" and not drawn
    of_this_process.cache_clear()


LABELS = ("negative", "positive")


def examples(count, number):
    return tuple(Example({"text": text}, LABELS.index(label)) for text, label in sentences(count, number))


DATA = Dataset("sentiment", "tiny", LABELS, examples(48, 0), examples(16, 1), examples(24, 2), {}, "f", {})
RECIPE = Recipe(1e-3, batch_size=8, epochs=1, min_steps=4, max_length=32)
SPLITS = ((TEST, "f"), (perturbed("keyboard", 3), "version 1"))


def measured(outcome):
    """All of a trial's outcome but its seconds, in a form that can be compared."""
    return {
        "dev": outcome.dev_score,
        "curve": [replace(point, seconds=0.0) for point in outcome.curve],
        "details": outcome.details,
        "evaluated": {
            split: (e.predictions, {m: c.tolist() for m, c in e.counts.items()}, e.calibration.tolist())
            for split, e in outcome.evaluated.items()
        },
    }


@pytest.fixture
def trials(checkpoints):
    """A function that runs a trial of an arm and replicate with what is shared by trials."""
    checkpoint = checkpoints_.resolve(checkpoints("bert"))

    def run(arm, shared, replicate=0):
        bench = Bench({"tiny": DATA}, checkpoint, "cpu", 1, shared=shared)
        spec = TrialSpec("sentiment", "tiny", arm, 40, replicate, "report", RECIPE, SPLITS, "f", checkpoint.revision)
        return measured(run_trial(spec, bench))

    return run


@pytest.mark.long
def test_sharing_changes_no_number(trials):
    alone = {arm: trials(arm, Shared()) for arm in ARMS}
    shared = Shared()
    assert {arm: trials(arm, shared) for arm in ARMS} == alone, "each after another one"
    assert {arm: trials(arm, shared) for arm in reversed(ARMS)} == alone


def test_arms_of_a_seed_share_texts_and_the_draw_of_the_head(trials, monkeypatch):
    encoded, drawn, corrupted = [], [], []
    task, fresh, corrupt = TASKS["sentiment"], weights.fresh_model, material.perturb
    encode = lambda rows, *rest: encoded.append(len(rows)) or task.encode(rows, *rest)  # noqa: E731
    monkeypatch.setitem(TASKS, "sentiment", replace(task, encode=encode))
    monkeypatch.setattr(
        weights,
        "fresh_model",
        lambda blueprint, stream: drawn.append((stream, blueprint.replicate)) or fresh(blueprint, stream),
    )
    monkeypatch.setattr(material, "perturb", lambda *given: corrupted.append(given[1]) or corrupt(*given))
    shared = Shared()
    trials("full", shared)
    assert sorted(encoded) == [8, 24, 24, 32] and corrupted == [perturbed("keyboard", 3)] and drawn == [("head", 0)]
    trials("probe", shared)
    assert len(encoded) == 4 and len(corrupted) == 1 and len(drawn) == 1, "all of it was there"
    trials("scratch", shared)
    assert len(encoded) == 4 and drawn == [("head", 0), ("initialisation", 0)]
    trials("full", shared, replicate=1)
    assert len(encoded) == 6 and len(corrupted) == 1 and drawn[2:] == [("head", 1)], "other labels, another head"
