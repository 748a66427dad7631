"""Worker processes that die, hang, print or stop in the midst of a word. Their trials are made up: see PLUGIN."""

import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from support.fakes import dataset, spec
from transfergain import checkpoint
from transfergain.errors import UserError
from transfergain.executors import worker
from transfergain.executors.base import Job
from transfergain.executors.local import TRIES_PER_JOB, LocalExecutor
from transfergain.trial import Bench
from transfergain.types import Checkpoint

pytestmark = pytest.mark.long
PLUGIN = '''
"""In a worker: trials that do what their arm says, in place of training."""
import os, pathlib, signal, sys, time
if "transfergain.executors.worker" in " ".join(sys.orig_argv):
    import transfergain.trial
    from transfergain.errors import UserError
    from transfergain.outcome import Details, Outcome

    def run_trial(spec, bench, save_to=None, progress=None, state=None):
        tries = pathlib.Path(bench.checkpoint.path, spec.id)
        tries.write_text("x" * (1 + (len(tries.read_text()) if tries.exists() else 0)))
        progress(spec.replicate, 100, 0.5)
        if spec.arm == "hang":
            while True:
                time.sleep(1)
        elif spec.arm == "die" or (spec.arm == "die once" and len(tries.read_text()) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        elif spec.arm == "exit":
            sys.exit("last words")
        elif spec.arm == "raise":
            raise ValueError("two\\nlines")
        elif spec.arm == "refuse":
            raise UserError("mend this")
        elif spec.arm == "print":
            print("stray words" * 10_000, flush=True)
            os.system("echo stray words of a child")
        elif spec.arm == "ask":
            input("shall I?")
        elif spec.arm == "torn":
            for fd in range(3, 20):
                try:
                    os.write(fd, (10**6).to_bytes(8, "little") + b"half a message")
                except OSError:
                    pass
            os.kill(os.getpid(), signal.SIGKILL)
        elif spec.arm == "noise":
            for fd in range(3, 20):
                try:
                    os.write(fd, (4).to_bytes(8, "little") + b"....")
                except OSError:
                    pass
            time.sleep(600)
        return Outcome("done", dev_score=float(spec.replicate), details=Details(steps=os.getpid()))

    transfergain.trial.run_trial = run_trial
'''


@pytest.fixture
def executor(tmp_path, monkeypatch):
    """A function from a number of workers to an executor whose trials are made up; it is closed afterwards."""
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "sitecustomize.py").write_text(PLUGIN)
    (tmp_path / "tries").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plugin"), prepend=os.pathsep)
    started = []

    def start(workers):
        bench = Bench({"reviews": dataset()}, Checkpoint("fake", str(tmp_path / "tries"), "0"), "cpu", 1)
        started.append(LocalExecutor(bench, workers))
        return started[-1]

    yield start
    for one in started:
        one.close()


def jobs(*arms):
    return [Job(spec(arm=arm, recipe=None, replicate=i)) for i, arm in enumerate(arms)]


