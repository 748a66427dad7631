"""Parallel text: pairs of files, line by line, with every complaint naming file and line."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfergain.data.folders import read_folder
from transfergain.data.formats import parallel
from transfergain.data.formats.table import ANY_ENDING
from transfergain.data.prepare import DataSource, load
from transfergain.data.read import read_file
from transfergain.errors import UserError
from transfergain.tasks import TASKS

FRENCH = "Un chat dort.\nLe chien court.\nIl pleut.\n"
ENGLISH = "A cat sleeps.\nThe dog runs.\nIt is raining.\n"


def put(folder, **files):
    """Files `name_language=content`, as name.language; strings are UTF-8."""
    for name, content in files.items():
        path = folder / name.replace("_", ".", 1)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def read(path, source="fr", target="en"):
    return read_file(path, parallel.readers(source, target))


def message(path, source="fr", target="en"):
    with pytest.raises(UserError) as error:
        read(path, source, target)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_file_finds_its_translation(tmp_path):
    put(tmp_path, train_fr=FRENCH, train_en=ENGLISH)
    table = read(tmp_path / "train.fr")
    assert table.name == "train.fr" and len(table.rows) == 3
    assert table.rows[1] == {"translation": {"fr": "Le chien court.", "en": "The dog runs."}}
    assert table.where(1) == "train.fr line 2"
    other = read(tmp_path / "train.en", "en", "fr")
    assert other.rows[1] == {"translation": {"en": "The dog runs.", "fr": "Le chien court."}}


def test_gzip_on_one_side_or_both(tmp_path):
    for name, packed in (("a", "both"), ("b", "fr"), ("c", "en")):
        for language, content in (("fr", FRENCH), ("en", ENGLISH)):
            if packed in ("both", language):
                (tmp_path / f"{name}.{language}.gz").write_bytes(gzip.compress(content.encode()))
            else:
                (tmp_path / f"{name}.{language}").write_text(content)
        source = next(tmp_path.glob(f"{name}.fr*"))
        assert [row["translation"]["en"] for row in read(source).rows] == ENGLISH.splitlines()


def test_the_sibling_packed_alike_is_preferred(tmp_path):
    put(tmp_path, train_fr=FRENCH, train_en=ENGLISH)
    (tmp_path / "train.en.gz").write_bytes(gzip.compress(b"something\nelse\naltogether\n"))
    assert read(tmp_path / "train.fr").rows[0]["translation"]["en"] == "A cat sleeps."


def test_names_with_several_dots(tmp_path):
    put(tmp_path, **{"news_2020.fr-en.fr": FRENCH, "news_2020.fr-en.en": ENGLISH})
    assert len(read(tmp_path / "news.2020.fr-en.fr").rows) == 3


def test_lines_end_at_newlines_alone(tmp_path):
    """Line separators of Unicode stand inside sentences; a byte order mark and Windows' line ends are no text."""
    put(tmp_path, train_fr="\ufeffUn\u2028deux\x0btrois\x85\r\nfin\r\n".encode(), train_en="one\u2028two\nend")
    rows = [row["translation"] for row in read(tmp_path / "train.fr").rows]
    assert rows == [{"fr": "Un\u2028deux\x0btrois", "en": "one\u2028two"}, {"fr": "fin", "en": "end"}]


sentence = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=12).filter(str.strip)


@given(pairs=st.lists(st.tuples(sentence, sentence), min_size=1, max_size=8), ended=st.tuples(st.booleans(), st.booleans()))
def test_whatever_is_written_is_read(tmp_path_factory, pairs, ended):
    folder = tmp_path_factory.mktemp("pair")
    for side, (language, end) in enumerate(zip(("fr", "en"), ended, strict=True)):
        text = "\n".join(pair[side] for pair in pairs) + ("\n" if end else "")
        (folder / f"x.{language}").write_bytes(text.encode())
    rows = [row["translation"] for row in read(folder / "x.fr").rows]
    first = pairs[0][0].removeprefix("\ufeff").strip(), pairs[0][1].removeprefix("\ufeff").strip()
    if all(first):
        expected = [first, *((fr.strip(), en.strip()) for fr, en in pairs[1:])]
        assert [(row["fr"], row["en"]) for row in rows] == expected


@pytest.mark.parametrize("code", ["fr", "fr_XX", "fr_FR", "fra_Latn"])
def test_a_tokenizers_code_finds_files_of_the_usual_ending(tmp_path, code):
    put(tmp_path, train_fr=FRENCH, train_en=ENGLISH)
    table = read(tmp_path / "train.fr", code, "en_XX")
    assert set(table.rows[0]["translation"]) == {"fr", "en"}


