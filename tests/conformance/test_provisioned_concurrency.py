"""Provisioned concurrency with boto3: the first call is warm, and what was asked for outlives a crash."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import call, make_function
from tests.support.node import running_node, wait_for

TELLS = """
import os, time
began = time.time()
calls = 0
def handler(event, context):
    global calls
    calls += 1
    time.sleep(event or 0)
    kind, stream = os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    return [kind, calls, context.function_version, stream]
"""


def provisioned(client: Any, name: str, qualifier: str) -> dict[str, Any]:
    """The configuration once it is settled."""

    def look() -> dict[str, Any] | None:
        shown: dict[str, Any] = client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
        return shown if shown["Status"] != "IN_PROGRESS" else None

    return wait_for(look, f"{name}:{qualifier} is provisioned", 60)


def put(client: Any, name: str, qualifier: str, count: int) -> dict[str, Any]:
    answer: dict[str, Any] = client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )
    return answer


def invoke(client: Any, name: str, qualifier: str, event: Any = 0) -> tuple[list[Any], str]:
    """What the function tells, and the tail of its log."""
    answer = client.invoke(FunctionName=name, Qualifier=qualifier, LogType="Tail", Payload=json.dumps(event).encode())
    told = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, told
    return told, base64.b64decode(answer["LogResult"]).decode()


def test_the_first_call_is_warm_and_calls_beyond_spill_over(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("provisioned", TELLS, Publish=True, Timeout=20)
    aws_lambda.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1")
    answer = put(aws_lambda, name, "1", 2)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert (answer["RequestedProvisionedConcurrentExecutions"], answer["Status"]) == (2, "IN_PROGRESS")
    ready = provisioned(aws_lambda, name, "1")
    assert (ready["Status"], ready["AvailableProvisionedConcurrentExecutions"]) == ("READY", 2)
    told, tail = invoke(aws_lambda, name, "1")
    assert told[:3] == ["provisioned-concurrency", 1, "1"]
    assert "REPORT" in tail
    assert "Init Duration" not in tail
    with ThreadPoolExecutor(3) as pool:
        together = [told for told, _ in pool.map(lambda _: invoke(aws_lambda, name, "1", 2), range(3))]
    assert Counter(told[0] for told in together) == {"provisioned-concurrency": 2, "on-demand": 1}
    assert call(aws_lambda, name, 0)[:3] == ["on-demand", 1, "$LATEST"]
    listed = aws_lambda.list_provisioned_concurrency_configs(FunctionName=name)["ProvisionedConcurrencyConfigs"]
    assert [entry["FunctionArn"].rpartition(":")[2] for entry in listed] == ["1"]
    gone = aws_lambda.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="1")
    assert gone["ResponseMetadata"]["HTTPStatusCode"] == 204
    with pytest.raises(aws_lambda.exceptions.ProvisionedConcurrencyConfigNotFoundException):
        aws_lambda.get_provisioned_concurrency_config(FunctionName=name, Qualifier="1")


def test_it_follows_an_alias_and_its_weights(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("routed", TELLS, Publish=True)
    aws_lambda.update_function_configuration(FunctionName=name, Description="second")
    aws_lambda.get_waiter("function_updated_v2").wait(FunctionName=name)
    aws_lambda.publish_version(FunctionName=name)
    aws_lambda.create_alias(
        FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {"2": 0.5}}
    )
    put(aws_lambda, name, "live", 2)
    assert provisioned(aws_lambda, name, "live")["Status"] == "READY"
    answers = [invoke(aws_lambda, name, "live", 0.1)[0] for _ in range(20)]  # ten a second for each environment
    seen = {(told[0], told[2]) for told in answers}
    assert seen == {("provisioned-concurrency", "1"), ("provisioned-concurrency", "2")}
    aws_lambda.update_alias(FunctionName=name, Name="live", FunctionVersion="2", RoutingConfig={})
    assert provisioned(aws_lambda, name, "live")["AllocatedProvisionedConcurrentExecutions"] == 2
    assert invoke(aws_lambda, name, "live")[0][0] == "provisioned-concurrency"


def test_an_init_that_fails_is_told(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("broken-init", "raise RuntimeError('no')\n", Publish=True)
    put(aws_lambda, name, "1", 1)
    shown = provisioned(aws_lambda, name, "1")
    assert (shown["Status"], shown["StatusReason"]) == ("FAILED", "FUNCTION_ERROR_INIT_FAILURE")


def test_a_machine_that_is_too_small_says_so_and_serves_on(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("huge", TELLS, Publish=True, MemorySize=10_240)
    put(aws_lambda, name, "1", 800)
    shown = provisioned(aws_lambda, name, "1")
    assert shown["Status"] == "FAILED"
    assert shown["StatusReason"].startswith("INSUFFICIENT_CAPACITY")
    assert shown["AllocatedProvisionedConcurrentExecutions"] == 0
    other = make("small", TELLS)
    assert call(aws_lambda, other, 0)[0] == "on-demand"


def test_what_was_asked_for_is_there_again_after_a_crash(tmp_path: Path) -> None:
    with running_node(tmp_path / "provisioned") as node:
        client = node.client("lambda")
        make_function(client, "kept", TELLS, Publish=True)
        put(client, "kept", "1", 2)
        assert provisioned(client, "kept", "1")["Status"] == "READY"
        modified = client.get_provisioned_concurrency_config(FunctionName="kept", Qualifier="1")["LastModified"]
        first = invoke(client, "kept", "1")[0][3]
        node.kill()
        node.start()
        client = node.client("lambda")
        shown = provisioned(client, "kept", "1")
        assert (shown["Status"], shown["LastModified"]) == ("READY", modified)
        told = invoke(client, "kept", "1")[0]
        assert told[:2] == ["provisioned-concurrency", 1]
        assert told[3] != first
        assert client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"] == 998
