"""Imports point down, torch stays where it belongs, and registries are plain dict literals: read from the source."""

import ast
import functools
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import transfergain

ROOT = Path(transfergain.__file__).parent
LAYERS = (
    ("split",),
    ("errors", "types", "seeds", "version", "sharing", "temporary", "counts", "shell", "scripts"),
    ("outcome",),
    ("options",),
    ("data", "metrics", "perturbations", "analysis.stats"),
    ("floors",),
    ("tasks", "checkpoint", "arms"),
    ("data.given", "data.sealed", "course"),
    ("engine", "data.prepare"),
    ("study",),
    ("trial", "store", "running.console", "running.search", "running.watchers"),
    ("executors", "analysis"),
    ("report", "tracking"),
    ("running",),
    ("api", "commands"),
    ("cli",),
    ("__main__",),
)
LATE = {("analysis.notebook", "report.notebook")}
"""(who, whom): upward all the same, inside a function alone: findings show themselves in a notebook."""
HEAVY = {"torch", "transformers", "peft"}
HEAVY_HOMES = ("engine", "arms.weights", "arms.warm_start", "arms.probe_model")
LIGHT_COMMANDS = ("report", "export", "tasks", "arms", "models")
"""Commands that answer at once, without torch."""
REGISTRIES = {
    "data.read": "READERS",
    "tasks": "TASKS",
    "metrics": "METRICS",
    "arms": "ARMS",
    "executors": "EXECUTORS",
    "perturbations": "PERTURBATIONS",
    "tracking": "TRACKERS",
    "checkpoint.packaged": "PACKAGED",
}


class Import(NamedTuple):
    """One import: what is imported, the function it is in ("" at module level), whether for the type checker only."""

    target: str
    function: str
    typing_only: bool


def module_files():
    """Dotted name inside the package ("" for its own __init__) -> file."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = module_files()


@functools.cache
def parsed(module):
    return ast.parse(MODULES[module].read_text("utf-8"))


def targets(node, module):
    """Dotted names that one import statement may load: `from a.b import c` is a.b, and a.b.c where that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, f"{module}: relative import"
    inside = node.module.removeprefix("transfergain").removeprefix(".")
    if not node.module.startswith("transfergain"):
        return [node.module]
    names = [f"{inside}.{alias.name}".lstrip(".") for alias in node.names]
    return [f"transfergain.{name if name in MODULES else inside}".rstrip(".") for name in names]


@functools.cache
def imports(module):
    """All imports of a module, those inside functions included."""
    found = []

    def walk(node, function, typing_only):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import | ast.ImportFrom):
                found.extend(Import(target, function, typing_only) for target in targets(child, module))
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
                walk(child, function or child.name, typing_only)
            elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                walk(child, function, True)
            else:
                walk(child, function, typing_only)

    walk(parsed(module), "", False)
    return found


def unit(module):
    """The named unit of LAYERS that a module belongs to: the longest that is it or holds it."""
    known = [u for layer in LAYERS for u in layer if module == u or module.startswith(u + ".")]
    assert known, f"{module} is in no layer; add it to the order of the design"
    return max(known, key=len)


def level(name):
    return next(i for i, layer in enumerate(LAYERS) if name in layer)


def own(target):
    """The package's own module that an import names, or None for other packages and for the package's root."""
    return target.removeprefix("transfergain.") if target.startswith("transfergain.") else None


def allowed(module, target):
    here, there = unit(module), unit(target)
    return here == there or level(there) < level(here)


def test_imports_point_down():
    wrong = []
    for module in filter(None, MODULES):
        mine = [i for i in imports(module) if own(i.target) and not (i.function and (module, own(i.target)) in LATE)]
        wrong += [f"{module} may not import {i.target}" for i in mine if not allowed(module, own(i.target))]
    assert not wrong, "\n".join(wrong)


def test_the_rule_would_notice():
    assert not allowed("metrics.accuracy", "tasks.base")
    assert not allowed("arms.full", "checkpoint"), "arms take the type Checkpoint, nothing that resolves one"
    assert not allowed("analysis.stats", "analysis.gain")
    assert not allowed("engine.fit", "trial") and not allowed("study", "store")
    assert allowed("analysis.gain", "analysis.stats") and allowed("cli", "types")
    assert {unit(m) for m in MODULES if m} <= {u for layer in LAYERS for u in layer}


def test_values_import_nothing_of_the_package_but_values():
    found = {module: {own(i.target) for i in imports(module) if own(i.target)} for module in ("split", "types")}
    assert found == {"split": set(), "types": {"split"}}


def test_importing_the_package_imports_none_of_its_modules():
    assert not [i for i in imports("") if own(i.target) and not i.function and not i.typing_only]


