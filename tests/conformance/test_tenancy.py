from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.functions import call
from tests.support.node import Node, wait_for

WHO = """
import os
seen = []
def handler(event, context):
    seen.append(context.tenant_id)
    print("seen", ",".join(seen))
    return seen
"""
TENANTS = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}


def test_every_tenant_has_environments_of_its_own(node: Node, aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("tenants", WHO, **TENANTS)
    shown = aws_lambda.get_function_configuration(FunctionName=name)["TenancyConfig"]
    assert shown == {"TenantIsolationMode": "PER_TENANT"}
    assert call(aws_lambda, name, TenantId="blue") == ["blue"]
    assert call(aws_lambda, name, TenantId="green") == ["green"]
    assert call(aws_lambda, name, TenantId="blue") == ["blue", "blue"]
    answer = aws_lambda.invoke(FunctionName=name, TenantId="green", LogType="Tail")
    assert json.loads(answer["Payload"].read()) == ["green", "green"]
    assert "TenantId: green" in base64.b64decode(answer["LogResult"]).decode().splitlines()[0]
    aws_lambda.invoke(FunctionName=name, TenantId="red", InvocationType="Event")
    logs = node.client("logs")
    group = f"/aws/lambda/{name}"
    wait_for(lambda: logs.filter_log_events(logGroupName=group, filterPattern='"seen red"')["events"], "the event ran")


def test_a_streamed_invocation_names_its_tenant(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("tenants-stream", WHO, **TENANTS)
    answer = aws_lambda.invoke_with_response_stream(FunctionName=name, TenantId="blue")
    chunks = [event["PayloadChunk"]["Payload"] for event in answer["EventStream"] if "PayloadChunk" in event]
    assert json.loads(b"".join(chunks)) == ["blue"]
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException):
        aws_lambda.invoke_with_response_stream(FunctionName=name)


def test_a_tenant_must_be_named_exactly_where_there_are_tenants(
    aws_lambda: Any, make: Callable[..., str], echo: str
) -> None:
    name = make("tenants-refused", WHO, **TENANTS)
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException) as missing:
        aws_lambda.invoke(FunctionName=name)
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException):
        aws_lambda.invoke(FunctionName=echo, TenantId="blue")
