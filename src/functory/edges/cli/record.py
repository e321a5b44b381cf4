"""``<data folder>/node.json``: which process is the node of a data folder.

A process id alone says nothing once the process has ended and the number was given away again. The record therefore also
keeps the process's *identity*: boot id and start time on Linux, the start time that ``ps`` tells elsewhere. A record
whose identity no longer fits is stale and means "no node".
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass, fields
from pathlib import Path

RECORD = "node.json"
LOG = "node.log"


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """What ``up`` leaves for the other commands.

    Attributes:
        pid: the node's process.
        identity: see `identity_of`.
        url: its AWS endpoint.
        version: Functory's version.
        driver: line about isolation.
        data_dir: absolute.
        log: its log file, or ``""`` in the foreground.
    """

    pid: int
    identity: str
    url: str
    version: str
    driver: str
    data_dir: str
    log: str = ""


def identity_of(pid: int) -> str:
    """What tells this process from a later one with the same id; ``""`` when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _identity_by_ps(pid)
    after_name = stat.rpartition(")")[
        2
    ].split()  # the name may hold blanks and parentheses; state is the first field after it
    if after_name[0] in {"Z", "X"}:
        return ""
    return f"{boot}:{after_name[19]}"  # field 22 of proc_pid_stat(5): start time in clock ticks since boot


def _identity_by_ps(pid: int) -> str:
    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return done.stdout.strip() if done.returncode == 0 else ""


def write_record(record: NodeRecord) -> None:
    """Write it so that a reader sees all of it or nothing, for the owner only.

    Called by the one node that holds the folder, so the draft has one name: what a killed node left is overwritten.
    """
    target = Path(record.data_dir) / RECORD
    draft = target.with_name(f"{RECORD}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(asdict(record), file, indent=2)
        file.write("\n")
    draft.replace(target)


def read_record(data_dir: Path) -> NodeRecord | None:
    """The record of a node that runs; None when there is none, or a stale or damaged one."""
    try:
        value = json.loads((data_dir / RECORD).read_text(encoding="utf-8"))
        record = NodeRecord(**{field.name: value[field.name] for field in fields(NodeRecord)})
        is_running = isinstance(record.pid, int) and record.identity != "" and identity_of(record.pid) == record.identity
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return record if is_running else None


def remove_record(data_dir: Path, pid: int) -> None:
    """Forget the node, unless another one has taken the folder since."""
    path = data_dir / RECORD
    try:
        is_ours = json.loads(path.read_text(encoding="utf-8"))["pid"] == pid
    except (OSError, ValueError, KeyError, TypeError):
        return
    if is_ours:
        path.unlink(missing_ok=True)
