"""CoNLL files of every layout and tag scheme give the entities that were written; complaints name the file and line."""

import gzip
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from transfergain.data.formats.conll import COMMENTS, ENDINGS, read
from transfergain.data.formats.schemes import BARE_TYPES, to_bio
from transfergain.data.read import read_file
from transfergain.errors import UserError
from transfergain.options import OptionKind
from transfergain.tasks.ner import NER

QUICK = settings(max_examples=60, deadline=None)
LETTERS = {
    "BIO": ("B", "B", "I", "I"),
    "BIOES": ("S", "B", "I", "E"),
    "BILOU": ("U", "B", "I", "L"),
    "BMEWO": ("W", "B", "M", "E"),
    "BMESO": ("S", "B", "M", "E"),
}
"""Scheme -> its letters for an entity of one word, and for the first, inner and last word of a longer one."""


def where(i, k):
    return f"sentence {i} word {k}"


def written(lengths, scheme):
    """Tags of entities (type, words, words of none after it) in a scheme whose letters depend on the entity alone."""
    single, first, inner, last = LETTERS[scheme]
    tags = []
    for kind, words, gap in lengths:
        letters = [single] if words == 1 else [first, *[inner] * (words - 2), last]
        tags += [f"{letter}-{kind}" for letter in letters] + ["O"] * gap
    return tags


def as_iob1(bio):
    """B- only where an entity follows one of its own type."""
    tags, before = [], "O"
    for tag in bio:
        tags.append("I" + tag[1:] if tag[0] == "B" and before[2:] != tag[2:] else tag)
        before = tag
    return tags


entities = st.lists(
    st.tuples(st.sampled_from(["PER", "LOC", "creative-work"]), st.integers(1, 4), st.integers(0, 2)), min_size=1, max_size=6
)


@QUICK
@given(sentences=st.lists(entities, min_size=1, max_size=5), scheme=st.sampled_from(sorted(LETTERS)))
@example(sentences=[[("PER", 1, 0), ("PER", 2, 0), ("PER", 3, 1)]], scheme="BIOES")
def test_every_scheme_becomes_bio(sentences, scheme):
    bio = [written(sentence, "BIO") for sentence in sentences]
    found = to_bio([written(sentence, scheme) for sentence in sentences], where)
    assert found.tags == bio
    assert found.entities == sum(len(sentence) for sentence in sentences) and found.irregular == 0


@QUICK
@given(sentences=st.lists(entities, min_size=1, max_size=5))
@example(sentences=[[("PER", 1, 0), ("PER", 2, 0), ("LOC", 1, 0), ("PER", 1, 0)]])
def test_iob1_keeps_neighbours_apart(sentences):
    bio = [written(sentence, "BIO") for sentence in sentences]
    found = to_bio([as_iob1(tags) for tags in bio], where)
    assert found.tags == bio and found.irregular == 0


@QUICK
@given(sentences=st.lists(entities, min_size=1, max_size=5), prefix=st.sampled_from(["I-", ""]))
def test_io_joins_neighbours_of_one_type_only(sentences, prefix):
    apart = [[(kind, words, max(gap, 1)) for kind, words, gap in sentence] for sentence in sentences]
    bio = [written(sentence, "BIO") for sentence in apart]
    found = to_bio([[tag if tag == "O" else prefix + tag[2:] for tag in tags] for tags in bio], where)
    assert found.tags == bio
    assert found.scheme == ("IO" if prefix else BARE_TYPES)
    assert to_bio([["I-A", "I-A", "I-B"]], where).tags == [["B-A", "I-A", "B-B"]]


