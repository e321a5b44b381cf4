from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from functory.core.deliveries.lanes import Lanes
from functory.core.deliveries.port import Delivery

NOW = 1000.0


def delivery(target: str, number: int, size: int = 1) -> Delivery:
    return Delivery(f"{target}-{number}", "kind", target, b"x" * size, {}, NOW, NOW, NOW + 60)


def fill(lanes: Lanes, target: str, count: int) -> int:
    """Bring ready deliveries in while there is room; how many there was room for."""
    for number in range(count):
        if not lanes.place(("kind", target), 1, NOW):
            return number
        lanes.arrive(("kind", target), delivery(target, number))
    return count


def start_all(lanes: Lanes) -> dict[str, int]:
    started: dict[str, int] = {}
    while (next_ := lanes.start()) is not None:
        started[next_.target] = started.get(next_.target, 0) + 1
    return started


def test_one_target_alone_uses_half_of_the_workers():
    lanes = Lanes(workers=64, held_max=256, bytes_max=10_000)
    assert fill(lanes, "a", 1000) == 128
    assert start_all(lanes) == {"a": 32}


def test_a_newcomer_finds_a_worker_and_room_although_another_target_wants_everything():
    lanes = Lanes(workers=8, held_max=32, bytes_max=10_000)
    fill(lanes, "slow", 1000)
    start_all(lanes)
    assert fill(lanes, "new", 1) == 1
    assert start_all(lanes) == {"new": 1}


def test_even_one_worker_works():
    lanes = Lanes(workers=1, held_max=1, bytes_max=10)
    assert fill(lanes, "a", 5) == 1
    assert start_all(lanes) == {"a": 1}


def test_targets_take_turns():
    lanes = Lanes(workers=16, held_max=64, bytes_max=10_000)
    for target in "abc":
        fill(lanes, target, 5)
    order = [lanes.start().target for _ in range(6)]
    assert order == ["a", "b", "c", "a", "b", "c"]


def test_nothing_overtakes_a_backlog_that_is_due():
    lanes = Lanes(workers=4, held_max=16, bytes_max=10_000)
    lanes.wait(("kind", "a"), NOW - 1)
    assert not lanes.place(("kind", "a"), 1, NOW)
    assert lanes.place(("kind", "b"), 1, NOW)
    lanes.wait(("kind", "b"), NOW + 60)  # a retry later is no backlog
    assert lanes.place(("kind", "b"), 1, NOW)


def test_bytes_are_bounded_and_one_large_delivery_is_always_taken():
    lanes = Lanes(workers=4, held_max=16, bytes_max=100)
    assert lanes.place(("kind", "a"), 1000, NOW)
    assert not lanes.place(("kind", "b"), 1, NOW)
    lanes.wait(("kind", "c"), NOW)
    assert lanes.wants(NOW) == []
    lanes.displace(("kind", "a"), 1000)
    assert [want.key[1] for want in lanes.wants(NOW)] == ["c"]


def test_the_next_due_time_is_the_earliest_that_has_not_come():
    lanes = Lanes(workers=4, held_max=16, bytes_max=100)
    lanes.wait(("kind", "a"), NOW + 20)
    lanes.wait(("kind", "b"), NOW + 10)
    lanes.wait(("kind", "a"), NOW + 5)
    assert lanes.next_due() == NOW + 5
    (want,) = lanes.wants(NOW + 6)
    lanes.wait(want.key, NOW + 20)
    lanes.taken(want, [])
    assert (want.key[1], lanes.next_due()) == ("a", NOW + 10)


def test_a_delivery_that_is_held_already_is_not_started_twice():
    lanes = Lanes(workers=4, held_max=16, bytes_max=100)
    fill(lanes, "a", 1)
    start_all(lanes)
    lanes.wait(("kind", "a"), NOW)
    (want,) = lanes.wants(NOW)
    lanes.taken(want, [delivery("a", 0), delivery("a", 1)])
    assert start_all(lanes) == {"a": 1}


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens in whatever order: bounds hold, nothing is lost, and at the end nothing is remembered."""

    WORKERS, HELD, BYTES = 6, 12, 60

    def __init__(self) -> None:
        super().__init__()
        self.lanes = Lanes(self.WORKERS, self.HELD, self.BYTES)
        self.placed: list[Delivery] = []
        self.ready = 0
        self.running: list[Delivery] = []
        self.settling: list[Delivery] = []
        self.table: list[Delivery] = []
        self.number = 0

    @rule(to=st.sampled_from("abcd"), size=st.integers(0, 40))
    def send(self, to: str, size: int) -> None:
        self.number += 1
        new = delivery(to, self.number, size)
        if self.lanes.place(("kind", to), size, NOW):
            self.placed.append(new)
        else:
            self.table.append(new)
            self.lanes.wait(("kind", to), NOW)

    @precondition(lambda self: self.placed)
    @rule(durable=st.booleans())
    def commit(self, durable: bool) -> None:
        new = self.placed.pop(0)
        if durable:
            self.lanes.arrive(("kind", new.target), new)
            self.ready += 1
        else:
            self.lanes.displace(("kind", new.target), len(new.payload))

    @rule()
    def start(self) -> None:
        next_ = self.lanes.start()
        if next_ is not None:
            self.ready -= 1
            self.running.append(next_)

    @precondition(lambda self: self.running)
    @rule(which=st.integers(0, 100))
    def decide(self, which: int) -> None:
        done = self.running.pop(which % len(self.running))
        self.lanes.stop(("kind", done.target))
        self.settling.append(done)

    @precondition(lambda self: self.settling)
    @rule()
    def settle(self) -> None:
        done = self.settling.pop()
        self.lanes.leave(("kind", done.target), done)

    @rule(limit=st.integers(0, 10))
    def claim(self, limit: int) -> None:
        for want in self.lanes.wants(NOW):
            mine = [one for one in self.table if one.target == want.key[1]]
            taken, size = [], 0
            for one in mine[: min(want.count, limit)]:
                size += len(one.payload)
                if taken and size > want.size:
                    break
                taken.append(one)
            self.table = [one for one in self.table if one not in taken]
            if len(taken) < len(mine):
                self.lanes.wait(want.key, NOW)
            self.lanes.taken(want, taken)
            self.ready += len(taken)

    @invariant()
    def bounds_hold(self) -> None:
        assert len(self.running) <= self.WORKERS
        assert len(self.placed) + self.ready + len(self.running) + len(self.settling) <= self.HELD
        held = [one.id for one in self.running + self.settling]
        assert set(held) <= set(self.lanes.holding())
        assert len(self.lanes.holding()) == self.ready + len(held)

    def teardown(self) -> None:
        for _ in range(10_000):
            while self.placed:
                self.commit(durable=True)
            self.claim(limit=10)
            self.start()
            while self.running:
                self.decide(0)
            while self.settling:
                self.settle()
            if not (self.ready or self.table):
                break
        assert self.ready == 0
        assert self.table == []
        assert self.lanes.holding() == []
        for want in self.lanes.wants(NOW):
            self.lanes.taken(want, [])
        assert self.lanes._lanes == {}


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
TestAnyOrder = AnyOrder.TestCase
