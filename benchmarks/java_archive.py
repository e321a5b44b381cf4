"""What the archive of the Java client's classes saves: first calls with it, with the JDK's own archive only, and with none.

    python benchmarks/java_archive.py [--runtimes java17,java21] [--calls 15] [--driver oci]

The three take turns on one node, each call being the first of a function of its own, so a busy machine is equally busy for
all: the ratios count. Prints a table in Markdown; times are medians in milliseconds, functions have 512 MB.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path

from run import Endpoint, running_node, timed
from runtimes import java, ready_runtimes

MODES = {"with the client's archive": "", "the JDK's archive only": "-Xshare:auto", "no archive": "-Xshare:off"}
"""What `JAVA_TOOL_OPTIONS` says; an option about sharing makes the bootstrap name no archive of its own."""
MEMORY_MIB = 512


def first_calls(endpoint: Endpoint, runtime: str, calls: int) -> dict[str, list[float]]:
    """Milliseconds of each call, by mode."""
    package, handler = java(runtime)
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    for _ in range(calls):
        for mode, options in MODES.items():
            variables = {"JAVA_TOOL_OPTIONS": options} if options else None
            name = endpoint.deploy_package(package, runtime, handler, memory_mib=MEMORY_MIB, variables=variables)
            with endpoint.connect() as connection:
                times[mode].append(timed(endpoint, connection, endpoint.invoke(name)))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runtimes", help="default: every Java that is ready and can record an archive")
    parser.add_argument("--calls", type=int, default=15)
    parser.add_argument("--driver", default="oci")
    arguments = parser.parse_args()
    ready = [name for name in ready_runtimes() if name.startswith("java") and not name.startswith("java8")]
    names = arguments.runtimes.split(",") if arguments.runtimes else ready
    os.environ["FUNCTORY_ENVIRONMENTS_STANDBY_MAX"] = "0"
    print(f"| runtime | {' | '.join(MODES)} | ratio of the first to the last |\n|{' --- |' * (len(MODES) + 2)}", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="functory-bench-") as folder,
        running_node(arguments.driver, Path(folder) / "data") as (url, _),
    ):
        for name in names:
            medians = [statistics.median(times) for times in first_calls(Endpoint(url), name, arguments.calls).values()]
            cells = " | ".join(f"{median:.0f}" for median in medians)
            print(f"| {name} | {cells} | {medians[0] / medians[-1]:.2f} |", flush=True)


if __name__ == "__main__":
    main()
