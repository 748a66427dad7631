"""Fuzz the loaders for a while: `python tests/fuzz/run.py --seconds 600 [--targets csv,study] [--engine mutation]`.

Guided by coverage with atheris where that is installed (`pip install atheris`), else by blind mutation. Prints a
line a target, and writes every input that broke something to --findings, one for each place in the code; exits with 1 if
there was any. A finding that is mended becomes a file in regressions/, which the tests read.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))


class Watch:
    """Counts what happens, and keeps the first input for each place in the code that fails."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.runs = self.loaded = 0
        self.found: dict[str, str] = {}
        self.slowest = 0.0

    def __call__(self, content: bytes) -> None:
        import targets

        start = time.perf_counter()
        self.runs += 1
        try:
            self.loaded += not targets.run(targets.TARGETS[self.name], content)
        except (Exception, targets.Hang) as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f for f in frames if "transfergain" in f.filename] or frames
            place = f"{type(error).__name__} {Path(ours[-1].filename).name}:{ours[-1].lineno}"
            if place not in self.found:
                self.found[place] = str(error)[:300]
                self.folder.mkdir(parents=True, exist_ok=True)
                mark = hashlib.sha256(content).hexdigest()[:8]
                (self.folder / f"{self.name}-{mark}").write_bytes(content)
        self.slowest = max(self.slowest, time.perf_counter() - start)

    def report(self, engine: str, seconds: float) -> str:
        return json.dumps(
            {
                "target": self.name,
                "engine": engine,
                "seconds": round(seconds, 1),
                "runs": self.runs,
                "loaded": self.loaded,
                "slowest": round(self.slowest, 2),
                "found": self.found,
            }
        )


def with_atheris(name: str, seconds: float, watch: Watch) -> None:
    """libFuzzer's loop ends the process: the report is printed by the last run."""
    import atheris

    with atheris.instrument_imports(include=["transfergain"]):
        import targets

    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-"))
    for i, content in enumerate(targets.TARGETS[name].seeds):
        (folder / f"seed{i}").write_bytes(content)
    start = time.perf_counter()

    def mutate(data: bytes, size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.5:
            return atheris.Mutate(data, size)[:size]
        target = targets.TARGETS[name]
        return targets.mutated(rng.randbytes, targets.Target(target.load, (data,), target.words))[:size]

    def one(data: bytes) -> None:
        watch(data)
        if time.perf_counter() - start >= seconds:
            print(watch.report("atheris", time.perf_counter() - start), flush=True)
            shutil.rmtree(folder, ignore_errors=True)
            os._exit(bool(watch.found))

    arguments = [sys.argv[0], "-max_len=16384", "-timeout=60", "-rss_limit_mb=3000", "-verbosity=0", str(folder)]
    atheris.Setup(arguments, one, custom_mutator=mutate)
    atheris.Fuzz()


def with_mutation(name: str, seconds: float, watch: Watch) -> None:
    """Seeds with random changes, for where there is no atheris."""
    import targets

    start, rng = time.perf_counter(), random.Random(name)
    for content in targets.TARGETS[name].seeds:
        watch(content)
    while time.perf_counter() - start < seconds:
        watch(targets.mutated(rng.randbytes, targets.TARGETS[name]))
    print(watch.report("mutation", time.perf_counter() - start), flush=True)
    sys.exit(bool(watch.found))


ENGINES = {"atheris": with_atheris, "mutation": with_mutation}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600, help="for each target (default: 600)")
    parser.add_argument("--targets", help="names, with commas between (default: all)")
    parser.add_argument("--engine", choices=ENGINES, default="atheris" if find_spec("atheris") else "mutation")
    parser.add_argument(
        "--findings", type=Path, default=Path("fuzz-findings"), help="folder for inputs that break something"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        ENGINES[given.engine](given.one, given.seconds, Watch(given.one, given.findings))
    import targets

    names = given.targets.split(",") if given.targets else list(targets.TARGETS)
    broken = False
    for name in names:  # each in a process of its own: libFuzzer ends its own, and so does a crash
        options = ["--one", name, "--seconds", str(given.seconds), "--engine", given.engine, "--findings", given.findings]
        done = subprocess.run([sys.executable, __file__, *map(str, options)], capture_output=True, text=True, check=False)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        print(lines[-1] if lines else json.dumps({"target": name, "ended with": done.returncode}), flush=True)
        if not lines:
            print(done.stderr[-3000:], file=sys.stderr, flush=True)
        broken |= done.returncode != 0
    sys.exit(broken)


if __name__ == "__main__":
    main()
