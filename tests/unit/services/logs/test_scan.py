from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.services.logs.ingest import add_group, write_events
from functory.services.logs.lookup import key_of
from functory.services.logs.scan import Window, scan, stream_key
from functory.services.logs.tables import CHUNKS
from tests.support.logs_store import InlineStore

MINUTE_MS = 60_000
DAY = 24 * 60


@settings(max_examples=25, deadline=None)
@given(
    batches=st.lists(st.lists(st.integers(0, DAY), min_size=1, max_size=4), max_size=20),
    edges=st.tuples(st.integers(0, DAY), st.integers(0, DAY)),
)
def test_a_window_gives_exactly_its_events_in_order(batches: list[list[int]], edges: tuple[int, int]) -> None:
    store = InlineStore()
    window = Window(min(edges) * MINUTE_MS, max(edges) * MINUTE_MS)

    def work(connection: Connection) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
        group_id = add_group(connection, key_of(CallContext("1" * 12, "r", "q"), "g"), 0)
        for batch in batches:
            write_events(connection, group_id, "s", [(minute * MINUTE_MS, "x") for minute in batch], 0)
        scope = CHUNKS.c.group_id == group_id
        forward, backward = (scan(connection, scope, window, stream_key, forward=forward) for forward in (True, False))
        return [stream_key(event) for event in forward], [stream_key(event) for event in backward]

    forward, backward = asyncio.run(store.write(work))
    flat = [minute * MINUTE_MS for batch in batches for minute in batch]
    expected = sorted((time, number) for number, time in enumerate(flat) if window.first_ms <= time <= window.last_ms)
    assert forward == expected
    assert backward == expected[::-1]
