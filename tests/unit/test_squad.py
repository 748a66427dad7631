"""Question answering data: both shapes give the same examples, and no answer is kept that does not stand at its offset."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfergain.data.folders import read_folder
from transfergain.data.formats.table import Table
from transfergain.data.read import read_file
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.tasks import TASKS

QA = TASKS["qa"]
COLUMNS = QA.defaults(OptionKind.COLUMN)
CONTEXT = "The mill 😀 at Orle was built in 1712. A flood took it in 1841."
EMPTY = {"text": [], "answer_start": []}


def at(text, context=CONTEXT):
    return {"text": text, "answer_start": context.index(text)}


QUESTIONS = [
    {"id": "q1", "question": "When was the mill built?", "answers": [at("1712"), at("in 1712")], "is_impossible": False},
    {"id": "q2", "question": "What took it?", "answers": [at("A flood")], "is_impossible": False},
    {"id": "q3", "question": "Who owned it?", "answers": [], "is_impossible": True, "plausible_answers": [at("Orle")]},
    {"id": "q4", "question": " Where does it stand? ", "answers": [at("Orle")], "is_impossible": False},
]


def articles(questions=QUESTIONS, context=CONTEXT, **article):
    return {"version": "v2.0", "data": [{"title": "Mill", "paragraphs": [{"context": context, "qas": questions}]} | article]}


def as_lists(answers):
    return {key: [a[key] for a in answers] for key in ("text", "answer_start")}


def flat(shape=as_lists):
    keep = ("id", "question")
    return [
        {k: q[k] for k in keep} | {"title": "Mill", "context": CONTEXT, "answers": shape(q["answers"])} for q in QUESTIONS
    ]


def parse(*rows, name="train.jsonl", **columns):
    return QA.parse({"train": Table(name, list(rows))}, {**COLUMNS, **columns})


def parse_file(path, content):
    path.write_text(json.dumps(content))
    return QA.parse({"train": read_file(path)}, COLUMNS)


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def written(path, content):
    path.write_bytes(content)
    return path


@pytest.fixture
def expected(tmp_path):
    return parse_file(tmp_path / "articles.json", articles()).splits["train"]


def test_articles_become_examples(expected):
    assert [e.inputs["id"] for e in expected] == ["q1", "q2", "q3", "q4"]
    assert {e.inputs["title"] for e in expected} == {"Mill"} and {e.inputs["context"] for e in expected} == {CONTEXT}
    assert expected[3].inputs["question"] == "Where does it stand?"
    assert expected[0].target == {"text": ["1712", "in 1712"], "answer_start": [32, 29]}
    assert expected[2].target == EMPTY
    for e in expected:
        assert all(CONTEXT[s:].startswith(t) for t, s in zip(e.target["text"], e.target["answer_start"], strict=True))
        assert json.loads(json.dumps([dict(e.inputs), e.target])) == [dict(e.inputs), e.target]


def test_an_example_knows_its_duplicates_article_and_stratum(expected):
    assert QA.text(expected[1]) == f"What took it? {CONTEXT}"
    assert {QA.cluster(e) for e in expected} == {"Mill"}
    assert [QA.stratum(e) for e in expected] == [True, True, False, True]
    untitled = parse(*[{k: v for k, v in row.items() if k != "title"} for row in flat()]).splits["train"]
    assert {QA.cluster(e) for e in untitled} == {CONTEXT}


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.json.gz", lambda: gzip.compress(json.dumps(articles()).encode())),
        ("a.json", lambda: json.dumps(articles()["data"]).encode()),
        ("a.json", lambda: json.dumps(flat()).encode()),
        ("a.jsonl", lambda: lines(articles()["data"])),
        ("a.jsonl", lambda: lines(flat())),
        ("a.jsonl", lambda: lines(flat(list))),
    ],
    ids=["v2.0 gz", "list of articles", "flat json", "an article a line", "flat jsonl", "list of answers"],
)
def test_every_shape_gives_the_same_examples(tmp_path, expected, name, make):
    parsed = QA.parse({"train": read_file(written(tmp_path / name, make()))}, COLUMNS)
    assert parsed.splits["train"] == expected
    assert parsed.labels == () and parsed.warnings == ()


@pytest.mark.parametrize("shape", [as_lists, list])
def test_parquet_gives_the_same_examples(tmp_path, expected, shape):
    pq.write_table(pa.Table.from_pylist(flat(shape)), tmp_path / "a.parquet")
    assert QA.parse({"train": read_file(tmp_path / "a.parquet")}, COLUMNS).splits["train"] == expected


def test_a_saved_hub_data_set_gives_the_same_examples(tmp_path, expected):
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    datasets.DatasetDict({"train": datasets.Dataset.from_list(flat())}).save_to_disk(str(tmp_path / "saved"))
    assert QA.parse(read_folder(tmp_path / "saved"), COLUMNS).splits["train"] == expected


def test_version_1_needs_no_is_impossible(tmp_path):
    questions = [{k: v for k, v in q.items() if k != "is_impossible"} for q in QUESTIONS if q["answers"]]
    parsed = parse_file(tmp_path / "a.json", articles(questions))
    assert all(e.target["text"] for e in parsed.splits["train"]) and not parsed.warnings


def test_columns_are_named_by_the_options(expected):
    other = [
        {"frage": r["question"], "absatz": r["context"], "antworten": r["answers"], "id": r["id"], "title": "Mill"}
        for r in flat()
    ]
    named = parse(*other, question_column="frage", context_column="absatz", answers_column="antworten")
    assert named.splits["train"] == expected


def test_whole_floating_point_offsets_are_offsets(expected):
    rows = flat()
    for row in rows:
        row["answers"]["answer_start"] = [float(s) for s in row["answers"]["answer_start"]]
    found = parse(*rows).splits["train"]
    assert found == expected and all(type(s) is int for e in found for s in e.target["answer_start"])


def test_notes_count_questions_passages_articles_and_the_unanswerable():
    assert parse(*flat()).notes == ("train.jsonl: 4 questions on 1 passage of 1 article, 1 unanswerable",)
    only = [{k: v for k, v in row.items() if k != "title"} for row in flat() if row["id"] != "q3"]
    assert parse(*only).notes == ("train.jsonl: 3 questions on 1 passage, all answerable",)


def test_answers_off_their_offset_are_dropped_counted_and_named(tmp_path):
    def moved(question, **changed):
        return question | {"answers": [a | changed for a in question["answers"]]}

    first = QUESTIONS[0] | {"answers": [QUESTIONS[0]["answers"][0] | {"answer_start": 33}, QUESTIONS[0]["answers"][1]]}
    parsed = parse_file(
        tmp_path / "train.json", articles([first, QUESTIONS[1], QUESTIONS[2], moved(QUESTIONS[3], answer_start=-4)])
    )
    assert [e.inputs["id"] for e in parsed.splits["train"]] == ["q1", "q2", "q3"]
    assert parsed.splits["train"][0].target == {"text": ["in 1712"], "answer_start": [29]}
    assert parsed.warnings == (
        "train.json: 2 answers do not stand at their offset (first: question id q1); they were dropped",
        "train.json: 1 question has no answer left (first: question id q4); it was dropped",
    )


def test_offsets_in_utf16_units_or_bytes_are_wrong(tmp_path):
    after = CONTEXT.index("Orle")
    for start in (after + 1, len(CONTEXT[:after].encode())):
        parsed = parse(*flat(), flat()[3] | {"id": "x", "answers": {"text": ["Orle"], "answer_start": [start]}})
        assert len(parsed.splits["train"]) == 4 and "question id x" in parsed.warnings[0]


def test_rows_without_id_are_named_by_their_line(tmp_path):
    rows = [{k: v for k, v in row.items() if k != "id"} for row in flat()]
    rows[1]["answers"] = {"text": ["A flood"], "answer_start": [0]}
    path = written(tmp_path / "a.jsonl", b"\n" + lines(rows))
    assert "(first: a.jsonl line 3)" in QA.parse({"train": read_file(path)}, COLUMNS).warnings[0]


def test_answers_of_no_text_are_no_answers():
    parsed = parse(*flat(), flat()[0] | {"id": "x", "answers": {"text": ["", " "], "answer_start": [-1, 3]}})
    assert len(parsed.splits["train"]) == 4
    assert "2 answers hold no text (first: question id x)" in parsed.warnings[0]
    assert "1 question has no answer left" in parsed.warnings[1]


def test_contradictions_with_is_impossible_are_told():
    rows = [*flat(), flat()[0] | {"id": "x", "is_impossible": True}, flat()[2] | {"id": "y", "is_impossible": False}]
    parsed = parse(*rows)
    assert [e.target for e in parsed.splits["train"][-2:]] == [EMPTY, EMPTY]
    assert parsed.warnings == (
        "train.jsonl: 1 question has answers though is_impossible is true (first: question id x); "
        "it was read as unanswerable",
        "train.jsonl: 1 question has no answers though is_impossible is false (first: question id y); "
        "it was read as unanswerable",
    )


def test_an_impossible_question_needs_no_answers(tmp_path):
    bare = {"id": "x", "question": "Why?", "is_impossible": True}
    parsed = parse_file(tmp_path / "a.json", articles([*QUESTIONS, bare]))
    assert parsed.splits["train"][-1].target == EMPTY and not parsed.warnings
    assert parse(*flat(), flat()[0] | {"answers": None, "is_impossible": True}).splits["train"][-1].target == EMPTY


def row(**changed):
    return [{**flat()[0], **changed}]


WRONG = [
    (row(answers=None), r't\.jsonl row 1: "answers" is empty; for a question without answer give an empty list'),
    (row(answers="1712"), r't\.jsonl row 1: the answer "1712" has no "answer_start"; give the number of characters'),
    (row(answers={"text": "1712", "answer_start": 33}), r't\.jsonl row 1: "answers" is .*expected'),
    (row(answers={"text": ["1712"]}), r't\.jsonl row 1: "answers" is .*expected'),
    (row(answers=["1712"]), r't\.jsonl row 1: "answers" is .*expected'),
    (row(answers={"text": ["a", "b"], "answer_start": [1]}), r'row 1: "answers" has 2 text but 1 answer_start'),
    (row(answers=[{"text": "1712"}]), r'row 1: answer_start is "None"; a whole number'),
    (row(answers=[{"text": "1712", "answer_start": "33"}]), r'row 1: answer_start is "33"; a whole number'),
    (row(answers=[{"text": "1712", "answer_start": 3.5}]), r'row 1: answer_start is "3\.5"; a whole number'),
    (row(answers=[{"text": "1712", "answer_start": float("nan")}]), r'row 1: answer_start is "nan"'),
    (row(answers=[{"text": "1712", "answer_start": float("inf")}]), r'row 1: answer_start is "inf"'),
    (row(answers=[{"text": "1712", "answer_start": True}]), r'row 1: answer_start is "True"'),
    (row(answers=[{"text": 1712, "answer_start": 33}]), r'row 1: an answer\'s text is "1712"; text is expected'),
    (row(question=" "), r't\.jsonl row 1: "question" is empty'),
    (row(question=7), r't\.jsonl row 1: "question" holds a int'),
    (row(context=None), r't\.jsonl row 1: "context" is empty'),
    (row(context=["a"]), r't\.jsonl row 1: "context" holds a list'),
    (row(is_impossible="no"), r't\.jsonl row 1: "is_impossible" is "no"; true or false'),
    ([{"passage": "x", "question": "y", "answers": []}], r'no column "context".*passage.*--context-column'),
    (row(answers=EMPTY), r"t\.jsonl: its only question has no answer"),
    (
        row(answers=at("1712") | {"text": ["1712"], "answer_start": [0]}),
        r"t\.jsonl holds no question.*1 answer does not stand",
    ),
    (articles(paragraphs=[])["data"], r"t\.jsonl holds no question to use"),
    (articles(paragraphs=None)["data"], r't\.jsonl article 1: a list of objects is expected under "paragraphs"'),
    (
        articles(paragraphs=[{"context": CONTEXT}])["data"],
        r'article 1 paragraph 1: a list of objects is expected under "qas"',
    ),
    (
        articles(paragraphs=[{"text": CONTEXT, "qas": []}])["data"],
        r'article 1 paragraph 1 has no "context".*--context-column',
    ),
    ([*articles()["data"], {"title": "x"}], r't\.jsonl article 2: .*"paragraphs"'),
    (articles([{"id": "x", "answers": []}])["data"], r'paragraph 1 question "x" has no "question".*--question-column'),
    (articles([{"question": "x"}])["data"], r'paragraph 1 question 1 has no "answers".*--answers-column'),
    (articles([QUESTIONS[0], {"id": "x", "question": "", "answers": []}])["data"], r'question "x": "question" is empty'),
]


@pytest.mark.parametrize(("rows", "says"), WRONG)
def test_complaints(rows, says):
    with pytest.raises(UserError, match=says) as caught:
        parse(*rows, name="t.jsonl")
    assert "\n" not in str(caught.value)


def test_a_test_set_with_hidden_answers_is_refused():
    hidden = Table("test.jsonl", [r | {"answers": EMPTY} for r in flat()])
    answered = Table("train.jsonl", [r for r in flat() if r["id"] != "q3"])
    with pytest.raises(UserError, match=r"test\.jsonl: none of its 4 questions has an answer"):
        QA.parse({"train": answered, "test": hidden}, COLUMNS)
    # Where training shows that questions may go unanswered, a shift of such questions alone is a fair test.
    assert len(QA.parse({"train": Table("train.jsonl", flat()), "shift:x": hidden}, COLUMNS).splits["shift:x"]) == 4


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)


@given(data=st.data(), pieces=st.lists(words, min_size=1, max_size=12))
@settings(deadline=None, max_examples=80)
def test_what_is_kept_stands_at_its_offset_and_the_rest_is_counted(data, pieces):
    context = "x" + "".join(pieces)
    rows, bad, kept = flat(), 0, 4
    for number in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(context) - 1))
        text = context[begin : data.draw(st.integers(begin + 1, len(context)))]
        answers = [(text, begin), (text, begin + data.draw(st.integers(-2, 2)))]
        good = [(t, s) for t, s in answers if t.strip() and s >= 0 and context.find(t, s) == s]
        bad += len(answers) - len(good)
        kept += bool(good)
        shaped = {"text": [t for t, _ in answers], "answer_start": [s for _, s in answers]}
        rows.append({"id": f"h{number}", "question": "?", "context": context, "answers": shaped})
    parsed = parse(*rows)
    found = parsed.splits["train"]
    assert len(found) == kept
    for e in found:
        for t, s in zip(e.target["text"], e.target["answer_start"], strict=True):
            assert s >= 0 and e.inputs["context"][s : s + len(t)] == t
    told = sum(
        int(w.split(": ")[1].split()[0]) for w in parsed.warnings if " answer does" in w or " answers do" in w or "hold" in w
    )
    assert told == bad


def test_real_questions(real_data):
    parsed = QA.parse(read_folder(real_data / "xquad_en"), COLUMNS)
    assert {s: len(rows) for s, rows in parsed.splits.items()} == {"train": 732, "validation": 195, "test": 263}
    assert not parsed.warnings and all(e.target["text"] for e in parsed.splits["train"])
    assert len({QA.cluster(e) for e in parsed.splits["train"]}) == 28
