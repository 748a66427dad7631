"""`transfergain doctor`: what it finds, that it waits for nobody, and its exit code."""

import json
import socket
import sys
import time
import types

import pytest

from transfergain import cli
from transfergain.commands import doctor
from transfergain.errors import UserError


@pytest.fixture
def examine(monkeypatch):
    """Checks by name, with the device and checkpoint left out (both take time) unless asked for."""

    def call(whole=False, **constants):
        for name, value in constants.items():
            monkeypatch.setattr(f"huggingface_hub.constants.{name}", value)
        if not whole:
            monkeypatch.setattr(doctor, "_device", lambda: iter(()))
            monkeypatch.setattr(doctor, "_builtin_checkpoints", lambda: iter(()))
        return {check.name: check for check in doctor.examine(timeout=0.5)}

    return call


def test_a_sound_machine(examine):
    checks = examine(whole=True, HF_HUB_OFFLINE=True)
    assert {check.status for check in checks.values()} <= {"ok", "note"}
    assert "torch " in checks["versions"].found and "sha256" in checks["builtin:minilm"].found
    assert checks["precision"].found.startswith("bf16 ") and checks["precision"].found.endswith("used")
    assert checks["hub"] == doctor.Check("hub", "note", "not asked: HF_HUB_OFFLINE is set", checks["hub"].advice)


@pytest.mark.parametrize(
    ("device", "native", "speed_up", "says"),
    [
        ("cpu", True, 2.34, "bf16 multiplies 2.3 times as fast as fp32: used"),
        ("cpu", True, 1.12, "bf16 multiplies 1.1 times as fast as fp32: not used"),
        ("cpu", None, 0.04, "bf16 is emulated here: not used"),
        ("cpu", False, None, "bf16 is emulated here: not used"),
        ("mps", None, None, "bf16 is not tried on mps: not used"),
    ],
)
def test_precision_in_plain_words_by_the_measurement_that_studies_choose_by(monkeypatch, device, native, speed_up, says):
    monkeypatch.setattr("transfergain.engine.precision.native_bf16", lambda: native)
    monkeypatch.setattr("transfergain.engine.precision.bf16_speed_up", lambda: speed_up)
    assert doctor._precision(types.SimpleNamespace(type=device)) == doctor.Check("precision", "ok", says)


@pytest.mark.parametrize(
    ("supported", "says"), [(True, "native on this GPU: used"), (False, "not native on this GPU: not used")]
)
def test_precision_of_a_gpu(monkeypatch, supported, says):
    monkeypatch.setattr("torch.cuda.is_bf16_supported", lambda **_: supported)
    assert doctor._precision(types.SimpleNamespace(type="cuda")).found == f"bf16 is {says}"


def test_the_hub_is_asked_while_the_rest_is_looked_at(monkeypatch):
    monkeypatch.setattr(doctor, "_device", lambda: time.sleep(0.4) or iter(()))
    monkeypatch.setattr(doctor, "_builtin_checkpoints", lambda: iter(()))
    monkeypatch.setattr(doctor, "_hub", lambda timeout: time.sleep(0.4) or doctor.Check("hub", "ok", ""))
    start = time.monotonic()
    assert "hub" in [check.name for check in doctor.examine()]
    assert time.monotonic() - start < 0.75


def test_a_hub_that_takes_the_call_and_says_nothing_is_not_waited_for(examine):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        found = examine(HF_HUB_OFFLINE=False, ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}")["hub"]
        assert time.monotonic() - start < 3
    assert found.status == "note" and "does not answer (" in found.found


def test_a_name_that_takes_for_ever_to_look_up_is_not_waited_for():
    start = time.monotonic()
    assert doctor._within(0.1, lambda: time.sleep(30)) == "no answer in 0.1 s"
    assert time.monotonic() - start < 3


@pytest.mark.parametrize(("status", "answers"), [(200, True), (401, True), (503, False)])
def test_a_hub_that_answers(examine, status, answers):
    import http.server
    import threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = examine(HF_HUB_OFFLINE=False, ENDPOINT=f"http://127.0.0.1:{server.server_port}")["hub"]
        server.shutdown()
    assert (found.status == "ok") == answers


def test_what_stops_a_study_is_a_problem(examine, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(doctor, "NEEDED_PACKAGES", (*doctor.NEEDED_PACKAGES, "no-such-package"))
    checks = examine(HF_HUB_OFFLINE=True, HF_HUB_CACHE=str(tmp_path / "file" / "hub"))
    assert checks["versions"].status == "problem" and "no-such-package" in checks["versions"].advice
    assert checks["cache"].status == "problem" and "HF_HOME" in checks["cache"].advice
    monkeypatch.setattr(doctor, "LEAST_DISK_BYTES", 1e18)
    assert doctor._space("output", tmp_path, "x").status == "problem"

    def damaged(name):
        raise UserError("its weights have another sha256")

    monkeypatch.undo()
    monkeypatch.setattr(doctor, "resolve", damaged)
    assert [check.status for check in doctor._builtin_checkpoints()] == ["problem"]


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("note", 0), ("problem", 1)])
def test_exit_code_and_json(monkeypatch, capsys, status, code):
    found = [doctor.Check("disk", status, "2 [GB]", "do\u00e9s it")]
    monkeypatch.setattr(doctor, "examine", lambda timeout: iter(found))
    monkeypatch.setattr(sys, "argv", ["transfergain", "doctor", "--json"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capsys.readouterr()
    assert ended.value.code == code
    assert json.loads(out) == [found[0]._asdict()]
    assert "2 [GB]" in err
