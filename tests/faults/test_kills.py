"""kill -9 of a study that decides itself how many seeds it needs, with and without a clock that ends it."""

import shutil
import tempfile
from functools import partial
from pathlib import Path

import pytest

from support.lab import Lab, die_at
from transfergain.analysis.findings import load
from transfergain.store import STORE_FILE, Store


@pytest.fixture(scope="module")
def lab():
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        yield Lab(Path(folder), seeds="auto", max_seeds=4, tune=4, min_steps=60, warmup_steps=5)


def kill(lab, out, *more):
    """Kill a run at a random moment, half of them at a random touch of a file; its exit code."""
    if lab.rng.random() < 0.5:
        pid = lab.start(out, lambda: None, *more)
        lab.kill_at(pid, lab.rng.uniform(0, 0.7 * lab.seconds))
    else:
        pid = lab.start(out, partial(die_at, lab.rng.randrange(1, lab.events)), *more)
    code, said = lab.wait(pid, out)
    assert code in (0, -9), said
    return code


def holds_what_is_finished(out):
    """The findings of a store, whatever its run came to, are those of its finished trials."""
    if (out / STORE_FILE).exists() and (out / STORE_FILE).stat().st_size:
        with Store(out, create=True) as store:
            planned = set(store.get_meta("plan") or [])
            done = [name for name, status in store.status().items() if status == "done" and name in planned]
            begun = store.get_meta("study") is not None
        if begun:
            found = load(out)
            assert found.trials["done"] == len(done)
            assert found.trials["failed"] == found.trials["skipped"] == 0


def strike(lab, times):
    struck = 0
    while struck < times:
        out, before = lab.new(), {}
        for limit in ((), ("--time-limit", "4s")):
            struck += kill(lab, out, *limit) == -9
            before = lab.check(out, before)
            holds_what_is_finished(out)
        code, said = lab.wait(lab.start(out, lambda: None, "--time-limit", "3s"), out)
        assert code == 0, said
        before = lab.check(out, before)
        holds_what_is_finished(out)
        assert (out / "findings.json").exists()
        lab.finish(out)
        shutil.rmtree(out)


def test_two_kills_change_nothing(lab):
    strike(lab, 2)


@pytest.mark.slow
def test_twenty_kills_change_nothing(lab):
    strike(lab, 20)


def test_the_study_looked_more_than_once(lab):
    """Else the kills above would have met no look."""
    found = load(lab.peaceful)
    assert max(row.n_seeds for row in found.scores) == 4