@pytest.mark.parametrize(
    ("tags", "scheme", "irregular"),
    [
        (["B-PER", "I-PER", "O", "B-LOC"], "BIO", 0),
        (["I-PER", "I-PER", "O", "I-LOC"], "IO", 0),
        (["I-PER", "B-PER", "O", "I-LOC"], "IOB1", 0),
        (["B-PER", "E-PER", "O", "S-LOC"], "BIOES", 0),
        (["B-PER", "L-PER", "O", "U-LOC"], "BILOU", 0),
        (["B-PER", "M-PER", "E-PER", "W-LOC"], "BMEWO", 0),
        (["B-PER", "M-PER", "E-PER", "S-LOC"], "BMESO", 0),
        (["PER", "PER", "O", "person-actor"], BARE_TYPES, 0),
        (["O", "O"], "", 0),
        (["B-PER", "O", "B-PER", "O", "I-PER"], "BIO", 1),
        (["B-PER", "I-PER", "B-LOC", "I-ORG"], "BIO", 1),
        (["B-PER", "I-PER", "O", "S-LOC", "O", "B-PER", "E-PER", "S-PER"], "BIOES", 1),
    ],
)
def test_the_scheme_is_found(tags, scheme, irregular):
    found = to_bio([tags], where)
    assert (found.scheme, found.irregular) == (scheme, irregular)


def test_entities_that_break_the_scheme_are_read_as_their_tags_suggest():
    broken = ["O", "I-PER", "I-PER", "I-LOC", "O", "B-LOC", "I-PER"]
    assert to_bio([broken], where).tags == [["O", "B-PER", "I-PER", "B-LOC", "O", "B-LOC", "B-PER"]]
    assert to_bio([["B-A", "E-A", "E-A", "S-A", "I-A"]], where).tags == [["B-A", "I-A", "B-A", "B-A", "B-A"]]


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        (["O", "B-PER", "PER"], 'word 2: "PER" is no tag'),
        (["O", "B-"], 'word 1: the tag "B-" names no type'),
        (["O", "I"], 'word 1: the tag "I" names no type'),
        (["B-PER", ""], 'word 1: "" is no tag'),
        (["B-PER", "O", "o"], 'word 2: "o" is no tag'),
        (["NNP", "VBZ"], '"NNP" is no tag such as B-PER, and no word at all is tagged O'),
        (["S-PER", "O", "U-PER"], "word 2: U- is mixed with S-"),
    ],
)
def test_tags_of_no_scheme_are_named(tags, says):
    with pytest.raises(UserError) as caught:
        to_bio([tags], where)
    assert says in str(caught.value) and "\n" not in str(caught.value)


# Files.


def put(tmp_path, content, name="train.conll"):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


WANTED = [
    {"tokens": ["Ada", "Lovelace", "smiled"], "ner_tags": ["B-PER", "I-PER", "O"]},
    {"tokens": ["In", "London"], "ner_tags": ["O", "B-LOC"]},
]


@pytest.mark.parametrize(
    "content",
    [
        "Ada\tB-PER\nLovelace\tI-PER\nsmiled\tO\n\nIn\tO\nLondon\tB-LOC\n",
        "Ada B-PER\nLovelace I-PER\nsmiled O\n\nIn O\nLondon B-LOC",
        "\n\nAda   B-PER\nLovelace I-PER  \nsmiled   O\n \t\n\n\nIn O\nLondon  B-LOC\n\n\n",
        "Ada NNP B-NP B-PER\nLovelace NNP I-NP I-PER\nsmiled VBD B-VP O\n\nIn IN B-PP O\nLondon NNP B-NP B-LOC\n",
        "Ada\tB-PER\r\nLovelace\tI-PER\r\nsmiled\tO\r\n\r\nIn\tO\r\nLondon\tB-LOC\r\n",
        "\ufeffAda\tB-PER\nLovelace\tI-PER\nsmiled\tO\n\nIn\tO\nLondon\tB-LOC\n",
        "Ada\t\tB-PER\nLovelace\t_\tI-PER\nsmiled\t_\tO\n\nIn\t_\tO\nLondon\t_\tB-LOC\n",
    ],
    ids=["tabs", "spaces", "many spaces and blank lines", "four columns", "windows", "byte order mark", "an empty column"],
)
def test_layouts(tmp_path, content):
    assert read(put(tmp_path, content)).rows == WANTED


