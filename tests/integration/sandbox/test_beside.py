"""A driver of another runtime in the place of the node's own."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from functory.core.environments.drivers import isolation_of
from functory.kernel.settings import SandboxSettings
from functory.sandbox.drivers.process import ProcessDriver
from functory.sandbox.port import SandboxError
from functory.sandbox.probe import open_beside, pick_driver
from tests.support.sandboxes import BASH, finish, launch, oci_driver, prepared, run_script, started, traces

pytestmark = pytest.mark.root


def test_sandboxes_of_both_kinds_live_side_by_side_and_leave_nothing(tmp_path: Path) -> None:
    own = oci_driver(tmp_path / "run")
    oci_driver(tmp_path / "other", "runsc")  # skips where it does not work

    async def main() -> None:
        async with started(own):
            empty = traces(tmp_path / "run")
            async with started(await open_beside(own, own_kernel=True, run_dir=tmp_path / "run")) as other:
                assert (isolation_of(own), isolation_of(other)) == ("container", "gvisor")
                async with prepared(own, name="one") as sandbox, prepared(other, name="two") as hostile:
                    seen = [await launch(each, BASH, "-c", "cat /proc/version; kill -9 $$") for each in (sandbox, hostile)]
                    ends = [await finish(each) for each in (sandbox, hostile)]
                assert os.uname().release in seen[0].text
                assert os.uname().release not in seen[1].text
                assert len(ends) == 2
                await run_script(other, ":")
            assert (await run_script(own, "echo still here"))[1] == "still here\n"
            after = traces(tmp_path / "run")
            assert {name: after[name] for name in after if name != "descriptors"} == {
                name: empty[name] for name in empty if name != "descriptors"
            }

    asyncio.run(main())


def test_a_trial_is_remembered_and_what_does_not_work_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = oci_driver(tmp_path / "run")
    program = tmp_path / "bin/runsc"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    async def main() -> None:
        async with started(own):
            with pytest.raises(SandboxError, match="runsc could not start /bin/sh"):
                await open_beside(own, own_kernel=True, run_dir=tmp_path / "run")
            assert (tmp_path / "run/probe-runsc.json").exists()
            with pytest.raises(SandboxError, match="runsc could not start /bin/sh"):
                await open_beside(own, own_kernel=True, run_dir=tmp_path / "run")

    asyncio.run(main())


def test_beside_a_driver_that_does_not_isolate_there_is_none(tmp_path: Path) -> None:
    async def main() -> None:
        driver = await pick_driver(SandboxSettings(driver="process"), tmp_path)
        assert isinstance(driver, ProcessDriver)
        with pytest.raises(SandboxError, match="the node's driver process does not isolate"):
            await open_beside(driver, own_kernel=True, run_dir=tmp_path)

    asyncio.run(main())
