"""Removing what a killed node left behind.

What can be left: the processes of its sandboxes, their control groups, the OCI runtime's state folder and the bundle
folders. Mounts, loop devices, network namespaces and sockets cannot: they belong to the node's private mount namespace or to
descriptors, and the kernel takes them back with their last process. Everything is found from the run folder (which one node
at a time may use) and from the control groups below the key derived from it, never by name patterns.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import time
from pathlib import Path

from functory.kernel import log
from functory.sandbox.cgroups import Hierarchy

_KILL_WAIT_S = 5.0
_POLL_S = 0.005

_log = log.get("sandbox.recovery")


def key_of(run_dir: Path) -> str:
    """Short name of a run folder, the same in every life of the node."""
    return hashlib.sha256(os.fsencode(run_dir.resolve())).hexdigest()[:12]


def kill_runtimes(state_dir: Path, processes: Path = Path("/proc")) -> int:
    """Kill OCI runtime processes that still work on ``state_dir``; how many there were.

    One that was starting a sandbox when its node was killed would otherwise finish doing so after the clean-up.
    """
    needle = os.fsencode(state_dir)
    killed = 0
    for entry in processes.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--root" in words and any(word == needle or word.startswith(needle + b"/") for word in words):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(entry.name), signal.SIGKILL)
                killed += 1
    return killed


def remove_groups(hierarchy: Hierarchy, parent: str) -> int:
    """Kill everything in the groups below ``parent`` and remove them; how many there were. Blocks for at most 5 s."""
    left = hierarchy.children(parent)
    found = len(left)
    give_up_at = time.monotonic() + _KILL_WAIT_S
    while left and time.monotonic() < give_up_at:
        for path in left:
            group = hierarchy.group(path)
            group.kill()
            group.remove()
        left = hierarchy.children(parent)
        if left:
            time.sleep(_POLL_S)
    if left:
        _log.error("orphaned_groups_left", groups=left)
    return found


def remove_folders(*folders: Path) -> None:
    """Remove folders with all they hold."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
