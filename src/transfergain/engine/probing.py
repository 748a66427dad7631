"""A linear layer on a frozen encoder: features once, then a convex problem; no steps, no learning rate, no curve.

`make_probe`, then `Probe.train`, then `Probed.outcome`: the same three as of a model that trains (`engine.learner`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from transfergain.arms.base import Prepared
from transfergain.arms.probe_model import hidden_states
from transfergain.engine import contrast, convex
from transfergain.engine.answering import Answering
from transfergain.engine.batching import Feature
from transfergain.engine.contrast import Contrasted
from transfergain.engine.convex import Classes, Positions, Problem, Read, Several, Solved
from transfergain.engine.feature_store import FeatureStore, each, stack
from transfergain.engine.features import Features, mark, text_views, token_views, tokens_read
from transfergain.engine.learner import Learner
from transfergain.engine.material import Material, PartName
from transfergain.engine.reading import Part, Reader
from transfergain.engine.shortcuts.frozen import base_flops
from transfergain.errors import Declined
from transfergain.outcome import Choice, Outcome
from transfergain.split import Split
from transfergain.types import Recipe, Status

NOT_TUNED = Contrasted(0, 0.0, 0.0)


@dataclass(frozen=True)
class Head:
    """How a linear layer answers for one kind of head of `transformers`."""

    of_tokens: bool
    """Whether it reads each token, or the text as a whole."""
    problem: Callable[[Sequence[Feature], int], Problem]
    """(features, classes) -> what the layer is fitted to."""
    outputs: Callable[[NDArray[np.float32], Feature], NDArray[np.float32]]
    """(the layer's outputs of a feature's rows, feature) -> what the task decodes."""


def _classes_of_texts(features: Sequence[Feature], classes: int) -> Problem:
    targets = [feature["labels"] for feature in features]
    return Several(np.array(targets) > 0) if isinstance(targets[0], tuple) else Classes(np.array(targets), classes)


def _classes_of_tokens(features: Sequence[Feature], classes: int) -> Problem:
    labels = [np.array(feature["labels"])[tokens_read(feature)] for feature in features]
    return Classes(np.concatenate(labels), classes)


def _positions(features: Sequence[Feature], classes: int) -> Problem:
    starts = np.cumsum([0, *(len(tokens_read(feature)) for feature in features[:-1])])
    targets = [[feature["start_positions"], feature["end_positions"]] for feature in features]
    return Positions(starts, starts[:, None] + np.array(targets))


def _spread(scores: NDArray[np.float32], feature: Feature) -> NDArray[np.float32]:
    whole = np.zeros((len(feature["input_ids"]), scores.shape[1]), np.float32)
    whole[tokens_read(feature)] = scores
    return whole


HEADS = {
    "AutoModelForSequenceClassification": Head(False, _classes_of_texts, lambda scores, feature: scores[0]),
    "AutoModelForTokenClassification": Head(True, _classes_of_tokens, _spread),
    "AutoModelForQuestionAnswering": Head(True, _positions, lambda scores, feature: scores.T),
}
"""Auto class -> how its linear layer is fitted and read."""


def make_probe(
    prepared: Prepared, reader: Reader, material: Material, device: Any, replicate: int = 0, folder: Path | None = None
) -> Probe:
    """Encode all examples and move the encoder to the device, where it may be tuned on pairs of texts first.

    Features are kept in a folder of `folder`; those of an encoder that was tuned for this trial alone are not.
    """
    rows = material.parts()
    parts = {name: Part(rows[name].examples, e, e.features) for name, e in reader.encode_all(material).items()}
    model, train, tuned = prepared.model.to(device), parts["train"].features, NOT_TUNED
    if prepared.contrasts:
        tuned, folder = contrast.tune(model, train, int(reader.tokenizer.pad_token_id), reader.recipe, replicate), None
    return Probe(model, reader, parts, make_features(model.encoder, train, reader, folder), tuned=tuned)


def make_features(encoder: Any, sample: Sequence[Feature], reader: Reader, folder: Path | None) -> Features:
    """Choose the views of an encoder that the task's layer may read, and where their features are kept."""
    tokenizer, recipe, device = reader.tokenizer, reader.recipe, next(encoder.parameters()).device
    layers = count_layers(encoder, sample[0]["input_ids"][:1])
    begins = tokenizer.cls_token_id is not None and sample[0]["input_ids"][0] == tokenizer.cls_token_id
    views = token_views(layers) if HEADS[reader.task.auto_class].of_tokens else text_views(layers, begins)
    store = FeatureStore(folder and folder / mark(encoder, views, recipe.precision, device))
    return Features(encoder, views, int(tokenizer.pad_token_id), recipe.max_length, recipe.precision, store)


