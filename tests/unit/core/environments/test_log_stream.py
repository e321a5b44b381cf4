"""Raw output of a sandbox becomes log events."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from functory.core.environments.log_stream import LINE_BYTES_MAX, LogStream, stream_name
from functory.core.functions.model import FunctionVersion
from functory.kernel.ids import SeededIds

VERSION = FunctionVersion(
    "123456789012", "eu-west-1", "f", "$LATEST", "e", "k", "python3.12", "a.b", log_group="/aws/lambda/f"
)


class FixedClock:
    def epoch_s(self) -> float:
        return 1_800_000_000.5

    def monotonic_s(self) -> float:
        return 0.0


class Sink:
    def __init__(self) -> None:
        self.events: list[tuple[int, str]] = []

    def append(self, account_id: str, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        assert (account_id, region, group, stream) == ("123456789012", "eu-west-1", "/aws/lambda/f", "s")
        self.events += events


def stream() -> tuple[LogStream, Sink]:
    sink = Sink()
    return LogStream(VERSION, "s", sink, FixedClock()), sink


def frame(text: bytes, stamp_us: int = 1_799_999_999_123_456) -> bytes:
    return bytes.fromhex("a55a0003") + len(text).to_bytes(4, "big") + stamp_us.to_bytes(8, "big") + text


def test_stream_names() -> None:
    assert stream_name(VERSION, 1_800_000_000.0, SeededIds(1)).startswith("2027/01/15/[$LATEST]")


def test_lines_are_events_and_a_last_piece_waits_for_its_end() -> None:
    log, sink = stream()
    log.output(b"one\ntw")
    log.output(b"o\nthr")
    assert [text for _, text in sink.events] == ["one\n", "two\n"]
    log.flush()
    assert [text for _, text in sink.events] == ["one\n", "two\n", "thr\n"]


def test_a_framed_message_stays_whole_and_keeps_its_time() -> None:
    log, sink = stream()
    log.telemetry(frame(b"a\nb"))
    assert sink.events == [(1_799_999_999_123, "a\nb")]


@given(st.lists(st.binary(max_size=40), max_size=8), st.data())
def test_frames_survive_any_cutting(texts: list[bytes], data: st.DataObject) -> None:
    log, sink = stream()
    raw = b"".join(frame(text) for text in texts)
    while raw:
        size = data.draw(st.integers(1, len(raw)))
        log.telemetry(raw[:size])
        raw = raw[size:]
    assert [text for _, text in sink.events] == [text.decode("utf-8", "replace") for text in texts]


def test_what_is_no_frame_is_taken_as_output() -> None:
    log, sink = stream()
    log.telemetry(b"plain text that is long enough\n")
    assert [text for _, text in sink.events] == ["plain text that is long enough\n"]


def test_a_line_without_end_is_cut() -> None:
    log, sink = stream()
    log.output(b"x" * (LINE_BYTES_MAX + 10))
    assert [len(text) for _, text in sink.events] == [LINE_BYTES_MAX + 1, 11]


def test_the_tail_is_the_last_4096_bytes_since_it_began() -> None:
    log, _ = stream()
    log.platform("before")
    log.begin_tail()
    log.platform("START")
    log.output(b"y" * 3000 + b"\n" + b"z" * 3000 + b"\n")
    log.platform("END")
    tail = log.end_tail()
    assert len(tail) == 4096
    assert tail.endswith(b"z\nEND\n")
    assert log.end_tail() == b""
