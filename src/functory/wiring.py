"""The one room that sees every implementation: builds the platform from `Settings`, runs it, takes it down in order.

Everything is an async context manager on one stack, so what was built last goes first: the endpoint stops taking requests,
the queue stops handing out, the environments end, the logs are saved, the store closes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import resource
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from functory import __version__
from functory.core.admission.permits import Admission
from functory.core.artifacts.artifacts import Artifacts
from functory.core.artifacts.image_source import ImageSource
from functory.core.artifacts.images import Images
from functory.core.authorization.authorizer import Authorizer
from functory.core.authorization.guard import AccessTable, Guard
from functory.core.calls import Calls
from functory.core.deliveries.queue import Deliveries
from functory.core.environments.drivers import Beside, Drivers, isolation_of
from functory.core.environments.file_systems import FileSystems, parse_file_systems
from functory.core.environments.pool import Environments
from functory.core.environments.snapshot_store import SnapshotStore
from functory.core.environments.starter import Neighbours
from functory.core.environments.variables import Credentials
from functory.core.functions.isolation import GVISOR
from functory.core.functions.model import FunctionVersion
from functory.core.identity.authenticator import Authenticator
from functory.core.identity.execution_roles import ExecutionRoles
from functory.core.identity.port import ResourcePolicies
from functory.core.identity.sessions import Sessions
from functory.core.invocations.invoker import Invocations
from functory.core.invocations.streams import Streams
from functory.core.mappings.controller import Mappings
from functory.core.mappings.sources.sqs import SqsSource
from functory.core.metering import Metering
from functory.core.targets.registry import Targets
from functory.edges.aws_api.bootstrap import BootstrapRoute
from functory.edges.aws_api.gate import Gate, IamGate, OpenGate
from functory.edges.aws_api.invoke import InvokeRoute
from functory.edges.aws_api.own import NodeRoutes
from functory.edges.aws_api.pipeline import Pipeline
from functory.edges.aws_api.server import AwsApi
from functory.edges.function_url.access import IamAccess, OpenAccess, UrlAccess
from functory.edges.function_url.api import FunctionUrlApi
from functory.edges.function_url.metrics import UrlMetrics
from functory.edges.runtime_api.api import RuntimeApi
from functory.kernel import log
from functory.kernel.clock import Clock, SystemClock
from functory.kernel.errors import FunctoryError, SettingsError
from functory.kernel.ids import SystemIds
from functory.kernel.settings import Settings
from functory.runtimes.catalog import Catalog
from functory.sandbox import idmap
from functory.sandbox.machine import MachineMemory, protect_node
from functory.sandbox.mounts import parse_mounts
from functory.sandbox.port import Mount, SandboxDriver
from functory.sandbox.probe import open_beside, pick_driver, prepare_process
from functory.services.application_autoscaling import access as scaling_access
from functory.services.application_autoscaling.service import ApplicationAutoScalingService
from functory.services.cloudwatch import access as cloudwatch_access
from functory.services.cloudwatch.service import CloudWatchService
from functory.services.iam import access as iam_access
from functory.services.iam.directory import Directory
from functory.services.iam.service import IamService
from functory.services.lambda_ import access as lambda_access
from functory.services.lambda_.async_events import KIND
from functory.services.lambda_.async_metrics import MeteredDeliveries, MeteredEvents
from functory.services.lambda_.async_queue import AsyncDeliveryTarget, AsyncQueue
from functory.services.lambda_.mapping_roles import MappingRoles
from functory.services.lambda_.rules import ARCHITECTURES
from functory.services.lambda_.service import LambdaService
from functory.services.logs import access as logs_access
from functory.services.logs.service import LogsService
from functory.services.sqs import access as sqs_access
from functory.services.sqs.queue_policies import QueuePolicies
from functory.services.sqs.service import SqsService
from functory.services.sqs.target import KIND as MESSAGE_KIND
from functory.services.sqs.target import QueueDeliveries
from functory.services.sts import access as sts_access
from functory.services.sts.service import StsService
from functory.store.blobs import FileBlobs
from functory.store.port import Store
from functory.store.sqlite import SqliteStore

GRACE_S = 5.0
"""How long an orderly end lets requests and invocations finish."""

ACCESS: Mapping[str, AccessTable] = {
    "application-autoscaling": scaling_access.ACCESS,
    "cloudwatch": cloudwatch_access.ACCESS,
    "iam": iam_access.ACCESS,
    "lambda": lambda_access.ACCESS,
    "logs": logs_access.ACCESS,
    "sqs": sqs_access.ACCESS,
    "sts": sts_access.ACCESS,
}
"""What the operations of each service need to be allowed."""

_OWNER = "node"
"""Name of this node's leases; the lock of the data folder makes it the only one."""


