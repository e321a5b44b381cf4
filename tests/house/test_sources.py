"""Rules that every module keeps. Exceptions stand in ``allowed.toml`` with their reason."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house.sources import ROOT, allowed, dotted, name, parsed, python_files, tracked

LINES_MAX = 600
BANNED_MODULES = {"utils", "util", "helpers", "helper", "common", "base", "misc"}
MUTABLE_CALLS = {"dict", "list", "set", "defaultdict", "deque", "Counter", "OrderedDict", "bytearray", "WeakValueDictionary"}
MUTATING_METHODS = {
    "append",
    "extend",
    "insert",
    "add",
    "update",
    "setdefault",
    "pop",
    "popitem",
    "remove",
    "discard",
    "clear",
}
BROAD = {"Exception", "BaseException"}

SOURCES = python_files("src")
OURS = [path for folder in ("src", "tests", "scripts", "benchmarks") for path in python_files(folder)]


def ids(path: object) -> str:
    return name(path) if isinstance(path, Path) else str(path)


def test_every_module_says_what_it_owns() -> None:
    silent = [name(path) for path in python_files("src") + python_files("scripts") if not ast.get_docstring(parsed(path))]
    assert not silent, "modules without a docstring"


def test_no_module_is_too_long() -> None:
    long = {name(path): count for path in OURS if (count := len(path.read_text(encoding="utf-8").splitlines())) > LINES_MAX}
    assert not long, "split these by noun"


def test_no_module_has_a_name_without_a_noun() -> None:
    assert not [name(path) for path in OURS if path.stem in BANNED_MODULES or path.parent.name in BANNED_MODULES]


def broad_handlers(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            cleans_up_and_raises = isinstance(last := node.body[-1], ast.Raise) and last.exc is None
            if not cleans_up_and_raises and any(kind is None or dotted(kind) in BROAD for kind in caught):
                yield f"line {node.lineno}"


def is_mutable(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return dotted(value.func).rpartition(".")[2] in MUTABLE_CALLS
    return isinstance(value, ast.Dict | ast.List | ast.Set | ast.DictComp | ast.ListComp | ast.SetComp)


def is_empty(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return not value.args and not value.keywords
    return (isinstance(value, ast.List | ast.Set) and not value.elts) or (isinstance(value, ast.Dict) and not value.keys)


def globals_of(tree: ast.Module) -> dict[str, ast.expr | None]:
    found: dict[str, ast.expr | None] = {}
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node, ast.Assign | ast.AnnAssign):
                found[target.id] = node.value
    return found


def changed_names(tree: ast.Module) -> set[str]:
    """Names some code of the module changes in place or rebinds with ``global``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            found |= set(node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in MUTATING_METHODS:
            found.add(dotted(node.func.value))
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store | ast.Del):
            found.add(dotted(node.value))
    return found


def mutable_globals(path: Path) -> Iterator[str]:
    """Module-level containers that are state: changed somewhere, made empty, or not named as a constant."""
    changed = changed_names(parsed(path))
    for global_name, value in globals_of(parsed(path)).items():
        is_constant = global_name.isupper() or global_name.startswith("__")
        if global_name in changed or (is_mutable(value) and (is_empty(value) or not is_constant)):
            yield global_name


def sleeps(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Call) and dotted(node.func) in {"time.sleep", "sleep"}:
            yield f"line {node.lineno}"


RULES: dict[str, tuple[Callable[[Path], Iterator[str]], list[Path]]] = {
    "broad_except": (broad_handlers, SOURCES),
    "mutable_globals": (mutable_globals, SOURCES),
    "sleep": (sleeps, python_files("tests")),
}


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_holds_outside_its_allowed_files(rule: str) -> None:
    find, files = RULES[rule]
    found = {name(path): list(find(path)) for path in files if name(path) not in allowed(rule)}
    assert not {path: places for path, places in found.items() if places}, f"{rule}: mend, or add a row with a reason"


@pytest.mark.parametrize("rule", RULES)
def test_no_allowance_outlives_its_need(rule: str) -> None:
    find, _ = RULES[rule]
    stale = [path for path in allowed(rule) if (ROOT / path).exists() and not list(find(ROOT / path))]
    assert not stale, f"{rule}: rows of allowed.toml that nothing needs"


def test_shell_programs_stop_at_the_first_failure_and_can_be_run() -> None:
    scripts = [path for path in tracked() if path.suffix == ".sh" or name(path) == ".ci/run"]
    careless = [name(path) for path in scripts if "set -euo pipefail" not in path.read_text(encoding="utf-8")]
    unrunnable = [name(path) for path in scripts if not path.stat().st_mode & 0o111]
    assert not careless
    assert not unrunnable
