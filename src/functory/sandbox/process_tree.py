"""Finding processes by session and by environment in ``/proc``; nothing where there is no ``/proc``.

Zombies are not reported: they are dead already. Processes of other users are not seen when the node is not root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


def of_session(session: int, proc: Path = PROC) -> set[int]:
    """The living processes of a session."""
    return {pid for pid in _pids(proc) if _session_if_alive(pid, proc) == session}


def with_environment(entry: bytes, proc: Path = PROC, *, is_prefix: bool = False) -> set[int]:
    """The living processes that were started with this ``NAME=value`` (or one that begins so)."""
    found = set()
    for pid in _pids(proc):
        try:
            entries = (proc / str(pid) / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(each.startswith(entry) if is_prefix else each == entry for each in entries):
            found.add(pid)
    return found - {os.getpid()}


def memory_peak_bytes(pid: int, proc: Path = PROC) -> int:
    """The highest resident memory of a process so far; 0 when unknown."""
    try:
        match = _PEAK.search((proc / str(pid) / "status").read_text())
    except OSError:
        return 0
    return int(match[1]) * 1024 if match else 0


def _pids(proc: Path) -> Iterator[int]:
    if proc.is_dir():
        yield from (int(entry.name) for entry in proc.iterdir() if entry.name.isdigit())


def _session_if_alive(pid: int, proc: Path) -> int:
    """The session id, or 0 for a zombie or one that is gone."""
    try:
        text = (proc / str(pid) / "stat").read_text()
    except OSError:
        return 0
    state, _parent, _group, session = text[text.rindex(")") + 2 :].split(" ", 4)[:4]
    return 0 if state in {"Z", "X"} else int(session)
