"""Cold and warm calls of every runtime that is ready here, on every kind of isolation that works here.

    python benchmarks/runtimes.py [--runtimes python3.11,nodejs20.x] [--isolation runc,runsc,process] [--calls 10]

Prints a table in Markdown: the first call of a new function, from a sandbox started for it and from a waiting standby (where
there are such), and the median of warm calls; p50 in milliseconds, functions of 256 MB. What cannot run here is named.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from run import ECHO, NODE, Endpoint, running_node, timed

SHELL = r"""#!/bin/sh
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation
while headers=$(mktemp) && event=$(curl -sS -LD "$headers" "$api/next"); do
  id=$(grep -Fi Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS "$api/$id/response" -d "$event" >/dev/null
done
"""
RUBY = "def handler(event:, context:)\n  event\nend\n"
JAVA = "public class Echo { public Object handle(Object event) { return event; } }\n"
GO = """package main
import ("context"; "encoding/json"; "github.com/aws/aws-lambda-go/lambda")
func handle(_ context.Context, event json.RawMessage) (json.RawMessage, error) { return event, nil }
func main() { lambda.Start(handle) }
"""
Package = tuple[bytes, str]
"""zip and handler"""


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o755 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def java(_: str) -> Package:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "Echo.java"
        source.write_text(JAVA)
        subprocess.run(["javac", "--release", "11", str(source)], check=True, stderr=subprocess.DEVNULL)
        return zipped({"Echo.class": source.with_suffix(".class").read_bytes()}), "Echo::handle"


def go(_: str) -> Package:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        (place / "main.go").write_text(GO)
        for command in ("mod init bench", "mod tidy", "build -o bootstrap"):
            environment = os.environ | {"CGO_ENABLED": "0"}
            subprocess.run(["go", *command.split()], cwd=folder, env=environment, check=True, capture_output=True)
        return zipped({"bootstrap": (place / "bootstrap").read_bytes()}), "unused"


PACKAGES: dict[str, Callable[[str], Package]] = {
    "python": lambda _: (zipped({"app.py": ECHO.encode()}), "app.handler"),
    "nodejs": lambda _: (zipped({"index.js": NODE.encode()}), "index.handler"),
    "ruby": lambda _: (zipped({"app.rb": RUBY.encode()}), "app.handler"),
    "java": java,
    "provided.al2023 (shell)": lambda _: (zipped({"bootstrap": SHELL.encode()}), "unused"),
    "provided.al2023 (go)": go,
}


def package_of(name: str) -> Package | None:
    """What to run on a runtime; None: nothing can be built for it here."""
    tool = {"java": "javac", "provided.al2023 (go)": "go"}
    for kind, build in PACKAGES.items():
        if name == kind or (not name.startswith("provided") and name.startswith(kind)):
            return build(name) if kind not in tool or shutil.which(tool[kind]) else None
    return None


def ready_runtimes() -> list[str]:
    listed = subprocess.run(
        [sys.executable, "-m", "functory.edges.cli", "runtimes", "--json"], capture_output=True, text=True, check=True
    )
    names = [each["id"] for each in json.loads(listed.stdout) if each["ready"]]
    return [name for name in names if not name.startswith("provided")] + ["provided.al2023 (shell)", "provided.al2023 (go)"]


def first_calls(url: str, name: str, package: Package, calls: int, *, standby: bool) -> list[float]:
    """Each of a function of its own; empty where a standby was wanted and never waits."""
    endpoint, runtime = Endpoint(url), name.partition(" ")[0]
    times = []
    for _ in range(calls):
        message = endpoint.invoke(endpoint.deploy_package(package[0], runtime, package[1]))
        if standby and not standby_waits(url, runtime):
            return []
        with endpoint.connect() as connection:
            times.append(timed(endpoint, connection, message))
    return times


def warm_calls(url: str, name: str, package: Package, calls: int = 200) -> list[float]:
    endpoint = Endpoint(url)
    message = endpoint.invoke(endpoint.deploy_package(package[0], name.partition(" ")[0], package[1]))
    with endpoint.connect() as connection:
        return [timed(endpoint, connection, message) for _ in range(calls + 20)][20:]


def standby_waits(url: str, runtime: str, limit_s: float = 3.0) -> bool:
    give_up_at = time.monotonic() + limit_s
    while time.monotonic() < give_up_at:
        with urllib.request.urlopen(f"{url}/_functory/health") as answer:
            if json.load(answer)["standbys"].get(runtime, 0) >= 2:
                return True
        time.sleep(0.02)
    return False


def shown(times: list[float], digits: int = 1) -> str:
    return f"{statistics.median(times):.{digits}f}" if times else "-"


def rows(isolation: str, names: list[str], calls: int) -> dict[str, list[str]]:
    """Runtime -> first call without standby, with one, warm."""
    driver, *options = ["process"] if isolation == "process" else ["oci", f"--oci-runtime={isolation}"]
    packages = {name: package for name in names if (package := package_of(name)) is not None}
    found: dict[str, list[str]] = {name: [] for name in packages}
    with tempfile.TemporaryDirectory(prefix="functory-bench-") as folder:
        for most in ("0", "8"):
            os.environ["FUNCTORY_ENVIRONMENTS_STANDBY_MAX"] = most
            with running_node(driver, Path(folder) / f"data-{most}", *options) as (url, _):
                for name, package in packages.items():
                    found[name].append(shown(first_calls(url, name, package, calls, standby=most != "0")))
                    if most != "0":
                        found[name].append(shown(warm_calls(url, name, package), 2))
    return found | {name: ["not built here", "", ""] for name in names if name not in packages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtimes", help="default: all that are ready")
    parser.add_argument("--isolation", default="runc,runsc,process")
    parser.add_argument("--calls", type=int, default=10)
    arguments = parser.parse_args()
    names = arguments.runtimes.split(",") if arguments.runtimes else ready_runtimes()
    for isolation in arguments.isolation.split(","):
        print(f"\n{isolation}\n\n| runtime | first call | from standby | warm |\n| --- | --- | --- | --- |", flush=True)
        for name, cells in rows(isolation, names, arguments.calls).items():
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
