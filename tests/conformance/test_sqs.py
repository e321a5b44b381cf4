"""SQS by boto3, the AWS CLI and the query protocol of older SDKs, against a running node."""

from __future__ import annotations

import json
import sys
import threading
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.node import ACCOUNT, REGION, Node, run, running_node

AWS = str(Path(sys.executable).with_name("aws"))


@pytest.fixture(scope="module")
def sqs(node: Node) -> Any:
    return node.client("sqs")


@pytest.fixture
def url(sqs: Any) -> Iterator[str]:
    made: str = sqs.create_queue(QueueName=f"q-{uuid.uuid4().hex}")["QueueUrl"]
    yield made
    sqs.delete_queue(QueueUrl=made)


def test_boto3_checks_the_md5s_of_what_it_sends_and_receives(sqs: Any, url: str) -> None:
    attributes = {
        "kind": {"DataType": "String", "StringValue": "täst"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\0\1"},
    }
    sqs.send_message(QueueUrl=url, MessageBody="body ☃", MessageAttributes=attributes)
    [message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"], AttributeNames=["All"])["Messages"]
    assert message["Body"] == "body ☃"
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["SenderId"] == ACCOUNT
    sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    assert "Messages" not in sqs.receive_message(QueueUrl=url)


def test_every_error_arrives_as_its_class(sqs: Any, url: str) -> None:
    with pytest.raises(sqs.exceptions.QueueDoesNotExist):
        sqs.get_queue_url(QueueName="nowhere")
    with pytest.raises(sqs.exceptions.ReceiptHandleIsInvalid):
        sqs.delete_message(QueueUrl=url, ReceiptHandle="x")
    with pytest.raises(sqs.exceptions.EmptyBatchRequest):
        sqs.send_message_batch(QueueUrl=url, Entries=[])
    with pytest.raises(sqs.exceptions.QueueNameExists):
        sqs.create_queue(QueueName=url.rpartition("/")[2], Attributes={"DelaySeconds": "9"})


def test_a_long_poll_ends_with_the_message(sqs: Any, url: str, node: Node) -> None:
    found: list[str] = []
    client = node.client("sqs")

    def poll() -> None:
        answer = client.receive_message(QueueUrl=url, WaitTimeSeconds=20)
        found.extend(message["Body"] for message in answer["Messages"])

    waiting = threading.Thread(target=poll)
    waiting.start()
    sqs.send_message(QueueUrl=url, MessageBody="at last")
    waiting.join(timeout=15)
    assert found == ["at last"]


def test_pages_of_queues(sqs: Any) -> None:
    made = [sqs.create_queue(QueueName=f"page-{number}")["QueueUrl"] for number in range(3)]
    try:
        pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix="page-", PaginationConfig={"PageSize": 2})
        assert [url for page in pages for url in page["QueueUrls"]] == made
    finally:
        for each in made:
            sqs.delete_queue(QueueUrl=each)


def test_the_aws_cli_works(node: Node, sqs: Any, url: str) -> None:
    def aws(*arguments: str) -> Any:
        command = [AWS, "--endpoint-url", node.url, "sqs", *arguments]  # this CLI looks for no variable for SQS's address
        output = run(*command, environ=node.aws_environment()).stdout
        return json.loads(output) if output else None

    aws("send-message", "--queue-url", url, "--message-body", "by hand")
    [message] = aws("receive-message", "--queue-url", url, "--attribute-names", "All")["Messages"]
    assert message["Body"] == "by hand"


def test_the_query_protocol_of_older_sdks_works(node: Node, url: str) -> None:
    def query(**parameters: str) -> str:
        scope = f"Credential={ACCOUNT}/20260101/{REGION}/sqs/aws4_request"
        headers = {"Authorization": f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature={'0' * 64}"}
        body = urllib.parse.urlencode({"Version": "2012-11-05", **parameters}).encode()
        path = urllib.parse.urlsplit(url).path
        with urllib.request.urlopen(urllib.request.Request(node.url + path, body, headers)) as answer:
            text: str = answer.read().decode()
            return text

    sent = query(Action="SendMessage", QueueUrl=url, MessageBody="old <sdk>")
    assert "<SendMessageResponse" in sent
    assert "<MD5OfMessageBody>" in sent
    received = query(Action="ReceiveMessage", QueueUrl=url)
    assert "<Body>old &lt;sdk&gt;</Body>" in received


def test_messages_survive_a_killed_node(tmp_path: Path) -> None:
    with running_node(tmp_path / "data") as node:
        sqs = node.client("sqs")
        url = sqs.create_queue(QueueName="q")["QueueUrl"]
        for number in range(20):
            sqs.send_message(QueueUrl=url, MessageBody=f"message {number}")
        [taken] = sqs.receive_message(QueueUrl=url)["Messages"]
        sqs.delete_message(QueueUrl=url, ReceiptHandle=taken["ReceiptHandle"])
        node.kill()
        at_rest = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("functory.db*"))
        assert b"sqs_messages" in at_rest
        assert b"message 17" not in at_rest
        node.start()
        sqs = node.client("sqs")
        url = sqs.get_queue_url(QueueName="q")["QueueUrl"]
        bodies: set[str] = set()
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            bodies |= {message["Body"] for message in messages}
        assert bodies == {f"message {number}" for number in range(20)} - {taken["Body"]}
