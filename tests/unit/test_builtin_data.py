"""The built-in benchmark: shape, balance, marks and offsets, freedom from repeats, how hard it is for floors, data cards."""

import functools
import json
import re
import statistics
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import transfergain.data
from transfergain.data.draws import Drawn
from transfergain.data.prepare import DataSource, load
from transfergain.metrics import METRICS
from transfergain.metrics.entity_f1 import spans
from transfergain.tasks import TASKS, floors

FOLDER = Path(transfergain.data.__file__).parent / "builtin"
SHIFTS = {
    "sentiment": "shift.places",
    "classification": "shift.forum",
    "ner": "shift.messages",
    "qa": "shift.practical",
    "translation": "shift.notices",
}
COLUMNS = {
    "sentiment": ["text", "label", "domain"],
    "classification": ["text", "label", "domain"],
    "ner": ["text", "domain"],
    "qa": ["id", "title", "context", "question", "answers", "domain"],
    "translation": ["translation", "domain"],
}
AT_LEAST = {
    "sentiment": {"train": 600, "validation": 150, "test": 300, "shift": 200},
    "classification": {"train": 600, "validation": 150, "test": 300, "shift": 200},
    "ner": {"train": 500, "validation": 120, "test": 250, "shift": 150},
    "qa": {"train": 420, "validation": 80, "test": 100, "shift": 60},
    "translation": {"train": 1200, "validation": 150, "test": 200, "shift": 100},
}
OPTIONS = {"translation": {"source_lang": "fr", "target_lang": "en"}}
NEAR = 0.5
"""Two texts whose sets of word bigrams have this Jaccard index or more are near duplicates."""
WORDS = {
    ("sentiment", "text"): (3, 60),
    ("classification", "text"): (3, 60),
    ("ner", "text"): (4, 40),
    ("qa", "passage"): (60, 130),
    ("qa", "question"): (3, 25),
    ("translation", "en"): (3, 22),
    ("translation", "fr"): (3, 24),
}
"""The fewest and the most words of a text."""
VARIED = {
    ("sentiment", "text"): (0.6, 0.01),
    ("classification", "text"): (0.6, 0.01),
    ("ner", "text"): (0.6, 0.01),
    ("qa", "passage"): (0.6, 0.01),
    ("qa", "question"): (0.6, 0.05),
    ("translation", "en"): (0.6, 0.02),
    ("translation", "fr"): (0.6, 0.02),
}
"""The least share of different word bigrams in train, and the largest share of texts that begin with the same three words
(or the same two texts, where a split is small)."""
TFIDF_BAND = {"sentiment": (0.65, 0.80), "classification": (0.40, 0.70)}
"""Test accuracy of counted words: above the upper end the set is too easy, below the lower its labels are suspect."""
FLOOR_BAND = {
    ("ner", "frequent_tag"): (0.02, 0.25),
    ("qa", "overlap"): (0.04, 0.25),
    ("translation", "copy_source"): (0.10, 0.22),
    ("translation", "nearest"): (0.20, 0.32),
}
"""The primary score on test of floors that understand nothing."""
TYPES = {"PER", "ORG", "LOC", "MISC"}
MARK = re.compile(r"\[([^\[\]|]+)\|([^\[\]|]+)\]")

each_task = pytest.mark.parametrize("task", sorted(SHIFTS))
each_labelled = pytest.mark.parametrize("task", sorted(TFIDF_BAND))


def names(task):
    return ["train", "validation", "test", SHIFTS[task]]


@functools.cache
def read(task):
    """Split -> rows, read without the package's own readers."""
    return {n: [json.loads(line) for line in lines(FOLDER / task / f"{n}.jsonl")] for n in names(task)}


def lines(path):
    raw = path.read_bytes().decode("utf-8")  # raises unless the bytes are UTF-8
    assert raw.endswith("\n")
    assert not raw.startswith("\ufeff")
    return raw[:-1].split("\n")


