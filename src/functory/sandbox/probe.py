"""Which isolation works on this machine: found out by doing it, remembered, and told.

**Theory.** That a runtime is installed says little: it may not like the machine's control groups, or the node may run in a
container without privileges. So a probe makes one real sandbox with everything a function gets, and looks whether its
process ran as it should. The result is kept in the run folder under a fingerprint of what it depends on (program, kernel,
control groups, user), because a node's start must not cost a probe every time.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import msgspec

from functory.kernel import log
from functory.kernel.settings import SandboxSettings
from functory.sandbox import cgroups, guarantees, machine, recovery, rootless
from functory.sandbox.check import Check
from functory.sandbox.drivers.oci import OciDriver, public_folder
from functory.sandbox.drivers.process import ProcessDriver
from functory.sandbox.outbound import Outbound, Wish
from functory.sandbox.port import Command, Sandbox, SandboxDriver, SandboxError, SandboxSpec
from functory.sandbox.snapshot_probe import try_snapshot

CANDIDATES = ("crun", "runc")
GVISOR = ("runsc",)
_PATH = ":/usr/local/sbin:/usr/sbin:/sbin"
_EXPECTED_CODE = 42
_SCRIPT = f'[ "$(id -u)" = "$0" ] && [ ! -w / ] && echo ok > /tmp/probe && exit {_EXPECTED_CODE}'
_INSTALL = "install runc or crun (apt install runc, dnf install crun)"
_NETWORK_ADVICE = "install nftables (apt install nftables) and start the node as root; until then functions have no network"

_log = log.get("sandbox.probe")


class _Remembered(msgspec.Struct, frozen=True):
    """What a probe found; ``reason`` is empty when the runtime works."""

    fingerprint: str
    reason: str


async def pick_driver(settings: SandboxSettings, run_dir: Path) -> SandboxDriver:
    """The driver that the settings ask for, not yet started.

    Args:
        settings: the section ``sandbox``.
        run_dir: absolute folder of this node's sandboxes.

    Raises:
        SandboxError: ``oci`` was asked for and does not work here; the text says why and what would help.
    """
    if settings.driver == "process":
        return _process_driver(settings, run_dir)
    reasons = []
    for name in _names(settings):
        runtime = find_runtime(name)
        reason = f"{name} is not installed" if runtime is None else await probe(runtime, run_dir)
        if runtime is not None and not reason:
            return OciDriver(runtime, run_dir, public_folder(), wish=_wish(settings))
        reasons.append(reason)
    why = "; ".join(reasons)
    if settings.driver == "oci":
        raise SandboxError(f"no OCI runtime works here: {why}. What helps: {_INSTALL}, or set sandbox.driver to process")
    return _process_driver(settings, run_dir, note=f"no OCI runtime works here: {why}")


async def open_beside(driver: SandboxDriver, *, own_kernel: bool, run_dir: Path) -> SandboxDriver:
    """A started driver of the other kind, in the place of the node's own.

    Args:
        driver: the node's own, started.
        own_kernel: whether it shall be one of gVisor.
        run_dir: of ``driver``.

    Raises:
        SandboxError: none works here; the text says why.
    """
    if not isinstance(driver, OciDriver):
        raise SandboxError(f"the node's driver {driver.name} does not isolate")
    reasons = []
    for name in GVISOR if own_kernel else CANDIDATES:
        runtime = find_runtime(name)
        if runtime is None:
            reasons.append(f"{name} is not installed")
            continue
        other = driver.beside(runtime)
        await other.start()
        reason = await _remembered(runtime, run_dir, partial(_trial, other, runtime))
        if not reason:
            return other
        await other.close()
        reasons.append(reason)
    raise SandboxError("; ".join(reasons))


def _process_driver(settings: SandboxSettings, run_dir: Path, note: str = "") -> ProcessDriver:
    """The driver ``process``, unless the network is to be what it cannot give."""
    if settings.network in {"nat", "none"} or settings.host_ports:
        name = "host_ports" if settings.host_ports else f"network = {settings.network}"
        raise SandboxError(
            f"sandbox.{name} is impossible with the driver process, whose functions share this machine's network. "
            f"What helps: leave it out, or the driver oci{f' ({note})' if note else ''}"
        )
    return ProcessDriver(run_dir, note=note)


def prepare_process(settings: SandboxSettings) -> str:
    """Make this process able to isolate, where an ordinary user started it: `rootless.enter`. Before there are threads.

    Returns:
        Why it cannot; ``""`` when it can, or is not to.
    """
    if settings.driver == "process" or os.geteuid() == 0 or sys.platform != "linux":
        return ""
    if not any(find_runtime(name) for name in _names(settings)):
        return ""  # the probe will tell
    reason = rootless.is_possible()
    if not reason:
        rootless.enter()
    return f"no user namespace for an ordinary user: {reason}" if reason else ""


def _wish(settings: SandboxSettings) -> Wish:
    return Wish(settings.network, settings.network_range, settings.host_ports)


async def probe(runtime: Path, run_dir: Path) -> str:
    """Why ``runtime`` does not work here, or ``""`` when it does; from memory where nothing has changed."""
    return await _remembered(runtime, run_dir, partial(try_runtime, runtime, run_dir))


async def _remembered(runtime: Path, run_dir: Path, trial: Callable[[], Awaitable[str]]) -> str:
    file = run_dir / f"probe-{runtime.name}.json"
    fingerprint = _fingerprint(runtime)
    known = _recall(file)
    if known is not None and known.fingerprint == fingerprint:
        return known.reason
    reason = await trial()
    _remember(file, _Remembered(fingerprint, reason))
    return reason


async def try_runtime(runtime: Path, run_dir: Path) -> str:
    """Run one real sandbox; why it failed, or ``""``."""
    folder = run_dir / f"probe-{runtime.name}-{os.getpid()}"
    driver = OciDriver(runtime, folder, public_folder())
    try:
        await driver.start()
        return await _trial(driver, runtime)
    except SandboxError as error:
        return str(error)
    finally:
        await driver.close()
        recovery.remove_folders(folder)


async def _examine(runtime: Path, run_dir: Path) -> tuple[str, list[Check]]:
    """Why a runtime does not work here, or ``""`` and what it guarantees."""
    folder = run_dir / f"doctor-{runtime.name}-{os.getpid()}"
    driver = OciDriver(runtime, folder, public_folder())
    try:
        await driver.start()
        reason = await _trial(driver, runtime)
        return reason, [] if reason else await guarantees.examine(driver, runtime.name, folder / "guarantees")
    except SandboxError as error:
        return str(error), []
    finally:
        await driver.close()
        recovery.remove_folders(folder)


async def _trial(driver: OciDriver, runtime: Path) -> str:
    """Run one real sandbox of a started driver; why it failed, or ``""``."""
    sandbox: Sandbox | None = None
    try:
        sandbox = await driver.prepare(SandboxSpec(id=f"probe-{os.getpid()}", mounts=()))
        output: list[bytes] = []
        command = Command(("/bin/sh", "-c", _SCRIPT, str(driver.user)), {"PATH": "/usr/bin:/bin"}, cwd="/")
        await sandbox.launch(command, output.append, output.append)
        how = await sandbox.wait()
        if how.code != _EXPECTED_CODE:
            said = b"".join(output).decode(errors="replace").strip()
            return f"{runtime.name} ran a process that ended with {how}: {said}"
        if driver.capabilities.memory_limit and not sandbox.memory_peak_bytes():
            return f"{runtime.name} did not put the process into its control group"
    except SandboxError as error:
        return str(error)
    finally:
        if sandbox is not None:
            await sandbox.dispose()
    return ""


def find_runtime(name: str) -> Path | None:
    """The program of a runtime: an absolute path, or a name looked up where system programs are."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + _PATH)
    return Path(found) if found else None


