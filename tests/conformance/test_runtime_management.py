from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.functions import call
from tests.support.node import wait_for


def test_a_function_can_stay_with_the_installed_runtime_version(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("pinned")
    tail = base64.b64decode(aws_lambda.invoke(FunctionName=name, LogType="Tail")["LogResult"]).decode()
    assert tail.startswith("START")
    arn = aws_lambda.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    put = aws_lambda.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="Manual", RuntimeVersionArn=arn)
    assert put["ResponseMetadata"]["HTTPStatusCode"] == 200
    shown = aws_lambda.get_runtime_management_config(FunctionName=name)
    assert (shown["UpdateRuntimeOn"], shown["RuntimeVersionArn"]) == ("Manual", arn)
    aws_lambda.update_function_configuration(FunctionName=name, Timeout=5)
    aws_lambda.get_waiter("function_updated_v2").wait(FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 400})
    assert call(aws_lambda, name, {"a": 1}) == {"a": 1}
    other = f"{arn[:-64]}{'0' * 64}"
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException, match="is not installed on this node"):
        aws_lambda.put_runtime_management_config(FunctionName=name, UpdateRuntimeOn="Manual", RuntimeVersionArn=other)


def test_the_shown_version_is_the_one_that_runs(aws_lambda: Any, logs: Any, make: Callable[..., str]) -> None:
    name = make("shown-version")
    call(aws_lambda, name)
    arn = aws_lambda.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
    search = {"logGroupName": f"/aws/lambda/{name}", "filterPattern": "INIT_START"}
    events = wait_for(lambda: logs.filter_log_events(**search)["events"], "the init was logged")
    assert all(event["message"].rstrip().endswith(arn) for event in events)
