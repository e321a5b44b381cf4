"""What house tests read: tracked files, parsed modules, and the list of allowed exceptions."""

from __future__ import annotations

import ast
import subprocess
import tomllib
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "functory"
_UNTRACKED = {".git", ".venv", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "dist", "build"}


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository, or of the unpacked archive when this is no clone."""
    done = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode == 0:
        files = [ROOT / name for name in done.stdout.decode().split("\0") if name]
    else:
        files = [path for path in ROOT.rglob("*") if not _UNTRACKED & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in files if path.is_file() and not path.is_symlink()))


def name(path: Path) -> str:
    """A file's name as messages and `allowed` have it."""
    return path.relative_to(ROOT).as_posix()


def python_files(folder: str) -> list[Path]:
    """The tracked Python files under a folder of the repository."""
    return [path for path in tracked() if path.suffix == ".py" and path.is_relative_to(ROOT / folder)]


@cache
def parsed(path: Path) -> ast.Module:
    """A module's syntax tree."""
    return ast.parse(path.read_bytes(), filename=str(path))


@cache
def allowed(rule: str) -> dict[str, str]:
    """File (or file:name) -> reason, from ``allowed.toml``."""
    rules: dict[str, dict[str, str]] = tomllib.loads((Path(__file__).parent / "allowed.toml").read_text(encoding="utf-8"))
    return rules.get(rule, {})


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a name or attribute; ``""`` of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""