async def doctor(settings: SandboxSettings, run_dir: Path) -> list[Check]:
    """Everything that isolation depends on, each looked at; probes afresh."""
    checks = [_check_system(), _check_root(), _check_cgroups(), _check_loop(), _check_mkfs(), _check_oom_score()]
    checks.append(await _check_network(settings, run_dir))
    works = False
    for name in dict.fromkeys((*_names(settings), *CANDIDATES, *(name for name in GVISOR if find_runtime(name)))):
        runtime = find_runtime(name)
        if runtime is None:
            checks.append(Check(f"OCI runtime {name}", ok=False, detail="not installed", advice=_INSTALL))
            continue
        reason, found = await _examine(runtime, run_dir)
        works = works or not reason
        advice = "another runtime may work; see the reason" if reason else ""
        checks.append(Check(f"OCI runtime {name}", ok=not reason, detail=reason or f"{runtime} works", advice=advice))
        checks += found
    checks.append(await _check_snapshots(run_dir))
    checks.append(Check("driver process", ok=True, detail="works everywhere and isolates nothing: for code you trust"))
    detail = "functions are isolated" if works else "functions run as plain processes that see the whole host"
    checks.append(Check("isolation", ok=works, detail=detail, advice="" if works else _INSTALL))
    return checks


async def _check_snapshots(run_dir: Path) -> Check:
    """Whether functions can have SnapStart."""
    advice = "install gVisor (apt install runsc); until then SnapStart is refused"
    runtime = find_runtime(GVISOR[0])
    reason = f"{GVISOR[0]} is not installed" if runtime is None else await try_snapshot(runtime, run_dir)
    return Check("SnapStart", not reason, reason or f"{runtime} keeps sandboxes", advice if reason else "")


