"""Responses handed on while they are written: first bytes, backpressure, every way of ending; on virtual time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.invocations.outcome import OutcomeKind
from functory.core.invocations.streams import KEPT_BYTES, ResponseStream
from functory.kernel.limits import MIB, SYNC_RESPONSE_BYTES
from functory.kernel.settings import LambdaSettings
from functory.sandbox.port import Exit
from tests.support.engine import Engine, FakeRuntime, FakeUpload, echo, engine, version
from tests.support.virtual_time import run_virtual

Write = Callable[[FakeUpload], Awaitable[None]]
FAST = LambdaSettings(stream_burst_mib=1000)


def streamer(write: Write, content_type: str = "") -> Callable[[FakeRuntime], Awaitable[Exit | None]]:
    """A function whose response is what ``write`` does."""

    async def script(runtime: FakeRuntime) -> Exit | None:
        while True:
            event = await runtime.next()
            upload = runtime.stream(event, content_type)
            await write(upload)

    return script


async def rest_of(stream: ResponseStream) -> list[bytes]:
    pieces = []
    while piece := await stream.next_piece():
        pieces.append(piece)
    return pieces


def play(scene: Callable[[Engine], Awaitable[None]], script: Any, **options: Any) -> Engine:
    async def run() -> Engine:
        async with engine(script, **options) as house:
            async with asyncio.timeout(10_000):
                await scene(house)
            return house

    return run_virtual(run())


def test_the_first_piece_is_there_while_the_function_still_runs() -> None:
    go_on = asyncio.Event()

    async def write(upload: FakeUpload) -> None:
        await upload.write(b"first")
        await go_on.wait()
        await upload.write(b"second")
        upload.end()

    async def scene(house: Engine) -> None:
        stream = await house.stream(version(), tail=True)
        assert (stream.is_streamed, stream.content_type) == (True, "text/plain")
        assert await stream.next_piece() == b"first"
        go_on.set()
        assert await rest_of(stream) == [b"second"]
        assert stream.outcome.kind is OutcomeKind.SUCCEEDED
        assert stream.outcome.payload == b""
        assert b"REPORT RequestId" in stream.outcome.log_tail

    play(scene, streamer(write, "text/plain"))


def test_a_function_that_does_not_stream_is_one_piece() -> None:
    async def scene(house: Engine) -> None:
        stream = await house.stream(version(), b'"x"')
        assert not stream.is_streamed
        assert await rest_of(stream) == [b'"x"']

    play(scene, echo)


def test_a_plain_invoke_collects_what_is_streamed() -> None:
    async def write(upload: FakeUpload) -> None:
        await upload.write(b"a")
        await upload.write(b"b")
        upload.end()

    async def scene(house: Engine) -> None:
        assert (await house.call(version())).payload == b"ab"

    play(scene, streamer(write))


def test_a_plain_invoke_of_too_much_fails_as_for_other_functions() -> None:
    refused: list[int] = []

    async def write(upload: FakeUpload) -> None:
        await upload.write(b"x" * SYNC_RESPONSE_BYTES)
        try:
            await upload.write(b"y")
        except Exception as error:
            refused.append(getattr(error, "status", 0))

    async def scene(house: Engine) -> None:
        outcome = await house.call(version())
        assert outcome.error_type == "Function.ResponseSizeTooLarge"
        assert b"(6291556 bytes)" in outcome.payload
        assert refused == [413]

    play(scene, streamer(write))


def test_more_than_the_limit_ends_the_stream_with_an_error_after_what_was_sent() -> None:
    async def write(upload: FakeUpload) -> None:
        await upload.write(b"x" * MIB)
        with pytest.raises(Exception, match="RequestEntityTooLarge"):
            await upload.write(b"y")

    async def scene(house: Engine) -> None:
        stream = await house.stream(version())
        assert len(b"".join(await rest_of(stream))) == MIB
        assert stream.outcome.error_type == "Function.ResponseSizeTooLarge"

    play(scene, streamer(write), lambda_settings=LambdaSettings(stream_response_mib=1.0))


def test_a_slow_reader_holds_the_runtime_back() -> None:
    uploads: list[FakeUpload] = []
    written = 0

    async def write(upload: FakeUpload) -> None:
        nonlocal written
        uploads.append(upload)
        for _ in range(100):
            await upload.write(b"x" * 64 * 1024)
            written += 64 * 1024
        upload.end()

    async def scene(house: Engine) -> None:
        stream = await house.stream(version(timeout_s=900))
        await asyncio.sleep(60)
        assert KEPT_BYTES < written <= KEPT_BYTES + 64 * 1024
        assert len(b"".join(await rest_of(stream))) == 100 * 64 * 1024
        assert uploads[0].holds > 1

    play(scene, streamer(write), lambda_settings=FAST)


def test_beyond_the_burst_the_response_flows_at_its_rate() -> None:
    async def write(upload: FakeUpload) -> None:
        for _ in range(10):
            await upload.write(b"x" * MIB)
        upload.end()

    async def scene(house: Engine) -> None:
        await house.call(version(timeout_s=900), b"{}")
        began = asyncio.get_running_loop().time()
        stream = await house.stream(version(timeout_s=900))
        await rest_of(stream)
        assert asyncio.get_running_loop().time() - began == pytest.approx(2.0, abs=0.1)
        outcome = stream.outcome
        assert outcome.duration_ms >= 1000, "the function is held back, too"

    play(scene, _first_small(write))


def _first_small(write: Write) -> Callable[[FakeRuntime], Awaitable[Exit | None]]:
    async def script(runtime: FakeRuntime) -> Exit | None:
        event = await runtime.next()
        runtime.respond(event, b"1")
        return await streamer(write)(runtime)

    return script


def test_a_caller_that_leaves_does_not_stop_the_function() -> None:
    done: list[str] = []

    async def write(upload: FakeUpload) -> None:
        for _ in range(100):
            await upload.write(b"x" * 64 * 1024)
        upload.end()
        done.append("all written")

    async def scene(house: Engine) -> None:
        stream = await house.stream(version())
        await stream.next_piece()
        stream.abandon()
        async with asyncio.timeout(100):
            while not done:
                await asyncio.sleep(1)
        assert (await house.call(version(), b"2")).kind is OutcomeKind.FUNCTION_FAILED  # 6.25 MiB, collected

    play(scene, streamer(write))


def test_trailers_report_a_failure_after_what_was_sent() -> None:
    async def write(upload: FakeUpload) -> None:
        await upload.write(b"part")
        upload.end("Error", b'{"errorType":"Error"}')

    async def scene(house: Engine) -> None:
        stream = await house.stream(version())
        assert await rest_of(stream) == [b"part"]
        assert (stream.outcome.function_error, stream.outcome.payload) == ("Unhandled", b'{"errorType":"Error"}')
        collected = await house.call(version())
        assert (collected.function_error, collected.payload) == ("Unhandled", b'{"errorType":"Error"}')

    play(scene, streamer(write))


def test_a_timeout_in_mid_stream_is_told_after_what_was_sent() -> None:
    async def write(upload: FakeUpload) -> None:
        await upload.write(b"part")
        await asyncio.sleep(100)

    async def scene(house: Engine) -> None:
        stream = await house.stream(version(timeout_s=3))
        assert await rest_of(stream) == [b"part"]
        assert stream.outcome.kind is OutcomeKind.TIMED_OUT
        assert b"Task timed out after 3.00 seconds" in stream.outcome.payload

    house = play(scene, streamer(write))
    assert any("Status: timeout" in text for text in house.sink.texts())


def test_a_crash_in_mid_stream_is_told_after_what_was_sent() -> None:
    async def script(runtime: FakeRuntime) -> Exit | None:
        upload = runtime.stream(await runtime.next())
        await upload.write(b"part")
        upload.cut()
        return Exit(code=7)

    async def scene(house: Engine) -> None:
        stream = await house.stream(version())
        assert await rest_of(stream) == [b"part"]
        assert stream.outcome.kind is OutcomeKind.RUNTIME_EXITED
        assert b"exit status 7" in stream.outcome.payload

    play(scene, script)


def test_a_response_that_breaks_off_while_the_runtime_goes_on_is_truncated() -> None:
    async def write(upload: FakeUpload) -> None:
        await upload.write(b"part")
        upload.cut()

    async def scene(house: Engine) -> None:
        for _ in range(2):  # and the environment is used again
            stream = await house.stream(version())
            assert await rest_of(stream) == [b"part"]
            assert stream.outcome.error_type == "Runtime.TruncatedResponse"
        assert house.driver.made == 1

    play(scene, streamer(write))


def test_an_error_before_the_first_byte_is_the_outcome() -> None:
    async def script(runtime: FakeRuntime) -> Exit | None:
        event = await runtime.next()
        runtime.fail(event, b'{"errorMessage":"no"}', "E")
        await runtime.next()
        return None

    async def scene(house: Engine) -> None:
        stream = await house.stream(version())
        assert await rest_of(stream) == []
        assert not stream.is_streamed
        assert json.loads(stream.outcome.payload) == {"errorMessage": "no"}

    play(scene, script)


def test_telemetry_tells_when_the_response_began_how_long_it_took_and_its_bytes() -> None:
    async def write(upload: FakeUpload) -> None:
        await upload.write(b"one")
        await asyncio.sleep(2)
        await upload.write(b"four")
        upload.end()

    async def script(runtime: FakeRuntime) -> Exit | None:
        event = await runtime.next()
        await asyncio.sleep(1)
        await write(runtime.stream(event))
        await asyncio.sleep(0.5)
        await runtime.next()
        return None

    async def scene(house: Engine) -> None:
        stream = await house.stream(version(timeout_s=30, log_format="JSON", system_log_level="DEBUG"), tail=True)
        await rest_of(stream)

    records = [json.loads(text) for text in play(scene, script).sink.texts()]
    done = next(each["record"] for each in records if each["type"] == "platform.runtimeDone")
    assert [(span["name"], span["durationMs"]) for span in done["spans"]] == [
        ("responseLatency", 1000.0),
        ("responseDuration", 2000.0),
        ("runtimeOverhead", 500.0),
    ]
    assert done["metrics"] == {"durationMs": 3500.0, "producedBytes": 7}
    report = next(each["record"] for each in records if each["type"] == "platform.report")
    assert report["metrics"]["durationMs"] == 3500.0


def test_a_throttled_call_is_refused_before_anything_is_streamed() -> None:
    hold = asyncio.Event()

    async def write(upload: FakeUpload) -> None:
        await upload.write(b"x")
        await hold.wait()
        upload.end()

    async def scene(house: Engine) -> None:
        first = await house.stream(version())
        with pytest.raises(AwsError, match="TooManyRequestsException"):
            await house.stream(version())
        hold.set()
        await rest_of(first)
        await rest_of(await house.stream(version()))  # the permit went with the response's end

    play(scene, streamer(write), account_concurrency=1)


def test_the_end_of_the_node_fails_what_is_read() -> None:
    async def write(upload: FakeUpload) -> None:
        await upload.write(b"x")
        await asyncio.sleep(1000)

    async def scene(house: Engine) -> None:
        stream = await house.stream(version(timeout_s=900))
        await stream.next_piece()
        await house.streams.__aexit__(None, None, None)
        with pytest.raises(AwsError, match="given up"):
            await stream.next_piece()

    play(scene, streamer(write))
