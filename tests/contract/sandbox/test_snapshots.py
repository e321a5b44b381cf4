"""Every driver keeps sandboxes as the port says, or says that it does not and refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from functory.sandbox.drivers.fake import FakeDriver, FakeProcess
from functory.sandbox.port import Command, Limits, SandboxDriver, SandboxError, SandboxSpec
from tests.support.sandboxes import BASH, PATH, WAIT_S, Seen, oci_driver, process_driver, started

_SCRIPT = (
    "echo one > /tmp/kept; count=1; echo waiting; sleep 1; count=$((count + 1)); echo on $count $(cat /tmp/kept); exit 5"
)


async def _nothing(_: FakeProcess) -> int:
    return 0


def _fake(_: Path) -> SandboxDriver:
    return FakeDriver(_nothing)


_DRIVERS: dict[str, Callable[[Path], SandboxDriver]] = {
    "fake": _fake,
    "process": process_driver,
    "oci": oci_driver,
    "runsc": lambda folder: oci_driver(folder, "runsc"),
}


@pytest.fixture(
    params=["fake", "process", *(pytest.param(name, marks=pytest.mark.root) for name in ("oci", "runsc"))],
)
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> SandboxDriver:
    return _DRIVERS[request.param](tmp_path / "run")


def test_what_was_kept_goes_on_where_it_was_or_nothing_can_be_kept(driver: SandboxDriver, tmp_path: Path) -> None:
    spec = SandboxSpec("first", (), Limits(memory_mib=256, vcpu=1.0))

    async def keeps(folder: Path) -> None:
        first, seen = await driver.prepare_snapshot(spec), Seen()
        assert first.telemetry_fd is None
        await first.launch(Command((BASH, "-c", _SCRIPT), {"PATH": PATH}, "/"), seen.output.extend, seen.telemetry.extend)
        await seen.until("waiting")
        hung_up: list[str] = []
        await first.snapshot(folder, lambda: hung_up.append("once"))
        assert hung_up == ["once"]
        await first.dispose()
        second, later = await driver.prepare_snapshot(SandboxSpec("second", (), spec.limits), folder), Seen()
        await second.restore(later.output.extend)
        async with asyncio.timeout(WAIT_S):
            assert (await second.wait()).code == 5
        assert later.text == "on 2 one\n"
        await second.dispose()
        with pytest.raises(SandboxError):  # its /tmp has another size
            await driver.prepare_snapshot(SandboxSpec("third", (), Limits(memory_mib=256, tmp_mib=600)), folder)

    async def work() -> None:
        folder = tmp_path / "kept"
        folder.mkdir()
        async with started(driver):
            if driver.capabilities.snapshots:
                await keeps(folder)
                return
            with pytest.raises(SandboxError):
                await driver.prepare_snapshot(spec)
            assert list(folder.iterdir()) == []

    asyncio.run(work())
