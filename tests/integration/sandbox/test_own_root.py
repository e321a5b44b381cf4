"""A sandbox whose root is a folder that came from outside: a container image."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from functory.sandbox.port import Limits, Mount, SandboxDriver, SandboxError, SandboxSpec
from tests.support.sandboxes import BASH, finish, launch, oci_driver, process_driver, started

pytestmark = pytest.mark.root


def make_image(root: Path, note: str) -> Path:
    """A root with bash, the libraries it needs, and a note."""
    for name in ("proc", "dev", "tmp", "etc", "mnt", "bin"):
        (root / name).mkdir(parents=True)
    for name in ("hosts", "resolv.conf"):
        (root / "etc" / name).touch()
    (root / "note").write_text(note)
    shutil.copy(BASH, root / "bin/bash")
    listed = subprocess.run(["ldd", BASH], capture_output=True, text=True, check=True).stdout
    for library in re.findall(r"(/\S+)", listed):
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    return root


async def run_in(driver: SandboxDriver, root: Path, script: str, *mounts: Mount) -> str:
    sandbox = await driver.prepare(SandboxSpec("own-root", mounts, Limits(memory_mib=256, vcpu=1.0), root=root))
    try:
        seen = await launch(sandbox, "/bin/bash", "-c", script)
        await finish(sandbox)
        return seen.text
    finally:
        await sandbox.dispose()


LOOK = """
echo "note: $(<note)"; (echo x > /note) 2>/dev/null && echo written; echo x > /tmp/x && echo tmp
[ -e /usr/bin/env ] && echo host; [ -d /mnt/data ] && echo mounted; [ -s /etc/hosts ] && echo hosts; echo /dev/null
"""


def test_the_folder_is_the_whole_root_and_read_only(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", "first")
    (tmp_path / "data").mkdir(mode=0o755)

    driver = oci_driver(tmp_path / "run")

    async def work() -> None:
        async with started(driver):
            text = await run_in(driver, image, LOOK, Mount(tmp_path / "data", "/mnt/data"))
            assert text.split("\n")[:-1] == ["note: first", "tmp", "mounted", "hosts", "/dev/null"]

    asyncio.run(work())
    assert (image / "etc/hosts").read_text() == ""


def test_a_folder_that_was_made_anew_is_seen_anew(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", "first")

    driver = oci_driver(tmp_path / "run")

    async def work() -> None:
        async with started(driver):
            assert "first" in await run_in(driver, image, LOOK)
            shutil.rmtree(image)
            make_image(image, "second")
            assert "second" in await run_in(driver, image, LOOK)

    asyncio.run(work())


def test_nothing_is_made_through_a_link_of_the_folder(tmp_path: Path) -> None:
    image = make_image(tmp_path / "image", "x")
    outside = tmp_path / "outside"
    outside.mkdir()
    (image / "mnt").rmdir()
    (image / "mnt").symlink_to(outside)

    driver = oci_driver(tmp_path / "run")

    async def work() -> None:
        async with started(driver):
            with pytest.raises(SandboxError, match="a link of the image is in the way"):
                await run_in(driver, image, LOOK, Mount(tmp_path, "/mnt/data"))

    asyncio.run(work())
    assert list(outside.iterdir()) == []


def test_without_isolation_there_is_no_root_of_ones_own(tmp_path: Path) -> None:
    async def work() -> None:
        async with started(process_driver(tmp_path / "run")) as driver:
            assert not driver.capabilities.own_root
            with pytest.raises(SandboxError, match="need the oci driver"):
                await run_in(driver, make_image(tmp_path / "image", "x"), LOOK)

    asyncio.run(work())
