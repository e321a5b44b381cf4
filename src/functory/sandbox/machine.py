"""The machine's memory, and the node's own place in it."""

from __future__ import annotations

import re
from pathlib import Path

from functory.kernel.limits import MIB

NODE_OOM_SCORE = -500
"""Of the node: the kernel kills functions (`functory.sandbox.oci_spec.OOM_SCORE`) and most other programs before it."""
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


class MachineMemory:
    """Asks the kernel, and the control group that the whole node is in where that is a container's.

    Args:
        proc: where ``/proc`` is.
        groups: where ``/sys/fs/cgroup`` is.
    """

    def __init__(self, proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> None:
        self._meminfo = proc / "meminfo"
        self._groups = groups

    def available_mib(self) -> int | None:
        """See `functory.core.environments.memory.MemoryMeter`."""
        try:
            found = _AVAILABLE.search(self._meminfo.read_text())
        except OSError:
            return None
        if found is None:
            return None
        return min([int(found[1]) // 1024, *self._left_of_limits()])

    def _left_of_limits(self) -> list[int]:
        """What the limits of the outermost groups that are seen here leave; the machine's own root has none."""
        left = []
        for limit, usage in _LIMITS:
            try:
                most, used = ((self._groups / name).read_text().strip() for name in (limit, usage))
            except OSError:
                continue
            if most.isdigit() and used.isdigit():
                left.append(max(0, int(most) - int(used)) // MIB)
        return left


def protect_node(proc: Path = Path("/proc")) -> bool:
    """Make the kernel spare this process when memory runs out; whether it may be done (it needs CAP_SYS_RESOURCE)."""
    try:
        (proc / "self/oom_score_adj").write_text(str(NODE_OOM_SCORE))
    except OSError:
        return False
    return True