@dataclass(frozen=True, slots=True)
class ReadyInfo:
    """What a node says when it takes requests.

    Attributes:
        url: of its AWS endpoint.
        driver: its isolation, e.g. ``oci/runc``.
        data_dir: where everything durable is.
        version: of Functory.
    """

    url: str
    driver: str
    data_dir: str
    version: str


class LocalCredentials:
    """Credentials for a node that authenticates nobody: the access key names the function's account."""

    async def credentials(self, version: FunctionVersion) -> Credentials:
        """See ``core.environments.port.CredentialSource``."""
        return Credentials(version.account_id, "functory", "functory")


def run_node(settings: Settings, ready: Callable[[ReadyInfo], None]) -> int:
    """Run a node until SIGINT or SIGTERM; returns the exit status.

    Args:
        settings: checked; ``node.data_dir`` is absolute and exists.
        ready: called once, when the node takes requests.

    Raises:
        FunctoryError: the node cannot start; the text says why.
    """
    reason = prepare_process(settings.sandbox)
    if reason:
        log.get("wiring").warning("isolation_needs_root", reason=reason)
    _raise_file_limit()
    protect_node()
    uvloop.run(_run(settings, ready))
    return 0


def bootstrap(settings: Settings, wish: Mapping[str, Any]) -> dict[str, Any]:
    """Make an administrator in a data folder that no node uses.

    Args:
        settings: ``node.data_dir`` is absolute and exists.
        wish: ``account_id`` (empty: the default account), ``user_name``, ``force``.

    Raises:
        FunctoryError: it was refused, or the folder is in use.
    """

    async def make() -> dict[str, Any]:
        folder = Path(settings.node.data_dir)
        store = await SqliteStore.open(folder / "functory.db")
        try:
            iam = IamService(store, SystemClock(), SystemIds(), _secret(folder / "secret"))
            account_id = wish["account_id"] or settings.node.default_account
            return asdict(await iam.make_administrator(account_id, wish["user_name"], force=wish["force"]))
        finally:
            await store.close()

    return asyncio.run(make())


