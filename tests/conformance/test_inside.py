"""A function that is itself a client of the node, with nothing but what its environment gives it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.functions import call, make_function
from tests.support.node import ACCOUNT, REGION, Node

SOURCE = """
import json
import boto3

def handler(event, context):
    return globals()[event.pop("do")](**event)

def functions():
    pages = boto3.client("lambda").get_paginator("list_functions").paginate()
    return [found["FunctionArn"] for page in pages for found in page["Functions"]]

def ask(name, payload):
    answer = boto3.client("lambda").invoke(FunctionName=name, Payload=json.dumps(payload))
    return json.load(answer["Payload"])

def write(group, text, timestamp):
    logs = boto3.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="inside")
    logs.put_log_events(logGroupName=group, logStreamName="inside", logEvents=[{"timestamp": timestamp, "message": text}])
    return logs.meta.region_name
"""
ANSWERER = "def handler(event, context):\n    return [context.invoked_function_arn, event]\n"
ELSEWHERE = ("777788889999", "sa-east-1")


@pytest.fixture(scope="module", params=["home", "elsewhere"])
def place(request: pytest.FixtureRequest, node: Node) -> Iterator[dict[str, Any]]:
    """A caller and an answerer in the account and region of all tests, and in others."""
    account, region = (ACCOUNT, REGION) if request.param == "home" else ELSEWHERE
    client = node.client("lambda", account=account, region=region)
    make_function(client, "caller", SOURCE, Timeout=30, MemorySize=512)
    make_function(client, "answerer", ANSWERER)
    yield {
        "account": account,
        "region": region,
        "client": client,
        "logs": node.client("logs", account=account, region=region),
    }
    for name in ("caller", "answerer"):
        client.delete_function(FunctionName=name)


def test_a_function_lists_the_functions_of_its_account(place: dict[str, Any]) -> None:
    found = call(place["client"], "caller", {"do": "functions"})
    start = f"arn:aws:lambda:{place['region']}:{place['account']}:function:"
    assert {start + "caller", start + "answerer"} <= set(found)
    assert all(arn.startswith(start) for arn in found)


def test_a_function_calls_another(place: dict[str, Any]) -> None:
    arn = f"arn:aws:lambda:{place['region']}:{place['account']}:function:answerer"
    assert call(place["client"], "caller", {"do": "ask", "name": "answerer", "payload": {"n": 1}}) == [arn, {"n": 1}]


def test_a_function_writes_log_events(place: dict[str, Any]) -> None:
    region = call(
        place["client"],
        "caller",
        {"do": "write", "group": "inside", "text": "from within", "timestamp": int(time.time() * 1000)},
    )
    assert region == place["region"]
    events = place["logs"].filter_log_events(logGroupName="inside")["events"]
    assert [event["message"] for event in events] == ["from within"]
    place["logs"].delete_log_group(logGroupName="inside")
