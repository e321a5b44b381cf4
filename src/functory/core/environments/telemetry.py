"""The Telemetry API of one environment: what happens in it, delivered to the extensions that asked.

Owns the subscriptions, their buffers and the delivery over connections *into* the sandbox. What happens comes from the
environment's `LogStream` (its ``tap``): the function's and the extensions' lines and the platform's events. From the start
of init they are kept for those who subscribe later in it; without a subscriber that ends with init, and costs nothing more.

**Delivery.** A batch is sent when it is large or old enough, one at a time and in order, per subscriber. A sandbox that is
frozen answers when it is woken. A subscriber that cannot be reached or does not keep up loses events, and is told so by
``platform.logsDropped``; the function never waits.

``Differs:`` AWS's URI host ``sandbox.localdomain`` is the sandbox's address; without a private network it is 127.0.0.1.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from functory.core.environments import platform_events
from functory.core.environments.log_stream import LogStream, Record
from functory.core.environments.session import RuntimeApiError
from functory.core.environments.subscriptions import Destination, Subscription, logs_records, parse
from functory.kernel.clock import iso_ms
from functory.kernel.tasks import TaskScope
from functory.sandbox.port import Sandbox

HISTORY_MAX = 1_000
"""Events of an init that are kept for later subscribers."""
BACKLOG_BATCHES = 10
"""A subscriber may be that many full batches behind."""
_ATTEMPTS = 2
_RETRY_S = 0.1
_ANSWER_BYTES_MAX = 65_536


class Telemetry:
    """See the module.

    Args:
        sandbox: where the subscribers are.
        log: what is told.
        tasks: owns the deliveries.
    """

    def __init__(self, sandbox: Sandbox, log: LogStream, tasks: TaskScope) -> None:
        self._sandbox = sandbox
        self._log = log
        self._tasks = tasks
        self._subscribers: dict[str, _Subscriber] = {}
        self._history: deque[tuple[int, str, Record]] | None = deque(maxlen=HISTORY_MAX)
        log.tap = self._take

    def subscribe(self, name: str, body: bytes, *, is_logs_api: bool) -> None:
        """An extension subscribes, or changes what it has subscribed to.

        Args:
            name: of the extension.
            body: its request.
            is_logs_api: whether it came by the Logs API.

        Raises:
            RuntimeApiError: refused.
        """
        if self._history is None:
            kind, text = ("Logs", "Logs API") if is_logs_api else ("Telemetry", "Telemetry API")
            raise RuntimeApiError(403, f"{kind}.SubscriptionClosed", f"{text} subscription is closed already")
        subscription = parse(body, is_logs_api=is_logs_api)
        if old := self._subscribers.pop(name, None):
            old.close()
        subscriber = self._subscribers[name] = _Subscriber(subscription, self._sandbox, self._log.now_s)
        for event in self._history:
            subscriber.take(*event)
        subscriber.task = self._tasks.spawn(subscriber.deliver(), f"telemetry {self._sandbox.id} {name}")
        shown = ", ".join(each.capitalize() for each in subscription.types)
        self._log.platform(f"{'LOGS' if is_logs_api else 'TELEMETRY'}\tName: {name}\tState: Subscribed\tTypes: [{shown}]")
        self._log.record(platform_events.telemetry_subscription(name, subscription.types))

    def init_is_over(self) -> None:
        """No more subscriptions."""
        self._history = None
        if not self._subscribers:
            self._log.tap = None

    def flush(self) -> None:
        """Send what is there without waiting for more."""
        for subscriber in self._subscribers.values():
            subscriber.hurry()

    def close(self) -> None:
        """Deliver nothing more."""
        self._log.tap = None
        for subscriber in self._subscribers.values():
            subscriber.close()

    def _take(self, at_ms: int, kind: str, record: Record) -> None:
        if self._history is not None:
            self._history.append((at_ms, kind, record))
        for subscriber in self._subscribers.values():
            subscriber.take(at_ms, kind, record)


class _Subscriber:
    """One subscription and its backlog."""

    def __init__(self, subscription: Subscription, sandbox: Sandbox, now_s: Callable[[], float]) -> None:
        self.task: asyncio.Task[None] | None = None
        self._wants = subscription
        self._sandbox = sandbox
        self._now_s = now_s
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._dropped_records = 0
        self._dropped_bytes = 0
        self._due = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._stream: socket.socket | None = None

    def take(self, at_ms: int, kind: str, record: Record) -> None:
        """Keep an event, if it was asked for."""
        wants = self._wants
        if kind.partition(".")[0] not in wants.types:
            return
        told = logs_records(kind, record, wants.schema) if wants.is_logs_api else [(kind, record)]
        for shown, content in told:
            line = msgspec.json.encode({"time": iso_ms(at_ms / 1000), "type": shown, "record": content})
            self._keep(line)

    def _keep(self, line: bytes) -> None:
        wants = self._wants
        if self._bytes + len(line) > BACKLOG_BATCHES * wants.max_bytes:
            self._dropped_records += 1
            self._dropped_bytes += len(line)
            return
        self._lines.append(line)
        self._bytes += len(line)
        if len(self._lines) >= wants.max_items or self._bytes >= wants.max_bytes:
            self.hurry()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(wants.timeout_ms / 1000, self.hurry)

    def hurry(self) -> None:
        """What is there is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            self._due.set()

    def close(self) -> None:
        """Deliver nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self.task is not None:
            self.task.cancel()
        self._hang_up()

    async def deliver(self) -> None:
        """Send batches until `close`."""
        while True:
            await self._due.wait()
            self._due.clear()
            while batch := self._batch():
                if not await self._send(batch):
                    self._dropped_records += len(batch)
                    self._dropped_bytes += sum(len(line) for line in batch)

    def _batch(self) -> list[bytes]:
        if self._dropped_records and self._lines:
            event = platform_events.logs_dropped(
                self._dropped_records, self._dropped_bytes, "The subscriber cannot be reached or does not keep up."
            )
            self._dropped_records = self._dropped_bytes = 0
            self.take(int(self._now_s() * 1000), event.type, event.record)
        batch: list[bytes] = []
        size = 0
        while self._lines and len(batch) < self._wants.max_items:
            if batch and size + len(self._lines[0]) > self._wants.max_bytes:
                break
            line = self._lines.popleft()
            self._bytes -= len(line)
            size += len(line)
            batch.append(line)
        return batch

    async def _send(self, batch: list[bytes]) -> bool:
        for attempt in range(_ATTEMPTS):
            if attempt:
                await asyncio.sleep(_RETRY_S)
            with contextlib.suppress(OSError, EOFError, ValueError):
                await self._send_once(batch)
                return True
        return False

    async def _send_once(self, batch: list[bytes]) -> None:
        destination = self._wants.destination
        if destination.protocol == "TCP":
            await self._send_lines(destination.port, batch)
            return
        connection = await self._sandbox.connect(destination.port)
        with contextlib.closing(connection):
            await _write(connection, _request(destination, batch))
            await _read_answer(connection)

    async def _send_lines(self, port: int, batch: list[bytes]) -> None:
        """Over the one connection that a TCP subscriber has."""
        if self._stream is None:
            self._stream = await self._sandbox.connect(port)
        try:
            await _write(self._stream, b"".join(line + b"\n" for line in batch))
        except OSError:
            self._hang_up()
            raise

    def _hang_up(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None


def _request(destination: Destination, batch: Iterable[bytes]) -> bytes:
    body = b"[" + b",".join(batch) + b"]"
    head = (
        f"{destination.method} {destination.path} HTTP/1.1\r\nHost: {destination.host}:{destination.port}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


async def _write(connection: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(connection, data)


async def _read_answer(connection: socket.socket) -> None:
    """Wait for the head of an answer; whatever it says, the batch has been delivered.

    Raises:
        EOFError: there was none.
        ValueError: it is longer than any head.
    """
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = await asyncio.get_running_loop().sock_recv(connection, 4096)
        if not data:
            raise EOFError("no answer")
        answer += data
        if len(answer) > _ANSWER_BYTES_MAX:
            raise ValueError("the head of the answer is too long")
