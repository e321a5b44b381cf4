"""The engine with everything around it scripted: no sockets, no processes, virtual time.

A *script* plays the function: an async function that gets a `FakeRuntime` and calls its Runtime API. When it returns, the
"process" has ended with the status it returned.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from functory.core.admission.permits import Admission
from functory.core.environments.drivers import Beside, Drivers, nothing_beside
from functory.core.environments.extensions import Extensions
from functory.core.environments.memory import MemoryMeter
from functory.core.environments.pool import Environments
from functory.core.environments.port import Close, CredentialSource, Served
from functory.core.environments.session import RuntimeApiError, RuntimeSession
from functory.core.environments.snapshot_store import SnapshotStore
from functory.core.environments.starter import Neighbours
from functory.core.environments.variables import Credentials
from functory.core.functions.model import FunctionVersion
from functory.core.invocations.invoker import Invocations
from functory.core.invocations.outcome import Invocation, Outcome
from functory.core.invocations.streams import ResponseStream, Streams
from functory.core.metering import Metering, Sample
from functory.kernel.clock import LoopClock
from functory.kernel.ids import SeededIds
from functory.kernel.settings import EnvironmentSettings, LambdaSettings
from functory.runtimes.port import ReadyRuntime, RuntimeMissing, RuntimeStatus
from functory.sandbox.port import (
    Capabilities,
    Command,
    Companion,
    Exit,
    Limits,
    Mount,
    OutputSink,
    SandboxDriver,
    SandboxError,
    SandboxInUse,
    SandboxSpec,
)

T = TypeVar("T")
P = ParamSpec("P")


@dataclass
class Event:
    """What a scripted runtime got from ``next``."""

    headers: dict[str, str]
    payload: bytes

    @property
    def request_id(self) -> str:
        return self.headers["Lambda-Runtime-Aws-Request-Id"]


class _Waiter:
    def __init__(self) -> None:
        self.future: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

    def deliver(self, headers: list[tuple[str, str]], body: bytes) -> None:
        self.future.set_result(Event(dict(headers), body))

    @property
    def is_gone(self) -> bool:
        return self.future.cancelled()


class FakeUpload:
    """A streamed response; `running` is clear while the runtime is held back."""

    def __init__(self, session: RuntimeSession, event: Event, content_type: str) -> None:
        self._session = session
        self.running = asyncio.Event()
        self.running.set()
        self.holds = 0
        session.begin_response(event.request_id, content_type, self)

    def pause(self) -> None:
        self.running.clear()
        self.holds += 1

    def resume(self) -> None:
        self.running.set()

    async def write(self, data: bytes) -> None:
        await self.running.wait()
        self._session.send_response(data)

    def end(self, error_type: str = "", error_body: bytes = b"") -> None:
        self._session.end_response(error_type, error_body)

    def cut(self) -> None:
        self._session.cut_response()


class FakeRuntime:
    """What a script has in its hands."""

    def __init__(self, sandbox: FakeSandbox, session: RuntimeSession, command: Command, output: OutputSink) -> None:
        self.sandbox = sandbox
        self.session = session
        self.env = command.env
        self.command = command
        self._output = output

    async def next(self) -> Event:
        waiter = _Waiter()
        self.session.next(waiter)
        return await waiter.future

    async def restored(self) -> None:
        """Wait to be restored."""
        waiter = _Waiter()
        self.session.restore_next(waiter)
        await waiter.future

    def restore_error(self, body: bytes, kind: str) -> None:
        self.session.restore_error(body, kind)

    def stream(self, event: Event, content_type: str = "") -> FakeUpload:
        """Begin a streamed response."""
        return FakeUpload(self.session, event, content_type)

    def respond(self, event: Event, body: bytes) -> None:
        self.session.response(event.request_id, body)

    def fail(self, event: Event, body: bytes, kind: str) -> None:
        self.session.error(event.request_id, body, kind)

    def init_error(self, body: bytes, kind: str) -> None:
        self.session.init_error(body, kind)

    def print(self, text: str) -> None:
        self._output(text.encode())


Script = Callable[[FakeRuntime], Awaitable[Exit | None]]


async def echo(runtime: FakeRuntime) -> Exit | None:
    """A function that answers with its event."""
    while True:
        event = await runtime.next()
        runtime.respond(event, event.payload)


def sleeper(seconds: float, init_s: float = 0.0) -> Script:
    """A function whose handler takes ``seconds`` and whose init takes ``init_s``."""

    async def script(runtime: FakeRuntime) -> Exit | None:
        await asyncio.sleep(init_s)
        while True:
            event = await runtime.next()
            await asyncio.sleep(seconds)
            runtime.respond(event, b'"done"')

    return script


class FakeSandbox:
    """A sandbox whose process is a script."""

    telemetry_fd = None
    aws_listener = None
    aws_address = None
    runtime_address = "169.254.100.1:9001"

    def __init__(self, driver: FakeDriver, spec: SandboxSpec) -> None:
        self.id = spec.id
        self.spec = spec
        self.paths: Mapping[str, str] = {mount.target: mount.target for mount in spec.mounts}
        self.runtime_listener = socket.socket()
        self._driver = driver
        self._exit: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._process: asyncio.Task[None] | None = None
        self.is_disposed = False
        self.was_asked_to_end = False
        self.companions: dict[str, Companion] = {}
        self.companion_env: Mapping[str, str] = {}

    async def accompany(self, companions: Sequence[Companion], env: Mapping[str, str], cwd: str) -> None:
        self.companions = {companion.argv[0].rpartition("/")[2]: companion for companion in companions}
        self.companion_env = env
        self._driver.accompanied.set()

    async def launch(self, command: Command, output: OutputSink, telemetry: OutputSink) -> None:
        await asyncio.sleep(self._driver.start_s)
        if self._driver.broken:
            raise SandboxError(self._driver.broken)
        runtime = FakeRuntime(self, self._driver.sessions[self.runtime_listener], command, output)
        self._process = asyncio.get_running_loop().create_task(self._play(self._driver.script, runtime))

    async def _play(self, script: Script, runtime: FakeRuntime) -> None:
        try:
            ended = await script(runtime) or Exit(code=0)
        except RuntimeApiError:
            ended = Exit(code=1)
        if not self._exit.done():
            self._exit.set_result(ended)

    async def connect(self, port: int) -> socket.socket:
        raise ConnectionRefusedError(port)

    def drain(self) -> None:
        return None

    async def wait(self) -> Exit:
        return await asyncio.shield(self._exit)

    def terminate(self) -> None:
        self.was_asked_to_end = True

    async def kill(self) -> None:
        if self._process is not None:
            self._process.cancel()
        if not self._exit.done():
            self._exit.set_result(Exit(signal=9))

    async def freeze(self) -> None:
        return None

    async def thaw(self) -> None:
        return None

    def limit_cpu(self, vcpu: float) -> None:
        self.vcpu = vcpu

    def memory_peak_bytes(self) -> int:
        return 36 * 1024 * 1024 - 5

    async def dispose(self) -> None:
        await self.kill()
        self.runtime_listener.close()
        if not self.is_disposed:
            self.is_disposed = True
            self._driver.live.discard(self)


class FakeStandby(FakeSandbox):
    """A sandbox that waits; `FakeDriver.standby_faults` says what goes wrong."""

    standby_fd = 4

    def __init__(self, driver: FakeDriver, spec: SandboxSpec) -> None:
        super().__init__(driver, spec)
        self.attached: tuple[tuple[Mount, ...], Limits] | None = None
        self.orders: dict[str, Any] = {}
        self._sinks: tuple[OutputSink, OutputSink] | None = None

    async def launch(self, command: Command, output: OutputSink, telemetry: OutputSink) -> None:
        await asyncio.sleep(self._driver.start_s)
        self._fail_at("launch")
        self.command = command
        self._sinks = (output, telemetry)

    def _fail_at(self, step: str) -> None:
        if step in self._driver.standby_faults:
            raise SandboxError(f"{step} fails")

    async def waiting(self) -> None:
        await asyncio.sleep(self._driver.wait_s)
        self._fail_at("waiting")

    async def attach(self, mounts: Sequence[Mount], limits: Limits) -> None:
        await asyncio.sleep(0.001)
        self._fail_at("attach")
        self.attached = (tuple(mounts), limits)

    async def hand_over(self, message: bytes) -> None:
        self._fail_at("hand_over")
        self.orders = json.loads(message)
        assert self._sinks is not None
        if "handed_over" in self._driver.standby_faults:  # it dies of its orders
            self.end(Exit(signal=9))
            return
        command = Command(self.command.argv, self.orders["env"], self.orders["cwd"])
        runtime = FakeRuntime(self, self._driver.sessions[self.runtime_listener], command, self._sinks[0])
        self._process = asyncio.get_running_loop().create_task(self._play(self._driver.script, runtime))

    def memory_bytes(self) -> int:
        return self._driver.standby_mib * 1024 * 1024

    def end(self, how: Exit) -> None:
        """Its process ends by itself."""
        self._exit.set_result(how)


class FakeSnapshot(FakeSandbox):
    """A sandbox that is kept as a file and goes on as the driver's script, which sees ``restored`` in its environment."""

    credentials_address = "169.254.170.2:9001"

    def __init__(self, driver: FakeDriver, spec: SandboxSpec, folder: Path | None) -> None:
        super().__init__(driver, spec)
        self.folder = folder
        self.command = Command((), {})

    async def launch(self, command: Command, output: OutputSink, telemetry: OutputSink) -> None:
        self.command = command
        await super().launch(command, output, telemetry)

    async def snapshot(self, folder: Path, hang_up: Callable[[], None]) -> None:
        if "in use" in self._driver.snapshot_faults:
            raise SandboxInUse("a connection was in use")
        if "broken" in self._driver.snapshot_faults:
            raise SandboxError("no disk")
        hang_up()
        (folder / "memory").write_text(json.dumps(dict(self.command.env)))
        await self.kill()

    async def restore(self, output: OutputSink) -> None:
        assert self.folder is not None
        env = json.loads((self.folder / "memory").read_text())
        await self.launch(Command((), {**env, "restored": "yes"}), output, output)


