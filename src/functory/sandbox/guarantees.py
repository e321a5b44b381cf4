"""Which of the promised guarantees hold with a driver on this machine: tried from inside, one by one.

**Theory.** That a runtime starts a process says little about what keeps the process in. So a script asks the kernel inside a
real sandbox for everything that can be asked for, and does what must fail; limits are tried by exceeding them. What the
driver knows not to hold is told without trying, with the reason.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from functory.sandbox.check import Check
from functory.sandbox.port import Command, Exit, Limits, Mount, Sandbox, SandboxDriver, SandboxError, SandboxSpec

NAMESPACES = ("user", "pid", "mnt", "ipc", "uts", "net", "cgroup")
_TMP_MIB = 24
_MEMORY_MIB = 64
_VCPU = 0.05
_PAUSE_S = 0.15
_WAIT_S = 30.0
_ROOT_ADVICE = "start the node as root, with control groups mounted at /sys/fs/cgroup"
_NONE = "nothing of this driver isolates"
_COUNT = 'timeout 0.6 bash -c \'trap "exit" TERM; trap "echo \\$i" EXIT; while :; do i=$((i+1)); done\''
_FACTS = r"""
for kind in user pid mnt ipc uts net cgroup; do echo "ns.$kind=$(readlink /proc/self/ns/$kind)"; done
while read -r name value _; do
  case $name in Cap*|NoNewPrivs:|Seccomp:) echo "${name%:}=$value";; esac
done < /proc/self/status
while read -r inside outside count; do echo "ids=$inside $outside $count"; break; done < /proc/self/uid_map
for place in / /usr /etc /var/task /proc/sys/kernel/hostname; do
  [ -d $place ] && target=$place/functory-probe || target=$place
  (echo x > $target) 2> /dev/null && echo "written=$place"
