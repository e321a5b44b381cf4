"""What the first call of a new function costs: from a standby, and where none waits, on nodes started for it.

    PYTHONPATH=src python benchmarks/cold_start.py [--count 20] [--runtime python3.12] [--node-runtime nodejs20.x]

Two nodes run side by side, one without standbys, and take turns, so that both see the same machine. Before each call the
first waits until a standby is there: the figure is that of a call that meets one. Prints p50, p90 and the least in
milliseconds, and how the p50s relate. Run as root on a quiet machine.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from pathlib import Path

import boto3

WAIT_S = 30.0
PYTHON = "def handler(event, context):\n    return event\n"
CASES = {
    "Python": ("app.py", "app.handler", PYTHON),
    "Python importing boto3": ("app.py", "app.handler", "import boto3\n" + PYTHON),
    "Node.js": ("app.js", "app.handler", "exports.handler = async (event) => event;\n"),
}


class Node:
    """A node in the background, of a data folder."""

    def __init__(self, folder: Path, standby_max: int) -> None:
        self._folder = folder
        environ = os.environ | {"FUNCTORY_ENVIRONMENTS_STANDBY_MAX": str(standby_max)}
        command = [sys.executable, "-m", "functory.edges.cli", "up", "-d", "--port", "0", "--data-dir", str(folder)]
        said = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
        self.url = next(word for word in said.split() if word.startswith("http://"))
        self._lambda = boto3.client(
            "lambda", endpoint_url=self.url, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
        )
        self._count = 0

    def stop(self) -> None:
        command = [sys.executable, "-m", "functory.edges.cli", "down", "--data-dir", str(self._folder)]
        subprocess.run(command, capture_output=True, check=True)

    def standbys(self, runtime: str) -> int:
        with urllib.request.urlopen(f"{self.url}/_functory/health") as answer:
            return int(json.load(answer).get("standbys", {}).get(runtime, 0))

    def first_call_ms(self, case: str, runtime: str) -> float:
        file, handler, code = CASES[case]
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as package:
            package.writestr(file, code + ("#" if file.endswith("py") else "//") + str(time.time_ns()))
        self._count += 1
        name = f"cold-{self._count}"
        self._lambda.create_function(
            FunctionName=name,
            Runtime=runtime,
            Role="arn:aws:iam::000000000000:role/r",
            Handler=handler,
            Code={"ZipFile": archive.getvalue()},
            Timeout=30,
        )
        self._lambda.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        began = time.perf_counter()
        answer = self._lambda.invoke(FunctionName=name, Payload=b'{"a": 1}')
        took = (time.perf_counter() - began) * 1000
        if "FunctionError" in answer:
            raise SystemExit(answer["Payload"].read().decode())
        return took


def wait_for_standby(node: Node, runtime: str) -> None:
    give_up_at = time.monotonic() + WAIT_S
    while node.standbys(runtime) == 0:
        if time.monotonic() > give_up_at:
            raise SystemExit(f"no standby of {runtime} within {WAIT_S:g} s")
        time.sleep(0.05)
    time.sleep(0.3)  # the next refill is over, too


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--runtime", default="python3.12")
    parser.add_argument("--node-runtime", default="nodejs20.x")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        standby, plain = Node(Path(folder, "standby"), 4), Node(Path(folder, "plain"), 0)
        try:
            for case in CASES:
                runtime = arguments.node_runtime if case == "Node.js" else arguments.runtime
                standby.first_call_ms(case, runtime)
                times: dict[str, list[float]] = {"standby": [], "none": []}
                for _ in range(arguments.count):
                    wait_for_standby(standby, runtime)
                    times["standby"].append(standby.first_call_ms(case, runtime))
                    times["none"].append(plain.first_call_ms(case, runtime))
                p50 = {name: statistics.median(values) for name, values in times.items()}
                for name, values in times.items():
                    p90 = statistics.quantiles(values, n=10)[8]
                    print(f"{case:24} {name:8} p50 {p50[name]:7.1f}  p90 {p90:7.1f}  least {min(values):7.1f}")
                print(f"{case:24} ratio    {p50['none'] / p50['standby']:.1f}", flush=True)
        finally:
            standby.stop()
            plain.stop()


if __name__ == "__main__":
    main()
