"""A Functory node in a process of its own, for tests that talk to it as its users do.

It runs in the foreground of a child process, so that the end of the tests is also its end: orderly when they finish,
by the kernel when they are killed. Whoever has a `Node` may stop it and start it anew on the same data folder.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

ROOT = Path(__file__).resolve().parents[2]
FUNCTORY = (sys.executable, "-m", "functory.edges.cli")
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0
ACCOUNT = "111122223333"
REGION = "eu-west-1"
_PR_SET_PDEATHSIG = 1

T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str, timeout_s: float = 20.0) -> T:
    """What ``look`` finds, once it finds something; fails after ``timeout_s`` naming ``what``."""
    until, pause = time.monotonic() + timeout_s, threading.Event()
    while not (found := look()):
        assert time.monotonic() < until, f"not within {timeout_s:g} s: {what}"
        pause.wait(0.02)
    return found


def program_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child program: our sources first, nothing of AWS or Functory from outside."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FUNCTORY_", "PYTEST_"))}
    nowhere = os.devnull
    return {
        **kept,
        "PYTHONPATH": str(ROOT / "src"),
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        **(extra or {}),
    }


@dataclass
class Node:
    """A node of a data folder.

    Attributes:
        data_dir: everything it keeps.
        settings: ``FUNCTORY_…`` variables it starts with.
        url: of its endpoint; another one after every start.
    """

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    url: str = ""
    _process: subprocess.Popen[bytes] | None = None
    _clients: dict[tuple[str, ...], Any] = field(default_factory=dict)

    @property
    def log_file(self) -> Path:
        """What the node wrote, over all its starts."""
        return self.data_dir.parent / f"{self.data_dir.name}.log"

    def start(self) -> None:
        """Start it and wait until it takes requests."""
        command = [*FUNCTORY, "up", "--port", "0", "--data-dir", str(self.data_dir), "--json"]
        with self.log_file.open("ab") as output:
            self._process = subprocess.Popen(
                command,
                env=program_environment(self.settings),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509  it starts no thread and takes no lock
            )
        try:
            self.url = wait_for(self._ready_url, "the node takes requests", START_TIMEOUT_S)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int:
        """Ask it to end as an administrator would; returns its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the node did not end within {STOP_TIMEOUT_S:g} s") from None

    def kill(self) -> None:
        """End it now, as a crash does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether its process lives."""
        return self._process is not None and self._process.poll() is None

    def client(self, service: str, *, account: str = ACCOUNT, region: str = REGION, validate: bool = True) -> Any:
        """A boto3 client of an account and region, each made once; it never repeats a request.

        Args:
            validate: whether it checks parameters itself, before they are sent.
        """
        key = (self.url, service, account, region, str(validate))
        if key not in self._clients:
            self._clients[key] = boto3.session.Session(account, "secret", region_name=region).client(
                service,
                endpoint_url=self.url,
                config=Config(retries={"total_max_attempts": 1}, parameter_validation=validate, max_pool_connections=32),
            )
        return self._clients[key]

    def health(self) -> dict[str, Any]:
        """Its health document."""
        with urllib.request.urlopen(f"{self.url}/_functory/health", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found

    def functory(self, *arguments: str, check: bool = True, text_input: str = "") -> subprocess.CompletedProcess[str]:
        """Run Functory's own command line against it."""
        return run(*FUNCTORY, *arguments, environ=self.aws_environment(), check=check, text_input=text_input)

    def aws_environment(self) -> dict[str, str]:
        """The environment of programs that use it."""
        return program_environment(
            {
                "AWS_ENDPOINT_URL": self.url,
                "AWS_ACCESS_KEY_ID": ACCOUNT,
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_DEFAULT_REGION": REGION,
            }
        )

    def _ready_url(self) -> str | None:
        assert self._process is not None
        assert self._process.poll() is None, f"the node ended with {self._process.returncode}:\n{self.log_tail()}"
        with contextlib.suppress(OSError, ValueError, KeyError):
            record = json.loads((self.data_dir / "node.json").read_text(encoding="utf-8"))
            if record["pid"] == self._process.pid:
                return str(record["url"])
        return None

    def log_tail(self, lines: int = 60) -> str:
        """The end of its log."""
        return "\n".join(self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def faults(self) -> list[str]:
        """What it logged as its own fault."""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return [line for line in text.splitlines() if '"level": "error"' in line or "Traceback (most recent" in line]


def run(
    *command: str, environ: Mapping[str, str], check: bool = True, text_input: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end; with ``check`` it must succeed."""
    done = subprocess.run(
        command, env=dict(environ), input=text_input, capture_output=True, text=True, check=False, timeout=90
    )
    assert not check or done.returncode == 0, f"{' '.join(command[:6])} -> {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@contextlib.contextmanager
def running_node(data_dir: Path, **settings: str) -> Iterator[Node]:
    """A node that runs when the block begins and does not when it ends."""
    node = Node(data_dir, settings)
    node.start()
    try:
        yield node
    except BaseException as error:
        error.add_note(f"the node's log:\n{node.log_tail()}")
        raise
    finally:
        if node.is_running:
            node.stop()


def _end_with_parent() -> None:
    """In the child before it becomes the node: have the kernel end it when the tests are killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
