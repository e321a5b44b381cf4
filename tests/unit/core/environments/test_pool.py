"""The engine on virtual time: leases, starts, failures, timeouts, idle expiry."""

from __future__ import annotations

import asyncio
import json

import pytest

from functory.aws.errors import AwsError
from functory.core.invocations.outcome import OutcomeKind
from functory.kernel.settings import EnvironmentSettings
from functory.sandbox.port import Exit
from tests.support.engine import FakeRuntime, engine, sleeper, version
from tests.support.virtual_time import run_virtual


def test_a_call_runs_and_the_next_one_uses_the_same_environment() -> None:
    async def run() -> None:
        async with engine() as subject:
            first = await subject.call(version(), b'{"a":1}')
            second = await subject.call(version(), b"2")
            assert (first.kind, first.payload, first.function_error) == (OutcomeKind.SUCCEEDED, b'{"a":1}', "")
            assert second.payload == b"2"
            assert subject.driver.made == 1

    run_virtual(run())


def test_the_tail_has_every_line_of_a_cold_call_as_aws_writes_them() -> None:
    async def speak(runtime: FakeRuntime) -> Exit | None:
        while True:
            event = await runtime.next()
            runtime.print("hello\n")
            await asyncio.sleep(0.003)
            runtime.respond(event, b"null")

    async def run() -> None:
        async with engine(speak) as subject:
            outcome = await subject.call(version(), tail=True)
            lines = outcome.log_tail.decode().splitlines()
            assert lines[0] == f"START RequestId: {outcome.request_id} Version: $LATEST"
            assert lines[1:3] == ["hello", f"END RequestId: {outcome.request_id}"]
            assert lines[3] == (
                f"REPORT RequestId: {outcome.request_id}\tDuration: 3.00 ms\tBilled Duration: 103 ms\t"
                "Memory Size: 128 MB\tMax Memory Used: 36 MB\tInit Duration: 100.00 ms\t"
            )
            warm = await subject.call(version(), tail=True)
            assert "Init Duration" not in warm.log_tail.decode()
            assert subject.sink.texts()[0].startswith("INIT_START Runtime Version: python:3.12.1\tRuntime Version ARN: ")

    run_virtual(run())


def test_fifty_first_calls_at_once_get_fifty_environments() -> None:
    async def run() -> None:
        async with engine(sleeper(1.0)) as subject:
            loop = asyncio.get_running_loop()
            began = loop.time()
            outcomes = await asyncio.gather(*(subject.call(version()) for _ in range(50)))
            assert {outcome.payload for outcome in outcomes} == {b'"done"'}
            assert subject.driver.made == 50
            assert loop.time() - began == pytest.approx(1.1, abs=0.01)

    run_virtual(run())


def test_short_calls_share_a_busy_environment_instead_of_starting_more() -> None:
    async def run() -> None:
        async with engine(sleeper(0.001)) as subject:
            await subject.call(version())
            await asyncio.gather(*(subject.call(version()) for _ in range(8)))
            assert subject.driver.made == 1

    run_virtual(run())


def test_a_function_that_waits_for_its_own_second_call_gets_a_second_environment() -> None:
    async def recurse(runtime: FakeRuntime) -> Exit | None:
        while True:
            event = await runtime.next()
            if event.payload == b"1":
                inner = await subject.call(version(), b"2")
                assert inner.payload == b"2"
            runtime.respond(event, event.payload)

    subject = None

    async def run() -> None:
        nonlocal subject
        async with engine(recurse) as subject:
            await subject.call(version(), b"0")
            outcome = await subject.call(version(), b"1")
            assert outcome.payload == b"1"
            assert subject.driver.made == 2

    run_virtual(run())


