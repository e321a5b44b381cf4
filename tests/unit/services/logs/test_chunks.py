from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from functory.services.logs import chunks
from functory.services.logs.chunks import Piece, Segment, Summary

EVENTS = st.lists(st.tuples(st.integers(0, 10**8), st.text(min_size=1)), min_size=1)


@given(events=EVENTS)
def test_a_body_gives_back_what_was_put_in(events: list[tuple[int, str]]) -> None:
    segments = [Segment(7, 40, events), Segment(8, 90, events)]
    assert chunks.decode(chunks.encode(segments)) == segments
    sequences = [event.sequence for event in chunks.events_of(chunks.encode(segments), 1)]
    assert sequences == [*range(40, 40 + len(events)), *range(90, 90 + len(events))]


def test_long_bodies_are_deflated() -> None:
    assert len(chunks.encode([Segment(0, 0, [(0, "x" * 10_000)])])) < 500


@given(events=EVENTS)
def test_pieces_hold_every_event_in_order_and_keep_the_span(events: list[tuple[int, str]]) -> None:
    pieces = list(chunks.split(events))
    assert [event for _, taken in pieces for event in taken] == events
    for piece, taken in pieces:
        times = [timestamp for timestamp, _ in taken]
        assert (piece.first_ms, piece.last_ms, piece.event_count) == (min(times), max(times), len(taken))
        assert piece.last_ms - piece.first_ms <= chunks.SPAN_MS_MAX
        assert piece.event_bytes == sum(len(text.encode()) + 26 for _, text in taken)


def test_pieces_keep_the_size() -> None:
    sizes = [piece.event_count for piece, _ in chunks.split([(0, "x" * 600_000)] * 3)]
    assert sizes == [1, 1, 1]


@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**7), st.integers(27, 60_000))))
def test_merges_join_neighbours_within_the_limits(rows: list[tuple[int, int, int]]) -> None:
    small = [Summary(number, Piece(first, first + span, 1, size)) for number, (first, span, size) in enumerate(rows)]
    runs = chunks.plan_merges(small)
    ids = [summary.chunk_id for run in runs for summary in run]
    assert ids == sorted(set(ids))
    for run in runs:
        assert [summary.chunk_id for summary in run] == list(range(run[0].chunk_id, run[0].chunk_id + len(run)))
        joined = chunks.join([summary.piece for summary in run])
        assert len(run) > 1
        assert joined.event_bytes <= chunks.MERGED_BYTES_MAX
        assert joined.last_ms - joined.first_ms <= chunks.SPAN_MS_MAX
