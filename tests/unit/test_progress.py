import io
import re

import pytest
from rich.console import Console

from support.fakes import run, spec
from transfergain.outcome import Outcome
from transfergain.running import progress
from transfergain.running.console import aside, say, tell
from transfergain.running.live_page import is_page_due
from transfergain.running.progress import Bar, Forecast, Lines, NotebookLine, follower
from transfergain.running.watchers import Watcher, Watchers
from transfergain.types import Recipe


def written(follower_of, terminal=False, width=200):
    """(console output as a function, follower) on a console in memory, wide unless a width is given."""
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=terminal, color_system=None)
    return file.getvalue, follower_of(console)


def test_lines_say_what_finished_and_how_much_is_left():
    output, lines = written(lambda c: Lines(c, 1))
    with lines:
        lines.begin(3, 0)
        lines.step(spec(), 5, 10, 0.5)
        lines.end_trial(spec(replicate=4), Outcome("done", dev_score=0.91234, seconds=10))
        lines.end_trial(spec(arm="lora"), Outcome("failed", error="RuntimeError: [no] luck\x1b[31m", seconds=20))
        lines.end_trial(spec(arm="majority", recipe=None), Outcome("done", dev_score=0.5))
    assert output().splitlines() == [
        "3 trials, 0 done already",
        "1/3 · reviews · full · 20 labels · seed 4 · dev 0.912 · 20 s left",
        "2/3 · reviews · lora · 20 labels · seed 0 · failed: RuntimeError: [no] luck\\x1b[31m · 15 s left",
        "3/3 · reviews · majority · 20 labels · seed 0 · dev 0.500",
    ]


def test_lines_count_what_was_done_before():
    output, lines = written(lambda c: Lines(c, 1))
    lines.begin(8, 6)
    lines.end_trial(spec(phase="tune", recipe=Recipe(1e-4)), Outcome("done", dev_score=0.5, seconds=1))
    assert output().splitlines() == [
        "8 trials, 6 done already",
        "7/8 · reviews · full · 20 labels · tuning lr 1.0e-04 · dev 0.500 · 1 s left",
    ]


@pytest.mark.parametrize("kind", [Bar, Lines])
def test_the_total_grows_when_a_look_asks_for_more(kind):
    output, shown = written(lambda c: kind(c, 1), terminal=kind is Bar)
    with shown:
        shown.begin(1, 0)
        shown.end_trial(spec(), Outcome("done", dev_score=0.5, seconds=1))
        shown.begin(2, 1)
        shown.note("reviews: data efficiency open: on to 4 seeds")
        shown.end_trial(spec(replicate=3), Outcome("done", dev_score=0.5, seconds=1))
    assert "reviews: data efficiency open: on to 4 seeds" in output()
    assert "2/2" in output()
    assert output().count("1 trial, 0 done already") == output().count("done already") == (kind is Lines)


def test_an_empty_phase_is_not_mentioned():
    output, lines = written(lambda c: Lines(c, 1))
    lines.begin(0, 0)
    assert output() == ""


@pytest.mark.parametrize(
    ("seconds", "remaining", "workers", "expected"),
    [
        ([10], 4, 1, "40 s left"),
        ([10], 4, 2, "20 s left"),
        ([10], 1, 8, "10 s left"),
        ([60], 30, 1, "30 min left"),
        ([3600], 30, 10, "3.0 h left"),
        ([], 5, 1, ""),
        ([10], 0, 1, ""),
    ],
)
def test_forecast(seconds, remaining, workers, expected):
    forecast = Forecast(workers)
    for value in seconds:
        forecast.learn(spec(), Outcome("done", seconds=value))
    assert forecast.left(remaining) == expected


def test_forecast_weighs_arms_alike_and_leaves_floors_out():
    forecast = Forecast(1)
    for _ in range(9):
        forecast.learn(spec(arm="probe"), Outcome("done", seconds=1))
    forecast.learn(spec(arm="full"), Outcome("done", seconds=19))
    forecast.learn(spec(arm="majority", recipe=None), Outcome("done", seconds=1000))
    assert forecast.left(2) == "20 s left"


def test_bar_shows_the_running_trial_and_prints_failures():
    output, bar = written(lambda c: Bar(c, 1), terminal=True)
    with bar:
        bar.begin(2, 0)
        bar.step(spec(dataset="my [data]"), 5, 10, 0.75)
        bar._progress.refresh()
        bar.end_trial(spec(), Outcome("done", dev_score=0.8, seconds=3))
        bar.end_trial(spec(arm="lora"), Outcome("failed", error="RuntimeError: [b]no[/b] luck", seconds=3))
    assert "my [data] · full · 20 labels · seed 0 · step 5 · dev 0.750" in output()
    assert "failed  reviews · lora · 20 labels · seed 0: RuntimeError: [b]no[/b] luck" in output()
    assert "2/2" in output()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_bar_count_and_time_left_stand_on_one_line_and_the_trial_has_the_rest(width):
    output, bar = written(lambda c: Bar(c, 1), terminal=True, width=width)
    with bar:
        bar.begin(120, 9)
        bar.end_trial(spec(), Outcome("done", seconds=7.0))
        bar.step(spec(dataset="a-data-set-with-a-name-of-some-length", arm="scratch"), 1500, 3000, 0.75)
        bar._progress.refresh()
    last = [part for part in re.split(r"[\r\n]|\x1b\[[0-9;?]*[a-zA-Z]", output()) if "a-data-set" in part][-1]
    assert re.match(r"[━╸╺ ]{20}  10/120 13 min left a-data-set-with", last) and len(last) <= width
    assert ("…" in last) == (width < 140), "cut where it does not fit"


