"""Studies on a Ray cluster of two nodes of this machine, one CPU each, that loses nodes, workers and its driver."""

import os
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

import transfergain as tg
from support.processes import poll
from support.texts import sentences
from support.tiny import KEYS, InProcess, command, count, files, findings, flags, models, outcomes
from transfergain.checkpoint import resolve
from transfergain.errors import UserError
from transfergain.executors import EXECUTORS
from transfergain.executors.base import Job
from transfergain.executors.local import TRIES_PER_JOB
from transfergain.executors.ray import RayExecutor
from transfergain.executors.ray_node import has_files, is_own, unpack_files
from transfergain.trial import Bench
from transfergain.types import Checkpoint, Dataset, Example, Recipe, TrialSpec

NODE = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": 100 * 2**20, "node_ip_address": "127.0.0.1"}
TRIALS = 4 + 4 + 4

PLUGIN = '''
"""A trial whose replicate is over 100 ends its process, or does so once."""
import os, pathlib, signal
import transfergain.executors.worker as worker
run = worker.attempt

def attempt(spec, bench, save_to, progress, state=None):
    tries = pathlib.Path(os.environ["TEST_TRIES"], spec.id)
    if spec.replicate >= 100:
        tries.write_text("x" * (1 + (len(tries.read_text()) if tries.exists() else 0)))
        if spec.replicate == 100 or len(tries.read_text()) == 1:
            os.kill(os.getpid(), signal.SIGKILL)
    return run(spec, bench, save_to, progress)

worker.attempt = attempt
'''


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two nodes; RAY_ADDRESS leads there."""
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # read as Ray is imported: the loopback device alone
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    folder = tmp_path_factory.mktemp("plugin")
    (folder / "sitecustomize.py").write_text(PLUGIN)
    (folder / "tries").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}".rstrip(os.pathsep))
        patch.setenv("TEST_TRIES", str(folder / "tries"))
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = Cluster(initialize_head=True, head_node_args=NODE)
        made.add_node(**NODE)
        patch.setenv("RAY_ADDRESS", made.address)
        made.tries = folder / "tries"
        yield made
        made.shutdown()


@pytest.fixture(scope="module")
def keys(tmp_path_factory, checkpoints):
    train, _ = files(tmp_path_factory.mktemp("data"))
    return KEYS | {"arms": ["scratch", "full"], "budgets": [40], "tune": 2, "model": checkpoints(), "train_file": train}


@pytest.fixture(scope="module")
def peaceful(tmp_path_factory, keys):
    """The output folder of the same study, all of it in this process."""
    folder = tmp_path_factory.mktemp("peaceful")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EXECUTORS, "local", InProcess)
        patch.setattr(InProcess, "ran", [])
        assert tg.run(**keys, output_dir=folder, quiet=True).trials["done"] == TRIALS
    return folder


def same(out, peaceful):
    assert findings(out)["trials"] == {"done": TRIALS, "failed": 0, "skipped": 0, "pending": 0}
    assert outcomes(out) == outcomes(peaceful)
    assert (out / "findings.json").read_bytes() == (peaceful / "findings.json").read_bytes()
    assert models(out) == models(peaceful)
    assert not (out / "models" / ".unfinished").exists()


def test_a_node_that_is_lost_costs_no_trial_and_changes_no_number(cluster, keys, peaceful, tmp_path):
    def lose():
        poll(lambda: count(tmp_path) >= 2)
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        lost.append(count(tmp_path))

    lost = []
    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    tg.run(**keys | {"workers": 0}, executor="ray", output_dir=tmp_path, quiet=True)
    thread.join(60)
    cluster.add_node(**NODE)
    assert lost and lost[0] < TRIALS
    same(tmp_path, peaceful)


def test_a_driver_that_is_killed_continues_by_the_same_command(cluster, keys, peaceful, tmp_path, monkeypatch):
    run = ["run", *flags(keys | {"workers": 0, "executor": "ray", "output_dir": tmp_path})]
    with subprocess.Popen([sys.executable, "-m", "transfergain", *run], stdout=subprocess.DEVNULL) as driver:
        poll(lambda: count(tmp_path) >= 2 or driver.poll() is not None)
        driver.send_signal(signal.SIGKILL)
    before = outcomes(tmp_path)
    assert 2 <= len(before) < TRIALS
    assert command(monkeypatch, *run) == 0
    assert before.items() <= outcomes(tmp_path).items()
    same(tmp_path, peaceful)


def dataset():
    rows = tuple(Example({"text": text}, int(label == "positive")) for text, label in sentences(40))
    return Dataset("sentiment", "reviews", ("negative", "positive"), rows[:20], rows[20:30], rows[30:], {}, "0", {})


def spec(**changes):
    given = {"task": "sentiment", "dataset": "reviews", "arm": "majority", "budget": 20, "replicate": 0, "phase": "report"}
    return TrialSpec(**given | {"recipe": None, "splits": (), "data_fingerprint": "0", "checkpoint_revision": ""} | changes)


def jobs(*replicates):
    return [Job(spec(replicate=replicate)) for replicate in replicates]


def test_a_deadly_trial_is_tried_again_and_then_failed_while_the_rest_goes_on(cluster, tmp_path):
    bench = Bench({"reviews": dataset()}, resolve_nothing(tmp_path), "cpu", 1)
    wanted = jobs(0, 100, 1, 101)
    with RayExecutor(bench, 0) as executor:
        found = {s.replicate: outcome for s, outcome in executor.submit(wanted, lambda *_: None)}
    assert {r: o.status for r, o in found.items()} == {0: "done", 1: "done", 100: "failed", 101: "done"}
    assert "the worker process ended" in found[100].error and "\n" not in found[100].error
    assert [len((cluster.tries / job.spec.id).read_text()) for job in (wanted[1], wanted[3])] == [TRIES_PER_JOB, 2]


def resolve_nothing(folder):
    return Checkpoint("none", str(folder), "0")


def test_a_node_without_the_checkpoint_gets_it_and_its_model_comes_back(cluster, checkpoints, tmp_path):
    away = tmp_path / "away"
    shutil.copytree(checkpoints(), away)
    checkpoint = resolve(str(away), None, False)
    seen = []
    with RayExecutor(Bench({"reviews": dataset()}, checkpoint, "cpu", 1), 1) as executor:
        shutil.rmtree(away)
        recipe = Recipe(1e-3, epochs=1, min_steps=3, max_length=16)
        job = Job(spec(arm="full", recipe=recipe, checkpoint_revision=checkpoint.revision), tmp_path / "model")
        [(_, outcome)] = executor.submit([job], lambda s, *report: seen.append(report))
    assert outcome.status == "done", outcome.error
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= {f.name for f in (tmp_path / "model").iterdir()}
    assert all(step <= cap == 3 for step, cap, _ in seen)


def test_threads_that_no_node_has_and_an_address_that_nobody_answers_are_said(cluster, tmp_path, monkeypatch):
    bench = Bench({"reviews": dataset()}, resolve_nothing(tmp_path), "cpu", 1)
    with pytest.raises(UserError, match="--threads 64: no node"):
        RayExecutor(replace(bench, threads=64), 0)
    monkeypatch.setenv("RAY_ADDRESS", "ray://127.0.0.1:1")
    with pytest.raises(UserError, match="RAY_ADDRESS=auto"):
        RayExecutor(bench, 0)


def test_without_ray_the_command_to_install_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r'pip install "\.\[ray\]"'):
        RayExecutor(Bench({"reviews": dataset()}, resolve_nothing(tmp_path), "cpu", 1), 1)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "C:/x", "a\\..\\x", "", ".."])
def test_a_file_that_would_leave_its_folder_is_not_written(name, tmp_path):
    with pytest.raises(UserError, match="leads out of its folder"):
        unpack_files({"good/one": b"1", name: b"2"}, tmp_path / "in")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] in ([], ["one"])


def test_a_copy_of_another_user_is_not_taken(tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(tmp_path)
    assert is_own(tmp_path) and is_own(tmp_path / "link") and not is_own(tmp_path / "nowhere")
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    assert not is_own(tmp_path)


def test_a_folder_holds_a_checkpoint_only_byte_for_byte(tmp_path):
    import hashlib

    unpack_files({"a": b"1", "b/c": b"2"}, tmp_path)
    manifest = {name: hashlib.sha256(content).hexdigest() for name, content in {"a": b"1", "b/c": b"2"}.items()}
    assert has_files(tmp_path, manifest)
    (tmp_path / "a").write_bytes(b"3")
    assert not has_files(tmp_path, manifest) and not has_files(tmp_path / "nowhere", manifest)


def test_importing_the_executors_imports_no_ray():
    code = "import sys, transfergain.executors; print('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_arms_that_are_pretrained_run_on_it_with_the_same_numbers(cluster, keys, tmp_path, monkeypatch):
    """The checkpoint that one node makes comes back to the driver's folder, where trials of both nodes start from it."""
    asked = keys | {"arms": ["scratch", "self"], "tune": 0, "pretrain_steps": [2, 4], "max_length": 16}
    monkeypatch.setitem(EXECUTORS, "local", InProcess)
    monkeypatch.setattr(InProcess, "ran", [])
    here = tg.run(**asked, output_dir=tmp_path / "here", quiet=True)
    there = tg.run(**asked | {"workers": 0}, executor="ray", output_dir=tmp_path / "there", quiet=True)
    assert here.trials == there.trials and there.trials["failed"] == there.trials["pending"] == 0
    assert outcomes(tmp_path / "there") == outcomes(tmp_path / "here")
    assert [row.to_dict() for row in there.courses] == [row.to_dict() for row in here.courses] != []