def test_a_handler_error_is_a_value_with_the_runtimes_document() -> None:
    async def fail(runtime: FakeRuntime) -> Exit | None:
        while True:
            event = await runtime.next()
            runtime.fail(event, b'{"errorMessage":"x"}', "ValueError")

    async def run() -> None:
        async with engine(fail) as subject:
            outcome = await subject.call(version())
            assert (outcome.kind, outcome.function_error) == (OutcomeKind.FUNCTION_FAILED, "Unhandled")
            assert (outcome.payload, outcome.error_type) == (b'{"errorMessage":"x"}', "ValueError")
            await subject.call(version())
            assert subject.driver.made == 1

    run_virtual(run())


def test_a_timeout_ends_the_environment_and_the_next_call_gets_another() -> None:
    async def run() -> None:
        async with engine(sleeper(60)) as subject:
            outcome = await subject.call(version(timeout_s=2), tail=True)
            assert outcome.kind is OutcomeKind.TIMED_OUT
            assert json.loads(outcome.payload) == {
                "errorType": "Sandbox.Timedout",
                "errorMessage": f"RequestId: {outcome.request_id} Error: Task timed out after 2.00 seconds",
            }
            tail = outcome.log_tail.decode()
            assert "Task timed out after 2.00 seconds\n" in tail
            assert tail.rstrip().endswith("Status: timeout")
            await subject.call(version(timeout_s=2))
            assert subject.driver.made == 2

    run_virtual(run())


def test_an_exit_during_a_call_is_told_as_aws_tells_it() -> None:
    async def leave(runtime: FakeRuntime) -> Exit | None:
        await runtime.next()
        return Exit(code=3)

    async def run() -> None:
        async with engine(leave) as subject:
            outcome = await subject.call(version(), tail=True)
            assert outcome.kind is OutcomeKind.RUNTIME_EXITED
            assert json.loads(outcome.payload) == {
                "errorType": "Runtime.ExitError",
                "errorMessage": f"RequestId: {outcome.request_id} Error: Runtime exited with error: exit status 3",
            }
            assert "Status: error\tError Type: Runtime.ExitError" in outcome.log_tail.decode()

    run_virtual(run())


def test_a_failing_init_is_repeated_within_the_call_and_then_told_with_the_runtimes_document() -> None:
    async def broken(runtime: FakeRuntime) -> Exit | None:
        runtime.init_error(b'{"errorType":"Runtime.ImportModuleError"}', "Runtime.ImportModuleError")
        return Exit(code=1)

    async def run() -> None:
        async with engine(broken) as subject:
            outcome = await subject.call(version())
            assert outcome.kind is OutcomeKind.FUNCTION_FAILED
            assert outcome.payload == b'{"errorType":"Runtime.ImportModuleError"}'
            assert subject.driver.made == 2
            reports = [text for text in subject.sink.texts() if text.startswith("INIT_REPORT")]
            assert [("Phase: init" in text, "Phase: invoke" in text) for text in reports] == [(True, False), (False, True)]
            assert all("Status: error\tError Type: Runtime.ImportModuleError" in text for text in reports)
        assert not subject.driver.live

    run_virtual(run())


def test_an_init_over_ten_seconds_goes_on_in_the_functions_own_time() -> None:
    async def run() -> None:
        async with engine(sleeper(1, init_s=15)) as subject:
            outcome = await subject.call(version(timeout_s=30))
            assert outcome.payload == b'"done"'
            assert subject.driver.made == 2
            assert outcome.duration_ms >= 16_000, "init is part of the call's time"
            reports = [text for text in subject.sink.texts() if text.startswith("REPORT")]
            assert "Init Duration" not in reports[0]
            late = await subject.call(version(name="g", timeout_s=12))
            assert late.kind is OutcomeKind.TIMED_OUT
            line = f"Z {late.request_id} Task timed out after 12.00 seconds\n"
            assert [text for text in subject.sink.texts() if text.endswith(line)]

    run_virtual(run())


