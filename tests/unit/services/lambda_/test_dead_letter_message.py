"""What dead-letter queues are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functory.core.deliveries.port import Decision, Drop, NewDelivery, RetryAt, Tally
from functory.core.invocations.outcome import Outcome, OutcomeKind
from functory.services.lambda_.async_queue import AsyncDeliveryTarget
from functory.services.sqs.target import KIND
from tests.support.lambda_service import ACCOUNT, REGION, REQUEST_ID, ROLE, House, arn, run
from tests.unit.services.lambda_.test_async_queue import FAILED, LOOP, THROTTLED, configure, delivery, target

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"


async def bury(house: House) -> AsyncDeliveryTarget:
    """A function with a dead-letter queue whose events are never tried again."""
    await house.created(DeadLetterConfig={"TargetArn": QUEUE})
    await house.call("PutFunctionEventInvokeConfig", FunctionName="f", MaximumRetryAttempts=0, MaximumEventAgeInSeconds=60)
    return target(house)


def buried(decision: Decision) -> tuple[str, list[list[str]]]:
    """Why, and the attributes of the dead letter."""
    assert isinstance(decision, Drop)
    (new,) = decision.then
    assert (new.target_kind, new.target, new.payload) == (KIND, QUEUE, b'{"a":1}')
    assert new.attributes["source_arn"] == arn()
    return decision.reason, new.attributes["attributes"]


def told(code: str, message: str) -> list[list[str]]:
    return [["RequestID", "String", REQUEST_ID], ["ErrorCode", "Number", code], ["ErrorMessage", "String", message]]


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b'{"errorType":"E","errorMessage":"it broke"}', "it broke"),
        (b'{"errorType":"E","errorMessage":"' + "é".encode() * 600 + b'"}', "é" * 512),
        (b'{"errorType":"E","errorMessage":null}', "E"),
        (b"\xff", "E"),
    ],
)
def test_function_errors(payload: bytes, message: str, tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        asynchronous = await bury(house)
        house.invoker.answer = Outcome(OutcomeKind.FUNCTION_FAILED, REQUEST_ID, payload, "Unhandled", "E")
        decision = await asynchronous.deliver(delivery(house))
        assert buried(decision) == ("RetriesExhausted", told("200", message))

    run(tmp_path, scenario)


def test_events_that_became_too_old_tell_of_their_last_attempt(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        asynchronous = await bury(house)
        house.invoker.answer = THROTTLED
        first = await asynchronous.deliver(delivery(house, age_s=59))
        assert isinstance(first, RetryAt)
        old: dict[str, Any] = {"age_s": 60}
        throttled = replace(delivery(house, **old, tally=Tally(1, 0, 1)), last_error=first.error)
        failed = replace(delivery(house, **old, tally=Tally(1, 1, 0)), last_error="E")
        for due, expected in (
            (throttled, told("429", "Rate Exceeded.")),
            (failed, told("200", "E")),
            (delivery(house, **old), told("500", "EventAgeExceeded")),
        ):
            for decision in (await asynchronous.deliver(due), await asynchronous.expire(due)):
                assert buried(decision) == ("EventAgeExceeded", expected)

    run(tmp_path, scenario)


def test_stopped_functions_and_loops(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        asynchronous = await bury(house)
        due = delivery(house)
        looping = replace(due, attributes={**due.attributes, "trace_id": LOOP})
        text = "The function is part of a recursive loop."
        assert buried(await asynchronous.deliver(looping)) == ("RecursiveInvocation", told("400", text))
        await house.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=0)
        reason, attributes = buried(await asynchronous.deliver(due))
        assert (reason, attributes[1]) == ("ZeroReservedConcurrency", ["ErrorCode", "Number", "429"])

    run(tmp_path, scenario)


def test_destination_and_queue_are_both_told(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await configure(house, MaximumRetryAttempts=0)
        await house.call("UpdateFunctionConfiguration", FunctionName="f", DeadLetterConfig={"TargetArn": QUEUE})
        await house.settle()
        house.invoker.answer = FAILED
        decision = await target(house).deliver(delivery(house))
        assert isinstance(decision, Drop)
        kinds: list[NewDelivery] = list(decision.then)
        assert [each.target_kind for each in kinds] == ["lambda-async", KIND]

    run(tmp_path, scenario)


def test_a_role_that_may_not_send_any_more_loses_the_dead_letter(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await bury(house)
        house.invoker.answer = FAILED
        house.roles.denied = {(ROLE, "sqs:SendMessage", QUEUE)}
        refusing = AsyncDeliveryTarget(house.service.async_target, house.targets, house.clock, 60.0, house.roles)
        assert await refusing.deliver(delivery(house)) == Drop("RetriesExhausted")

    run(tmp_path, scenario)
