"""A study broken in every way a machine can; `run.py` does it more often and writes the table of docs/reliability.md."""

import tempfile
from pathlib import Path

import pytest

from faults.broken import FAULTS
from support.lab import Lab, Skipped

FEWER = {"kill": [6], "corrupt": [20]}
"""How often what is random strikes here."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lab():
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:  # pytest's own folders are closed to other users
        yield Lab(Path(folder))


@pytest.mark.parametrize("name", FAULTS)
def test_nothing_finished_is_lost_doubled_or_changed(lab, name):
    try:
        assert FAULTS[name](lab, *FEWER.get(name, []))
    except Skipped as reason:
        pytest.skip(str(reason))
