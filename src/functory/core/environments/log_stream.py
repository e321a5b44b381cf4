"""The log of one execution environment: one CloudWatch log stream.

Owns the cutting of the sandbox's raw output into log events (one per line; framed messages of the runtime clients stay
whole), the platform's own lines, and the tail of the current invocation. It stores nothing: events go to the `LogSink`
as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from functory.core.environments.platform_events import LEVELS, PlatformEvent
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.log_sink import LogSink
from functory.kernel.clock import Clock, iso_ms, utc
from functory.kernel.ids import Ids
from functory.kernel.limits import LOG_TAIL_BYTES

LINE_BYTES_MAX = 256 * 1024
"""A longer line is cut into several events. AWS: the classic event size limit."""

FUNCTION = "function"
EXTENSION = "extension"

Record = str | dict[str, Any]
Tap = Callable[[int, str, Record], None]
"""Receives time in epoch milliseconds, type and record of a telemetry event. Must not raise or block."""

_PYTHON_LEVELS = {"WARNING": "WARN", "CRITICAL": "FATAL"}
"""What Python's runtime client writes for two of AWS's levels."""

_FRAME_HEAD = 16
_FRAME_MAGIC = 0xA55A
"""Upper half of a frame's type; the lower half codes level and format. Source: the official runtime clients."""


def stream_name(version: FunctionVersion, epoch_s: float, ids: Ids) -> str:
    """``YYYY/MM/DD/[version]<32 hex>``; with a custom log group the function's name stands before the bracket."""
    owner = version.name if version.custom_log_group else ""
    return f"{utc(epoch_s):%Y/%m/%d}/{owner}[{version.version}]{ids.hex(32)}"


