"""Try a checkpoint before the first trial: in a worker, where torch is loaded. Importing this module loads no torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transfergain.arms.base import Start
from transfergain.errors import UserError
from transfergain.sharing import Memo, of_this_process
from transfergain.tasks import find
from transfergain.types import Checkpoint, Example, StudyWarning


@dataclass(frozen=True)
class Sample:
    """What is tried of a data set."""

    name: str
    task: str
    labels: tuple[str, ...]
    examples: Sequence[Example]
    """The first is read by the model; the task looks at all of them."""
    max_length: int
    encoding: Mapping[str, Any]
    """Settings of encoding and generation."""
    parsing: Mapping[str, Any]
    """Settings of reading the data."""


@dataclass(frozen=True)
class Tried:
    """What the checkpoint and the machine turned out to be good for."""

    device: str
    """Its kind: `cpu`, `cuda` or `mps`."""
    device_name: str
    """`cpu`, or what the GPU is called."""
    free_gpu_bytes: int
    """Free memory of the GPU; 0 without one."""
    precision: str
    advice: Sequence[StudyWarning]
    """What the tasks have to say about the checkpoint."""


def try_out(checkpoint: Checkpoint, samples: Sequence[Sample], device: str, precision: str) -> Tried:
    """Build both kinds of weights for every data set, so that a bad checkpoint is refused at the start.

    Raises UserError where it cannot be used.
    """
    import torch

    from transfergain import checkpoint as checkpoints
    from transfergain.engine.precision import pick_device, pick_precision

    found, advice = pick_device(device), list[StudyWarning]()
    gpu = found.type == "cuda"
    with quiet_libraries(), of_this_process().trial() as memo:  # the first trial inherits the tokenizer and the draws
        precision = pick_precision(precision, found)
        tokenizer = memo.get(("tokenizer", checkpoint.revision), lambda: checkpoints.load_tokenizer(checkpoint))
        for sample in samples:
            said = _try_sample(checkpoint, tokenizer, sample, memo)
            advice += [StudyWarning(warning.kind, f"{sample.name}: {warning.text}") for warning in said]
    name, free = (torch.cuda.get_device_name(found), torch.cuda.mem_get_info(found)[0]) if gpu else (found.type, 0)
    return Tried(found.type, name, free, precision, advice)


def fresh_rate(checkpoint: Checkpoint) -> float:
    """Find the learning rate of pretraining a checkpoint's architecture from weights drawn afresh.

    Where it has no language model, the arm that is pretrained says so, as its trial.
    """
    from transfergain import checkpoint as checkpoints
    from transfergain.engine.pretraining.objectives import objective_of

    with contextlib.suppress(UserError):
        config = checkpoints.load_config(checkpoint, checkpoints.load_tokenizer(checkpoint), ())
        return objective_of(config, checkpoint.name).fresh_rate
    return Start.FRESH.learning_rate


def _try_sample(checkpoint: Checkpoint, tokenizer: Any, sample: Sample, memo: Memo) -> Sequence[StudyWarning]:
    """Build both kinds of weights for a data set's task and read its examples with them; returns the task's advice."""
    from transfergain import checkpoint as checkpoints
    from transfergain.arms import weights
    from transfergain.arms.base import Blueprint
    from transfergain.arms.size import check_size
    from transfergain.engine.predict import predict
    from transfergain.executors import auto

    task = find(sample.task)
    config = checkpoints.load_config(checkpoint, tokenizer, sample.labels, generates=task.generates, head=task.head)
    checkpoints.check_length(checkpoint, tokenizer, config, sample.max_length)
    for option in (option for option in task.options if option.bounds):
        checkpoints.check_length(checkpoint, tokenizer, config, sample.encoding[option.name], option.flag)
    checkpoints.check_vocabulary(checkpoint, tokenizer, config)
    blueprint = Blueprint(checkpoint, task.auto_class, config, 0, memo)
    with checkpoints.explained(checkpoint, "building a model from its config"):
        check_size(blueprint, auto.free_memory())
        weights.build_scratch(blueprint)
    with checkpoints.explained(checkpoint, "loading its weights"):
        model = weights.build_pretrained(blueprint).model
    advice = task.advise(checkpoint, tokenizer, sample.parsing, sample.examples)
    few = {"max_length": sample.max_length, "decoder_start_token_id": None, **sample.encoding}
    with checkpoints.explained(checkpoint, "reading a first example"):
        features = task.encode(sample.examples[:1], tokenizer, few).features[:1]  # refuses a tokenizer it cannot use
        predict(model, features, tokenizer.pad_token_id, "fp32", fields=())
    return advice


@contextlib.contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep loading reports and bars of transformers out of our output."""
    import transformers

    level, bars = transformers.logging.get_verbosity(), transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            transformers.logging.enable_progress_bar()  # type: ignore[no-untyped-call]
