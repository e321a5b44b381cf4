"""Almost-HTTP on a real socket and almost-subscriptions: each is answered or hung up on, and the API stays in service."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from functory.edges.runtime_api.api import RuntimeApi
from functory.kernel.tasks import TaskScope
from tests.unit.edges.runtime_api.test_fuzz import EXTENSION, PATHS, REQUEST_ID, _Play

REGISTRATION = b'{"events":["INVOKE"]}'
HEADERS = st.sampled_from(
    [
        b"Host: x", b"", b"Connection: close", b"Expect: 100-continue", b"Upgrade: h2c", b"no colon here", b" folded: yes",
        b"Content-Length: 0", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 1e3",
        b"Content-Length: 99999999999999999999", b"content-length: 3\r\nContent-Length: 4",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Transfer-Encoding: chunked, identity",
        b"Lambda-Extension-Name: inner", b"Lambda-Extension-Name: \xff\x00", b"Lambda-Extension-Identifier: x",
        b"Lambda-Runtime-Function-Response-Mode: streaming", b"Trailer: Lambda-Runtime-Function-Error-Type",
        b"X: " + b"a" * 70_000, b": nameless", b"X\x00: y",
    ]
)  # fmt: skip
BODIES = st.sampled_from(
    [
        b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\nLambda-Runtime-Function-Error-Type: E\r\n\r\n",
        b"fffffffffffffffff\r\n", b"-1\r\nx\r\n", b"5;name=value\r\nhel", b"\r\n\r\n\r\n", b"\xff" * 100, REGISTRATION,
    ]
)  # fmt: skip
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.1 more", b"", b"http/1.1"])
TARGETS = st.one_of(
    st.sampled_from([path.encode() for path in PATHS]),
    st.sampled_from([b"*", b"http://elsewhere/x", b"/%zz", b"/" + b"a" * 70_000, b"", b"/\xff", b"/a b"]),
)
METHODS = st.sampled_from([b"GET", b"POST", b"PUT", b"PRI", b"G\x00T", b"", b"get", b"A" * 100])
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A request that may be well-formed, may lack its end, or may be followed by another."""
    end = draw(ENDS)
    line = b" ".join([draw(METHODS), draw(TARGETS), draw(VERSIONS)])
    head = end.join([line, *draw(st.lists(HEADERS, max_size=4))])
    whole = head + end + end + draw(BODIES)
    return whole[: draw(st.one_of(st.just(len(whole)), st.integers(0, min(len(whole), 400))))]


conversations = st.lists(
    st.tuples(st.lists(messages(), min_size=1, max_size=3).map(b"".join), st.sampled_from([1, 7, 100_000]), st.booleans()),
    min_size=1,
    max_size=4,
)


class _Service:
    """A Runtime API on a socket; faults of its event loop are kept."""

    def __init__(self, play: _Play) -> None:
        self.play = play
        self.faults: list[dict[str, Any]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]

    async def converse(self, said: bytes, piece: int, *, is_abrupt: bool) -> None:
        """Say it in pieces; hang up at once, or stop talking and read until the server has no more to say."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for start in range(0, min(len(said), 300 * piece), piece):
                writer.write(said[start : start + piece])
                await asyncio.sleep(0)
            if not is_abrupt:
                writer.write_eof()
                async with asyncio.timeout(5):
                    answer = await reader.read()
                assert answer == b"" or answer.startswith(b"HTTP/1.1 "), answer[:40]
                assert not answer.startswith(b"HTTP/1.1 5"), answer[:200]
        except (ConnectionError, BrokenPipeError):
            pass  # the server may hang up on what is no HTTP
        finally:
            writer.close()

    async def register(self) -> int:
        """The status that a proper call gets."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        lines = [
            f"POST {EXTENSION}register HTTP/1.1",
            "Lambda-Extension-Name: outer",
            f"Content-Length: {len(REGISTRATION)}",
        ]
        writer.write("\r\n".join([*lines, "", ""]).encode() + REGISTRATION)
        async with asyncio.timeout(5):
            status = int((await reader.readline()).split()[1])
        writer.close()
        return status

    async def run(self, talks: list[tuple[bytes, int, bool]]) -> int:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.faults.append(context))
        api = RuntimeApi()
        close = await api.serve(self._listener, self.play.environment)
        try:
            for said, piece, is_abrupt in talks:
                await self.converse(said, piece, is_abrupt=is_abrupt)
            return await self.register()
        finally:
            close()
            await api.close()
            self.play.environment.telemetry.close()
            self.play.environment.sandbox.runtime_listener.close()


