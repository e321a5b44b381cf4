"""Control groups of both versions, on folders that look like ``/sys/fs/cgroup``."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from functory.sandbox import cgroups
from functory.sandbox.cgroups import HierarchyV1, HierarchyV2, detect

V1_MOUNTS = """\
20 1 0:1 / /sys/fs/cgroup rw - tmpfs tmpfs rw
21 20 0:2 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
22 20 0:3 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
23 20 0:4 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
24 20 0:5 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
25 20 0:6 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


def test_version_1_is_found_with_all_its_hierarchies() -> None:
    found = detect(V1_MOUNTS)
    assert isinstance(found, HierarchyV1)
    assert found.controllers == {"cpu", "memory", "freezer"}
    assert found.mounts["cpuacct"] == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert set(found.mounts) == {"cpu", "cpuacct", "memory", "freezer", "name=systemd", "unified"}


def test_version_2_is_found_also_beside_a_named_hierarchy_only() -> None:
    found = detect("\n".join(line for line in V1_MOUNTS.splitlines() if "cgroup2" in line or "systemd" in line))
    assert isinstance(found, HierarchyV2)
    assert found.root == Path("/sys/fs/cgroup/unified")


def test_without_control_groups_nothing_is_found() -> None:
    assert detect("20 1 0:1 / /proc rw - proc proc rw") is None


@pytest.fixture
def v1(tmp_path: Path) -> HierarchyV1:
    mounts = {name: tmp_path / name for name in ("memory", "cpu", "pids", "freezer")}
    for mount in mounts.values():
        (mount / "functory/k/one").mkdir(parents=True)
    return HierarchyV1(mounts)