def words(text):
    """Lower-case words of the compatibility form, without punctuation: what repeats are judged by."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", unicodedata.normalize("NFKC", text).casefold().replace("’", "'"))


def bigrams(text):
    return list(zip(words(text), words(text)[1:], strict=False))


def every_row(task):
    return [row for rows in read(task).values() for row in rows]


def plain(marked):
    """A text without its entity marks."""
    return MARK.sub(r"\1", marked)


def entities(rows):
    """(name, type) of every mark."""
    return [mark for row in rows for mark in MARK.findall(row["text"])]


def paragraphs(rows):
    """Paragraph number -> its rows, in the order of their questions."""
    found = defaultdict(list)
    for row in sorted(rows, key=lambda row: row["id"]):
        found[row["id"].partition("-")[0]].append(row)
    return found


def texts(task, rows):
    """Kind of text -> all of that kind; a passage counts once for all its questions."""
    if task == "qa":
        passages = [held[0]["context"] for held in paragraphs(rows).values()]
        return {"passage": passages, "question": [row["question"] for row in rows]}
    if task == "translation":
        return {side: [row["translation"][side] for row in rows] for side in ("en", "fr")}
    return {"text": [plain(row["text"]) for row in rows]}


def strings(value):
    """Every string of a row, however deep."""
    if isinstance(value, dict):
        return [text for inner in value.values() for text in strings(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in strings(inner)]
    return [value] if isinstance(value, str) else []


def nearest_pair(texts):
    """(Jaccard index, text, text) of the two texts that share most of their word bigrams."""
    sets = [set(bigrams(text)) for text in texts]
    holders, best = defaultdict(list), (0.0, "", "")
    for i, mine in enumerate(sets):
        shared = Counter(j for gram in mine for j in holders[gram])
        for j, count in shared.items():
            best = max(best, (count / (len(mine) + len(sets[j]) - count), texts[i], texts[j]))
        for gram in mine:
            holders[gram].append(i)
    return best


@functools.cache
def nearest_of(task):
    """Kind of text -> its nearest pair over all splits."""
    return {kind: nearest_pair(found) for kind, found in texts(task, every_row(task)).items()}


@functools.cache
def loaded(task):
    return load(DataSource(dataset_name=f"builtin:{task}", options=OPTIONS.get(task, {})), TASKS[task])


# All tasks.


@each_task
def test_each_line_is_one_object_with_the_columns_of_its_task(task):
    for name, rows in read(task).items():
        assert all(list(row) == COLUMNS[task] for row in rows), name
        assert all(text == text.strip() != "" for row in rows for text in strings(row)), name
        written = [json.dumps(row, ensure_ascii=False) for row in rows]
        assert written == lines(FOLDER / task / f"{name}.jsonl"), name  # no escapes, no keys given twice


@each_labelled
def test_texts_have_a_label(task):
    assert all(isinstance(value, str) for row in every_row(task) for value in row.values())


@each_task
def test_texts_hold_no_control_or_private_characters(task):
    for text in [text for row in every_row(task) for text in strings(row)]:
        odd = [c for c in text if unicodedata.category(c)[0] == "C" or c == "\N{REPLACEMENT CHARACTER}"]
        assert not odd, text
        assert unicodedata.is_normalized("NFC", text), text
        assert "  " not in text, text
        assert not {c for c in text if c.isspace()} - {" "}, text


@each_task
def test_the_folder_holds_the_four_splits_and_the_card_and_nothing_else(task):
    assert {f.name for f in (FOLDER / task).iterdir()} == {f"{n}.jsonl" for n in names(task)} | {"CARD.md"}


@each_task
def test_splits_are_large_enough(task):
    for name, rows in read(task).items():
        assert len(rows) >= AT_LEAST[task][name.split(".")[0]], name


@each_task
def test_the_shift_is_of_another_domain_and_the_main_splits_share_theirs(task):
    domains = {name: {row["domain"] for row in rows} for name, rows in read(task).items()}
    assert domains["train"] == domains["validation"] == domains["test"]
    assert len(domains[SHIFTS[task]]) == 1
    assert not domains[SHIFTS[task]] & domains["train"]


@each_labelled
def test_labels_and_domains_are_balanced_within_one_in_every_split(task):
    rows_of = read(task)
    labels = {row["label"] for row in rows_of["train"]}
    assert len(labels) == {"sentiment": 2, "classification": 6}[task]
    for name, rows in rows_of.items():
        by_label = Counter(row["label"] for row in rows)
        assert set(by_label) == labels, name
        assert max(by_label.values()) - min(by_label.values()) <= 1, name
        cells = Counter((row["label"], row["domain"]) for row in rows)
        assert max(cells.values()) - min(cells.values()) <= 1, name
        assert len(cells) == len(labels) * len({row["domain"] for row in rows}), name


@each_task
def test_no_text_repeats_another_in_any_split(task):
    for kind, found in texts(task, every_row(task)).items():
        counts = Counter(" ".join(words(text)) for text in found)
        assert [text for text, n in counts.items() if n > 1] == [], kind
        index, one, other = nearest_of(task)[kind]
        assert index < NEAR, (one, other)


def test_no_text_of_a_task_repeats_one_of_another():
    kinds = [texts(task, every_row(task)) for task in SHIFTS]
    pool = [text for held in kinds for kind, found in held.items() if kind != "fr" for text in found]
    assert len({" ".join(words(text)) for text in pool}) == len(pool)
    index, one, other = nearest_pair(pool)
    assert index < NEAR, (one, other)


def test_the_search_for_near_duplicates_finds_a_planted_one():
    found = [row["text"] for row in read("sentiment")["test"]]
    source = max(found, key=len)
    planted = source.upper().replace(".", "!") + " Truly."
    assert nearest_pair([*found, planted])[0] > NEAR
    assert set(nearest_pair([*found, planted])[1:]) == {source, planted}


@each_task
def test_wording_is_varied(task):
    for kind, found in texts(task, read(task)["train"]).items():
        grams = [gram for text in found for gram in bigrams(text)]
        assert len(set(grams)) / len(grams) > VARIED[task, kind][0], kind
    for rows in read(task).values():
        for kind, found in texts(task, rows).items():
            openings = Counter(tuple(words(text)[:3]) for text in found)
            opening, most = openings.most_common(1)[0]
            alike = 1 if (task, kind) in (("sentiment", "text"), ("classification", "text")) else 2
            assert most <= max(alike, VARIED[task, kind][1] * len(found)), opening


@each_task
def test_lengths_are_those_of_sentences_and_passages(task):
    for kind, found in texts(task, every_row(task)).items():
        least, most = WORDS[task, kind]
        for text in found:
            assert least <= len(words(text)) <= most, text


@each_task
def test_the_package_reads_it_whole(task):
    data, rows_of = loaded(task), read(task)
    sizes = [len(data.train), len(data.dev), len(data.test), *map(len, data.shifts.values())]
    assert sizes == [len(rows_of[n]) for n in names(task)]  # no row was dropped as a duplicate
    assert list(data.shifts) == [SHIFTS[task].removeprefix("shift.")]
    assert data.warnings == ()


@pytest.mark.long
@each_labelled
def test_counted_words_leave_room_for_better_models(task):
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    rows_of = read(task)
    vectors = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    train = vectors.fit_transform([row["text"] for row in rows_of["train"]])
    test = vectors.transform([row["text"] for row in rows_of["test"]])
    targets = {name: [row["label"] for row in rows_of[name]] for name in ("train", "test")}
    scores = [
        LogisticRegression(C=c, max_iter=1000).fit(train, targets["train"]).score(test, targets["test"])
        for c in (1, 10, 100)
    ]
    low, high = TFIDF_BAND[task]
    assert low <= max(scores) <= high


@pytest.mark.long
@pytest.mark.parametrize(("task", "floor"), sorted(FLOOR_BAND))
def test_floors_leave_room_for_better_models(task, floor):
    data = loaded(task)
    predict = floors()[floor].fit(Drawn(data.train, data.dev), TASKS[task].text, 0)
    metric = METRICS[TASKS[task].metrics[0]]
    counts = metric.counts(predict(data.test), [row.target for row in data.test], data.labels)
    low, high = FLOOR_BAND[task, floor]
    assert low <= float(metric.finish(counts.sum(0))) <= high


# Named entities.


def test_marks_are_whole_words_of_the_four_types():
    for row in every_row("ner"):
        text = row["text"]
        assert not set("[]|") & set(plain(text)), text  # every bracket belongs to a mark
        assert not re.search(r"\w\[|\]\w", text), text
        for name, kind in MARK.findall(text):
            assert kind in TYPES, text
            assert name == name.strip(" ,;:!?'\"()-"), text
            assert not re.search(r"['’]s$", name), text


def test_the_package_finds_every_marked_entity():
    data = loaded("ner")
    for name, examples in zip(names("ner"), (data.train, data.dev, data.test, *data.shifts.values()), strict=True):
        for row, example in zip(read("ner")[name], examples, strict=True):
            tokens = example.inputs["tokens"]
            assert "".join(tokens) == plain(row["text"]).replace(" ", "")
            found = sorted(spans(example.target, data.labels), key=lambda span: span[1])
            said = [("".join(tokens[start:end]), kind) for kind, start, end in found]
            assert said == [(name.replace(" ", ""), kind) for name, kind in MARK.findall(row["text"])]


def test_entity_types_and_empty_sentences_are_in_proportion_in_the_main_splits():
    rows_of = read("ner")
    everything = [row for name in names("ner")[:3] for row in rows_of[name]]
    whole = Counter(kind for _, kind in entities(everything))
    for name in names("ner")[:3]:
        rows, counts = rows_of[name], Counter(kind for _, kind in entities(rows_of[name]))
        assert set(counts) == TYPES
        for kind in TYPES:
            assert abs(counts[kind] / counts.total() - whole[kind] / whole.total()) < 0.03, (name, kind)
        assert abs(counts.total() / len(rows) - whole.total() / len(everything)) < 0.1, name
    for name, rows in rows_of.items():
        assert 0.10 <= sum(not MARK.search(row["text"]) for row in rows) / len(rows) <= 0.15, name


def test_names_cannot_be_looked_up():
    """Most names of test are not in train, and many names have another type elsewhere or stand for no entity at all."""
    rows_of = read("ner")
    known = {name for name, _ in entities(rows_of["train"])}
    for name in ("validation", "test"):
        held = [entity for entity, _ in entities(rows_of[name])]
        assert sum(entity not in known for entity in held) / len(held) > 0.75, name
    kinds = defaultdict(set)
    for entity, kind in entities([row for name in names("ner")[:3] for row in rows_of[name]]):
        kinds[entity].add(kind)
    assert sum(len(found) > 1 for found in kinds.values()) >= 40


def test_news_are_sentences_and_messages_are_loose():
    for name, rows in read("ner").items():
        formal = [bool(re.match(r'"?[^a-z\W]', plain(row["text"])) and re.search(r'[.?!]"?$', row["text"])) for row in rows]
        assert all(formal) if not name.startswith("shift") else sum(formal) < 0.1 * len(rows), name


# Question answering.


def test_answers_stand_at_their_offsets_as_whole_words():
    for row in every_row("qa"):
        answers, context = row["answers"], row["context"]
        assert list(answers) == ["text", "answer_start"], row["id"]
        assert 1 <= len(answers["text"]) == len(answers["answer_start"]) == len(set(answers["text"])), row["id"]
        for text, start in zip(answers["text"], answers["answer_start"], strict=True):
            end = start + len(text)
            assert context[start:end] == text, row["id"]
            assert not context[start - 1 : start].isalnum(), row["id"]
            assert not context[end : end + 1].isalnum(), row["id"]
            assert 1 <= len(text.split()) <= 8, row["id"]
            assert text[-1] not in ".,;:", row["id"]


def test_further_answers_are_the_same_one_of_another_extent():
    several = [row for row in every_row("qa") if len(row["answers"]["text"]) > 1]
    assert len(several) >= 0.1 * len(every_row("qa"))
    for row in several:
        first, *rest = zip(row["answers"]["answer_start"], row["answers"]["text"], strict=True)
        for start, text in rest:
            apart = start >= first[0] + len(first[1]) or first[0] >= start + len(text)
            assert not apart, row["id"]


def test_every_paragraph_has_five_questions_and_its_own_title():
    rows = every_row("qa")
    held = paragraphs(rows)
    articles = [p for p in held.values() if p[0]["domain"] == "article"]
    assert len(articles) >= 120
    assert sorted(held) == [f"p{i:03}" for i in range(1, len(held) + 1)]
    for number, questions in held.items():
        assert [row["id"] for row in questions] == [f"{number}-{i}" for i in range(1, 6)]
        assert len({(row["title"], row["context"], row["domain"]) for row in questions}) == 1, number
    assert len({questions[0]["title"].casefold() for questions in held.values()}) == len(held)


def test_splits_share_no_paragraph():
    numbers = [set(paragraphs(rows)) for rows in read("qa").values()]
    assert sum(map(len, numbers)) == len(set().union(*numbers))


def test_questions_ask_and_do_not_hold_their_answer():
    for row in every_row("qa"):
        question = row["question"]
        assert question.endswith("?"), question
        assert question.count("?") == 1, question
        assert question[0].isupper(), question
        assert f" {' '.join(words(row['answers']['text'][0]))} " not in f" {' '.join(words(question))} ", question


# Translation.


def test_both_sides_are_sentences_of_their_language():
    for row in every_row("translation"):
        pair = row["translation"]
        assert list(pair) == ["en", "fr"]
        for text in pair.values():
            assert text[0].isupper(), text
            assert text[-1] in ".?!", text
            assert not re.search("[’‘“”«»\u00a0\u202f…–—]", text), text
        assert not re.search(r"\S[?!:;]", pair["fr"]), pair["fr"]  # a space before double signs, as French prints them
        assert not re.search(r"\s[?!:;,.]", pair["en"]), pair["en"]
        assert (pair["en"][-1] == "?") == (pair["fr"][-1] == "?"), pair
        assert 0.5 <= len(pair["fr"]) / len(pair["en"]) <= 2, pair


def test_no_side_is_in_the_other_language():
    common = {"en": {"the", "is", "of", "and", "to"}, "fr": {"le", "la", "les", "est", "et", "de", "des"}}
    for side, other in (("en", "fr"), ("fr", "en")):
        held = Counter(word for row in every_row("translation") for word in words(row["translation"][side]))
        assert sum(held[word] for word in common[side]) > 20 * sum(held[word] for word in common[other]), side


def test_domains_are_in_proportion():
    main = [read("translation")[name] for name in names("translation")[:3]]
    shares = [sum(row["domain"] == "travel" for row in rows) / len(rows) for rows in main]
    assert max(shares) - min(shares) < 0.02


# Cards.


def four(counts):
    """min / median / mean / max, as the cards state them."""
    return f"{min(counts)} / {statistics.median(counts):g} / {statistics.mean(counts):.1f} / {max(counts)}"


def figures(task, rows):
    """The cells of a card's table after split and file."""
    lengths = [four([len(words(text)) for text in found]) for found in texts(task, rows).values()]
    domains = ", ".join(sorted({row["domain"] for row in rows}))
    if task == "ner":
        counts = Counter(kind for _, kind in entities(rows))
        types = " / ".join(str(counts[kind]) for kind in ("PER", "ORG", "LOC", "MISC"))
        return [str(len(rows)), str(sum(not MARK.search(row["text"]) for row in rows)), types, domains, *lengths]
    if task == "qa":
        answers = four([len(words(row["answers"]["text"][0])) for row in rows])
        several = sum(len(row["answers"]["text"]) > 1 for row in rows)
        return [str(len(paragraphs(rows))), str(len(rows)), str(several), domains, *lengths, answers]
    if task == "translation":
        return [str(len(rows)), domains, *lengths]
    return [str(len(rows)), str(len(rows) // len({row["label"] for row in rows})), domains, *lengths]


def card_of(task):
    return (FOLDER / task / "CARD.md").read_text("utf-8")


@each_task
def test_the_card_states_the_figures_of_the_files(task):
    lines_of_files = [line for line in card_of(task).splitlines() if ".jsonl` |" in line]
    table = [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines_of_files]
    stated = {file.removesuffix(".jsonl"): cells for _, file, *cells in table}
    assert list(stated) == names(task)
    for name, rows in read(task).items():
        assert stated[name] == figures(task, rows), name


@each_task
def test_the_card_states_how_near_the_nearest_pair_is(task):
    splits = re.search(r"## Splits\n(.*?)\n## ", card_of(task), re.DOTALL)[1]
    stated = re.findall(r"0\.\d\d", " ".join(splits.split()).partition("closest pair")[2])
    assert stated == [f"{index:.2f}" for index, _, _ in nearest_of(task).values()]


@pytest.mark.parametrize("task", ["ner", "qa", "translation"])
def test_the_card_states_the_vocabulary_of_train(task):
    held = texts(task, read(task)["train"])
    groups = held.values() if task == "translation" else [[text for found in held.values() for text in found]]
    for group in groups:
        count = len({word for text in group for word in words(text)})
        assert re.search(rf"\b{count:,}\b", card_of(task)), count


@each_task
def test_the_card_has_the_headings_of_all(task):
    headings = re.findall(r"^#+ .*", card_of(task), re.MULTILINE)
    assert headings == [f"# `builtin:{task}`", *re.findall(r"^## .*", card_of("sentiment"), re.MULTILINE)]


@each_task
def test_card_and_licence_name_the_dedication(task):
    assert "CC0-1.0" in card_of(task)
    licence = (FOLDER / "LICENSE").read_text("utf-8")
    assert "CC0-1.0" in licence
    assert "CC0 1.0 Universal" in licence
    assert f"{task}/" in licence
