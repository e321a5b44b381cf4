from __future__ import annotations

from pathlib import Path

import pytest

from functory.aws.errors import AwsError
from functory.core.artifacts.package import code_sha256
from tests.support.lambda_service import ROLE, House, arn, run
from tests.support.lambda_store import make_zip


def test_create_answers_exactly_awss_members(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        answer = await house.create()
        code = make_zip()
        key = await house.blobs.put(code)
        assert len(answer.pop("RevisionId")) == 36
        runtime = answer.pop("RuntimeVersionConfig")
        assert runtime["RuntimeVersionArn"].startswith("arn:aws:lambda:eu-central-1::runtime:")
        assert answer == {
            "FunctionName": "f",
            "FunctionArn": arn(),
            "Runtime": "python3.12",
            "Role": ROLE,
            "Handler": "index.handler",
            "CodeSize": len(code),
            "Description": "",
            "Timeout": 3,
            "MemorySize": 128,
            "LastModified": "2026-11-23T08:00:00.000+0000",
            "CodeSha256": code_sha256(key),
            "Version": "$LATEST",
            "TracingConfig": {"Mode": "PassThrough"},
            "State": "Pending",
            "StateReason": "The function is being created.",
            "StateReasonCode": "Creating",
            "PackageType": "Zip",
            "Architectures": ["x86_64"],
            "EphemeralStorage": {"Size": 512},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": "/aws/lambda/f"},
        }
        ready = await house.settle()
        assert ready["State"] == "Active"
        assert ready["LastUpdateStatus"] == "Successful"
        assert "StateReason" not in ready

    run(tmp_path, scenario)


def test_create_of_an_existing_name_is_a_conflict(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        with pytest.raises(AwsError, match=r"^ResourceConflictException: Function already exist: f$"):
            await house.create()

    run(tmp_path, scenario)


def test_invoke_of_a_pending_function_waits_for_it(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.create()
        answer = await house.call("Invoke", FunctionName="f", Payload=b'{"a": 1}')
        assert answer == {"StatusCode": 200, "Payload": b'{"a": 1}', "ExecutedVersion": "$LATEST"}

    run(tmp_path, scenario)
