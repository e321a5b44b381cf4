"""Functions of one node with different isolation: by their tag, and by their account."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functory.sandbox.probe import find_runtime
from tests.support.functions import make_function
from tests.support.node import ACCOUNT, Node, running_node

SOURCE = """
import os
def handler(event, context):
    with open("/proc/version") as file:
        kernel = file.read().split()[2]
    with open("/tmp/calls", "a") as file:
        file.write("x")
    return {"kernel": kernel, "calls": os.path.getsize("/tmp/calls")}
"""


def seen(client: Any, name: str) -> dict[str, Any]:
    """The kernel that a function sees, and how often its environment was called."""
    answer = client.invoke(FunctionName=name)
    assert "FunctionError" not in answer, answer["Payload"].read()
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def refused(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def needs_gvisor(node: Node) -> None:
    if not node.health()["driver"].startswith("oci/"):
        pytest.skip("this node does not isolate")
    if find_runtime("runsc") is None:
        pytest.skip("runsc is not installed")


def test_a_tag_puts_a_function_on_a_kernel_of_its_own_and_back(
    needs_gvisor: None, node: Node, aws_lambda: Any, make: Callable[..., str]
) -> None:
    plain, name = make("plain", SOURCE, Timeout=20), make("tagged", SOURCE, Timeout=20)
    arn = aws_lambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    host = os.uname().release
    assert [seen(aws_lambda, name), seen(aws_lambda, name)] == [{"kernel": host, "calls": 1}, {"kernel": host, "calls": 2}]
    aws_lambda.tag_resource(Resource=arn, Tags={"functory:isolation": "gvisor"})
    first, second = seen(aws_lambda, name), seen(aws_lambda, name)
    assert first["kernel"] != host
    assert (first["calls"], second) == (1, first | {"calls": 2})
    assert seen(aws_lambda, plain)["kernel"] == host
    assert set(node.health()["isolations"]) == {"container", "gvisor"}
    aws_lambda.untag_resource(Resource=arn, TagKeys=["functory:isolation"])
    assert seen(aws_lambda, name) == {"kernel": host, "calls": 1}


def test_a_function_is_made_with_its_isolation_and_keeps_it_in_its_versions(
    needs_gvisor: None, aws_lambda: Any, make: Callable[..., str]
) -> None:
    name = make("born-tagged", SOURCE, Timeout=20, Publish=True, Tags={"functory:isolation": "gvisor"})
    assert seen(aws_lambda, f"{name}:1")["kernel"] != os.uname().release
    assert aws_lambda.get_function(FunctionName=name)["Tags"] == {"functory:isolation": "gvisor"}


def test_an_unknown_isolation_is_refused_and_nothing_is_stored(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("refusing", SOURCE)
    arn = aws_lambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    expected = (
        "InvalidParameterValueException",
        "The value 'vm' of the tag functory:isolation is not possible. Isolation must be one of container, gvisor.",
    )
    tags = {"functory:isolation": "vm", "other": "x"}
    assert refused(lambda: aws_lambda.tag_resource(Resource=arn, Tags=tags)) == expected
    assert aws_lambda.list_tags(Resource=arn)["Tags"] == {}
    assert refused(lambda: make_function(aws_lambda, "never-made", SOURCE, Tags=tags)) == expected
    with pytest.raises(aws_lambda.exceptions.ResourceNotFoundException):
        aws_lambda.get_function(FunctionName="never-made")


def test_an_account_that_the_operator_does_not_trust(needs_gvisor: None, tmp_path: Path) -> None:
    with running_node(tmp_path / "data", FUNCTORY_SANDBOX_ACCOUNT_ISOLATION=f"{ACCOUNT}=gvisor") as node:
        hostile, other = node.client("lambda"), node.client("lambda", account="222233334444")
        make_function(hostile, "f", SOURCE, Timeout=20)
        make_function(other, "f", SOURCE, Timeout=20)
        assert seen(hostile, "f")["kernel"] != os.uname().release
        assert seen(other, "f")["kernel"] == os.uname().release
        arn = hostile.get_function_configuration(FunctionName="f")["FunctionArn"]
        code, text = refused(lambda: hostile.tag_resource(Resource=arn, Tags={"functory:isolation": "container"}))
        assert code == "InvalidParameterValueException"
        assert text.endswith(f"Functions of account {ACCOUNT} have the isolation gvisor at least.")
        node.kill()
        node.start()
        assert seen(node.client("lambda"), "f")["kernel"] != os.uname().release
        assert not node.faults()
