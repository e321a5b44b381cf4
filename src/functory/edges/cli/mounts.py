"""``--mount HOST:/mnt/name[:ro]``: reading and checking what the user wrote. Looks at the file system, changes nothing.

The target follows AWS's rule for a function's LocalMountPath: one folder right under ``/mnt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from functory.kernel.errors import SettingsError

_MOUNT = re.compile(r"(?P<host>.+):(?P<target>/mnt/[A-Za-z0-9_.-]+)(?P<mode>:ro|:rw)?")


def check_mount(text: str) -> str:
    """The mount with an absolute host folder, ``:ro`` at its end when it is read-only.

    Raises:
        SettingsError: it is no mount, or the host folder does not exist; the text says which.
    """
    found = _MOUNT.fullmatch(text)
    if found is None or found["target"] in {"/mnt/.", "/mnt/.."}:
        raise SettingsError(f"mount {text!r}: expected HOST:/mnt/NAME or HOST:/mnt/NAME:ro")
    host = Path(found["host"]).expanduser()
    if not host.is_dir():
        raise SettingsError(f"mount {text!r}: {host} is not a folder on this machine")
    read_only = ":ro" if found["mode"] == ":ro" else ""
    return f"{host.resolve()}:{found['target']}{read_only}"


def check_mounts(texts: Iterable[str]) -> tuple[str, ...]:
    """All mounts, each target once.

    Raises:
        SettingsError: see `check_mount`, or a target is named twice.
    """
    seen: dict[str, str] = {}
    for text in texts:
        mount = check_mount(text)
        target = mount.removesuffix(":ro").rpartition(":")[2]
        if target in seen:
            raise SettingsError(f"mount {text!r}: {target} is already the target of another mount")
        seen[target] = mount
    return tuple(seen.values())
