"""Peak memory of a probe and of a ranking by number of texts: `python -m benchmarks.frozen_memory`.

The features are made up, as many and as wide as those of the checkpoint: how they are kept and read is measured, and not
the encoder, whose memory is the same for any number of texts. Each measurement is a process of its own; it says how much
more of its own memory (RssAnon) and with files that are mapped (VmRSS) it held than before.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from transfergain.data import prepare
from transfergain.study import Study
from transfergain.tasks import TASKS

WHAT = ("rank", "probe")
TAGS = ("O", "O", "O", "O", "B-PER", "B-LOC")


def write(folder: Path, name: str, task: str, count: int) -> str:
    """Write made-up texts of 6 to 18 words with random labels."""
    rng = random.Random(name)
    texts = [["".join(rng.choices("aeioubcdlmnprst", k=4)) for _ in range(rng.randint(6, 18))] for _ in range(count)]
    if task == "ner":
        lines = ["".join(f"{word} {rng.choice(TAGS)}\n" for word in text) for text in texts]
    else:
        lines = ["text,label", *(f"{' '.join(text)},{rng.choice(('good', 'bad'))}" for text in texts)]
    file = folder / f"{name}.{'conll' if task == 'ner' else 'csv'}"
    file.write_text("\n".join([*lines, ""]), "utf-8")
    return str(file)


def made_up(encoder: Any, features: Sequence[Any], views: Sequence[Any], *_: Any) -> Iterator[tuple[int, Any]]:
    """Stand in for `features.compute`: noise that tells the classes apart a little."""
    from transfergain.engine.features import of_tokens, tokens_read

    noise = np.random.default_rng(0).normal(size=(4096, encoder.config.hidden_size)).astype(np.float32)
    for i in sorted(range(len(features)), key=lambda i: len(features[i]["input_ids"])):
        labels = (
            [features[i]["labels"][j] for j in tokens_read(features[i])] if of_tokens(views) else [features[i]["labels"]]
        )
        places = 7919 * i + 31 * np.arange(len(labels))[:, None] + 5 * np.arange(len(views))
        array = noise[places % len(noise)]
        array[np.arange(len(labels)), :, labels] += 2
        yield i, array.astype(np.float16 if of_tokens(views) else np.float32)


def held() -> dict[str, float]:
    """Read what the process holds, in MB."""
    status = Path("/proc/self/status").read_text("ascii")
    return {key: int(re.search(rf"{key}:\s+(\d+)", status)[1]) / 1024 for key in ("RssAnon", "VmRSS")}  # type: ignore[index]


def measure(what: str, task: str, count: int, model: str) -> dict[str, Any]:
    """Run one ranking of `count` texts, or one probe that learns from as many and is tested on as many."""
    from transfergain import checkpoint as checkpoints
    from transfergain.engine import features, ranking
    from transfergain.running.planner import Planner, StudyCell
    from transfergain.trial import Bench, run_trial

    with tempfile.TemporaryDirectory() as folder, patch.object(features, "compute", made_up):
        train, test = write(Path(folder), "train", task, count), write(Path(folder), "test", task, count)
        study = Study(task=task, model=model, train_file=train, test_file=test, max_length=64)
        whole, checkpoint = prepare.load(study.entries()[0].source(), TASKS[task]), checkpoints.resolve(model)

        def run(data: Any) -> None:
            entry, planner = study.entries()[0], Planner(study, {data.name: data}, checkpoint.revision, "fp32")
            if what == "rank":
                ranking.measure(
                    checkpoint, data, ranking.Asked(entry.tokens(), tuple(entry.encoding()), "cpu", 1, count, 5, 2**40)
                )
                return
            cell = StudyCell(data, "probe", max(planner.budgets[data.name]))
            (spec,) = planner.reporting(cell, planner.recipe(data, 0.0), 1)
            with tempfile.TemporaryDirectory() as kept:
                outcome = run_trial(spec, Bench({data.name: data}, checkpoint, "cpu", 1, features=Path(kept)))
            assert not outcome.error, outcome.error

        run(replace(whole, train=whole.train[:300], dev=whole.dev[:80], test=whole.test[:100]))  # imports, and torch's own
        before, done = held(), threading.Event()
        most = dict(before)

        def watch() -> None:
            while not done.is_set():
                most.update({key: max(most[key], value) for key, value in held().items()})
                time.sleep(0.005)

        watching = threading.Thread(target=watch)
        watching.start()
        run(whole)
        done.set()
        watching.join()
    more = {f"{key} +MB": round(most[key] - before[key]) for key in before}
    return {"what": what, "task": task, "texts": count, **more}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="builtin:minilm")
    parser.add_argument("--tasks", default="sentiment,ner")
    parser.add_argument("--texts", default="500,2000,8000")
    parser.add_argument("--one", choices=WHAT, help="one measurement, in this process")
    options = parser.parse_args()
    for task in options.tasks.split(","):
        for count in options.texts.split(","):
            if options.one:
                print(json.dumps(measure(options.one, task, int(count), options.model)))
                continue
            for what in WHAT:
                flags = ["--one", what, "--tasks", task, "--texts", count, "--model", options.model]
                command = [sys.executable, "-m", "benchmarks.frozen_memory", *flags]
                print(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip(), flush=True)


if __name__ == "__main__":
    main()
