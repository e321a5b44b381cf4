"""Whatever processes inside call, in whatever order: every call is answered by the rules, and the environment goes on."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws.http import HttpRequest, HttpResponse
from functory.core.environments.environment import Environment
from functory.core.environments.freezer import Freezer
from functory.core.environments.log_stream import LogStream
from functory.core.environments.states import EnvironmentState
from functory.core.environments.telemetry import Telemetry
from functory.core.invocations.outcome import Invocation
from functory.edges.runtime_api.api import RuntimeApi, _SessionApi
from functory.edges.runtime_api.streamed_response import is_streamed
from functory.kernel.clock import LoopClock
from functory.kernel.ids import SeededIds
from functory.kernel.tasks import TaskScope
from functory.net.http1 import Exchange
from functory.net.request_body import RequestBody
from functory.sandbox.port import SandboxSpec
from tests.support.engine import FakeDriver as Driver
from tests.support.engine import FakeSandbox, FakeSink, echo, version
from tests.support.virtual_time import run_virtual

REQUEST_ID = "11111111-1111-4111-8111-111111111111"
KNOWN = (200, 202, 400, 403, 404, 405, 413)
RUNTIME = "/2018-06-01/runtime/"
EXTENSION = "/2020-01-01/extension/"
PATHS = [
    f"{RUNTIME}invocation/next",
    f"{RUNTIME}invocation/{REQUEST_ID}/response",
    f"{RUNTIME}invocation/{REQUEST_ID}/error",
    f"{RUNTIME}invocation/other/response",
    f"{RUNTIME}init/error",
    f"{RUNTIME}nothing",
    f"{EXTENSION}register",
    f"{EXTENSION}event/next",
    f"{EXTENSION}init/error",
    f"{EXTENSION}exit/error",
    f"{EXTENSION}",
    "/2022-07-01/telemetry",
    "/2020-08-15/logs",
    "/",
]
BODIES = [
    b"",
    b"{}",
    b'{"events":["INVOKE"]}',
    b'{"events":["SHUTDOWN"]}',
    b'{"types":["platform"],"destination":{"protocol":"TCP","port":9}}',
    b"\xff\x00",
    b"[" * 5000,
]
calls = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
        "path": st.one_of(st.sampled_from(PATHS), st.text(max_size=20).map(lambda text: "/" + text)),
        "name": st.sampled_from(["", "outer", "inner", "third"]),
        "who": st.sampled_from(["", "outer", "inner", "third", "nobody", "not-a-uuid"]),
        "error": st.sampled_from(["", "Extension.X"]),
        "mode": st.sampled_from(["", "streaming", "other"]),
        "body": st.one_of(st.sampled_from(BODIES), st.binary(max_size=50)),
        "oversize": st.booleans(),
    }
)
uploads = st.sampled_from(["send a piece", "end the response", "end it with trailers", "break the response off"])
happenings = st.one_of(calls, uploads, st.sampled_from(["invoke", "hang up", "let time pass"]))


class _Exchange:
    """Stands for the HTTP server's exchange."""

    def __init__(self, request: HttpRequest, *, oversize: bool) -> None:
        self.request = request
        self.oversize = oversize
        self.answer: HttpResponse | None = None
        self.is_gone = False
        self.body = RequestBody(lambda _: None) if is_streamed(request) else None

    def respond(self, response: HttpResponse) -> None:
        assert self.answer is None, "answered twice"
        self.answer = response
        if self.body is not None:
            self.body.discard()


