"""The first screen in a real browser, wide and narrow, light and dark: it answers, and nothing overlaps or is cut unsaid."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from support.browser import CHROMIUM
from support.findings_fixture import synthetic
from support.planted import planted
from transfergain.report.page.html import render

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
AXE = os.environ.get("AXE_CORE", "")
WIDE, NARROW, HEIGHT = 1280, 390, 800
MOST_SCREENS = 12
STUDIES = {
    "one data set": lambda: planted("usual"),
    "five data sets": lambda: planted("five data sets"),
    "one seed": lambda: planted("one seed"),
    "one budget": lambda: planted("one budget"),
    "every panel": lambda: synthetic(datasets=2, seeds=4),
}
TEXTS = """(() => {
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest('script, style, noscript, .skip')) { continue; }
    let unseen = !parent.checkVisibility();
    for (let e = parent; e; e = e.parentElement) { unseen = unseen || getComputedStyle(e).clipPath !== 'none'; }
    if (unseen) { continue; }
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const r of range.getClientRects()) {
      const box = {x: r.left, y: r.top, right: r.right, bottom: r.bottom};
      if (r.width && r.height) { found.push({text: node.textContent.trim(), node: parent, ...box}); }
    }
  }
  return found;
})()
"""
"""All visible texts of the page with the boxes that they take."""
OVERLAPS = f"""
(() => {{
  const all = {TEXTS}, found = [];
  all.forEach((a, i) => all.slice(i + 1).forEach(b => {{
    const w = Math.min(a.right, b.right) - Math.max(a.x, b.x), h = Math.min(a.bottom, b.bottom) - Math.max(a.y, b.y);
    const nav = e => !!e.node.closest('nav');
    if (w > 1 && h > 3 && nav(a) === nav(b)) {{ found.push(a.text.slice(0, 60) + ' | ' + b.text.slice(0, 60)); }}
  }}));
  return found;
}})()
"""
CUT = """
Array.from(document.querySelectorAll('body *')).filter(e => {
  const style = getComputedStyle(e);
  return e.checkVisibility() && style.overflowX !== 'visible' && style.clipPath === 'none'
    && e.scrollWidth > e.clientWidth + 1 && !e.closest('svg')
    && !(e.matches('.cut') && getComputedStyle(e, '::before').content.includes('scroll'))
    && !(e.matches('nav ul') && style.backgroundAttachment.includes('local'));
}).map(e => e.outerHTML.slice(0, 120))
"""
"""Boxes that hide a part of what they hold and do not say so."""
FAINT = f"""
(() => {{
  const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const rgba = text => text.match(/[\\d.]+/g).map(Number);
  const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
  const back = e => {{
    for (; e; e = e.parentElement) {{
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c.length === 3 || c[3] === 1) {{ return c; }}
    }}
    return [255, 255, 255];
  }};
  return {TEXTS}.filter(t => {{
    const style = getComputedStyle(t.node), words = light(rgba(t.node.closest('svg') ? style.fill : style.color));
    const ground = light(back(t.node.closest('svg') ? t.node.closest('svg').parentElement : t.node));
    return (Math.max(words, ground) + 0.05) / (Math.min(words, ground) + 0.05) < 4.5;
  }}).map(t => t.text.slice(0, 60));
}})()
"""
"""Texts whose contrast is below 4.5 (WCAG 2.1, 1.4.3)."""
UNNAMED = """
Array.from(document.querySelectorAll('a, button, input, select, summary'))
  .filter(e => !(e.textContent.trim() || e.getAttribute('aria-label') || e.closest('label')))
  .map(e => e.outerHTML.slice(0, 120))
