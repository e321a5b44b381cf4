"""How many units of work and how many deliveries a second become durable.

    python benchmarks/store_writes.py [--seconds 3] [--callers 64] [--payload 300] [--folder PATH]

The folder decides which disk is measured; it must be on the one that will hold the data. Prints, for one and for many
callers: writes, accepts, and accepts that are delivered and removed again.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from sqlalchemy import Connection, event, insert

from functory.core.deliveries.port import Delivery, Done, Drop, NewDelivery
from functory.core.deliveries.queue import Deliveries, prepare
from functory.core.deliveries.rows import row
from functory.core.deliveries.tables import DELIVERIES
from functory.kernel.clock import SystemClock
from functory.kernel.ids import SystemIds
from functory.kernel.settings import DeliverySettings
from functory.store.port import METADATA
from functory.store.sqlite import SqliteStore

Call = Callable[[], Awaitable[object]]


class Target:
    """Is done at once, or never."""

    def __init__(self, is_done: bool) -> None:
        self.is_done = is_done
        self.delivered = 0

    async def deliver(self, _delivery: Delivery) -> Done:
        if not self.is_done:
            await asyncio.get_running_loop().create_future()
        self.delivered += 1
        return Done()

    async def expire(self, _delivery: Delivery) -> Drop:
        return Drop("EventAgeExceeded")


async def measure(
    name: str, store: SqliteStore, callers: int, seconds: float, call: Callable[[], Awaitable[object]]
) -> None:
    """Let ``callers`` call again and again; print how often and how long a call took."""
    commits = 0

    def count(_: Connection) -> None:
        nonlocal commits
        commits += 1

    event.listen(store.engine, "commit", count)
    latencies: list[float] = []
    until = time.perf_counter() + seconds

    async def caller() -> None:
        while (begin := time.perf_counter()) < until:
            await call()
            latencies.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took_s = time.perf_counter() - begin
    event.remove(store.engine, "commit", count)
    latencies.sort()
    p50, p99 = (latencies[int(len(latencies) * part)] * 1000 for part in (0.5, 0.99))
    print(
        f"{name:34} {callers:3} callers {len(latencies) / took_s:9,.0f} /s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms"
        f"   {len(latencies) / max(1, commits):5.1f} a commit"
    )


async def run(folder: Path, callers: int, seconds: float, size: int) -> None:
    clock, ids = SystemClock(), SystemIds()
    store = await SqliteStore.open(folder / "functory.sqlite3", migrate=False)
    await store.write(METADATA.create_all)
    payload = b"x" * size
    new = NewDelivery("test", "function", payload, attributes={"request_id": "x" * 36})
    statement = insert(DELIVERIES)

    def add(connection: Connection) -> None:
        connection.execute(statement, row(prepare(new, clock.epoch_s(), ids)))

    for count in (1, callers):
        await measure("durable writes", store, count, seconds, lambda: store.write(add))
    await store.write(lambda connection: connection.execute(DELIVERIES.delete()).rowcount)
    for is_done, name in ((False, "accepts, delivered later"), (True, "accepts, delivered, removed")):
        target = Target(is_done)
        settings = DeliverySettings()
        async with Deliveries(
            store, {"test": target}, settings=settings, clock=clock, ids=ids, owner="bench", grace_s=0
        ) as deliveries:
            for count in (1, callers):
                await measure(name, store, count, seconds, lambda: deliveries.accept(new))
            if is_done:
                print(f"{'':34} delivered {target.delivered:,}")
        await store.write(lambda connection: connection.execute(DELIVERIES.delete()).rowcount)
    await store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--payload", type=int, default=300)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--uvloop", action="store_true")
    options = parser.parse_args()
    print(f"{platform.platform()}, Python {platform.python_version()}, payload {options.payload} bytes")
    factory = None
    if options.uvloop:
        import uvloop

        factory = uvloop.new_event_loop
    with tempfile.TemporaryDirectory(dir=options.folder) as folder, asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run(Path(folder), options.callers, options.seconds, options.payload))


if __name__ == "__main__":
    main()
