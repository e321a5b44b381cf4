"""What the node serves in its gateway: name service, and the offered services of the host.

**Theory.** The sockets are in the gateway's network namespace, the answers come from the host's: a query or a connection is
handed on by the node's event loop to where the host itself would go. Nothing is interpreted. The host's ``resolv.conf`` is
read again when it has changed, so that a laptop may change its network.

**Bounds.** Queries under way are limited in all and for each sandbox; beyond that they are dropped, as a network would.
Connections are limited in all; half-open ones end after a time without any bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from functory.kernel import log
from functory.sandbox.gateway import Doors

Address = tuple[str, int]

_DNS_PORT = 53
_QUERY_BYTES_MAX = 4096
_ANSWER_BYTES_MAX = 65_535
_QUERIES_MAX = 512
_QUERIES_PER_SANDBOX_MAX = 64
_BURST = 64  # datagrams taken in one go; then others have their turn on the loop
_ANSWER_TIMEOUT_S = 3.0  # for each server; resolver libraries ask again after 5 s
_CONNECT_TIMEOUT_S = 5.0
_IDLE_TIMEOUT_S = 900.0
_NAME_IDLE_TIMEOUT_S = 30.0
_CONNECTIONS_MAX = 1024
_CHUNK = 65_536
_LOOPBACK = "127.0.0.1"

_log = log.get("sandbox.relay")


class HostResolver:
    """The name servers of the host, as ``resolv.conf`` names them now."""

    def __init__(self, file: Path = Path("/etc/resolv.conf")) -> None:
        self._file = file
        self._read_at = -1
        self._servers: tuple[Address, ...] = ()

    def servers(self) -> tuple[Address, ...]:
        """At most three, as the C library takes them; the host's own loopback when none is named."""
        try:
            changed_at = self._file.stat().st_mtime_ns
            if changed_at != self._read_at:
                self._servers = parse_servers(self._file.read_text(errors="replace"))
                self._read_at = changed_at
        except OSError:
            self._servers = ()
        return self._servers or ((_LOOPBACK, _DNS_PORT),)


def parse_servers(text: str) -> tuple[Address, ...]:
    """The name servers of a ``resolv.conf``."""
    found: list[Address] = []
    for line in text.splitlines():
        match line.split():
            case ["nameserver", address, *_]:
                with contextlib.suppress(ValueError):
                    ipaddress.ip_address(address.partition("%")[0])
                    found.append((address, _DNS_PORT))
    return tuple(found[:3])


class Relay:
    """Serves the `Doors` of a gateway, and closes them.

    Args:
        doors: the sockets; this takes them.
        servers: gives the name servers to ask, in order.
    """

    def __init__(self, doors: Doors, servers: Callable[[], Sequence[Address]]) -> None:
        self._doors = doors
        self._servers = servers
        self._loop = asyncio.get_running_loop()
        self._queries: set[_Query] = set()
        self._asking: Counter[str] = Counter()
        self._listeners: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to serve."""
        self._loop.add_reader(self._doors.datagrams.fileno(), self._take_queries)
        await self._serve(self._doors.stream, self._servers, _NAME_IDLE_TIMEOUT_S)
        for port, listener in self._doors.host_ports.items():
            await self._serve(listener, lambda port=port: ((_LOOPBACK, port),), _IDLE_TIMEOUT_S)  # type: ignore[misc]

    async def close(self) -> None:
        """End all that is under way and close the sockets; idempotent."""
        if self._doors.datagrams.fileno() >= 0:
            self._loop.remove_reader(self._doors.datagrams.fileno())
        for query in list(self._queries):
            query.close()
        for server in self._listeners:
            server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._listeners.clear()
        self._doors.close()

    def _take_queries(self) -> None:
        for _ in range(_BURST):
            try:
                data, sender = self._doors.datagrams.recvfrom(_QUERY_BYTES_MAX)
            except OSError:  # none left
                return
            if len(self._queries) >= _QUERIES_MAX or self._asking[sender[0]] >= _QUERIES_PER_SANDBOX_MAX:
                continue
            query = _Query(self._loop, data, tuple(self._servers()), lambda answer, to=sender: self._answer(answer, to))  # type: ignore[misc]
            query.on_end = lambda query=query, host=sender[0]: self._forget(query, host)  # type: ignore[misc]
            self._queries.add(query)
            self._asking[sender[0]] += 1
            query.ask()

    def _answer(self, answer: bytes, to: Address) -> None:
        with contextlib.suppress(OSError):  # the sandbox has ended, or its buffer is full: it asks again
            self._doors.datagrams.sendto(answer, to)

    def _forget(self, query: _Query, host: str) -> None:
        self._queries.discard(query)
        self._asking[host] -= 1
        if not self._asking[host]:
            del self._asking[host]

    async def _serve(self, listener: socket.socket, targets: Callable[[], Sequence[Address]], idle_s: float) -> None:
        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is None or len(self._connections) >= _CONNECTIONS_MAX:
                writer.close()
                return
            self._connections.add(task)
            try:
                await _hand_on(reader, writer, targets(), idle_s)
            finally:
                self._connections.discard(task)

        self._listeners.append(await asyncio.start_server(connected, sock=listener))


class _Query:
    """One question on its way: asks one server after the other until one answers."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, data: bytes, servers: tuple[Address, ...], answer: Callable[[bytes], None]
    ) -> None:
        self._loop = loop
        self._data = data
        self._servers = list(servers)
        self._answer = answer
        self._socket: socket.socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.on_end: Callable[[], None] = lambda: None

    def ask(self) -> None:
        """Ask the next server; ends when there is none."""
        self._leave()
        while self._servers:
            address = self._servers.pop(0)
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            try:
                self._socket = socket.socket(family, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
                self._socket.connect(address)  # from a port of its own, and only its answer is heard
                self._socket.send(self._data)
            except OSError:
                self._leave()
                continue
            self._loop.add_reader(self._socket.fileno(), self._hear)
            self._timer = self._loop.call_later(_ANSWER_TIMEOUT_S, self.ask)
            return
        self.on_end()

    def close(self) -> None:
        """Give up."""
        self._leave()
        self.on_end()

    def _hear(self) -> None:
        if self._socket is None:
            return
        try:
            answer = self._socket.recv(_ANSWER_BYTES_MAX)
        except BlockingIOError:
            return
        except OSError:  # refused
            self.ask()
            return
        if answer[:2] == self._data[:2]:
            self._answer(answer)
            self.close()

    def _leave(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._socket is not None:
            if self._socket.fileno() >= 0:
                self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None


async def _hand_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, targets: Sequence[Address], idle_s: float
) -> None:
    """Join a connection with one to the first target that accepts."""
    try:
        far = await _connect(targets)
        if far is None:
            return
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far[1], idle_s))
                group.create_task(_copy(far[0], writer, idle_s))
        except* (OSError, TimeoutError):
            pass  # either side has gone, which the other learns by the close below
        finally:
            far[1].close()
    finally:
        writer.close()


async def _connect(targets: Sequence[Address]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    for host, port in targets:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                return await asyncio.open_connection(host, port)
    return None


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter, idle_s: float) -> None:
    while True:
        async with asyncio.timeout(idle_s):
            data = await source.read(_CHUNK)
        if not data:
            target.write_eof()
            return
        target.write(data)
        async with asyncio.timeout(idle_s):
            await target.drain()
