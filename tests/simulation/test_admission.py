"""Ten thousand random admissions against a model that sums everything up anew: never above a limit, never a lost permit.

In between calls end, fail and are cancelled, reservations and provisioned concurrency change, environments become ready and
die. The model knows only lists of what runs and what was promised.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest

from functory.aws.errors import AwsError
from functory.core.admission.permits import ACCOUNT_LIMIT, RESERVED_LIMIT, Admission, Permit
from functory.kernel.settings import LambdaSettings

STEPS = 10_000
LIMIT = 30
NAMES = "abcdef"


class Ticking:
    """So slow that no rate is used up: a second passes with every look."""

    now = 0.0

    def epoch_s(self) -> float:
        return self.now

    def monotonic_s(self) -> float:
        self.now += 1
        return self.now


@dataclass
class Function:
    """What was promised to a function, and what of it runs."""

    reserved: int | None = None
    requested: int = 0
    ready: int = 0
    on_demand: int = 0
    on_provisioned: int = 0

    @property
    def running(self) -> int:
        return self.on_demand + self.on_provisioned

    @property
    def held(self) -> int:
        return max(self.reserved or 0, self.requested)

    @property
    def pooled(self) -> int:
        return max(0, self.on_demand + max(self.ready, self.on_provisioned) - self.held)


@dataclass
class Model:
    """The promises of a whole account."""

    functions: dict[str, Function] = field(default_factory=lambda: {name: Function() for name in NAMES})

    @property
    def running(self) -> int:
        return sum(one.running for one in self.functions.values())

    @property
    def pool(self) -> int:
        return LIMIT - sum(one.held for one in self.functions.values())

    def reason(self, name: str) -> str:
        one = self.functions[name]
        occupied = one.on_demand + max(one.ready, one.on_provisioned)
        if one.reserved is not None and occupied >= one.reserved:
            return RESERVED_LIMIT
        is_pool_full = sum(other.pooled for other in self.functions.values()) >= max(0, self.pool)
        if self.running >= LIMIT or (one.reserved is None and occupied >= one.held and is_pool_full):
            return ACCOUNT_LIMIT
        return ""

    def reason_provisioned(self, name: str) -> str:
        one = self.functions[name]
        if one.reserved is not None and one.running >= one.reserved:
            return RESERVED_LIMIT
        return ACCOUNT_LIMIT if self.running >= LIMIT else ""


class Simulation:
    """One run of a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.admission = Admission(LambdaSettings(account_concurrency=LIMIT), Ticking())
        self.model = Model()
        self.held: list[tuple[str, bool, Permit]] = []

    def step(self) -> None:
        name, dice = self.chance.choice(NAMES), self.chance.random()
        if dice < 0.03:
            self.reserve(name)
        elif dice < 0.06:
            self.provision(name)
        elif dice < 0.10:
            self.become_ready(name)
        elif dice < 0.65:
            self.call(name)
        elif self.held:
            self.end(self.chance.randrange(len(self.held)))

    def spare(self, name: str) -> int:
        """What the control plane lets a function have: no more than others leave."""
        return LIMIT - sum(one.held for other, one in self.model.functions.items() if other != name)

    def reserve(self, name: str) -> None:
        one = self.model.functions[name]
        if self.chance.random() < 0.3:
            one.reserved = None
        elif self.spare(name) >= one.requested:
            one.reserved = self.chance.randint(one.requested, self.spare(name))
        self.admission.reserve("1", "r", name, one.reserved)

    def provision(self, name: str) -> None:
        one = self.model.functions[name]
        most = self.spare(name) if one.reserved is None else one.reserved
        one.requested = 0 if self.chance.random() < 0.3 else self.chance.randint(0, min(most, 8))
        self.admission.provision("1", "r", name, one.requested)

    def become_ready(self, name: str) -> None:
        """Environments are initialised, die, or end because they are too many."""
        one = self.model.functions[name]
        one.ready = self.chance.randint(0, one.requested)
        self.admission.provisioned("1", "r", name, one.ready)

    def call(self, name: str) -> None:
        one = self.model.functions[name]
        is_provisioned = one.on_provisioned < one.ready
        expected = self.model.reason_provisioned(name) if is_provisioned else self.model.reason(name)
        take = self.admission.permit_provisioned if is_provisioned else self.admission.permit
        if expected:
            with pytest.raises(AwsError) as refused:
                take("1", "r", name)
            assert refused.value.members["Reason"] == expected
            return
        permit = take("1", "r", name)
        one.on_provisioned += is_provisioned
        one.on_demand += not is_provisioned
        assert one.reserved is None or one.running <= one.reserved
        self.held.append((name, is_provisioned, permit))

    def end(self, index: int) -> None:
        """An invocation returns, fails or is cancelled: its ``with`` block is left."""
        name, is_provisioned, permit = self.held.pop(index)
        one = self.model.functions[name]
        one.on_provisioned -= is_provisioned
        one.on_demand -= not is_provisioned
        permit.__exit__(*self.chance.choice([(None, None, None), (OSError, OSError(), None)]))

    def check(self) -> None:
        assert self.admission.running("1", "r") == self.model.running <= LIMIT
        for name, one in self.model.functions.items():
            assert self.admission.running("1", "r", name) == one.running


@pytest.mark.parametrize("seed", range(4))
def test_random_admissions_are_those_of_the_model(seed: int) -> None:
    run = Simulation(seed)
    for _ in range(STEPS):
        run.step()
        run.check()
    while run.held:
        run.end(0)
    for name, one in run.model.functions.items():
        one.reserved, one.requested, one.ready = None, 0, 0
        run.admission.provision("1", "r", name, 0)
        run.admission.provisioned("1", "r", name, 0)
        run.admission.reserve("1", "r", name, None)
    run.check()
    assert not run.admission._accounts, "a permit or a place was lost"
