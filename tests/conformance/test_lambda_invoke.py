from __future__ import annotations

import base64
import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.test_lambda_functions import ARN
from tests.support.functions import call
from tests.support.node import wait_for

TALKER = """
def handler(event, context):
    print("said by", context.aws_request_id)
    return None
"""
FAILING = """
class NotToday(Exception):
    pass
def handler(event, context):
    raise NotToday("come tomorrow")
"""


def test_a_call_answers_what_aws_answers(aws_lambda: Any, echo: str) -> None:
    answer = aws_lambda.invoke(FunctionName=echo, Payload=b'{"a": [1, "\\u00e9"]}')
    assert answer["StatusCode"] == 200
    assert set(answer) == {"ResponseMetadata", "StatusCode", "ExecutedVersion", "Payload"}
    assert answer["ExecutedVersion"] == "$LATEST"
    assert json.loads(answer["Payload"].read()) == {"a": [1, "é"]}
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["content-type"] == "application/json"
    assert uuid.UUID(headers["x-amzn-requestid"])
    assert re.fullmatch(r"[Rr]oot=1-[0-9a-f]{8}-[0-9a-f]{24}.*", headers["x-amzn-trace-id"])


def test_a_call_without_payload_gives_the_function_an_empty_object(aws_lambda: Any, echo: str) -> None:
    assert json.loads(aws_lambda.invoke(FunctionName=echo)["Payload"].read()) == {}


