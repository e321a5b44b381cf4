"""Settings: one frozen tree, read once.

Sources, strongest first: command-line flags, ``FUNCTORY_<SECTION>_<NAME>`` environment variables, a TOML file, the default
here. A room receives its own section, never the tree. An unknown key or a value of the wrong type is an error that names
the setting.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from functory.kernel.errors import SettingsError


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Root of the sections: immutable, unknown keys refused."""


class ListenSettings(_Section, frozen=True):
    """Where the AWS endpoint listens.

    ``insecure`` allows an address other than loopback although nothing is authenticated (``auth.mode`` ``off``).
    """

    host: str = "127.0.0.1"
    port: int = 4566
    insecure: bool = False


class AuthSettings(_Section, frozen=True):
    """Who may call.

    ``mode`` ``off``: any credentials work, and the node listens on loopback only; ``iam``: every signature is verified and
    every call must be allowed by IAM policies. ``web_identity_keys``: a folder with the keys (JWKS) of OpenID Connect
    providers that the node cannot reach, each as ``<host>.json``; empty: they are fetched from the provider.
    """

    mode: Literal["off", "iam"] = "off"
    web_identity_keys: str = ""


class NodeSettings(_Section, frozen=True):
    """The node itself. ``data_dir`` holds everything durable; one node uses it at a time."""

    data_dir: str = "~/.functory"
    default_account: str = "000000000000"
    default_region: str = "us-east-1"


class SandboxSettings(_Section, frozen=True):
    """Isolation.

    ``driver`` ``auto`` takes ``oci`` where it works and ``process`` otherwise; ``oci_runtime`` ``auto`` probes ``crun``,
    ``runc``. ``mounts`` are ``HOST:/mnt/name[:ro]``, seen by every function.

    ``network``: what functions reach beyond their Runtime API and the AWS endpoint. ``nat``: everything outside, nothing on
    this machine; ``none``: nothing; ``host``: this machine's own network without any separation, for development; ``auto``:
    ``nat`` where it works, else ``none``. ``network_range``: private addresses for ``nat`` in CIDR notation, a /8 to a /20;
    ``auto`` takes a /16 that the host has no route to. ``host_ports``: TCP ports of this machine's 127.0.0.1 that functions
    reach as ``host.functory.internal`` with ``nat``.

    ``account_isolation``: ``ACCOUNT=container`` or ``ACCOUNT=gvisor``, what the functions of an account have at least. A
    function may have more by its tag ``functory:isolation``; all others get what ``driver`` and ``oci_runtime`` say.
    """

    driver: Literal["auto", "oci", "process"] = "auto"
    oci_runtime: str = "auto"
    mounts: tuple[str, ...] = ()
    network: Literal["auto", "nat", "none", "host"] = "auto"
    network_range: str = "auto"
    host_ports: tuple[int, ...] = ()
    account_isolation: tuple[str, ...] = ()

    @property
    def isolation_by_account(self) -> dict[str, str]:
        """``account_isolation`` as a table."""
        return {account: isolation for account, _, isolation in (text.partition("=") for text in self.account_isolation)}


class RuntimeSettings(_Section, frozen=True):
    """Interpreters.

    ``dir`` is where ``functory runtimes install`` puts what it fetches. ``maven_repository`` is the address of the Maven
    repository that Pythons are downloaded from where Maven itself is not installed; empty: the mirror that
    ``~/.m2/settings.xml`` names. ``stand_ins``: ``runtime=/path/of/interpreter``, which then serves that runtime
    whatever its version is; for tests of clients (Ruby, .NET, Node.js, Java), never for functions that count.
    """

    dir: str = "~/.local/share/functory/runtimes"
    maven_repository: str = ""
    stand_ins: tuple[str, ...] = ()


class ImageSettings(_Section, frozen=True):
    """Container images.

    ``folders``: functions may be made from OCI layouts in them (``oci:/folder:tag``). ``insecure_registries``: ``host:port``
    spoken to without verified TLS.
    """

    folders: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()


