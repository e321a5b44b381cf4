"""Finding processes by session and by environment in ``/proc``; nothing where there is no ``/proc``.

Processes of other users are not seen when the node is not root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_STARTED = 19  # counted from the state
_NAME_LENGTH = 15  # the kernel keeps no more
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _Stat:
    """What ``/proc/PID/stat`` tells."""

    name: str
    state: str
    parent: int
    session: int
    started: int

    @property
    def is_alive(self) -> bool:
        return self.state not in {"Z", "X"}


def of_session(session: int, proc: Path = PROC) -> set[int]:
    """The living processes of a session."""
    stats = ((pid, _stat(pid, proc)) for pid in _pids(proc))
    return {pid for pid, stat in stats if stat is not None and stat.is_alive and stat.session == session}


def children_of(parent: int, name: str, proc: Path = PROC) -> set[int]:
    """The children of a process by program name, with the ended ones that nobody has waited for."""
    stats = ((pid, _stat(pid, proc)) for pid in _pids(proc))
    short = name[:_NAME_LENGTH]
    return {pid for pid, stat in stats if stat is not None and (stat.parent, stat.name) == (parent, short)}


def ended_children_of(parent: int, names: Iterable[str], proc: Path = PROC) -> dict[int, int]:
    """The ended children of a process that nobody has waited for, by program name; pid -> when it was started (in ticks)."""
    stats = ((pid, _stat(pid, proc)) for pid in _pids(proc))
    wanted = {name[:_NAME_LENGTH] for name in names}
    return {
        pid: stat.started
        for pid, stat in stats
        if stat is not None and stat.parent == parent and stat.name in wanted and not stat.is_alive
    }


def below(ancestor: int, proc: Path = PROC) -> set[int]:
    """A process with all its descendants."""
    stats = {pid: stat for pid in _pids(proc) if (stat := _stat(pid, proc)) is not None}
    found, new = {ancestor}, {ancestor}
    while new := {pid for pid, stat in stats.items() if stat.parent in new} - found:
        found |= new
    return found


def started_at(pid: int, proc: Path = PROC) -> int:
    """When a process was started, in ticks of the machine's clock; 0 when it is gone."""
    stat = _stat(pid, proc)
    return stat.started if stat else 0


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


def _stat(pid: int, proc: Path) -> _Stat | None:
    """None when it is gone."""
    try:
        text = (proc / str(pid) / "stat").read_text()
    except OSError:
        return None
    end = text.rindex(")")  # the name may hold blanks and parentheses
    fields = text[end + 2 :].split(" ")
    name = text[text.index("(") + 1 : end]
    return _Stat(name, fields[0], int(fields[1]), int(fields[3]), int(fields[_STARTED]) if len(fields) > _STARTED else 0)
