"""A node of an ordinary user: what holds without root, and what is said of the rest."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from tests.support.functions import zip_of
from tests.support.node import ROOT, wait_for

pytestmark = pytest.mark.root

BOOTSTRAP = """#!/bin/bash
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
  event="$(curl -sS -D /tmp/headers "$api/next")"
  id="$(grep -i '^lambda-runtime-aws-request-id' /tmp/headers | tr -d '\\r' | cut -d' ' -f2)"
  answer="$(eval "$(cat "$_HANDLER")" 2>&1)"
  curl -sS "$api/$id/response" -d "$answer" > /dev/null
done
"""


@dataclass
class User:
    """An ordinary user of this machine."""

    name: str
    uid: int
    home: Path
    python: str

    def command(self, *argv: str) -> list[str]:
        """To run something as this user, with nothing of our environment."""
        packages = ":".join([str(ROOT / "src"), *site.getsitepackages()])
        environment = [
            f"HOME={self.home}",
            "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            f"PYTHONPATH={packages}",
            "PYTHONDONTWRITEBYTECODE=1",
        ]
        become = ["setpriv", f"--reuid={self.uid}", f"--regid={self.uid}", "--clear-groups"]
        return [*become, "env", "-i", *environment, *argv]

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*argv), capture_output=True, text=True, check=False, cwd=self.home)


@pytest.fixture(params=["range", "own"])
def user(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    """A user with a range of subordinate ids, or one with nothing but its own id."""
    if os.geteuid() != 0 or any(shutil.which(tool) is None for tool in ("useradd", "userdel", "setpriv", "unshare")):
        pytest.skip("needs root and the tools to make a user")
    if request.param == "range" and shutil.which("newuidmap") is None:
        pytest.skip("newuidmap is not installed")
    name = f"functory-t{os.getpid()}"
    home = Path("/tmp") / name
    subprocess.run(["useradd", "--create-home", "--home-dir", home, "--user-group", name], check=True, capture_output=True)
    try:
        uid = home.stat().st_uid
        made = User(name, uid, home, sys.executable)
        if request.param == "own":
            for file in (Path("/etc/subuid"), Path("/etc/subgid")):
                lines = file.read_text().splitlines(keepends=True) if file.exists() else []
                file.write_text("".join(line for line in lines if not line.startswith(f"{name}:")))
        _check(made)
        yield made
    finally:
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


def _check(user: User) -> None:
    """Skip where such a user can do nothing here."""
    if made := user.run("unshare", "--user", "--map-root-user", "--mount", "true").stderr:
        pytest.skip(f"no user namespaces for ordinary users here: {made.strip()}")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}"):
        user.python = python
        if user.run(python, "-c", "import functory.wiring").returncode == 0:
            return
    pytest.skip("an ordinary user can run none of the Pythons here that have our packages")


def start(user: User) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """A node of this user, and what it says when it is ready."""
    argv = [user.python, "-m", "functory.edges.cli", "up", "--port", "0", "--json", "--data-dir", f"{user.home}/data"]
    output = user.home / "log"
    with output.open("wb") as log:
        process = subprocess.Popen(user.command(*argv), stdout=log, stderr=log, cwd=user.home)

    def ready() -> dict[str, Any] | None:
        assert process.poll() is None, output.read_text()
        found = re.search(r'^\{\n  "pid".*?^\}', output.read_text(), re.MULTILINE | re.DOTALL)
        return json.loads(found[0]) if found else None

    try:
        return process, wait_for(ready, "the node takes requests", 60.0)
    except BaseException:
        process.kill()
        process.wait()
        raise


@contextlib.contextmanager
def node_of(user: User) -> Iterator[dict[str, Any]]:
    """A node of this user, which ends in order; what it says when it is ready."""
    process, ready = start(user)
    try:
        yield ready
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert "[error" not in (user.home / "log").read_text()


def function(url: str, script: str) -> str:
    """What a function of bash says."""
    client = boto3.session.Session("111122223333", "x", region_name="eu-west-1").client(
        "lambda", endpoint_url=url, config=Config(retries={"total_max_attempts": 1})
    )
    client.create_function(
        FunctionName="f",
        Runtime="provided.al2023",
        Handler="script",
        Role="arn:aws:iam::111122223333:role/r",
        Code={"ZipFile": zip_of({"bootstrap": BOOTSTRAP, "script": script}, 0o755)},
        Timeout=20,
        MemorySize=512,
    )
    client.get_waiter("function_active_v2").wait(FunctionName="f")
    answer = client.invoke(FunctionName="f", LogType="Tail")
    text: str = answer["Payload"].read().decode()
    assert "FunctionError" not in answer, text
    client.delete_function(FunctionName="f")
    return text


def test_functions_are_isolated(user: User) -> None:
    with node_of(user) as ready:
        assert ready["driver"].startswith("oci/")
        assert "rootless" in ready["driver"]
        seen = function(
            ready["url"],
            "id -u; id -g; cat /proc/self/uid_map; grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/self/status; "
            f"ls -d {user.home} /root; cd /proc; echo [0-9]*; ls /sys/class/net /proc/self/net/dev; "
            "cat /proc/net/dev; touch /x /var/task/x; echo ok > /tmp/x && cat /tmp/x; mount -t tmpfs x /tmp",
        )
        lines = seen.splitlines()
        has_range = _has_range(user)
        assert lines[:2] == (["993", "990"] if has_range else ["0", "0"])
        assert "NoNewPrivs:\t1" in seen
        assert "CapEff:\t0000000000000000" in seen
        assert "CapBnd:\t0000000000000000" in seen
        assert "Seccomp:\t2" in seen
        assert f"cannot access '{user.home}'" in seen
        assert "cannot touch '/x': Read-only file system" in seen
        assert "cannot touch '/var/task/x': Read-only file system" in seen
        assert "\nok\n" in seen
        devices = {line.split(":")[0].strip() for line in lines if ":" in line and "bytes" not in line and "lo" in line}
        assert "lo" in devices
        assert "eth0" not in seen


def test_what_does_not_hold_is_said(user: User) -> None:
    with node_of(user) as ready:
        assert "no limit of memory and CPU" in ready["driver"]
        assert "network none" in ready["driver"]
    told = user.run(user.python, "-m", "functory.edges.cli", "doctor", "--json").stdout
    checks = {check["name"]: check for check in json.loads(told)}
    assert checks["isolation"]["ok"], checks
    text = json.dumps(checks)
    assert "rootless" in text
    assert "no control groups" in text


def test_what_cannot_be_had_without_root_is_refused(user: User) -> None:
    argv = [user.python, "-m", "functory.edges.cli", "up", "--port", "0", "--data-dir", f"{user.home}/data"]
    done = user.run(*argv, "--driver", "oci", "--network", "nat")
    assert done.returncode != 0
    assert "network" in done.stderr


def test_a_node_starts_again_after_it_was_killed(user: User) -> None:
    process, ready = start(user)
    assert function(ready["url"], "echo one") == "one"
    process.kill()
    process.wait()
    with node_of(user) as again:
        assert function(again["url"], "echo two") == "two"


def _has_range(user: User) -> bool:
    return f"{user.name}:" in Path("/etc/subuid").read_text()
