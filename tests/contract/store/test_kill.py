"""What a write acknowledged survives ``kill -9``, at whatever instant it comes."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy import text

from functory.store.sqlite import SqliteStore

ROUNDS = 30
SEED = 20261123
PROGRAM = Path(__file__).with_name("killed_writer.py")


def acknowledged_before_death(writer: subprocess.Popen[str], first: int, patience: int) -> set[int]:
    """Let a child write from number ``first`` on, kill it after ``patience`` acknowledgements, return all it had."""
    assert writer.stdin is not None
    assert writer.stdout is not None
    writer.stdin.write(f"{first}\n")
    writer.stdin.flush()
    pid = int(writer.stdout.readline())
    acknowledged = set()
    for line in writer.stdout:
        if line == "dead\n":
            break
        acknowledged.add(int(line))
        if len(acknowledged) == patience:
            os.kill(pid, signal.SIGKILL)
    return acknowledged


async def numbers_after_reopening(path: Path) -> set[int]:
    store = await SqliteStore.open(path, migrate=False)
    try:
        assert await store.read(lambda c: c.execute(text("PRAGMA integrity_check")).scalar_one()) == "ok"
        return set(await store.read(lambda c: list(c.execute(text("SELECT n FROM numbers")).scalars())))
    finally:
        await store.close()


def test_every_acknowledged_write_is_there_after_kill_9(tmp_path):
    path = tmp_path / "functory.sqlite3"
    chance = random.Random(SEED)
    acknowledged: set[int] = set()
    writer = subprocess.Popen(
        [sys.executable, PROGRAM, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[3] / "src")},
    )
    with writer:
        for round_ in range(ROUNDS):
            acknowledged |= acknowledged_before_death(writer, round_ * 1_000_000, chance.randrange(1, 300))
            missing = acknowledged - asyncio.run(numbers_after_reopening(path))
            assert not missing, f"round {round_} of seed {SEED} lost {sorted(missing)}"
    assert writer.returncode == 0
    assert len(acknowledged) > ROUNDS