class FakeDriver:
    """Makes `FakeSandbox`es that play ``script``."""

    name = "fake"
    capabilities = Capabilities(
        isolation=False, memory_limit=False, cpu_limit=False, tmp_limit=False, private_network=False, freeze=False
    )

    def __init__(self, script: Script, start_s: float = 0.1) -> None:
        self.script = script
        self.start_s = start_s
        self.broken = ""
        self.sessions: dict[socket.socket, RuntimeSession] = {}
        self.extensions: dict[socket.socket, Extensions] = {}
        self.accompanied = asyncio.Event()
        self.live: set[FakeSandbox] = set()
        self.made = 0
        self.most_live = 0
        self.standbys_made: list[FakeStandby] = []
        self.standby_faults: set[str] = set()
        self.standby_mib = 40
        self.wait_s = 0.2
        self.snapshots_made: list[FakeSnapshot] = []
        self.snapshot_faults: set[str] = set()
        """``restore``: the next one cannot begin; ``in use``, ``broken``: none can be kept."""

    async def start(self) -> None:
        return None

    async def prepare(self, spec: SandboxSpec) -> FakeSandbox:
        self.made += 1
        sandbox = FakeSandbox(self, spec)
        self.live.add(sandbox)
        self.most_live = max(self.most_live, len(self.live))
        return sandbox

    async def prepare_standby(self, spec: SandboxSpec) -> FakeStandby:
        if "prepare" in self.standby_faults:
            raise SandboxError("prepare fails")
        sandbox = FakeStandby(self, spec)
        self.standbys_made.append(sandbox)
        self.live.add(sandbox)
        return sandbox

    async def prepare_snapshot(self, spec: SandboxSpec, folder: Path | None = None) -> FakeSnapshot:
        if folder is not None and "restore" in self.snapshot_faults:
            self.snapshot_faults.discard("restore")
            raise SandboxError("it was kept by another version")
        sandbox = FakeSnapshot(self, spec, folder)
        self.snapshots_made.append(sandbox)
        self.live.add(sandbox)
        return sandbox

    async def close(self) -> None:
        for sandbox in list(self.live):
            await sandbox.dispose()

    # RuntimeApiHost

    async def serve(self, listener: socket.socket, served: Served) -> Close:
        self.sessions[listener] = served.session
        self.extensions[listener] = served.extensions
        return listener.close


