"""What functions did, in numbers: AWS's metrics of Lambda, by the minute.

**Theory.** An invocation that ends is a look-up and a few additions to the counter of its function, qualifier and version.
Every full minute all counters are taken away, spread over the dimensions AWS has (the account, the function, the resource
that was asked for, the version that ran) and given to a sink, which keeps them. So the warm path pays for one counter,
however many metrics there are. Gauges (how many run at once) are noted when an invocation begins and once a minute, so
that what runs for an hour shows in each of its minutes.

A crash loses the minute that was being counted, nothing else. A sink that refuses is offered the same again, for
up to `KEPT_BATCHES` pieces.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from functory.core.functions.model import FunctionVersion
from functory.core.invocations.outcome import Invocation, Outcome
from functory.core.levels import Dimensions, Levels
from functory.kernel import log
from functory.kernel.clock import Clock
from functory.kernel.distribution import Distribution
from functory.kernel.tasks import TaskScope
from functory.store.port import StoreError

NAMESPACE = "AWS/Lambda"
PERIOD_S = 60
BATCH = 500
"""Samples that are kept in one piece: short enough that nobody waits for the store because of it."""
KEPT_BATCHES = 500


@dataclass(frozen=True, slots=True)
class Sample:
    """One metric of one minute.

    Attributes:
        account_id: whose.
        region: where.
        name: of the metric.
        dimensions: see `Dimensions`.
        unit: AWS's word: ``Count``, ``Milliseconds``, ``None`` …
        at: epoch seconds of the minute's begin.
        values: its values; the receiver must not change them.
    """

    account_id: str
    region: str
    name: str
    dimensions: Dimensions
    unit: str
    at: int
    values: Distribution


class SampleSink(Protocol):
    """Keeps samples."""

    async def keep(self, samples: Sequence[Sample]) -> None:
        """Keep them durably; a minute may come in several parts, which add up.

        Raises:
            StoreError: it cannot now.
        """


ValueKey = tuple[str, str, str, Dimensions, str]
"""account, region, metric, dimensions, unit"""

Values = dict[ValueKey, Distribution]

CounterKey = tuple[str, str, str, str, str]
"""account, region, function, version that ran, ARN that was asked for."""


class Counter:
    """What one function did in one minute, asked for in one way."""

    __slots__ = (
        "account_peak", "duration", "errors", "invocations", "peak", "provisioned", "spilled", "throttles",
        "unreserved_peak",
    )  # fmt: skip

    def __init__(self) -> None:
        self.invocations = 0
        self.errors = 0
        self.throttles = 0
        self.provisioned = 0
        self.spilled = 0
        self.peak = 0
        self.account_peak = 0
        self.unreserved_peak = 0
        self.duration = Distribution()


class Metering:
    """See the module. An async context manager: while entered it rotates every minute; leaving gives away the rest.

    Args:
        sink: who keeps the samples.
        clock: time.
    """

    def __init__(self, sink: SampleSink, clock: Clock) -> None:
        self._sink = sink
        self._clock = clock
        self._tasks = TaskScope("core.metering")
        self._log = log.get("core.metering")
        self._minute = self._now_minute()
        self._counters: dict[CounterKey, Counter] = {}
        self._values: Values = {}
        self._pending: deque[list[Sample]] = deque(maxlen=KEPT_BATCHES)
        self.levels: list[Levels] = []
        """Asked once a minute how much of what runs."""

    async def __aenter__(self) -> Self:
        self._tasks.spawn(self._run(), "metering")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()
        self._rotate()
        await self._give_away()

    # -- the warm path

    def counter(self, version: FunctionVersion, invocation: Invocation) -> Counter:
        """The counter of an invocation in this minute; not to be kept over an ``await``."""
        key = (version.account_id, version.region, version.name, version.version, invocation.invoked_arn)
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = Counter()
        return found

    def ended(self, version: FunctionVersion, invocation: Invocation, outcome: Outcome) -> Counter:
        """An invocation has ended."""
        counter = self.counter(version, invocation)
        counter.invocations += 1
        counter.duration.add(outcome.duration_ms)
        if outcome.function_error:
            counter.errors += 1
        return counter

    # -- everything else

    def add(
        self, account_id: str, region: str, metric: str, value: float, *, name: str, unit: str = "Count", resource: str = ""
    ) -> None:
        """Note a value of a function's metric that is not on the warm path.

        Args:
            account_id: of the function.
            region: of the function.
            metric: AWS's name.
            value: in ``unit``.
            name: of the function, ``""`` for the account as a whole.
            unit: AWS's word.
            resource: function with qualifier, ``""`` for the function alone.
        """
        for dimensions in _dimension_sets(name, resource or name, ""):
            self._note((account_id, region, metric, dimensions, unit), value)

    def _note(self, key: ValueKey, value: float) -> None:
        found = self._values.get(key)
        if found is None:
            found = self._values[key] = Distribution()
        found.add(value)

    # -- by the minute

    def _now_minute(self) -> int:
        return int(self._clock.epoch_s()) // PERIOD_S * PERIOD_S

    async def _run(self) -> None:
        while True:
            now = self._clock.epoch_s()
            await asyncio.sleep(PERIOD_S - math.fmod(now, PERIOD_S) + 0.001)
            self._rotate()
            await self._give_away()

    def _rotate(self) -> None:
        """Close the minute: all that was counted becomes samples."""
        for levels in self.levels:
            for level in levels():
                self._note((level.account_id, level.region, level.metric, level.dimensions, level.unit), level.value)
        counters, values = self._counters, self._values
        self._counters, self._values = {}, {}
        for key, counter in counters.items():
            _spread(key, counter, values)
        at, self._minute = self._minute, self._now_minute()
        samples = [
            Sample(account_id, region, metric, dimensions, unit, at, distribution)
            for (account_id, region, metric, dimensions, unit), distribution in values.items()
        ]
        for begin in range(0, len(samples), BATCH):
            if len(self._pending) == KEPT_BATCHES:
                self._log.error("metrics_dropped", minute=self._pending[0][0].at)
            self._pending.append(samples[begin : begin + BATCH])

    async def _give_away(self) -> None:
        while self._pending:
            try:
                await self._sink.keep(self._pending[0])
            except StoreError as error:
                self._log.warning("metrics_not_kept", reason=str(error))
                return
            self._pending.popleft()


def _dimension_sets(name: str, resource: str, executed: str) -> list[Dimensions]:
    """The dimensions a value of a function counts for. AWS: ExecutedVersion only for what an alias was asked for."""
    if not name:
        return [()]
    function, of_resource = ("FunctionName", name), ("Resource", resource)
    sets: list[Dimensions] = [(), (function,), (function, of_resource)]
    if executed:
        sets.append((("ExecutedVersion", executed), function, of_resource))
    return sets


def _spread(key: CounterKey, counter: Counter, values: Values) -> None:
    """Turn a counter into values of metrics, for every set of dimensions."""
    account_id, region, name, executed, invoked_arn = key
    qualifier = invoked_arn.split(":", 7)[7] if invoked_arn.count(":") > 6 else ""
    resource = f"{name}:{qualifier}" if qualifier else name
    sets = _dimension_sets(name, resource, executed if qualifier not in ("", executed) else "")
    for metric, unit, value in _figures(counter):
        for dimensions in sets:
            values.setdefault((account_id, region, metric, dimensions, unit), Distribution()).merge(value)
    for metric, peak, chosen in (
        ("ConcurrentExecutions", counter.peak, sets[1:3]),
        ("ConcurrentExecutions", counter.account_peak, sets[:1]),
        ("UnreservedConcurrentExecutions", counter.unreserved_peak, sets[:1]),
    ):
        if peak:
            for dimensions in chosen:
                values.setdefault((account_id, region, metric, dimensions, "Count"), Distribution()).add(peak)


def _figures(counter: Counter) -> Iterator[tuple[str, str, Distribution]]:
    """What was counted, as values. AWS: a 1 for every one; that none failed is told by values of 0."""
    attempts = counter.invocations + counter.throttles
    if counter.invocations:
        yield "Invocations", "Count", _ones(counter.invocations)
        yield "Errors", "Count", _ones(counter.errors, of=counter.invocations)
        yield "Duration", "Milliseconds", counter.duration
    if attempts:
        yield "Throttles", "Count", _ones(counter.throttles, of=attempts)
    if counter.provisioned:
        yield "ProvisionedConcurrencyInvocations", "Count", _ones(counter.provisioned)
    if counter.spilled:
        yield "ProvisionedConcurrencySpilloverInvocations", "Count", _ones(counter.spilled)


def _ones(ones: int, of: int = 0) -> Distribution:
    made = Distribution()
    if ones:
        made.add(1.0, ones)
    if of > ones:
        made.add(0.0, of - ones)
    return made