def test_documents_and_comments_are_skipped_and_counted(tmp_path):
    content = (
        "-DOCSTART- -X- O\n\n# sent_id = 1\nAda NN B-PER\n-DOCSTART- -X- O\n# text = In London\nIn IN O\nLondon NNP B-LOC\n"
    )
    table = read(put(tmp_path, content))
    assert [row["tokens"] for row in table.rows] == [["Ada"], ["In", "London"]]
    assert set(table.said()) == {
        "train.conll: 2 -DOCSTART- lines left out",
        "train.conll: 2 comment lines left out",
    }


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_a_hash_that_is_tagged_is_a_word(tmp_path, separator):
    table = read(put(tmp_path, "# O\n1 B-X\n\nis O\n# O\n".replace(" ", separator)))
    assert [row["tokens"] for row in table.rows] == [["#", "1"], ["is", "#"]]
    assert table.notes == ()


def test_words_are_taken_from_the_second_column_where_the_first_counts_them(tmp_path):
    table = read(put(tmp_path, "1\tAda\tNN\tO\n2\tsmiled\tVB\tO\n\n1\tOh\tUH\tB-X\n"))
    assert table.rows[0] == {"tokens": ["Ada", "smiled"], "ner_tags": ["O", "O"]}
    assert table.notes == ("train.conll: words from column 2, tags from column 4 of 4",)
    numbers = read(put(tmp_path, "1 O\n2 O\n\n1 O\n"))
    assert numbers.rows[0]["tokens"] == ["1", "2"], "two columns only: the numbers are the words"


NESTED = "1\tAda\tB-PER\tO\n2\tof\tI-PER\tO\n3\tRome\tI-PER\tB-LOC\n4\tran\tO\tO\n"


def test_two_columns_of_tags_are_refused_with_what_each_would_give(tmp_path):
    path = put(tmp_path, NESTED)
    with pytest.raises(UserError, match=r"columns 3 \(1 entity of PER\) and 4 \(1 entity of LOC\).*--tags-column 3"):
        read(path)
    assert read(path, tags_column="4").rows[0] == {"tokens": ["Ada", "of", "Rome", "ran"], "4": ["O", "O", "B-LOC", "O"]}
    assert read(path, "3", "2").rows[0]["3"] == ["B-PER", "I-PER", "I-PER", "O"]
    with pytest.raises(UserError, match="has 4 columns, and no number 5"):
        read(path, tags_column="5")
    same = "Ada\tB-PER\tB-PER\nran\tO\tO\n"
    assert read(put(tmp_path, same)).rows[0]["ner_tags"] == ["B-PER", "O"], "twice the same is no question"


def test_chunks_beside_entities_are_no_question(tmp_path):
    path = put(tmp_path, "Ada NNP B-NP B-PER\nran VBD B-VP O\n")
    assert read(path).rows[0]["ner_tags"] == ["B-PER", "O"]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("B-PER\tAda\nO\tran\n", ["Ada", "ran"]),
        ("1\tAda\tB-PER\t-\t-\n2\tran\tO\t-\tann\n", ["Ada", "ran"]),
        ("Ada B-PER NNP _\nran O VBD _\n", ["Ada", "ran"]),
        ("# global.columns = ID FORM NE ORIGIN\n1\tAda\tB-PER\tB-X\n2\tran\tO\tO\n", None),
    ],
    ids=["tag first", "tag in the middle", "tag second", "named columns"],
)
def test_tags_are_found_wherever_they_stand(tmp_path, content, tokens):
    path = put(tmp_path, content)
    if tokens is None:
        table = read(path, "FORM", "NE")
        assert table.rows == [{"FORM": ["Ada", "ran"], "NE": ["B-PER", "O"]}]
    else:
        table = read(path)
        assert table.rows == [{"tokens": tokens, "ner_tags": ["B-PER", "O"]}]
    assert "words from column 2" in table.notes[0] or "tags from column 2" in table.notes[0]


@pytest.mark.parametrize(
    "comment",
    ["# id 0-ab\tdomain=train", "#begin document (x); part 000", "# sent_id = 7 8", "#\thttp://example.org\t[2010]",
     "# text = Ada ran off"],
)  # fmt: skip
def test_comments_of_as_many_fields_as_words_are_no_words(tmp_path, comment):
    table = read(put(tmp_path, f"{comment}\nAda _ _ B-PER\nran _ _ O\n\n{comment}\nAl _ _ O\n"))
    assert [row["tokens"] for row in table.rows] == [["Ada", "ran"], ["Al"]]
    assert table.left_out == {COMMENTS: 2}


