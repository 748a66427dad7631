"""csv and tsv with stray quotes, other separators and odd headers: no row is lost in silence."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfergain.data.formats import delimited
from transfergain.data.read import read_file
from transfergain.errors import UserError


@pytest.fixture
def read(tmp_path):
    def call(content, name="a.csv"):
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return read_file(tmp_path / name)

    return call


def plain(count, changed, separator=","):
    """Lines `text i is fine,a`, some of them replaced by row number."""
    rows = [changed.get(i, separator.join([f"text {i} is fine", "ab"[i % 2]])) for i in range(1, count + 1)]
    return "\n".join([separator.join(["text", "label"]), *rows]) + "\n"


STRAY = {
    "open": {7: '"text 7,a', 19: '"text 19,b'},
    "odd": {7: '"text 7,a'},
    "word": {7: '"Well" he said,a', 9: 'so "so" it was,b'},
    "end": {7: '"text 7,a', 9: 'text 9 ends",a', 12: '6" of it,b'},
    "whole": {7: '""Well"" he said,a'},
    "last": {30: '"text 30,a'},
    "label": {7: 'text 7,"a', 19: "text 19,b"},
    "inches": {7: '12" of snow,a', 9: '14" of rain,b'},
}


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
@pytest.mark.parametrize("kind", STRAY)
def test_stray_quotes_lose_no_row(read, kind, ending):
    separator = {".csv": ",", ".tsv": "\t"}[ending]
    changed = {row: line.replace(",", separator) for row, line in STRAY[kind].items()}
    try:
        table = read(plain(30, changed, separator), f"a{ending}")
    except UserError as refusal:
        assert kind == "end" and ending == ".csv" and "row 7" in str(refusal), "swallowed rows that quotes enclose"
        return
    assert len(table.rows) == 30
    for row, line in changed.items():
        assert list(table.rows[row - 1].values()) == line.split(separator), "as they stand in the file"
    read_as_signs = [note for note in table.notes if "plain characters" in note]
    assert len(read_as_signs) == (kind not in ("inches",)) or kind == "inches"


def test_a_quote_that_swallows_rows_in_good_order_is_refused_by_its_row(read):
    with pytest.raises(UserError, match=r"a\.csv row 7: a quote begins a text of 5 lines, and most of them could be rows"):
        read(plain(30, {7: '"text 7,a', 11: 'text 11",a'}))
    assert len(read(plain(30, {7: '"text 7\ta', 11: 'text 11"\ta'}, "\t"), "a.tsv").rows) == 30


def test_two_lines_that_could_be_two_rows_are_a_warning(read):
    table = read(plain(30, {7: '"Hello, Bob', 8: 'and Eve",a'}))
    assert len(table.rows) == 29 and table.rows[6] == {"text": "Hello, Bob\nand Eve", "label": "a"}
    assert "row 7" in table.warnings[0] and "a.csv: texts with both line breaks and commas in row 7" in table.notes[0]


def test_many_of_them_are_refused(read):
    with pytest.raises(UserError, match=r"row 1: here and in 9 more rows a quote encloses two lines"):
        read("text,label\n" + "".join(f'"text {i},a\n",b\n' for i in range(10)))


def test_long_texts_of_many_commas_stay_whole_and_are_counted(read):
    letter = '"Dear all,\n\nwe, that is Bob, Eve and I, ask, as ever,\nfor rain, now\nYours",a'
    table = read(plain(5, {2: letter, 4: letter}))
    assert len(table.rows) == 5 and table.warnings == ()
    assert table.notes == ("a.csv: texts with both line breaks and commas in 2 rows (first: row 2), one text by its quotes",)


def test_quotes_are_taken_off_where_they_enclose_a_field(read):
    rows = read('text\tlabel\n"He said ""no"""\ta\n"a\tb"\tb\n', "a.tsv").rows
    assert rows == [{"text": 'He said "no"', "label": "a"}, {"text": "a\tb", "label": "b"}]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('text,label\n"a, b,x\nc,y\n', "row 1: a quote that is not closed"),
        ('text,label\n"a" b, c,x\nc,y\n', "row 1: a quote that is not closed, or stands inside"),
        ("text,label\nok,x\na,b,c\n", "row 2 has 3 fields, the header has 2; put quotes around texts that hold commas"),
        ("text;label\nok;x\na;b;c\n", "texts that hold semicolons"),
        ('text,label\n' + '"""\n' * 9, "row 1: a quote"),
    ],
)  # fmt: skip
def test_rows_that_fit_neither_way_are_refused(read, content, says):
    with pytest.raises(UserError) as caught:
        read(content)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ("text;label\na, b;x\n", "semicolons"),
        ("sep=;\ntext;label\na, b;x\n", "semicolons"),
        ('"sep=;"\r\ntext;label\r\na, b;x\r\n', "semicolons"),
        ("text\tlabel\na, b\tx\n", "tabs"),
        ("text|label\na, b|x\n", "bars"),
        ('SEP=,\ntext,label\n"a, b",x\n', None),
    ],
)
def test_other_separators_are_found_and_noted(read, content, note):
    table = read(content)
    assert table.rows == [{"text": "a, b", "label": "x"}]
    assert table.notes == ((f"a.csv: columns are separated by {note}",) if note else ())


