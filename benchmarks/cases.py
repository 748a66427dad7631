"""One training of a task on the built-in data (or a file), ready for either engine."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import transformers

from transfergain import checkpoint as checkpoints
from transfergain.arms import ARMS
from transfergain.arms.base import Blueprint
from transfergain.data import prepare
from transfergain.data.draws import draw
from transfergain.engine.fit import fit
from transfergain.engine.precision import pick_precision
from transfergain.engine.predict import predict
from transfergain.engine.shortcuts import ALL_SHORTCUTS, Shortcuts
from transfergain.engine.training import Training
from transfergain.outcome import DevScore
from transfergain.study import Study
from transfergain.tasks import TASKS
from transfergain.tasks.scoring import score
from transfergain.types import Recipe

TRANSLATION = {"source_lang": "fr", "target_lang": "en", "lowercase": True, "max_target_length": 24}
LENGTHS = {"sentiment": 64, "ner": 64, "qa": 256, "translation": 32}
PLAIN = Shortcuts(few_tokens=False, attention=False, dropout=False)
"""The engine without shortcuts, but for bf16 weights: which precision is compared is said beside it."""


@dataclass
class Case:
    """A task's training: `model()` is fresh each time, the same for the same seed."""

    task: Any
    checkpoint: Any
    tokenizer: Any
    data: Any
    drawn: Any
    encoded: dict[str, Any]
    recipe: Recipe
    options: dict[str, Any]
    arguments: Any
    dropout: bool = True

    @classmethod
    def load(cls, name: str, steps: int, budget: int, train_file: str | None = None, batch: int = 16, seed: int = 0) -> Case:
        keys: dict[str, Any] = {"train_file": train_file} if train_file else {"dataset_name": f"builtin:{name}"}
        keys |= TRANSLATION if name == "translation" else {}
        entry = Study(task=name, max_length=LENGTHS[name], **keys).entries()[0]
        task, checkpoint = TASKS[name], checkpoints.resolve("builtin:minilm")
        tokenizer = checkpoints.load_tokenizer(checkpoint)
        data = prepare.load(entry.source(), task)
        drawn = draw(data, min(budget, len(data.train) + len(data.dev)), seed, task.stratum)
        config = checkpoints.load_config(checkpoint, tokenizer, data.labels, generates=task.generates)
        options = dict(entry.encoding()) | {"max_length": entry.tokens()}
        options["decoder_start_token_id"] = getattr(config, "decoder_start_token_id", None)
        encoded = {n: task.encode(rows, tokenizer, options) for n, rows in drawn._asdict().items()}
        recipe = Recipe(1e-4, batch_size=batch, epochs=1, min_steps=steps, max_length=entry.tokens())
        recipe = replace(recipe, epochs=max(1, steps * batch // max(1, len(encoded["train"].features))))
        arguments = task.generation(options, tokenizer) if task.generation else None
        return cls(task, checkpoint, tokenizer, data, drawn, encoded, recipe, options, arguments)

    @property
    def steps(self) -> int:
        return self.recipe.max_steps(len(self.encoded["train"].features))

    def model(self, seed: int, arm: str = "full") -> Any:
        config = checkpoints.load_config(self.checkpoint, self.tokenizer, self.data.labels, generates=self.task.generates)
        model = ARMS[arm].build(Blueprint(self.checkpoint, self.task.auto_class, config, seed)).model
        for module in () if self.dropout else model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        return model

    def dev(self, model: Any) -> float:
        """The dev score of a trained model; for translation, where that takes generating, minus the loss of a token."""
        return self._score(model, self.encoded["dev"], self.drawn.dev)

    def test(self, model: Any) -> float:
        """The score on the whole test set: many times as many examples as dev has, so much less noise."""
        return self._score(model, self.encode(self.data.test), self.data.test)

    def encode(self, examples: Any) -> Any:
        """What the task's model reads of these examples."""
        return self.task.encode(examples, self.tokenizer, self.options)

    def _score(self, model: Any, encoded: Any, examples: Any) -> float:
        def answer(features: Any) -> Any:
            return predict(model, features, self.tokenizer.pad_token_id, "fp32", self.task.outputs)

        predicted, setting, dev = answer(encoded.features), None, self.encoded["dev"]
        if self.arguments is not None:
            return float(-predicted.loss)
        if self.task.calibrate:
            on_dev = predicted if encoded is dev else answer(dev.features)
            setting = self.task.calibrate(on_dev.outputs, dev, self.drawn.dev)
        answers = self.task.decode(predicted.outputs, encoded, examples, setting, self.tokenizer)
        return score(self.task, answers, examples, self.data.labels).score


class Cost(NamedTuple):
    """Seconds by the clock, and of the processor: on a busy machine only the second can be compared."""

    wall: float
    cpu: float


def _since(start: Cost) -> Cost:
    return Cost(time.perf_counter() - start.wall, time.process_time() - start.cpu)


def _now() -> Cost:
    return Cost(time.perf_counter(), time.process_time())


def auto_precision() -> str:
    """What `--precision auto` picks on this processor."""
    return pick_precision("auto", torch.device("cpu"))


def ours(
    case: Case,
    seed: int,
    precision: str,
    shortcuts: Shortcuts = ALL_SHORTCUTS,
    judge: Callable[[Case, Any], float] = Case.dev,
    compiles: bool = False,
) -> tuple[Cost, float, Any]:
    """(cost, score by `judge`, what `fit` says) of this engine, from encoded features to trained weights."""
    model = case.model(seed)
    if compiles:
        model.compile(dynamic=True)
    recipe = replace(case.recipe, precision=precision)
    start = _now()
    pad, outputs = int(case.tokenizer.pad_token_id), case.task.outputs if case.arguments is None else ()
    seen = [f for part in case.encoded.values() for f in part.features]
    vocabulary = shortcuts.vocabulary(model, seen, case.tokenizer.all_special_ids, pad, case.arguments)
    train, dev = (vocabulary.features(case.encoded[name].features) for name in ("train", "dev"))
    training = Training(train, dev, recipe, seed, vocabulary.pad_token_id, outputs, stop_at=case.steps)
    # As `Trainer` does, the last weights are kept: the step stands in for the score.
    count = iter(range(10**9))
    fitted = fit(model, training, lambda _: DevScore(next(count)), shortcuts=shortcuts)
    vocabulary.restore()
    cost = _since(start)
    return cost, judge(case, model), fitted


def trainer(
    case: Case, seed: int, bf16: bool, steps: int | None = None, arm: str = "full", predicted: Sequence[Any] = ()
) -> tuple[Cost, float]:
    """(cost, dev score) of transformers' `Trainer` on the same features, padded by batch, from the same weights.

    The cost includes answering the `predicted` features.
    """
    import tempfile

    t, model, tokenizer = transformers, case.model(seed, arm), case.tokenizer
    collators = {
        "ner": lambda: t.DataCollatorForTokenClassification(tokenizer),
        "translation": lambda: t.DataCollatorForSeq2Seq(tokenizer),
    }
    collator: Any = collators.get(case.task.name, lambda: t.DataCollatorWithPadding(tokenizer))()
    steps = steps or case.steps
    with tempfile.TemporaryDirectory() as folder:
        arguments = t.TrainingArguments(
            folder, max_steps=steps, per_device_train_batch_size=case.recipe.batch_size, per_device_eval_batch_size=64,
            learning_rate=case.recipe.learning_rate, warmup_steps=max(1, steps // 10), weight_decay=0.01, bf16=bf16,
            eval_strategy="steps", eval_steps=max(1, steps // 4), save_strategy="no", report_to=[], disable_tqdm=True,
            seed=seed, use_cpu=True, logging_strategy="no", prediction_loss_only=True,
        )  # fmt: skip
        train, dev = (list(case.encoded[name].features) for name in ("train", "dev"))
        runner = t.Trainer(model=model, args=arguments, train_dataset=train, eval_dataset=dev, data_collator=collator)
        with contextlib.redirect_stdout(None):
            start = _now()
            runner.train()
            if predicted:
                runner.predict(list(predicted))  # type: ignore[arg-type]
            cost = _since(start)
    return cost, case.dev(model)


def quiet(threads: int) -> None:
    """Set the CPU threads, and silence the libraries."""
    import warnings

    warnings.filterwarnings("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(threads)
