"""The table of promises in docs/security.md names tests, and these are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def promises():
    """(what comes from outside, promise, files of tests) of each row of the table of promises."""
    table = PAGE.split("| from outside | promise | held by |\n|---|---|---|\n")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return [(what, promise, re.findall(r"`(tests/[\w/]+\.py)`", held)) for what, promise, held in rows]


def test_every_promise_names_tests_that_exist():
    found = promises()
    assert len(found) > 25
    for what, promise, files in found:
        assert promise and files, what
        for file in files:
            assert re.search(r"^def test_", (ROOT / file).read_text("utf-8"), re.MULTILINE), (what, file)


def test_every_file_that_the_page_names_is_there():
    named = re.findall(r"`((?:tests|docs)/[\w/]+\.\w+)`", PAGE)
    assert len(named) > 30 and [file for file in named if not (ROOT / file).is_file()] == []
