"""SIGTERM under load: an orderly end loses nothing either, lets running invocations finish, and leaves nothing behind."""

from __future__ import annotations

import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.integration.durability.api import FUNCTIONS, Api
from tests.integration.durability.leftovers import sandboxes_of
from tests.integration.durability.load import creation, package, wait_until_settled
from tests.integration.durability.node_process import wait_until
from tests.integration.durability.scene import Scene

LOAD_S = 1.5
STOPS = 3
SLOW = """\
import pathlib, time

def handler(event, context):
    pathlib.Path(event["begun"]).touch()
    time.sleep(event["seconds"])
    return "finished"
"""
IN_GRACE_S = 1.5

DRIVERS = pytest.mark.parametrize("driver", ["process", pytest.param("oci", marks=pytest.mark.root)])


@DRIVERS
def test_what_was_acknowledged_survives_an_orderly_end_under_load(driver: str, tmp_path: Path) -> None:
    scene = Scene.make(tmp_path, driver, seed=7)
    try:
        scene.node.start()
        scene.prepare()
        for _ in range(STOPS):
            with scene.load():
                threading.Event().wait(LOAD_S)
                scene.before = sandboxes_of(scene.node.data_dir)
                assert scene.node.stop() == 0
            assert not scene.before.still_there()
            for client in scene.clients:  # a node that is ending may say so
                assert all(error.status in {500, 503} for error in client.refused), client.refused
                client.refused.clear()
            scene.node.start()
            scene.check()
        scene.check_end()
        assert scene.node.stop() == 0
        assert '"call_failed"' not in scene.node.log_text()
    finally:
        scene.node.end()


def test_a_running_invocation_finishes_within_the_grace(tmp_path: Path) -> None:
    scene = Scene.make(tmp_path, "process", seed=8)
    begun = tmp_path / "begun"
    try:
        scene.node.start()
        with Api(scene.node.url) as api, ThreadPoolExecutor(1) as thread:
            api.call("POST", FUNCTIONS, creation("slow", scene.runtime, package(SLOW), Timeout=30))
            wait_until_settled(api, "slow")
            answer = thread.submit(api.invoke, "slow", {"begun": str(begun), "seconds": IN_GRACE_S})
            wait_until(begun.exists, "the invocation has begun")
            scene.node.signal(signal.SIGTERM)
            assert answer.result() == "finished"
        assert scene.node.wait() == 0
    finally:
        scene.node.end()


def test_an_asynchronous_invocation_that_outlasts_the_grace_is_made_again(tmp_path: Path) -> None:
    scene = Scene.make(tmp_path, "process", seed=9)
    begun = tmp_path / "begun"
    try:
        scene.node.start()
        with Api(scene.node.url) as api:
            api.call("POST", FUNCTIONS, creation("slow", scene.runtime, package(SLOW), Timeout=60))
            wait_until_settled(api, "slow")
            api.send_event("slow", {"begun": str(begun), "seconds": 40})
        wait_until(begun.exists, "the invocation has begun")
        assert scene.node.stop() == 0
        begun.unlink()
        scene.node.start()
        wait_until(begun.exists, "the invocation has begun again")
    finally:
        scene.node.end()
