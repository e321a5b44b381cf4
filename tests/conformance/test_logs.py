from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.functions import call, make_function
from tests.support.node import ACCOUNT, REGION, wait_for

SOURCE = """
import logging
print("imported")
LOG = logging.getLogger()
LOG.setLevel("INFO")

def handler(event, context):
    print("level=low", "answer", 42)
    print('{"level": "high", "answer": 43}')
    LOG.info("first line\\nsecond line")
    LOG.debug("never")
    print("trailing without end", end="")
"""
GROUP = "/aws/lambda/logging"
RUNTIME_ARN = rf"arn:aws:lambda:{REGION}::runtime:[0-9a-f]{{64}}"
DURATIONS = r"Duration: \d+\.\d\d ms\tBilled Duration: \d+ ms"
INIT_DURATION = r"Init Duration: \d+\.\d\d ms"
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


def messages(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events]


@pytest.fixture(scope="module")
def written(aws_lambda: Any, logs: Any) -> Iterator[list[dict[str, Any]]]:
    """All events of one invocation, the first of its environment."""
    make_function(aws_lambda, "logging", SOURCE)
    assert call(aws_lambda, "logging") is None

    def complete() -> list[dict[str, Any]] | None:
        try:
            events: list[dict[str, Any]] = logs.filter_log_events(logGroupName=GROUP)["events"]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return events if any("REPORT" in text for text in messages(events)) else None

    yield wait_for(complete, "the log arrived")
    aws_lambda.delete_function(FunctionName="logging")
    logs.delete_log_group(logGroupName=GROUP)


def test_the_lines_of_an_invocation_are_those_of_aws(written: list[dict[str, Any]]) -> None:
    patterns = [
        rf"INIT_START Runtime Version: python:3\.11\.\S+\tRuntime Version ARN: {RUNTIME_ARN}\n",
        r"imported\n",
        rf"START RequestId: (?P<id>{UUID}) Version: \$LATEST\n",
        r"level=low answer 42\n",
        r'\{"level": "high", "answer": 43\}\n',
        rf"\[INFO\]\t\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z\t{UUID}\tfirst line\nsecond line\n",
        r"trailing without end\n?",
        rf"END RequestId: {UUID}\n",
        rf"REPORT RequestId: {UUID}\t{DURATIONS}\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t{INIT_DURATION}\t\n",
    ]
    found = messages(written)
    assert len(found) == len(patterns), found
    for text, pattern in zip(found, patterns, strict=True):
        assert re.fullmatch(pattern, text), (pattern, text)
    ids = {match[1] for text in found if (match := re.search(rf"(?:RequestId: |Z\t)({UUID})", text))}
    assert len(ids) == 1


def test_the_billed_duration_of_a_first_call_has_its_init(written: list[dict[str, Any]]) -> None:
    report = messages(written)[-1]
    duration, billed, init = (
        float(re.search(rf"\t{name}: ([\d.]+) ms", report)[1])  # type: ignore[index]
        for name in ("Duration", "Billed Duration", "Init Duration")
    )
    assert duration + init <= billed <= duration + init + 1.01


def test_events_say_where_and_when(written: list[dict[str, Any]]) -> None:
    assert {frozenset(event) for event in written} == {
        frozenset({"logStreamName", "timestamp", "message", "ingestionTime", "eventId"})
    }
    (stream,) = {event["logStreamName"] for event in written}
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
    assert [event["timestamp"] for event in written] == sorted(event["timestamp"] for event in written)
    assert len({event["eventId"] for event in written}) == len(written)


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("REPORT", 1),
        ("RequestId", 3),
        ('"answer 42"', 1),
        ("answer -low", 1),
        ("?INIT_START ?imported", 2),
        ('{ $.level = "high" && $.answer > 42 }', 1),
        ("{ $.answer = 44 }", 0),
        ("%line\\ssecond|second line%", 1),
        ("[kind=REPORT, label, id, ...]", 1),
        ("nowhere", 0),
    ],
)
def test_patterns_filter(logs: Any, written: list[dict[str, Any]], pattern: str, count: int) -> None:
    assert len(logs.filter_log_events(logGroupName=GROUP, filterPattern=pattern)["events"]) == count


