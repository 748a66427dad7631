"""Workbooks: the first sheet with rows is read like a csv, and what is none or too large is refused in one line."""

import datetime
import zipfile

import pytest

from transfergain.commands import init
from transfergain.data.formats import unpacked, xlsx
from transfergain.data.read import read_file
from transfergain.errors import UserError

openpyxl = pytest.importorskip("openpyxl")


def save(path, *sheets):
    """Write a workbook of sheets, each a list of rows."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"sheet {number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


HEADER = ["text", "label"]


def test_rows_are_those_below_the_header_and_named_as_the_spreadsheet_shows_them(tmp_path):
    day = datetime.date(2026, 1, 2)
    path = save(tmp_path / "a.xlsx", [[], HEADER, ["a fine film", 1], [None, "  "], ["a cold room", 0], [True, day]])
    table = read_file(path)
    assert table.rows[:2] == [{"text": "a fine film", "label": 1}, {"text": "a cold room", "label": 0}]
    assert table.rows[2]["label"].startswith("2026-01-02")
    assert table.left_out == {xlsx.EMPTY: 1}
    assert [table.where(i) for i in range(3)] == [f"a.xlsx sheet row {n}" for n in (3, 5, 6)]
    kept = table.keeping([1], [table.rows[1]])
    assert kept.where(0) == "a.xlsx sheet row 5"


def test_empty_sheets_are_passed_over_and_further_ones_counted(tmp_path):
    table = read_file(save(tmp_path / "a.xlsx", [], [HEADER], [HEADER, ["x", "a"]], [HEADER, ["y", "b"], ["z", "b"]]))
    assert table.rows == [{"text": "x", "label": "a"}]
    assert table.notes == ("a.xlsx: 2 rows of a further sheet not read",)


def test_a_packed_workbook_is_read(tmp_path):
    path = save(tmp_path / "a.xlsx", [HEADER, ["x", "a"]])
    with zipfile.ZipFile(tmp_path / "a.xlsx.zip", "w") as archive:
        archive.write(path, "a.xlsx")
    assert read_file(tmp_path / "a.xlsx.zip").rows == read_file(path).rows


def test_init_proposes_a_study_of_a_workbook(tmp_path):
    rows = [[f"a fine film {i}", ("good", "bad")[i % 2]] for i in range(80)]
    keys = init.propose(str(save(tmp_path / "a.xlsx", [HEADER, *rows])), {}).keys
    assert (keys["task"], keys["text_column"], keys["label_column"]) == ("sentiment", "text", "label")


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([HEADER], "holds no rows"),
        ([HEADER, ["x", "a", "b"]], "sheet row 2: a value in column 3, which has no name in the header"),
        ([["text", "text"], ["x", "a"]], 'sheet row 1: two columns of "sheet 0" are called "text"'),
    ],
)
def test_what_is_no_table_is_refused_by_row(tmp_path, rows, says):
    with pytest.raises(UserError) as refusal:
        read_file(save(tmp_path / "a.xlsx", rows))
    assert says in str(refusal.value)


def rewritten(path, name, change):
    """Change one part of a workbook."""
    with zipfile.ZipFile(path) as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    parts[name] = change(parts[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in parts.items():
            archive.writestr(member, content)
    return path


SHEET = "xl/worksheets/sheet1.xml"


def test_bombs_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    path = save(tmp_path / "a.xlsx", [HEADER, ["x", "a"]])
    rewritten(path, SHEET, lambda content: content + b" " * 2**27)
    opened = []
    monkeypatch.setattr(zipfile.ZipFile, "read", lambda *_: opened.append(1))
    with pytest.raises(UserError, match=f"unpacks to more than {unpacked.ALLOWED_BYTES >> 20} MiB"):
        read_file(path)
    assert opened == [], "nothing of it is read"


def test_cells_at_the_edge_of_what_a_sheet_can_have_take_no_time_and_no_memory(tmp_path):
    path = save(tmp_path / "a.xlsx", [HEADER, ["x", "a"]])
    far = b'<row r="4000000000"><c r="A4000000000"><v>1</v></c></row></sheetData>'
    rewritten(path, SHEET, lambda content: content.replace(b"</sheetData>", far))
    with pytest.raises(UserError, match="sheet row 4,000,000,000 is beyond what a sheet can have"):
        read_file(path)


def test_entities_and_what_is_no_workbook_are_refused(tmp_path):
    path = save(tmp_path / "a.xlsx", [HEADER, ["x", "a"]])
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>'
    rewritten(path, SHEET, lambda content: content.replace(b"<worksheet", bomb + b"<worksheet", 1))
    with pytest.raises(UserError, match="declares types or entities of XML"):
        read_file(path)
    (tmp_path / "b.xlsx").write_bytes(b"text,label\n")
    with pytest.raises(UserError, match=r"b.xlsx: not a readable workbook \(File is not a zip file\)"):
        read_file(tmp_path / "b.xlsx")


def test_without_openpyxl_the_line_says_how_to_get_it(tmp_path, monkeypatch):
    path = save(tmp_path / "a.xlsx", [HEADER, ["x", "a"]])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r'pip install "\.\[xlsx\]"; or save the sheet as csv'):
        read_file(path)
