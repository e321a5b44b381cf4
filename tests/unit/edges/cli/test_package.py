from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest

from functory.edges.cli.package import Guess, PackageError, build_zip, guess, newest


def write(folder: Path, name: str, text: str = "", mode: int = 0o644) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def names(content: bytes) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(content)).namelist()


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    for folder, order in (("one", "ab"), ("two", "ba")):
        for letter in order:
            file = write(tmp_path, f"{folder}/{letter}.py", letter)
            os.utime(file, (1, 1) if folder == "one" else (1_700_000_000, 1_700_000_000))
    assert build_zip(tmp_path / "one") == build_zip(tmp_path / "two")


def test_entries_are_sorted_files_with_their_content(tmp_path: Path) -> None:
    write(tmp_path, "b.py", "B")
    write(tmp_path, "a/z.txt", "Z")
    content = build_zip(tmp_path)
    assert names(content) == ["a/z.txt", "b.py"]
    assert zipfile.ZipFile(io.BytesIO(content)).read("b.py") == b"B"


def test_the_right_to_be_executed_is_kept_and_other_modes_are_levelled(tmp_path: Path) -> None:
    write(tmp_path, "bootstrap", mode=0o700)
    write(tmp_path, "secret", mode=0o600)
    entries = {
        entry.filename: entry.external_attr >> 16 for entry in zipfile.ZipFile(io.BytesIO(build_zip(tmp_path))).infolist()
    }
    assert entries == {"bootstrap": 0o100755, "secret": 0o100644}


def test_what_belongs_to_development_is_left_out(tmp_path: Path) -> None:
    for name in (".git/config", "__pycache__/a.pyc", ".venv/bin/python", "pkg/__pycache__/x", "old.pyc", ".DS_Store"):
        write(tmp_path, name)
    for name in ("app.py", ".env", "node_modules/x/index.js", "venvs.py"):
        write(tmp_path, name)
    assert names(build_zip(tmp_path)) == [".env", "app.py", "node_modules/x/index.js", "venvs.py"]


def test_links_are_packed_as_what_they_point_to(tmp_path: Path) -> None:
    write(tmp_path, "shared/tool.py", "T")
    write(tmp_path, "f/app.py")
    (tmp_path / "f/lib").symlink_to(tmp_path / "shared")
    (tmp_path / "f/tool.py").symlink_to(tmp_path / "shared/tool.py")
    content = build_zip(tmp_path / "f")
    assert names(content) == ["app.py", "lib/tool.py", "tool.py"]
    assert zipfile.ZipFile(io.BytesIO(content)).read("tool.py") == b"T"


def test_a_circle_of_links_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "app.py")
    (tmp_path / "again").symlink_to(tmp_path)
    with pytest.raises(PackageError, match="a link to a folder that it is in"):
        build_zip(tmp_path)


def test_what_cannot_be_packed_is_named(tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    with pytest.raises(PackageError, match="gone is a link to nothing"):
        build_zip(tmp_path)
    (tmp_path / "gone").unlink()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(PackageError, match="pipe is no file"):
        build_zip(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "__pycache__/x.pyc")
    with pytest.raises(PackageError, match="no files to deploy"):
        build_zip(tmp_path)


@pytest.mark.parametrize(
    ("file", "source", "handler"),
    [
        ("app.py", "def handler(event, context): ...", "app.handler"),
        ("lambda_function.py", "def lambda_handler(event, context): ...", "lambda_function.lambda_handler"),
        ("service.py", "async def handler(e, c): ...\ndef lambda_handler(e, c): ...", "service.lambda_handler"),
        ("main.py", "handler = wrap(app)", "main.handler"),
        ("index.py", "from pkg.api import serve as handler", "index.handler"),
    ],
)
def test_a_python_handler_is_found_by_its_usual_names(file: str, source: str, handler: str, tmp_path: Path) -> None:
    write(tmp_path, file, source)
    write(tmp_path, "zz_more.py", "def handler(e, c): ...")
    assert guess(tmp_path) == Guess("python", handler)


def test_a_python_file_is_not_run_to_look_into_it(tmp_path: Path) -> None:
    write(tmp_path, "app.py", "raise SystemExit\ndef handler(e, c): ...")
    assert guess(tmp_path).handler == "app.handler"


@pytest.mark.parametrize("file", ["index.mjs", "index.js", "index.cjs"])
def test_a_node_handler_is_index_handler(file: str, tmp_path: Path) -> None:
    write(tmp_path, file)
    assert guess(tmp_path) == Guess("nodejs", "index.handler")


def test_a_bootstrap_comes_before_everything_else(tmp_path: Path) -> None:
    write(tmp_path, "app.py")
    write(tmp_path, "bootstrap", mode=0o755)
    assert guess(tmp_path) == Guess("provided", "bootstrap")


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ({"bootstrap": ""}, "chmod \\+x"),
        ({"app.py": "", "index.js": ""}, "say --runtime and --handler"),
        ({"README.md": ""}, "no bootstrap, \\*.py or index.js"),
        ({"app.py": "def work(): ..."}, "say --handler"),
        ({"app.py": "def handler(:"}, "app.py: invalid syntax"),
    ],
)
def test_a_folder_that_does_not_say_what_it_is_is_refused(files: dict[str, str], text: str, tmp_path: Path) -> None:
    for name, source in files.items():
        write(tmp_path, name, source)
    with pytest.raises(PackageError, match=text):
        guess(tmp_path)


def test_the_newest_is_chosen_by_number_and_not_by_letters() -> None:
    ready = ["python3.9", "python3.13", "nodejs22.x", "nodejs8.x", "python3.12"]
    assert newest(ready, "python") == "python3.13"
    assert newest(ready, "nodejs") == "nodejs22.x"
    assert newest([], "python") is None
    assert newest([], "provided") == "provided.al2023"
