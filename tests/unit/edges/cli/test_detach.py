from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from functory.edges.cli.detach import end_node, start_detached
from functory.edges.cli.failure import CommandError
from functory.edges.cli.record import LOG, NodeRecord, identity_of

READY = """
import os, sys
descriptor = int(sys.argv[sys.argv.index("--ready-fd") + 1])
os.write(descriptor, ("ready " + sys.argv[1] + " " + os.environ["COLOUR"] + chr(10)).encode())
"""


def start(program: str, folder: Path) -> str:
    environ = {"COLOUR": "blue"}
    return start_detached(["--port=0"], folder, environ, program=(sys.executable, "-c", program))


def test_the_line_of_a_ready_node_is_returned(tmp_path: Path) -> None:
    assert start(READY, tmp_path) == "ready --port=0 blue"


def test_the_log_of_the_last_start_is_kept(tmp_path: Path) -> None:
    (tmp_path / LOG).write_text("old")
    start(READY, tmp_path)
    assert (tmp_path / "node.log.1").read_text() == "old"


def test_a_node_that_ends_early_shows_the_end_of_its_log(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"did not start \(exit code 7\)") as caught:
        start("import sys; print('no room'); sys.exit(7)", tmp_path)
    assert caught.value.message.endswith("\n  no room")


def spawned(program: str) -> subprocess.Popen[bytes]:
    """A child that has said it is set up."""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stdin=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"set up\n"
    return child


POLITE = "print('set up', flush=True); input()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('set up', flush=True); input()"


def record_of(pid: int, identity: str | None = None) -> NodeRecord:
    return NodeRecord(pid, identity_of(pid) if identity is None else identity, "http://x", "0.1.0", "fake", "")


def waiting_for(child: subprocess.Popen[bytes]) -> Callable[[float], None]:
    """Waits for the child's end instead of sleeping."""

    def wait(_: float) -> None:
        child.wait(10)

    return wait


def test_a_node_that_stops_when_asked_is_not_killed() -> None:
    with spawned(POLITE) as child:
        assert end_node(record_of(child.pid), 10, force=False, wait=waiting_for(child))
        assert child.wait(10) == -15


def test_a_node_that_goes_on_is_left_alone_without_force() -> None:
    with spawned(STUBBORN) as child:
        with pytest.raises(CommandError, match="still runs after 0 s"):
            end_node(record_of(child.pid), 0, force=False, wait=lambda _: None)
        assert child.poll() is None
        child.communicate(b"\n")
        assert child.returncode == 0


def test_a_node_that_goes_on_is_killed_with_force() -> None:
    with spawned(STUBBORN) as child:
        assert not end_node(record_of(child.pid), 0, force=True, wait=waiting_for(child))
        assert child.wait(10) == -9


def test_a_later_process_with_the_same_number_is_not_signalled() -> None:
    with spawned(POLITE) as child:
        assert end_node(record_of(child.pid, "another boot:1"), 0, force=True, wait=lambda _: None)
        child.communicate(b"\n")
        assert child.returncode == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may signal everybody")
def test_a_node_of_another_user_is_named() -> None:
    with pytest.raises(CommandError, match="belongs to another user"):
        end_node(record_of(1), 0, force=False, wait=lambda _: None)
