from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.functions import asked, call, code_of, make_function, wait_active, wait_updated
from tests.support.node import Node, running_node, wait_for
from tests.support.raw_http import send

WAITS_AT_THE_GATE = """
import os, time, urllib.error, urllib.request, uuid
GATE = os.environ["AWS_ENDPOINT_URL"] + "/2015-03-31/functions/gate/configuration"
ME = str(uuid.uuid4())

def handler(event, context):
    while not is_open():
        time.sleep(0.05)
    return ME

def is_open():
    try:
        urllib.request.urlopen(GATE).close()
    except urllib.error.HTTPError as refusal:
        assert refusal.code == 404
        return False
    return True
"""


@pytest.fixture
def empty_node(tmp_path: Any) -> Iterator[Node]:
    """A node without any environment."""
    with running_node(tmp_path / "empty") as node:
        yield node
        assert not node.faults()


def test_simultaneous_calls_each_have_an_environment_of_their_own(empty_node: Node) -> None:
    node, count = empty_node, 8
    client = node.client("lambda")
    unsigned = node.client("lambda", account="000000000000", region="us-east-1")  # whose calls without signature are
    make_function(client, "crowd", WAITS_AT_THE_GATE, Timeout=60)
    with ThreadPoolExecutor(count) as pool:
        calls = [pool.submit(call, client, "crowd") for _ in range(count)]
        try:
            wait_for(lambda: node.health()["environments"] >= count, "every call has an environment", 40)
        finally:
            unsigned.create_function(**asked("gate"))
        assert len({one.result() for one in calls}) == count
    client.delete_function(FunctionName="crowd")
    wait_for(lambda: node.health()["environments"] == 0, "the environments have ended with their function")


def test_a_call_that_has_begun_ends_with_the_code_it_began_with(
    aws_lambda: Any, logs: Any, make: Callable[..., str]
) -> None:
    name = make(
        "in-flight",
        "import time\ndef handler(event, context):\n    print('begun')\n    time.sleep(event)\n    return 'old'\n",
        Timeout=20,
    )

    def begun() -> bool:
        try:
            return bool(logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="begun")["events"])
        except logs.exceptions.ResourceNotFoundException:
            return False

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, aws_lambda, name, 2)
        wait_for(begun, "the call has begun")
        aws_lambda.update_function_code(
            FunctionName=name, ZipFile=code_of("def handler(event, context):\n    return 'new'\n")
        )
        wait_updated(aws_lambda, name)
        assert call(aws_lambda, name, 0) == "new"
        assert first.result() == "old"


def test_a_call_waits_for_a_function_that_is_being_created(aws_lambda: Any) -> None:
    aws_lambda.create_function(**asked("just-made"))
    assert call(aws_lambda, "just-made", 3) == 3
    aws_lambda.delete_function(FunctionName="just-made")


def test_the_trace_of_the_caller_reaches_the_function(node: Node, make: Callable[..., str]) -> None:
    name = make("traced", "import os\ndef handler(event, context):\n    return os.environ['_X_AMZN_TRACE_ID']\n")
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    headers = {"X-Amzn-Trace-Id": f"{root};Parent=53995c3f42cd8ad8;Sampled=1"}
    answer = send(node.url, "POST", f"/2015-03-31/functions/{name}/invocations", b"{}", headers=headers)
    assert root in answer.json()
    assert "Sampled=1" in answer.json()
    assert root in answer.headers["x-amzn-trace-id"]


def test_payloads_of_just_the_limit_are_taken(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("sizes", "def handler(event, context):\n    return len(event)\n", Timeout=20, MemorySize=512)
    answer = aws_lambda.invoke(FunctionName=name, Payload=b'"' + b"x" * (6_291_456 - 2) + b'"')
    assert json.loads(answer["Payload"].read()) == 6_291_454
    answer = aws_lambda.invoke(FunctionName=name, Payload=b'"' + b"x" * (1_048_576 - 2) + b'"', InvocationType="Event")
    assert answer["StatusCode"] == 202


def test_four_kilobytes_of_variables_are_taken(aws_lambda: Any, make: Callable[..., str]) -> None:
    source = "import os\ndef handler(event, context):\n    return [len(os.environ['LONG']), os.environ['UMLAUT']]\n"
    rest = 4096 - len('{"LONG":"","UMLAUT":"ä€"}'.encode())
    name = make("variables", source, Environment={"Variables": {"LONG": "x" * rest, "UMLAUT": "ä€"}})
    assert call(aws_lambda, name) == [rest, "ä€"]


@pytest.fixture
def narrow_node(tmp_path: Any) -> Iterator[Node]:
    """A node whose accounts may run one invocation at a time."""
    settings = {"FUNCTORY_LAMBDA_ACCOUNT_CONCURRENCY": "1", "FUNCTORY_DELIVERIES_RETRY_BASE_S": "0.2"}
    with running_node(tmp_path / "narrow", **settings) as node:
        yield node
        assert not node.faults()


def test_calls_over_the_concurrency_of_the_account_are_refused(narrow_node: Node) -> None:
    client, logs = narrow_node.client("lambda"), narrow_node.client("logs")
    source = (
        "import time\ndef handler(event, context):\n    print('begun', event)\n    time.sleep(event)\n    return event\n"
    )
    make_function(client, "alone", source, Timeout=30)

    def begun(number: int) -> bool:
        try:
            found = logs.filter_log_events(logGroupName="/aws/lambda/alone", filterPattern=f'"begun {number}"')["events"]
        except logs.exceptions.ResourceNotFoundException:
            return False
        return bool(found)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call, client, "alone", 2)
        wait_for(lambda: begun(2), "the first call has begun")
        with pytest.raises(client.exceptions.TooManyRequestsException) as refusal:
            client.invoke(FunctionName="alone", Payload=b"0")
        assert client.invoke(FunctionName="alone", InvocationType="Event", Payload=b"1")["StatusCode"] == 202
        assert first.result() == 2
    answer = refusal.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert answer["Error"]["Message"] == "Rate Exceeded."
    assert answer["Reason"] == "ConcurrentInvocationLimitExceeded"
    assert answer["Type"] == "User"
    assert int(answer["ResponseMetadata"]["HTTPHeaders"]["retry-after"]) >= 1
    wait_for(lambda: begun(1), "the event was delivered when there was room")


def test_a_creation_that_a_crash_cut_short_is_completed(tmp_path: Any) -> None:
    with running_node(tmp_path / "crashing") as node:
        node.client("lambda").create_function(**asked("cut-short"))
        node.kill()
        node.start()
        client = node.client("lambda")
        wait_active(client, "cut-short")
        assert call(client, "cut-short", 1) == 1
