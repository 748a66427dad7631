"""The page in a real browser: it draws, answers to mouse and keyboard, asks for nothing, and is accessible.

Needs Chromium; and for accessibility the script of axe-core: `npm install axe-core`, AXE_CORE=.../axe-core/axe.min.js.
"""

import csv
import os
from dataclasses import replace
from pathlib import Path

import pytest

from support.browser import CHROMIUM
from support.findings_fixture import synthetic
from transfergain.report.page.html import render
from transfergain.types import StudyWarning, WarningKind

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
AXE = os.environ.get("AXE_CORE", "")
EVIL = "</script><script>window.evil = 1</script><img src=http://127.0.0.1:1/x onerror=window.evil=1>"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render(synthetic(datasets=2, seeds=4)), "utf-8")
    return path


def unfold(browser):
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")


def show(browser, figure):
    unfold(browser)
    browser.run(f"document.getElementById('{figure}').scrollIntoView()")
    browser.until(f"document.querySelector('#{figure}.drawn .plot .main-svg') !== null")


def hidden_traces(browser, figure, group):
    traces = f"Array.from(document.querySelector('#{figure} .plot').data)"
    return browser.run(f"{traces}.filter(t => t.legendgroup === '{group}').map(t => t.visible === false)")


def test_every_figure_draws_and_nothing_is_asked_for_or_complained_of(browser, page):
    browser.open(page)
    unfold(browser)
    count = browser.run("document.querySelectorAll('.figure').length")
    assert count > 30
    for i in range(count):
        browser.run(f"document.querySelectorAll('.figure')[{i}].scrollIntoView()")
        browser.until(f"document.querySelectorAll('.figure')[{i}].matches('.drawn')")
    browser.until(f"document.querySelectorAll('.plot .main-svg').length >= {count}")
    assert browser.requests() == []
    assert browser.complaints() == []


def test_text_from_data_runs_nowhere(browser, tmp_path):
    found = synthetic(datasets=1, seeds=2)
    evil = {EVIL: replace(found.data["reviews"], notes=[EVIL], shifts={EVIL: 3})}

    def rename(rows):
        return [replace(row, dataset=EVIL, **({"sentence": EVIL} if hasattr(row, "sentence") else {})) for row in rows]

    tables = ("scores", "gains", "data_efficiency", "robustness", "convergence", "adaptation", "calibration", "recipes")
    odd = synthetic(
        datasets=1,
        seeds=2,
        data=evil,
        rows=(),
        warnings=[StudyWarning(WarningKind.OTHER, EVIL)],
        environment={EVIL: EVIL},
        examples=(),
        told=(),
        **{name: rename(getattr(found, name)) for name in tables},
    )
    path = tmp_path / "evil.html"
    path.write_text(render(odd), "utf-8")
    browser.open(path)
    show(browser, "data-efficiency-1-1")
    assert browser.run("window.evil") is None
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.requests() == []


def test_the_legend_works_with_the_keyboard(browser, page):
    browser.open(page)
    show(browser, "performance-1-1")
    button = "document.querySelector('#performance-1-1 .legend button[data-group=\"full\"]')"
    browser.run(f"{button}.focus()")
    browser.press("Enter", "Enter")
    assert browser.run(f"{button}.getAttribute('aria-pressed')") == "false"
    browser.until("document.querySelector('#performance-1-1 .plot').data.some(t => t.visible === false)")
    assert set(hidden_traces(browser, "performance-1-1", "full")) == {True}
    assert not any(hidden_traces(browser, "performance-1-1", "scratch"))
    shown = "document.querySelector('#performance-1-1 .static [data-group=\"full\"]').style.display"
    assert browser.run(shown) == "none"
    browser.press("Enter", "Enter")
    assert browser.run(shown) == ""


def test_an_axis_can_be_linear(browser, page):
    browser.open(page)
    show(browser, "convergence-1-1")
    axis = "document.querySelector('#convergence-1-1 .plot').layout.xaxis.type"
    assert browser.run(axis) == "log"
    browser.run("document.querySelector('#convergence-1-1 .log input').click()")
    browser.until(f"{axis} === 'linear'")
    assert browser.complaints() == []


