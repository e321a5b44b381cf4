"""The table of the CloudWatch API, and the owner of its background work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from functory.core.calls import CallContext, Operation
from functory.core.reconcile.job import Job
from functory.kernel.clock import Clock
from functory.services.cloudwatch import data, metrics, statistics
from functory.services.cloudwatch.data import MeteringSink
from functory.services.cloudwatch.retention import EVERY_S, Retention
from functory.services.cloudwatch.room import Room
from functory.store.port import Store

_RoomOperation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]

OPERATIONS: Mapping[str, _RoomOperation] = {
    "GetMetricData": statistics.get_metric_data,
    "GetMetricStatistics": statistics.get_metric_statistics,
    "ListMetrics": metrics.list_metrics,
    "PutMetricData": data.put_metric_data,
}


class CloudWatchService:
    """CloudWatch as a `functory.core.calls.Service`. An async context manager: inside it old points are made coarser.

    Attributes:
        sink: where this node's own services put their metrics (`functory.core.metering.SampleSink`).
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self.name = "cloudwatch"
        room = Room(store, clock)
        self.sink = MeteringSink(room)
        self.operations: Mapping[str, Operation] = {name: partial(call, room) for name, call in OPERATIONS.items()}
        self._job = Job("cloudwatch.retention", Retention(room).run, every_s=EVERY_S)

    async def __aenter__(self) -> Self:
        await self._job.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._job.__aexit__(kind, error, trace)
