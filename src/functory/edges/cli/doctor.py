"""``doctor``: what works on this machine, and what to do about the rest.

A check is one fact with advice. Checks that are *required* decide the exit code: without them no function can run.
What isolation has to say comes from the sandbox room and is shown as it is.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from functory.edges.cli.output import json_option, to_json
from functory.edges.cli.outside import Outside, pass_outside
from functory.edges.cli.record import read_record
from functory.edges.cli.runtimes import statuses
from functory.kernel.errors import FunctoryError

if TYPE_CHECKING:
    from functory.kernel.settings import SandboxSettings, Settings

PYTHON_MIN = (3, 11)


@dataclass(frozen=True, slots=True)
class Check:
    """One fact.

    Attributes:
        name: what was looked at.
        ok: whether it is as it should be.
        detail: what was found.
        advice: what would help when it is not.
        required: whether nothing can run without it.
    """

    name: str
    ok: bool
    detail: str
    advice: str = ""
    required: bool = False


def check_python(version: tuple[int, ...]) -> Check:
    """Python of the node itself."""
    text = ".".join(map(str, version[:3]))
    return Check("python", version >= PYTHON_MIN, text, "Functory needs Python 3.11 or newer", required=True)


def check_data_dir(folder: Path) -> Check:
    """Whether the data folder, or what would hold it, can be written."""
    nearest = folder
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    try:
        with tempfile.TemporaryFile(dir=nearest):
            return Check("data folder", True, str(folder), required=True)
    except OSError as error:
        return Check("data folder", False, f"{folder}: {error.strerror}", "choose another with --data-dir", required=True)


def check_port(host: str, port: int, running_url: str) -> Check:
    """Whether the endpoint's port is free, or taken by our own node."""
    if running_url:
        return Check("port", True, f"a node runs at {running_url}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Check("port", False, f"{host}:{port}: {error.strerror}", "choose another with --port")
    return Check("port", True, f"{host}:{port} is free")


def check_program(name: str, why: str) -> Check:
    """Whether a program is on the search path."""
    found = shutil.which(name)
    return Check(name, found is not None, found or "not found", f"{why}: apt-get install {name}")


def check_cgroups(root: Path) -> Check:
    """Which cgroup version limits can be set with."""
    if (root / "cgroup.controllers").exists():
        return Check("cgroups", True, "version 2")
    if (root / "memory").is_dir():
        return Check("cgroups", True, "version 1")
    return Check("cgroups", False, f"not mounted at {root}", "without them memory and CPU of a function have no limit")


def check_user_namespaces(proc: Path) -> Check:
    """Whether user namespaces may be made: isolation without root needs them."""
    try:
        count = int((proc / "sys/user/max_user_namespaces").read_text())
    except (OSError, ValueError):
        return Check("user namespaces", False, "unknown", "isolation without root needs them")
    return Check("user namespaces", count > 0, f"up to {count}", "sysctl -w user.max_user_namespaces=15000")


def check_runtimes(outside: Outside) -> Check:
    """Whether a language can run; without any, functions that bring their own program still can."""
    advice = "functory runtimes install --found"
    try:
        found = statuses(outside)
    except (FunctoryError, ImportError, OSError) as error:
        return Check("runtimes", False, str(error), advice, required=True)
    ready = [f"{status.id} ({status.version})" if status.version else status.id for status in found if status.ready]
    has_language = any(not name.startswith("provided.") for name in ready)
    return Check("runtimes", has_language, ", ".join(ready) or "none is ready", advice, required=not ready)


def check_isolation(outside: Outside, settings: SandboxSettings) -> list[Check]:
    """What the sandbox room found; it may use any type with these four attributes."""
    try:
        return [_adapted(item) for item in outside.sandbox_checks(settings)]
    except (FunctoryError, ImportError, OSError) as error:
        return [Check("isolation", False, str(error), "apt-get install runc; or functory up --driver process")]


def _adapted(item: Any) -> Check:
    return Check(str(item.name), bool(item.ok), str(item.detail), str(getattr(item, "advice", "") or ""))


def examine(outside: Outside, settings: Settings) -> list[Check]:
    """Every check, in the order of the report."""
    folder = Path(settings.node.data_dir).expanduser()
    running = read_record(folder)
    checks = [
        check_python(sys.version_info[:3]),
        check_data_dir(folder),
        check_port(settings.listen.host, settings.listen.port, running.url if running else ""),
        check_program("bash", "runtimes of provided.* written in shell need it"),
        check_program("curl", "the same functions call the Runtime API with it"),
        check_cgroups(Path("/sys/fs/cgroup")),
    ]
    if os.geteuid() != 0:
        checks.append(check_user_namespaces(Path("/proc")))
    return [*checks, *check_isolation(outside, settings.sandbox), check_runtimes(outside)]


def report(checks: Iterable[Check]) -> str:
    """One line per check: ``ok``, ``note`` (something will not work) or ``FAIL`` (nothing will), with its advice below."""
    checks, lines = list(checks), []
    width = max([16, *(len(check.name) for check in checks)])
    for check in checks:
        word = "ok" if check.ok else ("FAIL" if check.required else "note")
        lines.append(f"{word:5} {check.name:{width}} {check.detail}".rstrip())
        if not check.ok and check.advice:
            lines.append(f"{'':{width + 7}}-> {check.advice}")
    return "\n".join(lines)


@click.command()
@click.option("--config", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Settings file (TOML).")
@json_option
@pass_outside
def doctor(outside: Outside, *, config: Path | None, as_json: bool) -> None:
    """Check what works on this machine and what to install.

    The exit code is 1 when no function can run here.

    \b
    Examples:
      functory doctor
      functory doctor --json | jq '.[] | select(.ok | not)'
    """  # noqa: D301
    from functory.kernel.settings import load

    checks = examine(outside, load(file=config, environ=outside.environ))
    click.echo(to_json([asdict(check) for check in checks]) if as_json else report(checks))
    if any(check.required and not check.ok for check in checks):
        raise click.exceptions.Exit(1)
