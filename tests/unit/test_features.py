"""Features of a frozen encoder: the same in any company, right, kept once, and safe to share."""

import multiprocessing

import numpy as np
import pytest
import torch

from support.texts import sentences
from transfergain import checkpoint as checkpoints_
from transfergain.arms.probe_model import ALL_LAYERS
from transfergain.engine.feature_store import FeatureStore
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


def made(encoder, folder):
    views = text_views(2, begins=True)
    store = FeatureStore(folder and folder / mark(encoder, views, "fp32", "cpu"))
    return Features(encoder, views, 0, 32, "fp32", store)


def test_what_is_on_disk_is_not_computed_again(bert, tmp_path):
    encoder, features = bert
    first, again = made(encoder, tmp_path), made(encoder, tmp_path)
    read = first.read(features[:20])
    assert first.computed == len({str(f["input_ids"]) for f in features[:20]})
    assert all(np.array_equal(a, b) for a, b in zip(read, again.read(features[:20]), strict=True))
    assert again.computed == 0
    again.read(features)
    assert 0 < again.computed <= len(features) - 20
    first.read(features)
    assert first.computed <= 20, "it sees what the other has written meanwhile"


def test_other_weights_have_features_of_their_own(bert, tmp_path):
    import copy

    encoder, features = bert
    other = copy.deepcopy(encoder)
    with torch.no_grad():
        other.encoder.layer[0].attention.self.query.weight.add_(0.5)
    made(encoder, tmp_path).read(features)
    changed = made(other, tmp_path)
    assert not np.array_equal(changed.read(features)[0], made(encoder, tmp_path).read(features)[0])
    assert changed.computed and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("damage", ["index", "rows", "missing", "part"])
def test_what_cannot_be_read_is_computed_again(bert, tmp_path, damage):
    encoder, features = bert
    expected = made(encoder, tmp_path).read(features)
    expected = [np.array(array) for array in expected]
    (index,), (rows,) = tmp_path.rglob("*.index.npy"), tmp_path.rglob("*.rows.npy")
    if damage == "index":
        index.write_bytes(index.read_bytes()[:150])
    elif damage == "rows":
        rows.write_bytes(rows.read_bytes()[:500])
    elif damage == "missing":
        rows.unlink()
    else:
        index.rename(index.with_name(index.name + ".part"))
    again = made(encoder, tmp_path)
    assert all(np.array_equal(a, b) for a, b in zip(again.read(features), expected, strict=True))
    assert again.computed


def test_a_disk_that_takes_nothing_costs_only_the_sharing(bert, tmp_path):
    encoder, features = bert
    (tmp_path / "file").write_text("no folder")
    first = made(encoder, tmp_path / "file")
    assert len(first.read(features)) == len(features) and first.computed
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


def _write(folder, name):
    store = FeatureStore(folder)
    for i in range(40):
        key = f"{i:016d}".encode()
        if key not in store.known([key]):
            store.add([(key, np.full((2, 3, 4), i, np.float32))])


def test_two_processes_share_a_folder(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    both = [spawn.Process(target=_write, args=(tmp_path, name)) for name in "ab"]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    keys = [f"{i:016d}".encode() for i in range(40)]
    known = FeatureStore(tmp_path).known(keys)
    assert all((known[key] == i).all() and known[key].shape == (2, 3, 4) for i, key in enumerate(keys))
    assert not list(tmp_path.glob("*.part"))