async def _run(settings: Settings, ready: Callable[[ReadyInfo], None]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with node(settings) as info:
            ready(info)
            await stop.wait()
    except ExceptionGroup as group:
        raise _sole_cause(group) from group


def _sole_cause(error: Exception) -> Exception:
    """What a group of groups is about when that is one error: task groups wrap whatever passes through them."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


@contextlib.asynccontextmanager
async def node(settings: Settings) -> AsyncIterator[ReadyInfo]:
    """A running node for the time of the ``async with`` block."""
    began = time.monotonic()
    folder = Path(settings.node.data_dir)
    clock, ids = SystemClock(), SystemIds()
    async with contextlib.AsyncExitStack() as stack:
        listener = _bind(settings)
        stack.callback(listener.close)
        store = await SqliteStore.open(folder / "functory.db")
        stack.push_async_callback(store.close)
        blobs = FileBlobs(folder / "blobs")
        secret = _secret(folder / "secret")
        iam = await stack.enter_async_context(IamService(store, clock, ids, secret))
        sessions = Sessions(secret, clock, ids)
        is_guarded = settings.auth.mode == "iam"
        roles = ExecutionRoles(iam.identities, sessions, clock) if is_guarded else None
        drivers = await stack.enter_async_context(_isolation(settings, folder / "run"))
        driver = drivers.default
        logs = await stack.enter_async_context(LogsService(store, clock, ids))
        cloudwatch = await stack.enter_async_context(CloudWatchService(store, clock))
        metering = await stack.enter_async_context(Metering(cloudwatch.sink, clock))
        artifacts = await stack.enter_async_context(Artifacts(blobs, folder / "unpacked"))
        images = Images(
            folder / "unpacked",
            ImageSource(settings.images),
            ARCHITECTURES.get(platform.machine(), "x86_64"),
            is_supported=driver.capabilities.own_root,
        )
        catalog = Catalog(settings.runtimes)
        runtime_api = RuntimeApi()
        stack.push_async_callback(runtime_api.close)
        api = AwsApi()
        stack.push_async_callback(api.close)
        mounts, file_systems = _folders(settings, driver)
        neighbours = Neighbours(
            drivers=drivers,
            runtimes=catalog,
            artifacts=artifacts,
            runtime_api=runtime_api,
            endpoint=api,
            credentials=roles if roles is not None else LocalCredentials(),
            sink=logs.sink,
            clock=clock,
            ids=ids,
            snapshots=SnapshotStore(folder / "snapshots"),
            mounts=mounts,
            meter=MachineMemory(),
            file_systems=file_systems,
            xray_daemon=settings.lambda_.xray_daemon,
        )
        environments = await stack.enter_async_context(Environments(settings.environments, neighbours))
        admission = Admission(settings.lambda_, clock)
        invocations = Invocations(admission, environments, metering, clock, ids)
        streams = await stack.enter_async_context(Streams(invocations, settings.lambda_))
        queue = AsyncQueue()
        targets = Targets()
        inner = Calls()
        source = SqsSource(inner, ids)
        mappings = Mappings(store, {"sqs": source})
        lambda_ = LambdaService(
            store=store,
            artifacts=artifacts,
            images=images,
            invoker=invocations,
            streams=streams,
            async_events=MeteredEvents(queue, metering),
            reservations=admission,
            provisioner=environments.provisioned,
            isolations=drivers,
            snapshots=environments.snapshots,
            targets=targets,
            mappings=mappings,
            runtimes=catalog,
            clock=clock,
            ids=ids,
            settings=settings.lambda_,
            link_secret=secret,
            roles=roles,
            file_systems=file_systems,
            public_keys=_public_keys(settings),
        )
        await stack.enter_async_context(lambda_)
        sqs = await stack.enter_async_context(SqsService(store, clock, ids, settings.sqs, secret, targets))
        target = AsyncDeliveryTarget(lambda_.async_target, targets, clock, settings.deliveries.retry_base_s, roles)
        deliveries = Deliveries(
            store,
            {KIND: MeteredDeliveries(target, metering, clock), MESSAGE_KIND: QueueDeliveries(sqs.room, clock)},
            settings=settings.deliveries,
            clock=clock,
            ids=ids,
            owner=_OWNER,
            grace_s=GRACE_S,
        )
        await stack.enter_async_context(deliveries)
        queue.bind(deliveries)

        own = NodeRoutes(
            partial(_health, began, drivers, environments),
            lambda_.links,
            blobs,
            clock,
            BootstrapRoute(iam.make_administrator, secret, settings.node.default_account, clock),
        )
        authorizer = _authorizer(store, iam.identities, lambda_) if is_guarded else None
        _act_as_roles(roles, authorizer, lambda_, source)
        sts = StsService(iam.identities, sessions, authorizer, clock, settings.auth.web_identity_keys)
        doors = await _doors(settings, iam, sessions, authorizer, clock)
        calls = Calls([lambda_, logs, iam, sqs, cloudwatch, sts], doors.guard)
        calls.register(await stack.enter_async_context(ApplicationAutoScalingService(store, clock, ids, calls)))
        inner.register(lambda_, sqs)
        await stack.enter_async_context(mappings)
        urls = FunctionUrlApi(
            lambda_.url_invocations, doors.urls, UrlMetrics(metering), clock, ids, settings.lambda_.url_domain
        )
        api.attach(Pipeline(calls, InvokeRoute(lambda_.invoke_api), own, urls, doors.gate, ids, settings.node))
        url = await api.listen(listener)
        stack.push_async_callback(api.stop_listening, GRACE_S)
        log.get("wiring").info("node_ready", url=url, driver=_describe(driver), data_dir=str(folder))
        yield ReadyInfo(url, _describe(driver), str(folder), __version__)


@dataclass(frozen=True, slots=True)
class _Doors:
    """How callers come in: by the AWS API, by function URLs, from other services."""

    gate: Gate
    urls: UrlAccess
    guard: Guard | None


async def _doors(
    settings: Settings, iam: IamService, sessions: Sessions, authorizer: Authorizer | None, clock: Clock
) -> _Doors:
    if authorizer is None:
        return _Doors(OpenGate(sessions), OpenAccess(settings.node.default_account), None)
    if not await iam.identities.has_any():
        log.get("wiring").warning("no_access_keys", hint="functory iam bootstrap makes the first administrator")
    authenticator = Authenticator(iam.identities, sessions, clock, iam.last_uses)
    guard = Guard(authorizer, ACCESS, {"iam": iam.identities}, clock)
    return _Doors(IamGate(authenticator, guard), IamAccess(authenticator, guard), guard)


def _act_as_roles(
    roles: ExecutionRoles | None, authorizer: Authorizer | None, lambda_: LambdaService, source: SqsSource
) -> None:
    """What the platform does for a function needs its role, on a node that asks for permissions."""
    if roles is not None and authorizer is not None:
        roles.decide_with(authorizer)
        source.ask(MappingRoles(lambda_.functions, roles))


def _authorizer(store: Store, identities: Directory, lambda_: LambdaService) -> Authorizer:
    """Who decides on a node that asks for permissions."""
    queues = QueuePolicies(store)
    policies: dict[str, ResourcePolicies] = {"lambda": lambda_.policies, "sqs": queues}
    return Authorizer(identities, policies, {"lambda": lambda_.resource_tags, "sqs": queues})


def _health(began: float, drivers: Drivers, environments: Environments) -> dict[str, Any]:
    """What the node says of itself."""
    return {
        "status": "ok",
        "version": __version__,
        "pid": os.getpid(),
        "uptime_s": round(time.monotonic() - began, 3),
        "driver": _describe(drivers.default),
        "isolations": {isolation_of(each): _describe(each) for each in drivers.open},
        "environments": environments.count(),
        "standbys": environments.standbys.counts(),
    }


@contextlib.asynccontextmanager
async def _isolation(settings: Settings, run_dir: Path) -> AsyncIterator[Drivers]:
    """What makes sandboxes, for the time of the block."""
    driver = await pick_driver(settings.sandbox, run_dir)
    await driver.start()
    drivers = Drivers(driver, _beside(driver, run_dir), settings.sandbox.isolation_by_account)
    try:
        await drivers.start()
        yield drivers
    finally:
        await drivers.close()


def _bind(settings: Settings) -> socket.socket:
    """The node's own listener: bound first, so that a taken address is known before anything is touched.

    Raises:
        FunctoryError: the address is taken or not of this machine.
    """
    host, port = settings.listen.host, settings.listen.port
    try:
        listener = socket.create_server(
            (host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except OSError as error:
        raise FunctoryError(f"cannot listen on {host}:{port}: {error.strerror}") from error
    listener.setblocking(False)
    return listener


def _describe(driver: SandboxDriver) -> str:
    return getattr(driver, "description", driver.name)


def _beside(driver: SandboxDriver, run_dir: Path) -> Beside:
    """How a driver of another isolation than the node's own is opened."""

    async def open_one(isolation: str) -> SandboxDriver:
        other = await open_beside(driver, own_kernel=isolation == GVISOR, run_dir=run_dir)
        log.get("wiring").info("isolation_opened", isolation=isolation, driver=_describe(other))
        return other

    return open_one


def _folders(settings: Settings, driver: SandboxDriver) -> tuple[tuple[Mount, ...], FileSystems]:
    """The folders that every function sees, and the access points.

    Raises:
        FunctoryError: one is impossible, or functions could not write to it.
    """
    mounts = parse_mounts(settings.sandbox.mounts)
    file_systems = parse_file_systems(settings.lambda_.file_systems, [mount.target for mount in mounts])
    _check_writable([*mounts, *file_systems.folders], driver)
    return mounts, file_systems


def _public_keys(settings: Settings) -> dict[str, bytes]:
    """The keys of the signing profiles.

    Raises:
        SettingsError: one cannot be read.
    """
    keys = {}
    for entry in settings.lambda_.signing_profiles:
        arn, _, file = entry.partition("=")
        try:
            keys[arn] = Path(file).expanduser().read_bytes()
        except OSError as error:
            raise SettingsError(f"setting lambda.signing_profiles: {entry!r}: {error.strerror}") from error
        if not arn.startswith("arn:") or b"BEGIN PUBLIC KEY" not in keys[arn]:
            raise SettingsError(f"setting lambda.signing_profiles: {entry!r} is not ARN=FILE with a public key in PEM")
    return keys


def _check_writable(mounts: Iterable[Mount], driver: SandboxDriver) -> None:
    for mount in mounts:
        if driver.capabilities.isolation and mount.source.stat().st_uid == 0:
            idmap.check_unmapped(mount, "it belongs to root")


def _secret(file: Path) -> bytes:
    """A random secret of this data folder, made once."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        new = file.with_suffix(".new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
            handle.write(secrets.token_bytes(32))
            handle.flush()
            os.fsync(handle.fileno())
        new.replace(file)
        return file.read_bytes()


def _raise_file_limit() -> None:
    """A node holds some descriptors per environment and connection; the usual soft limit of 1,024 is far too low."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