def test_wikiann_keeps_no_language_before_its_words(tmp_path):
    table = read(put(tmp_path, "en:Ada B-PER\nen:: O\n\nen:ran O\n"))
    assert [row["tokens"] for row in table.rows] == [["Ada", ":"], ["ran"]] and '"en:" taken off' in table.notes[0]
    other = read(put(tmp_path, "en:Ada B-PER\nran O\n"))
    assert other.rows[0]["tokens"] == ["en:Ada", "ran"], "not every word has it"


ONTONOTES = """#begin document (x); part 000
bc/x 0 0 The DT (TOP(S(NP* - - - - (ORG* (ARG0* -
bc/x 0 1 Bank NN *) - - - - *) *) (1)
bc/x 0 2 met VB (VP* meet 01 1 - * (V*) -
bc/x 0 3 Ada NN (NP*)))) - - - - (PERSON*) (ARG1*) -

bc/x 0 0 # SYM (TOP* - - - - * -
bc/x 0 1 Rome NN *) - - - - (GPE*) -

#end document
"""


def test_brackets_of_conll_2012_are_entities_however_many_verbs_a_sentence_has(tmp_path):
    table = read(put(tmp_path, ONTONOTES))
    assert [row["tokens"] for row in table.rows] == [["The", "Bank", "met", "Ada"], ["#", "Rome"]]
    assert [row["ner_tags"] for row in table.rows] == [["B-ORG", "I-ORG", "O", "B-PERSON"], ["O", "B-GPE"]]
    assert table.word(1, 1).endswith("line 8") and table.left_out == {COMMENTS: 2}


def test_brackets_in_two_columns_are_entities(tmp_path):
    table = read(put(tmp_path, "The (ORG*\nBank *)\nran *\n"))
    assert table.rows == [{"tokens": ["The", "Bank", "ran"], "ner_tags": ["B-ORG", "I-ORG", "O"]}]
    assert read(put(tmp_path, "# *\nAda (PER*)\n")).rows[0]["tokens"] == ["#", "Ada"], "a word, and no comment"
    with pytest.raises(UserError, match="columns 2 and 3 mark entities by brackets; say which"):
        read(put(tmp_path, "The (ORG* (LOC*)\nBank *) *\n"))


@pytest.mark.parametrize("cells", ["(ORG* *", "*) (ORG*)", "(ORG* (PER*)", "* *) (A*)"])
def test_brackets_that_do_not_match_are_refused_by_line(tmp_path, cells):
    content = "Al (PER*)\n\n" + "".join(f"w {cell}\n" for cell in cells.split())
    with pytest.raises(UserError, match="line 3: the brackets of column 2 do not match"):
        read(put(tmp_path, content))


@pytest.mark.parametrize(
    ("written", "outside"),
    [("B_PER I_PER", "O"), ("PER-B PER-I", "O"), ("b-per i-per", "o"), ("B-per I-per", "-"), ("b_per i_per", "_"),
     ("per_b per_i", "O"), ("B:PER I:PER", "O"), ("PER|B PER|I", "-")],
)  # fmt: skip
def test_tags_spelt_otherwise_are_one_entity(written, outside):
    first, inner = written.split()
    found = to_bio([[first, inner, outside, first], [outside]], where)
    assert [[tag.upper() for tag in row] for row in found.tags] == [["B-PER", "I-PER", "O", "B-PER"], ["O"]]
    assert (found.entities, found.irregular, found.scheme) == (2, 0, "BIO") and first in found.spelling + "B-per"


@pytest.mark.parametrize("tags", [["BPER", "IPER", "O"], ["PERb", "PERi", "O"], ["B PER", "I PER", "O"]])
def test_types_that_come_in_pairs_are_refused(tags):
    with pytest.raises(UserError, match="look like the beginning and the inside of one type"):
        to_bio([tags], where)


