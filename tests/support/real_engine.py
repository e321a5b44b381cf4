"""The engine over a real driver and the real Runtime API, in this process; only store, code and logs are scripted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from functory.core.admission.permits import Admission
from functory.core.environments.drivers import Drivers
from functory.core.environments.pool import Environments
from functory.core.environments.snapshot_store import SnapshotStore
from functory.core.environments.starter import Neighbours
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.invoker import Invocations
from functory.core.invocations.outcome import Invocation, Outcome
from functory.core.metering import Metering
from functory.edges.runtime_api.api import RuntimeApi
from functory.kernel.clock import SystemClock
from functory.kernel.ids import SystemIds
from functory.kernel.settings import EnvironmentSettings, LambdaSettings, RuntimeSettings
from functory.runtimes.catalog import Catalog
from functory.sandbox.port import Mount, SandboxDriver
from tests.support.engine import FakeCredentials, FakeEndpoint, FakeSink, NoSamples, version

WAIT_S = 20.0


@dataclass
class _Folders:
    """Functions are folders named by their code key."""

    root: Path

    async def unpack(self, key: str) -> Path:
        return self.root / key


@dataclass
class RealEngine:
    """An engine; `lines` is what the functions' logs have, in the order it came."""

    root: Path
    environments: Environments
    invocations: Invocations
    sink: FakeSink

    def function(self, name: str, source: str, **facts: object) -> FunctionVersion:
        """A Python function."""
        folder = self.root / name
        folder.mkdir()
        (folder / "app.py").write_text(source)
        return version(name, code_key=name, **facts)

    async def call(self, function: FunctionVersion, payload: bytes = b"{}", *, tail: bool = False) -> Outcome:
        """Run one invocation."""
        request = Invocation(SystemIds().uuid(), payload, function.arn, want_tail=tail)
        return await self.invocations.invoke(function, request)

    @property
    def lines(self) -> list[str]:
        """Every log line so far."""
        return [text.rstrip("\n") for text in self.sink.texts()]

    async def logged(self, text: str) -> list[str]:
        """Wait until a line has ``text``."""
        await self.until(lambda: any(text in line for line in self.lines))
        return self.lines

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a state, in a bounded time."""
        try:
            async with asyncio.timeout(WAIT_S):
                while not holds():
                    await asyncio.sleep(0.005)
        except TimeoutError:
            raise AssertionError("not in time; the log has:\n" + "\n".join(self.lines)) from None


@contextlib.asynccontextmanager
async def real_engine(
    driver: SandboxDriver, root: Path, *mounts: Mount, settings: EnvironmentSettings | None = None
) -> AsyncIterator[RealEngine]:
    """An engine on a started driver; ``root`` is an empty folder for the functions' code."""
    sink, clock, ids, api = FakeSink(), SystemClock(), SystemIds(), RuntimeApi()
    neighbours = Neighbours(
        Drivers(driver),
        Catalog(RuntimeSettings()),
        _Folders(root),
        api,
        FakeEndpoint(),
        FakeCredentials(),
        sink,
        clock,
        ids,
        SnapshotStore(root / "snapshots"),
        mounts,
    )
    async with Environments(settings or EnvironmentSettings(max_memory_mib=10_000), neighbours) as environments:
        admission = Admission(LambdaSettings(account_concurrency=100), clock)
        invocations = Invocations(admission, environments, Metering(NoSamples(), clock), clock, ids)
        yield RealEngine(root, environments, invocations, sink)
    await api.close()
