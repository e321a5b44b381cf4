"""What `standby.Standbys` keeps: the standbys that wait, by kind, and what is known of the demand for them."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from functory.core.environments.standby_rules import Demand
from functory.runtimes.port import ReadyRuntime
from functory.sandbox.port import OutputSink, SandboxDriver, StandbySandbox

MEMORY_GUESS_MIB = 64
"""What a standby is taken to hold until one was measured."""
MAKE_S_GUESS = 0.5


class Relay:
    """Where a sandbox's output goes: nowhere until it has a function."""

    def __init__(self) -> None:
        self._output: OutputSink | None = None
        self._telemetry: OutputSink | None = None

    def connect(self, output: OutputSink, telemetry: OutputSink) -> None:
        """From now on it is the function's."""
        self._output, self._telemetry = output, telemetry

    def output(self, data: bytes) -> None:
        """See `Sandbox.launch`."""
        if self._output is not None:
            self._output(data)

    def telemetry(self, data: bytes) -> None:
        """See `Sandbox.launch`."""
        if self._telemetry is not None:
            self._telemetry(data)


@dataclass(eq=False, slots=True)
class Standby:
    """One that waits; whoever takes it disposes of the sandbox.

    Attributes:
        relay: where its output goes.
        started_with: names of the variables it was started with.
        memory_mib: what it is counted with.
    """

    sandbox: StandbySandbox
    relay: Relay
    started_with: tuple[str, ...]
    memory_mib: int
    watcher: asyncio.Task[None] | None = None


@dataclass(eq=False, slots=True)
class Shelf:
    """The standbys of one kind."""

    driver: SandboxDriver
    runtime: ReadyRuntime
    memory_size_mib: int
    waiting: deque[Standby] = field(default_factory=deque)
    demand: Demand = field(default_factory=Demand)
    make_s: float = MAKE_S_GUESS
    memory_mib: int = MEMORY_GUESS_MIB
    making: int = 0
    failures: int = 0
    again_at: float = 0.0
