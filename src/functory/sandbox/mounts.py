"""Rules for what may be mounted where inside a sandbox. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from functory.kernel.errors import SettingsError
from functory.sandbox.port import Mount, SandboxError

STANDARD_TARGETS = ("/var/task", "/var/runtime", "/var/lang", "/opt")


def check_target(target: str) -> None:
    """Refuse a target that would hide or open a part of the system.

    Raises:
        SandboxError: it is neither one of Lambda's folders nor below ``/mnt``.
    """
    path = PurePosixPath(target)
    below_mnt = path.parent == PurePosixPath("/mnt") and path.name not in {"", ".", ".."}
    if target not in STANDARD_TARGETS and (not below_mnt or str(path) != target):
        raise SandboxError(f"mount target {target}: must be one of {', '.join(STANDARD_TARGETS)} or /mnt/NAME")


def check_mounts(mounts: Iterable[Mount]) -> None:
    """Refuse targets that are impossible or named twice, and sources that are no absolute folder.

    Raises:
        SandboxError: the text names the mount.
    """
    seen: set[str] = set()
    for mount in mounts:
        check_target(mount.target)
        if mount.target in seen:
            raise SandboxError(f"mount target {mount.target}: given twice")
        seen.add(mount.target)
        if not mount.source.is_absolute() or not mount.source.is_dir():
            raise SandboxError(f"mount source {mount.source}: not an absolute path of a folder")


def parse_mounts(settings: Iterable[str]) -> tuple[Mount, ...]:
    """The mounts of ``sandbox.mounts``: ``HOST:/mnt/name[:ro]``.

    Raises:
        SettingsError: the text names the entry.
    """
    return tuple(_parse_mount(text) for text in settings)


def _parse_mount(text: str) -> Mount:
    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if mode not in {"", "ro", "rw"} or not target.startswith("/mnt/"):
        raise SettingsError(f"setting sandbox.mounts: {text!r} is not HOST:/mnt/name[:ro]")
    mount = Mount(Path(source).expanduser(), target, read_only=mode == "ro")
    try:
        check_mounts([mount])
    except SandboxError as error:
        raise SettingsError(f"setting sandbox.mounts: {error}") from error
    return mount