@torch.inference_mode()
def count_layers(encoder: Any, ids: Sequence[int]) -> int:
    """Count the layers above the embeddings, by running one token."""
    inputs = torch.tensor([list(ids)], device=next(encoder.parameters()).device)
    return len(hidden_states(encoder, {"input_ids": inputs, "attention_mask": torch.ones_like(inputs)})) - 1


@dataclass(frozen=True)
class Probe:
    """A frozen encoder with its task and all that it reads, ready for its linear layer."""

    model: Any
    reader: Reader
    parts: Mapping[PartName, Part]
    features: Features
    choices: tuple[int, ...] = ()
    """The views that are tried; all where none is named."""
    tuned: Contrasted = NOT_TUNED
    """What tuning the encoder on pairs of texts took."""

    @property
    def head(self) -> Head:
        """How a linear layer answers the task."""
        return HEADS[self.reader.task.auto_class]

    def train(self, train: str, dev: str, *_: Any) -> Probed:
        """Solve for the linear layer on one part, choosing what it reads and its strength by another."""
        since = time.perf_counter()
        (rows, problem), (held_out, judge) = self._given(train), self._given(dev)
        solved = convex.solve(rows, problem, held_out, judge)
        solved = replace(solved, view=self._tried()[solved.view])
        self._set(solved)
        return Probed(self, solved, self.parts[dev], time.perf_counter() - since)

    def _given(self, name: str) -> tuple[list[Read], Problem]:
        features = self.parts[name].features
        places, problem = self.features.read(features), self.head.problem(features, len(self.reader.labels))
        return [partial(stack, places, view) for view in self._tried()], problem

    def _tried(self) -> tuple[int, ...]:
        return self.choices or tuple(range(len(self.features.views)))

    @torch.no_grad()
    def _set(self, solved: Solved) -> None:
        """Give the model the layer that was found, and what it reads."""
        view = self.features.views[solved.view]
        self.model.config.pooling, self.model.config.layer = view
        self.model.head.weight.copy_(torch.from_numpy(solved.linear.weight))
        self.model.head.bias.copy_(torch.from_numpy(solved.linear.bias))


@dataclass(frozen=True)
class Probed(Answering):
    """A frozen encoder with the linear layer that dev chose."""

    probe: Probe
    solved: Solved
    dev: Part
    seconds: float

    @property
    def reader(self) -> Reader:
        """How it reads and answers."""
        return self.probe.reader

    @property
    def parts(self) -> Mapping[PartName, Part]:
        """What it reads."""
        return self.probe.parts

    def dev_outputs(self) -> Sequence[Any]:
        """Give the outputs on dev, which no layer was fitted to."""
        return self._outputs(self.dev)

    def outputs(self, name: PartName) -> Sequence[Any]:
        """Give the outputs of a part."""
        return self._outputs(self.parts[name])

    def _outputs(self, part: Part) -> list[NDArray[np.float32]]:
        give, linear = self.probe.head.outputs, self.solved.linear
        read = each(self.probe.features.read(part.features), self.solved.view)
        return [give(linear(rows), feature) for rows, feature in zip(read, part.features, strict=True)]

    def outcome(self, splits: Sequence[Split]) -> Outcome:
        """Evaluate sealed splits, and say what was chosen of how much."""
        answers, views = self.answer(splits), self.probe.features.views
        layers, tuned = max(view.layer for view in views), self.probe.tuned
        read = base_flops(self.probe.model, self.parts["train"].features, int(self.reader.tokenizer.pad_token_id))
        details = replace(
            answers.details,
            choice=Choice(views[self.solved.view].describe(layers), self.solved.strength, self.solved.tried),
            steps=tuned.steps or None,
            flops=float(read) + tuned.flops,
            train_seconds=self.seconds + tuned.seconds,
            frozen_features=tuned is NOT_TUNED,
        )
        dev = self.reader.score(self.dev, self.dev_outputs()).score
        return Outcome(Status.DONE, dev_score=dev, evaluated=answers.evaluated, details=details)

    def adapted(self, method: str, recipe: Recipe, replicate: int) -> Learner:
        """Raise Declined: what a linear layer on frozen features learns elsewhere is another probe."""
        raise Declined("the model is a linear layer on frozen features, which is fitted anew and not trained further")

    def save(self, finish: Callable[[Any], Any], folder: Path) -> None:
        """Save the model with its own code, and its tokenizer."""
        finish(self.probe.model).save_pretrained(folder)
        self.reader.save_tokenizer(folder)
