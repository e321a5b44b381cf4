"""Sandboxes that are kept and go on elsewhere, for real: gVisor's checkpoints."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from functory.sandbox.port import Command, Limits, Mount, SandboxDriver, SandboxError, SandboxSpec, SnapshotSandbox
from tests.support.sandboxes import PATH, PYTHON, WAIT_S, Seen, oci_driver, run_on, started, traces

pytestmark = pytest.mark.root

_PROGRAM = """
import http.client, os, socket, sys, threading, time
open('/tmp/kept', 'w').write('kept')
memory = {'count': 41}
def ask(path):
    connection = http.client.HTTPConnection('169.254.100.1:9001')
    connection.request('GET', path)
    return connection.getresponse().read().decode()
def background():
    while True:
        time.sleep(0.05); memory['ticks'] = memory.get('ticks', 0) + 1
threading.Thread(target=background, daemon=True).start()
while True:
    try:
        name = ask('/wait')
        break
    except OSError as error:
        memory['error'] = type(error).__name__
ticks = memory['ticks']
while memory['ticks'] == ticks:
    time.sleep(0.01)
print('on', name, memory['count'], memory['error'], open('/tmp/kept').read(), sorted(os.listdir('/tmp')), flush=True)
print('random', os.urandom(16).hex(), flush=True)
print('code', open('/var/task/code').read(), abs(time.time() - float(ask('/time'))) < 5, flush=True)
open('/tmp/' + name, 'w').write(name)
assert ask('/wait') == name
print('files', sorted(os.listdir('/tmp')), flush=True)
sys.exit(7)
"""


class _Api:
    """A tiny server for the sandbox's listener."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.asked = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def serve(self, listener: socket.socket) -> None:
        self._server = await asyncio.start_server(self._answer, sock=listener)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
        self.asked.set()
        if not self.name:
            return  # it waits for ever
        body = self.name.encode() if path == b"/wait" else str(time.time()).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    def reset(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


def _run(run_dir: Path, work: Callable[[SandboxDriver], Awaitable[None]]) -> None:
    made = oci_driver(run_dir, "runsc")

    async def all_of_it() -> None:
        async with started(made) as driver:
            assert driver.capabilities.snapshots
            await work(driver)

    run_on("asyncio", all_of_it)


def _spec(name: str, task: Path) -> SandboxSpec:
    return SandboxSpec(name, (Mount(task, "/var/task"),), Limits(memory_mib=256, vcpu=1.0))


async def _launched(driver: SandboxDriver, task: Path, program: str = _PROGRAM) -> tuple[SnapshotSandbox, _Api, Seen]:
    sandbox, api, seen = await driver.prepare_snapshot(_spec("first", task)), _Api(), Seen()
    await api.serve(sandbox.runtime_listener)
    await sandbox.launch(Command((PYTHON, "-c", program), {"PATH": PATH}, "/"), seen.output.extend, seen.output.extend)
    async with asyncio.timeout(WAIT_S):
        await api.asked.wait()
    return sandbox, api, seen


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def task(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    (folder / "code").write_text("mine")
    return folder


def test_two_go_on_at_the_same_time_from_one_snapshot_and_do_not_see_each_other(run_dir: Path, task: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        kept = run_dir / "kept"
        kept.mkdir()
        sandbox, api, _ = await _launched(driver, task)
        await sandbox.snapshot(kept, api.reset)
        await sandbox.dispose()
        others = []
        for name in ("second", "third"):
            other, answers, seen = await driver.prepare_snapshot(_spec(name, task), kept), _Api(name), Seen()
            await answers.serve(other.runtime_listener)
            await other.restore(seen.output.extend)
            others.append((name, other, seen, answers))
        randoms = set()
        for name, other, seen, _ in others:
            async with asyncio.timeout(2 * WAIT_S):
                how = await other.wait()
            assert how.code == 7, seen.text
            assert f"on {name} 41 ConnectionResetError kept ['kept']" in seen.text
            assert "code mine True" in seen.text
            assert f"files {['kept', name]}" in seen.text
            randoms.add(seen.text.partition("random ")[2].split()[0])
            assert other.memory_peak_bytes() > 0
        assert len(randoms) == 2
        for _, other, _, answers in others:
            answers.reset()
            await other.dispose()
        left = traces(run_dir)
        assert not left["groups"]
        assert not left["folders"]
        assert not left["images"]

    _run(run_dir, work)


def test_a_connection_in_use_is_told_as_the_reason(run_dir: Path, task: Path) -> None:
    program = """
import socket
held = socket.create_connection(('169.254.100.1', 4566)); held.sendall(b'x')
asking = socket.create_connection(('169.254.100.1', 9001)); asking.sendall(b'GET / HTTP/1.1\\r\\n\\r\\n'); asking.recv(1)
"""

    async def work(driver: SandboxDriver) -> None:
        kept = run_dir / "kept"
        kept.mkdir()
        sandbox, api, _ = await _launched(driver, task, program)
        with pytest.raises(SandboxError, match="a network connection was in use"):
            await sandbox.snapshot(kept, api.reset)
        await sandbox.dispose()

    _run(run_dir, work)


def test_what_is_no_snapshot_of_this_driver_is_refused(run_dir: Path, task: Path, tmp_path: Path) -> None:
    async def work(driver: SandboxDriver) -> None:
        with pytest.raises(SandboxError, match="no kept sandbox"):
            await driver.prepare_snapshot(_spec("first", task), tmp_path)
        sandbox = await driver.prepare_snapshot(_spec("second", task))
        with pytest.raises(SandboxError, match="nothing runs"):
            await sandbox.snapshot(tmp_path, lambda: None)
        with pytest.raises(SandboxError, match="nothing to go on from"):
            await sandbox.restore(lambda _: None)
        await sandbox.dispose()

    _run(run_dir, work)