class EnvironmentSettings(_Section, frozen=True):
    """Execution environments.

    ``idle_s``: unused environments end after it. ``init_timeout_s``: AWS's 10 s. ``parallel_starts``: how many may start at
    once (0: twice the cores). ``max_memory_mib``: what all environments of this node may use together (0: 80 % of the
    machine's memory). ``memory_reserve_mib``: what the machine must have available beside a new environment, whatever
    else runs on it (0: not looked at). ``freeze_after_s``: an environment that was idle so long does not run until its next
    invocation (0: at once; negative: never). ``standby_max``: how many sandboxes per runtime may wait, started, for a
    function (0: none). ``scaling_per_10_s``: how many more environments one function may get in 10 seconds (AWS: 1,000).
    """

    idle_s: float = 600.0
    freeze_after_s: float = 0.02
    init_timeout_s: float = 10.0
    parallel_starts: int = 0
    max_memory_mib: int = 0
    memory_reserve_mib: int = 256
    standby_max: int = 24
    scaling_per_10_s: int = 1000


class DeliverySettings(_Section, frozen=True):
    """Asynchronous invocation.

    ``retry_base_s``: the first wait after a function error (AWS: 60 s, then twice that). ``workers``: how many deliveries
    may be under way at once; one function may use half of them.
    """

    retry_base_s: float = 60.0
    workers: int = 256


class LambdaSettings(_Section, frozen=True):
    """The Lambda service.

    ``account_concurrency`` is AWS's 1,000 for every account and region; ``account_limits`` sets it for some:
    ``ACCOUNT=LIMIT`` or ``ACCOUNT/REGION=LIMIT``, the more specific one counts. ``block_public_policies``: a function
    policy that lets everybody in is refused. Of a streamed response: ``stream_response_mib`` is what it may have altogether;
    ``stream_burst_mib`` flow as fast as they can, the rest with ``stream_mib_per_s``. ``url_domain`` ends the host names of
    function URLs (``<id>.lambda-url.<region>.<url_domain>``); it must lead to this node.
    ``file_systems`` are ``ARN=HOST[:ro]``: the access points that FileSystemConfigs may name, and the folders they stand
    for.
    ``signing_profiles`` are ``ARN=FILE``: signing profile versions, and the PEM files of their public Ed25519 keys.
    ``xray_daemon``: ``HOST:PORT`` that functions send their trace segments to by UDP (``AWS_XRAY_DAEMON_ADDRESS``), which
    their network must let them reach.
    """

    account_concurrency: int = 1000
    account_limits: tuple[str, ...] = ()
    block_public_policies: bool = False
    stream_response_mib: float = 200.0
    stream_burst_mib: float = 6.0
    stream_mib_per_s: float = 2.0
    url_domain: str = "localhost"
    file_systems: tuple[str, ...] = ()
    signing_profiles: tuple[str, ...] = ()
    xray_daemon: str = ""

    def concurrency_of(self, account_id: str, region: str) -> int:
        """How many invocations of an account may run at once in a region."""
        limits = dict(entry.rpartition("=")[::2] for entry in self.account_limits)
        found = limits.get(f"{account_id}/{region}") or limits.get(account_id)
        return int(found) if found else self.account_concurrency


class SqsSettings(_Section, frozen=True):
    """Amazon SQS. ``name_reuse_after_s``: so long after its deletion a queue's name cannot be used again (AWS: 60 s)."""

    name_reuse_after_s: float = 60.0


class LogSettings(_Section, frozen=True):
    """Functory's own log. ``format`` ``auto`` is ``text`` on a terminal and ``json`` elsewhere."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "text", "json"] = "auto"


class Settings(_Section, frozen=True):
    """The whole tree."""

    listen: ListenSettings = ListenSettings()
    auth: AuthSettings = AuthSettings()
    node: NodeSettings = NodeSettings()
    sandbox: SandboxSettings = SandboxSettings()
    runtimes: RuntimeSettings = RuntimeSettings()
    images: ImageSettings = ImageSettings()
    environments: EnvironmentSettings = EnvironmentSettings()
    deliveries: DeliverySettings = DeliverySettings()
    lambda_: LambdaSettings = msgspec.field(default=LambdaSettings(), name="lambda")
    sqs: SqsSettings = SqsSettings()
    log: LogSettings = LogSettings()


_ACCOUNT_LIMIT = re.compile(r"[0-9]{12}(/[a-z0-9-]+)?=[1-9][0-9]{0,8}", re.ASCII)
_HOST_AND_PORT = re.compile(r"[A-Za-z0-9.-]+:[0-9]{1,5}", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]{0,98}[a-z0-9])?", re.ASCII)

SECTIONS = {field.encode_name: field.type for field in msgspec.structs.fields(Settings)}


def from_environment(environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """The ``FUNCTORY_<SECTION>_<NAME>`` variables as a tree of strings; lists are separated by commas."""
    tree: dict[str, dict[str, Any]] = {}
    for section, kind in SECTIONS.items():
        for field in msgspec.structs.fields(kind):
            raw = environ.get(f"FUNCTORY_{section}_{field.encode_name}".upper())
            if raw is None:
                continue
            is_list = isinstance(field.default, tuple)
            tree.setdefault(section, {})[field.encode_name] = [part for part in raw.split(",") if part] if is_list else raw
    return tree


def from_file(path: Path) -> dict[str, dict[str, Any]]:
    """The tree of a TOML file.

    Raises:
        SettingsError: it cannot be read or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"settings file {path}: {error}") from error


