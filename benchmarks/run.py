"""The numbers of SPECIFICATION.md, measured from outside against a node that this program starts and stops.

    python benchmarks/run.py [--only start,warm,throughput,cold,burst,events,many] [--json FILE] [--driver oci|process]

Latencies are the client's, over raw keep-alive sockets so that the client costs little. Every figure is printed with the
machine, the commit and the command; a figure from a busy machine says more about the machine.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ECHO = "def handler(event, context):\n    return event\n"
SLEEP = "import time\ndef handler(event, context):\n    time.sleep(1)\n    return 1\n"
NODE = "exports.handler = async (event) => event;\n"
ROLE = "arn:aws:iam::000000000000:role/benchmark"
MEMORY_MIB = 256


class Endpoint:
    """The node under test, spoken to without an SDK."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port = parts.hostname or "127.0.0.1", parts.port or 80

    def connect(self, timeout_s: float = 60.0) -> socket.socket:
        connection = socket.create_connection((self.host, self.port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(timeout_s)
        return connection

    def message(self, method: str, path: str, body: bytes = b"", headers: str = "") -> bytes:
        scope = "Credential=test/20261123/us-east-1/lambda/aws4_request"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Length: {len(body)}\r\n{headers}"
            f"Authorization: AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature={'0' * 64}\r\n\r\n"
        )
        return head.encode() + body

    def ask(self, connection: socket.socket, message: bytes) -> bytes:
        """The body of the answer; ends the program when the node refuses."""
        connection.sendall(message)
        data = b""
        while b"\r\n\r\n" not in data:
            data += _receive(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
        )
        while len(body) < length:
            body += _receive(connection)
        if not 200 <= int(head.split(b" ")[1]) < 300 or b"errorMessage" in body:
            sys.exit(f"the node answered {head.splitlines()[0]!r} {body[:300]!r}")
        return body

    def deploy(
        self, source: str, runtime: str = "python3.11", file: str = "app.py", handler: str = "app.handler",
        timeout: int = 30, memory_mib: int = MEMORY_MIB,
    ) -> str:  # fmt: skip
        """Make a function and wait until it is Active; its name."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            entry = zipfile.ZipInfo(file)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, source)
        return self.deploy_package(buffer.getvalue(), runtime, handler, timeout, memory_mib)

    def deploy_package(
        self, package: bytes, runtime: str, handler: str, timeout: int = 30, memory_mib: int = MEMORY_MIB,
        variables: dict[str, str] | None = None,
    ) -> str:  # fmt: skip
        """As `deploy`, from a zip."""
        name = f"bench-{uuid.uuid4().hex[:10]}"
        request = {
            "FunctionName": name, "Runtime": runtime, "Role": ROLE, "Handler": handler, "Timeout": timeout,
            "MemorySize": memory_mib, "Code": {"ZipFile": base64.b64encode(package).decode()},
        }  # fmt: skip
        if variables is not None:
            request["Environment"] = {"Variables": variables}
        with self.connect() as connection:
            self.ask(connection, self.message("POST", "/2015-03-31/functions", json.dumps(request).encode()))
            shown = self.message("GET", f"/2015-03-31/functions/{name}/configuration")
            while json.loads(self.ask(connection, shown))["State"] != "Active":
                time.sleep(0.005)
        return name

    def invoke(self, name: str, kind: str = "RequestResponse") -> bytes:
        path = f"/2015-03-31/functions/{name}/invocations"
        return self.message("POST", path, b'{"a":1}', f"X-Amz-Invocation-Type: {kind}\r\n")


def _receive(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        sys.exit("the node closed the connection")
    return data


def distribution(times_ms: list[float]) -> dict[str, float]:
    ordered = sorted(times_ms)
    return {
        "p50_ms": round(statistics.median(ordered), 3),
        "p90_ms": round(ordered[int(len(ordered) * 0.9)], 3),
        "p99_ms": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], 3),
    }


def timed(endpoint: Endpoint, connection: socket.socket, message: bytes) -> float:
    began = time.perf_counter()
    endpoint.ask(connection, message)
    return (time.perf_counter() - began) * 1000


def warm(endpoint: Endpoint, calls: int = 1000) -> dict[str, float]:
    message = endpoint.invoke(endpoint.deploy(ECHO))
    with endpoint.connect() as connection:
        for _ in range(50):
            timed(endpoint, connection, message)
        return distribution([timed(endpoint, connection, message) for _ in range(calls)])


def rate(endpoint: Endpoint, message: bytes, connections: int, seconds: float = 5.0) -> float:
    """Calls per second over several connections, after two seconds of getting warm."""
    counts, stopped = [0] * connections, threading.Event()

    def work(number: int) -> None:
        with endpoint.connect() as connection:
            while not stopped.is_set():
                endpoint.ask(connection, message)
                counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(connections)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    before, began = sum(counts), time.perf_counter()
    time.sleep(seconds)
    per_second = (sum(counts) - before) / (time.perf_counter() - began)
    stopped.set()
    for thread in threads:
        thread.join(30)
    return round(per_second, 1)


def throughput(endpoint: Endpoint) -> dict[str, float]:
    message = endpoint.invoke(endpoint.deploy(ECHO))
    return {f"per_s_at_{connections}": rate(endpoint, message, connections) for connections in (1, 8, 32)}


def cold(endpoint: Endpoint, calls: int = 15) -> dict[str, Any]:
    kinds = {
        "python": {"source": ECHO},
        "python_boto3": {"source": "import boto3\n" + ECHO},
        "nodejs": {"source": NODE, "runtime": "nodejs20.x", "file": "index.js", "handler": "index.handler"},
    }
    result = {}
    for kind, what in kinds.items():
        times = []
        for _ in range(calls):
            message = endpoint.invoke(endpoint.deploy(**what))
            time.sleep(0.15)
            with endpoint.connect() as connection:
                times.append(timed(endpoint, connection, message))
        result[kind] = distribution(times)
    return result


def burst(endpoint: Endpoint, calls: int = 50) -> dict[str, float]:
    message = endpoint.invoke(endpoint.deploy(SLEEP))

    def one() -> None:
        with endpoint.connect() as connection:
            endpoint.ask(connection, message)

    threads = [threading.Thread(target=one) for _ in range(calls)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"calls": calls, "all_answered_s": round(time.perf_counter() - began, 3)}


def events(endpoint: Endpoint) -> dict[str, float]:
    message = endpoint.invoke(endpoint.deploy(ECHO), kind="Event")
    return {f"accepted_per_s_at_{connections}": rate(endpoint, message, connections, 3.0) for connections in (1, 8)}


def many(endpoint: Endpoint, functions: int = 1000) -> dict[str, float]:
    alone = warm(endpoint)["p50_ms"]
    began = time.perf_counter()
    for _ in range(functions):
        endpoint.deploy(ECHO)
    created_per_s = functions / (time.perf_counter() - began)
    among = warm(endpoint)["p50_ms"]
    return {"functions": functions, "created_per_s": round(created_per_s, 1), "warm_p50_ratio": round(among / alone, 3)}


SCENARIOS: dict[str, Callable[[Endpoint], dict[str, Any]]] = {
    "warm": warm, "throughput": throughput, "cold": cold, "burst": burst, "events": events, "many": many,
}  # fmt: skip


@contextmanager
def running_node(driver: str, folder: Path, *options: str) -> Iterator[tuple[str, dict[str, float]]]:
    """A node; its URL, how long it took to be ready and what it weighs."""
    command = [sys.executable, "-m", "functory.edges.cli", "up", "--port=0", f"--data-dir={folder}", f"--driver={driver}"]
    command += options
    began = time.perf_counter()
    with subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL) as node:
        try:
            text = ""
            while "}" not in text and node.stdout is not None:
                line = node.stdout.readline()
                if not line:
                    sys.exit("the node did not start")
                text += line
            ready_s = time.perf_counter() - began
            time.sleep(1)
            status = Path(f"/proc/{node.pid}/status").read_text()
            rss_kib = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
            print(f"node        {json.loads(text)['driver']}")
            yield json.loads(text)["url"], {"ready_s": round(ready_s, 3), "idle_rss_mb": round(rss_kib / 1024, 1)}
        finally:
            node.terminate()
            node.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="start,warm,throughput,cold,burst,events,many")
    parser.add_argument("--driver", default="auto", choices=["auto", "oci", "process"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    wanted = arguments.only.split(",")
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    kernel, load = platform.release(), os.getloadavg()[0]
    print(f"machine     {os.cpu_count()} cores, {platform.machine()}, Linux {kernel}, load {load:.1f}")
    print(f"commit      {commit.strip()}   command  {' '.join(sys.argv)}", flush=True)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="functory-bench-") as folder:
        # a first start makes the database and probes the isolation; the second is what every later start costs
        with running_node(arguments.driver, Path(folder) / "data"):
            pass
        with running_node(arguments.driver, Path(folder) / "data") as (url, start):
            if "start" in wanted:
                results["start"] = start
                print(f"{'start':11s} {json.dumps(start)}", flush=True)
            for name, scenario in SCENARIOS.items():
                if name in wanted:
                    results[name] = scenario(Endpoint(url))
                    print(f"{name:11s} {json.dumps(results[name])}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
