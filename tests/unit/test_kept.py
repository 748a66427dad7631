"""What trials share is made once, is the same as made anew, and is not held for longer than the next trial."""

import gc
import weakref
from dataclasses import replace

import pytest

from support.texts import sentences
from transfergain import checkpoint as checkpoints_
from transfergain import trial
from transfergain.arms import ARMS, weights
from transfergain.engine.kept import KEPT, Kept
from transfergain.tasks import TASKS
from transfergain.trial import Bench, run_trial
from transfergain.types import Dataset, Example, Recipe, TrialSpec


class Thing:
    """Something whose end can be seen."""


def test_a_block_has_what_the_block_before_made():
    kept, made = Kept(), []
    for _ in range(3):
        with kept.sharing():
            assert kept.get("a", lambda: made.append("a") or 7) == 7
    assert made == ["a"]


def test_what_a_block_does_not_ask_for_is_gone():
    kept = Kept()
    with kept.sharing():
        thing = weakref.ref(kept.get("a", Thing))
    with kept.sharing():
        assert thing() is not None, "it may yet be asked for"
        kept.drop()
        gc.collect()
        assert thing() is None
    with kept.sharing():
        thing = weakref.ref(kept.get("a", Thing))
    kept.clear()
    gc.collect()
    assert thing() is None


def test_outside_of_blocks_everything_is_made_anew():
    kept, made = Kept(), []
    for _ in range(2):
        kept.get("a", lambda: made.append("a"))
    assert made == ["a", "a"]


def test_a_key_of_ids_holds_on_to_their_objects():
    kept, thing = Kept(), Thing()
    seen = weakref.ref(thing)
    with kept.sharing():
        kept.get(id(thing), lambda: 1, thing)
    del thing
    gc.collect()
    assert seen() is not None


def test_a_block_that_fails_leaves_what_it_made():
    kept = Kept()
    with pytest.raises(ValueError), kept.sharing():
        kept.get("a", lambda: 1)
        raise ValueError
    with kept.sharing():
        assert kept.get("a", lambda: 2) == 1


LABELS = ("negative", "positive")


def examples(count, number):
    return tuple(Example({"text": text}, LABELS.index(label)) for text, label in sentences(count, number))


DATA = Dataset("sentiment", "tiny", LABELS, examples(48, 0), examples(16, 1), examples(24, 2), {}, "f", {})
RECIPE = Recipe(1e-3, batch_size=8, epochs=1, min_steps=4, evaluations=2, max_length=32)
SPLITS = (("test", "f"), ("perturbed:keyboard@3", "version 1"))


def measured(outcome):
    """All of a trial's outcome but its seconds, in a form that can be compared."""
    return {
        "dev": outcome.dev_score,
        "curve": [replace(point, seconds=0.0) for point in outcome.curve],
        "details": {k: v for k, v in outcome.details.items() if k != "train_seconds"},
        "evaluated": {
            split: (e.predictions, {m: c.tolist() for m, c in e.counts.items()}, e.calibration.tolist())
            for split, e in outcome.evaluated.items()
        },
    }


@pytest.fixture
def trials(checkpoints):
    """A function that runs a trial of an arm and replicate."""
    checkpoint = checkpoints_.resolve(checkpoints("bert"))
    bench = Bench({"tiny": DATA}, checkpoint, "cpu", 1)

    def run(arm, replicate=0):
        spec = TrialSpec("sentiment", "tiny", arm, 40, replicate, "report", RECIPE, SPLITS, "f", checkpoint.revision)
        return measured(run_trial(spec, bench))

    yield run
    KEPT.clear()


def test_sharing_changes_no_number(trials):
    alone = {}
    for arm in ARMS:
        KEPT.clear()
        alone[arm] = trials(arm)
    assert {arm: trials(arm) for arm in ARMS} == alone, "each after another one, by which it was not run before"
    assert {arm: trials(arm) for arm in reversed(ARMS)} == alone


def test_arms_of_a_seed_share_texts_and_the_draw_of_the_head(trials, monkeypatch):
    encoded, drawn, corrupted = [], [], []
    task, fresh, corrupt = TASKS["sentiment"], weights.fresh_model, trial.perturbed
    encode = lambda rows, *rest: encoded.append(len(rows)) or task.encode(rows, *rest)  # noqa: E731
    monkeypatch.setitem(TASKS, "sentiment", replace(task, encode=encode))
    monkeypatch.setattr(weights, "fresh_model", lambda *given: drawn.append(given[3:]) or fresh(*given))
    monkeypatch.setattr(trial, "perturbed", lambda *given: corrupted.append(given[1]) or corrupt(*given))
    KEPT.clear()
    trials("full")
    assert sorted(encoded) == [8, 24, 24, 32] and corrupted == ["perturbed:keyboard@3"] and drawn == [("head", 0)]
    trials("probe")
    assert len(encoded) == 4 and len(corrupted) == 1 and len(drawn) == 1, "all of it was there"
    trials("scratch")
    assert len(encoded) == 4 and drawn == [("head", 0), ("initialisation", 0)]
    trials("full", replicate=1)
    assert len(encoded) == 6 and len(corrupted) == 1 and drawn[2:] == [("head", 1)], "other labels, another head"
