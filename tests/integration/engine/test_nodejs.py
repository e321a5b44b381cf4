"""Node.js functions on a node: what they are given and what they see."""

from __future__ import annotations

import base64
import json
import re

import pytest

from tests.support import lambda_variables
from tests.support.running_node import ACCOUNT, Function, Node

pytestmark = [
    pytest.mark.root,
    pytest.mark.parametrize("runtime", [f"nodejs{major}.x" for major in (18, 20, 22, 24)], indirect=True, scope="module"),
]

NOT_SET = {"NODE_EXTRA_CA_CERTS"}
"""of Node.js 18: a file of Amazon's authorities, see docs/architecture/runtimes.md"""
CODE = """
const atInit = { ...process.env };
const fs = require('fs');
const attempt = (path) => { try { fs.writeFileSync(path, ''); return 'written'; } catch (error) { return error.code; } };
exports.handler = async (event, context) => {
  switch (event.do) {
    case 'echo': return event.value;
    case 'say': console.log('said'); console.error('%s', 'cried'); return null;
    case 'context': return {
      requestId: context.awsRequestId, arn: context.invokedFunctionArn, name: context.functionName,
      version: context.functionVersion, memory: context.memoryLimitInMB, group: context.logGroupName,
      stream: context.logStreamName, leftMs: context.getRemainingTimeInMillis(), client: context.clientContext,
    };
    case 'variables': return [process.env, atInit, context.logStreamName];
    case 'place': return {
      cwd: process.cwd(), ids: [process.getuid(), process.getgid()], task: attempt('/var/task/new'), root: attempt('/new'),
      tmp: attempt('/tmp/new'), opt: attempt('/opt/new'), runtime: attempt('/var/runtime/new'),
      shm: fs.existsSync('/dev/shm'), argv: process.execArgv,
    };
  }
};
"""


@pytest.fixture(scope="module")
def function(node: Node, runtime: str) -> Function:
    return node.deploy(CODE, runtime, MemorySize=256, Environment={"Variables": {"MINE": "ü ="}})


def test_an_event_comes_back_as_it_went(function: Function) -> None:
    event = {"do": "echo", "value": [None, True, 1.5, "ü€😀", {"a": {"b": []}}]}
    answer = function.invoke(event)
    assert (answer.status, answer.error, answer.version, answer.json) == (200, None, "$LATEST", event["value"])


def test_a_handler_that_returns_nothing_answers_null(function: Function) -> None:
    assert function.invoke({}).payload == b"null"


def test_its_log_lines_carry_the_request_id(function: Function) -> None:
    function.invoke({})
    assert function.invoke({"do": "say"}).lines == [
        "START RequestId: <id> Version: $LATEST",
        "<time>\t<id>\tINFO\tsaid",
        "<time>\t<id>\tERROR\tcried",
        "END RequestId: <id>",
        "REPORT RequestId: <id>\tDuration: <n> ms\tBilled Duration: <n> ms\tMemory Size: 256 MB\tMax Memory Used: <n> MB\t",
        "",
    ]


def test_its_context_describes_the_invocation(function: Function) -> None:
    said = {"client": {"app_title": "title"}, "custom": {"a": "ü"}, "env": {"b": "c"}}
    encoded = base64.b64encode(json.dumps(said).encode()).decode()
    answer = function.invoke({"do": "context"}, qualifier="$LATEST", ClientContext=encoded)
    context = answer.json
    assert context.pop("requestId") == answer.request_id
    assert 15_000 < context.pop("leftMs") <= 20_000
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", context.pop("stream"))
    assert context == {
        "arn": f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:{function.name}:$LATEST",
        "name": function.name,
        "version": "$LATEST",
        "memory": "256",
        "group": f"/aws/lambda/{function.name}",
        "client": said,
    }


def test_its_variables_are_lambdas(function: Function, runtime: str) -> None:
    during, at_init, stream = function.invoke({"do": "variables"}).json
    assert set(during) == lambda_variables.names(runtime) - NOT_SET | {"MINE"}
    assert set(at_init) == set(during) - {"_X_AMZN_TRACE_ID"}
    known = lambda_variables.values(runtime, function.name, stream)
    assert {name: during[name] for name in known} == known
    assert during["MINE"] == "ü ="


def test_its_place_is_lambdas(function: Function) -> None:
    seen = function.invoke({"do": "place"}).json
    assert "--max-old-space-size=231" in seen.pop("argv")
    assert seen == {
        "cwd": "/var/task",
        "ids": [993, 990],
        "task": "EROFS",
        "root": "EROFS",
        "tmp": "written",
        "opt": "EROFS",
        "runtime": "EROFS",
        "shm": False,
    }
