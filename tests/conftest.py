"""Shared fixtures: tiny random checkpoints as `transformers` saves them, a small labelled file, the real corpora."""

import errno
import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import settings

from support.browser import Browser
from support.checkpoints import SPECIALS, build_checkpoint
from support.texts import sentences, write_csv

REAL_DATA = Path(os.environ.get("TRANSFERGAIN_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
CASES = Path(os.environ.get("TRANSFERGAIN_CASES", Path(__file__).resolve().parents[2] / "shared" / "cases"))

OTHER_ARCHITECTURES = SPECIALS.keys() - {"bert"}
settings.register_profile("quick", max_examples=20)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the long validations too")
    parser.addoption(
        "--quick", action="store_true", help="of all architectures BERT alone, no test marked long, few examples"
    )


def pytest_configure(config):
    if config.getoption("--quick"):
        settings.load_profile("quick")


def is_quick(item):
    """Whether a test is part of `make check`: not long, and of no architecture but BERT."""
    given = item.callspec.params.values() if hasattr(item, "callspec") else ()
    return "long" not in item.keywords and not any(isinstance(v, str) and v in OTHER_ARCHITECTURES for v in given)


def pytest_collection_modifyitems(config, items):
    if config.getoption("--quick"):
        left_out = [item for item in items if not is_quick(item)]
        items[:] = [item for item in items if is_quick(item)]
        config.hook.pytest_deselected(items=left_out)
    if not config.getoption("--slow"):
        for item in items:
            if "slow" in item.keywords:
                item.add_marker(pytest.mark.skip(reason="long; run with --slow"))


@pytest.fixture(scope="session", autouse=True)
def this_machine_alone():
    """Tests connect to nothing but this machine: elsewhere there is no network, as far as they can see."""
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def near(host):
        return host in (None, "", "localhost", "::1") or str(host).startswith("127.") or host == socket.gethostname()

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6) and not near(address[0]):
            raise OSError(errno.ENETUNREACH, "network is unreachable: tests stay on this machine")
        return connect(self, address)

    def guarded_look_up(host, *rest, **more):
        if not near(host) and not str(host).replace(".", "").isdigit():
            raise socket.gaierror(socket.EAI_AGAIN, "tests stay on this machine")
        return look_up(host, *rest, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield


@pytest.fixture(autouse=True)
def one_thread():
    """Every test begins with one thread of torch's, whatever the one before it left: sums depend on their number."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def real_data():
    """Folder of public corpora (TRANSFERGAIN_DATA, or beside the checkout); tests that need it skip without it."""
    if not REAL_DATA.exists():
        pytest.skip("the real corpora are not here")
    return REAL_DATA


@pytest.fixture(scope="session")
def cases():
    """Folder of files of many shapes (TRANSFERGAIN_CASES, or beside the checkout); tests that need it skip without it."""
    if not CASES.exists():
        pytest.skip("the files of many shapes are not here")
    return CASES


@pytest.fixture
def reviews(tmp_path):
    """A csv of 300 labelled sentences."""
    return write_csv(tmp_path / "reviews.csv", sentences(300))


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """(kind, auto class) -> folder of a tiny random checkpoint, built on first use."""
    built = {}

    def get(kind="bert", auto_class="AutoModel"):
        if (kind, auto_class) not in built:
            built[kind, auto_class] = build_checkpoint(kind, tmp_path_factory.mktemp(kind), auto_class=auto_class)
        return built[kind, auto_class]

    return get


@pytest.fixture(scope="module")
def browser():
    """A Chromium for the tests of a file."""
    with Browser() as found:
        yield found
