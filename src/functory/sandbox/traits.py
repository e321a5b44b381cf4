"""In what OCI runtimes differ, as data.

**Theory.** ``runc`` and ``crun`` make a container's process a process of the host. ``runsc`` (gVisor) runs it on a kernel of
its own, a program called the *sentry*: the process that the node sees, freezes, limits and waits for is the sentry, which
ends with the exit code of what it ran. From this follows everything below:

* **Network.** gVisor's own network stack would take the namespace's addresses for itself and could not reach the node's
  listeners on its ``lo``. With ``--network=host`` the sentry uses the stack of the *namespace it was put in*, which is the
  sandbox's own: isolation and the way out are the same as with the other runtimes.
* **User namespace.** The sentry and its file server would not reach the node's folders from a private range of ids. Inside,
  users are the sentry's own affair, so the range is left out.
* **Roots.** Newer versions put a writable layer over the root by default and keep it *in the root's folder*, which is
  shared here; it is switched off.
* **System calls.** They end in the sentry and never reach the host's kernel, so that our filter has nothing to keep away.
  (``--oci-seccomp`` would apply it in the sentry, too; version 20221219 then refuses to start threads.)
* **Descriptors.** Only versions with ``--pass-fd`` can hand one over.
* **Memory.** The sentry and its file server are in the sandbox's control group; they get an allowance of their own.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from functory.sandbox.port import SandboxError

TELEMETRY_FD = 3
_TIMEOUT_S = 10.0
_SENTRY_MIB = 48  # measured: 13-21 MiB with a small program, more with many open files
_DONATE = "pass-fd"
_NOTE_SENTRY = f"runsc: a function's end by a signal is told as exit code 128 + number; its kernel may use {_SENTRY_MIB} MiB"
_NOTE_IDS = "runsc: functions have no user ids of their own on the host; gVisor's kernel separates them"
_NOTE_READ = "runsc: read(2) on blocking sockets and write(2) to a full output pipe may answer EAGAIN (a limit of gVisor)"
_NOTE_NO_FD = "runsc: this version passes no descriptors (2023 and later do): no framed logs, no external extensions"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a runtime wants and can.

    Attributes:
        global_options: in front of ``run``.
        descriptors: how they are handed over: ``count`` of them from 3 on, ``each`` by its number, ``none``.
        user_namespace: whether each sandbox gets ids of its own.
        own_state: whether each sandbox needs a state folder of its own, because the runtime leaves files beside it.
        own_dev: whether the runtime makes ``/dev`` itself; a read-only folder with devices would not do.
        helpers: program names of processes beside the main one, which become the node's children.
        own_kernel: whether system calls end in a kernel of the sandbox's own.
        snapshot_options: in the place of ``global_options`` for sandboxes that can be kept and go on elsewhere; empty where
            the runtime cannot do that.
        extra_memory_mib: what the runtime itself uses of the sandbox's memory limit.
        notes: what to declare.
    """

    global_options: tuple[str, ...] = ()
    descriptors: Literal["count", "each", "none"] = "count"
    user_namespace: bool = True
    own_state: bool = False
    own_dev: bool = False
    helpers: tuple[str, ...] = ()
    own_kernel: bool = False
    snapshot_options: tuple[str, ...] = ()
    extra_memory_mib: int = 0
    notes: tuple[str, ...] = ()

    @property
    def passes_fds(self) -> bool:
        """Whether the process gets descriptors, first of all `TELEMETRY_FD`."""
        return self.descriptors != "none"

    def run_options(self, descriptors: Sequence[int]) -> tuple[str, ...]:
        """After ``run``, so that the process gets these descriptors (consecutive from 3) under the same numbers."""
        if self.descriptors == "count":
            return "--no-new-keyring", "--preserve-fds", str(len(descriptors))
        return tuple(f"--{_DONATE}={fd}:{fd}" for fd in descriptors) if self.descriptors == "each" else ()


def is_gvisor(runtime: Path) -> bool:
    """Whether a program is gVisor's."""
    return runtime.name.startswith("runsc")


def traits_of(runtime: Path) -> Traits:
    """Ask a runtime what it can. Blocks.

    Raises:
        SandboxError: it cannot be run.
    """
    if not is_gvisor(runtime):
        return Traits()
    return gvisor(_options(runtime, "flags"), _options(runtime, "help", "run"))


def gvisor(global_options: frozenset[str], run_options: frozenset[str]) -> Traits:
    """The traits of a version with these options."""
    wanted = {"network": "--network=host", "overlay2": "--overlay2=none"}
    kept = wanted | {"network": "--network=sandbox"}  # the host's sockets cannot be kept
    passes = _DONATE in run_options
    notes = [_NOTE_SENTRY, _NOTE_IDS, _NOTE_READ, *([] if passes else [_NOTE_NO_FD])]
    return Traits(
        global_options=tuple(text for name, text in wanted.items() if name in global_options),
        descriptors="each" if passes else "none",
        user_namespace=False,
        own_state=True,
        own_dev=True,
        own_kernel=True,
        snapshot_options=tuple(text for name, text in kept.items() if name in global_options),
        helpers=("exe", "runsc"),
        extra_memory_mib=_SENTRY_MIB,
        notes=tuple(notes),
    )


def _options(runtime: Path, *arguments: str) -> frozenset[str]:
    try:
        done = subprocess.run(  # noqa: S603
            [str(runtime), *arguments], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SandboxError(f"{runtime} cannot be run: {error}") from error
    return frozenset(re.findall(r"^\s+-([\w-]+)", done.stdout + done.stderr, re.MULTILINE))
