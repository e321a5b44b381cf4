from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.core.calls import CallContext
from functory.services.logs import sink
from tests.support.logs_service import Logs


class _Recorder:
    """Keeps the names of what is logged."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def warning(self, event: str, **_: object) -> None:
        self.events.append(event)

    error = warning


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    recorder = _Recorder()
    monkeypatch.setattr(sink, "_LOG", recorder)
    return recorder.events


def test_one_flush_saves_all_streams_in_one_unit_of_work() -> None:
    logs = Logs()
    for number in range(20):
        logs.append(f"s{number}", (0, "x"), group=f"g{number % 3}")
    logs.append("s", (0, "x"), account="999999999999")
    logs.call("DescribeLogGroups")
    assert logs.store.writes == 1
    assert logs.rows("log_streams") == 21
    assert logs.rows("log_chunks") == 21


def test_a_group_that_printed_nothing_costs_a_reader_no_write() -> None:
    logs = Logs()
    logs.group("g", "s")
    logs.append("t", (0, "x"), group="other")
    before = logs.store.writes
    logs.get("s")
    assert logs.store.writes == before


def test_events_keep_the_order_they_were_printed_in() -> None:
    logs = Logs()
    logs.append("s", (0, "a"), (0, "b"))
    logs.append("s", (0, "c"))
    logs.call("DescribeLogGroups")
    logs.append("s", (0, "d"))
    assert logs.get("s") == ["a", "b", "c", "d"]


def test_it_saves_by_itself_soon() -> None:
    logs = Logs()

    async def scenario() -> None:
        async with logs.service:
            logs.append("s", (0, "x"))
            async with asyncio.timeout(5):
                while not logs.store.writes:
                    await asyncio.sleep(0.01)

    asyncio.run(scenario())
    assert logs.rows("log_chunks") == 1


def test_a_full_buffer_is_saved_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "FLUSH_S", 3600.0)
    logs = Logs()

    async def scenario() -> None:
        async with logs.service:
            logs.append("s", (0, "x" * sink.FLUSH_BYTES))
            async with asyncio.timeout(5):
                while not logs.store.writes:
                    await asyncio.sleep(0)

    asyncio.run(scenario())


def test_what_the_store_refuses_is_kept_in_order_and_saved_later(said: list[str]) -> None:
    logs = Logs()
    logs.store.broken = True
    logs.append("s", (0, "a"))
    assert logs.call("DescribeLogGroups")["logGroups"] == []
    logs.append("s", (0, "b"))
    logs.store.broken = False
    assert logs.filter() == ["a", "b"]
    assert "log_events_not_saved" in said


def test_while_it_runs_it_tries_again_by_itself(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setattr(sink, "FLUSH_S", 0.001)
    logs = Logs()
    logs.store.broken = True
    context = CallContext("111122223333", "eu-central-1", "request")

    async def scenario() -> dict[str, Any]:
        async with logs.service as service:
            logs.append("s", (0, "a"))
            await service.operations["DescribeLogGroups"](context, {})
            logs.store.broken = False
            async with asyncio.timeout(5):
                while not logs.store.writes:
                    await asyncio.sleep(0.001)
            return await service.operations["DescribeLogGroups"](context, {})

    assert len(asyncio.run(scenario())["logGroups"]) == 1
    assert "log_events_not_saved" in said


def test_the_oldest_events_of_a_stream_go_when_too_many_wait_and_are_counted(
    monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(sink, "STREAM_BYTES_MAX", 300)
    logs = Logs()
    logs.store.broken = True
    logs.append("t", (0, "other"))
    for offset in range(20):
        logs.append("s", (offset, str(offset)))
        if offset == 10:
            logs.call("DescribeLogGroups")
    logs.store.broken = False
    notice, *kept = logs.get("s")
    assert kept == [str(offset) for offset in range(20 - len(kept), 20)]
    assert 1 < len(kept) < 12
    assert (
        notice == f"[functory] {20 - len(kept)} earlier log events were dropped: they came faster than they could be saved\n"
    )
    assert logs.get("t") == ["other"]
    assert logs.get("s") == [notice, *kept]
    assert said == ["log_events_not_saved"]


def test_all_streams_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "TOTAL_BYTES_MAX", 100)
    logs = Logs()
    logs.append("s", (0, "x" * 50))
    logs.append("t", (0, "y" * 50), (1, "z"))
    assert logs.get("s") == ["x" * 50]
    (notice,) = logs.get("t")
    assert notice.startswith("[functory] 2 earlier log events were dropped")


def test_leaving_with_a_broken_store_says_what_is_lost(said: list[str]) -> None:
    logs = Logs()
    logs.store.broken = True

    async def scenario() -> None:
        async with logs.service:
            logs.append("s", (0, "x"))

    asyncio.run(scenario())
    assert "log_events_lost" in said


def test_what_the_database_refuses_does_not_hold_up_the_rest(said: list[str]) -> None:
    logs = Logs()
    logs.store.refused_text = "poison"
    for stream in ("s", "poison", "t"):
        logs.append(stream, (0, stream))
    assert logs.filter() == ["s", "t"]
    assert "log_events_refused" in said


def test_impossible_times_are_brought_into_range() -> None:
    logs = Logs()
    logs.append("s", (-(10**20), "past"), (10**20, "future"))
    assert [event["timestamp"] for event in logs.call("FilterLogEvents", logGroupName="g")["events"]] == [
        0,
        sink.TIMESTAMP_MS_MAX,
    ]


@given(st.text(st.characters(), max_size=30), st.integers(4, 9))
def test_any_text_becomes_storable_pieces(text: str, size: int) -> None:
    before, sink._MESSAGE_BYTES_MAX = sink._MESSAGE_BYTES_MAX, size
    try:
        pieces = list(sink._storable(text))
    finally:
        sink._MESSAGE_BYTES_MAX = before
    assert "".join(pieces) == text.encode("utf-8", "replace").decode()
    assert all(0 < len(piece.encode()) <= size for piece in pieces)
    json.dumps(pieces)
