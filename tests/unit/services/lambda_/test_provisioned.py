from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from functory.core.admission.permits import Admission
from functory.kernel.settings import LambdaSettings
from tests.support.lambda_service import ACCOUNT, REGION, House, arn, run
from tests.support.lambda_store import FakeProvisioner
from tests.unit.services.lambda_.test_aliases import with_versions

INVALID, CONFLICT = "InvalidParameterValueException", "ResourceConflictException"


async def put(house: House, count: int, qualifier: str = "1", name: str = "f") -> dict[str, Any]:
    return await house.call(
        "PutProvisionedConcurrencyConfig",
        FunctionName=name,
        Qualifier=qualifier,
        ProvisionedConcurrentExecutions=count,
    )


async def refused(house: House, count: int, qualifier: str = "1", name: str = "f") -> tuple[str, str]:
    return await house.refused(
        "PutProvisionedConcurrencyConfig",
        FunctionName=name,
        Qualifier=qualifier,
        ProvisionedConcurrentExecutions=count,
    )


async def get(house: House, qualifier: str = "1") -> dict[str, Any]:
    return await house.call("GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier=qualifier)


async def wished(house: House, **counts: int) -> None:
    """Wait until the engine was told to have exactly so many; names are ``v1`` …"""
    async with asyncio.timeout(10):
        while {f"v{key[3]}": wish.count for key, wish in house.provisioner.wishes.items()} != counts:
            await asyncio.sleep(0.001)


async def alias(house: House, name: str, version: str, weights: dict[str, float] | None = None) -> None:
    routing = {"RoutingConfig": {"AdditionalVersionWeights": weights}} if weights else {}
    await house.call("CreateAlias", FunctionName="f", Name=name, FunctionVersion=version, **routing)


def test_a_configuration_goes_from_in_progress_to_ready_and_away(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 1)
        house.provisioner.holds_back = True
        begun = {
            "RequestedProvisionedConcurrentExecutions": 3,
            "AvailableProvisionedConcurrentExecutions": 0,
            "AllocatedProvisionedConcurrentExecutions": 0,
            "Status": "IN_PROGRESS",
            "LastModified": "2026-11-23T08:00:00+0000",
        }
        assert await put(house, 3) == begun
        await wished(house, v1=3)
        assert await get(house) == begun
        house.provisioner.holds_back = False
        ready = {key: 3 for key in begun if key.endswith("Executions")}
        assert await get(house) == {**begun, **ready, "Status": "READY"}
        listed = await house.call("ListProvisionedConcurrencyConfigs", FunctionName="f")
        assert listed == {
            "ProvisionedConcurrencyConfigs": [{"FunctionArn": arn("f", "1"), **begun, **ready, "Status": "READY"}]
        }
        for _ in range(2):
            await house.call("DeleteProvisionedConcurrencyConfig", FunctionName="f:1", Qualifier="1")
        await wished(house)
        assert await house.refused("GetProvisionedConcurrencyConfig", FunctionName="f", Qualifier="1") == (
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
        )
        assert (await house.call("ListProvisionedConcurrencyConfigs", FunctionName="f")) == {
            "ProvisionedConcurrencyConfigs": []
        }

    run(tmp_path, scenario)


def test_a_failure_is_told_with_its_reason_until_somebody_asks_anew(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 1)
        house.provisioner.failure = "FUNCTION_ERROR_INIT_FAILURE"
        await put(house, 1)
        await wished(house, v1=1)
        shown = await get(house)
        assert (shown["Status"], shown["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")
        assert (await put(house, 1))["Status"] == "IN_PROGRESS"

    run(tmp_path, scenario)


def test_an_alias_shares_out_by_its_weights_and_takes_its_environments_along(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 2)
        await alias(house, "live", "1", {"2": 0.3})
        await put(house, 10, "live")
        await wished(house, v1=7, v2=3)
        await house.call("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="2", RoutingConfig={})
        await wished(house, v2=10)
        assert (await get(house, "live"))["Status"] == "READY"
        await house.call("DeleteAlias", FunctionName="f", Name="live")
        await wished(house)
        assert await house.call("ListProvisionedConcurrencyConfigs", FunctionName="f") == {
            "ProvisionedConcurrencyConfigs": []
        }

    run(tmp_path, scenario)


def test_a_version_is_not_provisioned_twice(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 3)
        await alias(house, "a", "1")
        await alias(house, "b", "2", {"1": 0.5})
        await alias(house, "c", "3")
        taken = "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
        await put(house, 1, "a")
        assert await refused(house, 1, "1") == (CONFLICT, "Version is pointed by a Provisioned Concurrency alias")
        assert await refused(house, 1, "b") == (CONFLICT, taken)
        await put(house, 1, "3")
        assert await refused(house, 1, "c") == (CONFLICT, taken)
        move = {"FunctionName": "f", "Name": "a", "FunctionVersion": "3"}
        assert await house.refused("UpdateAlias", **move) == (CONFLICT, taken)
        assert (await house.call("GetAlias", FunctionName="f", Name="a"))["FunctionVersion"] == "1"
        await put(house, 2, "a")

    run(tmp_path, scenario)


def test_what_cannot_be_provisioned(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 1)
        await alias(house, "latest", "$LATEST")
        unpublished = (INVALID, "Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        assert await refused(house, 1, "$LATEST") == await refused(house, 1, "latest") == unpublished
        for operation in ("GetProvisionedConcurrencyConfig", "DeleteProvisionedConcurrencyConfig"):
            assert await house.refused(operation, FunctionName="f", Qualifier="$LATEST") == (
                INVALID,
                "The function resource provided must be an alias or a published version.",
            )
        missing = "ResourceNotFoundException"
        assert await refused(house, 1, "9") == (missing, f"Function not found: {arn('f', '9')}")
        assert await refused(house, 1, "no") == (missing, f"Cannot find alias arn: {arn('f', 'no')}")
        assert await refused(house, 1, "1", "g") == (missing, f"Function not found: {arn('g')}")
        assert (await house.refused("ListProvisionedConcurrencyConfigs", FunctionName="g"))[0] == missing

    run(tmp_path, scenario)


async def unreserved(house: House) -> int:
    answer = await house.call("GetAccountSettings")
    return int(answer["AccountLimit"]["UnreservedConcurrentExecutions"])


def test_it_counts_against_the_account_and_the_reservation(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 2)
        assert await refused(house, 1001) == (
            INVALID,
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [1000].",
        )
        floor = (
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            "minimum value of [100]."
        )
        assert await refused(house, 901) == (INVALID, floor)
        await put(house, 30)
        await put(house, 10, "2")
        await put(house, 20)
        assert await unreserved(house) == 970
        lower = {"FunctionName": "f", "ReservedConcurrentExecutions": 29}
        assert await house.refused("PutFunctionConcurrency", **lower) == (
            INVALID,
            " ReservedConcurrentExecutions  29 should not be lower than function's total provisioned concurrency [30].",
        )
        await house.call("PutFunctionConcurrency", FunctionName="f", ReservedConcurrentExecutions=35)
        assert await unreserved(house) == 965
        assert await refused(house, 26) == (
            INVALID,
            "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function",
        )
        await put(house, 25)
        await house.call("DeleteFunction", FunctionName="f")
        assert await unreserved(house) == 1000
        assert not house.admission._accounts

    run(tmp_path, scenario)


def test_what_was_asked_for_is_asked_for_again_after_a_restart(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            await with_versions(house, 2)
            await put(house, 4, "1")
            await put(house, 5, "2")
        house.admission, house.provisioner = Admission(LambdaSettings(), house.clock), FakeProvisioner()
        async with house.running():
            await wished(house, v1=4, v2=5)
            function = house.admission._accounts[ACCOUNT, REGION].functions["f"]
            assert (function.requested, function.held) == (9, 9)
            await house.call("DeleteFunction", FunctionName="f", Qualifier="1")
            await wished(house, v2=5)
            assert (function.requested, await unreserved(house)) == (5, 995)
        await house.store.close()

    asyncio.run(scenario())


def test_functions_with_tenants_cannot_be_provisioned(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True, TenancyConfig={"TenantIsolationMode": "PER_TENANT"})
        code, text = await refused(house, 1)
        assert (code, text) == (INVALID, "Provisioned Concurrency is not supported for functions with tenant isolation.")

    run(tmp_path, scenario)


def test_lists_go_on_where_a_page_ended(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await with_versions(house, 3)
        for number in "123":
            await put(house, 1, number)
        seen, more = [], {}
        for _ in range(3):
            answer = await house.call("ListProvisionedConcurrencyConfigs", FunctionName="f", MaxItems=1, **more)
            seen += [entry["FunctionArn"] for entry in answer["ProvisionedConcurrencyConfigs"]]
            more = {"Marker": answer["NextMarker"]} if "NextMarker" in answer else {}
        assert (seen, more) == ([arn("f", number) for number in "123"], {})

    run(tmp_path, scenario)


def test_a_version_that_is_being_prepared_is_provisioned_once_it_is_ready(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        await house.call("PublishVersion", FunctionName="f")
        assert (await put(house, 1))["Status"] == "IN_PROGRESS"
        await house.settle("f", "1")
        await wished(house, v1=1)

    run(tmp_path, scenario)
