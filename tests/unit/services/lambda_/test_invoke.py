from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.aws.errors import AwsError
from functory.core.invocations.lineage import resource_id
from functory.core.invocations.outcome import Outcome, OutcomeKind
from functory.services.lambda_.invoke import InvokeAnswer, _checked_json
from functory.services.lambda_.ports import AsyncEvent
from tests.support.lambda_service import REQUEST_ID, House, arn, run


def test_a_synchronous_call_answers_what_the_function_answered(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.settle("f", "1")
        answer = await house.service.invoke_api.invoke(
            house.ctx, "f", "1", log_type="Tail", payload=b'{"a":1}', trace_id="Root=1-2-3;Sampled=1"
        )
        traced = f"Root=1-2-3;Sampled=1;Lineage=1:{resource_id(arn())}:0"
        assert answer == InvokeAnswer(200, b'{"a":1}', "1", "", base64.b64encode(b"REPORT\n").decode(), traced)
        assert answer.headers() == [
            ("Content-Type", "application/json"),
            ("X-Amz-Executed-Version", "1"),
            ("X-Amz-Log-Result", "UkVQT1JUCg=="),
            ("X-Amzn-Trace-Id", traced),
        ]
        version, invocation = house.invoker.calls[-1]
        assert (version.version, version.name, version.region) == ("1", "f", "eu-central-1")
        assert invocation.request_id == REQUEST_ID
        assert invocation.invoked_arn == arn("f", "1")
        assert invocation.trace_id == traced
        assert invocation.want_tail

    run(tmp_path, scenario)


def test_a_failing_function_is_an_answer_of_200(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        house.invoker.answer = Outcome(OutcomeKind.TIMED_OUT, REQUEST_ID, b'{"errorType":"x"}', "Unhandled", "x")
        answer = await house.call("Invoke", FunctionName="f")
        assert answer == {
            "StatusCode": 200,
            "Payload": b'{"errorType":"x"}',
            "FunctionError": "Unhandled",
            "ExecutedVersion": "$LATEST",
        }

    run(tmp_path, scenario)


@pytest.mark.parametrize(("name", "qualifier", "path"), [("n" * 257, "", "functionName"), ("f", "a b", "qualifier")])
def test_names_that_nothing_can_have_are_refused_as_such(tmp_path: Path, name: str, qualifier: str, path: str) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        with pytest.raises(AwsError) as caught:
            await house.service.invoke_api.invoke(house.ctx, name, qualifier)
        assert caught.value.code == "ValidationException"
        assert f"at '{path}' failed to satisfy constraint: Member must " in caught.value.message

    run(tmp_path, scenario)


def test_the_hot_path_asks_no_store(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        await house.call("Invoke", FunctionName="f")
        reads = house.store.reads
        for name in ("f", "function:f", arn(), arn("f", "$LATEST")):
            await house.call("Invoke", FunctionName=name)
        assert house.store.reads == reads

    run(tmp_path, scenario)


def test_the_invoked_arn_has_exactly_the_callers_qualifier(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        for name, expected in (("f", arn()), ("f:$LATEST", arn("f", "$LATEST"))):
            await house.call("Invoke", FunctionName=name)
            assert house.invoker.calls[-1][1].invoked_arn == expected

    run(tmp_path, scenario)


def test_no_body_is_an_empty_object(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        await house.call("Invoke", FunctionName="f")
        assert house.invoker.calls[-1][1].payload == b"{}"

    run(tmp_path, scenario)


@pytest.mark.parametrize("body", [b"{", b"nan", b"{'a': 1}", b'"\xff"', b"1 2", b"[" * 100_000, b'["\\ud800", NaN]'])
def test_a_body_that_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(AwsError) as caught:
        _checked_json(body)
    assert caught.value.code == "InvalidRequestContentException"
    assert caught.value.message.startswith("Could not parse request body into json: Could not parse payload into json: ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.booleans())
def test_every_json_body_is_accepted_unchanged(value: object, ascii_only: bool) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert _checked_json(body) is body


def test_half_a_surrogate_pair_is_json() -> None:
    body = json.dumps("\ud83d").encode()
    assert _checked_json(body) is body


def test_bodies_have_a_limit_by_kind_of_call(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        for kind, limit in (("RequestResponse", 6_291_456), ("Event", 1_048_576)):
            fits = b'"' + b"x" * (limit - 2) + b'"'
            await house.call("Invoke", FunctionName="f", InvocationType=kind, Payload=fits)
            assert await house.refused("Invoke", FunctionName="f", InvocationType=kind, Payload=fits + b" ") == (
                "RequestTooLargeException",
                f"Request must be smaller than {limit} bytes for the InvokeFunction operation",
            )

    run(tmp_path, scenario)


def test_an_event_is_kept_before_it_is_answered(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        answer = await house.service.invoke_api.invoke(
            house.ctx, "f", "live", invocation_type="Event", payload=b"[1]", trace_id="Root=1;Sampled=0"
        )
        assert (answer, answer.headers()) == (
            InvokeAnswer(202, trace_id="Root=1;Sampled=0"),
            [("X-Amzn-Trace-Id", "Root=1;Sampled=0")],
        )
        assert house.events.accepted == [
            AsyncEvent(
                REQUEST_ID, "123456789012", "eu-central-1", "f", "live", b"[1]", "Root=1;Sampled=0", house.clock.epoch_s()
            )
        ]
        assert house.invoker.calls == []

    run(tmp_path, scenario)


def test_events_of_a_pending_function_are_queued(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.create()
        assert (await house.call("Invoke", FunctionName="f", InvocationType="Event"))["StatusCode"] == 202
        assert len(house.events.accepted) == 1

    run(tmp_path, scenario, jobs=False)


def test_a_pending_function_is_waited_for_only_so_long(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.create()
        assert await house.refused("Invoke", FunctionName="f") == (
            "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the following state: Pending",
        )

    run(tmp_path, scenario, jobs=False, pending_wait_s=0.001)


def test_a_failed_function_is_not_invoked(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        house.blobs.is_unreadable = True
        await house.create()
        expected = (
            "ResourceConflictException",
            "The operation cannot be performed at this time. The function is currently in the following state: Failed",
        )
        assert await house.refused("Invoke", FunctionName="f") == expected
        assert await house.refused("Invoke", FunctionName="f", InvocationType="Event") == expected

    run(tmp_path, scenario)


def test_a_dry_run_runs_nothing(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        answer = await house.call("Invoke", FunctionName="f", InvocationType="DryRun", Payload=b"{}")
        assert answer == {"StatusCode": 204, "Payload": b""}
        assert house.invoker.calls == []
        assert (await house.refused("Invoke", FunctionName="g", InvocationType="DryRun"))[0] == "ResourceNotFoundException"

    run(tmp_path, scenario)


def test_a_client_context_reaches_the_function_as_json(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        text = json.dumps({"custom": {"a": "ü"}})
        encoded = base64.b64encode(text.encode()).decode()
        await house.call("Invoke", FunctionName="f", ClientContext=encoded)
        assert house.invoker.calls[-1][1].client_context == text
        for bad in ("?", base64.b64encode(b"[1]").decode(), base64.b64encode(b"\xff").decode()):
            assert await house.refused("Invoke", FunctionName="f", ClientContext=bad) == (
                "InvalidRequestContentException",
                "Client context must be a valid Base64-encoded JSON object.",
            )
        long = base64.b64encode(json.dumps({"a": "x" * 2700}).encode()).decode()
        assert (await house.refused("Invoke", FunctionName="f", ClientContext=long))[0] == "InvalidRequestContentException"

    run(tmp_path, scenario)


def test_the_fast_path_checks_what_the_model_would(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        invoke = house.service.invoke_api.invoke
        for wrong in ({"invocation_type": "Later"}, {"log_type": "All"}):
            with pytest.raises(AwsError, match="ValidationException"):
                await invoke(house.ctx, "f", **wrong)
        with pytest.raises(AwsError, match="ValidationException"):
            await invoke(house.ctx, "no such/name")
        with pytest.raises(AwsError, match="is not supported by this version of Functory"):
            await invoke(house.ctx, "f", durable_execution_name="d")

    run(tmp_path, scenario)


def test_errors_of_the_engine_reach_the_caller(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        house.invoker.answer = AwsError("TooManyRequestsException", "Rate Exceeded.")
        assert await house.refused("Invoke", FunctionName="f") == ("TooManyRequestsException", "Rate Exceeded.")

    run(tmp_path, scenario)


def test_the_deprecated_operation_queues_up_to_256_kb(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        fits = b'"' + b"x" * (262_144 - 2) + b'"'
        assert await house.call("InvokeAsync", FunctionName="f", InvokeArgs=fits) == {"Status": 202}
        assert house.events.accepted[-1].payload == fits
        code, _ = await house.refused("InvokeAsync", FunctionName="f", InvokeArgs=fits + b" ")
        assert code == "RequestTooLargeException"

    run(tmp_path, scenario)