"""
HEADINGS = "Array.from(document.querySelectorAll('h1, h2, h3, h4')).map(h => Number(h.tagName[1]))"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, make in STUDIES.items():
        (folder / f"{name}.html").write_text(render(make()), "utf-8")
    return folder


@pytest.fixture(
    params=[(WIDE, False), (WIDE, True), (NARROW, False), (NARROW, True)], ids=lambda p: f"{p[0]}{'dark' * p[1]}"
)
def window(request):
    return {"width": request.param[0], "height": HEIGHT, "dark": request.param[1]}


@pytest.mark.parametrize("study", STUDIES)
def test_nothing_overlaps_is_cut_or_faint(browser, pages, study, window):
    browser.open(pages / f"{study}.html", **window)
    assert browser.run("document.documentElement.scrollWidth") <= window["width"]
    assert browser.run(OVERLAPS) == []
    assert browser.run(FAINT) == []
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    browser.run("document.querySelectorAll('.inside').forEach(d => { d.style.contentVisibility = 'visible'; })")
    browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))).then(() => 0)")
    assert browser.run("document.documentElement.scrollWidth") <= window["width"]
    assert browser.run(CUT) == []


@pytest.mark.parametrize("study", STUDIES)
def test_the_closed_page_is_short_and_its_first_screen_answers(browser, pages, study):
    browser.open(pages / f"{study}.html", width=WIDE, height=HEIGHT)
    assert browser.run("document.documentElement.scrollHeight") <= MOST_SCREENS * HEIGHT
    starts = "Array.from(document.querySelectorAll('.says, .dots, .tiles, .chips')).map(e => e.getBoundingClientRect().top)"
    found = browser.run(starts)
    first = "document.querySelector('#answer').parentElement"
    assert found and sum(top < HEIGHT for top in found) >= 3
    text = browser.run(f"{first}.innerText")
    assert browser.run(f"{first}.querySelectorAll('.dots .dot, .dots .hollow').length") >= 6
    assert "Take " in text and "Performance" in text and "Robustness" in text


@pytest.mark.parametrize("study", STUDIES)
def test_words_stand_where_the_program_has_names(browser, pages, study):
    browser.open(pages / f"{study}.html")
    browser.run("document.querySelectorAll('.dataset, .panel').forEach(d => { d.open = true; })")
    text = browser.run("document.body.innerText")
    assert not {"entity_f1", "squad_f1", "macro_f1", "exact_match"} & set(text.replace(",", " ").split())
    assert "labels 0" not in text and "nan" not in text.split() and "None" not in text.split()


@pytest.mark.parametrize("study", ["one data set", "every panel"])
def test_the_order_of_headings_the_names_of_controls_and_the_landmarks(browser, pages, study):
    browser.open(pages / f"{study}.html")
    levels = browser.run(HEADINGS)
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert browser.run(UNNAMED) == []
    count = "['main', 'header', 'nav[aria-label]'].map(s => document.querySelectorAll(s).length)"
    assert browser.run(count) == [1, 1, 1]


@pytest.mark.skipif(not Path(AXE).is_file(), reason="AXE_CORE names no axe.min.js")
@pytest.mark.parametrize("study", ["one data set", "five data sets"])
def test_axe_finds_no_violation_on_the_closed_page(browser, pages, study, window):
    browser.open(pages / f"{study}.html", **window)
    browser.run(Path(AXE).read_text("utf-8") + "; 0")
    told = "r.violations.map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 200), v.nodes[0].failureSummary])"
    assert browser.run(f"axe.run().then(r => {told})") == []


def test_a_benefit_leads_to_its_panel_and_the_contents_stay_in_sight(browser, pages):
    browser.open(pages / "five data sets.html", width=NARROW, height=HEIGHT)
    panel = "document.getElementById('convergence-3').closest('details')"
    assert browser.run(f"{panel}.open") is False
    browser.run("document.querySelector('a[href=\"#convergence-3\"]').click()")
    browser.until(f"{panel}.open && {panel}.closest('.dataset').open")
    browser.until(f"Math.abs({panel}.getBoundingClientRect().top) < 200")
    assert browser.run("document.querySelectorAll('.dataset[open]').length") == 1
    nav = browser.run("document.querySelector('nav').getBoundingClientRect().top")
    assert nav == 0
    assert browser.run(f"{panel}.querySelector('h3').getBoundingClientRect().top") > 20, "not under the contents"


def test_a_sheet_of_paper_gets_what_is_folded(browser, pages):
    browser.open(pages / "one data set.html")
    closed = "document.querySelectorAll('.section:not([open]), .panel:not([open])').length"
    before = browser.run(closed)
    browser.run("dispatchEvent(new Event('beforeprint'))")
    assert before > 5 and browser.run(closed) == 0
    browser.run("dispatchEvent(new Event('afterprint'))")
    assert browser.run(closed) == before


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_the_buttons_of_a_plot_lie_on_no_text(browser, pages, width):
    browser.open(pages / "every panel.html", width=width, height=HEIGHT)
    browser.run("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    for figure in ("performance-1-1", "convergence-1-1", "effort-1-1"):
        browser.run(f"document.getElementById('{figure}').scrollIntoView()")
        browser.until(f"document.querySelector('#{figure}.drawn .plot .modebar-btn') !== null")
        on_text = f"""
        (() => {{
          const box = document.querySelector('#{figure} .modebar-group').getBoundingClientRect();
          return Array.from(document.querySelectorAll('#{figure} .plot text')).filter(t => {{
            const r = t.getBoundingClientRect();
            return Math.min(r.right, box.right) - Math.max(r.left, box.left) > 1
              && Math.min(r.bottom, box.bottom) - Math.max(r.top, box.top) > 1;
          }}).map(t => t.textContent);
        }})()
        """
        assert browser.run(on_text) == []
