"""Nothing in the repository knows one particular machine."""

from __future__ import annotations

import re

from tests.house.sources import ROOT, allowed, name, tracked

# Spelled so that this file does not hold what it forbids.
MACHINE_PATHS = re.compile("|".join(rf"(?<![\w.$}}/-])/{folder}/" for folder in ("root", "work", "home", "Users", "farm")))
REGISTRIES = re.compile("|".join(("index" + "-url", "find" + "-links", "trusted" + "-host", r"//pypi\.", r"//registry\.")))
BINARY = {".dll", ".png", ".zip", ".gz", ".whl", ".jar"}


def texts() -> dict[str, str]:
    return {name(path): path.read_text(encoding="utf-8") for path in tracked() if path.suffix not in BINARY}


def test_no_file_names_a_path_of_one_machine() -> None:
    found = {
        file: [line for line in text.splitlines() if MACHINE_PATHS.search(line)]
        for file, text in texts().items()
        if file not in allowed("machine_paths")
    }
    assert not {file: lines for file, lines in found.items() if lines}


def test_no_path_allowance_outlives_its_need() -> None:
    rows = [file for file in allowed("machine_paths") if (ROOT / file).exists()]
    assert not [file for file in rows if not MACHINE_PATHS.search((ROOT / file).read_text(encoding="utf-8"))]


def test_no_file_names_a_package_registry() -> None:
    assert not [file for file, text in texts().items() if REGISTRIES.search(text)]
