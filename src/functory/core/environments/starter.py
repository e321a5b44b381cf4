"""Making an environment: runtime, code, sandbox, Runtime API, launch, init.

What goes wrong before any code of the function runs is an exception: `StartRefused` when the function cannot be run as it is
(no such runtime here, no bootstrap), `SandboxError` when the machine is at fault. What goes wrong in the function's
init is an `InitFailure`.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from functory.core.environments import failures, image_start, platform_events, restoration
from functory.core.environments.credential_door import CredentialDoor
from functory.core.environments.drivers import Drivers
from functory.core.environments.entrypoint import refusal as entrypoint_refusal
from functory.core.environments.environment import Environment, InitFailure
from functory.core.environments.extension_processes import find_extensions, launch_when_registered, start_extensions
from functory.core.environments.file_systems import FileSystems
from functory.core.environments.freezer import Freezer
from functory.core.environments.image_start import ImageRefused, ImageStart
from functory.core.environments.log_stream import LogStream, stream_name
from functory.core.environments.memory import MemoryMeter
from functory.core.environments.port import ArtifactSource, CredentialSource, EndpointHost, RuntimeApiHost
from functory.core.environments.snapshot_store import Kept, SnapshotStore
from functory.core.environments.standby import Standbys
from functory.core.environments.standby_shelf import Standby
from functory.core.environments.telemetry import Telemetry
from functory.core.environments.variables import ON_DEMAND, SNAP_START, Credentials, Surroundings, expand, places, variables
from functory.core.functions.model import FunctionVersion, ImageOverrides
from functory.core.invocations.log_sink import LogSink
from functory.kernel import log as module_log
from functory.kernel.clock import Clock
from functory.kernel.errors import FunctoryError
from functory.kernel.ids import Ids
from functory.kernel.limits import MIB_PER_VCPU, OPEN_FILES, PROCESSES
from functory.kernel.settings import EnvironmentSettings
from functory.kernel.tasks import TaskScope
from functory.runtimes.port import ReadyRuntime, RuntimeCatalog, RuntimeMissing
from functory.runtimes.version import runtime_version_arn
from functory.sandbox.port import (
    Command,
    Limits,
    Mount,
    OutputSink,
    Sandbox,
    SandboxDriver,
    SandboxError,
    SandboxSpec,
)

PRIVATE_HOST = "169.254.100.1"
"""The address of the Runtime API inside a private network. AWS: as recorded from its runtimes."""


INIT_VCPU = 2.0
"""CPU during init, whatever the memory. AWS: init runs with more than the function's share, measured by many at two vCPU."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Everything a start needs from other rooms."""

    drivers: Drivers
    runtimes: RuntimeCatalog
    artifacts: ArtifactSource
    runtime_api: RuntimeApiHost
    endpoint: EndpointHost
    credentials: CredentialSource
    sink: LogSink
    clock: Clock
    ids: Ids
    snapshots: SnapshotStore
    mounts: Sequence[Mount] = ()
    meter: MemoryMeter | None = None
    file_systems: FileSystems = field(default_factory=FileSystems)
    xray_daemon: str = ""