def test_what_is_under_way_is_said_on_stderr_where_the_answer_goes_to_stdout(capsys):
    say(aside(Console()), "under way")
    say(Console(), "the answer")
    assert capsys.readouterr() == ("the answer\n", "under way\n")
    elsewhere, quiet = Console(file=io.StringIO()), Console(quiet=True)
    assert aside(elsewhere) is elsewhere
    assert aside(quiet).quiet


def test_lines_are_wrapped_between_words_on_a_terminal_alone():
    line = "train 1,498 · dev 214 · test 428 carved from train"
    output, console = written(lambda c: c, terminal=True, width=60)
    tell(console, "reviews", line)
    assert output() == f"{'reviews':<16}train 1,498 · dev 214 · test 428 carved from\n{'':<16}train\n"
    output, console = written(lambda c: c, width=60)
    tell(console, "reviews", line)
    assert output() == f"{'reviews':<16}{line}\n"


def test_bar_of_nothing_is_silent_about_it():
    output, bar = written(lambda c: Bar(c, 1), terminal=True)
    with bar:
        bar.begin(0, 0)
    assert "0/0" not in output() and "━" not in output()


@pytest.mark.parametrize("kind", [Bar, Lines])
def test_followers_go_through_a_whole_run(tmp_path, kind):
    output, follower = written(lambda c: kind(c, 2), terminal=kind is Bar)
    with follower:
        run(tmp_path, watcher=follower)
    assert "10/10" in output()
    assert "2/2" not in output(), "one count for all"


def test_silent_says_nothing(tmp_path, capsys):
    with Watcher() as follower:
        run(tmp_path, watcher=follower)
    assert capsys.readouterr() == ("", "")


def test_several_watchers_hear_everything_in_the_order_given():
    class Follower(Watcher):
        def __init__(self, name):
            self.name = name

        def begin(self, total, done):
            heard.append((self.name, total, done))

        def note(self, line):
            heard.append((self.name, line))

        def end_trial(self, spec, outcome):
            heard.append((self.name, outcome.status))

        def step(self, spec, step, cap, dev_score):
            heard.append((self.name, step, cap, dev_score))

    heard = []
    watchers = Watchers([Follower("a"), Watcher(), Follower("b")])
    watchers.begin(2, 1)
    watchers.note("all is clear")
    watchers.step(spec(), 5, 10, 0.5)
    watchers.end_trial(spec(), Outcome("done"))
    told = [(2, 1), ("all is clear",), (5, 10, 0.5), ("done",)]
    assert heard == [(name, *words) for words in told for name in "ab"]


def test_a_live_page_costs_a_small_share_of_the_time():
    assert not is_page_due(19, 0.1) and is_page_due(21, 0.1)
    assert not is_page_due(100, 5) and is_page_due(126, 5)


def test_the_follower_suits_the_console():
    def kind(verbose=False, **console):
        return type(follower(Console(file=io.StringIO(), **console), 1, verbose))

    assert kind() is Lines
    assert kind(force_terminal=True) is Bar
    assert kind(force_jupyter=True) is NotebookLine
    assert kind(force_terminal=True, verbose=True) is Lines
    assert kind(quiet=True, force_terminal=True) is Watcher


def test_verbose_lines_say_every_evaluation():
    output, lines = written(lambda c: follower(c, 1, verbose=True))
    lines.step(spec(), 1500, 3000, 0.5)
    lines.step(spec(), 1, 3000, None)
    assert output().splitlines() == [
        "  reviews · full · 20 labels · seed 0 · step 1,500 of at most 3,000 · dev 0.500",
        "  reviews · full · 20 labels · seed 0 · step 1 of at most 3,000",
    ]


def test_a_log_that_was_silent_for_long_says_what_is_running(monkeypatch):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    output, lines = written(lambda c: follower(c, 1))
    lines.begin(2, 0)
    for now in range(0, 500, 50):
        lines.step(spec(), now, 3000, 0.5)
    running = "  reviews · full · 20 labels · seed 0 · step {} of at most 3,000 · dev 0.500"
    assert output().splitlines() == ["2 trials, 0 done already", *(running.format(step) for step in (150, 300, 450))]
