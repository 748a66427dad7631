"""Features of a frozen encoder: the same in any company, right, kept once, and safe to share."""

import multiprocessing
import tracemalloc
from functools import partial

import numpy as np
import pytest
import torch

from support.feature_writer import write
from support.texts import sentences
from transfergain import checkpoint as checkpoints_
from transfergain.arms.probe_model import ALL_LAYERS
from transfergain.engine.convex import Linear, solve
from transfergain.engine.feature_store import FeatureStore, each, stack
from transfergain.engine.features import Features, View, compute, mark, text_views, token_views, tokens_read
from transfergain.tasks import TASKS
from transfergain.types import Example

VARIED = [Example({"text": text}, 0) for text, _ in sentences(30, 3)] + [Example({"text": "good"}, 1)]


@pytest.fixture(scope="module")
def bert(checkpoints):
    """(encoder, features of VARIED)"""
    from transformers import AutoModel

    checkpoint = checkpoints_.resolve(checkpoints("bert"))
    tokenizer = checkpoints_.load_tokenizer(checkpoint)
    features = TASKS["sentiment"].encode(VARIED, tokenizer, {"max_length": 32}).features
    return AutoModel.from_pretrained(checkpoint.path), features


def by_index(encoder, features, views, precision="fp32"):
    found = dict(compute(encoder, features, views, 0, 32, precision))
    return [found[i] for i in range(len(features))]


def test_texts_are_read_as_the_formulas_say(bert):
    encoder, features = bert
    views = text_views(2, begins=True)
    assert views == (View("mean", ALL_LAYERS), View("mean", 1), View("mean", 2), View("first", 2))
    for feature, found in zip(features, by_index(encoder, features, views), strict=True):
        with torch.inference_mode():
            states = encoder(torch.tensor([feature["input_ids"]]), output_hidden_states=True).hidden_states
        means = [state[0].mean(dim=0) for state in states]
        expected = torch.stack([torch.stack(means).mean(dim=0), means[1], means[2], states[2][0, 0]])
        np.testing.assert_allclose(found[0], expected, atol=1e-5)
    last = by_index(encoder, features, text_views(2, begins=False))
    with torch.inference_mode():
        whole = encoder(torch.tensor([features[0]["input_ids"]])).last_hidden_state
    np.testing.assert_allclose(last[0][0, -1], whole[0, -1], atol=1e-5)


def test_of_tokens_those_with_a_label_are_read_and_all_where_there_are_no_labels(bert):
    encoder, features = bert
    feature = {k: v for k, v in features[0].items() if k != "labels"}
    count = len(feature["input_ids"])
    assert tokens_read(feature) == list(range(count))
    assert tokens_read(feature | {"labels": [-100, 2, -100, 0, *[-100] * (count - 4)]}) == [1, 3]
    found = by_index(encoder, [feature | {"labels": [-100, 2, -100, 0, *[-100] * (count - 4)]}], token_views(2))[0]
    assert found.shape == (2, 3, 32) and found.dtype == np.float16
    with torch.inference_mode():
        states = encoder(torch.tensor([feature["input_ids"]]), output_hidden_states=True).hidden_states
    for row, at in enumerate((1, 3)):
        expected = torch.stack([torch.stack(states)[:, 0, at].mean(dim=0), states[2][0, at], states[1][0, at]])
        np.testing.assert_allclose(found[row], expected, atol=2e-2)


def test_a_text_has_the_same_features_bit_for_bit_in_any_company(bert):
    encoder, features = bert
    views = text_views(2, begins=True)
    together = by_index(encoder, features, views)
    few = [17, 3, 30, 4]
    apart = by_index(encoder, [features[i] for i in few], views)
    assert all(np.array_equal(apart[j], together[i]) for j, i in enumerate(few))


def arrays(places):
    """What is kept of each text, (rows, views, width)."""
    return [np.stack([stack([place], view) for view in range(place.shape[0])], axis=1) for place in places]


def made(encoder, folder):
    views = text_views(2, begins=True)
    store = FeatureStore(folder and folder / mark(encoder, views, "fp32", "cpu"))
    return Features(encoder, views, 0, 32, "fp32", store)


def test_what_is_on_disk_is_not_computed_again(bert, tmp_path):
    encoder, features = bert
    first, again = made(encoder, tmp_path), made(encoder, tmp_path)
    read = arrays(first.read(features[:20]))
    assert first.computed == len({str(f["input_ids"]) for f in features[:20]})
    assert all(np.array_equal(a, b) for a, b in zip(read, arrays(again.read(features[:20])), strict=True))
    assert again.computed == 0
    again.read(features)
    assert 0 < again.computed <= len(features) - 20
    first.read(features)
    assert first.computed <= 20, "it sees what the other has written meanwhile"


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_rows_of_texts_of_any_length_are_read_by_view_in_the_order_asked_for(tmp_path, kind):
    rng = np.random.default_rng(0)
    kept = {f"{i:016d}".encode(): rng.normal(size=(i % 4, 3, 5)).astype(kind) for i in range(200)}
    store = FeatureStore(tmp_path)
    for part in (0, 1):
        store.add(list(kept.items())[part::2])
    keys = list(rng.permutation(np.array([*kept, *kept]).astype("S16")))
    known = FeatureStore(tmp_path).known(keys)
    places = [known[key] for key in keys]
    for view in range(3):
        expected = [kept[key][:, view].astype(np.float32) for key in keys]
        np.testing.assert_array_equal(stack(places, view), np.concatenate(expected))
        assert all(np.array_equal(a, b) for a, b in zip(each(places, view), expected, strict=True))


