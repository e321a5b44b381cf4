from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import make_function
from tests.support.node import Node, running_node, wait_for

FAILING = """
def handler(event, context):
    raise RuntimeError("never")
"""
WRITES = """
import json
def handler(event, context):
    print("told", json.dumps(event))
"""


def told(node: Node, name: str) -> list[dict[str, Any]]:
    """The records that a destination was given, in order."""
    logs = node.client("logs")
    try:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}", filterPattern="told")
        events = [event for page in pages for event in page["events"]]
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [json.loads(event["message"].removeprefix("told ")) for event in events]


def test_destinations_are_told_how_events_ended(node: Node, aws_lambda: Any, make: Callable[..., str]) -> None:
    good, bad = make("told-good", WRITES), make("told-bad", WRITES)
    arns = {name: aws_lambda.get_function_configuration(FunctionName=name)["FunctionArn"] for name in (good, bad)}
    destinations = {"OnSuccess": {"Destination": arns[good]}, "OnFailure": {"Destination": arns[bad]}}
    for name, source in (("ends-well", "def handler(event, context):\n    return [event]\n"), ("ends-badly", FAILING)):
        make(name, source)
        put = aws_lambda.put_function_event_invoke_config(
            FunctionName=name, MaximumRetryAttempts=1, DestinationConfig=destinations
        )
        assert put["DestinationConfig"] == destinations
        assert put["FunctionArn"].endswith(f":{name}:$LATEST")
        answer = aws_lambda.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"a": 1}')
        receiver = good if name == "ends-well" else bad
        record = wait_for(lambda receiver=receiver: told(node, receiver), f"{receiver} was told")[0]
        assert record["requestContext"]["requestId"] == answer["ResponseMetadata"]["RequestId"]
        assert record["requestContext"]["functionArn"].endswith(f":{name}:$LATEST")
        assert record["requestPayload"] == {"a": 1}
    assert told(node, good)[0]["requestContext"]["condition"] == "Success"
    assert told(node, good)[0]["responsePayload"] == [{"a": 1}]
    failure = told(node, bad)[0]
    assert failure["requestContext"]["condition"] == "RetriesExhausted"
    assert failure["requestContext"]["approximateInvokeCount"] == 2
    assert failure["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}
    assert failure["responsePayload"]["errorType"] == "RuntimeError"


def test_events_of_a_stopped_function_go_to_its_destination(node: Node, aws_lambda: Any, make: Callable[..., str]) -> None:
    receiver = make("told-stopped", WRITES)
    arn = aws_lambda.get_function_configuration(FunctionName=receiver)["FunctionArn"]
    name = make("is-stopped")
    aws_lambda.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})
    aws_lambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    aws_lambda.invoke(FunctionName=name, InvocationType="Event", Payload=b"1")
    record = wait_for(lambda: told(node, receiver), "the destination was told")[0]
    assert (record["requestPayload"], record["requestContext"]["approximateInvokeCount"]) == (1, 0)
    assert "responsePayload" not in record


def test_a_destination_of_a_service_that_is_not_here_is_refused(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("tells-nobody")
    for arn in ("arn:aws:sns:us-east-1:000000000000:t", "arn:aws:s3:::bucket"):
        with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException, match="does not have"):
            aws_lambda.put_function_event_invoke_config(
                FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}}
            )
    with pytest.raises(aws_lambda.exceptions.ResourceNotFoundException):
        aws_lambda.get_function_event_invoke_config(FunctionName=name)


def received(sqs: Any, url: str) -> list[dict[str, Any]]:
    """Up to ten messages with all they have."""
    found = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["All"], MessageAttributeNames=["All"]
    )
    messages: list[dict[str, Any]] = found.get("Messages", [])
    return messages


