"""Commands that are shown can be copied: a shell makes the same words of them, and runs nothing that a name says."""

import shutil

import pytest

from support.strict import words
from transfergain.shell import command

WORDS = ("plain", "two words", "$(touch evil)", "`touch evil`", "a'b\"c", "; touch evil", "\x1b[31m", "a\nb\t'\\",
         "\u202eé", "\x9bff", "", "*", "~", "#x", "-n", "\udcff")  # fmt: skip


@pytest.mark.skipif(not shutil.which("bash"), reason="no bash here")
def test_a_shell_makes_the_same_words(tmp_path, monkeypatch):
    line = command(*WORDS)
    assert line.isprintable()
    monkeypatch.chdir(tmp_path)
    assert words(line) == list(WORDS)
    assert list(tmp_path.iterdir()) == []


def test_plain_words_stand_as_they_are():
    assert command("transfergain", "report", "runs/demo", "--full") == "transfergain report runs/demo --full"