def test_a_dry_run_runs_nothing(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("dry", FAILING)
    answer = aws_lambda.invoke(FunctionName=name, InvocationType="DryRun")
    assert answer["StatusCode"] == 204
    assert set(answer) == {"ResponseMetadata", "StatusCode", "Payload"}
    assert answer["Payload"].read() == b""


def test_an_event_is_accepted_with_an_empty_answer(aws_lambda: Any, echo: str) -> None:
    answer = aws_lambda.invoke(FunctionName=echo, InvocationType="Event", Payload=b"{}")
    assert answer["StatusCode"] == 202
    assert set(answer) == {"ResponseMetadata", "StatusCode", "Payload"}
    assert answer["Payload"].read() == b""


def test_the_tail_of_the_log_comes_with_the_answer(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("tail", TALKER)
    answer = aws_lambda.invoke(FunctionName=name, LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert answer["Payload"].read() == b"null"
    first, second, third, report = base64.b64decode(answer["LogResult"]).decode().splitlines()[-4:]
    assert first == f"START RequestId: {request_id} Version: $LATEST"
    assert second == f"said by {request_id}"
    assert third == f"END RequestId: {request_id}"
    assert report.startswith(f"REPORT RequestId: {request_id}\t")
    assert "LogResult" not in aws_lambda.invoke(FunctionName=name)


def test_the_tail_is_at_most_four_kilobytes(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("long-tail", "def handler(event, context):\n    for n in range(200): print('x' * 50, n)\n")
    tail = base64.b64decode(aws_lambda.invoke(FunctionName=name, LogType="Tail")["LogResult"])
    assert 4000 <= len(tail) <= 4096
    assert b"REPORT RequestId: " in tail


def test_the_client_context_reaches_the_function(aws_lambda: Any, make: Callable[..., str]) -> None:
    source = """
    def handler(event, context):
        known = context.client_context
        return [known.custom, known.env, known.client.app_title, known.client.installation_id]
    """
    name = make("client-context", source)
    given = {"custom": {"a": "b"}, "env": {"locale": "de"}, "client": {"app_title": "shop", "installation_id": "17"}}
    answer = aws_lambda.invoke(FunctionName=name, ClientContext=base64.b64encode(json.dumps(given).encode()).decode())
    assert json.loads(answer["Payload"].read()) == [{"a": "b"}, {"locale": "de"}, "shop", "17"]


def test_the_context_tells_about_the_invocation(aws_lambda: Any, make: Callable[..., str]) -> None:
    source = """
    import os
    def handler(event, context):
        return {
            "name": context.function_name,
            "version": context.function_version,
            "arn": context.invoked_function_arn,
            "memory": context.memory_limit_in_mb,
            "request": context.aws_request_id,
            "group": context.log_group_name,
            "stream": context.log_stream_name,
            "left": context.get_remaining_time_in_millis(),
            "trace": os.environ["_X_AMZN_TRACE_ID"],
        }
    """
    name = make("context", source, Timeout=20, MemorySize=256)
    answer = aws_lambda.invoke(FunctionName=name)
    seen = json.loads(answer["Payload"].read())
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", seen.pop("stream"))
    assert 0 < seen.pop("left") <= 20_000
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    root = headers["x-amzn-trace-id"].partition(";")[0].partition("=")[2]
    assert f"Root={root}" in seen.pop("trace")
    assert seen == {
        "name": name,
        "version": "$LATEST",
        "arn": ARN + name,
        "memory": "256",
        "request": headers["x-amzn-requestid"],
        "group": f"/aws/lambda/{name}",
    }


def test_a_function_error_is_an_answer(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("failing", FAILING)
    answer = aws_lambda.invoke(FunctionName=name)
    assert (answer["StatusCode"], answer["FunctionError"], answer["ExecutedVersion"]) == (200, "Unhandled", "$LATEST")
    payload = json.loads(answer["Payload"].read())
    assert payload == {
        "errorMessage": "come tomorrow",
        "errorType": "NotToday",
        "requestId": answer["ResponseMetadata"]["RequestId"],
        "stackTrace": ['  File "/var/task/app.py", line 4, in handler\n    raise NotToday("come tomorrow")\n'],
    }


def test_a_function_that_takes_too_long_is_ended(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("slow", "import time\ndef handler(event, context):\n    time.sleep(event)\n    return 'awake'\n", Timeout=1)
    answer = aws_lambda.invoke(FunctionName=name, Payload=b"30", LogType="Tail")
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read()) == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {request_id} Error: Task timed out after 1.00 seconds",
    }
    tail = base64.b64decode(answer["LogResult"]).decode()
    assert re.search(rf"^\S+Z {request_id} Task timed out after 1\.00 seconds$", tail, re.MULTILINE)
    assert re.search(r"^REPORT RequestId: .*\tStatus: timeout$", tail, re.MULTILINE)
    assert call(aws_lambda, name, 0) == "awake"


@pytest.mark.parametrize(
    ("source", "error_type", "text"),
    [
        ("import os\ndef handler(event, context):\n    os._exit(1)\n", "Runtime.ExitError", "exit status 1"),
        ("import os\ndef handler(event, context):\n    os.kill(os.getpid(), 9)\n", "Runtime.ExitError", "signal: killed"),
    ],
    ids=["exit", "kill"],
)
def test_a_function_whose_process_ends(
    aws_lambda: Any, make: Callable[..., str], source: str, error_type: str, text: str
) -> None:
    name = make("ending", source)
    answer = aws_lambda.invoke(FunctionName=name)
    request_id = answer["ResponseMetadata"]["RequestId"]
    assert json.loads(answer["Payload"].read()) == {
        "errorType": error_type,
        "errorMessage": f"RequestId: {request_id} Error: Runtime exited with error: {text}",
    }


@pytest.mark.parametrize(
    ("handler", "error_type", "text"),
    [
        ("absent.handler", "Runtime.ImportModuleError", "Unable to import module 'absent': No module named 'absent'"),
        ("app.absent", "Runtime.HandlerNotFound", "Handler 'absent' missing on module 'app'"),
    ],
)
def test_a_function_without_its_handler(
    aws_lambda: Any, make: Callable[..., str], handler: str, error_type: str, text: str
) -> None:
    name = make("no-handler", Handler=handler)
    answer = aws_lambda.invoke(FunctionName=name)
    assert answer["FunctionError"] == "Unhandled"
    payload = json.loads(answer["Payload"].read())
    assert (payload["errorType"], payload["errorMessage"]) == (error_type, text)


def test_a_result_over_the_limit_is_an_error(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("large-result", "def handler(event, context):\n    return 'x' * event\n", Timeout=20, MemorySize=512)
    answer = aws_lambda.invoke(FunctionName=name, Payload=str(6_291_556 - 2).encode())
    assert "FunctionError" not in answer
    assert len(answer["Payload"].read()) == 6_291_556
    answer = aws_lambda.invoke(FunctionName=name, Payload=str(6_291_556 - 1).encode())
    assert json.loads(answer["Payload"].read()) == {
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        "errorType": "Function.ResponseSizeTooLarge",
    }


def test_the_deprecated_operation_queues_the_event(aws_lambda: Any, make: Callable[..., str], logs: Any) -> None:
    name = make("old-way", "def handler(event, context):\n    print('got', event)\n")
    assert aws_lambda.invoke_async(FunctionName=name, InvokeArgs=b'{"a": 1}')["Status"] == 202

    def said() -> bool:
        try:
            events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="got")["events"]
        except logs.exceptions.ResourceNotFoundException:
            return False
        return [event["message"] for event in events] == ["got {'a': 1}\n"]

    wait_for(said, "the function ran")


def test_environments_are_used_again(aws_lambda: Any, make: Callable[..., str]) -> None:
    source = "import uuid\nME = str(uuid.uuid4())\ndef handler(event, context):\n    return ME\n"
    name = make("warm", source)
    assert len({call(aws_lambda, name) for _ in range(5)}) == 1