def test_a_stream_is_read_page_by_page(logs: Any, written: list[dict[str, Any]]) -> None:
    stream = written[0]["logStreamName"]
    seen: list[str] = []
    token: dict[str, str] = {}
    while True:
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, startFromHead=True, limit=2, **token)
        assert len(page["events"]) <= 2
        seen += messages(page["events"])
        if token.get("nextToken") == page["nextForwardToken"]:
            break
        token = {"nextToken": page["nextForwardToken"]}
    assert seen == messages(written)
    newest = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, limit=2)
    assert messages(newest["events"]) == messages(written)[-2:]
    older = logs.get_log_events(logGroupName=GROUP, logStreamName=stream, limit=2, nextToken=newest["nextBackwardToken"])
    assert messages(older["events"]) == messages(written)[-4:-2]


def test_filtered_events_come_page_by_page(logs: Any, written: list[dict[str, Any]]) -> None:
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, PaginationConfig={"PageSize": 2})
    assert [text for page in pages for text in messages(page["events"])] == messages(written)


def test_times_bound_what_is_found(logs: Any, written: list[dict[str, Any]]) -> None:
    first, last = written[0]["timestamp"], written[-1]["timestamp"]
    assert logs.filter_log_events(logGroupName=GROUP, endTime=first - 1)["events"] == []
    assert logs.filter_log_events(logGroupName=GROUP, startTime=last + 1)["events"] == []
    assert len(logs.filter_log_events(logGroupName=GROUP, startTime=first, endTime=last)["events"]) == len(written)


def test_group_and_stream_are_described(logs: Any, written: list[dict[str, Any]]) -> None:
    (group,) = logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]
    assert group["logGroupName"] == GROUP
    assert group["arn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}:*"
    assert "retentionInDays" not in group
    (stream,) = logs.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]
    assert stream["logStreamName"] == written[0]["logStreamName"]
    assert stream["firstEventTimestamp"] == written[0]["timestamp"]
    assert stream["lastEventTimestamp"] == written[-1]["timestamp"]


def test_retention_is_set_and_taken_away(logs: Any) -> None:
    logs.create_log_group(logGroupName="kept", tags={"team": "blue"})
    logs.put_retention_policy(logGroupName="kept", retentionInDays=7)
    assert logs.describe_log_groups(logGroupNamePrefix="kept")["logGroups"][0]["retentionInDays"] == 7
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.put_retention_policy(logGroupName="kept", retentionInDays=8)
    logs.delete_retention_policy(logGroupName="kept")
    assert "retentionInDays" not in logs.describe_log_groups(logGroupNamePrefix="kept")["logGroups"][0]
    logs.delete_log_group(logGroupName="kept")


def test_what_is_put_is_read(logs: Any, written: list[dict[str, Any]]) -> None:
    now = written[0]["timestamp"]
    logs.create_log_group(logGroupName="own")
    logs.create_log_stream(logGroupName="own", logStreamName="one")
    events = [{"timestamp": now + number, "message": f"event {number}"} for number in range(3)]
    logs.put_log_events(logGroupName="own", logStreamName="one", logEvents=events)
    found = logs.get_log_events(logGroupName="own", logStreamName="one", startFromHead=True)["events"]
    assert [{name: event[name] for name in ("timestamp", "message")} for event in found] == events
    logs.delete_log_stream(logGroupName="own", logStreamName="one")
    assert logs.filter_log_events(logGroupName="own")["events"] == []
    logs.delete_log_group(logGroupName="own")