def test_the_exact_code_comes_first(tmp_path):
    put(tmp_path, train_fr=FRENCH, train_en=ENGLISH, **{"train_en_GB": ENGLISH.replace("cat", "moggy")})
    row = read(tmp_path / "train.fr", "fr", "en_GB").rows[0]
    assert row["translation"] == {"fr": "Un chat dort.", "en_GB": "A moggy sleeps."}


def test_a_file_is_not_its_own_translation(tmp_path):
    put(tmp_path, train_en=ENGLISH)
    assert "train.en_US is not there" in message(tmp_path / "train.en", "en_GB", "en_US")


def test_a_missing_sibling_is_named_with_those_that_are_there(tmp_path):
    put(tmp_path, train_fr=FRENCH, train_de=ENGLISH, test_en=ENGLISH)
    said = message(tmp_path / "train.fr")
    assert f"{tmp_path / 'train.en'} is not there" in said and "(train.de)" in said
    assert "siblings" not in message(tmp_path / "test.en", "en", "fr")


def test_line_counts_that_differ(tmp_path):
    put(tmp_path, train_fr=FRENCH, train_en="A cat sleeps.\nThe dog runs.\n")
    said = message(tmp_path / "train.fr")
    assert "train.fr has 3 lines" in said and "train.en has 2 lines" in said and "from line 3 on" in said
    put(tmp_path, train_en=ENGLISH + "\n")
    assert "train.en has 4 lines" in message(tmp_path / "train.fr")
    put(tmp_path, train_en="")
    assert "train.en has 0 lines" in message(tmp_path / "train.fr")


def test_an_empty_side_is_named_with_its_line(tmp_path):
    put(tmp_path, train_fr=FRENCH, train_en="A cat sleeps.\n \nIt is raining.\n")
    assert f"{tmp_path / 'train.en'} line 2 is empty" in message(tmp_path / "train.fr")
    put(tmp_path, train_fr="Un chat dort.\nLe chien court.\n\n", train_en=ENGLISH)
    assert f"{tmp_path / 'train.fr'} line 3 is empty" in message(tmp_path / "train.fr")


def test_a_broken_sibling_is_named_itself(tmp_path):
    put(tmp_path, train_fr=FRENCH, train_en=b"A cat.\n\xe9\nRain\n")
    assert "train.en line 2: byte 0xe9" in message(tmp_path / "train.fr")
    (tmp_path / "test.fr").write_text(FRENCH)
    (tmp_path / "test.en.gz").write_bytes(gzip.compress(ENGLISH.encode())[:-12])
    assert "test.en.gz: not a readable gzip file" in message(tmp_path / "test.fr")


def test_languages_that_are_not_named_are_asked_for(tmp_path):
    put(tmp_path, train_fr=FRENCH, train_en=ENGLISH, train_de=ENGLISH, test_it=ENGLISH)
    for given_ in (("fr", ""), ("", "en"), ("", "")):
        readers = parallel.readers(*given_)
        assert set(readers) == {ANY_ENDING}
        with pytest.raises(UserError, match=r"--source-lang and --target-lang.*found: train\.fr, train\.de, train\.en"):
            readers[ANY_ENDING](tmp_path / "train.fr")


def test_other_formats_are_read_as_ever(tmp_path):
    put(tmp_path, train_csv="fr,en\nUn chat,A cat\n")
    assert read(tmp_path / "train.csv").rows == [{"fr": "Un chat", "en": "A cat"}]


def test_a_folder_of_splits(tmp_path):
    files = {
        f"{split}_{lang}": text for split in ("train", "dev", "test") for lang, text in (("fr", FRENCH), ("en", ENGLISH))
    }
    tables = read_folder(put(tmp_path, **files), parallel.readers("fr", "en"))
    assert {split: table.name for split, table in tables.items()} == {
        "train": "train.fr",
        "validation": "dev.fr",
        "test": "test.fr",
    }


def test_real_parallel_text(real_data):
    folder, task = real_data / "multi30k", TASKS["translation"]
    data = load(DataSource(dataset_name=str(folder), options={"source_lang": "fr", "target_lang": "en"}), task)
    assert data.name == "multi30k" and data.notes[1] == "fr → en" and not data.warnings
    assert (len(data.train), len(data.dev), len(data.test)) == (7992, 1014, 1000)
    one = DataSource(str(folder / "validation.de"), options={"source_lang": "de_DE", "target_lang": "fr_XX"})
    alone = load(one, task)
    assert alone.notes[1] == 'de_DE → fr_XX · de_DE read from "de" · fr_XX read from "fr"'
    assert len(alone.train) + len(alone.dev) + len(alone.test) == pytest.approx(1014, abs=5)
