"""Who is next: the room's picture of its work in memory. Pure bookkeeping: no clock, no store, no tasks.

**Theory.** Every target has a *lane*. A delivery of a lane is either *waiting* (a row in the table that nobody holds; the
lane knows only the earliest due time of these) or *held* (leased by this node, its payload in memory): first *placed* (its
row is being written), then *ready*, then *running* on a worker, then *settling* until its end is durable. Only held
deliveries cost memory, so their number and bytes are bounded; the backlog waits in the table, however long it is.

**Fairness.** Workers and memory are shared by one rule, the dynamic threshold known from packet buffers: *a lane may take
one more only while it has fewer than are left free*. One slow target alone ends at half of all workers; a second one at
half of the rest; and a newcomer finds a worker free. The rule needs no configuration and no knowledge of how many lanes
there are. Its cost: a single busy target uses half of the workers, so their number is set twice as high as one target
needs.

**Order.** Within a lane by due time as far as the backlog goes; nothing is promised about it. New deliveries go past the
table only while their lane has no due backlog, so a backlog is never overtaken for ever.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from functory.core.deliveries.port import Delivery

LaneKey = tuple[str, str]
"""Target kind and target."""

CLAIM_MAX = 64
"""Deliveries taken from the table for one lane at a time."""


@dataclass(slots=True)
class Lane:
    """The work of one target."""

    ready: deque[Delivery] = field(default_factory=deque)
    running: int = 0
    held: int = 0
    waiting_from: float | None = None


@dataclass(frozen=True, slots=True)
class Want:
    """A wish to take waiting deliveries of a lane from the table.

    Attributes:
        key: the lane.
        count: at most so many.
        size: at most so many bytes of payload, or one delivery that is larger.
    """

    key: LaneKey
    count: int
    size: int


class Lanes:
    """All lanes.

    Args:
        workers: deliveries running at once.
        held_max: deliveries in memory at once; at least ``workers``.
        bytes_max: of payload in memory at once; one delivery is always allowed.
    """

    def __init__(self, workers: int, held_max: int, bytes_max: int) -> None:
        self._lanes: dict[LaneKey, Lane] = {}
        self._workers_free = workers
        self._held_free = held_max
        self._bytes_free = bytes_max
        self._held_max = held_max
        self._holding: dict[str, Delivery] = {}
        self._turn: deque[LaneKey] = deque()  # lanes with ready deliveries, next first
        self._timers: list[tuple[float, LaneKey]] = []  # heap; an entry whose lane says otherwise is void
        self._due: dict[LaneKey, None] = {}  # lanes with waiting deliveries that are due, in turn

    def place(self, key: LaneKey, size: int, now: float) -> bool:
        """Reserve memory for a new delivery that is due now, if it may go past the table."""
        lane = self._lanes.get(key)
        held = lane.held if lane else 0
        if lane and lane.waiting_from is not None and lane.waiting_from <= now:
            return False
        if held >= self._held_free or (size > self._bytes_free and self._is_holding()):
            return False
        self._hold(key, size)
        return True

    def _hold(self, key: LaneKey, size: int) -> None:
        lane = self._lanes.setdefault(key, Lane())
        lane.held += 1
        self._held_free -= 1
        self._bytes_free -= size

    def _release(self, key: LaneKey, size: int) -> None:
        self._lanes[key].held -= 1
        self._held_free += 1
        self._bytes_free += size
        self._forget_if_empty(key)

    def displace(self, key: LaneKey, size: int) -> None:
        """Give back what `place` reserved: the row did not become durable."""
        self._release(key, size)

    def arrive(self, key: LaneKey, delivery: Delivery) -> None:
        """A placed delivery's row is durable: it is ready."""
        lane = self._lanes[key]
        lane.ready.append(delivery)
        self._holding[delivery.id] = delivery
        if len(lane.ready) == 1:
            self._turn.append(key)

    def leave(self, key: LaneKey, delivery: Delivery) -> None:
        """A held delivery is settled, and durably so: its memory is free."""
        del self._holding[delivery.id]
        self._release(key, len(delivery.payload))

    def holding(self) -> list[str]:
        """The ids of what is ready, running or settling: whose leases must be kept."""
        return list(self._holding)

    def taken(self, want: Want, deliveries: Iterable[Delivery]) -> None:
        """A want was answered: ``deliveries`` are leased for this node and ready; what was reserved beyond is free.

        One that is held already stays as it is: its lease had run out meanwhile, and this node got it back.
        """
        lane = self._lanes[want.key]
        lane.held -= want.count
        self._held_free += want.count
        for delivery in deliveries:
            if delivery.id in self._holding:
                continue
            self._hold(want.key, len(delivery.payload))
            self.arrive(want.key, delivery)
        self._forget_if_empty(want.key)

    def start(self) -> Delivery | None:
        """The next delivery for a free worker, if any may start; it is running from now on."""
        for _ in range(len(self._turn) if self._workers_free else 0):
            key = self._turn.popleft()
            lane = self._lanes[key]
            if lane.running >= self._workers_free:
                self._turn.append(key)
                continue
            delivery = lane.ready.popleft()
            if lane.ready:
                self._turn.append(key)
            lane.running += 1
            self._workers_free -= 1
            return delivery
        return None

    def stop(self, key: LaneKey) -> None:
        """A running delivery came to its decision; its worker is free."""
        self._lanes[key].running -= 1
        self._workers_free += 1

    def wait(self, key: LaneKey, due_at: float) -> None:
        """There is a waiting delivery in the table, due then."""
        lane = self._lanes.setdefault(key, Lane())
        if lane.waiting_from is None or due_at < lane.waiting_from:
            lane.waiting_from = due_at
            heapq.heappush(self._timers, (due_at, key))

    def next_due(self) -> float | None:
        """When the next lane will have due deliveries; lanes that have some already do not count."""
        while self._timers and not self._is_valid(*self._timers[0]):
            heapq.heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def wants(self, now: float) -> list[Want]:
        """What to take from the table now. Memory for it is reserved, and what the lanes knew of their waiting is forgotten.

        The caller answers each with `taken`, and says `wait` for what remains in the table.
        """
        while (due := self.next_due()) is not None and due <= now:
            self._due[heapq.heappop(self._timers)[1]] = None
        found = []
        for key in list(self._due):
            if self._bytes_free <= 0 and self._is_holding():
                break
            lane = self._lanes[key]
            count = min(CLAIM_MAX, (self._held_free - lane.held + 1) // 2)
            if count <= 0:
                continue
            found.append(Want(key, count, max(0, self._bytes_free) // len(self._due)))
            del self._due[key]
            lane.waiting_from = None
            lane.held += count
            self._held_free -= count
        return found

    def _is_holding(self) -> bool:
        return self._held_free < self._held_max

    def _forget_if_empty(self, key: LaneKey) -> None:
        lane = self._lanes[key]
        if lane.held == 0 and lane.waiting_from is None:
            del self._lanes[key]

    def _is_valid(self, due_at: float, key: LaneKey) -> bool:
        lane = self._lanes.get(key)
        return lane is not None and lane.waiting_from == due_at and key not in self._due