def load(
    flags: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    file: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """The settings from all sources; absent sources are skipped.

    Args:
        flags: section -> name -> value; a value of None counts as not given.
        file: TOML file.
        environ: environment variables; None takes the process's.

    Raises:
        SettingsError: a value or key is impossible; the text names it.
    """
    merged: dict[str, dict[str, Any]] = {}
    sources: list[Mapping[str, Mapping[str, Any]]] = []
    if file is not None:
        sources.append(from_file(file))
    sources.append(from_environment(os.environ if environ is None else environ))
    sources.append(flags or {})
    for source in sources:
        for section, values in source.items():
            if not isinstance(values, Mapping):
                raise SettingsError(f"setting {section}: expected a section")
            merged.setdefault(section, {}).update({name: value for name, value in values.items() if value is not None})
    try:
        settings = msgspec.convert(merged, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"settings: {error}") from error
    _check(settings)
    return settings


def _check(settings: Settings) -> None:
    """Refuse values that have the right type and cannot work."""
    rules = {
        "listen.port must be 0..65535": 0 <= settings.listen.port <= 65535,
        "node.default_account must be 12 digits": len(settings.node.default_account) == 12
        and settings.node.default_account.isdigit(),
        "sandbox.host_ports must be 1..65535": all(0 < port < 65536 for port in settings.sandbox.host_ports),
        "sandbox.host_ports needs sandbox.network nat or auto": not settings.sandbox.host_ports
        or settings.sandbox.network in {"auto", "nat"},
        "sandbox.account_isolation must be ACCOUNT=container or ACCOUNT=gvisor, each account once": all(
            re.fullmatch(r"\d{12}=(container|gvisor)", text) for text in settings.sandbox.account_isolation
        )
        and len(settings.sandbox.isolation_by_account) == len(settings.sandbox.account_isolation),
        "environments.idle_s must be positive": settings.environments.idle_s > 0,
        "environments.init_timeout_s must be positive": settings.environments.init_timeout_s > 0,
        "environments.parallel_starts must not be negative": settings.environments.parallel_starts >= 0,
        "environments.max_memory_mib must not be negative": settings.environments.max_memory_mib >= 0,
        "environments.scaling_per_10_s must be positive": settings.environments.scaling_per_10_s > 0,
        "environments.memory_reserve_mib must not be negative": settings.environments.memory_reserve_mib >= 0,
        "environments.standby_max must not be negative": settings.environments.standby_max >= 0,
        "deliveries.retry_base_s must not be negative": settings.deliveries.retry_base_s >= 0,
        "deliveries.workers must be positive": settings.deliveries.workers > 0,
        "sqs.name_reuse_after_s must not be negative": settings.sqs.name_reuse_after_s >= 0,
        "lambda.account_concurrency must be positive": settings.lambda_.account_concurrency > 0,
        "lambda.account_limits must be ACCOUNT=LIMIT or ACCOUNT/REGION=LIMIT": all(
            _ACCOUNT_LIMIT.fullmatch(entry) for entry in settings.lambda_.account_limits
        ),
        "lambda.xray_daemon must be HOST:PORT": not settings.lambda_.xray_daemon
        or _HOST_AND_PORT.fullmatch(settings.lambda_.xray_daemon) is not None,
        "lambda.url_domain must be a domain name": _DOMAIN.fullmatch(settings.lambda_.url_domain) is not None,
        "lambda.stream_response_mib must be positive": settings.lambda_.stream_response_mib > 0,
        "lambda.stream_burst_mib must not be negative": settings.lambda_.stream_burst_mib >= 0,
        "lambda.stream_mib_per_s must be positive": settings.lambda_.stream_mib_per_s > 0,
    }
    for text, holds in rules.items():
        if not holds:
            raise SettingsError(f"setting {text}")
