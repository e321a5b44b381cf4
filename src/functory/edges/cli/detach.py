"""Starting a node in the background, and ending one: the two places that deal with processes.

A detached node is this program once more with a pipe to its parent. It writes one line when it takes requests; the end of
the pipe without a line means it ended, and the tail of its log says why. Nothing is polled and no time is guessed.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from functory.edges.cli.failure import CommandError
from functory.edges.cli.record import LOG, NodeRecord, identity_of

START_TIMEOUT_S = 60.0
TAIL_LINES = 15
_CHUNK = 65536


UP = (sys.executable, "-m", "functory.edges.cli", "up")


def start_detached(
    arguments: Sequence[str], data_dir: Path, environ: Mapping[str, str], *, program: Sequence[str] = UP
) -> str:
    """Run ``PROGRAM ARGUMENTS`` in the background; return the line it wrote when it was ready.

    Raises:
        CommandError: it ended or was not ready in time (then it is ended).
    """
    log = data_dir / LOG
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    reader, writer = os.pipe()
    command = [*program, *arguments, "--ready-fd", str(writer)]
    with log.open("ab") as output:
        child = subprocess.Popen(  # noqa: S603  our own program with checked options
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[writer],
            start_new_session=True,
            env=dict(environ),
        )
    os.close(writer)
    try:
        line = _read_line(reader, START_TIMEOUT_S)
    finally:
        os.close(reader)
    if line is None:
        child.kill()
        child.wait()
        raise CommandError(f"the node was not ready within {START_TIMEOUT_S:.0f} s and was ended; its log is {log}")
    if not line:
        code = child.wait()
        raise CommandError(f"the node did not start (exit code {code}); the end of {log}:\n{_tail(log)}")
    child.returncode = 0  # it lives on without us: no warning about a child that still runs
    return line


def _read_line(descriptor: int, timeout_s: float) -> str | None:
    """The first line; ``""`` when the other end closed without one, None when time ran out."""
    until, received = time.monotonic() + timeout_s, b""
    while b"\n" not in received:
        if not select.select([descriptor], [], [], max(0.0, until - time.monotonic()))[0]:
            return None
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            return ""
        received += chunk
    return received.partition(b"\n")[0].decode("utf-8")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:]) or "  (empty)"


def end_node(record: NodeRecord, timeout_s: float, *, force: bool, wait: Callable[[float], None]) -> bool:
    """Ask a node to stop and wait until it has ended; return whether it ended by itself.

    Raises:
        CommandError: it still runs after the time, or it belongs to another user.
    """
    try:
        _signal_if_same(record, signal.SIGTERM)
        if _ends_within(record, timeout_s, wait):
            return True
        if not force:
            raise CommandError(f"node {record.pid} still runs after {timeout_s:g} s; `functory down --force` kills it")
        _signal_if_same(record, signal.SIGKILL)
    except PermissionError:
        raise CommandError(f"node {record.pid} belongs to another user") from None
    _ends_within(record, timeout_s, wait)
    return False


def _signal_if_same(record: NodeRecord, number: signal.Signals) -> None:
    """Signal the node's process and no later one that got its id: hold the process first, then look whose it is."""
    try:
        if not hasattr(os, "pidfd_open"):
            if identity_of(record.pid) == record.identity:
                os.kill(record.pid, number)
            return
        handle = os.pidfd_open(record.pid)
    except ProcessLookupError:
        return
    try:
        if identity_of(record.pid) == record.identity:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _ends_within(record: NodeRecord, timeout_s: float, wait: Callable[[float], None]) -> bool:
    until = time.monotonic() + timeout_s
    while identity_of(record.pid) == record.identity:
        if time.monotonic() >= until:
            return False
        wait(0.02)
    return True
