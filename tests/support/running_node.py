"""A node of its own process, functions made for one test, and what a caller sees of them."""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from functory.kernel.settings import load

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 30.0
ACCOUNT = "000000000000"
REGION = "us-east-1"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/engine"

Files = Mapping[str, str | bytes]
T = TypeVar("T")


def until(what: Callable[[], T], text: str = "", wait_s: float = WAIT_S) -> T:
    """The first true value of ``what``, asked again and again for a bounded time."""
    give_up_at = time.monotonic() + wait_s
    pause = threading.Event()
    while not (value := what()):
        assert time.monotonic() < give_up_at, f"not within {wait_s} s: {text or what}"
        pause.wait(0.02)
    return value


def package(files: Files, *, executable: tuple[str, ...] = ("bootstrap",)) -> bytes:
    """A zip as the usual tools make it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0))
            info.external_attr = (0o100755 if name in executable else 0o100644) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


@dataclass(frozen=True)
class Answer:
    """What Invoke answered."""

    status: int
    payload: bytes
    error: str | None
    version: str | None
    log: str
    request_id: str
    headers: Mapping[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.payload)

    @property
    def report(self) -> dict[str, str]:
        """The fields of the REPORT line: ``Duration`` -> ``3.01 ms``."""
        line = next(line for line in self.log.splitlines() if line.startswith("REPORT "))
        return dict(part.split(": ", 1) for part in line[len("REPORT ") :].rstrip().split("\t"))

    @property
    def lines(self) -> list[str]:
        """The log with what differs from call to call replaced: ``<id>``, ``<n>``, ``<time>``."""
        text = self.log.replace(self.request_id, "<id>")
        text = re.sub(r"\b\d+\.\d+ ms\b", "<n> ms", re.sub(r"Billed Duration: \d+ ms", "Billed Duration: <n> ms", text))
        text = re.sub(r"Max Memory Used: \d+ MB", "Max Memory Used: <n> MB", text)
        return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "<time>", text).split("\n")


class Function:
    """One function on the node."""

    def __init__(self, node: Node, name: str) -> None:
        self.node = node
        self.name = name
        self.log_group = f"/aws/lambda/{name}"

    def invoke(self, event: Any = None, *, qualifier: str = "", tail: bool = True, **more: Any) -> Answer:
        """Invoke and read everything."""
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        if qualifier:
            more["Qualifier"] = qualifier
        answer = self.node.lambda_.invoke(
            FunctionName=self.name, Payload=payload, LogType="Tail" if tail else "None", **more
        )
        log = base64.b64decode(answer.get("LogResult", "")).decode()
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        return Answer(
            answer["StatusCode"],
            answer["Payload"].read(),
            answer.get("FunctionError"),
            answer.get("ExecutedVersion"),
            log,
            headers["x-amzn-requestid"],
            headers,
        )

    def run(self, code: str, **more: Any) -> Any:
        """What ``code`` leaves in ``result``; only for functions whose handler is `EXEC`."""
        answer = self.invoke({"code": code}, **more)
        assert answer.error is None, answer.payload
        return answer.json

    def update(self, files: Files) -> None:
        """New code, and wait until it is what answers."""
        self.node.lambda_.update_function_code(FunctionName=self.name, ZipFile=package(files))
        self.wait()

    def configure(self, **settings: Any) -> None:
        """New configuration, and wait until it is what answers."""
        self.node.lambda_.update_function_configuration(FunctionName=self.name, **settings)
        self.wait()

    def wait(self) -> None:
        """Wait until it is active and its last update is done."""

        def is_settled() -> bool:
            now = self.node.lambda_.get_function_configuration(FunctionName=self.name)
            assert now["State"] != "Failed", now
            return bool(now["State"] == "Active" and now["LastUpdateStatus"] == "Successful")

        until(is_settled, f"{self.name} is active")

    def delete(self) -> None:
        self.node.lambda_.delete_function(FunctionName=self.name)

    def events(self, *words: str) -> list[dict[str, Any]]:
        """All log events, once every one of ``words`` is in them."""

        def read() -> list[dict[str, Any]]:
            logs = self.node.logs
            with contextlib.suppress(logs.exceptions.ResourceNotFoundException):
                pages = logs.get_paginator("filter_log_events").paginate(logGroupName=self.log_group)
                events = [event for page in pages for event in page["events"]]
                text = "".join(event["message"] for event in events)
                if all(word in text for word in words):
                    return events
            return []

        return until(read, f"the log of {self.name} has {words}")

    def logged(self, *words: str) -> str:
        """The text of `events`."""
        return "".join(event["message"] for event in self.events(*words))


EXEC = """
def handler(event, context):
    scope = {"event": event, "context": context}
    exec(event["code"], scope)
    return scope.get("result")
"""
"""A Python handler (``app.handler``) that runs the code of its event."""


class Node:
    """A running node."""

    def __init__(self, data_dir: Path, driver: str, **settings: str) -> None:
        self.data_dir = data_dir
        data_dir.mkdir(parents=True, exist_ok=True)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FUNCTORY_"))}
        environ["FUNCTORY_RUNTIMES_DIR"] = load().runtimes.dir
        environ["FUNCTORY_RUNTIMES_STAND_INS"] = ",".join(load().runtimes.stand_ins)
        environ |= {f"FUNCTORY_{name}": value for name, value in settings.items()}
        environ["PYTHONPATH"] = str(ROOT / "src")
        ready, announce = os.pipe()
        command = [sys.executable, "-m", "functory.edges.cli.main", "up", "--ready-fd", str(announce)]
        command += ["--port", "0", "--data-dir", str(data_dir), "--driver", driver]
        with (data_dir / "output").open("wb") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=output, env=environ, cwd=ROOT, pass_fds=[announce]
            )
        os.close(announce)
        with os.fdopen(ready) as lines:
            line = lines.readline()
        if not line:
            self.process.wait(WAIT_S)
            raise RuntimeError(self.output())
        self.ready = json.loads(line)
        self.url: str = self.ready["url"]
        self.machine = os.uname().machine
        self._names = itertools.count(1)
        session = boto3.Session("engine", "engine", region_name=REGION)
        config = Config(retries={"total_max_attempts": 1}, read_timeout=100, max_pool_connections=64)
        self.lambda_ = session.client("lambda", endpoint_url=self.url, config=config)
        self.logs = session.client("logs", endpoint_url=self.url, config=config)

    def stop(self) -> int:
        """End it in order; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(WAIT_S)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.lambda_.close()
            self.logs.close()

    def deploy(
        self, files: Files | str, runtime: str = "python3.12", handler: str = "app.handler", **settings: Any
    ) -> Function:
        """A new function; a single text is the file ``app.py`` or ``app.js``."""
        if isinstance(files, str):
            files = {"app.js" if runtime.startswith("nodejs") else "app.py": files}
        settings.setdefault("Timeout", 20)
        executable = settings.pop("executable", ("bootstrap",))
        function = Function(self, f"fn-{next(self._names)}")
        self.lambda_.create_function(
            FunctionName=function.name,
            Role=ROLE,
            Runtime=runtime,
            Handler=handler,
            Code={"ZipFile": package(files, executable=executable)},
            **settings,
        )
        function.wait()
        return function

    def output(self) -> str:
        """The node's own log."""
        return (self.data_dir / "output").read_text(errors="replace")


@contextlib.contextmanager
def running(data_dir: Path, driver: str, **settings: str) -> Iterator[Node]:
    """A node for the time of the ``with`` block."""
    node = Node(data_dir, driver, **settings)
    try:
        yield node
    finally:
        node.stop()
