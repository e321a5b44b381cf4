"""The environment variables of a function's process. Pure.

AWS: the recorded table of variables per runtime. What depends on the runtime alone comes with its definition; here is what
depends on the function and the sandbox. Order of strength: the user's variables win over the runtime's defaults, the
platform's reserved ones win over everything (the API refuses them anyway).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from functory.core.functions.model import FunctionVersion
from functory.runtimes.port import ReadyRuntime

ON_DEMAND = "on-demand"
PROVISIONED = "provisioned-concurrency"
SNAP_START = "snap-start"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the function signs its calls with. Secrets: never logged.

    Attributes:
        good_until: epoch seconds; an environment that has them begins no invocation later.
    """

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    good_until: float = math.inf


XRAY_DAEMON = "169.254.100.1:2000"
"""Where AWS's daemon listens. Segments that are sent there are lost here, as on AWS without permission to write them."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What one sandbox adds.

    Attributes:
        paths: mount target -> path inside, with ``/tmp``.
        runtime_api: ``host:port``.
        endpoint_url: the node's AWS endpoint as reached from inside, or ``""``.
        log_stream: name of the environment's log stream.
        telemetry_fd: descriptor of the framed log channel, or None.
        initialization_type: what ``AWS_LAMBDA_INITIALIZATION_TYPE`` says.
        credentials_address: ``host:port`` where a function that is to be kept asks for its credentials; else ``""``.
        authorization: the token it shows there.
        xray_daemon: ``host:port`` of the X-Ray daemon; ``""`` for AWS's address, where nobody listens.
    """

    paths: Mapping[str, str]
    runtime_api: str
    endpoint_url: str
    log_stream: str
    telemetry_fd: int | None
    initialization_type: str = ON_DEMAND
    credentials_address: str = ""
    authorization: str = field(default="", repr=False)
    xray_daemon: str = ""


CREDENTIALS_PATH = "/2021-04-23/credentials"
_NOT_KEPT = (
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
)  # fmt: skip
"""AWS: what the variables of a snapshot cannot say, because it differs between the environments that begin from it."""


def places(paths: Mapping[str, str]) -> dict[str, str]:
    """The values of a runtime definition's templates (``{task}`` …)."""
    return {
        "task": paths.get("/var/task", "/var/task"),
        "runtime": paths.get("/var/runtime", "/var/runtime"),
        "lang": paths.get("/var/lang", "/var/lang"),
        "opt": paths.get("/opt", "/opt"),
        "tmp": paths.get("/tmp", "/tmp"),  # noqa: S108  Lambda's own path
    }


def expand(template: str, values: Mapping[str, str]) -> str:
    """Fill ``{name}`` places; other braces stay as they are."""
    for name, value in values.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def _defaults(runtime: ReadyRuntime, values: Mapping[str, str], xray_daemon: str) -> dict[str, str]:
    """What does not depend on the function."""
    env = {
        "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "AWS_XRAY_DAEMON_ADDRESS": xray_daemon,
        "_AWS_XRAY_DAEMON_ADDRESS": xray_daemon.rpartition(":")[0],
        "_AWS_XRAY_DAEMON_PORT": xray_daemon.rpartition(":")[2],
    }
    return env | {name: expand(value, values) for name, value in runtime.env.items()}


def standby_variables(runtime: ReadyRuntime, paths: Mapping[str, str], channel: int, memory_mib: int) -> dict[str, str]:
    """What a process is started with that waits for its function; all of it is replaced by `variables` later.

    Args:
        paths: see `Surroundings`.
        channel: descriptor on which it waits.
        memory_mib: MemorySize of the functions it is for.
    """
    values = places(paths)
    return _defaults(runtime, values, XRAY_DAEMON) | {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mib),
        "LAMBDA_TASK_ROOT": values["task"],
        "LAMBDA_RUNTIME_DIR": values["runtime"],
        "_FUNCTORY_STANDBY_FD": str(channel),
    }


def variables(
    version: FunctionVersion, runtime: ReadyRuntime, around: Surroundings, credentials: Credentials, *, is_custom: bool
) -> dict[str, str]:
    """Every variable of the process.

    Args:
        is_custom: a ``provided.*`` runtime, which gets no framed log channel.
    """
    values = places(around.paths)
    env = _defaults(runtime, values, around.xray_daemon or XRAY_DAEMON) | dict(version.environment)
    env |= {
        "AWS_ACCESS_KEY_ID": credentials.access_key_id,
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
        "AWS_SESSION_TOKEN": credentials.session_token,
        "AWS_REGION": version.region,
        "AWS_DEFAULT_REGION": version.region,
        "AWS_LAMBDA_FUNCTION_NAME": version.name,
        "AWS_LAMBDA_FUNCTION_VERSION": version.version,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(version.memory_mib),
        "AWS_LAMBDA_INITIALIZATION_TYPE": around.initialization_type,
        "AWS_LAMBDA_LOG_GROUP_NAME": version.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": around.log_stream,
        "AWS_LAMBDA_RUNTIME_API": around.runtime_api,
        "LAMBDA_TASK_ROOT": values["task"],
        "LAMBDA_RUNTIME_DIR": values["runtime"],
        "_HANDLER": version.handler,
    }
    if around.credentials_address:
        for name in _NOT_KEPT:
            del env[name]
        env |= {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{around.credentials_address}{CREDENTIALS_PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": around.authorization,
        }
    if version.log_format == "JSON":
        env |= {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": version.application_log_level}
    if around.endpoint_url:
        # not of AWS: how an SDK inside a function finds this node; a function may point elsewhere
        env.setdefault("AWS_ENDPOINT_URL", around.endpoint_url)
    if around.telemetry_fd is not None and not is_custom:
        env["_LAMBDA_TELEMETRY_LOG_FD"] = str(around.telemetry_fd)
    return env
