"""The process that `test_kill` kills: for every line on standard input, forks a child that writes until it dies.

A child says its pid, then every number whose write has returned. It forks so that the imports are paid once; nothing
runs here that a fork could break, as every child opens its own store.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, insert

from functory.store.sqlite import SqliteStore

METADATA = MetaData()
NUMBERS = Table("numbers", METADATA, Column("n", Integer, primary_key=True), Column("filler", LargeBinary))
WRITERS = 16


def adding(row: dict[str, object]) -> Callable[[Connection], int]:
    return lambda connection: connection.execute(insert(NUMBERS), row).rowcount


async def write_for_ever(path: Path, first: int) -> None:
    store = await SqliteStore.open(path, migrate=False)
    await store.write(METADATA.create_all)

    async def writer(number: int) -> None:
        while True:
            await store.write(adding({"n": number, "filler": b"x" * (number * 37 % 5000)}))
            os.write(1, f"{number}\n".encode())
            number += WRITERS

    await asyncio.gather(*(writer(first + index) for index in range(WRITERS)))


def main() -> None:
    path = Path(sys.argv[1])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.write(1, f"{os.getpid()}\n".encode())
            asyncio.run(write_for_ever(path, int(line)))
        os.waitpid(child, 0)
        os.write(1, b"dead\n")


if __name__ == "__main__":
    main()