@pytest.fixture
def v2(tmp_path: Path) -> HierarchyV2:
    (tmp_path / "functory/k/one").mkdir(parents=True)
    (tmp_path / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
    return HierarchyV2(tmp_path)


def fill(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)


def test_version_1_reads_peak_and_counter(v1: HierarchyV1) -> None:
    folder = v1.mounts["memory"] / "functory/k/one"
    fill(folder, memory__max_usage_in_bytes="123\n", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 2\n")
    group = v1.group("/functory/k/one")
    assert group.memory_peak_bytes() == 123
    assert group.oom_kills() == 2


def test_version_1_limits_swap_only_where_the_kernel_was_built_so(v1: HierarchyV1) -> None:
    assert not v1.limits_swap
    fill(v1.mounts["memory"], memory__memsw__limit_in_bytes="9")
    assert v1.limits_swap


def test_version_1_freezes_through_the_freezer(v1: HierarchyV1) -> None:
    state = v1.mounts["freezer"] / "functory/k/one/freezer.state"
    state.write_text("THAWED")
    group = v1.group("/functory/k/one")
    group.set_frozen(True)
    assert state.read_text() == "FROZEN"
    assert group.is_frozen()
    state.write_text("FREEZING\n")
    assert not group.is_frozen()


def test_version_1_collects_processes_and_children_of_all_hierarchies(v1: HierarchyV1) -> None:
    fill(v1.mounts["memory"] / "functory/k/one", cgroup__procs="7\n9\n")
    fill(v1.mounts["cpu"] / "functory/k/one", cgroup__procs="8\n")
    (v1.mounts["pids"] / "functory/k/two").mkdir()
    assert v1.group("/functory/k/one").pids() == [7, 8, 9]
    assert v1.children("/functory/k") == ["/functory/k/one", "/functory/k/two"]
    assert v1.children("/functory/none") == []


def test_version_1_removes_from_every_hierarchy_also_after_a_refusal(v1: HierarchyV1) -> None:
    busy = v1.mounts["memory"] / "functory/k/one/still-here"
    busy.write_text("")  # what keeps rmdir from working, as a process would
    group = v1.group("/functory/k/one")
    assert group.remove() is False
    assert not (v1.mounts["freezer"] / "functory/k/one").exists()
    busy.unlink()
    assert group.exists()
    assert group.remove() is True
    assert not group.exists()


def test_version_2_reads_peak_and_counter(v2: HierarchyV2) -> None:
    fill(v2.root / "functory/k/one", memory__peak="456\n", memory__events="low 0\noom 3\noom_kill 1\noom_group_kill 0\n")
    group = v2.group("/functory/k/one")
    assert group.memory_peak_bytes() == 456
    assert group.oom_kills() == 1


def test_version_2_samples_the_peak_on_old_kernels(v2: HierarchyV2) -> None:
    folder = v2.root / "functory/k/one"
    group = v2.group("/functory/k/one")
    for current, peak in (("100", 100), ("300", 300), ("200", 300)):
        fill(folder, memory__current=current)
        assert group.memory_peak_bytes() == peak


def test_version_2_freezes_and_tells_when_it_is_done(v2: HierarchyV2) -> None:
    folder = v2.root / "functory/k/one"
    fill(folder, cgroup__freeze="0", cgroup__events="populated 1\nfrozen 0\n")
    group = v2.group("/functory/k/one")
    group.set_frozen(True)
    assert (folder / "cgroup.freeze").read_text() == "1"
    assert not group.is_frozen()
    fill(folder, cgroup__events="populated 1\nfrozen 1\n")
    assert group.is_frozen()


def test_version_2_kills_in_one_write(v2: HierarchyV2) -> None:
    folder = v2.root / "functory/k/one"
    fill(folder, cgroup__kill="", cgroup__freeze="1")
    v2.group("/functory/k/one").kill()
    assert (folder / "cgroup.kill").read_text() == "1"
    assert (folder / "cgroup.freeze").read_text() == "0"


def test_version_2_offers_only_what_the_kernel_offers(v2: HierarchyV2) -> None:
    assert v2.controllers == {"cpu", "memory", "pids", "freezer"}
    fill(v2.root, cgroup__controllers="cpu\n")
    assert v2.controllers == {"cpu", "freezer"}


def test_version_2_enables_controllers_on_the_way_down(v2: HierarchyV2) -> None:
    for folder in ("", "functory", "functory/k"):
        fill(v2.root / folder, cgroup__subtree_control="")
    v2.prepare("/functory/k")
    for folder in ("", "functory", "functory/k"):
        assert (v2.root / folder / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_version_2_moves_the_processes_of_a_containers_root_into_a_leaf(
    v2: HierarchyV2, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("", "functory", "functory/k"):
        fill(v2.root / folder, cgroup__subtree_control="")
    fill(v2.root, cgroup__procs="1\n")
    leaf = v2.root / "functory-node"
    leaf.mkdir()
    fill(leaf, cgroup__procs="")
    write = cgroups._write

    def busy_while_populated(path: Path, text: str) -> None:
        if path == v2.root / "cgroup.subtree_control" and not (leaf / "cgroup.procs").read_text():
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        write(path, text)

    monkeypatch.setattr(cgroups, "_write", busy_while_populated)
    v2.prepare("/functory/k")
    assert (leaf / "cgroup.procs").read_text() == "1"
    assert (v2.root / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_that_is_gone_answers_everything(version: int, v1: HierarchyV1, v2: HierarchyV2) -> None:
    group = (v1 if version == 1 else v2).group("/functory/k/gone")
    group.set_frozen(True)
    group.kill()
    assert (group.memory_peak_bytes(), group.oom_kills(), group.pids()) == (0, 0, [])
    assert not group.is_frozen()
    assert not group.exists()
    assert group.remove() is True


@pytest.mark.parametrize(("now", "wanted"), [("536870912", 134217728), ("134217728", 536870912)])
def test_version_1_limits_memory_and_swap_together(v1: HierarchyV1, now: str, wanted: int) -> None:
    folder = v1.mounts["memory"] / "functory/k/one"
    names = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "memory.max_usage_in_bytes")
    for name in names:
        (folder / name).write_text(now)
    v1.group("/functory/k/one").limit_memory(wanted)
    assert [(folder / name).read_text()[: len(str(wanted))] for name in names[:2]] == [str(wanted)] * 2
    assert (folder / names[2]).read_text().startswith("0")


def test_limits_of_a_running_group_change_in_both_versions(v1: HierarchyV1, v2: HierarchyV2) -> None:
    first, second = v1.mounts, v2.root / "functory/k/one"
    fill(first["pids"] / "functory/k/one", pids__max="1")
    fill(first["cpu"] / "functory/k/one", cpu__shares="1")
    fill(second, memory__max="1", pids__max="1", cpu__weight="1")
    for hierarchy in (v1, v2):
        group = hierarchy.group("/functory/k/one")
        group.limit_memory(1024)
        group.limit_processes(64)
        group.set_shares(cgroups.SHARES)
    assert (first["pids"] / "functory/k/one/pids.max").read_text() == "64"
    assert (first["cpu"] / "functory/k/one/cpu.shares").read_text() == "1024"
    assert [(second / name).read_text() for name in ("memory.max", "pids.max", "cpu.weight")] == ["1024", "64", "100"]
