from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.deliveries.port import Decision, Delivery, Done, Drop, ErrorKind, NewDelivery, RetryAt, Tally
from functory.core.invocations.lineage import resource_id
from functory.core.invocations.outcome import Outcome, OutcomeKind
from functory.services.lambda_.async_events import KIND, to_delivery, to_event
from functory.services.lambda_.async_queue import AsyncDeliveryTarget, AsyncQueue
from functory.services.lambda_.ports import AsyncEvent
from tests.support.lambda_service import ACCOUNT, REGION, REQUEST_ID, House, arn, run

FAILED = Outcome(OutcomeKind.FUNCTION_FAILED, REQUEST_ID, b'{"errorType":"E"}', "Unhandled", "E")
THROTTLED = AwsError("TooManyRequestsException", "Rate Exceeded.")


def delivery(house: House, qualifier: str = "", *, age_s: float = 0.0, tally: Tally = Tally()) -> Delivery:  # noqa: B008
    at = house.clock.now - age_s
    new = to_delivery(AsyncEvent(REQUEST_ID, ACCOUNT, REGION, "f", qualifier, b'{"a":1}', "Root=1", at))
    assert new.expires_at is not None
    return Delivery("1", KIND, new.target, new.payload, new.attributes, at, at, new.expires_at, tally)


def target(house: House) -> AsyncDeliveryTarget:
    return AsyncDeliveryTarget(house.service.async_target, house.targets, house.clock, retry_base_s=60.0)


async def configure(house: House, **members: Any) -> None:
    destinations = {side: {"Destination": arn(name)} for side, name in (("OnSuccess", "good"), ("OnFailure", "bad"))}
    await house.created()
    await house.call("PutFunctionEventInvokeConfig", FunctionName="f", DestinationConfig=destinations, **members)


def told(decision: Decision) -> tuple[str, dict[str, Any]]:
    """Which function is told, and what."""
    assert isinstance(decision, Done | Drop)
    (new,) = decision.then
    assert new.target_kind == KIND
    event = as_event(new)
    assert (event.account_id, event.region, event.trace_id.partition(";")[0]) == (ACCOUNT, REGION, "Root=1")
    assert event.request_id != REQUEST_ID
    record: dict[str, Any] = json.loads(new.payload)
    return event.name, record


def as_event(new: NewDelivery) -> AsyncEvent:
    return to_event(Delivery("2", new.target_kind, new.target, new.payload, new.attributes, 0.0, 0.0, 1.0))


def test_a_success_is_told_with_request_and_response(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house)
        name, record = told(await target(house).deliver(delivery(house)))
        assert name == "good"
        assert record == {
            "version": "1.0",
            "timestamp": "2026-11-23T08:00:00.000Z",
            "requestContext": {
                "requestId": REQUEST_ID,
                "functionArn": arn("f", "$LATEST"),
                "condition": "Success",
                "approximateInvokeCount": 1,
            },
            "requestPayload": {"a": 1},
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST"},
            "responsePayload": {"a": 1},
        }

    run(tmp_path, scenario)


def test_retries_are_as_many_as_configured_then_the_failure_is_told(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house, MaximumRetryAttempts=1)
        house.invoker.answer = FAILED
        first = await target(house).deliver(delivery(house))
        assert first == RetryAt(house.clock.now + 60, "E", ErrorKind.FUNCTION)
        last = await target(house).deliver(delivery(house, tally=Tally(1, 1)))
        assert isinstance(last, Drop)
        assert last.reason == "RetriesExhausted"
        name, record = told(last)
        assert name == "bad"
        assert record["requestContext"]["condition"] == "RetriesExhausted"
        assert record["requestContext"]["approximateInvokeCount"] == 2
        assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
        assert record["responsePayload"] == {"errorType": "E"}

    run(tmp_path, scenario)


def test_an_event_that_is_too_old_is_not_tried(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house, MaximumEventAgeInSeconds=60)
        due = delivery(house, age_s=60, tally=Tally(2, 1, 1))
        for decision in (await target(house).deliver(due), await target(house).expire(due)):
            name, record = told(decision)
            assert name == "bad"
            assert record["requestContext"]["condition"] == "EventAgeExceeded"
            assert record["requestContext"]["approximateInvokeCount"] == 1
            assert not {"responseContext", "responsePayload"} & set(record)
        assert house.invoker.calls == []

    run(tmp_path, scenario)


