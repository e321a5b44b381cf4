"""A tiny Runtime API for tests: hands out events, keeps what the client posts. Threads, one connection each."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from functory.runtimes.port import ReadyRuntime

PREFIX = "/2018-06-01/runtime"
WAIT_S = 30.0


@dataclass
class Post:
    """One thing the client reported: ``kind`` is ``response``, ``error`` or ``init/error``."""

    kind: str
    request_id: str
    headers: Mapping[str, str]
    body: bytes
    trailers: Mapping[str, str] = field(default_factory=dict)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class RuntimeApi:
    """Serves one client at a time."""

    def __init__(self) -> None:
        self._events: queue.Queue[tuple[dict[str, str], bytes] | None] = queue.Queue()
        self.posts: queue.Queue[Post] = queue.Queue()
        self.status = 202
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1

            def handle(self) -> None:
                with contextlib.suppress(ConnectionError):  # the client is killed at the end of a test
                    super().handle()

            def do_GET(self) -> None:
                event = api._events.get()
                if event is None or self._is_gone():
                    api._events.put(event)  # for the client that is there, or for the next thread to end
                    self.close_connection = True
                    return
                headers, body = event
                self._answer(200, body, headers)

            def do_POST(self) -> None:
                parts = self.path.removeprefix(PREFIX).strip("/").split("/")
                request_id, kind = ("", "/".join(parts)) if parts[0] == "init" else (parts[1], parts[2])
                body, trailers = self._read()
                api.posts.put(Post(kind, request_id, dict(self.headers), body, trailers))
                self._answer(api.status, b'{"status":"OK"}', {})

            def _is_gone(self) -> bool:
                """Whether the client that waits on this connection has ended."""
                return bool(select.select([self.connection], [], [], 0)[0])

            def _read(self) -> tuple[bytes, dict[str, str]]:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length", 0))), {}
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                trailers = {}
                while line := self.rfile.readline().strip():
                    name, _, value = line.decode().partition(":")
                    trailers[name.strip()] = value.strip()
                return body, trailers

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def send(self, event: Any, request_id: str = "request-1", *, timeout_s: float = 3.0, **headers: str) -> None:
        """Queue an invocation; further headers by name with ``_`` for ``-``, without ``Lambda-Runtime-``."""
        all_headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + timeout_s) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:probe",
        }
        all_headers |= {f"Lambda-Runtime-{name.replace('_', '-').title()}": value for name, value in headers.items()}
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        self._events.put((all_headers, body))

    def post(self) -> Post:
        """The next thing reported."""
        return self.posts.get(timeout=WAIT_S)

    def close(self) -> None:
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Frame:
    """One record of the framed log channel."""

    type: int
    timestamp_us: int
    text: str


class Process:
    """A runtime client running on the host with the paths of its folders."""

    def __init__(self, popen: subprocess.Popen[bytes], framed: int | None) -> None:
        self.popen = popen
        self._framed = framed

    def output(self) -> str:
        """Everything written to stdout and stderr; waits for the end."""
        out, _ = self.popen.communicate(timeout=WAIT_S)
        return out.decode()

    def frames(self) -> list[Frame]:
        """Everything on the framed channel; waits for the end."""
        assert self._framed is not None
        with os.fdopen(self._framed, "rb") as stream:
            data = stream.read()
        self._framed = None
        frames = []
        while data:
            kind, size, time_us = int.from_bytes(data[:4]), int.from_bytes(data[4:8]), int.from_bytes(data[8:16])
            frames.append(Frame(kind, time_us, data[16 : 16 + size].decode()))
            data = data[16 + size :]
        return frames

    def stop(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        with contextlib.suppress(ValueError):
            self.popen.communicate(timeout=WAIT_S)
        if self._framed is not None:
            os.close(self._framed)


@contextlib.contextmanager
def running(
    ready: ReadyRuntime,
    api: RuntimeApi,
    folder: Path,
    handler: str,
    *,
    env: Mapping[str, str] | None = None,
    framed: bool = False,
) -> Iterator[Process]:
    """Run ``handler`` of the code in ``folder/task`` (layers in ``folder/opt``), as the engine would."""
    mounts = {mount.target: str(mount.source) for mount in ready.mounts}
    names = {"task": "task", "opt": "opt", "tmp": "tmp"}
    paths = {name: str(folder / part) for name, part in names.items()}
    for path in paths.values():
        Path(path).mkdir(exist_ok=True)
    paths |= {"runtime": mounts["/var/runtime"], "lang": mounts["/var/lang"]}
    environ = {name: value.format(**paths) for name, value in ready.env.items()}
    environ |= {
        "AWS_LAMBDA_RUNTIME_API": api.address,
        "AWS_LAMBDA_FUNCTION_NAME": "probe",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/probe",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/11/23/[$LATEST]0123456789abcdef0123456789abcdef",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "_HANDLER": handler,
        **(env or {}),
    }
    reading = writing = None
    if framed:
        reading, writing = os.pipe()
        environ["_LAMBDA_TELEMETRY_LOG_FD"] = str(writing)
    popen = subprocess.Popen(
        [part.format(**paths) for part in ready.argv],
        env=environ,
        cwd=paths["task"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=() if writing is None else (writing,),
    )
    if writing is not None:
        os.close(writing)
    process = Process(popen, reading)
    try:
        yield process
    finally:
        process.stop()
