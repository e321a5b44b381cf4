"""``make demo``: a node from nothing, three small functions, and everything gone again.

Uses the command ``functory`` as a person would. Ends non-zero when anything is not as it should be; the node is stopped and
its data removed either way.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTORY = str(Path(sys.executable).with_name("functory"))
PAYLOAD = '{"name": "Functory"}'
LOG_DEADLINE_S = 10.0


class DemoFailedError(Exception):
    """Something was not as it should be; the text says what."""


def shown(*arguments: str) -> None:
    """Print a command as one would type it."""
    print(f"\n$ functory {shlex.join(arguments)}", flush=True)


def functory(*arguments: str, quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command and show what it prints.

    Raises:
        DemoFailedError: its exit code is not 0.
    """
    if not quiet:
        shown(*arguments)
    environ = {name: value for name, value in os.environ.items() if name not in {"AWS_ENDPOINT_URL", "FUNCTORY_ENDPOINT"}}
    done = subprocess.run([FUNCTORY, *arguments], capture_output=True, text=True, check=False, env=environ)
    if not quiet or done.returncode:
        print(done.stderr + done.stdout, end="", flush=True)
    if done.returncode:
        raise DemoFailedError(f"functory {arguments[0]} ended with {done.returncode}")
    return done


def expect(holds: bool, text: str) -> None:
    """Raise unless ``holds``."""
    if not holds:
        raise DemoFailedError(text)


def examples() -> list[tuple[str, str]]:
    """Folder and the start of the greeting for every example that can run here; Python must be among them."""
    ready = [status["id"] for status in json.loads(functory("runtimes", "--json", quiet=True).stdout) if status["ready"]]
    expect(any(name.startswith("python") for name in ready), "no Python runtime is ready; `functory runtimes` says why")
    found = [("hello_python", "Hello, Functory!")]
    if any(name.startswith("nodejs") for name in ready):
        found.append(("hello_node", "Hello, Functory!"))
    if shutil.which("curl") and shutil.which("bash"):
        found.append(("hello_shell", "Hello from bash!"))
    return found


def show_function(endpoint: str, folder: str, greeting: str) -> None:
    """Deploy one example, call it, read its log."""
    name = folder.replace("_", "-")
    functory("deploy", f"examples/{folder}", "--name", name, "--timeout", "10", "--endpoint", endpoint)
    called = functory("invoke", name, "--payload", PAYLOAD, "--tail", "--endpoint", endpoint)
    expect(json.loads(called.stdout)["message"] == greeting, f"{name} answered something else: {called.stdout}")
    expect("REPORT RequestId" in called.stderr, f"{name} has no REPORT line in its log tail")
    show_logs(endpoint, name)


def show_logs(endpoint: str, name: str) -> None:
    """Print the function's log once the line of the handler is in it."""
    arguments = ("logs", name, "--since", "5m", "--endpoint", endpoint)
    until = time.monotonic() + LOG_DEADLINE_S
    while "greeting" not in (printed := functory(*arguments, quiet=True).stdout):
        expect(time.monotonic() < until, f"the log of {name} does not hold what it printed: {printed}")
        time.sleep(0.2)
    shown(*arguments)
    print(printed, end="", flush=True)


def demo(data_dir: str) -> None:
    """The whole walk."""
    runnable = examples()
    functory("up", "--detach", "--port", "0", "--data-dir", data_dir)
    endpoint = json.loads((Path(data_dir) / "node.json").read_text(encoding="utf-8"))["url"]
    for folder, greeting in runnable:
        show_function(endpoint, folder, greeting)
    functory("ls", "--endpoint", endpoint)
    functory("status", "--endpoint", endpoint)


def main() -> int:
    """Run the demo; 0 when everything was as it should be."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    os.chdir(ROOT)
    data_dir = tempfile.mkdtemp(prefix="functory-demo-")
    result = 1
    try:
        demo(data_dir)
        result = 0
    except DemoFailedError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        log = Path(data_dir) / "node.log"
        if log.exists():
            print(f"demo: the end of the node's log:\n{log.read_text(errors='replace')[-4000:]}", file=sys.stderr)
    finally:
        try:
            functory("down", "--data-dir", data_dir, "--force")
        except DemoFailedError as error:
            print(f"demo: {error}", file=sys.stderr)
            result = 1
        shutil.rmtree(data_dir, ignore_errors=True)
    print("\ndemo: done" if result == 0 else "\ndemo: FAILED")
    return result


if __name__ == "__main__":
    sys.exit(main())
