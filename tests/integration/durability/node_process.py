"""A node in a process of its own, to be killed."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

READY_S = 60.0
END_S = 60.0
SRC = Path(__file__).parents[3] / "src"


def wait_until(holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    """Wait for a state; fails with ``what`` when it does not come."""
    pause, until = threading.Event(), time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"after {seconds:g} s still not: {what}"
        pause.wait(0.02)


@dataclass
class NodeProcess:
    """One data folder and the node that runs on it, if any.

    Attributes:
        start_times_s: of every start that came to be ready, from the start of the program.
    """

    data_dir: Path
    driver: str = "process"
    options: Sequence[str] = ()
    environ: dict[str, str] = field(default_factory=dict)
    start_times_s: list[float] = field(default_factory=list)
    url: str = ""
    log: Path = field(init=False)
    _process: subprocess.Popen[bytes] | None = None
    _ready_fd: int = -1
    _began: float = 0.0

    def __post_init__(self) -> None:
        self.log = self.data_dir.with_name(f"{self.data_dir.name}.log")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def spawn(self) -> None:
        """Start the program and do not wait."""
        assert self._process is None
        self._ready_fd, writer = os.pipe()
        command = [sys.executable, "-m", "functory.edges.cli.main", "up", "--port", "0", "--data-dir", str(self.data_dir)]
        command += ["--driver", self.driver, "--ready-fd", str(writer), *self.options]
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("FUNCTORY_", "AWS_"))}
        environ |= {"PYTHONPATH": str(SRC), "FUNCTORY_LOG_FORMAT": "json", **self.environ}
        self._began = time.monotonic()
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, pass_fds=[writer], env=environ
            )
        os.close(writer)

    def await_ready(self) -> None:
        """Wait for the ready line."""
        received = b""
        until = time.monotonic() + READY_S
        while not received.endswith(b"\n"):
            assert select.select([self._ready_fd], [], [], max(0.0, until - time.monotonic()))[0], "not ready in time"
            chunk = os.read(self._ready_fd, 65536)
            assert chunk, f"the node ended instead of starting: {self.log_text()[-3000:]}"
            received += chunk
        self.start_times_s.append(time.monotonic() - self._began)
        self.url = json.loads(received)["url"]

    def start(self) -> None:
        self.spawn()
        self.await_ready()

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for the end; the exit status."""
        assert self._process is not None
        code = self._process.wait(END_S)
        os.close(self._ready_fd)
        self._process = None
        return code

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        self.signal(signal.SIGTERM)
        return self.wait()

    def refuses_to_start(self) -> str:
        """Start where no start may succeed; what the program said about it."""
        before = len(self.log_text())
        self.spawn()
        assert self._process is not None
        assert select.select([self._ready_fd], [], [], READY_S)[0], "neither ready nor ended"
        assert not os.read(self._ready_fd, 65536), "it started"
        assert self.wait() != 0
        return self.log_text()[before:]

    def log_text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def end(self) -> None:
        """Whatever the test did: nothing runs afterwards."""
        if self._process is not None:
            self.kill()
