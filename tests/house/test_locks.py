"""The lock files pin everything that ``pyproject.toml`` asks for, and nothing else decides what is installed."""

from __future__ import annotations

import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house.sources import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
RUN = list(PROJECT["project"]["dependencies"])
EXTRA = [text for texts in PROJECT["project"]["optional-dependencies"].values() for text in texts]
DEVELOP = list(PROJECT["dependency-groups"]["dev"])


def pinned(lock: str) -> dict[str, str]:
    """Name -> version of every line of a lock file."""
    found = {}
    for line in (ROOT / lock).read_text(encoding="utf-8").splitlines():
        if line and not line.lstrip().startswith("#"):
            requirement = Requirement(line)
            [exact] = requirement.specifier
            assert exact.operator == "==", line
            found[canonicalize_name(requirement.name)] = exact.version
    return found


@pytest.mark.parametrize(
    ("lock", "wanted"), [("requirements.lock", RUN), ("requirements-dev.lock", RUN + EXTRA + DEVELOP)], ids=["run", "dev"]
)
def test_a_lock_satisfies_the_project(lock: str, wanted: list[str]) -> None:
    versions = pinned(lock)
    for text in wanted:
        requirement = Requirement(text)
        assert requirement.specifier.contains(versions[canonicalize_name(requirement.name)]), text


def test_both_locks_agree() -> None:
    run, develop = pinned("requirements.lock"), pinned("requirements-dev.lock")
    assert {package: develop.get(package) for package in run} == run


def test_the_build_backend_is_pinned_too() -> None:
    versions = pinned("requirements-dev.lock")
    assert all(canonicalize_name(Requirement(text).name) in versions for text in PROJECT["build-system"]["requires"])
