"""Subscriptions, buffers and delivery of the Telemetry API, over real connections on this host."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from functory.core.environments import platform_events
from functory.core.environments.log_stream import LogStream
from functory.core.environments.session import RuntimeApiError
from functory.core.environments.subscriptions import logs_records, parse
from functory.core.environments.telemetry import Telemetry
from functory.core.invocations.outcome import Invocation
from functory.kernel.clock import SystemClock
from functory.kernel.tasks import TaskScope
from functory.sandbox.inside import connect
from tests.support.engine import FakeSink, version

WAIT_S = 10.0
HTTP = {"types": ["platform", "function"], "destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:8080/x"}}


class _Sandbox:
    id = "fn-1"

    def __init__(self) -> None:
        self.port = 0

    async def connect(self, port: int) -> socket.socket:
        connection = socket.socket()
        connection.setblocking(False)
        return await connect(connection, ("127.0.0.1", self.port or port))


class _Receiver:
    """An extension's listener."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.requests: list[str] = []
        self.connections = 0

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        size = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        self.requests.append(head.splitlines()[0])
        self.events += json.loads(await reader.readexactly(size))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while line := await reader.readline():
            self.events.append(json.loads(line))
        writer.close()

    async def until(self, count: int) -> list[dict[str, Any]]:
        async with asyncio.timeout(WAIT_S):
            while len(self.events) < count:
                await asyncio.sleep(0.005)
        return self.events


@contextlib.asynccontextmanager
async def _telemetry(kind: str = "http") -> AsyncIterator[tuple[Telemetry, LogStream, _Receiver]]:
    receiver, sandbox = _Receiver(), _Sandbox()
    async with TaskScope("test") as tasks:
        server = await asyncio.start_server(getattr(receiver, kind), "127.0.0.1", 0)
        sandbox.port = server.sockets[0].getsockname()[1]
        log = LogStream(version(), "stream", FakeSink(), SystemClock())
        subject = Telemetry(sandbox, log, tasks)  # type: ignore[arg-type]
        try:
            yield subject, log, receiver
        finally:
            subject.close()
            server.close()


def _body(**members: object) -> bytes:
    return json.dumps(HTTP | {"schemaVersion": "2022-12-13", "buffering": {"timeoutMs": 25}} | members).encode()


def test_a_subscriber_gets_what_it_asked_for_from_the_start_of_init() -> None:
    async def run() -> None:
        async with _telemetry() as (subject, log, receiver):
            log.record(platform_events.init_start(version(), "init", "", ""))
            subject.subscribe("one", _body(), is_logs_api=False)
            subject.init_is_over()
            log.output(b"a line\n")
            log.sibling().output(b"of an extension\n")
            events = await receiver.until(3)
            assert receiver.requests[0] == "POST /x HTTP/1.1"
            assert [event["type"] for event in events] == [
                "platform.initStart",
                "platform.telemetrySubscription",
                "function",
            ]
            assert events[1]["record"] == {"name": "one", "state": "Subscribed", "types": ["platform", "function"]}
            assert events[2]["record"] == "a line\n"
            assert len(events[2]["time"]) == len("2026-11-23T08:00:00.000Z")

    asyncio.run(run())


def test_tcp_subscribers_get_lines_over_one_connection() -> None:
    async def run() -> None:
        async with _telemetry("tcp") as (subject, log, receiver):
            subject.subscribe(
                "one", _body(types=["extension"], destination={"protocol": "TCP", "port": 9}), is_logs_api=False
            )
            for number in range(3):
                log.sibling().output(b"line\n")
                subject.flush()
                assert len(await receiver.until(number + 1)) == number + 1
            assert receiver.connections == 1

    asyncio.run(run())


def test_who_does_not_answer_loses_events_and_hears_of_it() -> None:
    async def run() -> None:
        async with _telemetry() as (subject, log, receiver):
            sandbox = subject._sandbox
            port, sandbox.port = sandbox.port, 1  # type: ignore[attr-defined]
            subject.subscribe("one", _body(types=["platform"]), is_logs_api=False)
            subscriber = subject._subscribers["one"]
            async with asyncio.timeout(WAIT_S):
                while not subscriber._dropped_records:
                    await asyncio.sleep(0.005)
            sandbox.port = port  # type: ignore[attr-defined]
            log.record(platform_events.start(Invocation("id", b"", "arn"), "1"))
            events = await receiver.until(2)
            dropped = next(event for event in events if event["type"] == "platform.logsDropped")
            assert dropped["record"]["droppedRecords"] == 1

    asyncio.run(run())


def test_subscriptions_are_closed_after_init_and_without_one_nothing_is_tapped() -> None:
    async def run() -> None:
        async with _telemetry() as (subject, log, _):
            assert log.takes_records
            subject.init_is_over()
            assert not log.takes_records
            for is_logs_api, expected in ((False, "Telemetry"), (True, "Logs")):
                with pytest.raises(RuntimeApiError) as error:
                    subject.subscribe("one", _body(), is_logs_api=is_logs_api)
                assert (error.value.status, error.value.error_type) == (403, f"{expected}.SubscriptionClosed")

    asyncio.run(run())


@pytest.mark.parametrize(
    "changes",
    [
        {"types": []},
        {"types": ["other"]},
        {"types": "platform"},
        {"schemaVersion": "1999-01-01"},
        {"buffering": {"maxItems": 999}},
        {"buffering": {"maxBytes": 262_143}},
        {"buffering": {"timeoutMs": 24}},
        {"buffering": {"timeoutMs": 30_001}},
        {"destination": {"protocol": "HTTP", "URI": "http://example.com:80/"}},
        {"destination": {"protocol": "HTTP", "URI": "https://sandbox.localdomain:80/"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain/"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:999999/"}},
        {"destination": {"protocol": "HTTP", "URI": "http://sandbox.localdomain:80/", "method": "GET"}},
        {"destination": {"protocol": "UDP", "port": 9}},
        {"destination": {"protocol": "TCP"}},
    ],
)
def test_a_subscription_that_cannot_be_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(RuntimeApiError) as error:
        parse(json.dumps(HTTP | changes).encode(), is_logs_api=False)
    assert (error.value.status, error.value.error_type) == (400, "ValidationError")


def test_the_defaults_of_a_subscription() -> None:
    made = parse(json.dumps(HTTP).encode(), is_logs_api=False)
    assert (made.schema, made.max_items, made.max_bytes, made.timeout_ms) == ("2022-07-01", 10_000, 262_144, 1_000)
    assert (made.destination.port, made.destination.path, made.destination.host) == (8080, "/x", "sandbox.localdomain")


def test_the_logs_api_knows_fewer_events() -> None:
    report = {"requestId": "id", "metrics": {"durationMs": 1}, "status": "success"}
    assert logs_records("platform.report", report, "2020-08-15") == [
        ("platform.end", {"requestId": "id"}),
        ("platform.report", {"requestId": "id", "metrics": {"durationMs": 1}}),
    ]
    assert logs_records("platform.initStart", {}, "2021-03-18") == []
    assert logs_records("platform.runtimeDone", {"requestId": "id", "status": "success"}, "2020-08-15") == []
    assert logs_records("platform.runtimeDone", {"requestId": "id", "status": "success"}, "2021-03-18") != []
    assert logs_records("function", "x", "2020-08-15") == [("function", "x")]
