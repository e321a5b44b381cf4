"""Where the engine puts log lines. The ``logs`` service implements it; ``wiring`` joins the two."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class LogSink(Protocol):
    """Accepts log events of functions."""

    def append(self, account_id: str, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        """Keep ``events`` (epoch milliseconds, message) in a log stream, making group and stream where missing.

        Returns at once; the events are readable through the Logs API within a second, in the order they came. Never
        raises: when the store cannot keep up, the oldest unsaved events of that stream are dropped and counted.
        """
