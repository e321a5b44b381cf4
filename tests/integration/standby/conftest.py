"""Two nodes: one whose functions meet a standby, one that has none."""

from __future__ import annotations

import asyncio
import json
import os
import urllib.request
from collections.abc import Iterator

import pytest

from functory.kernel import settings
from functory.runtimes.catalog import Catalog
from functory.runtimes.port import RuntimeMissing
from tests.support.running_node import Function, Node, running, until


class Pair:
    """Deploys the same function on both."""

    def __init__(self, with_standby: Node, without: Node) -> None:
        self.with_standby = with_standby
        self.without = without

    def standbys(self, runtime: str) -> int:
        with urllib.request.urlopen(f"{self.with_standby.url}/_functory/health") as answer:
            return int(json.load(answer)["standbys"].get(runtime, 0))

    def deploy(self, files: dict[str, str] | str, runtime: str, **more: object) -> tuple[Function, Function]:
        """The function on the node with standbys, once one is there for it, and on the other."""
        functions = (self.with_standby.deploy(files, runtime, **more), self.without.deploy(files, runtime, **more))
        self.wait(runtime)
        return functions

    def wait(self, runtime: str) -> None:
        until(lambda: self.standbys(runtime) > 0, f"a standby of {runtime}")


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = tmp_path_factory.mktemp("standby")
    try:
        with (
            running(folder / "with", "oci", ENVIRONMENTS_STANDBY_MAX="2") as first,
            running(folder / "without", "oci", ENVIRONMENTS_STANDBY_MAX="0") as second,
        ):
            yield Pair(first, second)
    except RuntimeError as error:
        pytest.skip(f"no sandbox works here: {error}")


@pytest.fixture(scope="module")
def runtime(request: pytest.FixtureRequest) -> str:
    """The runtime named by the test's parameter; skips when it is not installed."""
    try:
        return asyncio.run(Catalog(settings.load().runtimes).resolve(request.param)).id
    except RuntimeMissing as missing:
        pytest.skip(str(missing))
