"""What idle environments and standbys weigh, and that many of them fit on one machine.

    python benchmarks/density.py [--count 500] [--json FILE]

Calls one function so often at once that every call has an environment of its own, waits until all are idle, and reads what
their processes hold: the proportional set size (shared pages counted once, over all processes that share them). Run as root,
on the driver ``oci``. Then a new function is called, to see that a node with so many environments still starts one.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from run import ECHO, Endpoint, running_node, timed

WAIT = "import os, time\ndef handler(event, context):\n    while not os.path.exists('/mnt/bench/go'): time.sleep(0.05)\n"
NODE_ONLY = "FUNCTORY_ENVIRONMENTS_MAX_MEMORY_MIB", "FUNCTORY_ENVIRONMENTS_IDLE_S", "FUNCTORY_SANDBOX_MOUNTS"


def until(what: str, holds: Callable[[], bool], limit_s: float = 600.0) -> None:
    give_up_at = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > give_up_at:
            sys.exit(f"never came to pass: {what}")
        time.sleep(0.2)


def health(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(f"{url}/_functory/health") as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def descendants(pid: int) -> list[int]:
    children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return children + [each for child in children for each in descendants(child)]


def held_mib(pids: list[int]) -> tuple[float, float]:
    """Proportional and private memory of processes."""
    proportional = private = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            name, _, rest = line.partition(":")
            if name == "Pss":
                proportional += int(rest.split()[0])
            elif name in {"Private_Clean", "Private_Dirty"}:
                private += int(rest.split()[0])
    return proportional / 1024, private / 1024


def weigh(url: str, pid: int) -> dict[str, float]:
    """What waits and what is idle now, by its share of memory."""
    at_work = health(url)
    pids = descendants(pid)
    count = at_work["environments"] + sum(at_work["standbys"].values())
    proportional, private = held_mib(pids)
    return {
        "environments": at_work["environments"],
        "standbys": sum(at_work["standbys"].values()),
        "processes": len(pids),
        "pss_mib_each": round(proportional / count, 1),
        "private_mib_each": round(private / count, 1),
        "node_rss_mib": round(rss_mib(pid), 1),
    }


def rss_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


def fill(endpoint: Endpoint, url: str, count: int, go: Path) -> float:
    """So many environments of one function, all idle; seconds until the last had started."""
    message = endpoint.invoke(endpoint.deploy(WAIT, timeout=900, memory_mib=128))
    threads = [threading.Thread(target=lambda: endpoint.ask(endpoint.connect(600), message)) for _ in range(count)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    until(f"{count} environments", lambda: health(url)["environments"] >= count)
    took_s = time.monotonic() - began
    go.touch()
    for thread in threads:
        thread.join()
    return took_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="functory-density-") as folder:
        shared = Path(folder) / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        Path(folder).chmod(0o755)
        os.chown(shared, 1000, 1000)
        os.environ |= dict(zip(NODE_ONLY, ("1000000", "3600", f"{shared}:/mnt/bench"), strict=True))
        with running_node("oci", Path(folder) / "data") as (url, _):
            pid, endpoint = health(url)["pid"], Endpoint(url)
            endpoint.ask(endpoint.connect(), endpoint.invoke(endpoint.deploy(ECHO)))
            until("a full shelf", lambda: sum(health(url)["standbys"].values()) >= 4)
            time.sleep(20)
            results["standbys"] = weigh(url, pid)
            print("standbys", json.dumps(results["standbys"]), flush=True)
            took_s = fill(endpoint, url, arguments.count, shared / "go")
            until("all idle", lambda: health(url)["environments"] >= arguments.count)
            results["idle"] = weigh(url, pid) | {"started_in_s": round(took_s, 1)}
            print("idle    ", json.dumps(results["idle"]), flush=True)
            message = endpoint.invoke(endpoint.deploy(ECHO))
            with endpoint.connect() as connection:
                calls = [timed(endpoint, connection, message) for _ in range(200)]
            results["beside"] = {"first_ms": round(calls[0], 1), "warm_p50_ms": round(sorted(calls[1:])[100], 2)}
            print("beside  ", json.dumps(results["beside"]), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
