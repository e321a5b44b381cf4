"""Python functions on a node: what they are given and what they see."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest

from tests.support import lambda_variables
from tests.support.running_node import ACCOUNT, EXEC, Function, Node

pytestmark = [
    pytest.mark.root,
    pytest.mark.parametrize("runtime", [f"python3.{minor}" for minor in range(9, 15)], indirect=True, scope="module"),
]

CODE = f"import os\nAT_INIT = dict(os.environ)\n{EXEC}"
CONTEXT = """
result = {
    "request_id": context.aws_request_id, "arn": context.invoked_function_arn, "name": context.function_name,
    "version": context.function_version, "memory": context.memory_limit_in_mb, "group": context.log_group_name,
    "stream": context.log_stream_name, "left_ms": context.get_remaining_time_in_millis(),
    "client": context.client_context and [context.client_context.custom, context.client_context.env,
                                          context.client_context.client.app_title],
    "identity": [context.identity.cognito_identity_id, context.identity.cognito_identity_pool_id],
}
"""


@pytest.fixture(scope="module")
def function(node: Node, runtime: str) -> Function:
    return node.deploy(CODE, runtime, MemorySize=256, Environment={"Variables": {"MINE": "ü ="}})


def test_an_event_comes_back_as_it_went(function: Function) -> None:
    event = {"code": "result = event['value']", "value": [None, True, 1.5, "ü€😀", {"a": {"b": []}}, 2**53]}
    answer = function.invoke(event)
    assert (answer.status, answer.error, answer.version) == (200, None, "$LATEST")
    assert answer.json == event["value"]
    assert answer.headers["content-type"] == "application/json"


def test_a_handler_that_returns_nothing_answers_null(function: Function) -> None:
    assert function.invoke({"code": ""}).payload == b"null"


def test_its_log_lines_carry_the_request_id(function: Function) -> None:
    code = "import logging; print('printed'); logging.warning('said')"
    function.invoke()
    assert function.invoke({"code": code}).lines == [
        "START RequestId: <id> Version: $LATEST",
        "printed",
        "[WARNING]\t<time>\t<id>\tsaid",
        "END RequestId: <id>",
        "REPORT RequestId: <id>\tDuration: <n> ms\tBilled Duration: <n> ms\tMemory Size: 256 MB\tMax Memory Used: <n> MB\t",
        "",
    ]


def test_its_context_describes_the_invocation(function: Function, runtime: str) -> None:
    answer = function.invoke({"code": CONTEXT})
    context = answer.json
    assert context.pop("request_id") == answer.request_id
    assert 15_000 < context.pop("left_ms") <= 20_000
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", context.pop("stream"))
    assert context == {
        "arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function.name}",
        "name": function.name,
        "version": "$LATEST",
        "memory": "256",
        "group": f"/aws/lambda/{function.name}",
        "client": None,
        "identity": [None, None],
    }


def test_its_context_has_the_arn_as_it_was_invoked(function: Function) -> None:
    arn = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function.name}"
    assert function.run(CONTEXT, qualifier="$LATEST")["arn"] == f"{arn}:$LATEST"
    version = function.node.lambda_.publish_version(FunctionName=function.name)["Version"]
    function.node.lambda_.create_alias(FunctionName=function.name, Name="live", FunctionVersion=version)
    answer = function.invoke({"code": CONTEXT}, qualifier="live")
    assert (answer.json["arn"], answer.json["version"], answer.version) == (f"{arn}:live", version, version)
    assert f"[{version}]" in answer.json["stream"]


def test_its_context_has_what_the_client_said(function: Function) -> None:
    said = {"client": {"app_title": "title"}, "custom": {"a": "ü"}, "env": {"b": "c"}}
    encoded = base64.b64encode(json.dumps(said).encode()).decode()
    assert function.run(CONTEXT, ClientContext=encoded)["client"] == [{"a": "ü"}, {"b": "c"}, "title"]


def test_its_variables_are_lambdas(function: Function, runtime: str) -> None:
    code = "import os, app; result = [dict(os.environ), app.AT_INIT, context.log_stream_name]"
    during, at_init, stream = function.run(code)
    check_variables(during, function, runtime, stream)
    assert set(at_init) == set(during) - {"_X_AMZN_TRACE_ID"}


def check_variables(seen: dict[str, str], function: Function, runtime: str, stream: str) -> None:
    by_the_interpreter = {"LC_CTYPE"}  # before 3.12, too, where the machine has no locale en_US.UTF-8
    assert lambda_variables.names(runtime) | {"MINE"} <= set(seen)
    assert set(seen) <= lambda_variables.names(runtime) | {"MINE"} | by_the_interpreter
    known = lambda_variables.values(runtime, function.name, stream)
    assert {name: seen[name] for name in known} == known
    assert seen["MINE"] == "ü ="


def test_its_place_is_lambdas(function: Function) -> None:
    seen: Any = function.run(
        """
import os, stat, tempfile
def attempt(path):
    try:
        open(path, "w").close()
        return "written"
    except OSError as error:
        return error.strerror
result = {
    "cwd": os.getcwd(), "ids": [os.getuid(), os.getgid()], "task": attempt("/var/task/new"), "root": attempt("/new"),
    "tmp": attempt("/tmp/new"), "opt": attempt("/opt/new"), "runtime": attempt("/var/runtime/new"),
    "modes": [stat.filemode(os.stat(path).st_mode) for path in ("/var/task", "/tmp")],
    "shm": os.path.exists("/dev/shm"), "temporary": tempfile.gettempdir(),
}
"""
    )
    read_only = "Read-only file system"
    assert seen == {
        "cwd": "/var/task",
        "ids": [993, 990],
        "task": read_only,
        "root": read_only,
        "tmp": "written",
        "opt": read_only,
        "runtime": read_only,
        "modes": ["drwxr-xr-x", "drwxrwxrwt"],
        "shm": False,
        "temporary": "/tmp",
    }


def test_it_finds_the_sdk_and_the_node(function: Function) -> None:
    code = "import boto3; result = boto3.client('lambda').get_function(FunctionName=context.function_name)"
    assert function.run(f"{code}['Configuration']['FunctionName']") == function.name
