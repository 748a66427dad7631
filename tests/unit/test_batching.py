"""Batches: every example once an epoch, the same for everyone, within the token limit, padded right."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transfergain.engine.batching import POOL_BATCHES, collate, evaluation_batches, length, training_batches

CPU = torch.device("cpu")
LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=120)


def features(lengths):
    return [{"input_ids": list(range(1, n + 1)), "attention_mask": [1] * n, "labels": n % 2} for n in lengths]


def epoch(rows, size, replicate, number=0):
    """The batches of one epoch."""
    per_epoch = -(-len(rows) // size)
    return list(islice(training_batches(rows, size, replicate), number * per_epoch, (number + 1) * per_epoch))


@given(lengths=LENGTHS, size=st.integers(1, 20), replicate=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_every_example_occurs_once_an_epoch(lengths, size, replicate):
    rows = features(lengths)
    for number in (0, 1):
        batches = epoch(rows, size, replicate, number)
        assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
        assert all(1 <= len(batch) <= size for batch in batches)
        assert sum(len(batch) < size for batch in batches) <= 1


def test_training_batches_depend_on_replicate_and_epoch_and_on_nothing_else():
    rows = features([5 + i % 7 for i in range(100)])
    first = epoch(rows, 8, 3)
    torch.manual_seed(1)
    assert epoch(rows, 8, 3) == first
    assert epoch(rows, 8, 4) != first
    assert epoch(rows, 8, 3, 1) != first


def test_training_batches_are_the_same_whatever_the_arm_makes_of_the_tokens():
    lengths = [5 + i % 7 for i in range(100)]
    other = [row | {"input_ids": [0] * n, "labels": 0} for row, n in zip(features(lengths), lengths, strict=True)]
    assert epoch(features(lengths), 8, 3) == epoch(other, 8, 3)


def test_texts_of_like_length_share_a_training_batch():
    rows = features([1 + i % 50 for i in range(8 * POOL_BATCHES)])
    spread = [max(length(rows[i]) for i in b) - min(length(rows[i]) for i in b) for b in epoch(rows, 8, 0)]
    assert max(spread) < 10


def test_batches_do_not_come_in_the_order_of_length():
    rows = features([1 + i % 50 for i in range(8 * POOL_BATCHES)])
    longest = [max(length(rows[i]) for i in batch) for batch in epoch(rows, 8, 0)]
    assert longest not in (sorted(longest), sorted(longest, reverse=True))


@given(lengths=LENGTHS, tokens=st.integers(1, 400))
@settings(deadline=None, max_examples=80)
def test_evaluation_batches_partition_the_examples_within_the_token_limit(lengths, tokens):
    rows = features(lengths)
    batches = evaluation_batches(rows, tokens)
    assert sorted(i for batch in batches for i in batch) == list(range(len(rows)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= tokens


def test_no_examples_make_no_evaluation_batches():
    assert evaluation_batches([]) == []


def test_features_of_fixed_shape_count_as_one_token():
    rows = [{"input_ids": torch.tensor([i]), "hidden": torch.ones(3), "labels": 0} for i in range(10)]
    assert [len(b) for b in evaluation_batches(rows, 4)] == [4, 4, 2]


def test_collate_pads_on_the_right_with_the_padding_of_each_kind():
    rows = [
        {"input_ids": [5, 6, 7], "attention_mask": [1, 1, 1], "token_type_ids": [0, 1, 1], "labels": [1, 2, 3]},
        {"input_ids": [8], "attention_mask": [1], "token_type_ids": [1], "labels": [4]},
    ]
    batch = collate(rows, 9, CPU)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["token_type_ids"].tolist() == [[0, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[1, 2, 3], [4, -100, -100]]


def test_collate_stacks_integers_and_tensors_and_changes_no_feature():
    rows = [{"input_ids": torch.tensor([i]), "hidden": torch.full((2,), float(i)), "labels": i} for i in range(3)]
    batch = collate(rows, 0, CPU)
    assert batch["labels"].tolist() == [0, 1, 2] and batch["labels"].dtype == torch.int64
    assert batch["hidden"].shape == (3, 2) and batch["input_ids"].shape == (3, 1)
    lists = features([2, 4])
    collate(lists, 0, CPU)
    assert [len(f["input_ids"]) for f in lists] == [2, 4]


def test_a_feature_that_lacks_a_key_is_an_error():
    with pytest.raises(KeyError):
        collate([{"input_ids": [1], "labels": 0}, {"input_ids": [1]}], 0, CPU)


def test_batches_for_a_gpu_are_copied_from_pinned_memory_without_waiting(monkeypatch):
    """The code path of a GPU, on a machine that has none."""
    copied, pinned = [], []
    own = torch.Tensor.to

    def to(tensor, device, **keys):
        copied.append((str(device), keys, id(tensor)))
        return own(tensor, "cpu")

    def pin_memory(tensor):
        pinned.append(tensor)
        return tensor

    monkeypatch.setattr(torch.Tensor, "to", to)
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    batch = collate(features([3, 5]), 0, torch.device("cuda", 0))
    assert [(d, k) for d, k, _ in copied] == [("cuda:0", {"non_blocking": True})] * len(batch)
    assert [i for _, _, i in copied] == [id(t) for t in pinned]
    assert batch["input_ids"].shape == (2, 5)
