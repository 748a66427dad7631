"""Check what this machine has for a study, and say what to mend: `transfergain doctor`."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from transfergain.checkpoint import PACKAGED, resolve
from transfergain.counts import counted
from transfergain.errors import UserError, install
from transfergain.version import __version__

NEEDED_PACKAGES = (
    "torch", "transformers", "tokenizers", "safetensors", "datasets", "peft", "scikit-learn", "scipy", "numpy", "pandas",
    "pyarrow", "sacrebleu", "plotly", "pydantic", "typer", "rich", "jinja2",
)  # fmt: skip
PACKAGES_OF_EXTRAS = {"ray": ("ray",), "mlflow": ("mlflow", "mlflow-skinny"), "translation": ("sentencepiece",)}
"""Extra of the package -> the packages that will do for it."""
LEAST_DISK_BYTES = 2e9
"""Free space that a study should find: for a checkpoint, the kept models and the store."""


class Level(StrEnum):
    """How a check came out."""

    OK = "ok"
    NOTE = "note"
    """A study runs without it."""
    PROBLEM = "problem"
    """No study runs until it is mended."""


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    status: Level
    found: str
    advice: str = ""
    """What to do; empty where there is nothing to do."""


def examine(timeout: float = 5.0) -> Iterator[Check]:
    """Make all checks, one by one; none waits for the network longer than `timeout` seconds."""
    with ThreadPoolExecutor(1) as aside:
        hub = aside.submit(_hub, timeout)  # answers, or does not, while torch is imported
        yield _versions()
        yield from _device()
        yield from _builtin_checkpoints()
        yield hub.result()
    yield _space("cache", _hub_cache(), "set HF_HOME to another disk")
    yield _space("output", Path.cwd(), "change to a folder of yours, or give --output-dir")
    yield from _extras()


def _versions() -> Check:
    """Look at what a study imports."""
    found = {package: _version(package) for package in NEEDED_PACKAGES}
    shown = {"transfergain": __version__, "python": platform.python_version()} | found
    words = " · ".join(f"{name} {version}" for name, version in shown.items() if version)
    if missing := [package for package, version in found.items() if version is None]:
        advice = f"missing: {', '.join(missing)}; in a clone of transfergain: pip install --force-reinstall ."
        return Check("versions", Level.PROBLEM, words, advice)
    return Check("versions", Level.OK, f"{words} · {platform.system()} {platform.machine()}")


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> Iterator[Check]:
    """Look at the device that trials would run on, and at the precision that they would use there."""
    try:
        from transfergain.engine.precision import pick_device

        device = pick_device("auto")
        yield Check("device", Level.OK, _describe(device))
        yield _precision(device)
    except Exception as error:  # a broken driver or build of torch shows as anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        yield Check("device", Level.PROBLEM, reason, "reinstall torch for this machine; see https://pytorch.org")


def _describe(device: Any) -> str:
    import torch

    if device.type != "cuda":
        return f"{device.type}, {counted(os.cpu_count() or 1, 'core')}"
    memory = torch.cuda.get_device_properties(device).total_memory
    return f"{torch.cuda.get_device_name(device)}, {memory / 1e9:.0f} GB ({torch.cuda.device_count()} visible)"


def _precision(device: Any) -> Check:
    """Say whether `--precision auto` takes bf16, and why: by the same measurement."""
    from transfergain.engine import precision

    taken = precision.pick_precision("auto", device)
    used = "used" if taken == "bf16" else "not used"
    if device.type == "cuda":
        words = "native on this GPU" if taken == "bf16" else "not native on this GPU"
    elif device.type != "cpu":
        words = f"not tried on {device.type}"
    elif precision.native_bf16() is False or (times := precision.bf16_speed_up()) < precision.EMULATED_BF16_SPEED_UP:
        words = "emulated here"
    else:
        return Check("precision", Level.OK, f"bf16 multiplies {times:.1f} times as fast as fp32: {used}")
    return Check("precision", Level.OK, f"bf16 is {words}: {used}")


def _builtin_checkpoints() -> Iterator[Check]:
    """Look at the packaged checkpoints: whether they are installed, and whole."""
    for name, entry in PACKAGED.items():
        if importlib.util.find_spec(entry.package) is None:
            yield Check(name, Level.NOTE, "not installed", install("demo"))
            continue
        try:
            resolve(name)
        except UserError as error:
            yield Check(name, Level.PROBLEM, "damaged", str(error))
        else:
            yield Check(name, Level.OK, f"sha256 {entry.content[:12]}... as published")


def _hub(timeout: float) -> Check:
    """Ask whether the Hub answers."""
    from huggingface_hub import constants, get_token

    token = "with a token" if get_token() else "without a token"
    if constants.HF_HUB_OFFLINE:
        return Check(
            "hub", Level.NOTE, "not asked: HF_HUB_OFFLINE is set", "unset it to fetch models that are not in the cache"
        )
    answer = _within(timeout, lambda: _ask(f"{constants.ENDPOINT}/api/models?limit=1", timeout))
    if answer is None:
        return Check("hub", Level.OK, f"{constants.ENDPOINT} answers ({token})")
    return Check(
        "hub",
        Level.NOTE,
        f"{constants.ENDPOINT} does not answer ({answer})",
        "local folders and builtin:minilm work without it; set HF_HUB_OFFLINE=1 to spare the waiting, or HTTPS_PROXY",
    )


def _ask(url: str, timeout: float) -> str | None:
    """Ask an address; None where it answers, else why not."""
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f"status {error.code}"
    except (OSError, ValueError) as error:
        return " ".join(str(getattr(error, "reason", error)).split())[:120]


def _within(timeout: float, ask: Callable[[], str | None]) -> str | None:
    """Wait for what `ask` answers, or say that it took too long, as looking a name up has no time limit of its own."""
    answers: list[str | None] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(timeout + 0.5)
    return answers[0] if answers else f"no answer in {timeout:g} s"


def _hub_cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _space(name: str, folder: Path, advice: str) -> Check:
    """Check whether a folder can be written and has room; where it is not there, the nearest one above it."""
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Check(name, Level.PROBLEM, f"{folder}: cannot be written", advice)
    free = shutil.disk_usage(there).free
    shown = f"{folder}: writable, {free / 1e9:,.1f} GB free"
    if free < LEAST_DISK_BYTES:
        return Check(name, Level.PROBLEM, shown, f"free at least {LEAST_DISK_BYTES / 1e9:.0f} GB, or {advice}")
    return Check(name, Level.OK, shown)


def _extras() -> Iterator[Check]:
    """Look which optional packages are there."""
    for extra, packages in PACKAGES_OF_EXTRAS.items():
        found = [f"{package} {version}" for package in packages if (version := _version(package))]
        advice = "" if found else install(extra)
        yield Check(extra, Level.OK if found else Level.NOTE, found[0] if found else "not installed", advice)
