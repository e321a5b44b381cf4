from __future__ import annotations

from pathlib import Path

import pytest

from functory.edges.cli.mounts import check_mount, check_mounts
from functory.kernel.errors import SettingsError


def test_a_mount_gets_an_absolute_host_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    assert check_mount("data:/mnt/data") == f"{tmp_path.resolve()}/data:/mnt/data"


def test_read_only_is_kept_and_read_write_is_the_default(tmp_path: Path) -> None:
    assert check_mount(f"{tmp_path}:/mnt/a:ro") == f"{tmp_path}:/mnt/a:ro"
    assert check_mount(f"{tmp_path}:/mnt/a:rw") == f"{tmp_path}:/mnt/a"


def test_a_host_folder_may_hold_colons(tmp_path: Path) -> None:
    odd = tmp_path / "a:b"
    odd.mkdir()
    assert check_mount(f"{odd}:/mnt/x") == f"{odd}:/mnt/x"


@pytest.mark.parametrize(
    "text",
    ["", "x", ":/mnt/a", "{}:/data", "{}:/mnt/", "{}:/mnt/..", "{}:/mnt/a/b", "{}:/mnt/a:rx", "{}:mnt/a", "{}:/mnt/ä"],
)
def test_what_is_no_mount_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected HOST:/mnt/NAME"):
        check_mount(text.format(tmp_path))


def test_a_host_folder_must_exist_and_be_a_folder(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for host in (tmp_path / "none", file):
        with pytest.raises(SettingsError, match="is not a folder on this machine"):
            check_mount(f"{host}:/mnt/a")


def test_a_target_is_used_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="/mnt/a is already the target of another mount"):
        check_mounts([f"{tmp_path}:/mnt/a", f"{tmp_path}:/mnt/a:ro"])
    assert len(check_mounts([f"{tmp_path}:/mnt/a", f"{tmp_path}:/mnt/b"])) == 2
