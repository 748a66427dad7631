"""A split's text leads back to the split, whatever the user calls a shift."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergain.split import DEV, TEST, TRAIN, Split, adapted, perturbed, shift, target

NAMES = st.text(min_size=1)


@given(st.one_of(
    st.sampled_from([TRAIN, TEST, DEV]),
    st.builds(shift, NAMES),
    st.builds(target, NAMES),
    st.builds(perturbed, st.sampled_from(["keyboard", "drop"]), st.integers(1, 5)),
    st.builds(adapted, NAMES, st.integers(0, 4096), st.sampled_from(["head", "lora", "full"])),
))  # fmt: skip
def test_the_text_of_a_split_leads_back_to_it(split):
    assert Split.parse(str(split)) == split


@pytest.mark.parametrize(
    ("text", "split", "title"),
    [
        ("test", TEST, "the test set"),
        ("shift:tweets", shift("tweets"), "tweets"),
        ("shift:a:b@3", shift("a:b@3"), "a:b@3"),
        ("perturbed:keyboard@3", perturbed("keyboard", 3), "keyboard at severity 3"),
        ("adapted:my@home@64/lora", adapted("my@home", 64, "lora"), "my@home after 64 of its labels (lora)"),
    ],
)
def test_texts_are_those_that_stores_hold(text, split, title):
    assert (str(split), Split.parse(text), split.title) == (text, split, title)


@pytest.mark.parametrize(
    "text", ["", "validation", "shift", "shift:", "test:x", "train:x", "target", "perturbed:keyboard", "adapted:x@y/lora"]
)
def test_any_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        Split.parse(text)
