from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.logs import rules
from functory.services.logs.rules import Place

CONTEXT = CallContext("111122223333", "eu-central-1", "request")
TIMES, SEQUENCES = st.integers(0, 4_102_444_800_000), st.integers(0, 1 << 40)
POSITIONS = st.tuples(TIMES, st.integers(1, 1 << 40), SEQUENCES)


@given(POSITIONS, POSITIONS)
def test_event_ids_sort_like_time_stream_and_sequence(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    first, second = rules.event_id(*one), rules.event_id(*other)
    assert len(first) == len(second) == 56
    assert (first < second) == (one < other)


@given(st.builds(Place, st.booleans(), TIMES, SEQUENCES | st.just(-1)), st.integers(1, 1 << 40))
def test_places_are_read_back_from_their_tokens(place: Place, stream_id: int) -> None:
    assert rules.parse_place(rules.render_place(place, stream_id)) == place


@given(st.tuples(st.booleans(), st.integers(0, 1 << 60), st.text()))
def test_values_are_read_back_from_their_tokens(values: tuple[bool, int, str]) -> None:
    try:
        token = rules.render_token(values)
    except UnicodeEncodeError:
        return
    assert rules.parse_token(token, tuple[bool, int, str]) == values


@given(st.text())
def test_any_other_token_is_refused_as_invalid(token: str) -> None:
    for parse in (rules.parse_place, lambda text: rules.parse_token(text, tuple[bool, int, str])):
        with pytest.raises(AwsError, match="The specified nextToken is invalid"):
            parse(token)


def test_a_group_is_known_by_name_or_arn() -> None:
    arn = rules.group_arn(CONTEXT, "/aws/lambda/f")
    assert rules.group_of_identifier(CONTEXT, arn) == "/aws/lambda/f"
    assert rules.group_of_identifier(CONTEXT, "/aws/lambda/f") == "/aws/lambda/f"
    for bad in (f"{arn}:*", "arn:aws:logs:eu-central-1:1:log-group:g", rules.stream_arn(CONTEXT, "g", "s")):
        with pytest.raises(AwsError, match="InvalidParameterException"):
            rules.group_of_identifier(CONTEXT, bad)


OFFSETS = st.lists(st.integers(-40 * rules.DAY_MS, 2 * rules.DAY_MS), min_size=1).map(sorted)


@given(OFFSETS, st.sampled_from([None, 1, 30]))
def test_every_event_of_a_batch_is_kept_or_reported(offsets: list[int], retention: int | None) -> None:
    now_ms = 100 * rules.DAY_MS
    events = [(now_ms + offset, "x") for offset in offsets]
    oldest, newest = now_ms - rules.DAY_MS * min(14, retention or 14), now_ms + rules.FUTURE_MS_MAX
    kept = [event for event in events if oldest <= event[0] <= newest]
    if kept and kept[-1][0] - kept[0][0] > rules.DAY_MS:
        with pytest.raises(AwsError, match="cannot span more than 24 hours"):
            rules.check_batch(events, retention, now_ms)
        return
    checked = rules.check_batch(events, retention, now_ms)
    assert list(checked.events) == kept
    first = max(checked.rejected.get("tooOldLogEventEndIndex", 0), checked.rejected.get("expiredLogEventEndIndex", 0))
    assert events[first : checked.rejected.get("tooNewLogEventStartIndex", len(events))] == kept
