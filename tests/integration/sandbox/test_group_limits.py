"""The limits of a sandbox as the kernel has them, with whichever version of control groups this machine has."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from functory.kernel.limits import MIB
from functory.sandbox import cgroups
from tests.support.sandboxes import BASH, launch, oci_driver, prepared, started

pytestmark = pytest.mark.root


def test_every_limit_is_set_in_the_group_and_can_be_changed(tmp_path: Path) -> None:
    driver = oci_driver(tmp_path / "run")
    hierarchy = cgroups.detect(Path("/proc/self/mountinfo").read_text())
    assert hierarchy is not None
    sandbox: Any = None

    def read(controller: str, name_v1: str, name_v2: str) -> str:
        path = sandbox._group_path.strip("/")
        if isinstance(hierarchy, cgroups.HierarchyV2):
            return (hierarchy.root / path / name_v2).read_text().strip()
        assert isinstance(hierarchy, cgroups.HierarchyV1)
        return (hierarchy.mounts[controller] / path / name_v1).read_text().strip()

    def cpu() -> float:
        if hierarchy.version == 1:
            return int(read("cpu", "cpu.cfs_quota_us", "")) / int(read("cpu", "cpu.cfs_period_us", ""))
        quota, period = read("cpu", "", "cpu.max").split()
        return int(quota) / int(period)

    async def main() -> None:
        nonlocal sandbox
        async with started(driver), prepared(driver) as sandbox:
            seen = await launch(sandbox, BASH, "-c", "echo up; read -r _ < <(sleep 3600)")
            await seen.until("up")
            assert int(read("memory", "memory.limit_in_bytes", "memory.max")) == 256 * MIB
            assert int(read("pids", "pids.max", "pids.max")) == 1025  # with the sandbox's first process
            assert cpu() == 1.0
            sandbox.limit_cpu(0.25)
            assert cpu() == 0.25
            group = hierarchy.group(sandbox._group_path)
            assert len(group.pids()) >= 3
            assert group.memory_peak_bytes() > 0
            await sandbox.freeze()
            assert group.is_frozen()
            await sandbox.thaw()
            assert not group.is_frozen()
            if hierarchy.version == 2:
                assert read("", "", "memory.swap.max") == "0"
        assert not group.exists()

    asyncio.run(main())