class StartRefused(FunctoryError):  # noqa: N818  reads as what it is
    """The function cannot be run as it is.

    Attributes:
        error_type: what AWS calls it.
        log: the log stream of the environment that did not come to be, for what is still to be said.
    """

    def __init__(self, error_type: str, message: str, log: LogStream) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.log = log


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is settled before a sandbox is chosen."""

    version: FunctionVersion
    runtime: ReadyRuntime
    driver: SandboxDriver
    argv: tuple[str, ...]
    log: LogStream
    phase: str
    image: ImageStart | None
    extensions: Sequence[Path]
    initialization_type: str
    on_idle: Callable[[Environment], None]
    on_end: Callable[[Environment], None]
    kept: Kept | None = None

    @property
    def is_restored(self) -> bool:
        """Whether it begins from a snapshot."""
        return self.kept is not None and self.kept.is_complete


class Starter:
    """See the module.

    Args:
        tasks: owns the watcher of each sandbox; belongs to the pool.
        standbys: asked first; a sandbox is started where none waits.
    """

    def __init__(self, neighbours: Neighbours, tasks: TaskScope, settings: EnvironmentSettings, standbys: Standbys) -> None:
        self._with = neighbours
        self._tasks = tasks
        self._settings = settings
        self._standbys = standbys
        self._log = module_log.get("core.starter")

    async def launch(
        self,
        version: FunctionVersion,
        *,
        phase: str = "init",
        remains: Environment | None = None,
        initialization_type: str = ON_DEMAND,
        kept: Kept | None = None,
        on_idle: Callable[[Environment], None],
        on_end: Callable[[Environment], None],
    ) -> Environment:
        """An environment whose runtime has just been started; see `Environment` for the callbacks.

        Args:
            phase: ``init``, or ``invoke`` for an init that is repeated within an invocation.
            remains: an environment of the same version that was reset: the new one goes on with its ``/tmp`` and log.
            initialization_type: what the function is told of it; AWS's words.
            kept: the snapshot that it begins from, or that is to be made of it.
            on_idle: see `Environment`.
            on_end: see `Environment`.

        Raises:
            StartRefused: the runtime's interpreter is not on this machine, or there is no bootstrap.
            SandboxError: no sandbox could be made.
        """
        near = self._with
        stream = remains.log.name if remains is not None else stream_name(version, near.clock.epoch_s(), near.ids)
        log = LogStream(version, stream, near.sink, near.clock)
        image = await self._image(version, version.image, log) if version.image is not None else None
        try:
            runtime = image.runtime if image else await near.runtimes.resolve(version.runtime)
        except RuntimeMissing as error:
            raise StartRefused("Runtime.Unavailable", str(error), log) from error
        _check_pin(version, runtime, log)
        code = await near.artifacts.unpack(version.code_key)
        layers = await near.artifacts.merge(version.layer_keys) if version.layer_keys else None
        argv, refusal = _argv(runtime, {"{task}": code} | ({"{opt}": layers} if layers else {}))
        if refusal:
            _tell_init_start(log, version, runtime, phase, initialization_type)
            raise StartRefused("Runtime.InvalidEntrypoint", refusal, log)
        shared = tuple(near.file_systems.mount(arn, path) for arn, path in version.file_systems)
        spec = self._spec(version, runtime, (*_mounts(code, layers), *shared))
        spec = image.adapt_spec(spec) if image else spec
        if remains is not None:
            spec = replace(spec, tmp_of=remains.sandbox)
        extensions = find_extensions(image.mounts if image else spec.mounts)
        driver = await (near.drivers.keeper_of(version) if kept is not None else near.drivers.driver_of(version))
        plan = _Plan(
            version, runtime, driver, argv, log, phase, image, extensions, initialization_type, on_idle, on_end, kept
        )
        if kept is not None:
            return await self._begin_kept(plan, spec, kept)
        # an init that failed or is done again is not repeated on another bet
        is_first = phase == "init" and remains is None
        may_take = is_first and not extensions and not shared
        standby = self._standbys.take(version, runtime, driver) if may_take else None
        if standby is not None:
            try:
                return await self._begin(
                    plan, standby.sandbox, functools.partial(_specialize, standby, _mounts(code, layers), spec.limits)
                )
            except (SandboxError, OSError) as error:
                self._log.warning("standby_not_used", sandbox=standby.sandbox.id, reason=str(error))
        sandbox = await driver.prepare(spec)
        return await self._begin(plan, sandbox, sandbox.launch)

    async def _begin_kept(self, plan: _Plan, spec: SandboxSpec, kept: Kept) -> Environment:
        """Begin from a snapshot, or in a sandbox of which one can be made."""
        if plan.extensions:
            raise StartRefused("Extension.LaunchError", "External extensions cannot be used with SnapStart here.", plan.log)
        if not kept.is_complete:
            sandbox = await plan.driver.prepare_snapshot(spec)
            return await self._begin(plan, sandbox, sandbox.launch)
        if kept.runtime != _identity(plan.runtime):
            raise SandboxError(f"the snapshot is of the runtime {kept.runtime}")
        restored = await plan.driver.prepare_snapshot(spec, kept.folder)
        return await self._begin(plan, restored, lambda _, output, __: restored.restore(output))

    async def _begin(
        self, plan: _Plan, sandbox: Sandbox, go: Callable[[Command, OutputSink, OutputSink], Awaitable[None]]
    ) -> Environment:
        """Serve a sandbox and let what is in it begin with the function; on failure the sandbox is disposed of."""
        near, version, runtime, log, image = self._with, plan.version, plan.runtime, plan.log, plan.image
        environment: Environment | None = None
        try:
            freezer = Freezer(sandbox, self._freeze_after_s(plan.driver), self._tasks)
            telemetry = Telemetry(sandbox, log, self._tasks)
            environment = Environment(
                version, sandbox, log, near.clock, near.ids, freezer, telemetry, plan.on_idle, plan.on_end
            )
            environment.initialization_type, environment.runtime = plan.initialization_type, _identity(runtime)
            if plan.kept is not None:
                environment.session.restores, environment.is_restored = True, plan.is_restored
            environment.closers.append(await near.runtime_api.serve(sandbox.runtime_listener, environment))
            if sandbox.aws_listener is not None:
                environment.closers.append(await near.endpoint.serve(sandbox.aws_listener))
            if plan.is_restored:
                _tell_restore_start(log, version, runtime)
            elif image is None:
                _tell_init_start(log, version, runtime, plan.phase, plan.initialization_type)
            credentials = await near.credentials.credentials(version)
            environment.credentials_until = credentials.good_until
            if plan.kept is not None:
                environment.credentials = CredentialDoor(plan.kept.token, credentials, near.clock)
            command = self._command(plan, sandbox, credentials)
            command = image.adapt_command(command, version) if image else command
            environment.launched()
            if plan.extensions:
                await start_extensions(environment, plan.extensions, command.env)
            else:
                await go(command, log.output, log.telemetry)
        except BaseException:
            if environment is not None:
                environment.stop_serving()
            await sandbox.dispose()
            raise
        held = command if plan.extensions else None
        self._tasks.spawn(_watch(environment, held), f"environment {sandbox.id}")
        return environment

    async def _image(self, version: FunctionVersion, overrides: ImageOverrides, log: LogStream) -> ImageStart:
        """How a container image is started.

        Raises:
            StartRefused: it cannot be.
        """
        try:
            folder = await self._with.artifacts.unpack(version.code_key)
            return await asyncio.to_thread(image_start.judge, version, overrides, folder)
        except KeyError as error:
            text = "The image is no longer on this node; UpdateFunctionCode fetches it again."
            raise StartRefused("Runtime.Unavailable", text, log) from error
        except ImageRefused as error:
            raise StartRefused(error.error_type, str(error), log) from error

    @staticmethod
    async def initialize(environment: Environment, phase: str, limit_s: float) -> InitFailure | None:
        """Wait for the end of init; None when the environment is ready.

        Args:
            phase: ``init``, or ``invoke`` for an init that is repeated within an invocation.
            limit_s: how long init may take.
        """
        failure = await environment.initialized(limit_s)
        environment.sandbox.limit_cpu(environment.version.memory_mib / MIB_PER_VCPU)
        if failure is not None:
            environment.sandbox.drain()
            environment.log.flush()
        if environment.is_restored:
            _tell_restore_end(environment, failure)
        else:
            _tell_init_end(environment, failure, phase)
        environment.telemetry.init_is_over()
        return failure

    def _freeze_after_s(self, driver: SandboxDriver) -> float:
        return self._settings.freeze_after_s if driver.capabilities.freeze else -1.0

    def _spec(self, version: FunctionVersion, runtime: ReadyRuntime, own: tuple[Mount, ...]) -> SandboxSpec:
        near = self._with
        return SandboxSpec(
            id=f"fn-{near.ids.hex(16)}",
            mounts=(*own, *(Mount(mount.source, mount.target) for mount in runtime.mounts), *near.mounts),
            limits=Limits(
                memory_mib=version.memory_mib,
                vcpu=max(INIT_VCPU, version.memory_mib / MIB_PER_VCPU),
                tmp_mib=version.ephemeral_mib,
                processes=PROCESSES,
                open_files=OPEN_FILES,
            ),
        )

    def _command(self, plan: _Plan, sandbox: Sandbox, credentials: Credentials) -> Command:
        near, version, runtime = self._with, plan.version, plan.runtime
        around = Surroundings(
            paths=sandbox.paths,
            runtime_api=_shown(sandbox.runtime_address, runtime),
            endpoint_url=f"http://{sandbox.aws_address}" if sandbox.aws_address else near.endpoint.url,
            log_stream=plan.log.name,
            telemetry_fd=sandbox.telemetry_fd,
            initialization_type=plan.initialization_type,
            credentials_address=getattr(sandbox, "credentials_address", "") if plan.kept is not None else "",
            authorization=plan.kept.token if plan.kept is not None else "",
            xray_daemon=near.xray_daemon,
        )
        env = variables(
            version,
            runtime,
            around,
            credentials,
            is_custom=near.runtimes.is_custom(version.runtime),
        )
        values = places(sandbox.paths)
        return Command(tuple(expand(part, values) for part in plan.argv), env, values["task"])


async def _specialize(
    standby: Standby, own: tuple[Mount, ...], limits: Limits, command: Command, output: OutputSink, telemetry: OutputSink
) -> None:
    """Make a standby this function's, as `Sandbox.launch` would have started it.

    Raises:
        SandboxError: it has ended, or cannot be given this function.
    """
    await standby.sandbox.attach(own, limits)
    standby.relay.connect(output, telemetry)
    orders = {"env": command.env, "cwd": command.cwd, "started_with": standby.started_with}
    await standby.sandbox.hand_over(msgspec.json.encode(orders))


async def _watch(environment: Environment, held: Command | None) -> None:
    """Tell the environment when its runtime ends, and stop serving it when all of it has ended.

    Args:
        held: the runtime's command when it waits for external extensions to register.
    """
    try:
        if held is None or await launch_when_registered(environment, held):
            ended = await environment.sandbox.wait()
            environment.runtime_ended(ended)
        await environment.gone.wait()
    finally:
        environment.stop_serving()


def _identity(runtime: ReadyRuntime) -> str:
    """What tells a runtime from every other, another installation of it included."""
    return " ".join((runtime.id, runtime.version, *(str(mount.source) for mount in runtime.mounts)))


def _mounts(code: Path, layers: Path | None) -> tuple[Mount, ...]:
    """What the function brings: its code and, when it has layers, ``/opt``."""
    task = Mount(code, "/var/task")
    return (task, Mount(layers, "/opt")) if layers else (task,)


def _argv(runtime: ReadyRuntime, folders: Mapping[str, Path]) -> tuple[tuple[str, ...], str]:
    """The command, looked up in code and layers where the function brings its own; or why there is none, as AWS says it.

    Args:
        folders: ``{task}`` and, when there are layers, ``{opt}`` -> the folder of the host that is seen there.
    """
    if not runtime.entrypoints:
        return runtime.argv, ""
    for entrypoint in runtime.entrypoints:
        folder, _, name = entrypoint.partition("/")
        if folder in folders and (file := folders[folder] / name).is_file():
            why_not = entrypoint_refusal(file)
            shown = expand(entrypoint, places({}))
            return (entrypoint, *runtime.argv[1:]), f"fork/exec {shown}: {why_not}" if why_not else ""
    shown = " ".join(expand(entrypoint, places({})) for entrypoint in runtime.entrypoints)
    return (), f"Couldn't find valid bootstrap(s): [{shown}]"


def _check_pin(version: FunctionVersion, runtime: ReadyRuntime, log: LogStream) -> None:
    """Refuse a function that stays with another version of its runtime than the one that is here.

    Raises:
        StartRefused: it does.
    """
    installed = runtime_version_arn(version.region, runtime)
    if version.runtime_pin and version.runtime_pin != installed:
        text = (
            f"The function stays with the runtime version {version.runtime_pin}, and {installed} is installed: "
            "PutRuntimeManagementConfig changes that."
        )
        raise StartRefused("Runtime.Unavailable", text, log)


def _shown(address: str, runtime: ReadyRuntime) -> str:
    """The Runtime API as AWS shows it to this runtime; a private network listens on all its addresses."""
    host, _, port = address.rpartition(":")
    return f"{runtime.runtime_api_host}:{port}" if host == PRIVATE_HOST else address


def _tell_init_start(log: LogStream, version: FunctionVersion, runtime: ReadyRuntime, phase: str, kind: str) -> None:
    log.platform(_init_start(version, runtime))
    if log.takes_records:
        label = ":".join(runtime_label(runtime))
        log.record(platform_events.init_start(version, phase, label, runtime_version_arn(version.region, runtime), kind))


def _tell_init_end(environment: Environment, failure: InitFailure | None, phase: str) -> None:
    if failure is not None:
        environment.log.platform(_init_report(failure, phase))
    elif environment.initialization_type == SNAP_START:
        environment.log.platform(f"INIT_REPORT Init Duration: {environment.init_ms:.2f} ms")
    if environment.log.takes_records:
        _record_init_end(environment, failure, phase)


def _tell_restore_start(log: LogStream, version: FunctionVersion, runtime: ReadyRuntime) -> None:
    log.platform(_init_start(version, runtime).replace("INIT_START", "RESTORE_START", 1))
    if log.takes_records:
        label = ":".join(runtime_label(runtime))
        log.record(platform_events.restore_start(version, label, runtime_version_arn(version.region, runtime)))


def _tell_restore_end(environment: Environment, failure: InitFailure | None) -> None:
    log, total_ms = environment.log, environment.restore_ms if failure is None else failure.init_ms
    status, kind = (failure.status, failure.error_type) if failure is not None else ("success", "")
    shown = failures.reported_type(kind) if status == "error" else ""
    log.platform(restoration.report_line(total_ms, status if failure is not None else "", shown))
    if log.takes_records:
        log.record(platform_events.restore_runtime_done(status, kind))
        log.record(platform_events.restore_report(status, total_ms, kind))


def _record_init_end(environment: Environment, failure: InitFailure | None, phase: str) -> None:
    log = environment.log
    status, kind = (failure.status, failure.error_type) if failure is not None else ("success", "")
    init_ms = failure.init_ms if failure is not None else environment.init_ms
    initialized = environment.initialization_type
    log.record(platform_events.init_runtime_done(phase, status, kind, initialized))
    log.record(platform_events.init_report(phase, status, init_ms, kind, initialized))


def _init_start(version: FunctionVersion, runtime: ReadyRuntime) -> str:
    name, number = runtime_label(runtime)
    arn = runtime_version_arn(version.region, runtime)
    return f"INIT_START Runtime Version: {name}:{number}\tRuntime Version ARN: {arn}"


def runtime_label(runtime: ReadyRuntime) -> tuple[str, str]:
    """``("python", "3.12.1")`` of ``python3.12``; ``("provided", "al2023")`` of ``provided.al2023``."""
    if not runtime.version:
        name, _, number = runtime.id.partition(".")
        return name, number
    return runtime.id.partition(".")[0].rstrip("0123456789"), runtime.version


def _init_report(failure: InitFailure, phase: str) -> str:
    report = f"INIT_REPORT Init Duration: {failure.init_ms:.2f} ms\tPhase: {phase}\tStatus: {failure.status}"
    return report if failure.status == "timeout" else f"{report}\tError Type: {failures.reported_type(failure.error_type)}"