def test_a_missing_runtime_fails_the_call_and_says_so() -> None:
    async def run() -> None:
        async with engine() as subject:
            outcome = await subject.call(version(runtime="python3.99"))
            assert outcome.error_type == "Runtime.Unavailable"
            assert "python3.99 is not installed" in json.loads(outcome.payload)["errorMessage"]
            assert subject.driver.made == 0

    run_virtual(run())


def test_a_sandbox_that_cannot_be_made_is_our_fault(capsys: pytest.CaptureFixture[str]) -> None:
    async def run() -> None:
        async with engine() as subject:
            subject.driver.broken = "no space left"
            with pytest.raises(AwsError) as fault:
                await subject.call(version())
            assert fault.value.code == "ServiceException"
            subject.driver.broken = ""
            assert (await subject.call(version(), b"1")).payload == b"1"

    run_virtual(run())
    assert "start_failed" in capsys.readouterr().out


def test_an_idle_environment_ends_after_its_time() -> None:
    async def run() -> None:
        settings = EnvironmentSettings(idle_s=60, max_memory_mib=1000)
        async with engine(settings=settings) as subject:
            await subject.call(version())
            await asyncio.sleep(50)
            assert subject.environments.count() == 1
            await asyncio.sleep(20)
            assert subject.environments.count() == 0
            assert not subject.driver.live

    run_virtual(run())


def test_a_change_retires_old_environments_without_dropping_a_call() -> None:
    async def run() -> None:
        async with engine(sleeper(5)) as subject:
            old, new = version(timeout_s=10), version(timeout_s=10, epoch="2")
            running = asyncio.ensure_future(subject.call(old))
            await asyncio.sleep(1)
            await subject.invocations.retire(new)
            assert (await subject.call(new)).payload == b'"done"'
            assert (await running).payload == b'"done"'
            await asyncio.sleep(0.1)
            assert subject.environments.count() == 1

    run_virtual(run())


def test_removing_a_function_ends_its_environments() -> None:
    async def run() -> None:
        async with engine() as subject:
            await subject.call(version())
            await subject.call(version(name="other"))
            await subject.invocations.remove("000000000000", "us-east-1", "f")
            await asyncio.sleep(0.1)
            assert subject.environments.count() == 1

    run_virtual(run())


def test_when_memory_is_short_the_longest_idle_environment_makes_room() -> None:
    async def run() -> None:
        settings = EnvironmentSettings(max_memory_mib=256, parallel_starts=4)
        async with engine(settings=settings) as subject:
            for name in ("a", "b", "c"):
                assert (await subject.call(version(name=name), b"1")).payload == b"1"
            assert subject.driver.made == 3
            assert subject.environments.count() == 2

    run_virtual(run())


def test_when_nothing_can_make_room_a_new_function_is_throttled_and_a_running_one_queues() -> None:
    async def run() -> None:
        settings = EnvironmentSettings(max_memory_mib=128, parallel_starts=4)
        async with engine(sleeper(1), settings=settings) as subject:
            busy = [asyncio.ensure_future(subject.call(version(timeout_s=10))) for _ in range(3)]
            await asyncio.sleep(0.5)
            with pytest.raises(AwsError) as throttled:
                await subject.call(version(name="g"))
            assert throttled.value.code == "TooManyRequestsException"
            assert [outcome.payload for outcome in await asyncio.gather(*busy)] == [b'"done"'] * 3
            assert subject.driver.made == 1

    run_virtual(run())


def test_a_caller_that_leaves_does_not_stop_the_function() -> None:
    async def run() -> None:
        async with engine(sleeper(1)) as subject:
            call = asyncio.ensure_future(subject.call(version()))
            await asyncio.sleep(0.5)
            call.cancel()
            await asyncio.sleep(1)
            assert any(text.startswith("REPORT") for text in subject.sink.texts())
            await subject.call(version())
            assert subject.driver.made == 1

    run_virtual(run())