@pytest.mark.parametrize("tags", [["vitamin_e", "O"], ["B_cell", "protein", "O"], ["I", "O", "O"], ["PER", "-", "-"]])
def test_bare_types_are_not_mistaken_for_spellings(tags):
    if tags[0] == "I":
        with pytest.raises(UserError, match="names no type"):
            to_bio([tags], where)
    else:
        assert to_bio([tags], where).scheme == BARE_TYPES


def test_strange_words_stay_whole(tmp_path):
    words = ["New York", "\u00a0", "a\u200bb", "\u2028", "|", '"', "[x|PER]", "\U0001f600\ufe0f"]
    table = read(put(tmp_path, "".join(f"{word}\tO\n" for word in words)))
    assert table.rows[0]["tokens"] == words


def test_every_word_knows_its_line(tmp_path):
    table = read(put(tmp_path, "-DOCSTART- O\n\nAda B-PER\nspoke O\n\n\nIn O\nLondon B-LOC\n"))
    assert [table.where(0), table.where(1)] == ["train.conll line 3", "train.conll line 7"]
    assert [table.word(0, 1), table.word(1, 1)] == ["train.conll line 4", "train.conll line 8"]


words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=6).filter(
    lambda word: word.strip() and not word.startswith(("#", "-DOCSTART-"))
)
pairs = st.lists(st.tuples(words, st.sampled_from(["O", "B-PER", "I-PER"])), min_size=1, max_size=5)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("ending", ENDINGS)
@settings(max_examples=15, deadline=None)
@given(sentences=st.lists(pairs, min_size=1, max_size=4), separator=st.sampled_from(["\t", " ", "   "]))
def test_round_trip_by_its_ending(ending, packed, sentences, separator):
    content = "\n\n".join("\n".join(f"{w}{separator}{t}" for w, t in pairs) for pairs in sentences).encode()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"train{ending}{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(content) if packed else content)
        table = read_file(path)
    assert table.rows == [{"tokens": [w for w, _ in pairs], "ner_tags": [t for _, t in pairs]} for pairs in sentences]


def test_column_names_can_be_chosen(tmp_path):
    assert read(put(tmp_path, "Ada B-PER\n"), "words", "tags").columns() == ["words", "tags"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("Ada B-PER\nsmiled\n", "train.conll line 2 has one column only"),
        ("Ada\tB-PER\n\nsmiled\t\n", "train.conll line 3 has one column only"),
        ("Ada\n\nsmiled\n", "train.conll line 1 has one column only"),
        ("Ada B-PER\nNew York B-LOC\nsmiled O\n", "train.conll line 2 has 3 columns, most lines have 2"),
        ("Ada\tB-PER\nNew York B-LOC\nsmiled\tO\n", "train.conll line 2 has one column only"),
        ("Ada B-PER\n# a comment\nsmiled O\n", "train.conll line 2 has 3 columns"),
        (b"Ada B-PER\ncaf\xe9 O\n", "train.conll line 2: byte 0xe9 is not UTF-8"),
        ("", "train.conll is empty"),
        ("\n\n \n", "train.conll holds no rows"),
        ("-DOCSTART- O\n\n", "train.conll holds no rows"),
    ],
)
def test_complaints(tmp_path, content, says):
    path = put(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_file(path)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_real_files(real_data):
    noisy = read_file(real_data / "wnut17" / "train.conll")
    found = to_bio([row["ner_tags"] for row in noisy.rows], where)
    assert (len(noisy.rows), found.scheme, found.irregular, found.entities) == (3394, "BIO", 0, 1975)
    wiki = read_file(real_data / "wikigold" / "all.conll")
    found = to_bio([row["ner_tags"] for row in wiki.rows], where)
    assert (len(wiki.rows), found.scheme, found.irregular) == (1696, "IO", 0)


def test_two_columns_of_tags_are_named_though_one_cannot_be_read(tmp_path):
    """The refusal came from within one of the two columns, and named no file."""
    path = tmp_path / "names.txt"
    path.write_text("Ada O\n\nB-X O\nB-X O\nB-X O\nB-X B-PER\n", "utf-8")
    told = r"names\.txt: columns 1 \(tags, and some that are none\) and 2 \(1 entit"
    with pytest.raises(UserError, match=told):
        read_file(path, NER.readers(NER.defaults(OptionKind.PARSE)))