def test_torch_stays_in_the_engine_and_the_weights():
    heavy = {
        module
        for module in MODULES
        for i in imports(module)
        if i.target.split(".")[0] in HEAVY and not i.function and not i.typing_only
    }
    homes = {module for module in heavy if any(module == home or module.startswith(home + ".") for home in HEAVY_HOMES)}
    assert homes and heavy == homes, heavy - homes


def loaded_by(starts):
    """All modules of the package that importing `starts` loads, parents included, by module-level imports."""
    waiting, seen = list(starts), set()
    while waiting:
        module = waiting.pop()
        if module in seen:
            continue
        seen.add(module)
        waiting += [".".join(module.split(".")[:n]) for n in range(module.count(".") + 1)]
        waiting += [own(i.target) for i in imports(module) if own(i.target) and not i.function and not i.typing_only]
    return seen


def light_modules():
    mine = [module for module in MODULES if unit(module or "cli") == "cli" and module]
    commands = [own(i.target) for m in mine for i in imports(m) if i.function in LIGHT_COMMANDS and own(i.target)]
    assert len(commands) >= len(LIGHT_COMMANDS)
    return loaded_by([*mine, *commands])


def test_help_and_report_reach_no_module_that_imports_torch():
    modules = light_modules()
    assert {"cli", "errors", "analysis.findings"} <= modules
    for module in modules:
        assert not [i for i in imports(module) if i.target.split(".")[0] in HEAVY and not i.function], module


@pytest.mark.long
def test_help_and_report_load_no_torch_by_way_of_other_packages():
    lines = [f"import transfergain.{m}".rstrip(".") for m in sorted(light_modules())]
    code = "\n".join([*lines, "import sys", f"print([m for m in {sorted(HEAVY)!r} if m in sys.modules])"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(("module", "name"), REGISTRIES.items())
def test_a_registry_is_a_plain_dict_literal(module, name):
    tree = parsed(module)
    found = [
        node
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name
    ]
    assert len(found) == 1, f"{module} defines {name} once, with its type"
    literal = found[0].value
    assert isinstance(literal, ast.Dict) and literal.keys
    keys = [key.value for key in literal.keys if isinstance(key, ast.Constant)]
    assert len(keys) == len(literal.keys) == len(set(keys)), "each key is a literal, once"
    changed = [node for node in ast.walk(tree) if isinstance(node, ast.Subscript) and ast.unparse(node.value) == name]
    assert not [node for node in changed if isinstance(node.ctx, ast.Store)], "nothing is added later"


@pytest.mark.parametrize("module", ["tasks", "arms"])
def test_an_entry_knows_its_own_name(module):
    import importlib

    registry = getattr(importlib.import_module(f"transfergain.{module}"), REGISTRIES[module])
    assert all(entry.name == name for name, entry in registry.items())


@pytest.mark.parametrize("registry", ["arms", "tasks", "metrics"])
def test_nobody_asks_for_an_entry_by_name_outside_its_own_file(registry):
    """Arms differ in `prepare` only: no comparison of a name with the literal name of an arm, task, floor or metric."""
    import importlib

    names = set(getattr(importlib.import_module(f"transfergain.{registry}"), REGISTRIES[registry]))
    for module in MODULES:
        if module.startswith(registry + "."):
            continue
        for node in ast.walk(parsed(module)):
            if isinstance(node, ast.Compare) and isinstance(node.left, ast.Attribute | ast.Name):
                asked = {c.value for c in node.comparators if isinstance(c, ast.Constant)}
                assert not asked & names, f"{module} line {node.lineno}: {ast.unparse(node)}"


OF_A_TASK = ("tasks", "data.formats")
"""Where tasks may be known by name: their own files, and those of the formats that their `parse` reads."""
OTHER_MEANINGS = {
    ("commands", "translation"): "the extra of the package that some translation models need",
    ("perturbations", "lowercase"): "a perturbation",
    ("engine", "num_beams"): "an argument of transformers' generate",
    ("cli", "text_column"): "of `pretrain`, whose texts have no labels",
    ("running", "text_column"): "of `pretrain`, whose texts have no labels",
}
"""(unit, word) -> what else the word means there."""


def words(module):
    """(line, word) of every string of a module that is no docstring, and of every name of a keyword or attribute."""
    tree = ast.parse(MODULES[module].read_text("utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.value.lineno, node.arg
        elif isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.lineno, node.target.id


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(OF_A_TASK)])
def test_no_task_and_no_option_of_one_is_named_outside_its_own_files(module):
    """Neither compared nor listed: what others need of a task they ask of all tasks."""
    from transfergain.tasks import TASKS

    home = unit(module) if module else ""
    names = {*TASKS, *(option.name for task in TASKS.values() for option in task.options)}
    names |= {option.flag for task in TASKS.values() for option in task.options}
    found = [(line, word) for line, word in words(module) if word in names and (home, word) not in OTHER_MEANINGS]
    assert not found