class LogStream:
    """See the module.

    Args:
        version: whose log it is.
        name: of the stream.
        sink: takes the events.
        clock: dates them.
    """

    def __init__(self, version: FunctionVersion, name: str, sink: LogSink, clock: Clock) -> None:
        self.name = name
        self._version = version
        self.group = version.log_group
        self._account_id = version.account_id
        self._region = version.region
        self._sink = sink
        self._clock = clock
        self._is_json = version.log_format == "JSON"
        self._application_level = LEVELS.get(version.application_log_level, 0)
        self._system_level = LEVELS.get(version.system_log_level, 0)
        self.tap: Tap | None = None
        """Also gets everything, whatever the format and levels; for the Telemetry API."""
        self._kind = FUNCTION
        self._partial = b""
        self._frames = b""
        self._tail: list[bytes] | None = None
        self._tail_bytes = 0

    def sibling(self) -> LogStream:
        """The same stream for another writer (an extension), so that lines of the two do not mix."""
        stream = LogStream(self._version, self.name, self._sink, self._clock)
        stream._kind, stream._is_json = EXTENSION, False
        stream.tap = self._pass_on
        return stream

    def _pass_on(self, at_ms: int, kind: str, record: Record) -> None:
        if self.tap is not None:
            self.tap(at_ms, kind, record)

    # -- what the function writes

    def output(self, data: bytes) -> None:
        """Take raw standard output and error."""
        if self._partial:
            data = self._partial + data
        complete, newline, rest = data.rpartition(b"\n")
        self._partial = rest
        if newline:
            self._lines(complete.split(b"\n"))
        if len(self._partial) > LINE_BYTES_MAX:
            self._lines([self._partial])
            self._partial = b""

    def telemetry(self, data: bytes) -> None:
        """Take bytes of the framed log channel; what is not a frame is taken as output."""
        data = self._frames + data
        position = 0
        now_ms = int(self._clock.epoch_s() * 1000)
        events: list[tuple[int, str]] = []
        while len(data) - position >= _FRAME_HEAD:
            if int.from_bytes(data[position : position + 2], "big") != _FRAME_MAGIC:
                self.output(data[position:])
                position = len(data)
                break
            size = int.from_bytes(data[position + 4 : position + 8], "big")
            end = position + _FRAME_HEAD + size
            if end > len(data):
                break
            stamp_us = int.from_bytes(data[position + 8 : position + 16], "big")
            self._take(events, stamp_us // 1000 or now_ms, data[position + _FRAME_HEAD : end])
            position = end
        self._frames = data[position:]
        if events:
            self._sink.append(self._account_id, self._region, self.group, self.name, events)

    def flush(self) -> None:
        """Take a last line without its end as a whole line: nothing follows it soon."""
        if self._partial:
            line, self._partial = self._partial, b""
            self._lines([line])

    def _lines(self, lines: list[bytes]) -> None:
        now_ms = int(self._clock.epoch_s() * 1000)
        events: list[tuple[int, str]] = []
        for line in lines:
            for start in range(0, len(line) or 1, LINE_BYTES_MAX):
                self._take(events, now_ms, line[start : start + LINE_BYTES_MAX] + b"\n")
        if events:
            self._sink.append(self._account_id, self._region, self.group, self.name, events)

    def _take(self, events: list[tuple[int, str]], at_ms: int, raw: bytes) -> None:
        """One log event of the function, unless its level says that nobody wants it."""
        text = raw.decode("utf-8", "replace")
        document = _document(raw) if self._is_json else None
        if document is not None and _level(document) < self._application_level:
            return
        events.append((at_ms, text))
        self._keep_tail(raw if raw.endswith(b"\n") else raw + b"\n")
        if self.tap is not None:
            self.tap(at_ms, self._kind, text if document is None else document)

    # -- what the platform writes

    def platform(self, *lines: str) -> None:
        """Write lines of our own (START, REPORT …); a line end is added to each. With JSON logs `record` speaks instead."""
        if self._is_json:
            return
        now_ms = int(self._clock.epoch_s() * 1000)
        events = [(now_ms, line + "\n") for line in lines]
        if self._tail is not None:
            for line in lines:
                self._keep_tail(f"{line}\n".encode())
        self._sink.append(self._account_id, self._region, self.group, self.name, events)

    def now_s(self) -> float:
        """The time, in epoch seconds, as it dates events."""
        return self._clock.epoch_s()

    @property
    def takes_records(self) -> bool:
        """Whether `record` has anybody to tell; an event nobody wants need not be made."""
        return self._is_json or self.tap is not None

    def record(self, event: PlatformEvent) -> None:
        """Tell an event of the platform: to the JSON log, if its level is wanted, and to subscribers."""
        now_s = self._clock.epoch_s()
        if self.tap is not None:
            self.tap(int(now_s * 1000), event.type, event.record)
        if not self._is_json or LEVELS[event.level] < self._system_level:
            return
        line = msgspec.json.encode({"time": iso_ms(now_s), "type": event.type, "record": event.record}) + b"\n"
        self._keep_tail(line)
        self._sink.append(self._account_id, self._region, self.group, self.name, [(int(now_s * 1000), line.decode())])

    def timed_out(self, request_id: str, text: str) -> None:
        """Write that an invocation ran out of time. AWS: this line alone begins with the time, and an empty one follows."""
        self.platform(f"{iso_ms(self._clock.epoch_s())} {request_id} {text}", "")

    # -- the tail of an invocation

    def begin_tail(self) -> None:
        """Keep the last bytes from now on."""
        self._tail = []
        self._tail_bytes = 0

    def end_tail(self) -> bytes:
        """The last 4,096 bytes since `begin_tail`; stops keeping them."""
        kept, self._tail = self._tail or [], None
        return b"".join(kept)[-LOG_TAIL_BYTES:]

    def _keep_tail(self, line: bytes) -> None:
        if self._tail is None:
            return
        self._tail.append(line)
        self._tail_bytes += len(line)
        while self._tail_bytes - len(self._tail[0]) > LOG_TAIL_BYTES:
            self._tail_bytes -= len(self._tail.pop(0))


def _document(raw: bytes) -> dict[str, Any] | None:
    """A log line that is a JSON object."""
    if not raw.startswith(b"{"):
        return None
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _level(document: dict[str, Any]) -> int:
    """AWS: a missing or unknown level counts as INFO."""
    level = document.get("level")
    name = level.upper() if isinstance(level, str) else ""
    return LEVELS.get(_PYTHON_LEVELS.get(name, name), LEVELS["INFO"])
