from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.services.logs import events, scan
from tests.support.logs_service import DAY_MS, NOW_MS, Logs

HOUR_MS = 3_600_000


@pytest.fixture(autouse=True, scope="module")
def _short_fetches() -> Iterator[None]:
    """So that few chunks already take several queries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "FETCH_PLACES", 3)
        patch.setattr(scan, "FETCH_BODIES", 2)
        yield


def test_events_are_read_back_with_their_times() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.clock.now_ms += 5
    answer = logs.put("s", (0, "a"), (0, "b"), (1, "ü"))
    assert len(answer["nextSequenceToken"]) == 56
    assert "rejectedLogEventsInfo" not in answer
    page = logs.call("GetLogEvents", logGroupName="g", logStreamName="s")
    assert page["events"] == [
        {"timestamp": NOW_MS, "message": "a", "ingestionTime": NOW_MS + 5},
        {"timestamp": NOW_MS, "message": "b", "ingestionTime": NOW_MS + 5},
        {"timestamp": NOW_MS + 1, "message": "ü", "ingestionTime": NOW_MS + 5},
    ]


@pytest.mark.parametrize(
    ("batch", "text"),
    [
        ([(1, "a"), (0, "b")], "Log events in a single PutLogEvents request must be in chronological order."),
        ([(0, "a" * 1_048_551)], "Log event too large: 1048577 bytes exceeds limit of 1048576"),
        ([(0, "ä" * 262_144), (0, "ä" * 262_144)], "Upload too large: 1048628 bytes exceeds limit of 1048576"),
        (
            [(-25 * HOUR_MS, "a"), (0, "b")],
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        ),
    ],
)
def test_a_batch_that_breaks_a_rule_is_refused_whole(batch: list[tuple[int, str]], text: str) -> None:
    logs = Logs()
    logs.group("g", "s")
    with pytest.raises(Exception, match=text):
        logs.put("s", *batch)
    assert logs.get("s") == []


def test_events_out_of_time_are_left_out_and_reported() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.call("PutRetentionPolicy", logGroupName="g", retentionInDays=7)
    answer = logs.put(
        "s",
        (-15 * DAY_MS, "too old"),
        (-8 * DAY_MS, "expired"),
        (-1, "in time"),
        (2 * HOUR_MS, "just"),
        (2 * HOUR_MS + 1, "new"),
    )
    assert answer["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1,
        "expiredLogEventEndIndex": 2,
        "tooNewLogEventStartIndex": 4,
    }
    assert logs.get("s") == ["in time", "just"]


def test_a_batch_of_only_bad_times_is_answered_and_stores_nothing() -> None:
    logs = Logs()
    logs.group("g", "s")
    answer = logs.put("s", (3 * HOUR_MS, "new"))
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 0}
    assert logs.get("s") == []


def test_unknown_group_or_stream_is_refused() -> None:
    logs = Logs()
    logs.group("g")
    batch = [{"timestamp": NOW_MS, "message": "x"}]
    assert logs.refused("PutLogEvents", logGroupName="g", logStreamName="s", logEvents=batch) == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )
    for operation in ("GetLogEvents", "FilterLogEvents"):
        assert logs.refused(operation, logGroupName="absent", logStreamName="s") == (
            "ResourceNotFoundException",
            "The specified log group does not exist.",
        )
    assert logs.refused("FilterLogEvents", logGroupName="g", logStreamNames=["s"])[0] == "ResourceNotFoundException"


def test_an_entity_is_not_kept_and_the_answer_says_so() -> None:
    logs = Logs()
    logs.group("g", "s")
    answer = logs.call(
        "PutLogEvents",
        logGroupName="g",
        logStreamName="s",
        logEvents=[{"timestamp": NOW_MS, "message": "x"}],
        entity={"keyAttributes": {"Type": "Service", "Name": "x"}},
    )
    assert answer["rejectedEntityInfo"] == {"errorType": "UnsupportedLogGroupType"}
    assert logs.get("s") == ["x"]


def test_the_newest_events_come_first_unless_the_head_is_asked_for() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.put("s", *((offset, str(offset)) for offset in range(5)))
    assert logs.get("s", limit=2) == ["3", "4"]
    assert logs.get("s", limit=2, startFromHead=True) == ["0", "1"]
    assert logs.get("s", startTime=NOW_MS + 1, endTime=NOW_MS + 3) == ["1", "2"]
    assert logs.filter(startTime=NOW_MS + 1, endTime=NOW_MS + 3) == ["1", "2", "3"]


def test_the_token_at_the_end_comes_back_and_later_finds_what_is_new() -> None:
    logs = Logs()
    logs.group("g", "s")

    def page(**params: Any) -> tuple[list[str], str, str]:
        answer = logs.call("GetLogEvents", logGroupName="g", logStreamName="s", **params)
        return [event["message"] for event in answer["events"]], answer["nextForwardToken"], answer["nextBackwardToken"]

    found, forward, _ = page(startFromHead=True)
    assert found == []
    logs.put("s", (0, "a"))
    found, forward, backward = page(nextToken=forward, startFromHead=True)
    assert found == ["a"]
    assert forward.startswith("f/")
    assert backward.startswith("b/")
    assert page(nextToken=forward)[:2] == ([], forward)
    assert page(nextToken=backward)[::2] == ([], backward)
    logs.put("s", (0, "b"))
    assert page(nextToken=forward)[0] == ["b"]
    at_end = page(nextToken=forward)[1]
    turned = page(nextToken=at_end)[2]
    assert page(nextToken=turned)[0] == ["a", "b"]


def test_a_foreign_token_is_refused() -> None:
    logs = Logs()
    logs.group("g", "s")
    expected = ("InvalidParameterException", "The specified nextToken is invalid.")
    for token in ("x", "f/1/s", f"g/{'9' * 56}/s", "ü"):
        assert logs.refused("GetLogEvents", logGroupName="g", logStreamName="s", nextToken=token) == expected
    for token in ("x", "bm90aGluZw==", "ü", "WzFd"):
        assert logs.refused("FilterLogEvents", logGroupName="g", nextToken=token) == expected


def test_a_page_holds_one_mebibyte() -> None:
    logs = Logs()
    logs.group("g", "s")
    for offset in range(3):
        logs.put("s", (offset, str(offset) * 500_000))
    assert [text[0] for text in logs.get("s", startFromHead=True)] == ["0", "1"]
    assert [text[0] for text in logs.get("s")] == ["1", "2"]
    assert [text[0] for text in logs.filter()] == ["0", "1"]


def test_a_search_interleaves_streams_and_names_every_event() -> None:
    logs = Logs()
    logs.group("g", "s1", "s2", "t")
    logs.put("s1", (0, "a"), (4, "d"))
    logs.put("s2", (2, "b"))
    logs.put("t", (3, "c"))
    answer = logs.call("FilterLogEvents", logGroupName="g")
    assert [(event["logStreamName"], event["message"]) for event in answer["events"]] == [
        ("s1", "a"),
        ("s2", "b"),
        ("t", "c"),
        ("s1", "d"),
    ]
    assert answer["searchedLogStreams"] == []
    assert "nextToken" not in answer
    ids = [event["eventId"] for event in answer["events"]]
    assert all(len(each) == 56 and each.isdigit() for each in ids)
    assert len(set(ids)) == 4
    assert logs.filter(logStreamNamePrefix="s") == ["a", "b", "d"]
    assert logs.filter(logStreamNames=["t", "s2"]) == ["b", "c"]
    assert logs.filter(startFromHead=False) == ["d", "c", "b", "a"]
    assert logs.filter(filterPattern="?a ?d") == ["a", "d"]


def test_contradictions_in_a_search_are_refused() -> None:
    logs = Logs()
    logs.group("g", "s")
    for params in (
        {"logStreamNames": ["s"], "logStreamNamePrefix": "s"},
        {"startFromHead": False, "startTime": 1_704_067_199_999},
        {"filterPattern": "{ $.a = }"},
    ):
        assert logs.refused("FilterLogEvents", logGroupName="g", **params)[0] == "InvalidParameterException"


def test_a_long_search_answers_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "SEARCH_BYTES_MAX", 300)
    logs = Logs()
    logs.group("g", "s")
    logs.put("s", *((offset, "hit" if offset == 25 else "miss") for offset in range(30)))
    first = logs.call("FilterLogEvents", logGroupName="g", filterPattern="hit")
    assert first["events"] == []
    pages = _all_pages(logs, filterPattern="hit")
    assert [event["message"] for page in pages for event in page] == ["hit"]
    assert len(pages) == 3


def test_expired_events_are_not_shown() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.put("s", (-2 * DAY_MS, "old"))
    logs.put("s", (0, "new"))
    logs.call("PutRetentionPolicy", logGroupName="g", retentionInDays=1)
    assert logs.get("s") == ["new"]
    assert logs.filter() == ["new"]


def test_printed_events_are_seen_at_once() -> None:
    logs = Logs()
    logs.append("s", (0, "a\n"))
    assert logs.filter() == ["a\n"]
    logs.append("s", (1, "b\n"))
    assert logs.get("s") == ["a\n", "b\n"]
    assert [group["logGroupName"] for group in logs.call("DescribeLogGroups")["logGroups"]] == ["g"]


def test_a_metric_filter_is_tested_on_messages() -> None:
    logs = Logs()
    answer = logs.call("TestMetricFilter", filterPattern="[ip, ..., status=4*]", logEventMessages=["1 x 404", "2 y 200"])
    assert answer["matches"] == [
        {"eventNumber": 1, "eventMessage": "1 x 404", "extractedValues": {"$ip": "1", "$2": "x", "$status": "404"}}
    ]
    refused = logs.refused("TestMetricFilter", filterPattern="a:b", logEventMessages=["x"])
    assert refused == ("InvalidParameterException", "Invalid filter pattern: Invalid character(s) in term 'a:b'")


def _all_pages(logs: Logs, **params: Any) -> list[list[dict[str, Any]]]:
    pages = []
    for _ in range(1000):
        answer = logs.call("FilterLogEvents", logGroupName="g", **params)
        pages.append(answer["events"])
        if "nextToken" not in answer:
            return pages
        params["nextToken"] = answer["nextToken"]
    raise AssertionError("paging does not end")


BATCHES = st.lists(
    st.tuples(
        st.sampled_from(["s", "t"]),
        st.lists(st.integers(-5, 5).map(lambda step: step * 1_000_000), min_size=1, max_size=6),
        st.booleans(),
    ),
    max_size=8,
)


def _filled(batches: list[tuple[str, list[int], bool]], compact: bool) -> tuple[Logs, dict[str, list[str]], list[str]]:
    """A group with the batches; its messages per stream and overall, in the order they must come."""
    logs = Logs()
    logs.group("g", "s", "t")
    numbers = itertools.count()
    rows: list[tuple[int, int, str, int, str]] = []
    for stream, offsets, printed in batches:
        logs.clock.now_ms += 1
        batch = [(offset, str(next(numbers))) for offset in (offsets if printed else sorted(offsets))]
        if printed:
            logs.append(stream, *batch)
            logs.filter(startTime=NOW_MS, endTime=NOW_MS)
        else:
            logs.put(stream, *batch)
        rows += [(offset, logs.clock.now_ms, stream, int(message), message) for offset, message in batch]
    if compact:
        _compact(logs)
    rows.sort()
    return logs, {name: [row[4] for row in rows if row[2] == name] for name in ("s", "t")}, [row[4] for row in rows]


def _compact(logs: Logs) -> None:
    from sqlalchemy import update

    from functory.services.logs.tables import STREAMS

    asyncio.run(logs.store.write(lambda connection: connection.execute(update(STREAMS).values(small_chunks=99))))
    logs.maintain()


@settings(max_examples=25, deadline=None)
@given(batches=BATCHES, limit=st.integers(1, 7), compact=st.booleans())
def test_paging_a_stream_gives_every_event_once_and_in_order(
    batches: list[tuple[str, list[int], bool]], limit: int, compact: bool
) -> None:
    logs, per_stream, _ = _filled(batches, compact)
    for stream, expected in per_stream.items():
        assert _walk(logs, stream, limit, forward=True) == expected
        assert _walk(logs, stream, limit, forward=False) == expected


def _walk(logs: Logs, stream: str, limit: int, *, forward: bool) -> list[str]:
    params: dict[str, Any] = {"startFromHead": forward}
    found: list[str] = []
    while True:
        page = logs.call("GetLogEvents", logGroupName="g", logStreamName=stream, limit=limit, **params)
        messages = [event["message"] for event in page["events"]]
        assert len(messages) <= limit
        found = found + messages if forward else messages + found
        token = page["nextForwardToken" if forward else "nextBackwardToken"]
        if params.get("nextToken") == token:
            return found
        params["nextToken"] = token


@settings(max_examples=25, deadline=None)
@given(batches=BATCHES, limit=st.integers(1, 7), compact=st.booleans())
def test_paging_a_search_gives_every_event_once_and_in_order(
    batches: list[tuple[str, list[int], bool]], limit: int, compact: bool
) -> None:
    logs, _, expected = _filled(batches, compact)
    for forward in (True, False):
        pages = _all_pages(logs, limit=limit, startFromHead=forward)
        found = [event["message"] for page in pages for event in page]
        assert found == (expected if forward else expected[::-1])
        ids = [event["eventId"] for page in pages for event in page]
        assert len(set(ids)) == len(ids)


def test_event_ids_survive_merging() -> None:
    logs = Logs()
    logs.group("g", "s")
    for offset in range(20):
        logs.put("s", (offset, str(offset)))
    before = logs.call("FilterLogEvents", logGroupName="g")["events"]
    _compact(logs)
    assert logs.call("FilterLogEvents", logGroupName="g")["events"] == before
