"""A node, its clients and what must hold between them after every restart."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from functory.kernel.settings import RuntimeSettings
from functory.runtimes.catalog import Catalog
from tests.integration.durability.api import FUNCTIONS, Api
from tests.integration.durability.histories import Function, read_function, read_messages
from tests.integration.durability.leftovers import Sandboxes, half_done, sandboxes_of
from tests.integration.durability.load import (
    COLLECT,
    COLLECTOR,
    LOG_GROUP,
    Client,
    Load,
    creation,
    delivered,
    delivered_to,
    package,
    sha256_of,
    wait_until_settled,
)
from tests.integration.durability.node_process import SRC, NodeProcess, wait_until

CLIENTS = 6
DELIVERY_S = 180.0
ENVIRON = {
    "FUNCTORY_DELIVERIES_RETRY_BASE_S": "0.05",
    "FUNCTORY_DELIVERIES_WORKERS": "4",
    "FUNCTORY_ENVIRONMENTS_INIT_TIMEOUT_S": "60",
}
"""Few workers, so that a small machine is not busy with starting Python; a first start may be slow there."""


PROBE = """
import asyncio, sys
from pathlib import Path
from functory.kernel.settings import SandboxSettings
from functory.sandbox.port import SandboxError
from functory.sandbox.probe import pick_driver

try:
    asyncio.run(pick_driver(SandboxSettings(driver="oci"), Path(sys.argv[1])))
except SandboxError as error:
    print(error, file=sys.stderr)
"""


def some_python() -> str:
    """The newest Python runtime that is ready; skips without one."""
    ready = [one.id for one in asyncio.run(Catalog(RuntimeSettings()).list()) if one.ready]
    pythons = sorted((name for name in ready if name.startswith("python")), key=lambda name: int(name.rpartition(".")[2]))
    if not pythons:
        pytest.skip("no Python runtime is ready")
    return pythons[-1]


def need_driver(driver: str, scratch: Path) -> None:
    """Skip where a driver does not work."""
    if driver == "oci":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        program = [sys.executable, "-c", PROBE, str(scratch)]  # not in this process: the driver changes its namespaces
        done = subprocess.run(
            program, env={**os.environ, "PYTHONPATH": str(SRC)}, capture_output=True, text=True, check=True
        )
        if done.stderr:
            pytest.skip(done.stderr)


@dataclass
class Scene:
    """See the module.

    Attributes:
        out: host folder in which the collector function notes every event.
    """

    node: NodeProcess
    out: Path
    clients: list[Client]
    runtime: str
    before: Sandboxes = field(default_factory=Sandboxes)

    @classmethod
    def make(cls, folder: Path, driver: str, seed: int, *, data_dir: Path | None = None) -> Scene:
        need_driver(driver, folder / "probe")
        runtime, out = some_python(), folder / "out"
        out.mkdir()
        out.chmod(0o777)  # functions are an unprivileged user in a folder of root
        delivered_to(out).touch()
        delivered_to(out).chmod(0o666)  # functions of the oci driver are other users
        options = [f"--mount={out}:/mnt/out"] if driver == "oci" else []
        node = NodeProcess(data_dir or folder / "data", driver, options, dict(ENVIRON))
        return cls(node, out, [Client(number, seed, runtime) for number in range(CLIENTS)], runtime)

    def prepare(self) -> None:
        """What the load needs: the collector and the log group."""
        place = Path("/mnt/out") if self.node.driver == "oci" else self.out
        with Api(self.node.url) as api:
            variables = {"Variables": {"DELIVERED": str(delivered_to(place))}}
            body = creation(COLLECTOR, self.runtime, package(COLLECT), Environment=variables, Timeout=60)
            api.call("POST", FUNCTIONS, body)
            api.logs("CreateLogGroup", logGroupName=LOG_GROUP)
            wait_until_settled(api, COLLECTOR)

    def load(self) -> Load:
        return Load(self.clients, self.node.url)

    def kill(self) -> None:
        """End the node without a warning, and note what it leaves."""
        self.node.kill()
        self.before = sandboxes_of(self.node.data_dir)

    def check(self) -> None:
        """Everything that must hold when a node has come back."""
        nothing_of(self.before.still_there, "sandboxes of the killed node")
        nothing_of(lambda: half_done(self.node.data_dir), "files half done")
        with Api(self.node.url) as api:
            for client in self.clients:
                self._check_client(api, client)
            listed = api.call("GET", f"{FUNCTIONS}?MaxItems=50")
            expected = {client.function.known.name for client in self.clients if client.function.known}
            names = {one["FunctionName"] for one in listed["Functions"]}
            assert names == expected | {COLLECTOR}, f"{sorted(names)} instead of {sorted(expected)} and the collector"
            self._check_settled(api)

    def _check_client(self, api: Api, client: Client) -> None:
        possible = [state for state in (client.function.known, client.function.doubt) if state is not None]
        shown = {state.name: read_function(api, state.name) for state in possible}
        there = [state for state in shown.values() if state is not None]
        assert len(there) <= 1
        client.function.settle(there[0] if there else None)
        if client.stream:
            client.messages.settle(read_messages(api, LOG_GROUP, client.stream))
        assert not client.refused, [str(error) for error in client.refused]
        if client.function.known:
            _check_code(api, client.function.known)

    def _check_settled(self, api: Api) -> None:
        for client in self.clients:
            known: Function | None = client.function.known
            for qualifier in ["$LATEST", *known.versions] if known else []:
                wait_until_settled(api, known.name if known else "", qualifier)

    def check_end(self) -> None:
        """What takes longer: every event arrived, every line of every log is there, every version runs."""
        sent = set().union(*(client.events.acknowledged for client in self.clients))
        wait_until(lambda: sent <= delivered(self.out), "every acknowledged event was delivered", DELIVERY_S)
        assert "async_event_dropped" not in self.node.log_text()
        with Api(self.node.url) as api:
            for client in self.clients:
                for stream, messages in client.full_streams.items():
                    assert read_messages(api, LOG_GROUP, stream) == messages
                self._check_runs(api, client)

    def _check_runs(self, api: Api, client: Client) -> None:
        known: Function | None = client.function.known
        if known is None:
            return
        assert api.invoke(known.name, {}) == client.markers[known.latest.code_sha256]
        for alias, version in known.aliases.items():
            assert api.invoke(known.name, {}, alias) == client.markers[known.versions[version].code_sha256]

    def done(self) -> Counter[str]:
        """Acknowledged operations by name."""
        return sum((client.done for client in self.clients), Counter())


def nothing_of(find: Callable[[], Sequence[str]], what: str) -> None:
    """Wait until nothing is found; fails with what is."""
    try:
        wait_until(lambda: not find(), what, 20.0)
    except AssertionError as error:
        raise AssertionError(f"left: {what}: {find()}") from error


def _check_code(api: Api, function: Function) -> None:
    """The package itself is whole, not only its row."""
    for qualifier, version in [("$LATEST", function.latest), *list(function.versions.items())[-2:]]:
        link = api.call("GET", f"{FUNCTIONS}/{function.name}?Qualifier={qualifier}")["Code"]["Location"]
        with urllib.request.urlopen(link, timeout=30) as answer:
            assert sha256_of(answer.read()) == version.code_sha256
