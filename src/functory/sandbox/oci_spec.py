"""The ``config.json`` of a sandbox, by the OCI runtime specification 1.0.2. Pure: values in, dict out.

Kept small on purpose: every mount and every rule costs the runtime time at each start. The root folder comes with its
read-only binds already in place (see `rootfs`), so that only what differs between sandboxes is mounted here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

from functory.kernel.limits import MIB
from functory.sandbox import seccomp
from functory.sandbox.port import Command, Mount, SandboxSpec

UID = 993  # AWS: sbx_user1051
GID = 990
ID_RANGE = 65_536
CPU_PERIOD_US = 20_000  # short, so that a small function waits often and briefly instead of rarely and long
_CPU_QUOTA_US_MIN = 1_000  # the kernel's floor
OOM_SCORE = 500  # functions die before the node
HOSTNAME = "169-254-100-1"

Layout = Literal["range", "few", "own"]
"""Which ids a sandbox has: a private range of `ID_RANGE`; `FEW` private ones (root, the function's user, nobody), where the
node has few itself; or the node's only one, as root without privileges."""
FEW = 3
_NOBODY = 65_534

_NO_CAPABILITIES: dict[str, list[str]] = {
    name: [] for name in ("bounding", "effective", "inheritable", "permitted", "ambient")
}
_MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
)  # fmt: skip
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


@dataclass(frozen=True, slots=True)
class Place:
    """What the driver has made for one sandbox.

    Attributes:
        root: the root folder.
        dev: folder that becomes ``/dev``; None: the runtime makes its own.
        tmp: folder that becomes ``/tmp``.
        network: path that names the network namespace; empty: the host's.
        cgroup: absolute cgroup path, below the hierarchy's root; empty: none, and no limits.
        first_id: first host uid and gid of the sandbox's private range.
        layout: which ids follow it.
        machine: ``os.uname().machine``.
        late: target -> folder whose later mounts shall appear there (standby).
        shares: part of the CPU beside other sandboxes, or 0 for everybody's.
        limits_swap: whether the kernel can limit swap (version 1 may be built without; the runtimes then refuse the value).
        user_namespace: whether the process gets one, with the ids from ``first_id`` on.
        extra_memory_mib: what the runtime itself uses of the memory limit.
        first: what stands in front of the command: the first process, which starts it; empty when it is the first itself.
    """

    root: Path
    dev: Path | None
    tmp: Path
    network: str
    cgroup: str
    first_id: int
    machine: str
    late: Mapping[str, Path] = field(default_factory=dict)
    shares: int = 0
    layout: Layout = "range"
    limits_swap: bool = True
    user_namespace: bool = True
    extra_memory_mib: int = 0
    first: tuple[str, ...] = ()

    @property
    def own_processes(self) -> int:
        """How many processes are not the function's."""
        return 1 if self.first else 0


def config(spec: SandboxSpec, command: Command, place: Place) -> dict[str, Any]:
    """The whole ``config.json``."""
    linux: dict[str, Any] = {
        "namespaces": _namespaces(place),
        **({"cgroupsPath": place.cgroup, "resources": _resources(spec, place)} if place.cgroup else {}),
        "maskedPaths": list(_MASKED),
        "readonlyPaths": list(_READ_ONLY),
    }
    if place.user_namespace:
        linux |= {"uidMappings": _mappings(place, UID), "gidMappings": _mappings(place, GID)}
    filters = seccomp.profile(place.machine)
    if filters is not None:
        linux["seccomp"] = filters
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(place.root), "readonly": True},
        "hostname": HOSTNAME,
        "mounts": _mounts(spec.mounts, place),
        "process": _process(spec, command, place),
        "linux": linux,
    }


def cpu_quota_us(vcpu: float) -> int:
    """How much CPU time per `CPU_PERIOD_US`."""
    return max(_CPU_QUOTA_US_MIN, round(vcpu * CPU_PERIOD_US))


def _namespaces(place: Place) -> list[dict[str, str]]:
    kinds = ("pid", "mount", "ipc", "uts", "cgroup", *(("user",) if place.user_namespace else ()))
    network = [{"type": "network", "path": place.network}] if place.network else []
    return [*({"type": kind} for kind in kinds), *network]


def _mappings(place: Place, own: int) -> list[dict[str, int]]:
    pairs = {"range": [(0, ID_RANGE)], "few": [(0, 1), (own, 1), (_NOBODY, 1)], "own": [(0, 1)]}[place.layout]
    outside = accumulate((size for _, size in pairs), initial=place.first_id)
    return [
        {"containerID": inside, "hostID": host, "size": size} for (inside, size), host in zip(pairs, outside, strict=False)
    ]


def user_inside(layout: Layout) -> tuple[int, int]:
    """User and group of the function, as it sees them."""
    return (0, 0) if layout == "own" else (UID, GID)


def user_outside(layout: Layout, first_id: int) -> tuple[int, int]:
    """The same on the node's side."""
    return {"range": (first_id + UID, first_id + GID), "few": (first_id + 1, first_id + 1), "own": (0, 0)}[layout]


def _mounts(mounts: tuple[Mount, ...], place: Place) -> list[dict[str, Any]]:
    fixed: list[dict[str, Any]] = [
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        *([_bind(place.dev, "/dev", "ro", "noexec")] if place.dev else []),
        _bind(place.tmp, "/tmp", "rw", "nodev", *(["rslave"] if place.late else [])),  # noqa: S108
    ]
    fixed += [_bind(folder, target, "ro", "nodev", "rslave") for target, folder in place.late.items()]
    return fixed + [_bind(mount.source, mount.target, "ro" if mount.read_only else "rw", "nodev") for mount in mounts]


def _bind(source: Path, target: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": "bind", "source": str(source), "options": ["rbind", "nosuid", *options]}


def _process(spec: SandboxSpec, command: Command, place: Place) -> dict[str, Any]:
    uid, gid = user_inside(place.layout)
    return {
        "terminal": False,
        "user": {"uid": uid, "gid": gid},
        "args": [*place.first, *command.argv],
        "env": [f"{name}={value}" for name, value in command.env.items()],
        "cwd": command.cwd,
        "capabilities": _NO_CAPABILITIES,
        "noNewPrivileges": True,
        "oomScoreAdj": OOM_SCORE,
        "rlimits": [
            _rlimit("RLIMIT_NOFILE", spec.limits.open_files),
            _rlimit("RLIMIT_NPROC", spec.limits.processes + place.own_processes),
            _rlimit("RLIMIT_CORE", 0),
        ],
    }


def _rlimit(name: str, value: int) -> dict[str, Any]:
    return {"type": name, "soft": value, "hard": value}


def _resources(spec: SandboxSpec, place: Place) -> dict[str, Any]:
    memory = (spec.limits.memory_mib + place.extra_memory_mib) * MIB
    swap = {"swap": memory} if place.limits_swap else {}  # counts both: equal means none
    shares = {"shares": place.shares} if place.shares else {}
    return {
        "memory": {"limit": memory, **swap},
        "cpu": {"quota": cpu_quota_us(spec.limits.vcpu), "period": CPU_PERIOD_US, **shares},
        "pids": {"limit": spec.limits.processes + place.own_processes},
    }