def queue(sqs: Any, name: str) -> tuple[str, str]:
    """URL and ARN of a new queue."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def test_records_arrive_in_queues(node: Node, aws_lambda: Any, make: Callable[..., str]) -> None:
    sqs = node.client("sqs")
    (good_url, good), (bad_url, bad) = queue(sqs, "records-good"), queue(sqs, "records-bad")
    destinations = {"OnSuccess": {"Destination": good}, "OnFailure": {"Destination": bad}}
    for name, source, url in (("fills-good", WRITES, good_url), ("fills-bad", FAILING, bad_url)):
        make(name, source)
        put = aws_lambda.put_function_event_invoke_config(
            FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=destinations
        )
        assert put["DestinationConfig"] == destinations
        answer = aws_lambda.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"a": 1}')
        [message] = wait_for(lambda url=url: received(sqs, url), f"{name}'s record has arrived")
        record = json.loads(message["Body"])
        assert record["requestContext"]["requestId"] == answer["ResponseMetadata"]["RequestId"]
        assert record["requestPayload"] == {"a": 1}
        assert record["requestContext"]["condition"] == ("Success" if url == good_url else "RetriesExhausted")
        assert "MessageAttributes" not in message
        assert message["Attributes"]["AWSTraceHeader"].startswith("Root=1-")


def test_events_that_were_given_up_go_to_the_dead_letter_queue(
    node: Node, aws_lambda: Any, make: Callable[..., str]
) -> None:
    sqs = node.client("sqs")
    (url, arn), (records_url, records) = queue(sqs, "dead"), queue(sqs, "records-of-the-dead")
    name = make("dies", FAILING, DeadLetterConfig={"TargetArn": arn})
    shown = aws_lambda.get_function_configuration(FunctionName=name)
    assert shown["DeadLetterConfig"] == {"TargetArn": arn}
    aws_lambda.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": records}}
    )
    answer = aws_lambda.invoke(FunctionName=name, InvocationType="Event", Payload='{"a": "é"}'.encode())
    request_id = answer["ResponseMetadata"]["RequestId"]
    [message] = wait_for(lambda: received(sqs, url), "the dead letter has arrived")
    assert message["Body"] == '{"a": "é"}'
    assert message["MessageAttributes"] == {
        "RequestID": {"DataType": "String", "StringValue": request_id},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": "never"},
    }
    [record] = wait_for(lambda: received(sqs, records_url), "the destination was told, too")
    assert json.loads(record["Body"])["requestContext"]["requestId"] == request_id
    aws_lambda.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    aws_lambda.invoke(FunctionName=name, InvocationType="Event", Payload=b"2")
    [throttled] = wait_for(lambda: received(sqs, url), "the dead letter of the stopped function has arrived")
    assert (throttled["Body"], throttled["MessageAttributes"]["ErrorCode"]["StringValue"]) == ("2", "429")
    answer = aws_lambda.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": ""})
    assert "DeadLetterConfig" not in answer


def test_only_standard_queues_can_be_destinations(aws_lambda: Any, make: Callable[..., str]) -> None:
    name, arn = make("tells-no-fifo"), "arn:aws:sqs:us-east-1:000000000000:q.fifo"
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException, match=f"The destination ARN {arn} is invalid."):
        aws_lambda.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})


KEEPS = """
import pathlib
def handler(event, context):
    (pathlib.Path("/mnt/told") / event["requestContext"]["requestId"]).touch()
"""


def test_no_record_is_lost_when_the_node_is_killed(tmp_path: Path) -> None:
    kept = tmp_path / "told"
    kept.mkdir()
    kept.chmod(0o777)
    mounts = f"{kept}:/mnt/told"
    with running_node(tmp_path / "killed", FUNCTORY_DELIVERIES_RETRY_BASE_S="0.2", FUNCTORY_SANDBOX_MOUNTS=mounts) as node:
        client = node.client("lambda")
        make_function(client, "receiver", KEEPS)
        make_function(client, "sender", FAILING)
        arn = client.get_function_configuration(FunctionName="receiver")["FunctionArn"]
        client.put_function_event_invoke_config(
            FunctionName="sender", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": arn}}
        )
        sent = set()
        for number in range(40):
            answer = client.invoke(FunctionName="sender", InvocationType="Event", Payload=str(number).encode())
            sent.add(answer["ResponseMetadata"]["RequestId"])
            if number in (10, 25):
                node.kill()
                node.start()
                client = node.client("lambda")
        wait_for(lambda: {file.name for file in kept.iterdir()} == sent, "every event's record has arrived")
        assert not node.faults()


def test_no_dead_letter_is_lost_when_the_node_is_killed(tmp_path: Path) -> None:
    with running_node(tmp_path / "killed", FUNCTORY_DELIVERIES_RETRY_BASE_S="0.2") as node:
        client, sqs = node.client("lambda"), node.client("sqs")
        (url, arn), (records_url, records) = queue(sqs, "dead"), queue(sqs, "records")
        make_function(client, "sender", FAILING, DeadLetterConfig={"TargetArn": arn})
        client.put_function_event_invoke_config(
            FunctionName="sender", MaximumRetryAttempts=0, DestinationConfig={"OnFailure": {"Destination": records}}
        )
        sent = set()
        for number in range(20):
            answer = client.invoke(FunctionName="sender", InvocationType="Event", Payload=str(number).encode())
            sent.add(answer["ResponseMetadata"]["RequestId"])
            if number in (6, 13):
                node.kill()
                node.start()
                client, sqs = node.client("lambda"), node.client("sqs")
        letters: set[str] = set()
        told_of: set[str] = set()

        def all_there() -> bool:
            letters.update(each["MessageAttributes"]["RequestID"]["StringValue"] for each in received(sqs, url))
            bodies = [json.loads(each["Body"]) for each in received(sqs, records_url)]
            told_of.update(body["requestContext"]["requestId"] for body in bodies)
            return letters == told_of == sent

        wait_for(all_there, "every event is in both queues")
        assert not node.faults()