done
echo "processes=$(cd /proc && echo [0-9]*)"
[ -e "$HIDDEN" ] && echo "seen=$HIDDEN"
echo "files=$(ulimit -Hn)"
echo "tasks=$(ulimit -Hu)"
echo "names=$(tr '\0' '\n' < /proc/self/environ | cut -d= -f1 | tr '\n' ' ')"
head -c "$FILL" /dev/zero > /tmp/fill 2> /dev/null && echo "filled=all" || echo "filled=$(wc -c < /tmp/fill)"
"""


class _Try(Protocol):
    """Runs a bash script in a sandbox; how it ended and what it said."""

    async def __call__(self, script: str, limits: Limits, env: Mapping[str, str] | None = None) -> tuple[Exit, str]:
        """Raises `SandboxError`: it could not be started."""


async def examine(driver: SandboxDriver, name: str, folder: Path) -> list[Check]:
    """Every guarantee of a started driver, in the order of the report.

    Args:
        driver: started.
        name: what stands in front of each check.
        folder: an empty folder that must not be seen inside.
    """
    if not driver.capabilities.isolation:
        return [Check(f"{name}: isolation", ok=False, detail=_NONE, advice="use the driver oci")]
    task = folder / "task"
    task.mkdir(parents=True, exist_ok=True)
    hidden = folder / "hidden"
    hidden.touch()

    async def run(script: str, limits: Limits, env: Mapping[str, str] | None = None) -> tuple[Exit, str]:
        return await _run(driver, script, limits, {**(env or {}), "HIDDEN": str(hidden)}, Mount(task, "/var/task"))

    checks = []
    for look in (_look_inside, _look_at_memory, _look_at_cpu):
        try:
            checks += await look(driver, run)
        except (SandboxError, TimeoutError) as error:
            checks.append(Check("a sandbox", ok=False, detail=str(error) or "it did not end", advice="see the node's log"))
    checks += [await _look_at_freezing(driver), _network(driver)]
    return [Check(f"{name}: {check.name}", check.ok, check.detail, check.advice) for check in checks]


async def _look_inside(driver: SandboxDriver, run: _Try) -> list[Check]:
    limits = Limits(memory_mib=256, vcpu=1.0, tmp_mib=_TMP_MIB)
    fill = str(2 * _TMP_MIB * 1024 * 1024)
    _, text = await run(_FACTS, limits, {"FILL": fill})
    facts: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        facts.setdefault(key, []).append(value)
    return judge(facts, own_kernel=driver.capabilities.own_kernel, limits=limits)


def judge(facts: Mapping[str, list[str]], *, own_kernel: bool, limits: Limits) -> list[Check]:
    """What the answers of the script mean.

    Args:
        facts: name -> values, see `_FACTS`.
        own_kernel: whether the sandbox has a kernel of its own.
        limits: what it was given.
    """

    def first(name: str) -> str:
        return facts.get(name, [""])[0]

    shared = [kind for kind in NAMESPACES if first(f"ns.{kind}") in {"", _own_namespace(kind)}]
    privileges = [name for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(first(name) or "0", 16)]
    map_words = first("ids").split()
    has_ids = len(map_words) == 3 and map_words[1:] != ["0", "4294967295"] and int(map_words[1]) > 0
    strangers = set(first("names").split()) - {"PATH", "HOME", "HIDDEN", "FILL", "PWD", "SHLVL", "_"}
    seen, written = facts.get("seen", []), facts.get("written", [])
    processes, filled = first("processes").split(), first("filled")
    files, tasks = _number(first("files")), _number(first("tasks"))
    fits = filled.isdigit() and int(filled) <= 2 * limits.tmp_mib * 1024 * 1024 - 1
    why = "the host's kernel is not asked: the sandbox has its own"
    separate = f"own {', '.join(NAMESPACES)}"
    return [
        _check("namespaces", own_kernel or not shared, why if own_kernel else separate, f"shared: {', '.join(shared)}"),
        _check("user ids", has_ids and not own_kernel, "its own", "its kernel's own, on the host all have one"),
        _check("capabilities", not privileges, "none", f"some in {', '.join(privileges)}"),
        _check("no new privileges", own_kernel or first("NoNewPrivs") == "1", why if own_kernel else "set", "not set"),
        _check("system call filter", own_kernel or first("Seccomp") == "2", why if own_kernel else "in force", "none"),
        _check("read-only root", not written, "nothing but /tmp can be written", f"written: {', '.join(written)}"),
        _check("host's files", not seen, "not seen", f"seen: {', '.join(seen)}"),
        _check("host's processes", len(processes) <= 4, "not seen", f"{len(processes)} processes are seen"),
        _check("environment", not strangers, "none of the node's", f"more than given: {' '.join(sorted(strangers))}"),
        _check("scratch", fits, f"ends at {limits.tmp_mib} MiB", "it has no limit"),
        _check("open files", files == limits.open_files, f"at most {files}", f"{files} instead of {limits.open_files}"),
        _check("processes", 0 < tasks <= limits.processes + 1, f"at most {tasks}", "no limit"),
    ]


async def _look_at_memory(driver: SandboxDriver, run: _Try) -> list[Check]:
    """A program takes far more than it may have."""
    if not driver.capabilities.memory_limit:
        return [Check("memory limit", ok=False, detail="not enforced: no control groups", advice=_ROOT_ADVICE)]
    how, _ = await run("head -c 400M /dev/zero | tail", Limits(memory_mib=_MEMORY_MIB, vcpu=1.0))
    told = f"{_MEMORY_MIB} MiB hold, and the end is told as out of memory"
    return [_check("memory limit", how.out_of_memory, told, f"a program that takes 400 MiB ended with {how}")]


async def _look_at_cpu(driver: SandboxDriver, run: _Try) -> list[Check]:
    """A program counts for a while, with a small limit and with a large one."""
    if not driver.capabilities.cpu_limit:
        return [Check("CPU limit", ok=False, detail="not enforced: no control groups", advice=_ROOT_ADVICE)]
    counts = [_number((await run(_COUNT, Limits(memory_mib=256, vcpu=vcpu)))[1].strip()) for vcpu in (_VCPU, 1.0)]
    told = f"with {_VCPU} vCPU a program got {100 * counts[0] // max(1, counts[1])} % as far as with 1"
    return [_check("CPU limit", 0 < counts[0] <= counts[1] // 2, told, told)]


async def _look_at_freezing(driver: SandboxDriver) -> Check:
    """A program that counts stops counting."""
    if not driver.capabilities.freeze:
        return Check("freezing", ok=False, detail="functions go on between invocations", advice=_ROOT_ADVICE)
    said: list[bytes] = []
    sandbox = await driver.prepare(SandboxSpec("guarantee-freeze", (), Limits(memory_mib=256, vcpu=1.0)))
    try:
        await sandbox.launch(_bash("while :; do echo 1; sleep 0.01; done", {}), said.append, said.append)
        await _until(lambda: bool(said))
        await sandbox.freeze()
        sandbox.drain()
        before = len(said)
        await asyncio.sleep(_PAUSE_S)
        sandbox.drain()
        frozen = len(said) == before
        await sandbox.thaw()
        await _until(lambda: len(said) > before)
        return _check("freezing", frozen, "an idle function makes no progress", "a frozen function goes on")
    except (SandboxError, TimeoutError) as error:
        return Check("freezing", ok=False, detail=str(error) or "it does not go on", advice="see the node's log")
    finally:
        await sandbox.dispose()


def _network(driver: SandboxDriver) -> Check:
    held = "its own; nothing of this machine is reached but the AWS endpoint"
    return _check("network", driver.capabilities.private_network, held, "this machine's own (sandbox.network = host)")


async def _run(
    driver: SandboxDriver, script: str, limits: Limits, env: Mapping[str, str], *mounts: Mount
) -> tuple[Exit, str]:
    output: list[bytes] = []
    sandbox: Sandbox = await driver.prepare(SandboxSpec("guarantee", mounts, limits))
    try:
        await sandbox.launch(_bash(script, env), output.append, output.append)
        async with asyncio.timeout(_WAIT_S):
            how = await sandbox.wait()
    finally:
        await sandbox.dispose()
    return how, b"".join(output).decode(errors="replace")


def _bash(script: str, env: Mapping[str, str]) -> Command:
    return Command(("/bin/bash", "-c", script), {"PATH": "/usr/bin:/bin", **env}, "/")


async def _until(holds: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + _WAIT_S
    while not holds():
        if time.monotonic() > give_up_at:
            raise TimeoutError
        await asyncio.sleep(0.005)


def _check(name: str, ok: bool, held: str, lost: str) -> Check:
    return Check(name, ok, held if ok else lost, "" if ok else "see docs/architecture/sandbox.md")


def _own_namespace(kind: str) -> str:
    try:
        return str(Path(f"/proc/self/ns/{kind}").readlink())
    except OSError:
        return ""


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0
