from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.test_destinations import WRITES, told
from tests.support.functions import call
from tests.support.node import Node, wait_for

CALLS_ITSELF = """
import json
import boto3
def handler(event, context):
    if event["left"] == 0:
        return "done"
    kind, payload = event.get("type", "RequestResponse"), json.dumps({**event, "left": event["left"] - 1})
    client = boto3.client("lambda")
    try:
        answer = client.invoke(FunctionName=context.function_name, InvocationType=kind, Payload=payload)
        return json.loads(answer["Payload"].read() or b"0")
    except client.exceptions.RecursiveInvocationException as error:
        return [event["left"], error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]]
"""


def test_a_function_that_calls_itself_is_stopped_at_its_17th_trip(aws_lambda: Any, make: Callable[..., str]) -> None:
    name = make("calls-itself", CALLS_ITSELF, Timeout=60)
    assert call(aws_lambda, name, {"left": 17}) == [2, 400, "RecursiveInvocationException"]
    aws_lambda.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
    assert call(aws_lambda, name, {"left": 17}) == "done"
    assert aws_lambda.get_function_recursion_config(FunctionName=name)["RecursiveLoop"] == "Allow"


def test_an_asynchronous_loop_ends_in_the_failure_destination(node: Node, aws_lambda: Any, make: Callable[..., str]) -> None:
    receiver = make("told-loop", WRITES)
    arn = aws_lambda.get_function_configuration(FunctionName=receiver)["FunctionArn"]
    name = make("sends-itself", CALLS_ITSELF, Timeout=60)
    aws_lambda.put_function_event_invoke_config(FunctionName=name, DestinationConfig={"OnFailure": {"Destination": arn}})
    aws_lambda.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"left": 20, "type": "Event"}')
    record = wait_for(lambda: told(node, receiver), "the destination was told of the loop")[0]
    assert record["requestPayload"]["left"] == 4
    assert record["requestContext"]["approximateInvokeCount"] == 0


def test_two_functions_that_are_each_others_destination_are_stopped(
    node: Node, aws_lambda: Any, make: Callable[..., str]
) -> None:
    arns = {}
    for name in ("ping", "pong"):
        make(name, "def handler(event, context):\n    print('told', '1')\n")
        arns[name] = aws_lambda.get_function_configuration(FunctionName=name)["FunctionArn"]
    for name, other in (("ping", "pong"), ("pong", "ping")):
        aws_lambda.put_function_event_invoke_config(
            FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": arns[other]}}
        )
    aws_lambda.invoke(FunctionName="ping", InvocationType="Event")
    wait_for(lambda: "RecursiveInvocation" in node.log_file.read_text(), "the loop was ended")
    wait_for(lambda: (len(told(node, "ping")), len(told(node, "pong"))) == (16, 16), "both ran sixteen times")


def test_the_configuration_is_of_functions_only(aws_lambda: Any) -> None:
    with pytest.raises(aws_lambda.exceptions.ResourceNotFoundException):
        aws_lambda.get_function_recursion_config(FunctionName="nobody")


SENDS_ON = """
import os
import boto3
def handler(event, context):
    print("told", "1")
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody="again")
"""


def test_a_loop_through_a_queue_is_stopped(node: Node, aws_lambda: Any, make: Callable[..., str]) -> None:
    sqs = node.client("sqs")
    url = sqs.create_queue(QueueName="round-and-round")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    name = make("sends-on", SENDS_ON, Timeout=20, Environment={"Variables": {"QUEUE": url}})
    mapping = aws_lambda.create_event_source_mapping(FunctionName=name, EventSourceArn=arn, BatchSize=1)["UUID"]
    try:
        sqs.send_message(QueueUrl=url, MessageBody="begin")
        wait_for(lambda: "recursive_loop_ended" in node.log_file.read_text(), "the loop was ended")
        wait_for(lambda: len(told(node, name)) == 16, "it ran sixteen times")
    finally:
        aws_lambda.delete_event_source_mapping(UUID=mapping)
        sqs.delete_queue(QueueUrl=url)
