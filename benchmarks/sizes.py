"""Peak memory and time of loading and preparing large data: `python benchmarks/sizes.py [--rows 1000000] [--only csv]`.

Writes each file into a temporary folder, loads it in a process of its own as `transfergain run` does before training, and
removes it. Prints a line a file.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def texts(count: int, words: int):
    """Texts of so many words; 30,000 different ones, as frequent as in language."""
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"w{i:x}" for i in range(30_000)])
    for start in range(0, count, 10_000):
        ids = np.minimum(rng.zipf(1.2, size=(min(10_000, count - start), words)) - 1, 29_999)
        for offset, row in enumerate(vocabulary[ids]):
            yield f"{start + offset} {' '.join(row)}"


def write_csv(path: Path, count: int, words: int, classes: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("text,label\n")
        file.writelines(f"{text},class {i % classes}\n" for i, text in enumerate(texts(count, words)))


def write_jsonl(path: Path, count: int, words: int, classes: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        for i, text in enumerate(texts(count, words)):
            file.write(json.dumps({"text": text, "label": i % classes}) + "\n")


def write_long(path: Path, count: int, words: int, classes: int) -> None:
    write_csv(path, count, words, classes)
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{'long ' * 20_000},class 1\n")


FILES = {
    "csv": ("1 M examples of 250 words, 4 classes", "big.csv", write_csv, 1.0, 250, 4),
    "jsonl": ("1 M examples of 20 words, 4 classes", "many.jsonl", write_jsonl, 1.0, 20, 4),
    "classes": ("100 k examples of 20 words, 10,000 classes", "classes.csv", write_csv, 0.1, 20, 10_000),
    "long": ("1 k examples and a line of 100 k characters", "long.csv", write_long, 0.001, 20, 4),
}


def load(path: str) -> None:
    from transfergain.data import prepare
    from transfergain.tasks import TASKS

    def mb() -> float:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    begin, start = mb(), time.process_time()
    data = prepare.load(prepare.DataSource(train_file=path), TASKS["classification"])
    print(f"{time.process_time() - start:.0f} s of processor, {mb():,.0f} MB at most ({begin:,.0f} MB before)", end=" · ")
    print(f"train {len(data.train):,} dev {len(data.dev):,} test {len(data.test):,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default=",".join(FILES))
    parser.add_argument("--load", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.load:
        load(given.load)
        return
    for name in given.only.split(","):
        what, file, write, share, words, classes = FILES[name]
        with tempfile.TemporaryDirectory(prefix="sizes-") as folder:
            path = Path(folder) / file
            write(path, int(given.rows * share), words, classes)
            size = path.stat().st_size / 2**20
            done = subprocess.run(
                [sys.executable, __file__, "--load", str(path)], capture_output=True, text=True, check=False
            )
            print(f"{what} · file {size:,.0f} MB · {(done.stdout or done.stderr).strip()[-300:]}", flush=True)


if __name__ == "__main__":
    main()
