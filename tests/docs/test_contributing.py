"""CONTRIBUTING.md names what is there: the paths of its tree, the layers, the registries, the tests."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
LAYER_TEST = ast.parse((ROOT / "tests" / "conformance" / "test_layers.py").read_text("utf-8"))


def constant(name):
    """A literal of the layer test, by its name."""
    (value,) = [n.value for n in LAYER_TEST.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == name]
    return ast.literal_eval(value)


def named_in_tree(text):
    """The paths of an annotated tree: names, then two spaces or more and what they are for, indented under their folder."""
    folders, found = {}, []
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        parents = [folder for depth, folder in sorted(folders.items()) if depth < indent]
        folders = {depth: folder for depth, folder in folders.items() if depth < indent}
        for name in re.split(r"\s{2,}", line.strip())[0].split():
            found.append("".join([*parents, name]))
            if name.endswith("/"):
                folders[indent] = name
    return found


def tree(page):
    text = (ROOT / page).read_text("utf-8")
    (found,) = re.findall(r"^```\n(src/transfergain/.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return named_in_tree(found)


def test_the_tree_names_what_is_there():
    paths = tree("CONTRIBUTING.md")
    assert len(paths) >= 10
    assert [path for path in paths if not ((ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file())] == []


def test_the_tree_leaves_out_no_part_of_the_package():
    package = ROOT / "src" / "transfergain"
    parts = {p.name for p in package.iterdir() if not p.name.startswith("__")}
    named = {path.removeprefix("src/transfergain/").split("/")[0] for path in tree("CONTRIBUTING.md")}
    assert len(parts) > 10 and parts - named == set()


def test_a_path_that_is_not_there_would_be_seen():
    lines = [
        "src/",
        "  app/   the package",
        "    a.py b.py   two files",
        "    deep/",
        "      c.py",
        "  d.py   x",
        "docs/   y",
    ]
    found = "src/ src/app/ src/app/a.py src/app/b.py src/app/deep/ src/app/deep/c.py src/d.py docs/"
    assert named_in_tree("\n".join(lines)) == found.split()


def test_the_layers_are_those_of_the_layer_test():
    (block,) = re.findall(r"^```layers\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    listed = [set(line.split(", ")) for line in block.splitlines()]
    layers = constant("LAYERS")[::-1]
    assert listed == [set(layer) for layer in layers], "\n".join(["it should be", *map(", ".join, layers)])


def test_every_registry_that_is_added_to_and_every_kind_of_test_is_in_a_table():
    rows = [line for line in GUIDE.splitlines() if line.startswith("| ")]
    added = set(constant("REGISTRIES").values()) - {"PACKAGED"}
    assert {name for name in added if not any(f"| `{name}` |" in row for row in rows)} == set()
    kinds = {p.name for p in (ROOT / "tests").iterdir() if p.is_dir() and not p.name.startswith(("_", "."))}
    assert {kind for kind in kinds if not any(row.startswith(f"| `{kind}/` |") for row in rows)} == set()


def test_files_that_the_text_names_are_there():
    text = re.sub(r"^```.*?^```$", "", GUIDE, flags=re.MULTILINE | re.DOTALL)
    named = set(re.findall(r"`((?:[\w.-]+/)+[\w.-]+\.\w+|[\w-]+\.py)`", text))
    places = [ROOT, ROOT / "src" / "transfergain", ROOT / "tests" / "conformance"]
    missing = {n for n in named if "NAME" not in n and not any((place / n).is_file() for place in places)}
    assert len(named) > 20 and missing - {"base.py", "__init__.py"} == set()
