"""Question answering."""

import json

from bad_inputs.world import case, with_file


def questions(count=80, **instead):
    """Rows of eight questions an article; `instead` replaces their values."""
    rows = []
    for i in range(count):
        context = f"Ada number {i} was born in town{i} long ago."
        answers = {"text": [f"town{i}"], "answer_start": [context.index("town")]}
        row = {
            "id": str(i),
            "title": f"Ada {i // 8}",
            "context": context,
            "question": f"Where was {i} born?",
            "answers": answers,
        }
        rows.append(row | instead)
    return rows


def qa(rows, *arguments):
    return with_file("quiz.jsonl", "\n".join(map(json.dumps, rows)), "--task", "qa", *arguments)


def qa_changed(**values):
    """The fifth of the questions has other values."""
    rows = questions()
    rows[4] |= values
    return qa(rows)


def qa_answers(text, start):
    return qa_changed(answers={"text": text, "answer_start": start})


def qa_article(article):
    return with_file("quiz.json", json.dumps({"version": "1.1", "data": [article]}), "--task", "qa")


def qa_beside(flag, rows):
    return lambda w: [*qa(questions())(w), flag, w.put("other.jsonl", "\n".join(map(json.dumps, rows)))]


ONE_ARTICLE = [row | {"title": "Bob", "question": f"And {row['question']}"} for row in questions(20)]
HIDDEN = [row | {"answers": [], "question": f"And {row['question']}"} for row in questions(20)]
PARAGRAPH = {"context": "Ada spoke.", "qas": [{"id": "q7", "question": "Who?"}]}

for name, says, build in [
    ("no column of passages", ('no column "passage"', "--context-column"), qa(questions(), "--context-column", "passage")),
    ("no column of questions", ('no column "query"', "--question-column"), qa(questions(), "--question-column", "query")),
    ("no column of answers", ('no column "gold"', "--answers-column"), qa(questions(), "--answers-column", "gold")),
    ("empty question", ("quiz.jsonl line 5", '"question" is empty'), qa_changed(question=" ")),
    ("null for a passage", ("quiz.jsonl line 5", '"context" is empty'), qa_changed(context=None)),
    ("list for a passage", ("quiz.jsonl line 5", '"context" holds a list'), qa_changed(context=["Ada", "spoke"])),
    ("text for answers", ("quiz.jsonl line 5", '"answers" is "town4"', "answer_start"), qa_changed(answers="town4")),
    ("list of texts for answers", ("quiz.jsonl line 5", "['town4']", "answer_start"), qa_changed(answers=["town4"])),
    ("null for answers", ("quiz.jsonl line 5", "empty list"), qa_changed(answers=None)),
    ("answers without offsets", ("quiz.jsonl line 5", '"answer_start"'), qa_changed(answers={"text": ["town4"]})),
    ("fewer offsets than answers", ("quiz.jsonl line 5", "2 text but 1 answer_start"), qa_answers(["a", "b"], [0])),
    ("number for an answer", ("quiz.jsonl line 5", "an answer's text is"), qa_answers([4], [0])),
    ("text for an offset", ("quiz.jsonl line 5", 'answer_start is "27"', "whole number"), qa_answers(["town4"], ["27"])),
    ("half an offset", ("quiz.jsonl line 5", 'answer_start is "1.5"'), qa_answers(["town4"], [1.5])),
    ("NaN for an offset", ("quiz.jsonl line 5", 'answer_start is "nan"'), qa_answers(["town4"], [float("nan")])),
    ("words for is_impossible", ("quiz.jsonl line 5", "true or false"), qa_changed(is_impossible="no")),
    ("half a character", ("quiz.jsonl line 5", "half a character"), qa_changed(context="Ada \ud83d")),
    (
        "offsets that never match",
        ("quiz.jsonl holds no question", "80 answers do not stand at their offset", "first: question id 0", "from 0"),
        qa(questions(answers={"text": ["town"], "answer_start": [0]})),
    ),
    ("no answer anywhere", ("quiz.jsonl: none of its 80 questions has an answer",), qa(questions(answers=[]))),
    ("hidden answers", ("other.jsonl: none of its 20 questions has an answer",), qa_beside("--test-file", HIDDEN)),
    (
        "test of one article",
        ("all of the test split is of one article", "at least two"),
        qa_beside("--test-file", ONE_ARTICLE),
    ),
    ("data of one article", ("quiz: ", "by article", "--test-file"), qa(questions(title="Ada"))),
    ("too few questions", ("at least 10 are needed",), qa([row | {"title": row["id"]} for row in questions(12)])),
    (
        "articles without paragraphs",
        ("quiz.json article 1", '"paragraphs"'),
        qa_article({"title": "Ada", "paragraphs": "x"}),
    ),
    ("paragraph without questions", ("article 1 paragraph 1", '"qas"'), qa_article({"paragraphs": [{"context": "Ada."}]})),
    ("paragraph without a passage", ("paragraph 1 has no", '"context"'), qa_article({"paragraphs": [{"qas": []}]})),
    ("article's question without answers", ('question "q7" has no "answers"',), qa_article({"paragraphs": [PARAGRAPH]})),
    ("article without questions", ("quiz.json holds no question",), qa_article({"paragraphs": []})),
    ("negative overlap", ("--doc-stride", "-1"), qa(questions(), "--doc-stride", "-1")),
    (
        "labels",
        ("--label-column", "is for the tasks sentiment, classification, not for qa"),
        qa(questions(), "--label-column", "x"),
    ),
    (
        "another task's built-in data",
        ('no column "question"',),
        lambda w: ["run", "--task", "qa", "--dataset-name", "builtin:ner"],
    ),
]:
    case(*says, name=f"qa: {name}")(build)

case("shift:quiz", "one article", name="qa: shift of one article")(
    lambda w: [*qa(questions())(w), "--shift", "quiz=" + w.put("b.jsonl", "\n".join(map(json.dumps, ONE_ARTICLE)))]
)
case("--max-length 384", "at most 128 tokens", name="qa: longer windows than the model has positions for")(
    lambda w: [*qa(questions())(w), "--model", w.model("tiny")]
)
case("--max-length 4 leaves no room for a passage", name="qa: no room for a passage")(
    lambda w: [*qa(questions(), "--max-length", "4")(w), "--model", w.model("tiny")]
)
