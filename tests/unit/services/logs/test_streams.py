from __future__ import annotations

from typing import Any

from tests.support.logs_service import NOW_MS, Logs


def _names(logs: Logs, **params: Any) -> list[str]:
    found: list[str] = []
    while True:
        page = logs.call("DescribeLogStreams", logGroupName="g", **params)
        found += [stream["logStreamName"] for stream in page["logStreams"]]
        if "nextToken" not in page:
            return found
        params["nextToken"] = page["nextToken"]


def test_a_stream_tells_its_times_once_it_has_events() -> None:
    logs = Logs()
    logs.group("g", "s")
    arn = "arn:aws:logs:eu-central-1:111122223333:log-group:g:log-stream:s"
    empty = {"logStreamName": "s", "creationTime": NOW_MS, "arn": arn, "storedBytes": 0}
    assert logs.call("DescribeLogStreams", logGroupName="g")["logStreams"] == [empty]
    logs.clock.now_ms += 500
    token = logs.put("s", (3, "b"), (7, "c"))["nextSequenceToken"]
    logs.put("s", (1, "a"))
    (stream,) = logs.call("DescribeLogStreams", logGroupIdentifier=arn.removesuffix(":log-stream:s"))["logStreams"]
    assert stream["firstEventTimestamp"] == NOW_MS + 1
    assert stream["lastEventTimestamp"] == NOW_MS + 7
    assert stream["lastIngestionTime"] == NOW_MS + 500
    assert stream["uploadSequenceToken"] > token


def test_streams_are_unique_in_their_group() -> None:
    logs = Logs()
    logs.group("g", "s")
    assert logs.refused("CreateLogStream", logGroupName="g", logStreamName="s") == (
        "ResourceAlreadyExistsException",
        "The specified log stream already exists",
    )
    assert logs.refused("CreateLogStream", logGroupName="absent", logStreamName="s") == (
        "ResourceNotFoundException",
        "The specified log group does not exist.",
    )


def test_streams_are_listed_by_name_and_prefix_in_both_directions() -> None:
    logs = Logs()
    names = ["2026/[1]a", "2026/[1]b", "2026/[1]B", "2027/[1]a", "X"]
    logs.group("g", *names)
    assert _names(logs, limit=2) == sorted(names)
    assert _names(logs, limit=2, descending=True) == sorted(names, reverse=True)
    assert _names(logs, limit=1, logStreamNamePrefix="2026/[1]") == sorted(names[:3])


def test_streams_are_listed_by_their_last_event() -> None:
    logs = Logs()
    logs.group("g", "never", "old", "new", "tie")
    logs.put("old", (1, "x"))
    logs.put("new", (9, "x"))
    logs.put("tie", (9, "x"))
    assert _names(logs, orderBy="LastEventTime", limit=1) == ["never", "old", "new", "tie"]
    assert _names(logs, orderBy="LastEventTime", limit=1, descending=True) == ["tie", "new", "old", "never"]
    assert logs.refused("DescribeLogStreams", logGroupName="g", orderBy="LastEventTime", logStreamNamePrefix="o") == (
        "InvalidParameterException",
        "Cannot order by LastEventTime with a logStreamNamePrefix.",
    )


def test_a_deleted_stream_is_gone_at_once_and_its_events_too() -> None:
    logs = Logs()
    logs.group("g", "s", "t")
    logs.put("s", (0, "gone"))
    logs.put("t", (0, "stays"))
    logs.call("DeleteLogStream", logGroupName="g", logStreamName="s")
    assert logs.filter() == ["stays"]
    assert logs.refused("DeleteLogStream", logGroupName="g", logStreamName="s") == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
    logs.maintain()
    logs.call("CreateLogStream", logGroupName="g", logStreamName="s")
    assert logs.get("s") == []


def test_the_group_is_named_once() -> None:
    logs = Logs()
    logs.group("g")
    for params in ({}, {"logGroupName": "g", "logGroupIdentifier": "g"}, {"logGroupIdentifier": "arn:aws:s3:::b"}):
        assert logs.refused("DescribeLogStreams", **params)[0] == "InvalidParameterException"
    elsewhere = "arn:aws:logs:us-east-1:111122223333:log-group:g"
    assert logs.refused("DescribeLogStreams", logGroupIdentifier=elsewhere)[0] == "ResourceNotFoundException"
