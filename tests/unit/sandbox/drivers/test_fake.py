"""The scripted driver."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from functory.sandbox.drivers.fake import FakeDriver, FakeProcess
from functory.sandbox.port import Command, Exit, Mount, SandboxError, SandboxSpec

COMMAND = Command(("/bootstrap",), {"A": "1"})


async def forever(_: FakeProcess) -> int:
    await asyncio.Event().wait()
    return 0


def test_a_behaviour_writes_and_its_result_is_the_exit() -> None:
    async def behave(process: FakeProcess) -> int:
        process.output(b"out " + process.command.env["A"].encode())
        process.telemetry(b"frame")
        return 7

    async def main() -> None:
        sandbox = await FakeDriver(behave).prepare(SandboxSpec("one", ()))
        seen: list[bytes] = []
        await sandbox.launch(COMMAND, seen.append, seen.append)
        assert await sandbox.wait() == Exit(code=7)
        assert seen == [b"out 1", b"frame"]
        await sandbox.dispose()

    asyncio.run(main())


def test_a_behaviour_talks_to_the_runtime_listener() -> None:
    async def behave(process: FakeProcess) -> int:
        reader, writer = await asyncio.open_connection(*process.runtime_address)
        process.output(await reader.readline())
        writer.close()
        return 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"next\n")
        writer.close()

    async def main() -> None:
        driver = FakeDriver(behave)
        sandbox = await driver.prepare(SandboxSpec("one", ()))
        server = await asyncio.start_server(serve, sock=sandbox.runtime_listener)
        seen: list[bytes] = []
        await sandbox.launch(COMMAND, seen.append, seen.append)
        await sandbox.wait()
        assert seen == [b"next\n"]
        server.close()
        await driver.close()

    asyncio.run(main())


def test_kill_ends_it_and_terminate_only_asks() -> None:
    async def main() -> None:
        driver = FakeDriver(forever)
        sandbox = await driver.prepare(SandboxSpec("one", ()))
        await sandbox.launch(COMMAND, lambda _: None, lambda _: None)
        sandbox.terminate()
        await sandbox.freeze()
        assert driver.sandboxes["one"].is_frozen
        await sandbox.kill()
        await sandbox.kill()
        assert await sandbox.wait() == Exit(signal=signal.SIGKILL)
        await sandbox.dispose()
        assert driver.sandboxes["one"].is_disposed

    asyncio.run(main())


def test_a_behaviour_sees_sigterm_freezing_and_the_address_it_was_promised() -> None:
    async def behave(process: FakeProcess) -> int:
        await process.terminated.wait()
        return 0 if process.thawed.is_set() and process.aws_address is None else 1

    async def main() -> None:
        driver = FakeDriver(behave)
        sandbox = await driver.prepare(SandboxSpec("one", (Mount(Path("/code"), "/var/task"),), aws_endpoint=False))
        assert sandbox.paths == {"/tmp": "/tmp", "/var/task": "/code"}
        await sandbox.launch(COMMAND, lambda _: None, lambda _: None)
        await sandbox.freeze()
        await sandbox.thaw()
        sandbox.terminate()
        assert await sandbox.wait() == Exit(code=0)
        with pytest.raises(SandboxError, match="used already"):
            await sandbox.launch(COMMAND, lambda _: None, lambda _: None)
        await driver.close()

    asyncio.run(main())


def test_prepare_fails_when_the_test_says_so() -> None:
    async def main() -> None:
        driver = FakeDriver(forever, fail_prepare=lambda spec: SandboxError(f"no room for {spec.id}"))
        with pytest.raises(SandboxError, match="no room for one"):
            await driver.prepare(SandboxSpec("one", ()))

    asyncio.run(main())