def test_trials_are_sorted_and_filtered(browser, page):
    browser.open(page)
    unfold(browser)
    column = (
        "Array.from(document.querySelectorAll('table.sortable thead th')).findIndex(h => h.textContent === 'test score, %')"
    )
    rows = "document.querySelectorAll('table.sortable tbody tr:not([hidden])')"
    cells = f"Array.from({rows}).map(r => r.cells[{column}].textContent.trim())"
    head = f"document.querySelectorAll('table.sortable thead th')[{column}]"
    browser.run(f"{head}.querySelector('button').focus()")
    browser.press(" ", "Space")
    assert browser.run(f"{head}.getAttribute('aria-sort')") == "ascending"
    found = browser.run(cells)
    numbers = [float(cell) for cell in found if cell != "–"]
    assert numbers == sorted(numbers) and found[len(numbers) :] == ["–"] * (len(found) - len(numbers))
    browser.press(" ", "Space")
    assert [float(c) for c in browser.run(cells) if c != "–"] == numbers[::-1]
    browser.run(
        "(i => { i.value = 'memory'; i.dispatchEvent(new Event('input')); })(document.querySelector('#trial-filters input'))"
    )
    assert browser.run("document.querySelectorAll('table.sortable tbody tr:not([hidden])').length") == 1
    assert browser.run("document.querySelector('#trial-filters [role=status]').textContent").startswith("1 of ")


def test_tables_are_downloaded_whole(browser, page):
    browser.open(page)
    browser.run("window.saved = []; URL.createObjectURL = blob => { saved.push(blob.text()); return '#'; };")
    buttons = "Array.from(document.querySelectorAll('#downloads button'))"
    assert browser.run(f"{buttons}.map(b => b.getAttribute('aria-label'))")[:2] == ["gains as csv", "gains as json"]
    browser.run(f"{buttons}.find(b => b.getAttribute('aria-label') === 'gains as csv').click()")
    browser.until("saved.length === 1")
    rows = list(csv.DictReader(browser.run("saved[0]").splitlines()))
    expected = synthetic(datasets=2, seeds=4).gains
    assert [float(row["estimate"]) for row in rows] == [row.estimate for row in expected]
    assert [row["sentence"] for row in rows] == [row.sentence for row in expected]


def test_it_reads_without_javascript_and_in_print(browser, page):
    browser.open(page, script=False)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    unfold(browser)
    size = "Array.from(document.querySelectorAll('.inside > .figure .static')).map(s => s.getBoundingClientRect().height)"
    heights = browser.run(size)
    assert len(heights) > 20 and min(heights) > 200
    assert browser.run("document.querySelectorAll('#gains ~ .dots .dot').length") == 6
    assert browser.run("document.querySelectorAll('.card').length") == 3
    assert browser.run("window.Plotly") is None
    browser.open(page)
    show(browser, "performance-1-1")
    browser.call("Emulation.setEmulatedMedia", media="print")
    assert browser.run("getComputedStyle(document.querySelector('#performance-1-1 .plot')).display") == "none"
    assert browser.run("document.querySelector('#performance-1-1 .static').getBoundingClientRect().height") > 100


@pytest.mark.parametrize("width", [360, 768])
def test_narrow_windows_scroll_only_downwards(browser, page, width):
    browser.open(page, width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width


def test_a_running_study_says_so_and_can_be_told_to_stand_still(browser, tmp_path):
    path = tmp_path / "live.html"
    path.write_text(render(synthetic(datasets=1, seeds=2), live=True), "utf-8")
    browser.open(path)
    assert "The study is running" in browser.run("document.getElementById('live').textContent")
    assert browser.run("document.querySelector('#live input').checked") is True
    browser.run("document.querySelector('#live input').click()")
    browser.open(path)
    assert browser.run("document.querySelector('#live input').checked") is False


@pytest.mark.skipif(not Path(AXE).is_file(), reason="AXE_CORE names no axe.min.js")
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_violation(browser, page, dark):
    browser.open(page, dark=dark)
    for figure in ("performance-1-1", "data-efficiency-1-1", "convergence-1-1", "effort-1-1"):
        show(browser, figure)
    browser.run(Path(AXE).read_text("utf-8") + "; 0")
    each = "[v.id, v.impact, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary]"
    told = f"({{passes: r.passes.length, violations: r.violations.map(v => {each})}})"
    found = browser.run(f"axe.run().then(r => {told})")
    assert found["violations"] == []
    assert found["passes"] > 25


@pytest.mark.slow
def test_two_thousand_trials_open_within_two_seconds(browser, tmp_path):
    found = synthetic(5, (64, 128, 256, 512, 1024), seeds=16, kinds=[f"kind{i}" for i in range(8)])
    assert len(found.rows) > 2000
    path = tmp_path / "big.html"
    path.write_text(render(found), "utf-8")
    assert path.stat().st_size < 10e6
    assert min(browser.open(path) for _ in range(3)) < 2
