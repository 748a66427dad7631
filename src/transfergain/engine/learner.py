"""A model at work on a task, step by step: `make_learner`, then `Learner.train`, then `Trained.outcome`.

Each step is a value that carries what the next one needs. Only the model's weights change: they are those of the last step.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transfergain.arms.adapt import METHODS
from transfergain.arms.base import Prepared
from transfergain.engine.answering import Answering
from transfergain.engine.fit import Progress, fit, silent
from transfergain.engine.material import Material, PartName
from transfergain.engine.predict import Predicted, generate, predict
from transfergain.engine.reading import Part, Reader
from transfergain.engine.saves import NO_SAVES, Saves
from transfergain.engine.shortcuts import ALL_SHORTCUTS, FrozenBase, Shortcuts, Vocabulary
from transfergain.engine.training import Fitted, Training
from transfergain.outcome import DevScore, Outcome
from transfergain.split import Split
from transfergain.types import Recipe, Status


def make_learner(
    prepared: Prepared, reader: Reader, material: Material, device: Any, shortcuts: Shortcuts = ALL_SHORTCUTS
) -> Learner:
    """Encode all examples, leave tokens out that do not occur, and move the model to the device.

    Where the model generates, the pools that all budgets draw from decide which tokens it can write, so that the softmax
    is the same at every point of a learning curve; references of sealed splits never do.
    """
    encoded, generation = reader.encode_all(material), reader.generation
    pad = int(reader.tokenizer.pad_token_id)
    vocabulary = Vocabulary(pad, generation)
    if reader.recipe.vocabulary == "seen":
        pools = [rows for rows in material.pools if rows.examples and generation is not None]
        seen = [*encoded.values(), *map(reader.encode, pools)]
        features = [feature for part in seen for feature in part.features]
        always = reader.tokenizer.all_special_ids
        vocabulary = shortcuts.vocabulary(prepared.model, features, always, pad, generation)
    prepared.model.to(device)
    rows = material.parts()
    parts = {name: Part(rows[name].examples, e, vocabulary.features(e.features)) for name, e in encoded.items()}
    return Learner(prepared.model, prepared.rates, reader, vocabulary, parts, shortcuts)


@dataclass(frozen=True)
class Learner:
    """A model with its task and all that it reads, ready to train."""

    model: Any
    rates: Mapping[str, float]
    """Of `Prepared`."""
    reader: Reader
    vocabulary: Vocabulary
    parts: Mapping[PartName, Part]
    shortcuts: Shortcuts

    @property
    def trained_parameters(self) -> int:
        """How many parameters train."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    @property
    def tokens_kept(self) -> int | str:
        """The size of the vocabulary in training, or why it is whole."""
        return len(self.vocabulary.kept) or self.vocabulary.why_whole

    @property
    def reading_cost(self) -> int:
        """What reading a dev example costs, in forward passes of training examples.

        A token that is generated is taken for a quarter of a pass: an assumption, not studied.
        """
        return max(1, int((self.reader.generation or {}).get("max_new_tokens", 0)) // 4)

    def train(
        self,
        train: str,
        dev: str,
        replicate: int,
        stop_at: int | None = None,
        progress: Progress = silent,
        saves: Saves = NO_SAVES,
    ) -> Trained:
        """Train on one part what requires gradients, choosing by another; leaves the model with the weights kept.

        A run ends at the step `stop_at` if it has not before.
        """
        recipe, features, held_out = self.reader.recipe, self.parts[train].features, self.parts[dev]
        training = Training(
            features, held_out.features, recipe, replicate, self.vocabulary.pad_token_id, self.reader.task.outputs,
            self.rates, stop_at, self.reading_cost,
        )  # fmt: skip
        base = self.shortcuts.frozen_base(self.model, training)
        if base:
            training = base.stored(training)
            held_out = replace(held_out, features=training.dev)
        module = base.head if base else self.model

        def dev_score(predicted: Predicted) -> DevScore:
            outputs = predicted.outputs if self.reader.generation is None else self.outputs(module, held_out, beams=1)
            return self.reader.score(held_out, outputs)

        fitted = fit(module, training, dev_score, progress, self.shortcuts, saves)
        return Trained(self, fitted, module, base, held_out)

    def outputs(self, module: Any, part: Part, beams: int) -> Sequence[Any]:
        """Run a module on a part: what `Task.decode` takes, a feature each."""
        pad, precision, generation = self.vocabulary.pad_token_id, self.reader.recipe.precision, self.vocabulary.generation
        if generation is None:
            return predict(module, part.features, pad, precision, self.reader.task.outputs).outputs
        ids = generate(module, part.features, pad, precision, generation | {"num_beams": beams})
        return [self.vocabulary.widen(row) for row in ids]


@dataclass(frozen=True)
class Trained(Answering):
    """A model with the weights that its training kept."""

    learner: Learner
    fitted: Fitted
    module: Any
    """What was trained: the model, or the head alone."""
    base: FrozenBase | None
    """What the head reads the stored output of."""
    dev: Part

    @property
    def reader(self) -> Reader:
        """How it reads and answers."""
        return self.learner.reader

    @property
    def parts(self) -> Mapping[PartName, Part]:
        """What it reads."""
        return self.learner.parts

    def outcome(self, splits: Sequence[Split]) -> Outcome:
        """Evaluate sealed splits, and say how the training went."""
        fitted, answers = self.fitted, self.answer(splits)
        details = replace(
            answers.details,
            steps=fitted.steps,
            best_step=fitted.best_step,
            max_steps=fitted.max_steps,
            diverged=fitted.diverged,
            flops=fitted.flops,
            train_seconds=fitted.train_seconds,
            micro_batch=fitted.micro_batch,
            checkpointing=fitted.checkpointing,
            frozen_features=self.base is not None,
            tokens_kept=self.learner.tokens_kept,
        )
        return Outcome(
            Status.DONE,
            dev_score=fitted.dev_score,
            curve=fitted.curve,
            converged=fitted.converged,
            evaluated=answers.evaluated,
            details=details,
        )

    def adapted(self, method: str, recipe: Recipe, replicate: int) -> Learner:
        """Copy the model to adapt what it has learned, by a method of `arms.adapt`; this one is left alone.

        Raises Declined where the method does not apply.
        """
        model = METHODS[method].prepare(copy.deepcopy(self.learner.model), replicate)
        reader = replace(self.learner.reader, recipe=recipe)
        return replace(self.learner, model=model, rates={}, reader=reader)  # nothing is new any more, so one rate for all

    def save(self, finish: Callable[[Any], Any], folder: Path) -> None:
        """Give the model its whole vocabulary back, `finish` it, and save it with its tokenizer: the last step."""
        reader = self.learner.reader
        self.learner.vocabulary.restore()
        whole = finish(self.learner.model)
        for name, value in (reader.generation or {}).items():  # so that it answers as it did here
            setattr(whole.generation_config, name, value)
        if reader.generation:
            whole.generation_config.max_length = None  # max_new_tokens says it
        whole.save_pretrained(folder)
        reader.save_tokenizer(folder)

    def dev_outputs(self) -> Sequence[Any]:
        """Run the model on dev."""
        return self.learner.outputs(self.module, self.dev, beams=1)

    def outputs(self, name: PartName) -> Sequence[Any]:
        """Run the model on a part, as the recipe says."""
        part = self.learner.parts[name]
        if self.base:
            part = replace(part, features=self.base.run(part.features))
        return self.learner.outputs(self.module, part, int(self.learner.reader.options.get("num_beams", 1)))
