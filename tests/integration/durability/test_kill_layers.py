"""A node killed while layers are merged: what was acknowledged runs afterwards, and nothing half merged is ever seen."""

from __future__ import annotations

import base64
import io
import threading
import zipfile
from pathlib import Path

from tests.integration.durability.api import FUNCTIONS, Api
from tests.integration.durability.load import creation, package, wait_until_settled
from tests.integration.durability.node_process import NodeProcess

FILES = 1500
ROUNDS = 5
CODE = """\
import os, shared

def handler(event, context):
    found = os.walk(os.path.dirname(shared.__file__))
    return [shared.name, sum(name.endswith(".txt") for _, _, names in found for name in names)]
"""


def layer(name: str) -> str:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("python/shared.py", f"name = {name!r}\n")
        for number in range(FILES):
            archive.writestr(f"python/of_{name}/{number % 40}/{number}.txt", "x")
    return base64.b64encode(buffer.getvalue()).decode()


def test_layers_are_whole_after_a_kill_at_any_moment_of_the_merge(tmp_path: Path) -> None:
    node = NodeProcess(tmp_path / "data")
    try:
        node.start()
        with Api(node.url) as api:
            arns = [
                api.call("POST", f"/2018-10-31/layers/{name}/versions", {"Content": {"ZipFile": layer(name)}})[
                    "LayerVersionArn"
                ]
                for name in ("one", "two", "three")
            ]
        orders = [[0, 1], [1, 0], [0, 1, 2], [2, 1, 0], [1, 2, 0]]
        for number in range(ROUNDS):
            chosen = [arns[index] for index in orders[number]]
            with Api(node.url) as api:
                api.call("POST", FUNCTIONS, creation(f"f{number}", "python3.12", package(CODE), Layers=chosen, Timeout=30))
            threading.Event().wait(number * 0.02)  # a different moment in each round
            node.kill()
            node.start()
            assert not list((tmp_path / "data" / "unpacked").glob(".gone-*"))
            with Api(node.url) as api:
                wait_until_settled(api, f"f{number}")
                last = ("one", "two", "three")[orders[number][-1]]
                assert api.invoke(f"f{number}", {}) == [last, len(chosen) * FILES]
    finally:
        node.end()