async def _check_network(settings: SandboxSettings, run_dir: Path) -> Check:
    """Makes the way out that the settings ask for, and removes it."""
    folder = run_dir / "network"
    folder.mkdir(parents=True, exist_ok=True)
    outbound = Outbound(_wish(settings), recovery.key_of(folder), folder, public_folder())
    try:
        await outbound.start(asyncio.to_thread)
        works = outbound.mode == "nat" or settings.network in {"none", "host"}
        return Check(f"network {outbound.mode}", works, "; ".join(outbound.notes), "" if works else _NETWORK_ADVICE)
    except SandboxError as error:
        return Check(f"network {settings.network}", ok=False, detail=str(error), advice=_NETWORK_ADVICE)
    finally:
        await outbound.close(asyncio.to_thread)
        recovery.remove_folders(folder)


def _recall(file: Path) -> _Remembered | None:
    try:
        return msgspec.json.decode(file.read_bytes(), type=_Remembered)
    except (OSError, msgspec.DecodeError):
        return None


def _remember(file: Path, result: _Remembered) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    new = file.with_suffix(f".{os.getpid()}")
    new.write_bytes(msgspec.json.encode(result))
    new.replace(file)


def _names(settings: SandboxSettings) -> tuple[str, ...]:
    return CANDIDATES if settings.oci_runtime == "auto" else (settings.oci_runtime,)


def _fingerprint(runtime: Path) -> str:
    """What the result depends on; changes when a probe must be repeated."""
    stat = runtime.stat()
    layout = _hierarchy()
    groups = f"v{layout.version}:{','.join(sorted(layout.controllers))}" if layout else "none"
    loop, user = Path("/dev/loop-control").exists(), f"{os.geteuid()}/{rootless.ids_here()}"
    return f"1|{runtime}|{stat.st_mtime_ns}|{stat.st_size}|{os.uname().release}|{groups}|{user}|{loop}"


def _hierarchy() -> cgroups.Hierarchy | None:
    try:
        return cgroups.detect(Path("/proc/self/mountinfo").read_text())
    except OSError:
        return None


def _check_system() -> Check:
    system = os.uname()
    ok = sys.platform == "linux"
    return Check("operating system", ok, f"{system.sysname} {system.release}", "" if ok else "isolation needs Linux")


def _check_root() -> Check:
    if rootless.ids_here() >= 0:
        detail = f"user id {rootless.user_outside()}, rootless: root of a user namespace only"
        return Check("privileges", ok=False, detail=detail, advice="what does not hold without root is said below")
    ok = os.geteuid() == 0
    return Check("privileges", ok, f"user id {os.geteuid()}", "" if ok else "start the node as root")


def _check_oom_score() -> Check:
    """Whether the kernel can be told to spare the node, tried and undone."""
    spared = machine.protect_node()
    if spared:
        Path("/proc/self/oom_score_adj").write_text("0")
    detail = "functions die before the node" if spared else "functions die first, but the node counts like any program"
    return Check("out of memory", spared, detail, "" if spared else "give the node CAP_SYS_RESOURCE")


def _check_cgroups() -> Check:
    layout = _hierarchy()
    if layout is None:
        return Check("control groups", ok=False, detail="none mounted", advice="mount /sys/fs/cgroup")
    missing = {"memory", "cpu", "pids", "freezer"} - layout.controllers
    detail = f"version {layout.version}: {', '.join(sorted(layout.controllers))}"
    return Check("control groups", not missing, detail, f"enable {', '.join(sorted(missing))}" if missing else "")


def _check_loop() -> Check:
    ok = Path("/dev/loop-control").exists()
    advice = "" if ok else "load the kernel module loop; until then /tmp counts as memory"
    return Check("loop devices", ok, "for /tmp with a size limit", advice)


def _check_mkfs() -> Check:
    found = shutil.which("mkfs.ext4", path=os.environ.get("PATH", "") + _PATH)
    advice = "" if found else "install e2fsprogs; until then /tmp counts as memory"
    return Check("mkfs.ext4", found is not None, found or "not installed", advice)
