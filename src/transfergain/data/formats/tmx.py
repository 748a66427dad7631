"""Read translation memories (TMX): units of a sentence in several languages."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

from transfergain.counts import Noun
from transfergain.data.formats import unpacked
from transfergain.data.formats.table import Table
from transfergain.errors import UserError

ALONE = Noun("unit of one language", "units of one language")
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
CODES = {"bpt", "ept", "ph", "it", "ut"}
"""Elements within a sentence that hold codes of its layout, and no words."""


def read(path: Path) -> Table:
    """Read a row `{"translation": {"en": ..., "fr": ...}}` a unit; units of one language are left out, counted.

    Codes lose their region, `en-US` is `en`, unless two languages of the file would be one. Raises UserError naming
    the file.
    """
    raw = unpacked.read_text_bytes(path)
    if "<!ENTITY" in unpacked.decoded(path, raw):
        raise UserError(f"{path}: declares entities of XML, which are not read; save it without them")
    rows, left_out = [], Counter[Noun]()
    try:
        for _, element in ElementTree.iterparse(io.BytesIO(raw)):
            if _tag(element) != "tu":
                continue
            sentences = dict(filter(None, map(_sentence, element)))
            if len(sentences) > 1:
                rows.append({"translation": sentences})
            else:
                left_out[ALONE] += 1
            element.clear()
    except (ElementTree.ParseError, UnicodeDecodeError, LookupError, ValueError) as error:
        raise UserError(f"{path}: not XML ({error}); export it again as TMX") from None
    codes = {code for row in rows for code in row["translation"]}
    short = Counter(code.split("-")[0].lower() for code in codes)
    if all(count == 1 for count in short.values()):
        rows = [{"translation": {c.split("-")[0].lower(): text for c, text in row["translation"].items()}} for row in rows]
    return Table(path.name, rows, left_out=left_out)


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2].lower()


def _sentence(element: ElementTree.Element) -> tuple[str, str] | None:
    """Read (language, sentence) of a `tuv`; None for what is none."""
    code = element.get(LANGUAGE) or element.get("lang")
    segment = next((inner for inner in element if _tag(inner) == "seg"), None)
    return (code, " ".join(_words(segment).split())) if _tag(element) == "tuv" and code and segment is not None else None


def _words(element: ElementTree.Element) -> str:
    """Join the text of a sentence, without that of its codes."""
    inner = ((("" if _tag(child) in CODES else _words(child)) + (child.tail or "")) for child in element)
    return (element.text or "") + "".join(inner)
