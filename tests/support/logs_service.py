"""The logs service on an in-memory store, called as an edge calls it."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import func, select

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.kernel.ids import SeededIds
from functory.services.logs.service import LogsService
from functory.store.port import METADATA
from tests.support.logs_store import InlineStore

NOW_MS = 1_800_000_000_000
DAY_MS = 24 * 3_600_000


class HandClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def epoch_s(self) -> float:
        return self.now_ms / 1000

    def monotonic_s(self) -> float:
        return self.now_ms / 1000


class Logs:
    """One service and its store; ``call`` runs an operation to its end."""

    def __init__(self) -> None:
        self.store = InlineStore()
        self.clock = HandClock()
        self.service = LogsService(self.store, self.clock, SeededIds())

    def call(
        self, operation: str, *, account: str = "111122223333", region: str = "eu-central-1", **params: Any
    ) -> dict[str, Any]:
        context = CallContext(account, region, "request")
        return asyncio.run(self._call(operation, context, params))

    async def _call(self, operation: str, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        return await self.service.operations[operation](context, params)

    def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        """The code and text of the error."""
        try:
            self.call(operation, **params)
        except AwsError as error:
            return error.code, error.message
        raise AssertionError(f"{operation} was not refused")

    def group(self, name: str = "g", *streams: str, **params: Any) -> None:
        """A group with streams."""
        self.call("CreateLogGroup", logGroupName=name, **params)
        for stream in streams:
            self.call("CreateLogStream", logGroupName=name, logStreamName=stream)

    def put(self, stream: str, *events: tuple[int, str], group: str = "g") -> dict[str, Any]:
        """Put events given as (milliseconds after now, message)."""
        batch = [{"timestamp": NOW_MS + offset, "message": message} for offset, message in events]
        return self.call("PutLogEvents", logGroupName=group, logStreamName=stream, logEvents=batch)

    def get(self, stream: str, *, group: str = "g", **params: Any) -> list[str]:
        """The messages of one page."""
        answer = self.call("GetLogEvents", logGroupName=group, logStreamName=stream, **params)
        return [event["message"] for event in answer["events"]]

    def filter(self, group: str = "g", **params: Any) -> list[str]:
        """The messages of one page of a search."""
        return [event["message"] for event in self.call("FilterLogEvents", logGroupName=group, **params)["events"]]

    def append(self, stream: str, *events: tuple[int, str], group: str = "g", account: str = "111122223333") -> None:
        """Print events, given as (milliseconds after now, message), as a function does."""
        at = [(NOW_MS + offset, message) for offset, message in events]
        self.service.sink.append(account, "eu-central-1", group, stream, at)

    def maintain(self) -> None:
        asyncio.run(self.service.maintain())

    def rows(self, *tables: str) -> int:
        """How many rows the tables have together."""
        counts = [select(func.count()).select_from(METADATA.tables[name]) for name in tables]
        return asyncio.run(
            self.store.read(lambda connection: sum(connection.execute(count).scalar_one() for count in counts))
        )
