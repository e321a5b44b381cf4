"""An invocation is counted once, under every set of dimensions AWS has, in the minute it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from functory.aws.errors import AwsError
from functory.core.environments.provisioned import Wish
from functory.core.invocations.outcome import Invocation
from functory.core.metering import Metering, Sample
from functory.kernel.clock import LoopClock
from functory.sandbox.port import Exit
from functory.store.port import StoreError
from tests.support.engine import Engine, FakeRuntime, engine, sleeper, version
from tests.support.virtual_time import run_virtual


class Samples:
    """A sink that remembers, and refuses as often as it is told."""

    def __init__(self) -> None:
        self.kept: list[Sample] = []
        self.refusals = 0

    async def keep(self, samples: Sequence[Sample]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StoreError("no space")
        self.kept += samples

    def value(self, metric: str, statistic: str = "total", **dimensions: str) -> float:
        """One statistic of all minutes of a metric together."""
        wanted = tuple(sorted(dimensions.items()))
        found = [sample.values for sample in self.kept if (sample.name, sample.dimensions) == (metric, wanted)]
        return (
            max(getattr(values, statistic) for values in found)
            if statistic == "maximum"
            else sum(getattr(values, statistic) for values in found)
        )


async def metered(one: Engine) -> Samples:
    """The engine's metering with a sink that remembers."""
    samples = Samples()
    metering = one.invocations._metering
    metering._sink = samples
    return samples


async def call(one: Engine, payload: bytes = b"{}", qualifier: str = "", number: str = "$LATEST") -> None:
    of = version(version=number)
    arn = f"{of.arn}:{qualifier}" if qualifier else of.arn
    await one.invocations.invoke(of, Invocation(one.ids.uuid(), payload, arn))


def test_invocations_errors_and_durations_have_every_set_of_dimensions() -> None:
    async def script(runtime: FakeRuntime) -> Exit | None:
        while True:
            event = await runtime.next()
            await asyncio.sleep(0.5)
            if event.payload == b"1":
                runtime.fail(event, b"{}", "Error")
            else:
                runtime.respond(event, b"2")

    async def main() -> None:
        async with engine(script) as one:
            samples = await metered(one)
            async with one.invocations._metering:
                await call(one, b"1")
                await call(one, b"2", "live", "7")
                await call(one, b"3", "7", "7")
                assert not samples.kept
            function = {"FunctionName": "f"}
            for metric, together, alias in (("Invocations", 3, 1), ("Errors", 1, 0)):
                assert samples.value(metric) == samples.value(metric, **function) == together
                assert samples.value(metric, **function, Resource="f:live") == alias
                assert samples.value(metric, **function, Resource="f:live", ExecutedVersion="7") == alias
            assert samples.value("Invocations", **function, Resource="f") == 1
            assert samples.value("Invocations", **function, Resource="f:7") == 1
            assert samples.value("Errors", "count") == 3
            assert samples.value("Throttles") == 0
            assert samples.value("Duration", **function) == pytest.approx(1500)
            assert samples.value("Duration", "count", **function, Resource="f:7", ExecutedVersion="7") == 0
            assert {sample.unit for sample in samples.kept if sample.name == "Duration"} == {"Milliseconds"}

    run_virtual(main())


def test_how_many_run_at_once_shows_in_every_minute_it_lasts() -> None:
    async def main() -> None:
        async with engine(sleeper(150.0)) as one:
            samples = await metered(one)
            async with one.invocations._metering:
                calls = [asyncio.ensure_future(one.call(version(timeout_s=900))) for _ in range(3)]
                await asyncio.gather(*calls)
            for dimensions in ({}, {"FunctionName": "f"}):
                found = [
                    (sample.at % 3600, sample.values.maximum)
                    for sample in samples.kept
                    if sample.name == "ConcurrentExecutions" and dict(sample.dimensions) == dimensions
                ]
                assert found == [(0, 3.0), (60, 3.0)]
            assert samples.value("UnreservedConcurrentExecutions", "maximum") == 3
            assert samples.value("ClaimedAccountConcurrency", "maximum") == 3

    run_virtual(main())


def test_throttles_are_no_invocations() -> None:
    async def main() -> None:
        async with engine(sleeper(1.0), account_concurrency=1) as one:
            samples = await metered(one)
            async with one.invocations._metering:
                running = asyncio.ensure_future(call(one))
                await asyncio.sleep(0.01)
                with pytest.raises(AwsError):
                    await call(one)
                await running
            assert (samples.value("Throttles"), samples.value("Invocations")) == (1, 1)
            assert samples.value("Throttles", "count", FunctionName="f") == 2

    run_virtual(main())


def test_provisioned_and_spilled_invocations_and_the_use_of_what_is_provisioned() -> None:
    async def main() -> None:
        async with engine(sleeper(1.0)) as one:
            samples = await metered(one)
            of = version(version="1")
            wish = Wish(of, 2, "g", "live")
            one.environments.provisioned.want({(of.account_id, of.region, of.name, "1"): wish})
            await asyncio.sleep(1)
            async with one.invocations._metering:
                await asyncio.gather(*(call(one, qualifier="live", number="1") for _ in range(3)))
                await asyncio.sleep(120)
            resource = {"FunctionName": "f", "Resource": "f:live"}
            assert samples.value("ProvisionedConcurrencyInvocations", **resource) == 2
            assert samples.value("ProvisionedConcurrencySpilloverInvocations", **resource) == 1
            use = [s.values.maximum for s in samples.kept if s.name == "ProvisionedConcurrencyUtilization"]
            assert use[:2] == [1.0, 0.0]
            assert samples.value("ProvisionedConcurrentExecutions", "maximum", **resource) == 2

    run_virtual(main())


def test_a_sink_that_refuses_gets_the_same_again() -> None:
    async def main() -> None:
        samples = Samples()
        samples.refusals = 2
        async with Metering(samples, LoopClock()) as metering:
            metering.add("1", "r", "AsyncEventsReceived", 1.0, name="f")
            await asyncio.sleep(61)
            metering.add("1", "r", "AsyncEventsReceived", 1.0, name="f", resource="f:live")
            await asyncio.sleep(200)
            assert samples.value("AsyncEventsReceived", FunctionName="f") == 2
            assert samples.value("AsyncEventsReceived", FunctionName="f", Resource="f:live") == 1

    run_virtual(main())


def test_a_function_whose_caller_has_left_counts_until_it_has_ended() -> None:
    async def main() -> None:
        async with engine(sleeper(2.0), account_concurrency=1) as one:
            samples = await metered(one)
            async with one.invocations._metering:
                caller = asyncio.ensure_future(call(one))
                await asyncio.sleep(0.5)
                caller.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await caller
                with pytest.raises(AwsError):
                    await call(one)
                await asyncio.sleep(2.0)
                await call(one)
            assert (samples.value("Invocations"), samples.value("Throttles")) == (2, 1)
            assert samples.value("Duration", "count") == 2

    run_virtual(main())
