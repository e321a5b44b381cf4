"""A folder as a Lambda package: the zip, and what its files say about runtime and handler. Reads files, talks to nobody.

The same files give the same bytes, whenever and in whatever order they were written: entries sorted, one fixed date, modes
reduced to "may be executed" or not. So an unchanged folder has an unchanged CodeSha256, and nothing is started anew for it.
Symbolic links are followed: what they point to is packed, as a plain file.
"""

from __future__ import annotations

import ast
import io
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from functory.kernel.errors import FunctoryError

SKIPPED_FOLDERS = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".venv", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".idea", ".vscode"}
)
SKIPPED_FILES = frozenset({".DS_Store", ".gitignore", ".gitattributes"})
SKIPPED_SUFFIXES = (".pyc", ".pyo")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold
_REGULAR = 0o100000
_PYTHON_FILES = ("lambda_function.py", "app.py", "handler.py", "main.py", "index.py")
_PYTHON_NAMES = ("lambda_handler", "handler", "main")
_NODE_FILES = ("index.mjs", "index.js", "index.cjs", "app.mjs", "app.js", "app.cjs")


class PackageError(FunctoryError):
    """The folder cannot become a package; the text names the file or the missing option."""


@dataclass(frozen=True, slots=True)
class Guess:
    """What the files say.

    Attributes:
        family: ``python``, ``nodejs`` or ``provided``.
        handler: for ``--handler``.
    """

    family: str
    handler: str


def build_zip(folder: Path) -> bytes:
    """The package of ``folder``.

    Raises:
        PackageError: it is empty, or holds something that is neither file, folder nor a link to one.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, path in sorted(_files(folder, "", (folder.resolve(),))):
            entry = zipfile.ZipInfo(name, _EPOCH)
            mode = 0o755 if path.stat().st_mode & 0o111 else 0o644
            entry.external_attr = (_REGULAR | mode) << 16
            entry.create_system = 3  # Unix: the mode above counts
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
        if not archive.namelist():
            raise PackageError(f"{folder} has no files to deploy")
    return content.getvalue()


def _files(folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Name in the archive and path of every file; ``above`` are the real folders on the way, to notice link circles."""
    for path in folder.iterdir():
        name = prefix + path.name
        if path.is_dir():
            if path.name in SKIPPED_FOLDERS:
                continue
            real = path.resolve()
            if real in above:
                raise PackageError(f"{path} is a link to a folder that it is in")
            yield from _files(path, f"{name}/", (*above, real))
        elif path.is_file():
            if path.name not in SKIPPED_FILES and not path.name.endswith(SKIPPED_SUFFIXES):
                yield name, path
        else:
            raise PackageError(f"{path} is {'a link to nothing' if path.is_symlink() else 'no file'} and cannot be packed")


def guess(folder: Path) -> Guess:
    """Family and handler from the files at the top of ``folder``.

    Raises:
        PackageError: they say nothing, or more than one thing.
    """
    bootstrap = folder / "bootstrap"
    if bootstrap.is_file():
        if not os.access(bootstrap, os.X_OK):
            raise PackageError(f"{bootstrap} is not executable: chmod +x {bootstrap}")
        return Guess("provided", "bootstrap")
    python = sorted(path.name for path in folder.glob("*.py"))
    node = [name for name in _NODE_FILES if (folder / name).is_file()]
    if python and node:
        raise PackageError(f"{folder} has Python and Node.js files at its top: say --runtime and --handler")
    if python:
        return Guess("python", guess_python_handler(folder, python))
    if node:
        return Guess("nodejs", f"{Path(node[0]).stem}.handler")
    raise PackageError(f"{folder} has no bootstrap, *.py or index.js at its top: say --runtime and --handler")


def guess_python_handler(folder: Path, files: list[str]) -> str:
    """``module.function`` of the first file, by Lambda's usual names, that has a function with a usual name.

    Raises:
        PackageError: none has one.
    """
    ordered = [name for name in _PYTHON_FILES if name in files] + [name for name in files if name not in _PYTHON_FILES]
    for name in ordered:
        names = _top_level_names((folder / name).read_bytes(), folder / name)
        found = next((candidate for candidate in _PYTHON_NAMES if candidate in names), None)
        if found:
            return f"{name.removesuffix('.py')}.{found}"
    raise PackageError(f"no {' or '.join(_PYTHON_NAMES)} in the Python files of {folder}: say --handler module.function")


def _top_level_names(source: bytes, path: Path) -> set[str]:
    """Functions, assigned and imported names of a module, without running it."""
    try:
        tree = ast.parse(source, filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise PackageError(f"{path}: {error}") from error
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def newest(runtimes: list[str], family: str) -> str | None:
    """The newest identifier of a family (``python3.9`` < ``python3.13``); None when there is none."""
    candidates = [runtime for runtime in runtimes if runtime.startswith(family) and family != "provided"]
    if family == "provided":
        return "provided.al2023"
    return max(candidates, key=_version_key, default=None)


def _version_key(runtime: str) -> tuple[int, ...]:
    digits = "".join(character if character.isdigit() else " " for character in runtime)
    return tuple(int(part) for part in digits.split())
