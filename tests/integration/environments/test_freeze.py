"""An idle environment of a real node stands still, and goes on as if nothing had been."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.support.functions import call, make_function
from tests.support.node import Node, running_node, wait_for

pytestmark = pytest.mark.root

COUNTER = """
import itertools, socket, threading, time
counted = itertools.count()
state = {"count": 0}
ours, theirs = socket.socketpair()

def work():
    while True:
        state["count"] += 1
        time.sleep(0.001)

threading.Thread(target=work, daemon=True).start()

def handler(event, context):
    began = state["count"]
    theirs.sendall(b"x")
    while state["count"] < began + event.get("at_least", 0):
        time.sleep(0.001)
    return {"count": state["count"], "monotonic": time.monotonic(), "socket": ours.recv(1).decode()}
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running_node(tmp_path_factory.mktemp("node") / "data", FUNCTORY_SANDBOX_DRIVER="oci") as running:
        yield running


def test_a_background_thread_makes_no_progress_between_invocations(node: Node) -> None:
    client = node.client("lambda")
    make_function(client, "counter", COUNTER)
    first = call(client, "counter", {"at_least": 20})
    threading.Event().wait(1.5)  # the subject is what happens while nothing happens
    second = call(client, "counter", {})
    assert second["monotonic"] - first["monotonic"] >= 1.4, "its clock went on"
    assert second["count"] - first["count"] < 700, "its thread did not"
    third = call(client, "counter", {"at_least": 20})
    assert third["count"] >= second["count"] + 20, "and runs again during an invocation"
    assert (first["socket"], third["socket"]) == ("x", "x")


def test_a_frozen_environment_ends_with_its_function(node: Node) -> None:
    client = node.client("lambda")
    make_function(client, "frozen", COUNTER)
    call(client, "frozen", {})
    client.delete_function(FunctionName="frozen")
    assert wait_for(lambda: node.health()["environments"] == 1, "only the other function's environment is left")
