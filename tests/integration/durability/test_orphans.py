"""What a killed node's functions left running is gone when the next node is ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.durability.api import FUNCTIONS, Api
from tests.integration.durability.leftovers import half_done, sandboxes_of
from tests.integration.durability.load import creation, package, wait_until_settled
from tests.integration.durability.scene import Scene

DETACHING = """\
import subprocess

def handler(event, context):
    subprocess.Popen(["sleep", "4000"], start_new_session=True)
"""


@pytest.mark.parametrize("driver", ["process", pytest.param("oci", marks=pytest.mark.root)])
def test_orphans_of_a_killed_node_are_gone_when_the_next_is_ready(driver: str, tmp_path: Path) -> None:
    scene = Scene.make(tmp_path, driver, seed=10)
    try:
        scene.node.start()
        with Api(scene.node.url) as api:
            api.call("POST", FUNCTIONS, creation("detaching", scene.runtime, package(DETACHING), Timeout=30))
            wait_until_settled(api, "detaching")
            api.invoke("detaching", {})
        scene.kill()
        assert scene.before.processes, "a process that outlives its node"
        assert scene.before.folders
        assert scene.before.groups or driver == "process"
        scene.node.start()
        assert not scene.before.still_there()
        assert not half_done(scene.node.data_dir)
        with Api(scene.node.url) as api:
            assert api.invoke("detaching", {}) is None
        left = sandboxes_of(scene.node.data_dir)
        assert left.processes
        assert scene.node.stop() == 0
        assert not left.still_there()
    finally:
        scene.node.end()
