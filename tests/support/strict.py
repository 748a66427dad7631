"""Strict readers of what a study writes: each lists what is wrong in a file, where browsers and editors would guess."""

import csv
import io
import json
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from html.entities import html5
from html.parser import HTMLParser

import yaml
from markdown_it import MarkdownIt

VOID = {"meta", "link", "br", "hr", "img", "input", "col", "wbr"}
FORBIDDEN = {"iframe", "object", "embed", "base", "form", "link", "img", "frame", "applet", "foreignobject", "image", "use"}
"""Elements that load or send something; the page has none."""
TAG = re.compile(r"""<[a-zA-Z][\w-]*(\s+[a-zA-Z][\w:-]*(="[^"<>]*")?)*\s*/?>""")
LINK = re.compile(r"#[\w-]+|data:text/plain;base64,[A-Za-z0-9+/=]*|https://[\w./-]+")
"""Where the page's own links lead: to itself, to the study file within, and to papers."""
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
"""Signs that steer a terminal, or turn the order of what stands around them."""


class _Page(HTMLParser):
    """Notes whatever a parser of HTML5 calls an error, and every way to run or load something."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.found, self.open, self.ids = [], [], []

    def note(self, what):
        self.found.append(f"{self.getpos()[0]}: {what}"[:200])

    def handle_decl(self, decl):
        if decl.lower() != "doctype html":
            self.note(f"declaration {decl}")

    def unknown_decl(self, data):
        self.note(f"declaration {data}")

    def handle_pi(self, data):
        self.note(f"instruction {data}")

    def handle_comment(self, data):
        self.note(f"comment {data}")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_starttag(self, tag, attrs):
        text = str(self.get_starttag_text())
        if not TAG.fullmatch(text):
            self.note(f"tag {text}")
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.note(f"an attribute twice {text}")
        given = dict(attrs)
        if tag in FORBIDDEN or "src" in given or any(name.startswith("on") for name in given):
            self.note(f"loads or runs: {text}")
        if "refresh" in str(given.get("http-equiv", "")).lower() or "javascript:" in text.lower():
            self.note(f"leads away: {text}")
        if any(name.endswith("href") and not LINK.fullmatch(value or "") for name, value in attrs):
            self.note(f"links elsewhere: {text}")
        self.ids += [given["id"]] if "id" in given else []
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.note(f"</{tag}> closes nothing")

    def handle_entityref(self, name):
        if f"{name};" not in html5:
            self.note(f"&{name}; is none")

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            return
        if "<" in data or "&" in data:
            self.note(f"unescaped {data[:80]!r}")
        if sign := CONTROL.search(data):
            self.note(f"{sign[0]!r} in {data[:80]!r}")


def html_problems(text):
    """What a strict parser of HTML5 refuses in a page, and what could run or load something."""
    page = _Page()
    page.feed(text)
    page.close()
    if page.open:
        page.note(f"left open: {page.open}")
    twice = {each for each in page.ids if page.ids.count(each) > 1}
    found = page.found + [f"id twice: {each}" for each in twice]
    try:
        import html5lib
    except ImportError:
        return found
    try:
        html5lib.HTMLParser(strict=True).parse(text)
    except html5lib.html5parser.ParseError as error:
        found.append(f"html5lib: {error}")
    return found


def fragment_problems(text):
    """Those of a piece of HTML, as a notebook shows it."""
    page = _Page()
    page.feed(text)
    page.close()
    return page.found + ([f"left open: {page.open}"] if page.open else [])


def svg_problems(text):
    """What an XML parser refuses in a picture, and what could run or load something."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        return [str(error)]
    plain = {"svg", "title", "style", "g", "path", "text", "rect"}
    tags = {node.tag.removeprefix("{http://www.w3.org/2000/svg}") for node in root.iter()}
    names = {name for node in root.iter() for name in node.attrib}
    return [*(tags - plain), *(name for name in names if name.startswith("on") or "href" in name)]


