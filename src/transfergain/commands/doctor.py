"""`transfergain doctor`: what this machine has for a study, measured, and what to mend."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from transfergain.checkpoint import PACKAGED, resolve
from transfergain.errors import UserError

NEEDED = ("torch", "transformers", "tokenizers", "safetensors", "datasets", "peft", "scikit-learn", "scipy", "numpy",
          "pandas", "pyarrow", "sacrebleu", "plotly", "pydantic", "typer", "rich", "jinja2")  # fmt: skip
EXTRAS = {"ray": ("ray",), "mlflow": ("mlflow", "mlflow-skinny"), "translation": ("sentencepiece",)}
"""Extra of the package -> the packages that will do for it."""
LEAST_DISK = 2e9
"""Bytes free that a study should find: a checkpoint, the kept models and the store."""
SIZE, REPEATS = 1024, 4
"""Of the square matrices multiplied to compare precisions, and how often."""


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    status: str
    """`ok`; `note`: a study runs without it; `problem`: none runs until it is mended."""
    found: str
    advice: str = ""
    """What to do; empty where there is nothing to do."""


def examine(timeout: float = 5.0) -> Iterator[Check]:
    """All checks, as they are made; none waits for the network longer than `timeout` seconds."""
    yield _versions()
    yield from _device()
    yield from _builtin()
    yield _hub(timeout)
    yield _space("cache", Path(_hub_cache()), "set HF_HOME to another disk")
    yield _space("output", Path.cwd(), "change to a folder of yours, or give --output-dir")
    yield from _extras()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _versions() -> Check:
    from transfergain.version import __version__

    found = {package: _version(package) for package in NEEDED}
    missing = [package for package, version in found.items() if version is None]
    shown = {"transfergain": __version__, "python": platform.python_version()} | found
    words = " · ".join(f"{name} {version}" for name, version in shown.items() if version)
    if missing:
        return Check(
            "versions", "problem", words, f"missing: {', '.join(missing)}; pip install --force-reinstall transfergain"
        )
    return Check("versions", "ok", f"{words} · {platform.system()} {platform.machine()}")


def _device() -> Iterator[Check]:
    try:
        import torch

        from transfergain.engine.precision import pick_device, pick_precision

        device = pick_device("auto")
        if device.type == "cuda":
            memory = torch.cuda.get_device_properties(device).total_memory
            shown = f"{torch.cuda.get_device_name(device)}, {memory / 1e9:.0f} GB ({torch.cuda.device_count()} visible)"
        else:
            shown = f"{device.type}, {os.cpu_count()} cores"
        yield Check("device", "ok", shown)
        wanted = pick_precision("auto", device)
        fp32, bf16 = (_multiplications(device, kind) for kind in (torch.float32, torch.bfloat16))
    except Exception as error:  # a broken driver or build of torch shows as anything
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
        yield Check("device", "problem", reason, "reinstall torch for this machine; see https://pytorch.org")
        return
    ratio = bf16 / fp32
    measured = f"{bf16 / 1e9:,.0f} GFLOP/s in bf16, {fp32 / 1e9:,.0f} in fp32 ({ratio:.1f} times); auto takes {wanted}"
    odd = (wanted == "bf16") != (ratio > 1)
    better = "fp32" if wanted == "bf16" else "bf16"
    advice = f"{better} was the faster in this short test; on a busy machine run it again, else give --precision {better}"
    yield Check("precision", "note" if odd else "ok", measured, advice if odd else "")


def _multiplications(device: Any, kind: Any) -> float:
    """Floating-point operations a second of square matrix products, the fastest of a few."""
    import torch

    a = torch.randn(SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(device=device, dtype=kind)
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        float((a @ a)[0, 0])  # reading a number waits for the device
        best = min(best, time.perf_counter() - start)
    return 2 * SIZE**3 / best


def _builtin() -> Iterator[Check]:
    for name, entry in PACKAGED.items():
        if importlib.util.find_spec(entry.package) is None:
            yield Check(name, "note", "not installed", 'pip install "transfergain[demo]"')
            continue
        try:
            resolve(name)
        except UserError as error:
            yield Check(name, "problem", "damaged", str(error))
        else:
            yield Check(name, "ok", f"sha256 {entry.weights_sha256[:12]}... as published")


def _hub(timeout: float) -> Check:
    from huggingface_hub import constants, get_token

    token = "with a token" if get_token() else "without a token"
    if constants.HF_HUB_OFFLINE:
        return Check("hub", "note", "not asked: HF_HUB_OFFLINE is set", "unset it to fetch models that are not in the cache")
    answer = _within(timeout, lambda: _ask(f"{constants.ENDPOINT}/api/models?limit=1", timeout))
    if answer is None:
        return Check("hub", "ok", f"{constants.ENDPOINT} answers ({token})")
    return Check(
        "hub",
        "note",
        f"{constants.ENDPOINT} does not answer ({answer})",
        "local folders and builtin:minilm work without it; set HF_HUB_OFFLINE=1 to spare the waiting, or HTTPS_PROXY",
    )


def _ask(url: str, timeout: float) -> str | None:
    """None where the address answers, else why not."""
    try:
        with urllib.request.urlopen(url, timeout=timeout):
            return None
    except urllib.error.HTTPError as error:
        return None if error.code < 500 else f"status {error.code}"
    except (OSError, ValueError) as error:
        return " ".join(str(getattr(error, "reason", error)).split())[:120]


def _within(timeout: float, ask: Callable[[], str | None]) -> str | None:
    """What `ask` answers, or that it took too long: looking a name up knows no time limit."""
    answers: list[str | None] = []
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(timeout + 0.5)
    return answers[0] if answers else f"no answer in {timeout:g} s"


def _hub_cache() -> str:
    from huggingface_hub import constants

    return str(constants.HF_HUB_CACHE)


def _space(name: str, folder: Path, advice: str) -> Check:
    """Whether a folder, or the nearest one above it that is there, can be written and has room."""
    there = next((parent for parent in (folder, *folder.parents) if parent.exists()), folder)
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Check(name, "problem", f"{folder}: cannot be written", advice)
    free = shutil.disk_usage(there).free
    shown = f"{folder}: writable, {free / 1e9:,.1f} GB free"
    if free < LEAST_DISK:
        return Check(name, "problem", shown, f"free at least {LEAST_DISK / 1e9:.0f} GB, or {advice}")
    return Check(name, "ok", shown)


def _extras() -> Iterator[Check]:
    for extra, packages in EXTRAS.items():
        found = [f"{package} {version}" for package in packages if (version := _version(package))]
        advice = "" if found else f'pip install "transfergain[{extra}]"'
        yield Check(extra, "ok" if found else "note", found[0] if found else "not installed", advice)
