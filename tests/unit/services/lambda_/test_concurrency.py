from __future__ import annotations

import asyncio
from pathlib import Path

from functory.core.admission.permits import Admission
from functory.core.calls import CallContext
from functory.core.deliveries.port import Delivery, Drop
from functory.kernel.settings import LambdaSettings
from functory.services.lambda_.async_events import to_delivery
from functory.services.lambda_.async_queue import AsyncDeliveryTarget
from functory.services.lambda_.ports import AsyncEvent
from tests.support.lambda_service import ACCOUNT, REGION, REQUEST_ID, House, arn, run

TOO_MUCH = (
    "InvalidParameterValueException",
    (
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
        "minimum value of [100]."
    ),
)


async def put(house: House, places: int, name: str = "f") -> None:
    answer = await house.call("PutFunctionConcurrency", FunctionName=name, ReservedConcurrentExecutions=places)
    assert answer == {"ReservedConcurrentExecutions": places}


async def unreserved(house: House) -> int:
    limits = (await house.call("GetAccountSettings"))["AccountLimit"]
    assert limits["ConcurrentExecutions"] == 1000
    return int(limits["UnreservedConcurrentExecutions"])


def test_a_reservation_is_shown_and_enforced_until_it_is_given_back(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.call("GetFunctionConcurrency", FunctionName="f") == {}
        assert "Concurrency" not in await house.call("GetFunction", FunctionName="f")
        for places in (5, 0, 7):
            await put(house, places)
            shown = {"ReservedConcurrentExecutions": places}
            assert await house.call("GetFunctionConcurrency", FunctionName=arn()) == shown
            assert (await house.call("GetFunction", FunctionName="f"))["Concurrency"] == shown
            assert house.admission.reserved(ACCOUNT, REGION, "f") == places
            assert await unreserved(house) == 1000 - places
        for _ in range(2):
            await house.call("DeleteFunctionConcurrency", FunctionName="f")
            assert await house.call("GetFunctionConcurrency", FunctionName="f") == {}
            assert house.admission.reserved(ACCOUNT, REGION, "f") is None
        assert await unreserved(house) == 1000

    run(tmp_path, scenario)


def test_a_hundred_stay_unreserved(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        for name in "fg":
            await house.created(name)
        await put(house, 600)
        request = {"FunctionName": "g", "ReservedConcurrentExecutions": 301}
        assert await house.refused("PutFunctionConcurrency", **request) == TOO_MUCH
        await put(house, 300, "g")
        await put(house, 500)
        await put(house, 600)
        assert await house.refused("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=601) == TOO_MUCH
        assert house.admission.reserved(ACCOUNT, REGION, "f") == 600
        await house.call("DeleteFunction", FunctionName="f")
        assert await unreserved(house) == 700
        assert house.admission.reserved(ACCOUNT, REGION, "f") is None
        await put(house, 900, "g")
        house.ctx = CallContext("999999999999", REGION, REQUEST_ID)
        assert await unreserved(house) == 1000

    run(tmp_path, scenario)


def test_functions_that_have_no_reservation_to_change(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        absent = ("ResourceNotFoundException", f"Function not found: {arn()}")
        more = {"ReservedConcurrentExecutions": 1}
        assert await house.refused("PutFunctionConcurrency", FunctionName="f", **more) == absent
        assert await house.refused("GetFunctionConcurrency", FunctionName="f") == absent
        assert await house.refused("DeleteFunctionConcurrency", FunctionName="f") == absent
        qualified = (
            "InvalidParameterValueException",
            (
                "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
                "Please specify either a function name or an unqualified function ARN."
            ),
        )
        assert await house.refused("PutFunctionConcurrency", FunctionName="f:1", **more) == qualified
        assert await house.refused("DeleteFunctionConcurrency", FunctionName=arn("f", "live")) == qualified
        below = {"ReservedConcurrentExecutions": -1}
        assert (await house.refused("PutFunctionConcurrency", FunctionName="f", **below))[0] == "ValidationException"

    run(tmp_path, scenario)


def test_reservations_are_enforced_again_after_a_start(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            for name, places in (("f", 0), ("g", 12)):
                await house.created(name)
                await put(house, places, name)
            await house.created("h")
        house.admission = Admission(LambdaSettings(), house.clock)
        async with house.running():
            assert [house.admission.reserved(ACCOUNT, REGION, name) for name in "fgh"] == [0, 12, None]
            await house.call("UpdateFunctionConfiguration", FunctionName="g", Timeout=4)
            await house.settle("g")
            await house.call("PublishVersion", FunctionName="g")
            await house.settle("g", "1")
            assert house.admission.reserved(ACCOUNT, REGION, "g") == 12
            assert (await house.call("GetFunction", FunctionName="g", Qualifier="1"))["Concurrency"]
        await house.store.close()

    asyncio.run(scenario())


def test_the_last_of_simultaneous_changes_is_what_is_enforced(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        changes = [asyncio.create_task(put(house, places)) for places in range(20)]
        await asyncio.sleep(0)
        for change in changes[::3]:
            change.cancel()
        await asyncio.wait(changes)
        await put(house, 50)
        async with asyncio.timeout(10):
            shown = await house.call("GetFunctionConcurrency", FunctionName="f")
        assert shown == {"ReservedConcurrentExecutions": house.admission.reserved(ACCOUNT, REGION, "f")}

    run(tmp_path, scenario)


def test_events_of_a_stopped_function_are_accepted_and_given_up_without_a_try(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        await put(house, 0)
        assert (await house.call("Invoke", FunctionName="f", InvocationType="Event"))["StatusCode"] == 202
        target = AsyncDeliveryTarget(house.service.async_target, house.targets, house.clock, retry_base_s=60.0)
        decision = await target.deliver(delivered(house.events.accepted[-1]))
        assert decision == Drop("ZeroReservedConcurrency")
        assert house.invoker.calls == []
        await put(house, 1)
        await target.deliver(delivered(house.events.accepted[-1]))
        assert len(house.invoker.calls) == 1

    run(tmp_path, scenario)


def delivered(event: AsyncEvent) -> Delivery:
    new = to_delivery(event)
    return Delivery(
        "1",
        new.target_kind,
        new.target,
        new.payload,
        new.attributes,
        created_at=event.accepted_at,
        due_at=event.accepted_at,
        expires_at=event.accepted_at + 100,
    )
