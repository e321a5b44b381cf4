"""A full disk: writes are refused and say why, reads and warm functions go on, and room makes everything well again."""

from __future__ import annotations

import base64
import errno
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.durability.api import FUNCTIONS, Api, RefusedError
from tests.integration.durability.histories import read_function, read_messages
from tests.integration.durability.load import CODE, creation, package, wait_until_settled
from tests.integration.durability.scene import Scene

pytestmark = pytest.mark.root
SIZE_MIB = 24
GROUP, STREAM = "/full", "stream"
MESSAGE_BYTES = 60_000
ROOM_BYTES = 100_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("needs root")
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode()}")
    yield folder
    subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Path:
    """Take what is left of the disk."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
    return filler


def refusal_of(call: Callable[[], object], tries: int = 400) -> RefusedError:
    """The first refusal of a call; some may find room inside of files that are already there."""
    for _ in range(tries):
        try:
            call()
        except RefusedError as error:
            return error
    raise AssertionError(f"{tries} writes fitted on a full disk")


class Writer:
    """Writes to one log stream and remembers what was acknowledged."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.acknowledged: list[str] = []
        api.logs("CreateLogGroup", logGroupName=GROUP)
        api.logs("CreateLogStream", logGroupName=GROUP, logStreamName=STREAM)

    def put(self) -> None:
        message = base64.b64encode(os.urandom(MESSAGE_BYTES)).decode()
        now = int(time.time() * 1000)
        event = {"timestamp": now, "message": message}
        self._api.logs("PutLogEvents", logGroupName=GROUP, logStreamName=STREAM, logEvents=[event])
        self.acknowledged.append(message)


def test_a_full_disk_refuses_writes_serves_reads_and_harms_nothing(tmp_path: Path, small_disk: Path) -> None:
    scene = Scene.make(tmp_path, "process", seed=11, data_dir=small_disk / "data")
    node = scene.node
    node.log = tmp_path / "node.log"
    try:
        node.start()
        with Api(node.url) as api:
            api.call("POST", FUNCTIONS, creation("kept", scene.runtime, package(CODE.format(marker="kept")), Timeout=30))
            wait_until_settled(api, "kept")
            assert api.invoke("kept", {}) == "kept"
            writer = Writer(api)
            writer.put()
            known = read_function(api, "kept")
            filler = fill(small_disk)

            refused = refusal_of(writer.put)
            assert refused.status == 500
            new = creation("new", scene.runtime, package(CODE.format(marker="new"), os.urandom(200_000)))
            for error in (
                refusal_of(lambda: api.call("POST", FUNCTIONS, new), tries=1),
                refusal_of(lambda: api.call("PUT", f"{FUNCTIONS}/kept/configuration", {"Description": "more"}), tries=1),
                refusal_of(lambda: api.send_event("kept", {"filler": "x" * 100_000}), tries=1),
            ):
                assert (error.status, error.code) == (500, "ServiceException"), error
            os.truncate(filler, filler.stat().st_size - ROOM_BYTES)  # for rows, not for the package
            error = refusal_of(lambda: api.call("POST", FUNCTIONS, new), tries=1)
            assert (error.status, error.code) == (500, "ServiceException"), error
            said = node.log_text()
            assert "the disk is full" in said
            assert "No space left on device" in said
            assert "Traceback" not in said
            assert read_function(api, "kept") == known
            assert read_function(api, "new") is None
            assert list(read_messages(api, GROUP, STREAM)) == writer.acknowledged
            assert api.invoke("kept", {}) == "kept"

            filler.unlink()
            writer.put()
            api.call("POST", FUNCTIONS, new)
            wait_until_settled(api, "new")
            assert api.invoke("new", {}) == "new"
            api.call("PUT", f"{FUNCTIONS}/kept/configuration", {"Description": "more"})
        node.kill()
        node.start()
        with Api(node.url) as api:
            assert list(read_messages(api, GROUP, STREAM)) == writer.acknowledged
            assert read_function(api, "kept") != known
            wait_until_settled(api, "kept")
            assert api.invoke("kept", {}) == "kept"
        assert node.stop() == 0
        with closing(sqlite3.connect(node.data_dir / "functory.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert not list((node.data_dir / "blobs" / "incoming").iterdir())
    finally:
        node.end()