class _Play:
    """One environment under fire."""

    def __init__(self, tasks: TaskScope) -> None:
        sandbox = FakeSandbox(Driver(echo), SandboxSpec("fn-1", ()))
        clock = LoopClock()
        log = LogStream(version(), "stream", FakeSink(), clock)
        self.ended = 0
        self.environment = Environment(
            version(),
            sandbox,
            log,
            clock,
            SeededIds(),
            Freezer(sandbox, -1.0, tasks),
            Telemetry(sandbox, log, tasks),
            on_idle=lambda _: None,
            on_end=self._end,
        )
        self.environment.extensions.expect(["outer"])
        self.api = _SessionApi(self.environment)
        self.open: list[_Exchange] = []
        self.tasks = tasks

    def _end(self, _: Environment) -> None:
        self.ended += 1
        assert self.ended == 1, "told twice that it ended"

    async def take(self, happening: Any) -> None:
        if happening == "invoke":
            if self.environment.is_usable:
                invocation = Invocation(REQUEST_ID, b"{}", "arn")
                self.tasks.spawn(self.environment.invoke(invocation), "invoke")
        elif happening == "hang up":
            for exchange in self.open:
                exchange.is_gone = exchange.answer is None
        elif happening == "let time pass":
            await asyncio.sleep(0.5)
        elif isinstance(happening, str):
            self._upload(happening)
        else:
            self._call(happening)
        await asyncio.sleep(0)

    def _upload(self, happening: str) -> None:
        """Go on with every response that is being streamed."""
        for body in [each.body for each in self.open if each.body is not None and each.body.is_open]:
            match happening:
                case "send a piece":
                    body.push(b"x" * 2_000_000)  # four of them are too many
                case "end the response":
                    body.complete()
                case "end it with trailers":
                    body.trailers["lambda-runtime-function-error-type"] = "E"
                    body.trailers["lambda-runtime-function-error-body"] = "no base64"
                    body.complete()
                case _:
                    body.lose()

    def _call(self, call: dict[str, Any]) -> None:
        extensions = {each.name: each.id for each in self.environment.extensions}
        who = {"nobody": REQUEST_ID}.get(call["who"], extensions.get(call["who"], call["who"]))
        headers = {
            "lambda-extension-name": call["name"],
            "lambda-extension-identifier": who,
            "lambda-extension-function-error-type": call["error"],
            "lambda-runtime-function-error-type": call["error"],
            "lambda-runtime-function-response-mode": call["mode"],
        }
        request = HttpRequest(call["method"], call["path"], "", headers, b"" if call["oversize"] else call["body"])
        exchange = _Exchange(request, oversize=call["oversize"])
        self.open.append(exchange)
        before = self.environment.state
        self.api.handle(cast(Exchange, exchange))
        if exchange.answer is None:
            assert call["path"].endswith("/next") or exchange.body is not None, "only these wait"
        else:
            assert exchange.answer.status in KNOWN
            if exchange.answer.status >= 400 and "runtime" not in call["path"]:
                assert self.environment.state is before, "what is refused changes nothing"


@given(st.lists(happenings, max_size=40))
@settings(max_examples=150, deadline=None)
def test_any_sequence_of_calls_is_answered_by_the_rules(sequence: list[Any]) -> None:
    async def run() -> None:
        async with TaskScope("test") as tasks:
            play = _Play(tasks)
            for happening in sequence:
                await play.take(happening)
            play.environment.stop()
            if play.environment.state is not EnvironmentState.STARTING:
                await play.environment.dispose()
                assert play.environment.state is EnvironmentState.ENDED
            play.environment.telemetry.close()
            play.environment.sandbox.runtime_listener.close()

    run_virtual(run())


@given(st.lists(st.binary(max_size=200), max_size=5))
@settings(max_examples=40, deadline=None)
def test_any_bytes_leave_the_api_in_service(pieces: list[bytes]) -> None:
    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        port = listener.getsockname()[1]
        api = RuntimeApi()
        async with TaskScope("test") as tasks:
            play = _Play(tasks)
            close = await api.serve(listener, play.environment)
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            for piece in pieces:
                writer.write(piece)
            writer.close()
            body = b'{"events":["INVOKE"]}'
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = (
                f"POST {EXTENSION}register HTTP/1.1\r\nLambda-Extension-Name: inner\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
            size = 0
            while (line := await reader.readline()) != b"\r\n":
                name, _, value = line.decode().partition(":")
                size = int(value) if name.lower() == "content-length" else size
            assert json.loads(await reader.readexactly(size))["functionName"] == "f"
            writer.close()
            close()
            await api.close()
            play.environment.telemetry.close()
            play.environment.sandbox.runtime_listener.close()

    asyncio.run(run())