class Nothing:
    """A problem that takes no memory of its own."""

    def fit(self, rows, strength, start):
        return Linear(np.zeros((2, rows.shape[1]), np.float32), np.zeros(2, np.float32))

    def loss(self, outputs):
        return 0.0


def test_a_layer_is_solved_for_with_the_rows_of_one_view_in_memory(tmp_path):
    texts, views, width = 100, 6, 2400
    rng, one_view = np.random.default_rng(0), texts * width * 4
    store, keys = FeatureStore(tmp_path), [f"{i:016d}".encode() for i in range(texts)]
    store.add([(key, rng.normal(size=(1, views, width)).astype(np.float32)) for key in keys])
    places = [*store.known(keys).values()]
    train, dev = ([partial(stack, part, view) for view in range(views)] for part in (places, places[:9]))
    tracemalloc.start()
    solved = solve(train, Nothing(), dev, Nothing())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert solved.tried == views + 6 and one_view < peak < 1.5 * one_view


def test_other_weights_have_features_of_their_own(bert, tmp_path):
    import copy

    encoder, features = bert
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        other.encoder.layer[0].attention.self.query.weight.add_(0.5)
    made(encoder, tmp_path).read(features)
    changed = made(other, tmp_path)
    ours, theirs = arrays(made(encoder, tmp_path).read(features)), arrays(changed.read(features))
    assert not np.array_equal(ours[0], theirs[0])
    assert changed.computed and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["index", "rows", "missing", "part"])
def test_what_cannot_be_read_is_computed_again(bert, tmp_path, damage):
    encoder, features = bert
    expected = arrays(made(encoder, tmp_path).read(features))
    (index,), (rows,) = tmp_path.rglob("*.index.npy"), tmp_path.rglob("*.rows")
    if damage == "index":
        index.write_bytes(index.read_bytes()[:150])
    elif damage == "rows":
        rows.write_bytes(rows.read_bytes()[:500])
    elif damage == "missing":
        rows.unlink()
    else:
        index.rename(index.with_name(index.name + ".part"))
    again = made(encoder, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(again.read(features)), expected, strict=True))
    assert again.computed


def test_a_disk_that_takes_nothing_costs_only_the_sharing(bert, tmp_path):
    encoder, features = bert
    (tmp_path / "file").write_text("no folder")
    first = made(encoder, tmp_path / "file")
    held = arrays(first.read(features))
    assert first.computed and all(
        np.array_equal(a, b) for a, b in zip(held, arrays(made(encoder, tmp_path / "disk").read(features)), strict=True)
    )
    before = first.computed
    first.read(features)
    assert first.computed == before, "they are held in memory"


@pytest.mark.parametrize("path", ["0_Transformer", "../outside"])
def test_a_folder_of_sentence_transformers_is_read_where_its_model_is(checkpoints, tmp_path, path):
    import json
    import shutil

    whole = tmp_path / "sentences"
    shutil.copytree(checkpoints("bert"), whole / path)
    (whole / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": path, "type": "Transformer"}]))
    if path.startswith(".."):
        with pytest.raises(checkpoints_.UserError, match=r"no config\.json"):
            checkpoints_.resolve(str(whole))
        return
    found, plain = checkpoints_.resolve(str(whole)), checkpoints_.resolve(str(checkpoints("bert")))
    assert found.revision == plain.revision and found.within == path


def test_a_disk_that_is_full_is_left_without_half_a_file(tmp_path, monkeypatch):
    def full(file, array):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    store, key = FeatureStore(tmp_path), b"0" * 16
    store.add([(key, np.ones((2, 3, 4), np.float32))])
    assert not list(tmp_path.glob("*.part")) and (stack([store.known([key])[key]], 1) == 1).all()
    assert not FeatureStore(tmp_path).known([key]), "the rows without their index are not there for others"


def test_two_processes_share_a_folder(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=write, args=(tmp_path,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    keys = [f"{i:016d}".encode() for i in range(40)]
    known = FeatureStore(tmp_path).known(keys)
    found = arrays([known[key] for key in keys])
    assert all((array == i).all() and array.shape == (2, 3, 4) for i, array in enumerate(found))
    assert not list(tmp_path.glob("*.part"))
