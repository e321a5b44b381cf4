"""The machine's memory, as the kernel and a container's control group tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from functory.sandbox.machine import NODE_OOM_SCORE, MachineMemory, protect_node

MIB = 1024 * 1024


@pytest.fixture
def machine(tmp_path: Path) -> MachineMemory:
    (tmp_path / "meminfo").write_text(
        "MemTotal:        8000000 kB\nMemFree:          100000 kB\nMemAvailable:    2048000 kB\n"
    )
    return MachineMemory(tmp_path, tmp_path / "groups")


def test_what_the_kernel_calls_available_is_available(machine: MachineMemory) -> None:
    assert machine.available_mib() == 2000


@pytest.mark.parametrize("names", [("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")])
def test_a_container_has_what_its_limit_leaves(machine: MachineMemory, tmp_path: Path, names: tuple[str, str]) -> None:
    folder = tmp_path / "groups" / ("memory" if "bytes" in names[0] else "")
    folder.mkdir(parents=True)
    (folder / names[0]).write_text(f"{700 * MIB}\n")
    (folder / names[1]).write_text(f"{600 * MIB}\n")
    assert machine.available_mib() == 100
    (folder / names[1]).write_text(f"{701 * MIB}\n")
    assert machine.available_mib() == 0
    (folder / names[0]).write_text("max\n" if names[0] == "memory.max" else f"{(1 << 63) - 4096}\n")
    assert machine.available_mib() == 2000


def test_a_machine_that_does_not_tell_is_unknown(tmp_path: Path) -> None:
    assert MachineMemory(tmp_path, tmp_path).available_mib() is None
    (tmp_path / "meminfo").write_text("MemFree: 1 kB\n")
    assert MachineMemory(tmp_path, tmp_path).available_mib() is None


def test_the_node_is_spared_when_memory_runs_out(tmp_path: Path) -> None:
    assert not protect_node(tmp_path)
    (tmp_path / "self").mkdir()
    (tmp_path / "self/oom_score_adj").write_text("0")
    assert protect_node(tmp_path)
    assert int((tmp_path / "self/oom_score_adj").read_text()) == NODE_OOM_SCORE < 0
