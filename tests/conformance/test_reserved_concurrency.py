from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.functions import call, make_function
from tests.support.node import running_node, wait_for

SLEEPS = "import time\ndef handler(event, context):\n    print('begun', event)\n    time.sleep(event)\n    return event\n"


def begun(logs: Any, name: str, event: int) -> bool:
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=f'"begun {event}"')["events"]
    except logs.exceptions.ResourceNotFoundException:
        return False
    return bool(found)


def refusal(client: Any, name: str) -> dict[str, Any]:
    with pytest.raises(client.exceptions.TooManyRequestsException) as refused:
        client.invoke(FunctionName=name, Payload=b"0")
    answer: dict[str, Any] = refused.value.response
    return answer


def test_a_reservation_limits_its_function_and_nothing_else(aws_lambda: Any, logs: Any, make: Callable[..., str]) -> None:
    name, other = make("reserved", SLEEPS, Timeout=30), make("free", SLEEPS, Timeout=30)
    aws_lambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, aws_lambda, name, 2)
        wait_for(lambda: begun(logs, name, 2), "the first call has begun")
        answer = refusal(aws_lambda, name)
        assert call(aws_lambda, other, 0) == 0
        assert first.result() == 2
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert (answer["Error"]["Message"], answer["Type"]) == ("Rate Exceeded.", "User")
    assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
    assert int(answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
    aws_lambda.delete_function_concurrency(FunctionName=name)
    assert call(aws_lambda, name, 0) == 0


def test_a_stopped_function_is_stopped_also_after_a_crash(tmp_path: Any) -> None:
    with running_node(tmp_path / "stopped") as node:
        client, logs = node.client("lambda"), node.client("logs")
        make_function(client, "stopped", SLEEPS)
        client.put_function_concurrency(FunctionName="stopped", ReservedConcurrentExecutions=0)
        node.kill()
        node.start()
        client, logs = node.client("lambda"), node.client("logs")
        assert client.get_function_concurrency(FunctionName="stopped")["ReservedConcurrentExecutions"] == 0
        assert refusal(client, "stopped")["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert client.invoke(FunctionName="stopped", InvocationType="Event", Payload=b"1")["StatusCode"] == 202
        wait_for(lambda: "ZeroReservedConcurrency" in node.log_file.read_text(), "the event was given up")
        client.delete_function_concurrency(FunctionName="stopped")
        assert call(client, "stopped", 0) == 0
        assert not begun(logs, "stopped", 1)


def test_what_cannot_be_reserved(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("greedy", SLEEPS)
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException, match="below its minimum value of"):
        aws_lambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=901)
    limits = aws_lambda.get_account_settings()["AccountLimit"]
    aws_lambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=40)
    after = aws_lambda.get_account_settings()["AccountLimit"]
    assert limits["UnreservedConcurrentExecutions"] - after["UnreservedConcurrentExecutions"] == 40
    assert aws_lambda.get_function(FunctionName=name)["Concurrency"] == {"ReservedConcurrentExecutions": 40}
