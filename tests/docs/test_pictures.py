"""The pictures of the README: they are there, small, and drawn from a finished study by one command."""

import importlib.util
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.browser import CHROMIUM
from support.planted import planted
from transfergain.report.page import html

ROOT = Path(__file__).parents[2]
MOST_BYTES = 250_000


@pytest.fixture(scope="module")
def pictures():
    found = importlib.util.spec_from_file_location("pictures", ROOT / "docs" / "pictures.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def test_the_readme_shows_pictures_that_are_there_and_small():
    shown = re.findall(r"!\[([^\]]+)\]\((docs/pictures/[^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert {Path(path).suffix for _, path in shown} == {".png", ".svg"}
    assert all(words and 0 < (ROOT / path).stat().st_size < MOST_BYTES for words, path in shown)


def test_the_terminal_is_drawn_with_the_answer_and_fetches_nothing(pictures):
    found = planted("usual")
    drawn = pictures.answer(found, "runs/reviews")
    said = "".join(ElementTree.fromstring(drawn).itertext()).replace("\xa0", " ")
    assert "transfergain report runs/reviews" in said and found.summary.answer.split(". ")[0] in said
    assert "url(http" not in drawn and "@font-face" not in drawn
    assert drawn == pictures.answer(found, "runs/reviews")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_the_first_screen_is_photographed(pictures, tmp_path):
    path = tmp_path / "page.png"
    pictures.photograph(html.render(planted("usual")), CHROMIUM, path)
    head = path.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) == (pictures.WIDTH, pictures.HEIGHT)
    assert path.stat().st_size < MOST_BYTES


def test_without_a_study_a_line_says_so(pictures, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["pictures.py", str(tmp_path)])
    monkeypatch.setattr(pictures.shutil, "which", lambda name: name)
    assert pictures.main() == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {tmp_path}: ") and len(told.splitlines()) == 1