def test_columns_without_a_name_get_one(read):
    table = read("text,label,,\nx,a,,\ny,b,more,\n")
    assert table.rows[1] == {"text": "y", "label": "b", "column 3": "more", "column 4": ""}


def test_rows_may_be_short_or_end_in_separators(read):
    assert read("text,label,more\nx,a\ny,b,c,,\n").rows == [
        {"text": "x", "label": "a", "more": ""}, {"text": "y", "label": "b", "more": "c"},
    ]  # fmt: skip


def test_very_many_columns_take_no_square_of_the_time(read):
    """A search for each name among the others would take 2 * 10^8 comparisons, half a minute."""
    names = ",".join(f"c{i}" for i in range(20_000))
    table = read(f"{names}\n" + "1," * 19_999 + "1\n")
    assert len(table.rows[0]) == 20_000


def test_a_field_of_any_size_and_the_modules_limit_stays(read):
    before = csv.field_size_limit()
    assert len(read('text,label\n"' + "x, " * 200_000 + '",a\n').rows[0]["text"]) == 600_000
    assert csv.field_size_limit() == before


def test_quotes_that_are_never_closed_do_not_take_for_ever(read, monkeypatch):
    monkeypatch.setattr(delimited, "LOOKED_AT", 1)
    odd = "text,label\n" + "".join(f'"x {i},""\n' for i in range(3000))
    try:
        assert len(read(odd).rows) == 3000
    except UserError as refusal:
        assert "quote" in str(refusal)


texts = st.text(st.sampled_from([*list('ab ",;\t\n\r'), "ü"]), max_size=12)


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=6), ending=st.sampled_from([".csv", ".tsv"]))
def test_what_a_csv_writer_wrote_is_read_or_refused(tmp_path_factory, rows, ending):
    """Rows in are rows out, or a refusal; a warning says where quotes could mean something else."""
    separator = {".csv": ",", ".tsv": "\t"}[ending]
    buffer = io.StringIO(newline="")
    csv.writer(buffer, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([("text", "label"), *rows])
    path = tmp_path_factory.mktemp("csv") / f"a{ending}"
    path.write_bytes(buffer.getvalue().encode())
    try:
        table = read_file(path)
    except UserError as refusal:
        assert "could be rows" in str(refusal) and "row " in str(refusal)
        return
    if ending == ".csv" or not any("plain characters" in note for note in table.notes):
        assert [tuple(row.values()) for row in table.rows] == rows


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.text(st.sampled_from(list('ab ",;ü')), max_size=12), st.sampled_from("xyz")), min_size=1, max_size=8
    )
)
def test_rows_written_without_any_quoting_are_all_there_or_refused(tmp_path_factory, rows):
    """The tsv that a plain `print(text, label, sep="\\t")` makes."""
    path = tmp_path_factory.mktemp("tsv") / "a.tsv"
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows), "utf-8")
    try:
        assert len(read_file(path).rows) == len(rows)
    except UserError as refusal:
        assert "row " in str(refusal)
