"""Removing what a killed node left, on fakes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from functory.sandbox.cgroups import HierarchyV2
from functory.sandbox.recovery import key_of, kill_runtimes, remove_groups


def test_the_key_depends_on_the_folder_and_nothing_else(tmp_path: Path) -> None:
    assert key_of(tmp_path) == key_of(tmp_path / "x" / "..")
    assert key_of(tmp_path) != key_of(tmp_path / "x")


def test_empty_groups_are_removed_and_others_left(tmp_path: Path) -> None:
    for name in ("functory/mine/a", "functory/mine/b", "functory/other/c"):
        (tmp_path / name).mkdir(parents=True)
    assert remove_groups(HierarchyV2(tmp_path), "/functory/mine") == 2
    assert list((tmp_path / "functory/mine").iterdir()) == []
    assert (tmp_path / "functory/other/c").exists()


def test_only_runtimes_of_this_state_folder_are_killed(tmp_path: Path) -> None:
    sleeping = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with (
        subprocess.Popen([*sleeping, "--root", str(tmp_path / "mine")], stdin=subprocess.PIPE) as mine,
        subprocess.Popen([*sleeping, "--root", str(tmp_path / "other")], stdin=subprocess.PIPE) as other,
    ):
        processes = tmp_path / "proc"
        processes.mkdir()
        (processes / "self").mkdir()
        for pid in (mine.pid, other.pid, os.getpid()):
            (processes / str(pid)).symlink_to(f"/proc/{pid}")
        assert kill_runtimes(tmp_path / "mine", processes) == 1
        assert mine.wait() == -signal.SIGKILL
        assert other.poll() is None
        other.kill()
