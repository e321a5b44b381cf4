"""Starting external extensions: the files of ``/opt/extensions``.

AWS: every file there is started, all at once and before the runtime, which follows when all of them have registered. A file
that cannot be executed fails the init; a file ``/opt/disable-extensions-jwigqn8j`` makes AWS's agent start none.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from functory.core.environments.environment import Environment
from functory.core.environments.extensions import EXTENSIONS_MAX
from functory.kernel import log
from functory.sandbox.port import Command, Companion, Exit, Mount, SandboxError

_DISABLED = "disable-extensions-jwigqn8j"
_NOT_FOR_EXTENSIONS = frozenset(
    # AWS: the table of variables in the guide to the Extensions API
    {
        "AWS_EXECUTION_ENV", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
    }
)  # fmt: skip

_log = log.get("core.environments")


def find_extensions(mounts: Iterable[Mount]) -> list[Path]:
    """The files to start, as paths on the host, in the order of their names."""
    opt = next((mount.source for mount in mounts if mount.target == "/opt"), None)
    if opt is None or (opt / _DISABLED).exists():
        return []
    try:
        return sorted(entry for entry in (opt / "extensions").iterdir() if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []


def extension_variables(env: Mapping[str, str]) -> dict[str, str]:
    """What extensions see of the runtime's variables."""
    return {name: value for name, value in env.items() if name not in _NOT_FOR_EXTENSIONS and not name.startswith("_")}


async def start_extensions(environment: Environment, files: Sequence[Path], env: Mapping[str, str]) -> None:
    """Start them; what cannot be started fails the environment's init.

    Args:
        files: what `find_extensions` gave.
        env: the runtime's variables.

    Raises:
        SandboxError: the sandbox cannot start processes.
    """
    extensions, sandbox = environment.extensions, environment.sandbox
    extensions.expect([file.name for file in files])
    startable = []
    for number, file in enumerate(files):
        if number >= EXTENSIONS_MAX:
            extensions.launch_failed(file.name, "TooManyExtensions")
        elif not os.access(file, os.X_OK):
            extensions.launch_failed(file.name, "PermissionDenied")
        else:
            startable.append(file.name)
    folder = f"{sandbox.paths.get('/opt', '/opt')}/extensions"
    companions = [_companion(environment, name, folder) for name in startable]
    if companions:
        await sandbox.accompany(companions, extension_variables(env), "/")


async def launch_when_registered(environment: Environment, command: Command) -> bool:
    """Start the runtime when every extension has registered.

    Returns:
        Whether it was started; if not, the environment has failed.
    """
    registered = asyncio.ensure_future(environment.extensions.registered.wait())
    gone = asyncio.ensure_future(environment.gone.wait())
    try:
        await asyncio.wait([registered, gone], return_when=asyncio.FIRST_COMPLETED)
    finally:
        registered.cancel()
        gone.cancel()
    if environment.gone.is_set() or environment.is_ending:
        return False
    try:
        await environment.sandbox.launch(command, environment.log.output, environment.log.telemetry)
    except SandboxError as error:
        _log.error("runtime_not_started", function=environment.version.arn, error=str(error))
        environment.runtime_ended(Exit(code=1))
        return False
    return True


def _companion(environment: Environment, name: str, folder: str) -> Companion:
    stream = environment.log.sibling()

    def ended(how: Exit) -> None:
        stream.flush()
        environment.extensions.ended(name, how)

    return Companion((f"{folder}/{name}",), stream.output, ended)
