"""How attempts to get out are made: as a function would, with the tools of the host's ``/usr``, on every runtime here."""

from __future__ import annotations

import asyncio
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from functory.sandbox.drivers.oci import OciDriver
from functory.sandbox.outbound import Wish
from functory.sandbox.port import Exit, Limits, Mount
from tests.support.sandboxes import PYTHON, finish, launch, oci_driver, prepared, run_script, started

Attempt = Callable[..., tuple[Exit, str]]
Program = Callable[..., list[str]]

_CALL = """
import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    ctypes.set_errno(0)
    result = getattr(libc, name)(*args)
    return 0 if result >= 0 else ctypes.get_errno()
def attempt(work, *args):
    try:
        return repr(work(*args))
    except OSError as error:
        return errno.errorcode[error.errno]
"""


@pytest.fixture(params=["auto", "runsc"], ids=["host-kernel", "gvisor"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> OciDriver:
    """A driver of each kind that works here, with a way out of the network where there can be one."""
    return oci_driver(tmp_path / "run", request.param, Wish("auto"))


@pytest.fixture
def is_gvisor(driver: OciDriver) -> bool:
    """Whether system calls end in a kernel of the sandbox's own, which answers differently."""
    return driver._runtime.name == "runsc"


@pytest.fixture
def host_kernel(is_gvisor: bool) -> None:
    """For attempts whose refusal is an answer of the host's kernel or of the system call filter."""
    if is_gvisor:
        pytest.skip("gVisor answers this call itself; that nothing of the host is touched is tested elsewhere")


@pytest.fixture
def attempt(driver: OciDriver) -> Attempt:
    """Runs a bash script in a sandbox."""

    def run(script: str, *mounts: Mount, limits: Limits | None = None) -> tuple[Exit, str]:
        async def main() -> tuple[Exit, str]:
            async with started(driver):
                return await run_script(driver, script, *mounts, limits=limits)

        return asyncio.run(main())

    return run


@pytest.fixture
def python(driver: OciDriver) -> Program:
    """Runs Python in a sandbox, with ``call`` for libc functions and ``attempt`` for others; the lines it prints."""

    def run(program: str, *mounts: Mount, limits: Limits | None = None) -> list[str]:
        async def main() -> list[str]:
            async with started(driver), prepared(driver, *mounts, limits=limits) as sandbox:
                seen = await launch(sandbox, PYTHON, "-c", _CALL + textwrap.dedent(program))
                await finish(sandbox)
                return seen.text.splitlines()

        return asyncio.run(main())

    return run
