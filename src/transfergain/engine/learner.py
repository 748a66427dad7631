"""A model at work on a task: what it reads, how it trains, what it answers, how it adapts and is saved."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfergain.arms.adapt import METHODS
from transfergain.arms.base import Prepared
from transfergain.engine.fit import Fitted, fit
from transfergain.engine.kept import KEPT
from transfergain.engine.predict import Predicted, generate, predict
from transfergain.engine.shortcuts import frozen
from transfergain.engine.shortcuts.vocabulary import Vocabulary
from transfergain.metrics import calibration
from transfergain.tasks.base import Encoded, Task
from transfergain.tasks.scoring import evaluate, score
from transfergain.types import Evaluated, Example, Recipe

Rows = Sequence[Example]
HOW_LOADED = ("is_local", "local_files_only")
"""What `transformers` keeps with a tokenizer of where it came from: the same model is the same files, offline or not."""
Progress = Callable[[int, int, float | None], None]


@dataclass(frozen=True)
class Part:
    """Examples, and how the model reads them."""

    rows: Rows
    encoded: Encoded
    features: list[dict[str, Any]]
    """Of `encoded`, with the vocabulary's numbers."""


class Learner:
    """A prepared model with its task. `read` comes first, then `train`, then `settle`, then `evaluate`."""

    def __init__(self, prepared: Prepared, task: Task, tokenizer: Any, labels: Sequence[str], recipe: Recipe) -> None:
        model = prepared.model
        self.model, self.task, self.tokenizer, self.labels, self.recipe = model, task, tokenizer, labels, recipe
        self.rates = prepared.rates
        self.options = dict(recipe.options) | {"max_length": recipe.max_length}
        self.options["decoder_start_token_id"] = getattr(model.config, "decoder_start_token_id", None)
        self.arguments = task.generation(self.options, tokenizer) if task.generation else None
        self.vocabulary = Vocabulary(int(tokenizer.pad_token_id), self.arguments)
        self.parts: dict[str, Part] = {}
        self.setting: Any = None
        self.temperature: float | None = None
        self._module, self._position = model, ""
        self._frozen: dict[str, list[dict[str, Any]]] = {}
        self._first: tuple[str, Sequence[Any]] | None = None
        """The first part that was evaluated since training, and the outputs for it."""

    def read(self, learned: Mapping[str, Rows], sealed: Mapping[str, Rows], pools: Sequence[Rows], device: Any) -> None:
        """Encode the examples to learn from and the sealed ones, and move the model to the device.

        Where the model generates, the `pools` that all budgets draw from decide which tokens it can write, so that the
        softmax is the same at every point of a learning curve; references of sealed splits never do.
        """
        encoded = {name: self._encode(rows) for name, rows in {**learned, **sealed}.items()}
        if self.arguments:
            encoded |= {name: _without_labels(encoded[name]) for name in sealed}
        if self.recipe.vocabulary == "seen":
            seen = [*encoded.values(), *(self._encode(rows) for rows in pools if self.arguments and rows)]
            features = [feature for part in seen for feature in part.features]
            pad, specials = self.vocabulary.pad_token_id, self.tokenizer.all_special_ids
            self.vocabulary = Vocabulary.shrink(self.model, features, specials, pad, self.arguments)
        self.model.to(device)
        rows = {**learned, **sealed}
        self.parts = {n: Part(rows[n], e, self.vocabulary.features(e.features)) for n, e in encoded.items()}

    def train(self, train: str, dev: str, recipe: Recipe, replicate: int, progress: Progress, rung: float = 1.0) -> Fitted:
        """Train on one part what requires gradients, choosing by another; leaves the model with its best weights.

        A `rung` below 1 ends the run at that share of its step cap.
        """
        self._module, self._position, self._frozen, self._first = self.model, "", {}, None
        fields, pad = self.task.outputs, self.vocabulary.pad_token_id
        if frozen.only_head_trains(self.model):
            found = frozen.head_only(self.model, self.parts[train].features, pad, fields)
            self._module, self._position = found or (self.model, "")

        def dev_score(predicted: Predicted) -> float:
            outputs = self._outputs(dev, beams=1) if self.arguments else predicted.outputs
            return score(
                self.task, self._answer(dev, outputs, self._calibrated(dev, outputs)), self.parts[dev].rows, self.labels
            )

        since = time.perf_counter()
        features = self._features(train)
        before = (0, 0.0)
        if self._position:
            before = (frozen.base_flops(self.model, self.parts[train].features, pad), time.perf_counter() - since)
        both = (features, self._features(dev))
        stop_at = recipe.steps_to(rung, len(both[0])) if rung < 1 else None
        return fit(self._module, *both, recipe, replicate, pad, dev_score, progress, fields, stop_at, self.rates, before)

    def settle(self, dev: str) -> None:
        """Fit on dev what answers depend on beside the weights: the task's own setting, and the temperature."""
        if not self.task.calibrate and not self.task.probabilities:
            return
        outputs, part = self._outputs(dev, beams=1), self.parts[dev]
        self.setting = self._calibrated(dev, outputs)
        if self.task.probabilities:
            self.temperature = calibration.fit_temperature(*self.task.probabilities(outputs, part.encoded, part.rows))

    def evaluate(self, name: str) -> Evaluated:
        """Predictions for a part and what became of them."""
        part, columns = self.parts[name], None
        first = self._first or (name, self._outputs(name, int(self.options.get("num_beams", 1))))
        self._first, outputs = first, first[1]
        if not self.same(name, first[0]):  # a corruption that the tokenizer undoes is not read again
            outputs = self._outputs(name, int(self.options.get("num_beams", 1)))
        if self.task.probabilities and self.temperature is not None:
            logits, targets = self.task.probabilities(outputs, part.encoded, part.rows)
            columns = calibration.columns(logits, targets, self.temperature)
        return evaluate(self.task, self._answer(name, outputs, self.setting), part.rows, self.labels, columns)

    def same(self, name: str, other: str) -> bool:
        """Whether the model reads the same tokens in two parts."""
        return self.parts[name].features == self.parts[other].features

    def adapted(self, method: str, replicate: int) -> Learner:
        """A copy that will adapt what this one has learned by a method of `arms.adapt`, and is not to be saved.

        Raises Declined where the method does not apply.
        """
        other = copy.copy(self)
        other.rates = {}  # nothing is new any more
        other.model = METHODS[method].prepare(copy.deepcopy(self.model), replicate)
        return other

    @property
    def frozen_features(self) -> bool:
        """Whether the frozen part was run once and its output stored."""
        return bool(self._position)

    def tokens_kept(self) -> int | str:
        """The size of the vocabulary in training, or why it was whole."""
        return len(self.vocabulary.kept) or self.vocabulary.why_whole

    def save(self, finish: Callable[[Any], Any], folder: Path | None) -> None:
        """Give the model its whole vocabulary back, `finish` it, and save it with its tokenizer, if there is a folder."""
        self.vocabulary.restore()
        if folder is None:
            return
        whole = finish(self.model)
        for name, value in (self.arguments or {}).items():  # so that it answers as it did here
            setattr(whole.generation_config, name, value)
        if self.arguments:
            whole.generation_config.max_length = None  # max_new_tokens says it
        whole.save_pretrained(folder)
        for name in HOW_LOADED:
            self.tokenizer.init_kwargs.pop(name, None)
        self.tokenizer.save_pretrained(folder)

    def _encode(self, rows: Rows) -> Encoded:
        key = ("encoded", self.task.name, id(self.tokenizer), repr(sorted(self.options.items())), tuple(map(id, rows)))
        return KEPT.get(key, lambda: self.task.encode(rows, self.tokenizer, self.options), self.tokenizer, rows)

    def _features(self, name: str) -> list[dict[str, Any]]:
        """What the training module reads: the features, or the frozen part's output for them."""
        if not self._position:
            return self.parts[name].features
        if name not in self._frozen:
            pad, precision = self.vocabulary.pad_token_id, self.recipe.precision
            self._frozen[name] = frozen.run_base(self.model, self.parts[name].features, pad, self._position, precision)
        return self._frozen[name]

    def _outputs(self, name: str, beams: int) -> Sequence[Any]:
        features, pad, precision = self._features(name), self.vocabulary.pad_token_id, self.recipe.precision
        if self.vocabulary.generation is None:
            return predict(self._module, features, pad, precision, self.task.outputs).outputs
        ids = generate(self._module, features, pad, precision, self.vocabulary.generation | {"num_beams": beams})
        return [self.vocabulary.widen(row) for row in ids]

    def _answer(self, name: str, outputs: Sequence[Any], setting: Any) -> list[Any]:
        part = self.parts[name]
        return self.task.decode(outputs, part.encoded, part.rows, setting, self.tokenizer)

    def _calibrated(self, dev: str, outputs: Sequence[Any]) -> Any:
        part = self.parts[dev]
        return self.task.calibrate(outputs, part.encoded, part.rows) if self.task.calibrate else None


def _without_labels(encoded: Encoded) -> Encoded:
    return Encoded([{k: v for k, v in f.items() if k != "labels"} for f in encoded.features], encoded.windows)