class FakeRuntimes:
    """Knows ``python3.12`` and nothing else."""

    def __init__(self, standby: Literal["", "any", "memory"] = "any") -> None:
        self.standby = standby

    def is_known(self, runtime: str) -> bool:
        return runtime == "python3.12"

    def can_snap_start(self, runtime: str) -> bool:
        return runtime == "python3.12"

    def is_custom(self, runtime: str) -> bool:
        return runtime.startswith("provided")

    async def resolve(self, runtime: str) -> ReadyRuntime:
        if not self.is_known(runtime):
            raise RuntimeMissing(f"Runtime {runtime} is not installed on this node.")
        return ReadyRuntime(runtime, "3.12.1", ("{lang}/bin/python",), {"PYTHONPATH": "{runtime}"}, (), standby=self.standby)

    async def list(self) -> list[RuntimeStatus]:
        return []


class FakeArtifacts:
    async def unpack(self, key: str) -> Path:
        return Path("/nowhere") / key

    async def merge(self, keys: Sequence[str]) -> Path:
        return Path("/nowhere") / "+".join(keys)


class FakeEndpoint:
    url = "http://127.0.0.1:4566"

    async def serve(self, listener: socket.socket) -> Close:
        return listener.close


class FakeCredentials:
    async def credentials(self, version: FunctionVersion) -> Credentials:
        return Credentials(version.account_id, "secret", "token")


