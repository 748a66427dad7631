"""Pretraining against `Trainer` doing the same: masked tokens of packed sequences, one after the other in turns."""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

BATCH, LENGTH = 32, 128


def pretrain(options: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """CPU seconds a step, ours and `Trainer`'s, of the same model on the same text, in turns; the ratio of medians.

    Loading, tokenising and evaluation are left out of both. CPU seconds hold still where other programs run, too.
    """
    from transfergain.running.tryout import quiet_libraries

    torch.set_num_threads(options.threads)
    steps = options.steps
    with quiet_libraries():
        texts = _texts(options.train_file)
        engines: dict[str, Callable[[], float]] = {"ours": lambda: _ours(options.model, texts, steps)}
        for name in options.engines:
            engines[name] = lambda name=name: _trainers(options.model, texts, steps, bf16="bf16" in name)  # type: ignore[misc]
        single: dict[str, list[float]] = {name: [] for name in engines}
        for _ in range(options.seeds):
            for name, run in engines.items():
                single[name].append(run())
    ours = median(single["ours"])
    rows = [
        {
            "what": name,
            "cpu s a step": (step := median(spent)),
            "tokens a cpu s": BATCH * LENGTH / step,
            "times": step / ours,
        }
        for name, spent in single.items()
    ]
    return rows, single


def _texts(file: str | None) -> list[str]:
    """Read a text a line, or make some up."""
    if file:
        return [line.strip() for line in Path(file).read_text("utf-8").splitlines() if line.strip()]
    rng = random.Random(0)
    words = "the film was good and we saw it twice with friends who had read about places far from here".split()
    return [" ".join(rng.choice(words) for _ in range(rng.randint(8, 40))) for _ in range(4000)]


def _ours(model: str, texts: list[str], steps: int) -> float:
    """CPU seconds of a step of ours."""
    from transfergain import checkpoint as checkpoints
    from transfergain.data import unlabelled
    from transfergain.engine import pretraining

    corpus, marks = unlabelled.collect([texts]), list[float]()
    asked = pretraining.Asked(steps=steps + 1, batch_size=BATCH, max_length=LENGTH, device="cpu")

    def mark(step: int, *_: object) -> None:
        marks.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        pretraining.pretrain(checkpoints.resolve(model), corpus, asked, Path(folder, "model"), mark)
    return _usual(marks)


def _usual(marks: list[float]) -> float:
    """Seconds of a step: the median, so that the first steps and those after which held-out text is read have no say."""
    return median(later - sooner for sooner, later in itertools.pairwise(marks))


def _trainers(model: str, texts: list[str], steps: int, bf16: bool) -> float:
    """CPU seconds of a step of `Trainer` with its own collator on the packed texts."""
    import transformers as t

    from transfergain import checkpoint as checkpoints

    checkpoint = checkpoints.resolve(model)
    tokenizer = checkpoints.load_tokenizer(checkpoint)
    whole = [i for ids in tokenizer(texts)["input_ids"] for i in ids]
    blocks = [{"input_ids": whole[i : i + LENGTH]} for i in range(0, len(whole) - LENGTH, LENGTH)]
    marks = list[float]()

    class Mark(t.TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            marks.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        arguments = t.TrainingArguments(
            folder, max_steps=steps + 1, per_device_train_batch_size=BATCH, use_cpu=True, bf16=bf16, report_to=[],
            save_strategy="no", logging_strategy="no", disable_tqdm=True, learning_rate=1e-4,
        )  # fmt: skip
        t.Trainer(
            t.AutoModelForMaskedLM.from_pretrained(checkpoint.path),
            arguments,
            train_dataset=blocks,
            data_collator=t.DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15),
            callbacks=[Mark()],
        ).train()
    return _usual(marks)
