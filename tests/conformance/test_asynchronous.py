from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.functions import call, make_function, wait_active
from tests.support.node import Node, running_node, wait_for

FAILING = """
def handler(event, context):
    print("attempt", context.aws_request_id)
    raise RuntimeError("never")
"""


def attempts(node: Node, name: str) -> list[str]:
    """The request ids that the function wrote, in order."""
    logs = node.client("logs")
    try:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="attempt")["events"]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [re.fullmatch(r"attempt (\S+)\n", event["message"])[1] for event in events]  # type: ignore[index]


def test_an_event_is_tried_three_times_under_one_request_id(node: Node, aws_lambda: Any) -> None:
    make_function(aws_lambda, "thrice", FAILING)
    answer = aws_lambda.invoke(FunctionName="thrice", InvocationType="Event", Payload=b'{"a": 1}')
    request_id = answer["ResponseMetadata"]["RequestId"]
    seen = wait_for(lambda: found if len(found := attempts(node, "thrice")) >= 3 else None, "three attempts")
    assert seen == [request_id] * 3

    # Given up: an event accepted later has had all its attempts, and the first one still has three.
    later = aws_lambda.invoke(FunctionName="thrice", InvocationType="Event")["ResponseMetadata"]["RequestId"]
    seen = wait_for(lambda: found if (found := attempts(node, "thrice")).count(later) >= 3 else None, "three more")
    assert sorted(seen) == sorted([request_id] * 3 + [later] * 3)
    aws_lambda.delete_function(FunctionName="thrice")


def test_an_event_that_succeeds_is_not_tried_again(node: Node, aws_lambda: Any) -> None:
    source = """
    import json, pathlib
    def handler(event, context):
        print("attempt", context.aws_request_id)
        mark = pathlib.Path("/tmp") / context.aws_request_id
        if not mark.exists():
            mark.touch()
            raise RuntimeError("not yet")
    """
    make_function(aws_lambda, "second-time", source)
    ids = [aws_lambda.invoke(FunctionName="second-time", InvocationType="Event")["ResponseMetadata"]["RequestId"]]
    wait_for(lambda: attempts(node, "second-time").count(ids[0]) == 2, "the second attempt")
    ids.append(aws_lambda.invoke(FunctionName="second-time", InvocationType="Event")["ResponseMetadata"]["RequestId"])
    wait_for(lambda: attempts(node, "second-time").count(ids[1]) == 2, "the second attempt of another")
    assert sorted(attempts(node, "second-time")) == sorted(ids * 2)
    aws_lambda.delete_function(FunctionName="second-time")


@pytest.fixture
def own_node(tmp_path: Any) -> Iterator[Node]:
    """A node that a test may stop and start; its first retry comes after a second."""
    with running_node(tmp_path / "own", FUNCTORY_DELIVERIES_RETRY_BASE_S="1") as node:
        yield node
        assert not node.faults()


@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_accepted_events_survive_the_end_of_the_node(own_node: Node, ending: str) -> None:
    make_function(own_node.client("lambda"), "durable", FAILING)
    answer = own_node.client("lambda").invoke(FunctionName="durable", InvocationType="Event")
    request_id = answer["ResponseMetadata"]["RequestId"]
    wait_for(lambda: attempts(own_node, "durable"), "the first attempt")
    if ending == "stop":
        assert own_node.stop() == 0
    else:
        own_node.kill()
    own_node.start()
    seen = wait_for(lambda: found if len(found := attempts(own_node, "durable")) >= 3 else None, "all attempts")
    assert set(seen) == {request_id}
    assert len(seen) == 3 or ending == "kill"  # what a crash cut short is done again


def test_everything_is_there_after_a_restart(own_node: Node) -> None:
    client = own_node.client("lambda")
    make_function(client, "kept", Publish=True, Tags={"a": "b"})
    client.create_alias(FunctionName="kept", Name="live", FunctionVersion="1")
    before = client.get_function(FunctionName="kept")["Configuration"]
    assert own_node.stop() == 0
    own_node.start()
    client = own_node.client("lambda")
    after = client.get_function(FunctionName="kept")
    assert after["Configuration"] == before
    assert after["Tags"] == {"a": "b"}
    wait_active(client, "kept")
    assert call(client, "kept", {"x": json.dumps("y")}, Qualifier="live") == {"x": '"y"'}
