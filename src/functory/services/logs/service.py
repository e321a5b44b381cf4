"""The table of the Logs API, and the owner of its background work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from functory.core.calls import CallContext, Operation
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.services.logs import events, groups, retention, streams, tags
from functory.services.logs.maintenance import Maintenance
from functory.services.logs.room import Room
from functory.services.logs.sink import Sink
from functory.store.port import Store

_RoomOperation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]

OPERATIONS: Mapping[str, _RoomOperation] = {
    "CreateLogGroup": groups.create_log_group,
    "DeleteLogGroup": groups.delete_log_group,
    "DescribeLogGroups": groups.describe_log_groups,
    "ListLogGroups": groups.list_log_groups,
    "CreateLogStream": streams.create_log_stream,
    "DeleteLogStream": streams.delete_log_stream,
    "DescribeLogStreams": streams.describe_log_streams,
    "PutLogEvents": events.put_log_events,
    "GetLogEvents": events.get_log_events,
    "FilterLogEvents": events.filter_log_events,
    "TestMetricFilter": events.test_metric_filter,
    "PutRetentionPolicy": retention.put_retention_policy,
    "DeleteRetentionPolicy": retention.delete_retention_policy,
    "PutLogGroupDeletionProtection": retention.put_log_group_deletion_protection,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
    "ListTagsForResource": tags.list_tags_for_resource,
    "TagLogGroup": tags.tag_log_group,
    "UntagLogGroup": tags.untag_log_group,
    "ListTagsLogGroup": tags.list_tags_log_group,
}


class LogsService:
    """CloudWatch Logs as a `functory.core.calls.Service`.

    An async context manager: inside it the sink saves and the background job runs; leaving it saves what is buffered.
    Leave it before the store is closed.

    Attributes:
        sink: where the engine puts log lines (`functory.core.invocations.log_sink.LogSink`).
    """

    def __init__(self, store: Store, clock: Clock, ids: Ids) -> None:
        self.name = "logs"
        self.sink = Sink(store, clock)
        room = Room(store, clock, self.sink)
        self.operations: Mapping[str, Operation] = {name: partial(call, room) for name, call in OPERATIONS.items()}
        self._maintenance = Maintenance(room, ids)
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._tasks.create_task(self.sink.run(), name="logs-sink")
        self._tasks.create_task(self._maintenance.run(), name="logs-maintenance")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._maintenance.close()
        await self.sink.close()
        try:
            await self._tasks.__aexit__(None, None, None)
        finally:
            await self.sink.close()

    async def maintain(self) -> None:
        """One round of the background job, now."""
        await self._maintenance.round()
