"""Dead-letter queues of functions: their configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.lambda_service import ACCOUNT, REGION, ROLE, House, run

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
OTHER = f"arn:aws:sqs:{REGION}:{ACCOUNT}:other"
INVALID = "InvalidParameterValueException"


def to(arn: str) -> dict[str, Any]:
    return {"DeadLetterConfig": {"TargetArn": arn}}


def test_it_is_shown_kept_by_version_and_taken_away(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        assert "DeadLetterConfig" not in await house.created("g", **to(""))
        assert (await house.created(**to(QUEUE)))["DeadLetterConfig"] == {"TargetArn": QUEUE}
        await house.call("PublishVersion", FunctionName="f")
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Timeout=5)
        assert (await house.settle())["DeadLetterConfig"] == {"TargetArn": QUEUE}
        await house.call("UpdateFunctionConfiguration", FunctionName="f", **to(""))
        assert "DeadLetterConfig" not in await house.settle()
        assert (await house.settle("f", "1"))["DeadLetterConfig"] == {"TargetArn": QUEUE}
        listed = (await house.call("ListVersionsByFunction", FunctionName="f"))["Versions"]
        assert ["DeadLetterConfig" in each for each in listed] == [False, True]
        assert (await house.call("PublishVersion", FunctionName="f"))["Version"] == "2"

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("arn", "says"),
    [
        (f"{QUEUE}.fifo", f"Invalid dead letter queue ARN: {QUEUE}.fifo is not the ARN of a standard queue"),
        ("arn:aws:s3:::b", "Invalid dead letter queue ARN: arn:aws:s3:::b"),
        (
            f"arn:aws:sns:{REGION}:{ACCOUNT}:t",
            "DeadLetterConfig SNS is not supported by this version of Functory.",
        ),
    ],
)
def test_what_cannot_be_one(arn: str, says: str, tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.refused("UpdateFunctionConfiguration", FunctionName="f", **to(arn)) == (INVALID, says)
        assert "DeadLetterConfig" not in await house.settle()

    run(tmp_path, scenario)


def test_versions_behind_one_alias_have_the_same(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True, **to(QUEUE))
        await house.call("UpdateFunctionConfiguration", FunctionName="f", **to(OTHER))
        await house.settle()
        await house.call("PublishVersion", FunctionName="f")
        code, text = await house.refused(
            "CreateAlias",
            FunctionName="f",
            Name="live",
            FunctionVersion="1",
            RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}},
        )
        assert (code, "same dead-letter queue configuration" in text) == (INVALID, True)

    run(tmp_path, scenario)


def test_the_role_must_let_the_function_send(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        house.roles.denied = {(ROLE + "2", "sqs:SendMessage", QUEUE)}
        refusal = (INVALID, "The provided execution role does not have permissions to call SendMessage on SQS")
        await house.created()
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Role=ROLE + "2")
        await house.settle()
        assert await house.refused("UpdateFunctionConfiguration", FunctionName="f", **to(QUEUE)) == refusal
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Role=ROLE, **to(QUEUE))
        await house.settle()
        assert await house.refused("UpdateFunctionConfiguration", FunctionName="f", Role=ROLE + "2") == refusal
        await house.call("UpdateFunctionConfiguration", FunctionName="f", Role=ROLE + "2", **to(""))

    run(tmp_path, scenario)
