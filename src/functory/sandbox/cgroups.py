"""Control groups of version 1 and version 2: what the driver reads and writes itself.

The OCI runtime makes a sandbox's group and sets its limits; this module finds the hierarchies, reads the memory peak and
the OOM counter, freezes and thaws, kills, and removes groups. All of it is plain file access of some 20 µs, so it is done
on the event loop; no tool is ever forked.

Version 1 (also in "hybrid mode") has one hierarchy per controller and the same group in each; version 2 has one. Both are
given as folders, so that tests use a temporary one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_NEEDED = ("memory", "cpu", "pids")
SHARES = 1024
"""What every group has of the CPU unless it is told otherwise."""
_NODE_LEAF = "functory-node"


class Group(Protocol):
    """One control group; every method works on one that is gone."""

    def memory_peak_bytes(self) -> int:
        """Highest memory use so far; 0 when unknown."""

    def oom_kills(self) -> int:
        """How many processes the memory limit has killed."""

    def set_frozen(self, frozen: bool) -> None:
        """Ask the kernel to stop or continue all processes."""

    def is_frozen(self) -> bool:
        """Whether all of them have stopped."""

    def limit_cpu(self, quota_us: int, period_us: int) -> None:
        """Let its processes together run for ``quota_us`` of every ``period_us``."""

    def limit_memory(self, limit_bytes: int) -> None:
        """Let its processes together hold so much, swap included; a peak seen before is forgotten where that is possible.

        Raises:
            OSError: they hold more already.
        """

    def limit_processes(self, count: int) -> None:
        """Let there be so many processes and threads."""

    def set_shares(self, shares: int) -> None:
        """Its part of the CPU beside other groups that want it (version 1's scale: 1,024 is everybody's)."""

    def pids(self) -> list[int]:
        """The processes in it."""

    def exists(self) -> bool:
        """Whether it is still there."""

    def kill(self) -> None:
        """SIGKILL to all its processes, frozen ones too."""

    def remove(self) -> bool:
        """Remove it; False while processes are still in it."""


class Hierarchy(Protocol):
    """Where groups live on this machine."""

    @property
    def version(self) -> int:
        """1 or 2; 0 for `nothing`."""

    @property
    def controllers(self) -> frozenset[str]:
        """Which of memory, cpu, pids and freezer work."""

    @property
    def limits_swap(self) -> bool:
        """Whether swap can be limited."""

    def group(self, path: str) -> Group:
        """The group at an absolute path below the root, whether or not it exists."""

    def children(self, path: str) -> list[str]:
        """Paths of the groups directly below ``path``."""

    def prepare(self, path: str) -> None:
        """Make the parent group of all sandboxes, with the controllers available below it.

        Raises:
            OSError: not allowed here.
        """


@dataclass(frozen=True, slots=True)
class HierarchyV1:
    """Version 1: controller name -> folder where its hierarchy is mounted (``name=systemd`` and version 2 included)."""

    mounts: Mapping[str, Path]
    version: int = 1

    @property
    def controllers(self) -> frozenset[str]:
        """See `Hierarchy`."""
        return frozenset(self.mounts) & {*_NEEDED, "freezer"}

    @property
    def limits_swap(self) -> bool:
        """See `Hierarchy`."""
        return "memory" in self.mounts and (self.mounts["memory"] / "memory.memsw.limit_in_bytes").exists()

    def group(self, path: str) -> Group:
        """See `Hierarchy`."""
        return _GroupV1({name: mount / path.lstrip("/") for name, mount in self.mounts.items()})

    def children(self, path: str) -> list[str]:
        """See `Hierarchy`."""
        return sorted({name for mount in self.mounts.values() for name in _child_paths(mount, path)})

    def prepare(self, path: str) -> None:
        """See `Hierarchy`; the runtime makes the groups itself, so only permission is checked here."""
        for controller in self.controllers:
            (self.mounts[controller] / path.lstrip("/")).mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True, slots=True)
class HierarchyV2:
    """Version 2: the one folder."""

    root: Path
    version: int = 2
    limits_swap: bool = True

    @property
    def controllers(self) -> frozenset[str]:
        """See `Hierarchy`; the freezer is part of every group."""
        available = _read(self.root / "cgroup.controllers").split()
        return (frozenset(available) & frozenset(_NEEDED)) | {"freezer"}

    def group(self, path: str) -> Group:
        """See `Hierarchy`."""
        return _GroupV2(self.root / path.lstrip("/"))

    def children(self, path: str) -> list[str]:
        """See `Hierarchy`."""
        return sorted(_child_paths(self.root, path))

    def prepare(self, path: str) -> None:
        """See `Hierarchy`."""
        wanted = " ".join(f"+{name}" for name in sorted(self.controllers & set(_NEEDED)))
        folder = self.root
        for part in ["", *path.strip("/").split("/")]:
            folder = folder / part
            folder.mkdir(exist_ok=True)
            try:
                _write(folder / "cgroup.subtree_control", wanted)
            except OSError as error:
                if error.errno != errno.EBUSY:
                    raise
                # In a container the visible root holds processes, which version 2 forbids beside controllers below it.
                self._move_into_leaf(folder)
                _write(folder / "cgroup.subtree_control", wanted)

    def _move_into_leaf(self, folder: Path) -> None:
        leaf = folder / _NODE_LEAF
        leaf.mkdir(exist_ok=True)
        for pid in _read(folder / "cgroup.procs").split():
            with contextlib.suppress(ProcessLookupError):
                _write(leaf / "cgroup.procs", pid)


def nothing() -> Hierarchy:
    """No control groups, or none that may be written: its groups do nothing."""
    return HierarchyV1({}, version=0)


def detect(mountinfo: str) -> Hierarchy | None:
    """What the text of ``/proc/self/mountinfo`` tells; None without control groups."""
    v1: dict[str, Path] = {}
    v2: Path | None = None
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, *_, options = after.split(" ")
        folder = Path(before.split(" ")[4].replace("\\040", " "))
        if kind == "cgroup2":
            v2 = v2 or folder
        elif kind == "cgroup":
            for name in options.split(","):
                if name not in {"rw", "ro"}:
                    v1.setdefault(name, folder)
    if "memory" in v1:
        return HierarchyV1(v1 | ({"unified": v2} if v2 else {}))
    return HierarchyV2(v2) if v2 else None


class _PeakFile:
    """A control file that is read at every invocation: opened once, which halves the cost; closed with its group."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1

    def read(self) -> int:
        """The number in it; 0 when it is not there."""
        try:
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            return _number(os.pread(self._fd, 32, 0).decode())
        except OSError:  # gone with its group, or a file this kernel does not have
            self.close()
            return 0

    def close(self) -> None:
        """Close the file; a later read opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class _GroupV1:
    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders
        missing = Path("/nonexistent")
        self._memory = folders.get("memory", missing)
        self._freezer = folders.get("freezer", missing)
        self._cpu = folders.get("cpu", missing)
        self._pids = folders.get("pids", missing)
        self._peak = _PeakFile(self._memory / "memory.max_usage_in_bytes")

    def memory_peak_bytes(self) -> int:
        return self._peak.read()

    def oom_kills(self) -> int:
        return _field(_read(self._memory / "memory.oom_control"), "oom_kill")

    def set_frozen(self, frozen: bool) -> None:
        _write_if_there(self._freezer / "freezer.state", "FROZEN" if frozen else "THAWED")

    def is_frozen(self) -> bool:
        return _read(self._freezer / "freezer.state").strip() == "FROZEN"

    def limit_cpu(self, quota_us: int, period_us: int) -> None:
        # the quota first: both orders are allowed, and the period is the same in practice
        _write_if_there(self._cpu / "cpu.cfs_quota_us", str(quota_us))
        _write_if_there(self._cpu / "cpu.cfs_period_us", str(period_us))

    def limit_memory(self, limit_bytes: int) -> None:
        memory, both = self._memory / "memory.limit_in_bytes", self._memory / "memory.memsw.limit_in_bytes"
        order = (both, memory) if limit_bytes > _number(_read(memory)) else (memory, both)
        for file in order:  # memory alone may never be allowed more than both together
            _write_if_there(file, str(limit_bytes))
        _write_if_there(self._memory / "memory.max_usage_in_bytes", "0")

    def limit_processes(self, count: int) -> None:
        _write_if_there(self._pids / "pids.max", str(count))

    def set_shares(self, shares: int) -> None:
        _write_if_there(self._cpu / "cpu.shares", str(shares))

    def pids(self) -> list[int]:
        texts = (_read(folder / "cgroup.procs") for folder in self._folders.values())
        return sorted({int(pid) for text in texts for pid in text.split()})

    def exists(self) -> bool:
        return any(folder.is_dir() for folder in self._folders.values())

    def kill(self) -> None:
        for pid in self.pids():
            _kill(pid)
        self.set_frozen(False)  # a frozen process of version 1 dies only when it runs again

    def remove(self) -> bool:
        self._peak.close()
        gone = [_remove(folder) for folder in self._folders.values()]  # every one of them, also after a failure
        return all(gone)


class _GroupV2:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._peak = _PeakFile(folder / "memory.peak")  # Linux 5.19
        self._sampled_peak = 0

    def memory_peak_bytes(self) -> int:
        peak = self._peak.read()
        current = 0 if peak else _number(_read(self._folder / "memory.current"))
        self._sampled_peak = max(self._sampled_peak, peak, current)
        return self._sampled_peak

    def oom_kills(self) -> int:
        return _field(_read(self._folder / "memory.events"), "oom_kill")

    def set_frozen(self, frozen: bool) -> None:
        _write_if_there(self._folder / "cgroup.freeze", "1" if frozen else "0")

    def is_frozen(self) -> bool:
        return _field(_read(self._folder / "cgroup.events"), "frozen") == 1

    def limit_cpu(self, quota_us: int, period_us: int) -> None:
        _write_if_there(self._folder / "cpu.max", f"{quota_us} {period_us}")

    def limit_memory(self, limit_bytes: int) -> None:
        _write_if_there(self._folder / "memory.max", str(limit_bytes))
        self._sampled_peak = 0

    def limit_processes(self, count: int) -> None:
        _write_if_there(self._folder / "pids.max", str(count))

    def set_shares(self, shares: int) -> None:
        _write_if_there(self._folder / "cpu.weight", str(min(10_000, max(1, shares * 100 // SHARES))))

    def pids(self) -> list[int]:
        return [int(pid) for pid in _read(self._folder / "cgroup.procs").split()]

    def exists(self) -> bool:
        return self._folder.is_dir()

    def kill(self) -> None:
        if (self._folder / "cgroup.kill").exists():  # Linux 5.14
            _write_if_there(self._folder / "cgroup.kill", "1")
        else:
            for pid in self.pids():
                _kill(pid)
        self.set_frozen(False)

    def remove(self) -> bool:
        self._peak.close()
        return _remove(self._folder)


def _child_paths(mount: Path, path: str) -> Iterator[str]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(mount / path.lstrip("/")) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield f"{path.rstrip('/')}/{entry.name}"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # gone with its processes, or a file this kernel does not have
        return ""


def _write(path: Path, text: str) -> None:
    # One write(2) without O_CREAT or O_TRUNC, as the control files want it.
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _write_if_there(path: Path, text: str) -> None:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        try:
            _write(path, text)
        except OSError as error:
            if error.errno != errno.ENODEV:  # removed between open and write
                raise


def _number(text: str) -> int:
    stripped = text.strip()
    return int(stripped) if stripped.isdigit() else 0


def _field(text: str, name: str) -> int:
    """The number of the line ``name number``; 0 when there is none."""
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return _number(value)
    return 0


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _remove(folder: Path) -> bool:
    """Remove a group and those below it; True when it is gone."""
    try:
        with os.scandir(folder) as entries:
            below = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
        for child in below:
            _remove(child)
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # EBUSY: a process is still on its way out
        return False
    return True
