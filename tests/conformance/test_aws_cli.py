from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.test_lambda_functions import ARN
from tests.support.functions import ROLE, code_of
from tests.support.node import REGION, Node, program_environment, run, wait_for

AWS = str(Path(sys.executable).with_name("aws"))
NAME = "by-aws-cli"
FIRST = "def handler(event, context):\n    print('hello', event['who'])\n    return {'hello': event['who']}\n"
SECOND = "def handler(event, context):\n    return 'second'\n"


@pytest.fixture(scope="module")
def environ(node: Node) -> dict[str, str]:
    """What ``eval "$(functory env)"`` makes of a shell's environment."""
    printed = node.functory("env", "--region", REGION).stdout
    exported = dict(shlex.split(line)[1].split("=", 1) for line in printed.splitlines())
    assert set(exported) == {"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"}
    assert exported["AWS_ENDPOINT_URL"] == node.url
    return program_environment({**exported, "AWS_ACCESS_KEY_ID": "111122223333", "AWS_PAGER": ""})


@pytest.fixture(scope="module")
def created(environ: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    package = tmp_path_factory.mktemp("package") / "function.zip"
    package.write_bytes(code_of(FIRST))
    answer = aws(
        environ,
        *("lambda", "create-function", "--function-name", NAME, "--runtime", "python3.11", "--handler", "app.handler"),
        *("--role", ROLE, "--zip-file", f"fileb://{package}", "--environment", "Variables={COLOUR=blue}"),
    )
    aws(environ, "lambda", "wait", "function-active-v2", "--function-name", NAME)
    yield answer
    aws(environ, "lambda", "delete-function", "--function-name", NAME)


def aws(environ: dict[str, str], *arguments: str) -> Any:
    printed = run(AWS, *arguments, "--output", "json", environ=environ).stdout
    return json.loads(printed) if printed.strip() else None


def test_a_function_is_created_and_read(environ: dict[str, str], created: dict[str, Any]) -> None:
    assert (created["FunctionArn"], created["State"]) == (ARN + NAME, "Pending")
    found = aws(environ, "lambda", "get-function", "--function-name", NAME)
    assert found["Configuration"]["State"] == "Active"
    assert found["Configuration"]["Environment"] == {"Variables": {"COLOUR": "blue"}}
    listed = aws(environ, "lambda", "list-functions", "--query", "Functions[].FunctionName")
    assert NAME in listed


def test_a_function_is_called_and_its_log_read(environ: dict[str, str], created: dict[str, Any], tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    payload = ("--payload", '{"who": "cli"}')
    answer = aws(environ, "lambda", "invoke", "--function-name", NAME, *payload, "--log-type", "Tail", str(result))
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert json.loads(result.read_text(encoding="utf-8")) == {"hello": "cli"}
    assert answer["LogResult"]

    def said() -> list[str]:
        filtered = ("--log-group-name", f"/aws/lambda/{NAME}", "--filter-pattern", "hello", "--query", "events[].message")
        found: list[str] = aws(environ, "logs", "filter-log-events", *filtered)
        return found

    assert wait_for(said, "the log arrived") == ["hello cli\n"]


def test_a_function_is_changed(environ: dict[str, str], created: dict[str, Any], tmp_path: Path) -> None:
    package, result = tmp_path / "second.zip", tmp_path / "result.json"
    package.write_bytes(code_of(SECOND))
    aws(environ, "lambda", "update-function-code", "--function-name", NAME, "--zip-file", f"fileb://{package}")
    aws(environ, "lambda", "wait", "function-updated-v2", "--function-name", NAME)
    changed = aws(environ, "lambda", "update-function-configuration", "--function-name", NAME, "--timeout", "9")
    assert changed["Timeout"] == 9
    aws(environ, "lambda", "wait", "function-updated-v2", "--function-name", NAME)
    aws(environ, "lambda", "invoke", "--function-name", NAME, str(result))
    assert json.loads(result.read_text(encoding="utf-8")) == "second"
    published = aws(environ, "lambda", "publish-version", "--function-name", NAME)
    assert published["Version"] == "1"


def test_a_refusal_is_told_as_the_cli_tells_it(environ: dict[str, str]) -> None:
    done = run(AWS, "lambda", "get-function", "--function-name", "absent", environ=environ, check=False)
    assert done.returncode != 0
    assert "An error occurred (ResourceNotFoundException) when calling the GetFunction operation" in done.stderr
    assert f"Function not found: {ARN}absent" in done.stderr
