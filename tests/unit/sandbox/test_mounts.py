"""Which mounts are possible."""

from __future__ import annotations

from pathlib import Path

import pytest

from functory.kernel.errors import SettingsError
from functory.sandbox.mounts import check_mounts, check_target, parse_mounts
from functory.sandbox.port import Mount, SandboxError


@pytest.mark.parametrize("target", ["/var/task", "/var/runtime", "/var/lang", "/opt", "/mnt/data", "/mnt/a b"])
def test_lambdas_folders_and_folders_below_mnt_are_targets(target: str) -> None:
    check_target(target)


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "",
        "/mnt",
        "/mnt/",
        "/mnt/..",
        "/mnt/.",
        "/mnt/a/b",
        "/mnt/a/",
        "//mnt/a",
        "/etc",
        "/proc",
        "/var",
        "mnt/a",
        "/tmp",
    ],
)
def test_nothing_else_is_a_target(target: str) -> None:
    with pytest.raises(SandboxError, match="mount target"):
        check_target(target)


def test_sources_are_absolute_folders(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for source in (Path("relative"), tmp_path / "file", tmp_path / "missing"):
        with pytest.raises(SandboxError, match="mount source"):
            check_mounts([Mount(source, "/opt")])


def test_settings_are_parsed(tmp_path: Path) -> None:
    assert parse_mounts([f"{tmp_path}:/mnt/a", f"{tmp_path}:/mnt/b:ro"]) == (
        Mount(tmp_path, "/mnt/a", read_only=False),
        Mount(tmp_path, "/mnt/b", read_only=True),
    )


@pytest.mark.parametrize("text", ["", "/", "{}", "{}:/opt", "{}:/mnt/a:exec", "{}/missing:/mnt/a", "{}:/mnt/../etc"])
def test_impossible_settings_name_the_setting(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"sandbox\.mounts"):
        parse_mounts([text.format(tmp_path)])
