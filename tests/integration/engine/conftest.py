"""Nodes of their own processes: one with isolation for most tests, one without."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from functory.kernel import settings
from functory.runtimes.catalog import Catalog
from functory.runtimes.port import RuntimeMissing
from tests.support.running_node import Node, running


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return Catalog(settings.load().runtimes)


@pytest.fixture(scope="module")
def runtime(request: pytest.FixtureRequest, catalog: Catalog) -> str:
    """The runtime named by the test's parameter; skips when it is not installed."""
    try:
        return asyncio.run(catalog.resolve(request.param)).id
    except RuntimeMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def python(catalog: Catalog) -> None:
    """Python 3.12 is ready; most functions here are written in it."""
    try:
        asyncio.run(catalog.resolve("python3.12"))
    except RuntimeMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that isolates."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    try:
        with running(tmp_path_factory.mktemp("oci") / "data", "oci") as started:
            yield started
    except RuntimeError as error:
        pytest.skip(f"no sandbox works here: {error}")


@pytest.fixture(scope="session")
def hasty_node(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that gives an init and an idle environment two seconds instead of AWS's ten and of minutes."""
    folder = tmp_path_factory.mktemp("hasty") / "data"
    with running(folder, "oci", ENVIRONMENTS_INIT_TIMEOUT_S="2", ENVIRONMENTS_IDLE_S="2") as started:
        yield started


@pytest.fixture(scope="session")
def plain_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node with the driver ``process``."""
    with running(tmp_path_factory.mktemp("process") / "data", "process") as started:
        yield started