def test_throttles_wait_twice_as_long_each_time_and_never_past_the_age_limit(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house, MaximumRetryAttempts=0, MaximumEventAgeInSeconds=900)
        house.invoker.answer = THROTTLED
        waits = []
        for errors in range(11):
            decision = await target(house).deliver(delivery(house, tally=Tally(errors, 0, errors)))
            assert isinstance(decision, RetryAt)
            assert decision.kind is ErrorKind.SYSTEM
            waits.append(decision.due_at - house.clock.now)
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
        late = await target(house).deliver(delivery(house, age_s=890, tally=Tally(9, 0, 9)))
        assert isinstance(late, RetryAt)
        assert late.due_at == house.clock.now + 10

    run(tmp_path, scenario)


def test_events_of_a_stopped_function_are_told_at_once(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house)
        await house.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
        name, record = told(await target(house).deliver(delivery(house)))
        assert (name, record["requestContext"]["condition"]) == ("bad", "ZeroReservedConcurrency")
        assert record["requestContext"]["approximateInvokeCount"] == 0
        assert "responsePayload" not in record

    run(tmp_path, scenario)


def test_what_is_configured_is_looked_up_when_it_is_decided(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house)
        due = delivery(house)
        await house.call("DeleteFunctionEventInvokeConfig", FunctionName="f")
        assert await target(house).deliver(due) == Done()
        await house.call("PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0)
        house.invoker.answer = FAILED
        assert await target(house).deliver(due) == Drop("RetriesExhausted")

    run(tmp_path, scenario)


def test_a_qualifier_has_its_own_configuration(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house)
        await house.call("PublishVersion", FunctionName="f")
        await house.settle("f", "1")
        assert await target(house).deliver(delivery(house, "1")) == Done()
        await house.call(
            "PutFunctionEventInvokeConfig",
            FunctionName="f",
            Qualifier="1",
            DestinationConfig={"OnSuccess": {"Destination": arn("one", "live")}},
        )
        decision = await target(house).deliver(delivery(house, "1"))
        name, record = told(decision)
        assert isinstance(decision, Done)
        assert (name, as_event(decision.then[0]).qualifier) == ("one", "live")
        assert record["requestContext"]["functionArn"] == arn("f", "1")
        assert record["responseContext"]["executedVersion"] == "1"

    run(tmp_path, scenario)


LOOP = f"Root=1;Lineage=1:{resource_id(arn())}:15"


def test_a_loop_is_ended_and_told_unless_it_is_allowed(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house)
        due = delivery(house)
        due = replace(due, attributes={**due.attributes, "trace_id": LOOP})
        decision = await target(house).deliver(due)
        assert isinstance(decision, Drop)
        assert as_event(decision.then[0]).name == "bad"
        assert json.loads(decision.then[0].payload)["requestContext"]["condition"] == "RecursiveInvocation"
        assert house.invoker.calls == []
        await house.call("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow")
        after = await target(house).deliver(due)
        assert isinstance(after, Done)
        assert as_event(after.then[0]).trace_id == LOOP.replace(":15", ":16")

    run(tmp_path, scenario)


def test_a_function_that_is_gone_tells_nobody(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house)
        await house.call("DeleteFunction", FunctionName="f")
        assert await target(house).deliver(delivery(house)) == Drop("FunctionGone")

    run(tmp_path, scenario)


def test_answers_that_are_no_json_and_records_that_are_too_large(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house)
        for payload, shown in ((b"\xffx", "\ufffdx"), (b"", ""), (b'"' + b"x" * 1_048_576 + b'"', None)):
            house.invoker.answer = Outcome(OutcomeKind.SUCCEEDED, REQUEST_ID, payload)
            _, record = told(await target(house).deliver(delivery(house)))
            assert record.get("responsePayload") == shown
            assert record["requestPayload"] == {"a": 1}

    run(tmp_path, scenario)


def test_an_event_comes_back_from_the_queue_as_it_was(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        due = delivery(house, "live")
        assert to_event(due) == AsyncEvent(REQUEST_ID, ACCOUNT, REGION, "f", "live", b'{"a":1}', "Root=1", house.clock.now)
        assert to_event(replace(due, payload=b"2")).payload == b"2"

    run(tmp_path, scenario)


async def _accept(queue: AsyncQueue, event: AsyncEvent) -> None:
    with pytest.raises(RuntimeError, match="not bound"):
        await queue.accept(event)


def test_a_queue_that_is_not_bound_takes_nothing(tmp_path: Path) -> None:
    run(tmp_path, lambda house: _accept(AsyncQueue(), to_event(delivery(house))))
