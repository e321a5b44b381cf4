"""The migrations are one chain: work that was done side by side must not give two of them one number."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.house.sources import PACKAGE, parsed

VERSIONS = PACKAGE / "store" / "migrations" / "versions"


def constants(path: Path) -> dict[str, object]:
    """``revision`` and ``down_revision`` of a migration."""
    return {
        target.id: node.value.value
        for node in parsed(path).body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def test_every_migration_follows_the_one_before_it() -> None:
    files = sorted(VERSIONS.glob("[0-9]*.py"))
    found = [(path.name[:4], constants(path)["revision"], constants(path)["down_revision"]) for path in files]
    numbers = [f"{number:04}" for number in range(1, len(files) + 1)]
    assert found == list(zip(numbers, numbers, [None, *numbers], strict=False))
