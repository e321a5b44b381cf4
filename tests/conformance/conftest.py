"""One node for all tests of this folder, its clients, and functions that go away with their test."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from functory.kernel import settings
from functory.runtimes.catalog import Catalog
from functory.runtimes.port import RuntimeMissing
from tests.support.functions import ECHO, make_function
from tests.support.node import Node, running_node
from tests.support.streaming import NODE_RUNTIME


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A running node; its log must be free of faults when all tests have run."""
    with running_node(tmp_path_factory.mktemp("node") / "data", FUNCTORY_DELIVERIES_RETRY_BASE_S="0.2") as node:
        yield node
        assert not node.faults()


@pytest.fixture(scope="session")
def aws_lambda(node: Node) -> Any:
    return node.client("lambda")


@pytest.fixture(scope="session")
def logs(node: Node) -> Any:
    return node.client("logs")


@pytest.fixture(scope="session")
def unchecked_lambda(node: Node) -> Any:
    """A client that sends whatever it is given."""
    return node.client("lambda", validate=False)


@pytest.fixture
def make(aws_lambda: Any) -> Iterator[Callable[..., str]]:
    """Makes functions that can be called and are deleted after the test; returns the name."""
    made = []

    def make_one(name: str, source: str = ECHO, **members: Any) -> str:
        made.append(name)
        make_function(aws_lambda, name, source, **members)
        return name

    yield make_one
    for name in made:
        with contextlib.suppress(aws_lambda.exceptions.ResourceNotFoundException):
            aws_lambda.delete_function(FunctionName=name)


@pytest.fixture(scope="session")
def node_js() -> None:
    """Node.js functions can be run here."""
    try:
        asyncio.run(Catalog(settings.load().runtimes).resolve(NODE_RUNTIME))
    except RuntimeMissing as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="module")
def echo(aws_lambda: Any, request: pytest.FixtureRequest) -> Iterator[str]:
    """A function that returns its event, for the tests of one module."""
    name = f"echo-{request.module.__name__.rpartition('.')[2].replace('_', '-')}"
    make_function(aws_lambda, name)
    yield name
    aws_lambda.delete_function(FunctionName=name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Show the node's log beside a failure."""
    report = yield
    if report.failed:
        nodes = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Node)]
        for node in nodes or [value for value in [_session_node(item)] if value is not None]:
            report.sections.append((f"log of the node at {node.url}", node.log_tail()))
    return report


def _session_node(item: pytest.Item) -> Node | None:
    request = getattr(item, "_request", None)
    if request is None or "node" not in item.fixturenames:
        return None
    value = request.getfixturevalue("node")
    return value if isinstance(value, Node) else None