@given(conversations)
@settings(max_examples=30, deadline=None)
def test_almost_http_is_answered_or_hung_up_on(talks: list[tuple[bytes, int, bool]]) -> None:
    async def run() -> None:
        async with TaskScope("test") as tasks:
            service = _Service(_Play(tasks))
            status = await service.run(talks)
            assert status in (200, 403), "one of the talks may have registered, or ended the init, before"
            assert service.faults == []

    asyncio.run(run())


anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=6,
)
port = st.one_of(st.integers(-1, 70_000), anything)
address = st.sampled_from(
    [
        "http://sandbox.localdomain:4243/x", "http://sandbox:80", "http://127.0.0.1:1", "https://sandbox.localdomain:1",
        "ftp://x", "", "http://[", "http://sandbox.localdomain:99999",
    ]
)  # fmt: skip
subscriptions = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.one_of(st.sampled_from(["2022-07-01", "2022-12-13", "2025-01-29", "1999-01-01"]), anything),
        "types": st.one_of(st.lists(st.sampled_from(["platform", "function", "extension", "other"]), max_size=4), anything),
        "buffering": st.one_of(
            st.fixed_dictionaries(
                {},
                optional={
                    "maxBytes": st.one_of(st.integers(0, 2**21), anything),
                    "maxItems": st.one_of(st.integers(0, 20_000), anything),
                    "timeoutMs": st.one_of(st.integers(0, 60_000), anything),
                },
            ),
            anything,
        ),
        "destination": st.one_of(
            st.fixed_dictionaries(
                {},
                optional={
                    "protocol": st.sampled_from(["HTTP", "TCP", "UDP", 1]),
                    "URI": st.one_of(address, anything),
                    "port": port,
                    "method": st.sampled_from(["POST", "PUT", "GET", None]),
                    "encoding": st.sampled_from(["JSON", "XML", None]),
                },
            ),
            anything,
        ),
        "more": anything,
    },
)


@given(st.lists(st.tuples(st.sampled_from(["/2022-07-01/telemetry", "/2020-08-15/logs"]), subscriptions), max_size=6))
@settings(max_examples=60, deadline=None)
def test_any_subscription_is_accepted_or_refused_with_a_reason(asked: list[tuple[str, Any]]) -> None:
    async def run() -> None:
        async with TaskScope("test") as tasks:
            play = _Play(tasks)
            await play.take(_call("POST", f"{EXTENSION}register", REGISTRATION, name="outer"))
            for path, document in asked:
                await play.take(_call("PUT", path, json.dumps(document).encode(), who="outer"))
                answer = play.open[-1].answer
                assert answer is not None
                assert answer.status in (200, 202, 400, 403)
                if answer.status >= 400:
                    told = json.loads(answer.body)
                    assert told.keys() == {"errorType", "errorMessage"}
                    assert told["errorMessage"]
            play.environment.telemetry.close()
            play.environment.sandbox.runtime_listener.close()

    asyncio.run(run())


def _call(method: str, path: str, body: bytes, *, name: str = "", who: str = "") -> dict[str, Any]:
    return {
        "method": method, "path": path, "name": name, "who": who, "error": "", "mode": "", "body": body, "oversize": False,
    }  # fmt: skip


def test_the_paths_of_an_invocation_are_among_those_tried() -> None:
    assert any(REQUEST_ID in path for path in PATHS)
