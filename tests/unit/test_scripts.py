"""Words in scripts without spaces: what a reader, a floor and the leak check see in them does not depend on the labels."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergain import scripts
from transfergain.data.contamination import overlap
from transfergain.data.draws import Drawn
from transfergain.data.formats import marks
from transfergain.data.read import read_file
from transfergain.options import OptionKind
from transfergain.tasks import floors
from transfergain.tasks.ner import NER
from transfergain.types import Example

CHINESE, JAPANESE, THAI = "王小明昨天在北京大学吃饭。", "田中さんはトヨタで3年働いた", "สมชายอยู่ที่กรุงเทพ"
mixed = st.text(alphabet="ab1 .-京东あノーกิ한글é", max_size=40)


@given(mixed)
def test_splitting_loses_and_adds_no_sign(text):
    assert "".join(scripts.split(text)) == "".join(text.split())


@given(st.text(alphabet=st.characters(max_codepoint=0xDFF), max_size=40))
def test_texts_with_spaces_are_split_at_these_alone(text):
    assert scripts.split(text) == text.split()
    assert re.findall(scripts.WORD, text) == re.findall(r"\w+", text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (CHINESE, "王 小 明 昨 天 在 北 京 大 学 吃 饭 。"),
        (JAPANESE, "田 中 さ ん は ト ヨ タ で 3 年 働 い た"),
        ("ภูเขา 1,000.50บาท", "ภู เ ข า 1,000.50 บ า ท"),
        ("서울에서 왔다", "서울에서 왔다"),
        ("GDP增长3.5%", "GDP 增 长 3.5 %"),
    ],
)
def test_each_sign_without_spaces_is_a_word_and_marks_stay_on_theirs(text, words):
    assert [text[start:end] for start, end in marks.words(text)] == words.split()


@pytest.mark.parametrize("text", [CHINESE, JAPANESE, THAI])
@pytest.mark.parametrize("places", [(0, 3), (2, 5), (1, 2)])
def test_entities_do_not_show_in_how_a_text_is_divided(tmp_path, text, places):
    """Words that end where entities do would give the labels of test away."""
    edges = [0, *(end for _, end in marks.words(text))]
    start, end = (edges[place] for place in places)
    rows = [{"text": text, "label": label} for label in ([[start, end, "X"]], [])] + [{"text": "b", "label": [[0, 1, "X"]]}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = NER.parse({"train": read_file(tmp_path / "a.jsonl")}, NER.defaults(OptionKind.PARSE))
    first, second, _ = (example.inputs["tokens"] for example in found.splits["train"])
    assert first == second
    assert not any("within a word" in note for note in found.notes)


def test_tfidf_learns_words_of_several_signs():
    rng = np.random.default_rng(0)

    def rows(count):
        """Texts of one clause; what tells the classes apart is the order of two signs."""
        signs = [chr(0x4E00 + i) for i in range(60)]
        middle = [("好坏", "坏好")[i % 2] for i in range(count)]
        clause = ["".join(rng.choice(signs, 6)) for _ in range(2 * count)]
        return tuple(Example({"text": clause[2 * i] + middle[i] + clause[2 * i + 1]}, i % 2) for i in range(count))

    train, dev, test = rows(200), rows(60), rows(60)
    found = floors()["tfidf"].fit(Drawn(train, dev), lambda e: e.inputs["text"], 0)(test)
    assert np.mean([a == e.target for a, e in zip(found, test, strict=True)]) > 0.9


def test_a_leak_is_seen_in_texts_without_spaces():
    leaked, fresh = CHINESE + "他很高兴。", "春眠不觉晓处处闻啼鸟夜来风雨声花落知多少"
    assert overlap(["前天" + leaked], [leaked, fresh]) == (1, 2, 2)
