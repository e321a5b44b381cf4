from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from functory.aws.errors import AwsError
from functory.services.lambda_ import rows
from functory.services.lambda_.records import Config
from functory.services.lambda_.tables import VERSIONS
from functory.services.lambda_.variables import Variables
from tests.support.lambda_service import ACCOUNT, REGION, House, arn, run

KEY = (ACCOUNT, REGION, "f")
SECRET: dict[str, Any] = {"Environment": {"Variables": {"PASSWORD": "hunter2-hunter2"}}}


async def on_disk(house: House) -> str:
    def work(conn: Any) -> str:
        return json.dumps([[row.config, row.live_config] for row in conn.execute(select(VERSIONS))])

    return await house.store.read(work)


def test_variables_are_nowhere_in_the_open_and_open_where_they_are_needed(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        created = await house.created(**SECRET, Publish=True)
        assert created["Environment"] == SECRET["Environment"]
        listed = (await house.call("ListFunctions", FunctionVersion="ALL"))["Functions"]
        assert [each["Environment"] for each in listed] == [SECRET["Environment"]] * 2
        await house.call("Invoke", FunctionName="f")
        assert house.invoker.calls[-1][0].environment == {"PASSWORD": "hunter2-hunter2"}
        assert "hunter2" not in await on_disk(house)

    run(tmp_path, scenario)


def test_the_same_values_are_no_change_to_publish(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(**SECRET, Publish=True)
        await house.call("UpdateFunctionConfiguration", FunctionName="f", **SECRET)
        await house.settle()
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "1"
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Environment={"Variables": {}})
        assert (await house.settle())["Environment"] == {"Variables": {}}
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "2"

    run(tmp_path, scenario)


def test_what_an_earlier_version_left_in_the_open_is_sealed_at_start(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            await house.created(Publish=True)

            def open_up(conn: Any) -> None:
                for version in ("$LATEST", "1"):
                    record = rows.get_version(conn, KEY, version)
                    assert record is not None
                    assert record.live_config is not None
                    plain = {"A": "hunter2"}
                    record = msgspec.structs.replace(
                        record,
                        config=msgspec.structs.replace(record.config, environment=plain),
                        live_config=msgspec.structs.replace(record.live_config, environment=plain),
                    )
                    rows.put_version(conn, record)
                    function = rows.get_function(conn, KEY)
                    if version == "$LATEST" and function is not None:
                        rows.put_function(conn, msgspec.structs.replace(function, published_digest=record.digest))

            await house.store.write(open_up)
        assert "hunter2" in await on_disk(house)
        async with house.running():
            assert "hunter2" not in await on_disk(house)
            shown = await house.call("GetFunctionConfiguration", FunctionName="f", Qualifier="1")
            assert shown["Environment"] == {"Variables": {"A": "hunter2"}}
            assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "1"
        await house.store.close()

    asyncio.run(scenario())


def test_variables_of_another_data_folder_are_an_error_that_says_so() -> None:
    config = Variables(b"0" * 32).with_variables(arn(), Config(runtime="r", role="r"), {"A": "1"})
    assert Variables(b"0" * 32).opened(arn(), config) == {"A": "1"}
    for other, name in ((b"1" * 32, "f"), (b"0" * 32, "g")):
        with pytest.raises(AwsError, match="KMSAccessDeniedException"):
            Variables(other).opened(arn(name), config)
    again = Variables(b"1" * 32).with_variables(arn(), config, {"A": "1"})
    assert Variables(b"1" * 32).opened(arn(), again) == {"A": "1"}


def test_a_function_whose_variables_cannot_be_opened_is_shown_and_not_run(tmp_path: Path) -> None:
    house = House(tmp_path)

    async def scenario() -> None:
        async with house.running():
            await house.created(**SECRET)

            def spoil(conn: Any) -> None:
                record = rows.get_version(conn, KEY, "$LATEST")
                assert record is not None
                strange = Variables(b"1" * 32).with_variables(arn(), record.config, {"A": "1"})
                rows.put_version(conn, msgspec.structs.replace(record, config=strange, live_config=strange))

            await house.store.write(spoil)
            house.service.functions.invalidate(*KEY)
            shown = await house.call("GetFunctionConfiguration", FunctionName="f")
            assert shown["Environment"]["Error"]["ErrorCode"] == "KMSAccessDeniedException"
            assert (await house.refused("Invoke", FunctionName="f"))[0] == "KMSAccessDeniedException"
            await house.call("UpdateFunctionConfiguration", FunctionName="f", **SECRET)
            assert (await house.settle())["Environment"] == SECRET["Environment"]
            await house.call("Invoke", FunctionName="f")
        await house.store.close()

    asyncio.run(scenario())


def test_the_key_of_aws_itself_may_be_named_and_no_other(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        own = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/lambda"
        assert (await house.created(KMSKeyArn=own))["KMSKeyArn"] == own
        await house.call("UpdateFunctionConfiguration", FunctionName="f", KMSKeyArn="")
        assert "KMSKeyArn" not in await house.settle()
        other = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
        code, text = await house.refused("UpdateFunctionConfiguration", FunctionName="f", KMSKeyArn=other)
        assert (code, text.startswith("KMSKeyArn is not supported")) == ("InvalidParameterValueException", True)

    run(tmp_path, scenario)


def test_functions_of_another_master_region_are_none(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        every = {"FunctionVersion": "ALL"}
        assert len((await house.call("ListFunctions", MasterRegion="ALL", **every))["Functions"]) == 1
        assert await house.call("ListFunctions", MasterRegion="us-east-1", **every) == {"Functions": []}
        assert (await house.refused("ListFunctions", MasterRegion="ALL"))[0] == "InvalidParameterValueException"

    run(tmp_path, scenario)
