"""What a killed node leaves on the machine, seen from outside."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from functory.edges.cli.record import identity_of
from functory.sandbox import process_tree
from functory.sandbox.drivers.process import MARKER
from functory.sandbox.recovery import key_of

CGROUPS = Path("/sys/fs/cgroup")
KNOWN_NAMES = {
    "blobs",
    "functory.db",
    "functory.db-wal",
    "functory.db-shm",
    "node.json",
    "node.lock",
    "run",
    "secret",
    "unpacked",
}
"""What a data folder holds."""


@dataclass(frozen=True)
class Sandboxes:
    """The sandboxes of a node at one instant: its processes by id and start, and paths by kind."""

    processes: frozenset[tuple[int, str]] = frozenset()
    groups: frozenset[Path] = frozenset()
    folders: frozenset[Path] = frozenset()
    loop_devices: frozenset[str] = field(default=frozenset())

    def still_there(self) -> list[str]:
        """Which of these exist now."""
        found = [f"process {pid}" for pid, identity in self.processes if identity_of(pid) == identity]
        found += [str(path) for path in (*self.groups, *self.folders) if path.exists()]
        return found + [f"loop device for {name}" for name in self.loop_devices & _loop_devices()]


def sandboxes_of(data_dir: Path) -> Sandboxes:
    """Every trace of the sandboxes of a data folder's node."""
    run_dir = data_dir / "run"
    groups = _groups(run_dir)
    pids = process_tree.with_environment(f"{MARKER}={run_dir}/".encode(), is_prefix=True)
    for group in groups:
        pids |= {int(pid) for pid in _read(group / "cgroup.procs").split()}
    return Sandboxes(
        frozenset((pid, identity) for pid in pids if (identity := identity_of(pid))),
        frozenset(groups),
        frozenset([*run_dir.glob("sandboxes/*"), *run_dir.glob("runtime/*")]),
        frozenset(name for name in _loop_devices() if name.startswith(f"{run_dir}/")),
    )


def half_done(data_dir: Path) -> list[str]:
    """Files of a data folder that should not outlive what made them."""
    found = [*data_dir.glob("blobs/incoming/*"), *data_dir.glob("unpacked/.*")]
    found += [path for path in data_dir.glob("run/scratch/*") if not path.name.startswith("ext4-")]
    found += [path for path in data_dir.iterdir() if path.name not in KNOWN_NAMES]
    return sorted(str(path) for path in found)


def _groups(run_dir: Path) -> list[Path]:
    key = key_of(run_dir)
    return [path for root in (CGROUPS, *CGROUPS.glob("*")) for path in root.glob(f"functory/{key}/*") if path.is_dir()]


def _loop_devices() -> frozenset[str]:
    names = (_read(path) for path in Path("/sys/block").glob("loop*/loop/backing_file"))
    return frozenset(name.strip() for name in names)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
