"""The floors of the house, by import-linter. Contracts about rooms that are not built yet wait until they are."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

from tests.house.sources import ROOT

LINTER: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]


def exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def only_built(layer: str) -> str:
    return " | ".join(module for module in layer.split(" | ") if exists(module))


def quoted(values: list[str]) -> str:
    return "[" + ", ".join(f'"{value}"' for value in values) + "]"


def contract_text(contract: dict[str, Any]) -> str:
    """The contract as TOML without modules that do not exist; ``""`` when too few are left to say anything."""
    lines = [f'name = "{contract["name"]}"', f'type = "{contract["type"]}"']
    for key, value in contract.items():
        if isinstance(value, list):
            built = [layer for entry in value if (layer := only_built(entry))]
            if not built or (key == "modules" and len(built) < 2):
                return ""
            lines.append(f"{key} = {quoted(built)}")
        elif isinstance(value, bool):
            lines.append(f"{key} = {str(value).lower()}")
    return "\n[[tool.importlinter.contracts]]\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("contract", LINTER["contracts"], ids=lambda contract: contract["name"].partition(":")[0])
def test_a_contract_holds(contract: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = contract_text(contract)
    if not text:
        return
    config = tmp_path / "pyproject.toml"
    config.write_text(f'[tool.importlinter]\nroot_package = "{LINTER["root_package"]}"\n{text}', encoding="utf-8")
    status = lint_imports(config_filename=str(config), no_cache=True, no_logo=True)
    printed = capsys.readouterr().out
    assert status == EXIT_STATUS_SUCCESS, printed
