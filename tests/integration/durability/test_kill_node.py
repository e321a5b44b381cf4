"""``kill -9`` at random instants under a mixed load: what was acknowledged is there afterwards, and nothing else is.

``FUNCTORY_TEST_KILLS`` says how often (on ``oci`` a fifth of it), ``FUNCTORY_TEST_SEED`` at which instants.
What was measured is logged: ``pytest -o log_cli=true --log-cli-level=info``.
"""

from __future__ import annotations

import logging
import os
import random
import statistics
import threading
import time
from pathlib import Path

import pytest

from tests.integration.durability.scene import Scene

SEED = int(os.environ.get("FUNCTORY_TEST_SEED", "20261123"))
KILLS = int(os.environ.get("FUNCTORY_TEST_KILLS", "25"))
KILLS_WHILE_STARTING = 0.15
LOAD_S_MAX = 1.2
START_S_MAX = 1.5


def kill_many_times(scene: Scene, kills: int) -> None:
    """Load, kill, start, check; again and again. A kill may also come while the node starts."""
    chance, instant = random.Random(SEED), threading.Event()
    scene.node.start()
    scene.prepare()
    for _ in range(kills):
        if chance.random() < KILLS_WHILE_STARTING:
            scene.kill()
            scene.node.spawn()
            instant.wait(chance.uniform(0.0, START_S_MAX))
            scene.node.kill()
        else:
            with scene.load():
                instant.wait(chance.uniform(0.0, LOAD_S_MAX))
                scene.kill()
        scene.node.start()
        scene.check()
    scene.check_end()


def report(scene: Scene, kills: int, began: float) -> str:
    starts = sorted(scene.node.start_times_s[1:])
    done = scene.done()
    operations = ", ".join(f"{name} {count}" for name, count in sorted(done.items()))
    return (
        f"driver {scene.node.driver}, seed {SEED}: {kills} kills in {time.monotonic() - began:.0f} s; "
        f"{done.total()} operations acknowledged, none lost ({operations}); "
        f"start to ready after a kill: median {statistics.median(starts):.2f} s, worst {starts[-1]:.2f} s"
    )


@pytest.mark.parametrize(
    ("driver", "kills"), [("process", KILLS), pytest.param("oci", max(1, KILLS // 5), marks=pytest.mark.root)]
)
@pytest.mark.timeout(300 + 30 * KILLS)
def test_what_was_acknowledged_survives_every_kill(driver: str, kills: int, tmp_path: Path) -> None:
    scene, began = Scene.make(tmp_path, driver, SEED), time.monotonic()
    try:
        kill_many_times(scene, kills)
    except BaseException as error:
        error.add_note(f"seed {SEED}")
        raise
    finally:
        scene.node.end()
    logging.getLogger("durability").info(report(scene, kills, began))
