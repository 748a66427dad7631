import ast
import hashlib
import itertools
import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

import transfergain
from support.fakes import spec
from transfergain.seeds import generator, seed
from transfergain.split import TEST, adapted
from transfergain.types import SCHEMA_VERSION, Phase, Recipe, TrialSpec

SOURCE = Path(transfergain.__file__).parent

OTHER = {
    "task": "classification",
    "dataset": "other",
    "arm": "scratch",
    "budget": 21,
    "replicate": 1,
    "phase": "tune",
    "recipe": None,
    "splits": ((TEST, "other"),),
    "data_fingerprint": "other",
    "checkpoint_revision": "other",
    "stop_at": 75,
}


def test_id_is_the_hash_of_the_canonical_json():
    content = {
        "arm": "full",
        "budget": 20,
        "checkpoint_revision": "sha256:0",
        "data_fingerprint": "data of reviews",
        "dataset": "reviews",
        "phase": "report",
        "recipe": vars(Recipe(1e-4)),
        "replicate": 0,
        "splits": [["test", "data of reviews"]],
        "stop_at": None,
        "task": "sentiment",
    }
    text = json.dumps([SCHEMA_VERSION, content], sort_keys=True, separators=(",", ":"))
    assert spec().id == hashlib.sha256(text.encode()).hexdigest()


def test_a_phase_is_its_word_in_the_id_and_comes_back_as_a_phase():
    written = spec(phase=Phase.REPORT)
    assert (written.id, written.to_json()) == (spec().id, spec().to_json())
    assert isinstance(TrialSpec.from_json(written.to_json()).phase, Phase)


def test_id_is_the_same_in_another_process():
    code = "import sys; from transfergain.types import TrialSpec; print(TrialSpec.from_json(sys.argv[1]).id)"
    printed = subprocess.run(
        [sys.executable, "-c", code, spec().to_json()],
        env=os.environ | {"PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.strip() == spec().id


def test_id_changes_with_every_field():
    assert set(OTHER) == {f.name for f in fields(TrialSpec)}
    ids = [spec(**{name: value}).id for name, value in OTHER.items()]
    assert len({spec().id, *ids}) == len(OTHER) + 1


@pytest.mark.parametrize("name", [f.name for f in fields(Recipe)])
def test_id_changes_with_every_field_of_the_recipe(name):
    recipe = Recipe(1e-4)
    value = getattr(recipe, name)
    other = (("num_beams", 4),) if name == "options" else "bf16" if isinstance(value, str) else value * 2
    assert spec(recipe=replace(recipe, **{name: other})).id != spec().id


def test_neither_place_nor_machine_is_part_of_a_spec():
    names = {f.name for kind in (TrialSpec, Recipe) for f in fields(kind)}
    for word in ("path", "file", "folder", "dir", "device", "worker", "thread", "host", "position", "output"):
        assert not [name for name in names if word in name]


def test_json_round_trip_keeps_the_id():
    for trial in (
        spec(),
        spec(recipe=None, splits=()),
        spec(phase="tune", stop_at=75),
        spec(recipe=Recipe(0.1 + 0.2), splits=((TEST, "b"), (adapted("tweets", 64, "lora"), "d"))),
    ):
        again = TrialSpec.from_json(trial.to_json())
        assert again == trial
        assert hash(again) == hash(trial)
        assert again.id == trial.id


def test_specs_are_frozen():
    with pytest.raises(AttributeError):
        spec().budget = 3


def test_order_of_axes_is_irrelevant():
    axes = {"replicate": 3, "epoch": 1, "split": "test", "x": -5}
    found = {seed("order", **dict(order)) for order in itertools.permutations(axes.items())}
    assert len(found) == 1
    assert 0 <= found.pop() < 2**63


def test_streams_and_axes_give_different_seeds():
    found = [
        seed(stream, **axes)
        for stream in ("order", "dropout", "train", "dev")
        for axes in ({}, {"replicate": 0}, {"replicate": 1}, {"replicate": "0"}, {"epoch": 0}, {"replicate": 0, "epoch": 1},
                     {"replicate": 1, "epoch": 0})
    ]  # fmt: skip
    assert len(set(found)) == len(found)


def test_generators_repeat_and_differ():
    assert generator("order", replicate=0).random(5).tolist() == generator("order", replicate=0).random(5).tolist()
    assert generator("order", replicate=0).random(5).tolist() != generator("order", replicate=1).random(5).tolist()


def seeding_calls():
    """(file and line, call) of every call in the package that names a random stream."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            name = getattr(node, "func", None)
            name = getattr(name, "id", getattr(name, "attr", ""))
            if isinstance(node, ast.Call) and name in ("seed", "generator", "stratified_order"):
                yield f"{path.relative_to(SOURCE)}:{node.lineno}", name, node


def test_no_random_stream_depends_on_the_arm():
    calls = list(seeding_calls())
    assert len(calls) >= 6
    for where, _, call in calls:
        words = {node.arg for node in ast.walk(call) if isinstance(node, ast.keyword)}
        words |= {node.id for node in ast.walk(call) if isinstance(node, ast.Name)}
        words |= {node.attr for node in ast.walk(call) if isinstance(node, ast.Attribute)}
        assert not {w for w in words if w and ("arm" in w.split("_") or w in ("checkpoint", "pretrained"))}, where


def test_every_stream_is_named_in_the_open():
    for where, name, call in seeding_calls():
        stream = call.args[1 if name == "stratified_order" else 0]
        literal = isinstance(stream, ast.Constant) and isinstance(stream.value, str)
        passed_on = isinstance(stream, ast.Name) and stream.id == "stream"
        assert literal or passed_on, where


def test_no_random_number_comes_from_elsewhere():
    banned = ("import random", "np.random.rand", "np.random.seed", "default_rng()", "random.seed(", "torch.seed(")
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text("utf-8")
        assert not [b for b in banned if b in text], path