def csv_problems(text):
    """Cells that a spreadsheet takes for a formula, whichever of its usual separators it splits lines by."""
    found = []
    rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    if len({len(row) for row in rows}) != 1:
        found.append("rows of different lengths")
    for separator in ",;\t":
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
            found += [cell[:80] for cell in row if re.match(r"[=+\-@\t\r＝＋－＠]", cell) and not _is_number(cell)]
    return found


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


COMMANDS = set("begin end centering caption toprule midrule bottomrule textbackslash textasciitilde textasciicircum "
              "textless textgreater times textbar textquotedbl".split())  # fmt: skip
LATEX = re.compile(r"\\([a-zA-Z]+)|\\(.)|([{}&$%#_^~])|([\x00-\x08\x0b-\x1f\x7f-\x9f])|(.)", re.DOTALL)


def latex_problems(text):
    """What LaTeX would run, or read as anything but the text that stands there."""
    found, depth, columns = [], 0, 0
    for number, line in enumerate(text.splitlines(), 1):
        if number == 1 and line.startswith("% needs"):
            continue
        if tabular := re.fullmatch(r"\\begin\{tabular\}\{([lr]+)\}", line):
            columns = len(tabular[1])
        cells, maths = 1, re.sub(r"\$(?:-|\\times)\$", "", line)
        for control, escaped, special, steering, _ in LATEX.findall(maths):
            depth += {"{": 1, "}": -1}.get(special, 0)
            cells += special == "&"
            if control and control not in COMMANDS:
                found.append(f"{number}: \\{control}")
            elif escaped and escaped not in "&%$#_{}\\":
                found.append(f"{number}: \\{escaped}")
            elif special and special in "$%#_^~":
                found.append(f"{number}: {special} in {line[:80]}")
            elif steering:
                found.append(f"{number}: {steering!r}")
        if line.endswith(r"\\"):
            if cells != columns:
                found.append(f"{number}: {cells} cells, not {columns}")
            if line[0] in "[*":  # after the end of a row they are its space and its star
                found.append(f"{number}: begins with {line[0]}")
        elif cells > 1:
            found.append(f"{number}: & outside of a row")
        if depth:
            found.append(f"{number}: braces")
            depth = 0
    return found


OWN_HTML = re.compile(r"(</?(details|summary)>|[\d,]+ warnings?|\s)*")
"""What report.md folds its warnings with."""
GITHUB = re.compile(r"(?:https?|ftp|mailto):\S{0,20}|\bwww\.\S{0,20}|(?<![\w`])@\w+")
"""What GitHub turns into a link or a mention though the standard does not."""


def markdown_problems(text):
    """What is shown as anything but text: HTML, links, pictures and mentions, but for what the project writes itself."""
    found, code = [], re.compile(r"```.*?```|(?<!\\)`[^`\n]*`", re.DOTALL)

    def walk(tokens):
        for token in tokens:
            own = token.type == "html_block" and OWN_HTML.fullmatch(token.content)
            if token.type in ("html_block", "html_inline", "link_open", "image") and not own:
                found.append(f"{token.type}: {token.content[:80] or token.attrs}")
            walk(token.children or [])

    walk(MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text))
    found += [f"GitHub links or calls {part}" for part in GITHUB.findall(code.sub("", text))]
    return found + ([f"{sign[0]!r}"] if (sign := STEERING.search(text)) else [])


def front_matter(text):
    """What the YAML before a card says."""
    _, front, _ = text.split("---\n", 2)
    return yaml.safe_load(front)


def strict_json(text):
    """JSON without the words that it does not have, and without a key twice."""

    def pairs(found):
        assert len(dict(found)) == len(found), "a key twice"
        return dict(found)

    return json.loads(text, parse_constant=refuse, object_pairs_hook=pairs)


def refuse(word):
    raise ValueError(word)


def words(line):
    """What bash makes of a line, without running it."""
    script = f"words=({line}); printf '%s\\0' \"${{words[@]}}\""
    return (
        subprocess.run(["bash", "-c", script], capture_output=True, check=True)
        .stdout.decode("utf-8", "surrogateescape")
        .split("\0")[:-1]
    )
