"""Precision is what the processor says it computes itself, or what is measured to pay, never a name of a processor."""

import time

import pytest
import torch

from transfergain.engine import precision
from transfergain.engine.precision import WORTHWHILE_BF16_SPEED_UP, bf16_speed_up, native_bf16, pick_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("faster", "chosen"), [(2.0, "bf16"), (WORTHWHILE_BF16_SPEED_UP, "bf16"), (1.1, "fp32"), (0.2, "fp32")]
)
def test_auto_is_what_pays(monkeypatch, faster, chosen):
    monkeypatch.setattr(precision, "native_bf16", lambda: None)
    monkeypatch.setattr(precision, "bf16_speed_up", lambda: faster)
    assert pick_precision("auto", CPU) == chosen
    assert pick_precision("fp32", CPU) == "fp32" and pick_precision("bf16", CPU) == "bf16", "what is asked for is not timed"
    assert pick_precision("auto", torch.device("mps")) == "fp32"


@pytest.mark.parametrize(("avx512", "amx", "native"), [(True, False, True), (False, True, True), (False, False, False)])
def test_x86_processors_that_emulate_bf16_are_not_timed(monkeypatch, avx512, amx, native):
    monkeypatch.setattr(precision.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512, raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx, raising=False)
    monkeypatch.setattr(precision, "bf16_speed_up", lambda: 2.0 if native else pytest.fail("timed"))
    assert native_bf16() is native
    assert pick_precision("auto", CPU) == ("bf16" if native else "fp32")
    if native:  # some multiply bf16 themselves, and no faster
        monkeypatch.setattr(precision, "bf16_speed_up", lambda: 1.1)
        assert pick_precision("auto", CPU) == "fp32"


def test_a_processor_or_torch_that_does_not_say_is_timed(monkeypatch):
    monkeypatch.setattr(precision.platform, "machine", lambda: "aarch64")
    assert native_bf16() is None
    monkeypatch.setattr(precision.platform, "machine", lambda: "x86_64")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported", raising=False)
    assert native_bf16() is None


@pytest.mark.parametrize(("supported", "chosen"), [(True, "bf16"), (False, "fp32")])
def test_gpus_say_it_themselves(monkeypatch, supported, chosen):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: supported and not including_emulation)
    assert pick_precision("auto", torch.device("cuda")) == chosen


@pytest.mark.parametrize(("slower", "rounds"), [(10, 2), (2.1, 2), (1.5, 8), (0.5, 8)])
def test_emulated_products_are_not_timed_for_long(monkeypatch, slower, rounds):
    """Two rounds tell emulation from the real thing; where it is close, all are timed."""
    begun, clock = [], [0.0]

    def process_time():
        begun.append(clock[0])
        if len(begun) % 2 == 0:  # the end of a product: fp32 and bf16 take turns
            clock[0] += 1.0 if len(begun) % 4 == 2 else slower
        return clock[0]

    bf16_speed_up.cache_clear()
    monkeypatch.setattr(precision.time, "process_time", process_time)
    assert bf16_speed_up() == pytest.approx(1 / slower)
    assert len(begun) == 4 * rounds
    bf16_speed_up.cache_clear()


def test_it_is_timed_once_a_process(monkeypatch):
    bf16_speed_up.cache_clear()
    first = bf16_speed_up()
    assert 0.001 < first < 100
    monkeypatch.setattr(precision.time, "process_time", lambda: pytest.fail("timed again"))
    assert bf16_speed_up() == first


def test_it_is_timed_with_one_thread_whatever_the_process_has(monkeypatch):
    """The time of a process is that of all its threads, and with two of them the choice wavered."""
    found, clock = list[int](), time.process_time

    def noted():
        found.append(torch.get_num_threads())
        return clock()

    monkeypatch.setattr(precision.time, "process_time", noted)
    bf16_speed_up.cache_clear()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        bf16_speed_up()
        assert set(found) == {1} and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
