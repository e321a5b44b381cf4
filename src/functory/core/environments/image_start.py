"""How a container image is started: which command, where, with which variables.

What AWS's own error types name is judged here, before a sandbox is made: an entry point that does not exist or cannot be
executed, a working directory that does not exist. Paths are walked inside the image's root, so its links lead nowhere else.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from functory.core.artifacts.images import ROOTFS, read_config
from functory.core.functions.model import FunctionVersion, ImageOverrides
from functory.kernel.errors import FunctoryError
from functory.runtimes.port import ReadyRuntime
from functory.sandbox.port import Command, Mount, SandboxSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a command is looked for when the image has no PATH, as container engines do it."""

_LINK_HOPS = 40


@dataclass(frozen=True, slots=True)
class ImageStart:
    """What a sandbox needs to run an image.

    Attributes:
        root: its root folder.
        argv: its command.
        cwd: its working directory.
        environment: the image's own variables.
    """

    root: Path
    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]

    @property
    def runtime(self) -> ReadyRuntime:
        """What stands for a runtime where one is needed: it brings nothing of its own."""
        return ReadyRuntime("image", "", self.argv, {}, ())

    @property
    def mounts(self) -> tuple[Mount, ...]:
        """Where extensions are looked for: the image's own ``/opt``, as a layer's would be mounted."""
        opt = inside(self.root, "/opt")
        return (Mount(opt, "/opt"),) if opt is not None else ()

    def adapt_spec(self, spec: SandboxSpec) -> SandboxSpec:
        """The sandbox of a zip function, with the image's root in place of code, interpreter and layers."""
        mounts = tuple(mount for mount in spec.mounts if mount.target.startswith("/mnt/"))
        return dataclasses.replace(spec, root=self.root, mounts=mounts)

    def adapt_command(self, command: Command, version: FunctionVersion) -> Command:
        """The command of a zip function, with the image's own program and variables."""
        env = image_variables(command.env, self.environment, version.environment)
        return dataclasses.replace(command, argv=self.argv, env=env, cwd=self.cwd)


class ImageRefused(FunctoryError):  # noqa: N818  reads as what it is
    """The image cannot be started; ``error_type`` is what AWS calls it."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def judge(version: FunctionVersion, overrides: ImageOverrides, folder: Path) -> ImageStart:
    """How the unpacked image in ``folder`` is started. Blocks briefly.

    Raises:
        ImageRefused: it cannot be.
    """
    config = read_config(folder)
    root = folder / ROOTFS
    cwd = overrides.working_directory or config.working_directory or "/"
    entry = config.entry_point if overrides.entry_point is None else overrides.entry_point
    argv = (*entry, *(config.command if overrides.command is None else overrides.command))
    if not (place := inside(root, cwd)) or not place.is_dir():
        raise ImageRefused("Runtime.InvalidWorkingDir", f"chdir {cwd}: no such file or directory")
    environment = {"PATH": DEFAULT_PATH} | config.environment
    if not argv or not argv[0]:
        raise ImageRefused("Runtime.InvalidEntrypoint", "the image has neither ENTRYPOINT nor CMD")
    path = version.environment.get("PATH", environment["PATH"])
    program = _find(root, argv[0], cwd, path)
    return ImageStart(root, (program, *argv[1:]), cwd, environment)


def _find(root: Path, program: str, cwd: str, path: str) -> str:
    """The program's absolute path inside."""
    if "/" in program:
        candidates = [program if program.startswith("/") else f"{cwd.rstrip('/')}/{program}"]
    else:
        candidates = [f"{folder.rstrip('/')}/{program}" for folder in path.split(":") if folder.startswith("/")]
    refused = ""
    for candidate in candidates:
        place = inside(root, candidate)
        if place is None or not place.exists():
            continue
        if place.is_file() and place.stat().st_mode & 0o001:
            return candidate
        refused = f"fork/exec {candidate}: permission denied"
    if refused:
        raise ImageRefused("Runtime.InvalidEntrypoint", refused)
    if "/" in program:
        raise ImageRefused("Runtime.InvalidEntrypoint", f"fork/exec {candidates[0]}: no such file or directory")
    raise ImageRefused("Runtime.InvalidEntrypoint", f'exec: "{program}": executable file not found in $PATH')


def inside(root: Path, path: str) -> Path | None:
    """Where a path of the image leads to on the host; None when it turns in a circle or leads through a file."""
    here: list[str] = []
    ahead = path.split("/")[::-1]
    hops = 0
    while ahead:
        part = ahead.pop()
        if part in ("", "."):
            continue
        if part == "..":
            here = here[:-1]
            continue
        place = root.joinpath(*here, part)
        if not place.is_symlink():
            here.append(part)
            continue
        hops += 1
        if hops > _LINK_HOPS:
            return None
        target = str(place.readlink())
        here = [] if target.startswith("/") else here
        ahead.extend(target.split("/")[::-1])
    found = root.joinpath(*here)
    return found if os.path.lexists(found) else None


def image_variables(env: Mapping[str, str], image: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """The variables of an image's process.

    The platform's stay, except that what it only proposes (PATH, LANG, TZ) comes from the image, and that an image gets no
    ``_HANDLER``: its command names the handler.

    Args:
        env: as for any function.
        image: the image's own.
        own: the function's.
    """
    proposed = {"PATH", "LANG", "TZ", "_HANDLER", "_LAMBDA_TELEMETRY_LOG_FD"}
    kept = {name: value for name, value in env.items() if name not in proposed or (name in own and name != "_HANDLER")}
    return dict(image) | kept
