"""The documentation builds without a warning, loads nothing from elsewhere, and names what the program has."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.main import get_command

from support.browser import CHROMIUM, Browser
from transfergain import cli

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.md"))
LOADS = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src", "use": "href"}
"""Element -> the attribute by which a browser fetches something for it."""
FETCHED_LINKS = {"stylesheet", "icon", "preload", "preconnect", "prefetch", "modulepreload", "manifest"}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs")
    pytest.importorskip("material")
    folder = tmp_path_factory.mktemp("site")
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr
    return folder


class Fetched(HTMLParser):
    """The addresses that a page makes a browser fetch."""

    def __init__(self, html):
        super().__init__()
        self.addresses = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        if tag == "link" and not FETCHED_LINKS & set((found.get("rel") or "").split()):
            return
        if address := found.get(LOADS.get(tag, "")):
            self.addresses.append(address)


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_the_search_works_from_a_disk_and_no_code_is_cut(site):
    with Browser() as browser:
        browser.open(site / "index.html")
        browser.run("document.querySelector('.md-search__input').focus()")
        typed = "Object.assign(document.querySelector('.md-search__input'), {value: 'verdict'})"
        browser.run(f"{typed}.dispatchEvent(new KeyboardEvent('keyup', {{bubbles: true}}))")
        browser.until("document.querySelector('.md-search-result__item a')?.href.includes('verdict')", 60)
        assert browser.requests() == []
        browser.open(site / "how-to" / "own-data.html", width=800)
        wide = "[...document.querySelectorAll('pre > code')].filter(code => code.scrollWidth > code.clientWidth + 1)"
        assert browser.run(f"{wide}.length") == 0


def test_the_site_loads_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) >= len(PAGES)
    for page in pages:
        addresses = Fetched(page.read_text("utf-8")).addresses
        assert any(address.endswith(".css") for address in addresses), page
        assert not [a for a in addresses if re.match(r"(\w+:)?//", a)], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text("utf-8")), sheet


def test_a_fetch_from_elsewhere_would_be_seen():
    html = '<link rel="stylesheet" href="//a/x.css"><script src="https://b/x.js"></script><link rel="canonical" href="c">'
    assert Fetched(html).addresses == ["//a/x.css", "https://b/x.js"]


def test_every_command_and_flag_is_on_the_page_of_the_command_line(site):
    page = (site / "reference" / "cli.html").read_text("utf-8")
    for name, command in get_command(cli.app).commands.items():
        assert f'id="{name}"' in page
        for option in (p for p in command.params if p.param_type_name == "option"):
            assert all(f"<code>{spelling}" in page for spelling in option.opts), (name, option.opts)


def test_the_reference_holds_what_the_package_offers(site):
    import transfergain

    python = (site / "reference" / "python.html").read_text("utf-8")
    for name in transfergain.__all__:
        if name != "__version__":
            assert re.search(rf'id="transfergain\.[\w.]*\b{name}"', python), name
    parts = (site / "reference" / "extending.html").read_text("utf-8")
    for name in ("Task", "Arm", "Floor", "Metric", "Perturbation", "Executor"):
        assert re.search(rf'id="transfergain\.[\w.]*\b{name}"', parts), name
    assert "transfergain.tasks.base.Task.encode" in parts


def flags_of(page):
    """The flags in the commands of a page, and those that its text names."""
    blocks = re.findall(r"^transfergain (?:[^\n]*\\\n)*[^\n]*", page, re.MULTILINE)
    used = {flag for block in blocks for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", block)}
    return used | set(re.findall(r"`(--[a-z][a-z-]+)", page))


def test_flags_of_the_pages_exist():
    commands = get_command(cli.app).commands.values()
    known = {flag for command in commands for p in command.params for flag in p.opts if flag.startswith("--")}
    known |= {"--help", "--version", "--slow", "--strict", "--install-completion", "--show-completion"}
    foreign = {"--include", "--local-dir", "--require-hashes", "--force-reinstall"}
    scripts = "".join(
        path.read_text("utf-8")
        for folder in ("benchmarks", "tests/fuzz", "tests/faults")
        for path in (ROOT / folder).glob("*.py")
    )
    foreign |= set(re.findall(r'add_argument\(\s*"(--[a-z][a-z-]+)', scripts))  # of what the pages run beside the program
    assert len(PAGES) > 40
    wrong = {page.name: flags_of(page.read_text("utf-8")) - known - foreign for page in PAGES}
    assert {name: flags for name, flags in wrong.items() if flags} == {}
