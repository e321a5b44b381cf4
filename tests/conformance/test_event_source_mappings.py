"""Queues that feed functions, by boto3 against a running node."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.node import ACCOUNT, REGION, Node, wait_for

SOURCE = """
def handler(event, context):
    failed = []
    for record in event["Records"]:
        print("got", record["body"])
        if "bad" in record["body"]:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}
"""


@pytest.fixture(scope="module")
def sqs(node: Node) -> Any:
    return node.client("sqs")


@pytest.fixture
def queue(sqs: Any) -> Iterator[tuple[str, str]]:
    """URL and ARN."""
    name = f"q-{uuid.uuid4().hex}"
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    yield url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
    sqs.delete_queue(QueueUrl=url)


@pytest.fixture
def function(make: Callable[..., str]) -> str:
    return make(f"from-queue-{uuid.uuid4().hex[:8]}", SOURCE, Timeout=10)


def settled(aws_lambda: Any, identifier: str, state: str) -> None:
    def look() -> bool:
        found: str = aws_lambda.get_event_source_mapping(UUID=identifier)["State"]
        return found == state

    wait_for(look, f"the mapping is {state}")


def left(sqs: Any, url: str) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def test_messages_run_through_the_function_and_are_gone(
    aws_lambda: Any, sqs: Any, logs: Any, function: str, queue: tuple[str, str]
) -> None:
    url, arn = queue
    made = aws_lambda.create_event_source_mapping(
        EventSourceArn=arn, FunctionName=function, FunctionResponseTypes=["ReportBatchItemFailures"], Tags={"a": "1"}
    )
    identifier = made["UUID"]
    function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{function}"
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert {key: value for key, value in made.items() if key not in {"ResponseMetadata", "LastModified"}} == {
        "UUID": identifier,
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "EventSourceArn": arn,
        "EventSourceMappingArn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:event-source-mapping:{identifier}",
        "FunctionArn": function_arn,
        "FunctionResponseTypes": ["ReportBatchItemFailures"],
        "State": "Creating",
        "StateTransitionReason": "USER_INITIATED",
    }
    settled(aws_lambda, identifier, "Enabled")
    assert aws_lambda.list_tags(Resource=made["EventSourceMappingArn"])["Tags"] == {"a": "1"}
    for number in range(25):
        sqs.send_message(QueueUrl=url, MessageBody=f"good {number}")
    sqs.send_message(QueueUrl=url, MessageBody="bad one")
    wait_for(lambda: left(sqs, url) == 1, "all but one are done")

    def printed() -> bool:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{function}", filterPattern="got")["events"]
        return {event["message"].strip() for event in events} >= {f"got good {number}" for number in range(25)}

    wait_for(printed, "the function has seen them")
    assert aws_lambda.delete_event_source_mapping(UUID=identifier)["State"] == "Deleting"

    def gone() -> bool:
        return not aws_lambda.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]

    wait_for(gone, "the mapping is gone")


def test_a_mapping_is_changed_disabled_and_enabled(aws_lambda: Any, sqs: Any, function: str, queue: tuple[str, str]) -> None:
    url, arn = queue
    made = aws_lambda.create_event_source_mapping(EventSourceArn=arn, FunctionName=function, Enabled=False)
    assert made["State"] == "Disabled"
    sqs.send_message(QueueUrl=url, MessageBody="waits")
    pattern = json.dumps({"body": {"x": [1]}})
    changed = aws_lambda.update_event_source_mapping(
        UUID=made["UUID"], BatchSize=5, Enabled=True, FilterCriteria={"Filters": [{"Pattern": pattern}]},
        ScalingConfig={"MaximumConcurrency": 3},
    )  # fmt: skip
    assert (changed["State"], changed["BatchSize"]) == ("Enabling", 5)
    assert changed["FilterCriteria"] == {"Filters": [{"Pattern": pattern}]}
    assert changed["ScalingConfig"] == {"MaximumConcurrency": 3}
    wait_for(lambda: left(sqs, url) == 0, "what no filter lets through is deleted")
    settled(aws_lambda, made["UUID"], "Enabled")
    assert aws_lambda.update_event_source_mapping(UUID=made["UUID"], Enabled=False)["State"] == "Disabling"
    settled(aws_lambda, made["UUID"], "Disabled")
    aws_lambda.delete_event_source_mapping(UUID=made["UUID"])


@pytest.mark.parametrize(
    ("members", "code", "text"),
    [
        ({"EventSourceArn": None}, "InvalidParameterValueException", "Unrecognized event source."),
        ({"FunctionName": "nobody"}, "ResourceNotFoundException", "Function not found"),
        ({"BatchSize": 11}, "InvalidParameterValueException", "Maximum batch window in seconds must be greater than 0"),
        ({"BisectBatchOnFunctionError": True}, "InvalidParameterValueException", "Unsupported BisectBatchOnFunctionError"),
        ({"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:eu-west-1:111122223333:q"}}},
         "InvalidParameterValueException", "Unsupported DestinationConfig parameter"),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{"}]}}, "InvalidParameterValueException", "Invalid filter pattern"),
        ({"EventSourceArn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:nowhere"}, "InvalidParameterValueException",
         "SQS Error Code: AWS.SimpleQueueService.NonExistentQueue"),
        ({"EventSourceArn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"}, "InvalidParameterValueException",
         "not supported by this version"),
        ({"KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"}, "InvalidParameterValueException", "not supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_mapped_is_refused(
    aws_lambda: Any, function: str, queue: tuple[str, str], members: dict[str, Any], code: str, text: str
) -> None:
    wanted = {"EventSourceArn": queue[1], "FunctionName": function, **members}
    with pytest.raises(ClientError) as refused:
        aws_lambda.create_event_source_mapping(**{name: value for name, value in wanted.items() if value is not None})
    assert refused.value.response["Error"]["Code"] == code
    assert text in refused.value.response["Error"]["Message"]
    assert aws_lambda.list_event_source_mappings(FunctionName=function)["EventSourceMappings"] == []


def test_one_queue_feeds_a_function_once_and_not_faster_than_its_timeout_allows(
    aws_lambda: Any, sqs: Any, function: str, queue: tuple[str, str]
) -> None:
    url, arn = queue
    made = aws_lambda.create_event_source_mapping(EventSourceArn=arn, FunctionName=function, Enabled=False)
    with pytest.raises(aws_lambda.exceptions.ResourceConflictException, match=made["UUID"]):
        aws_lambda.create_event_source_mapping(EventSourceArn=arn, FunctionName=function)
    aws_lambda.delete_event_source_mapping(UUID=made["UUID"])
    wait_for(lambda: not aws_lambda.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"], "it is gone")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "5"})
    with pytest.raises(aws_lambda.exceptions.InvalidParameterValueException, match="visibility timeout: 5 seconds"):
        aws_lambda.create_event_source_mapping(EventSourceArn=arn, FunctionName=function)


def test_an_absent_mapping_is_not_found(aws_lambda: Any) -> None:
    for call in (aws_lambda.get_event_source_mapping, aws_lambda.delete_event_source_mapping):
        with pytest.raises(aws_lambda.exceptions.ResourceNotFoundException):
            call(UUID=str(uuid.uuid4()))
