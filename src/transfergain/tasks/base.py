"""Define a task kind: its options, an `AutoModelFor...` with its inputs, its predictions, metrics and floors.

Tasks import no torch: they hand lists of token ids to the engine and receive numpy arrays, or lists of generated ids.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfergain.data.formats.table import Parsed, Reader, Table
from transfergain.data.recognise import Guess
from transfergain.floors.base import Floor
from transfergain.options import Option, OptionKind
from transfergain.tasks.given import Given
from transfergain.types import Checkpoint, Example, StudyWarning, Target


@dataclass(frozen=True)
class Encoded:
    """Examples as the model reads them."""

    features: list[dict[str, Any]]
    """Model inputs: id lists, and `labels` (an integer, a list, or whatever the head is trained on)."""
    windows: list[Any] = field(default_factory=list)
    """What `decode` has to know of each feature, such as the example and the words it shows; the task's own."""


@dataclass(frozen=True)
class Task:
    """One task kind. Everything about it lives in its own file."""

    name: str
    title: str
    pipeline: str
    """The Hub's tag of the task, and the name of its `transformers` pipeline where there is one."""
    options: tuple[Option, ...]
    """What a user can set for this task: keys of a study's data set, and flags."""
    auto_class: str
    """Name of the `transformers` auto class that carries the head."""
    metrics: tuple[str, ...]
    """Names in METRICS; the first is the primary metric."""
    parse: Callable[[Mapping[str, Table], Mapping[str, Any]], Parsed]
    """(tables by split, options of `OptionKind.PARSE`) -> examples. Raises UserError naming the file and row."""
    text: Callable[[Example], str]
    """What duplicates and overlap are judged by."""
    stratum: Callable[[Example], Hashable]
    """What budgets and carved splits are stratified by."""
    encode: Callable[[Sequence[Example], Any, Mapping[str, Any]], Encoded]
    """(examples, tokenizer, options) -> one feature or more an example. The options are `max_length`, those of
    `OptionKind.ENCODING`, and for tasks that generate, `decoder_start_token_id`."""
    decode: Callable[[Sequence[Any], Encoded, Sequence[Example], Any, Any], list[Any]]
    """(outputs, encoded, examples, setting, tokenizer) -> one prediction an example, in JSON's types. `outputs[i]` belongs
    to feature i: an array, of the model's first output if `outputs` names one and stacked if it names several, padded on
    the right where it has one row a token; or the list of generated ids."""
    chance: Callable[[Sequence[Example], Sequence[str]], float]
    """The primary score of a guess that knows only the label frequencies of the evaluated split."""
    citation: str
    floors: tuple[Floor, ...]
    """The cheap baselines that stand beside the arms: those of the package that are valid here, or the task's own."""
    head: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the model's config that its head wants, such as `problem_type`."""
    variants: Mapping[str, Task] = field(default_factory=dict)
    """Switch of `OptionKind.READING` -> what this task is where the user gives it: another task with the same options."""
    target: Target | None = None
    """What a target is in relation to its text: it says which perturbations leave it true. None: there are none."""
    outputs: tuple[str, ...] = ("logits",)
    """Fields of the model's output that `decode` reads."""
    readers: Callable[[Mapping[str, Any]], Mapping[str, Reader]] = lambda options: {}
    """Options of `OptionKind.PARSE` -> readers of file endings that only this task knows."""
    recognise: Callable[[Table], Guess | None] = lambda table: None
    """The options as guessed from a table of training rows; None where it does not look like one of this task's."""
    recognise_file: Callable[[Path, Mapping[str, Any]], Guess | None] = lambda path, given: None
    """(path, options that the user gave) -> the same for a file that only this task's `readers` read, by its name."""
    sureness: int = 0
    """How seldom `recognise` is wrong. Tasks that are surer are asked first, equals in the order of the registry."""
    max_length: int = 128
    """Default of the tokens of an input; longer ones are cut or split into windows."""
    cluster: Callable[[Example], Hashable] | None = None
    """What examples share that makes their scores depend on each other (the article); None where nothing does."""
    calibrate: Callable[[Sequence[Any], Encoded, Sequence[Example]], Any] | None = None
    """(outputs, encoded, examples) of dev -> the `setting` that `decode` is given, in JSON's types."""
    probabilities: Callable[[Sequence[Any], Encoded, Sequence[Example]], tuple[Any, Any]] | None = None
    """(outputs, encoded, examples) -> logits (cases, classes) and the true classes (cases,), for calibration; None where a
    prediction is no choice between classes."""
    setting_said: Callable[[Any], str] = lambda setting: ""
    """The `setting` in a sentence, for the card of a kept model; empty where there is nothing to say."""
    generation: Callable[[Mapping[str, Any], Any], dict[str, Any]] | None = None
    """(options, tokenizer) -> arguments of `generate` for tasks whose models generate; None for all others."""
    advise: Callable[[Checkpoint, Any, Mapping[str, Any], Sequence[Example]], Sequence[StudyWarning]] = lambda *_: ()
    """(checkpoint, tokenizer, options of `OptionKind.PARSE`, some examples) -> warnings about this checkpoint for them."""
    unlabelled: Callable[[Mapping[str, str]], Example] | None = None
    """(texts of a row, by the columns of `given`) -> an example whose target stands for none: what `probabilities` are asked
    of where nobody has labelled a text yet. None: such texts are not read."""
    given: Given | None = None
    """How predictions that somebody else made stand in a file (`--predictions`); None: no such file is read."""

    @property
    def generates(self) -> bool:
        """Whether its models write text, for which they need a decoder."""
        return self.generation is not None

    def defaults(self, kind: OptionKind) -> dict[str, Any]:
        """Give the default of each option of one kind or more."""
        return {option.name: option.default for option in self.options if option.kind & kind}

    def chosen(self, options: Mapping[str, Any]) -> Task:
        """Give the task that the user's options ask for: a variant where its switch is on, else this one."""
        return next((task for switch, task in self.variants.items() if options.get(switch)), self)

    def floor(self, name: str) -> Floor:
        """Find a floor by its name. Raises KeyError where the task has none of it."""
        return {floor.name: floor for floor in self.floors}[name]