def within(seconds, function):
    """The function's result; an error when it hangs."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert result, "it hangs or has raised"
    return result[0]


def collect(executor, wanted, watch=lambda *_: None):
    """(arm, replicate) -> outcome of all jobs, each delivered once."""
    found = within(120, lambda: list(executor.submit(wanted, watch)))
    assert len(found) == len(wanted)
    return {(s.arm, s.replicate): outcome for s, outcome in found}


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def listeners():
    return [t for t in threading.enumerate() if "_listen" in t.name]


def test_every_job_is_run_and_watched(executor):
    seen = []
    local = executor(2)
    found = collect(local, jobs(*["fine"] * 6), lambda s, step, cap, score: seen.append((s.replicate, step, cap, score)))
    assert [found["fine", i].dev_score for i in range(6)] == list(range(6))
    assert sorted(seen) == [(i, i, 100, 0.5) for i in range(6)]
    assert len(local._workers) == 2
    again = collect(local, jobs("fine"))
    assert again["fine", 0].details.steps in {w.process.pid for w in local._workers}


def test_no_more_workers_than_jobs(executor):
    local = executor(8)
    collect(local, jobs("fine"))
    assert len(local._workers) == 1
    assert collect(local, []) == {}


def test_death_failure_and_refusal_are_outcomes_and_the_rest_goes_on(executor):
    found = collect(executor(2), jobs("die", "fine", "exit", "raise", "refuse", "fine", "die once"))
    assert {arm: o.status for (arm, _), o in found.items()} == {
        "die": "failed", "fine": "done", "exit": "failed", "raise": "failed", "refuse": "failed", "die once": "done",
    }  # fmt: skip
    assert found["fine", 5].status == "done"
    assert "ended with code -9" in found["die", 0].error
    assert "fewer --workers" in found["die", 0].error
    assert found["exit", 2].error == "the worker process ended with code 1: last words"
    assert found["raise", 3].error.startswith("ValueError: two lines")
    assert found["refuse", 4].error == "mend this"
    assert all("\n" not in outcome.error for outcome in found.values())


def test_a_deadly_job_is_tried_so_many_times_and_no_more(executor, tmp_path):
    wanted = jobs("die", "die once")
    collect(executor(1), wanted)
    tries = {job.spec.arm: len((tmp_path / "tries" / job.spec.id).read_text()) for job in wanted}
    assert tries == {"die": TRIES_PER_JOB, "die once": 2}


@pytest.mark.parametrize("arm", ["torn", "noise"])
def test_a_message_that_is_none_costs_the_worker_not_the_study(executor, arm):
    found = collect(executor(1), jobs(arm, "fine"))
    assert found[arm, 0].status == "failed"
    assert found["fine", 1].status == "done"


def test_stray_prints_do_not_reach_the_driver(executor):
    found = collect(executor(1), jobs("print", "fine"))
    assert {o.status for o in found.values()} == {"done"}


def test_a_library_that_asks_gets_no_answer_and_eats_no_message(executor):
    found = collect(executor(1), jobs("ask", "fine"))
    assert found["ask", 0].error.startswith("EOFError")
    assert found["fine", 1].status == "done"


@pytest.mark.parametrize("wait", [True, False], ids=["noticed", "unnoticed"])
def test_a_worker_that_dies_idle_is_replaced(executor, wait):
    local = executor(2)
    collect(local, jobs("fine", "fine"))
    victim = local._workers[0]
    victim.process.kill()
    if wait:
        victim.process.wait()
        victim.listener.join()
    found = collect(local, jobs(*["fine"] * 4))
    assert {o.status for o in found.values()} == {"done"}
    assert victim not in local._workers


class Seen(Exception):
    """A trial has begun."""


def test_a_worker_that_dies_idle_while_others_run(executor):
    def watch(spec, step, cap, score):
        if spec.arm == "hang" and killed and not killed & set(local._workers):
            raise Seen

    local, killed = executor(2), set()
    running = local.submit(jobs("fine", "hang"), watch)
    trial, _ = next(running)
    assert trial.arm == "fine"
    idle, busy = sorted(local._workers, key=lambda w: w.job is not None)
    killed |= {idle, busy}
    idle.process.kill()
    idle.listener.join()
    busy.process.kill()
    with pytest.raises(Seen):  # the hanging job is tried again, on a fresh worker
        next(running)
    (fresh,) = local._workers
    assert fresh.job.spec.arm == "hang"


def test_results_after_a_submission_that_was_broken_off_belong_to_their_jobs(executor):
    local = executor(1)
    broken = local.submit(jobs("fine", "hang"), lambda *_: None)
    next(broken)
    broken.close()
    wanted = [Job(spec(arm="fine", recipe=None, replicate=i)) for i in (7, 8)]
    found = collect(local, wanted)
    assert {key: o.dev_score for key, o in found.items()} == {("fine", 7): 7.0, ("fine", 8): 8.0}


def test_closing_ends_processes_threads_and_pipes(executor):
    before = set(listeners())
    local = executor(2)
    running = local.submit(jobs("fine", "hang", "hang"), lambda *_: None)
    next(running)
    workers = list(local._workers)
    assert len(set(listeners()) - before) == 2
    local.close()
    assert all(gone(w.process.pid) for w in workers)
    assert all(w.stderr.closed and w.process.stdin.closed and w.process.stdout.closed for w in workers)
    assert set(listeners()) == before
    local.close()  # twice is no error


def test_buried_workers_leave_nothing_behind(executor):
    before = set(listeners())
    local = executor(1)
    workers = []
    collect(local, jobs("die", "fine"), lambda *_: workers.append(local._workers[0]))
    dead = {w for w in workers if w not in local._workers}
    assert len(dead) == TRIES_PER_JOB
    assert all(gone(w.process.pid) and w.stderr.closed for w in dead)
    assert len(set(listeners()) - before) == 1


def test_a_worker_leaves_in_the_midst_of_a_trial_when_its_driver_is_gone(executor):
    def watch(*_):
        raise Seen

    local = executor(1)
    with pytest.raises(Seen):
        next(local.submit(jobs("hang"), watch))
    worker = local._workers[0]
    worker.process.stdin.close()  # what the end of the driver does
    try:
        assert worker.process.wait(timeout=60) == 0
    except subprocess.TimeoutExpired:
        pytest.fail("the worker lives on")


def test_interruption_of_the_driver_does_not_reach_the_workers(executor):
    local = executor(1)
    collect(local, jobs("fine"))
    worker = local._workers[0].process
    assert os.getpgid(worker.pid) != os.getpgid(0)
    worker.send_signal(signal.SIGINT)
    assert collect(local, jobs("fine"))["fine", 0].details.steps == worker.pid


def test_files_of_the_current_folder_are_no_modules_of_a_worker(executor, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    for name in ("random.py", "pickle.py", "struct.py"):
        (tmp_path / "here" / name).write_text("raise RuntimeError('not mine to import')")
    monkeypatch.chdir(tmp_path / "here")
    assert collect(executor(1), jobs("fine"))["fine", 0].status == "done"


@pytest.fixture
def crew(executor, monkeypatch):
    """Two workers started ahead, by a process that has not loaded the libraries."""
    monkeypatch.delitem(sys.modules, "transformers", raising=False)
    with LocalExecutor.ahead(2, 1) as ahead:
        yield ahead


def test_a_worker_started_ahead_answers_questions_and_then_runs_trials(crew, executor):
    first, second = (w.process.pid for w in crew._workers)
    assert crew.ask(os.getpid) == first
    with pytest.raises(UserError, match="unknown built-in checkpoint"):
        crew.ask(checkpoint.resolve, "builtin:none")
    with pytest.raises(RuntimeError, match="invalid literal"):
        crew.ask(int, "none")
    local = executor(1)
    local.adopt(crew)
    assert gone(second), "one is enough here"
    assert collect(local, jobs("fine", "fine"))["fine", 1].details.steps == first


def test_an_answer_that_nobody_waits_for_is_no_outcome(crew, executor):
    crew._workers[0].deliver("question", os.getpid)  # an interrupt may fall between a question and its answer
    local = executor(2)
    local.adopt(crew)
    found = collect(local, jobs("fine", "die once", "fine"))
    assert {key: o.dev_score for key, o in found.items()} == {("fine", 0): 0.0, ("die once", 1): 1.0, ("fine", 2): 2.0}


def test_a_question_that_ends_its_worker_is_one_line_and_is_never_asked_here(crew):
    first = crew._workers[0].process.pid  # killed as for lack of memory; asked here, it would find no such process
    with pytest.raises(UserError, match=r"ended with code -9 \(killed .* lack of memory: give a smaller checkpoint"):
        crew.ask(os.kill, first, signal.SIGKILL)
    assert len(crew._workers) == 1


def test_a_question_is_answered_here_when_the_libraries_are_loaded(crew, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", os)
    assert crew.ask(os.getpid) == os.getpid()


def test_workers_started_ahead_for_other_threads_or_for_nothing_are_ended(crew, executor):
    workers = list(crew._workers)
    assert crew.take(2, threads=2) == [] and all(gone(w.process.pid) for w in workers)
    with LocalExecutor.ahead(1, 1) as unused:
        (one,) = unused._workers
    assert gone(one.process.pid) and one.stderr.closed


def test_freed_memory_is_kept_unless_the_user_has_said_how(monkeypatch):
    asked = []
    monkeypatch.setattr(worker.ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=lambda *given: asked.append(given)))
    for name in [name for name in os.environ if name.startswith("MALLOC_")]:
        monkeypatch.delenv(name)
    worker.keep_memory()
    assert {setting for setting, _ in asked} == {-1, -3} and min(value for _, value in asked) >= 1 << 30
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "0")
    worker.keep_memory()
    assert len(asked) == 2


def test_a_system_without_glibc_is_left_alone(monkeypatch):
    asked = []
    monkeypatch.setattr(worker.ctypes, "CDLL", lambda _: asked.append("libc") or SimpleNamespace())
    worker.keep_memory()
    worker.give_memory_back()
    assert asked
