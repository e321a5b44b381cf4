from __future__ import annotations

from pathlib import Path
from typing import Any

from functory.core.deliveries.port import Delivery, Drop
from functory.services.lambda_.async_events import KIND, to_delivery
from functory.services.lambda_.async_queue import AsyncDeliveryTarget
from functory.services.lambda_.async_target import AttemptKind
from functory.services.lambda_.ports import AsyncEvent
from tests.support.lambda_service import ACCOUNT, REGION, REQUEST_ID, House, run

TENANTS: dict[str, Any] = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}
MISSING = (
    "InvalidParameterValueException",
    "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again.",
)
SUPERFLUOUS = (
    "InvalidParameterValueException",
    "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try again.",
)


def test_a_function_with_tenants_says_so_in_every_version(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        created = await house.created(**TENANTS, Publish=True)
        assert created["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
        updated = await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=4)
        assert updated["TenancyConfig"] == {"TenantIsolationMode": "PER_TENANT"}
        versions = (await house.call("ListVersionsByFunction", FunctionName="f"))["Versions"]
        assert [each["TenancyConfig"] for each in versions] == [{"TenantIsolationMode": "PER_TENANT"}] * 2
        put = {"FunctionName": "f", "Qualifier": "1", "ProvisionedConcurrentExecutions": 1}
        code, text = await house.refused("PutProvisionedConcurrencyConfig", **put)
        assert (code, "tenant isolation" in text) == ("InvalidParameterValueException", True)
        code, text = await house.refused("CreateFunctionUrlConfig", FunctionName="f", AuthType="NONE")
        assert (code, "tenant isolation" in text) == ("InvalidParameterValueException", True)
        await house.created("g")
        assert "TenancyConfig" not in await house.call("GetFunctionConfiguration", FunctionName="g")

    run(tmp_path, scenario)


def test_invocations_name_a_tenant_exactly_where_there_are_tenants(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(**TENANTS)
        await house.created("g")
        for kind in ("RequestResponse", "Event", "DryRun"):
            assert await house.refused("Invoke", FunctionName="f", InvocationType=kind) == MISSING
            assert await house.refused("Invoke", FunctionName="g", InvocationType=kind, TenantId="a") == SUPERFLUOUS
        assert await house.refused("InvokeAsync", FunctionName="f", InvokeArgs=b"{}") == MISSING
        code, text = await house.refused("Invoke", FunctionName="f", TenantId="a#b")
        assert (code, "tenantId" in text) == ("ValidationException", True)
        await house.call("Invoke", FunctionName="f", TenantId="blue")
        assert house.invoker.calls[-1][1].tenant_id == "blue"
        await house.call("Invoke", FunctionName="f", TenantId="blue", InvocationType="Event")
        assert house.events.accepted[-1].tenant_id == "blue"

    run(tmp_path, scenario)


def test_an_event_keeps_its_tenant_and_one_without_is_dropped(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(**TENANTS)
        target = AsyncDeliveryTarget(house.service.async_target, house.targets, house.clock, retry_base_s=60.0)
        for tenant_id in ("blue", ""):
            now = house.clock.now
            new = to_delivery(AsyncEvent(REQUEST_ID, ACCOUNT, REGION, "f", "", b"1", "Root=1", now, tenant_id))
            due = Delivery("1", KIND, new.target, new.payload, new.attributes, now, now, now + 100)
            decision = await target.deliver(due)
            if tenant_id:
                assert house.invoker.calls[-1][1].tenant_id == "blue"
            else:
                assert decision == Drop("TenantMismatch")
        assert len(house.invoker.calls) == 1
        event = AsyncEvent(REQUEST_ID, ACCOUNT, REGION, "f", "", b"1", "", 0.0)
        assert (await house.service.async_target.attempt(event)).kind is AttemptKind.REFUSED

    run(tmp_path, scenario)