@dataclass
class FakeSink:
    events: list[tuple[str, str]] = field(default_factory=list)

    def append(self, account_id: str, region: str, group: str, stream: str, events: Sequence[tuple[int, str]]) -> None:
        self.events += [(stream, text) for _, text in events]

    def texts(self) -> list[str]:
        return [text for _, text in self.events]


class NoSamples:
    """A sink of metrics that keeps nothing."""

    async def keep(self, samples: Sequence[Sample]) -> None:
        return None


@dataclass
class Engine:
    """An engine over a fake driver."""

    driver: FakeDriver
    environments: Environments
    invocations: Invocations
    sink: FakeSink
    ids: SeededIds
    streams: Streams

    async def stream(self, version: FunctionVersion, payload: bytes = b"{}", *, tail: bool = False) -> ResponseStream:
        """Begin an invocation whose response is read while it comes."""
        invocation = Invocation(self.ids.uuid(), payload, version.arn, want_tail=tail)
        return await self.streams.invoke(version, invocation)

    async def call(
        self, version: FunctionVersion, payload: bytes = b"{}", *, tail: bool = False, tenant_id: str = ""
    ) -> Outcome:
        invocation = Invocation(self.ids.uuid(), payload, version.arn, want_tail=tail, tenant_id=tenant_id)
        return await self.invocations.invoke(version, invocation)

    async def __aenter__(self) -> Engine:
        await self.environments.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.streams.__aexit__(None, None, None)
        await self.environments.close()


def engine(
    script: Script = echo,
    *,
    start_s: float = 0.1,
    settings: EnvironmentSettings | None = None,
    account_concurrency: int = 1000,
    standby: Literal["", "any", "memory"] | None = None,
    gvisor: FakeDriver | None = None,
    meter: MemoryMeter | None = None,
    lambda_settings: LambdaSettings | None = None,
    snapshots: Path | None = None,
    credentials: CredentialSource | None = None,
) -> Engine:
    """A fresh engine; call on the loop that runs it.

    Args:
        standby: what the runtime allows; None for a driver that makes none.
        gvisor: the driver of functions that ask for gVisor.
        meter: tells the machine's memory.
        snapshots: where its snapshots are, for a driver that keeps sandboxes.
        credentials: what environments get; None for credentials that do not end.
    """
    driver = FakeDriver(script, start_s)
    if snapshots is not None:
        driver.capabilities = dataclasses.replace(driver.capabilities, snapshots=True)
    if standby is not None:
        driver.capabilities = dataclasses.replace(driver.capabilities, standby=True)
    sink = FakeSink()
    clock, ids = LoopClock(), SeededIds(1)
    neighbours = Neighbours(
        Drivers(driver, _beside(driver, gvisor)),
        FakeRuntimes(standby or ""),
        FakeArtifacts(),
        driver,
        FakeEndpoint(),
        credentials or FakeCredentials(),
        sink,
        clock,
        ids,
        SnapshotStore(snapshots or Path("/nowhere"), _inline),
        meter=meter,
    )
    environments = Environments(settings or EnvironmentSettings(max_memory_mib=100_000, parallel_starts=1000), neighbours)
    limits = lambda_settings or LambdaSettings(account_concurrency=account_concurrency)
    invocations = Invocations(Admission(limits, clock), environments, Metering(NoSamples(), clock), clock, ids)
    return Engine(driver, environments, invocations, sink, ids, Streams(invocations, limits))


async def _inline(work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What takes its time is done at once: there are no threads on a loop of virtual time."""
    return work(*args, **kwargs)


def _beside(driver: FakeDriver, gvisor: FakeDriver | None) -> Beside:
    """A machine with containers and, when given, gVisor."""
    driver.capabilities = dataclasses.replace(driver.capabilities, isolation=True)
    if gvisor is None:
        return nothing_beside
    gvisor.capabilities = dataclasses.replace(gvisor.capabilities, isolation=True, own_kernel=True)
    gvisor.sessions, gvisor.extensions = driver.sessions, driver.extensions  # served by the one Runtime API

    async def beside(isolation: str) -> SandboxDriver:
        assert isolation == "gvisor"
        return gvisor

    return beside


def version(name: str = "f", **changes: object) -> FunctionVersion:
    """A function version."""
    facts: dict[str, object] = {
        "account_id": "000000000000",
        "region": "us-east-1",
        "name": name,
        "version": "$LATEST",
        "epoch": "1",
        "code_key": "k",
        "runtime": "python3.12",
        "handler": "app.handler",
        "log_group": f"/aws/lambda/{name}",
    }
    return FunctionVersion(**(facts | changes))  # type: ignore[arg-type]
