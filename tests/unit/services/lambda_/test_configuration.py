from __future__ import annotations

from pathlib import Path

from tests.support.lambda_service import ROLE, House, arn, run


def test_given_members_change_and_the_others_stay(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        before = await house.created(Description="first", Environment={"Variables": {"AB": "1"}})
        answer = await house.call(
            "UpdateFunctionConfiguration",
            FunctionName="f",
            Timeout=30,
            MemorySize=512,
            EphemeralStorage={"Size": 1024},
            LoggingConfig={"LogGroup": "mine"},
            Handler="other.handler",
            Role=ROLE + "2",
        )
        assert (answer["State"], answer["LastUpdateStatus"]) == ("Active", "InProgress")
        after = await house.settle()
        changed = {name for name in after if after[name] != before.get(name)}
        assert changed == {
            "Timeout",
            "MemorySize",
            "EphemeralStorage",
            "LoggingConfig",
            "Handler",
            "Role",
            "RevisionId",
        }
        assert after["LoggingConfig"] == {"LogFormat": "Text", "LogGroup": "mine"}
        assert after["Environment"] == {"Variables": {"AB": "1"}}

    run(tmp_path, scenario)


def test_the_engine_gets_the_new_configuration(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        await house.call("Invoke", FunctionName="f")
        await house.call(
            "UpdateFunctionConfiguration",
            FunctionName="f",
            Timeout=30,
            MemorySize=512,
            Environment={"Variables": {"AB": "1"}},
            LoggingConfig={"LogGroup": "mine"},
        )
        await house.settle()
        await house.call("Invoke", FunctionName="f")
        (old, _), (new, _) = house.invoker.calls
        assert old.epoch != new.epoch
        assert (old.timeout_s, old.memory_mib, old.environment, old.log_group) == (3, 128, {}, "/aws/lambda/f")
        assert (new.timeout_s, new.memory_mib, new.environment, new.log_group) == (30, 512, {"AB": "1"}, "mine")
        assert (old.custom_log_group, new.custom_log_group) == (False, True)
        assert (new.runtime, new.handler, new.role, new.version) == ("python3.12", "index.handler", ROLE, "$LATEST")
        await house.retired(new)

    run(tmp_path, scenario)


def test_an_environment_that_was_emptied_is_shown_empty(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Environment={"Variables": {"AB": "1"}})
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Environment={"Variables": {}})
        assert (await house.settle())["Environment"] == {"Variables": {}}

    run(tmp_path, scenario)


def test_an_empty_vpc_configuration_is_shown(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        answer = await house.create(VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})
        assert answer["VpcConfig"] == {
            "SubnetIds": [],
            "SecurityGroupIds": [],
            "VpcId": "",
            "Ipv6AllowedForDualStack": False,
        }

    run(tmp_path, scenario)


def test_a_refused_change_changes_nothing(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        before = await house.created()
        for change in ({"MemorySize": 20_000}, {"Runtime": "java8"}, {"Environment": {"Variables": {"AWS_REGION": "x"}}}):
            code, _ = await house.refused("UpdateFunctionConfiguration", FunctionName="f", Timeout=9, **change)
            assert code == "InvalidParameterValueException"
        assert await house.settle() == before

    run(tmp_path, scenario)


def test_only_a_function_as_a_whole_can_be_changed(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        code, text = await house.refused("UpdateFunctionConfiguration", FunctionName="f:1", Timeout=9)
        assert code == "InvalidParameterValueException"
        assert text.startswith("This operation is permitted on Lambda functions only.")
        assert await house.refused("UpdateFunctionConfiguration", FunctionName="g", Timeout=9) == (
            "ResourceNotFoundException",
            f"Function not found: {arn('g')}",
        )

    run(tmp_path, scenario)