def test_a_caller_that_leaves_while_it_waits_wastes_nothing() -> None:
    async def run() -> None:
        async with engine() as subject:
            call = asyncio.ensure_future(subject.call(version()))
            await asyncio.sleep(0.05)
            call.cancel()
            await asyncio.sleep(1)
            assert (await subject.call(version(), b"1")).payload == b"1"
            assert subject.driver.made == 1

    run_virtual(run())


def test_closing_refuses_waiters_and_leaves_no_sandbox() -> None:
    async def run() -> None:
        subject = engine(start_s=100)
        async with subject:
            call = asyncio.ensure_future(subject.call(version()))
            await asyncio.sleep(1)
        with pytest.raises(AwsError):
            await call
        assert not subject.driver.live

    run_virtual(run())


def test_json_logs_have_records_in_place_of_lines_and_drop_what_is_below_their_levels() -> None:
    async def speak(runtime: FakeRuntime) -> Exit | None:
        assert runtime.env["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
        assert runtime.env["AWS_LAMBDA_LOG_LEVEL"] == "WARN"
        while True:
            event = await runtime.next()
            runtime.print('plain\n{"level":"info","n":1}\n{"level":"ERROR","n":2}\n{"n":3}\n')
            runtime.respond(event, b"null")

    async def run() -> None:
        async with engine(speak) as subject:
            function = version(log_format="JSON", application_log_level="WARN", system_log_level="INFO")
            outcome = await subject.call(function, tail=True)
            records = [json.loads(text) if text.startswith("{") else text for text in subject.sink.texts()]
            assert [each if isinstance(each, str) else each.get("type", each) for each in records] == [
                "platform.initStart",
                "platform.start",
                "plain\n",
                {"level": "ERROR", "n": 2},
                "platform.report",
            ]
            assert records[-1]["record"]["requestId"] == outcome.request_id
            assert b'"type":"platform.report"' in outcome.log_tail

    run_virtual(run())


def test_json_logs_tell_a_failure_with_its_type() -> None:
    async def leave(runtime: FakeRuntime) -> Exit | None:
        await runtime.next()
        return Exit(code=3)

    async def run() -> None:
        async with engine(leave) as subject:
            function = version(log_format="JSON", application_log_level="INFO", system_log_level="DEBUG")
            await subject.call(function)
            records = [json.loads(text) for text in subject.sink.texts()]
            assert [
                (each["type"], each["record"].get("status"), each["record"].get("errorType")) for each in records[1:]
            ] == [
                ("platform.initRuntimeDone", "success", None),
                ("platform.initReport", "success", None),
                ("platform.start", None, None),
                ("platform.runtimeDone", "error", "Runtime.ExitError"),
                ("platform.report", "error", "Runtime.ExitError"),
            ]

    run_virtual(run())


def test_a_function_gets_no_more_environments_at_once_than_aws_gives_and_the_rest_come_again() -> None:
    async def run() -> None:
        settings = EnvironmentSettings(max_memory_mib=100_000, parallel_starts=1000, scaling_per_10_s=2)
        async with engine(sleeper(100.0), settings=settings) as subject:
            calls = [asyncio.ensure_future(subject.call(version(timeout_s=900))) for _ in range(3)]
            await asyncio.sleep(1.0)
            assert [call.done() for call in calls] == [False, False, True]
            refused = calls[2].exception()
            assert isinstance(refused, AwsError)
            assert refused.members["Reason"] == "ConcurrentInvocationLimitExceeded"
            other = asyncio.ensure_future(subject.call(version("other", timeout_s=900)))
            with pytest.raises(AwsError):  # another version of the function has no rate of its own
                await subject.call(version(version="1", timeout_s=900))
            await asyncio.sleep(4.1)  # two in ten seconds: one more by now
            await asyncio.gather(subject.call(version(version="1", timeout_s=900)), other, *calls[:2])
            assert subject.driver.made == 4

    run_virtual(run())