@pytest.mark.parametrize(
    ("method", "params", "code", "text"),
    [
        ("delete_log_group", {"logGroupName": "no"}, "ResourceNotFoundException", "The specified log group does not exist."),
        (
            *("get_log_events", {"logGroupName": GROUP, "logStreamName": "no"}),
            *("ResourceNotFoundException", "The specified log stream does not exist."),
        ),
        (
            *("create_log_group", {"logGroupName": GROUP}),
            *("ResourceAlreadyExistsException", "The specified log group already exists"),
        ),
    ],
)
def test_errors_of_the_logs_are_those_of_aws(
    logs: Any, written: list[dict[str, Any]], method: str, params: dict[str, Any], code: str, text: str
) -> None:
    with pytest.raises(ClientError) as refusal:
        getattr(logs, method)(**params)
    error = refusal.value.response["Error"]
    assert (error["Code"], error["Message"]) == (code, text)
    assert isinstance(refusal.value, getattr(logs.exceptions, code))


def test_a_function_can_have_a_group_of_its_own(aws_lambda: Any, logs: Any, make: Callable[..., str]) -> None:
    name = make("elsewhere", "def handler(event, context):\n    print('here')\n", LoggingConfig={"LogGroup": "shared-group"})
    call(aws_lambda, name)

    def found() -> list[dict[str, Any]] | None:
        try:
            events: list[dict[str, Any]] = logs.filter_log_events(logGroupName="shared-group", filterPattern="here")[
                "events"
            ]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return events

    (event,) = wait_for(found, "the log arrived")
    assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d/{name}\[\$LATEST\][0-9a-f]{{32}}", event["logStreamName"])
    logs.delete_log_group(logGroupName="shared-group")


def test_an_exception_is_one_event(aws_lambda: Any, logs: Any, make: Callable[..., str]) -> None:
    name = make("crashing", "def handler(event, context):\n    raise KeyError('colour')\n")
    answer = aws_lambda.invoke(FunctionName=name)
    assert json.loads(answer["Payload"].read())["errorType"] == "KeyError"

    def found() -> list[dict[str, Any]] | None:
        try:
            events: list[dict[str, Any]] = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern="ERROR")[
                "events"
            ]
        except logs.exceptions.ResourceNotFoundException:
            return None
        return events

    (event,) = wait_for(found, "the log arrived")
    assert event["message"].startswith("[ERROR] KeyError: 'colour'\nTraceback (most recent call last):\n")
    assert "raise KeyError('colour')" in event["message"]


def test_json_logs_have_levels_and_records(aws_lambda: Any, logs: Any, make: Callable[..., str]) -> None:
    source = (
        "import logging\n"
        "def handler(event, context):\n"
        "    logging.getLogger().debug('unseen')\n"
        "    logging.getLogger().warning('seen')\n"
        "    print('plain')\n"
    )
    name = make("as-json", source, LoggingConfig={"LogFormat": "JSON"})
    shown = aws_lambda.get_function_configuration(FunctionName=name)["LoggingConfig"]
    assert shown == {
        "LogFormat": "JSON",
        "ApplicationLogLevel": "INFO",
        "SystemLogLevel": "INFO",
        "LogGroup": f"/aws/lambda/{name}",
    }
    call(aws_lambda, name)

    def told() -> list[str] | None:
        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}")["events"]
        texts = [event["message"].rstrip() for event in events]
        return texts if any("platform.report" in text for text in texts) else None

    texts = wait_for(told, "the report is logged")
    assert "plain" in texts
    documents = [json.loads(text) for text in texts if text.startswith("{")]
    assert [each["type"] for each in documents if "type" in each] == [
        "platform.initStart",
        "platform.start",
        "platform.report",
    ]
    said = [each for each in documents if "message" in each]
    assert [(each["level"], each["message"]) for each in said] == [("WARNING", "seen")]
    assert said[0]["requestId"] == documents[-1]["record"]["requestId"]
