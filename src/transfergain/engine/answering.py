"""Evaluate what has been trained: outputs of every sealed split, decoded, counted and calibrated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transfergain.engine.material import PartName
from transfergain.engine.reading import Part, Reader
from transfergain.metrics import calibration
from transfergain.outcome import Details, Evaluated
from transfergain.split import TEST, Kind, Split
from transfergain.tasks.scoring import evaluate


@dataclass(frozen=True)
class Answers:
    """What a trained model answers, and what is known of how it answers."""

    evaluated: Mapping[Split, Evaluated]
    details: Details = field(default_factory=Details)


class Answering(ABC):
    """A model that has been trained: what it answers depends on its outputs alone, however they come about."""

    dev: Part

    @property
    @abstractmethod
    def reader(self) -> Reader:
        """How it reads and answers."""

    @property
    @abstractmethod
    def parts(self) -> Mapping[PartName, Part]:
        """What it reads."""

    @abstractmethod
    def dev_outputs(self) -> Sequence[Any]:
        """Run the model on dev."""

    @abstractmethod
    def outputs(self, name: PartName) -> Sequence[Any]:
        """Run the model on a part: what `Task.decode` takes, a feature each."""

    def reads_alike(self, name: PartName, other: PartName) -> bool:
        """Tell whether the model reads the same tokens in two parts."""
        return self.parts[name].features == self.parts[other].features

    def answer(self, splits: Sequence[Split]) -> Answers:
        """Fit on dev what answers depend on beside the weights, and evaluate sealed splits."""
        if not splits:
            return Answers({})
        task = self.reader.task
        setting, temperature = self._settled()
        evaluated, first = dict[Split, Evaluated](), self.outputs(splits[0])
        for split in splits:
            part, columns = self.parts[split], None
            # A corruption that the tokenizer undoes is not read again.
            outputs = first if self.reads_alike(split, splits[0]) else self.outputs(split)
            if task.probabilities and temperature is not None:
                logits, targets = task.probabilities(outputs, part.encoded, part.examples)
                columns = calibration.columns(logits, targets, temperature)
            answers = self.reader.answers(part, outputs, setting)
            evaluated[split] = evaluate(task, answers, part.examples, self.reader.labels, columns)
        alike = tuple(s for s in splits if s.kind is Kind.PERTURBED and self.reads_alike(s, TEST))
        return Answers(evaluated, Details(setting=setting, temperature=temperature, read_as_test=alike))

    def _settled(self) -> tuple[Any, float | None]:
        """Fit (the task's own setting, the temperature of probabilities) on dev."""
        task, dev = self.reader.task, self.dev
        if not task.calibrate and not task.probabilities:
            return None, None
        outputs = self.dev_outputs()
        setting = self.reader.setting(dev, outputs)
        if not task.probabilities:
            return setting, None
        return setting, calibration.fit_temperature(*task.probabilities(outputs, dev.encoded, dev.examples))
