"""Which driver a function gets, and when another one is opened."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from functory.core.environments.drivers import Drivers, isolation_of
from functory.sandbox.port import SandboxDriver, SandboxError
from tests.support.engine import FakeDriver, echo, version

ACCOUNT = "000000000000"


def driver(isolation: str) -> FakeDriver:
    """A driver that declares this isolation."""
    made = FakeDriver(echo)
    made.capabilities = dataclasses.replace(
        made.capabilities, isolation=isolation != "none", own_kernel=isolation == "gvisor"
    )
    return made


class Machine:
    """A machine that has these isolations beside the node's own."""

    def __init__(self, *has: str) -> None:
        self.has = has
        self.opened: list[str] = []

    async def beside(self, isolation: str) -> SandboxDriver:
        await asyncio.sleep(0)
        if isolation not in self.has:
            raise SandboxError("runsc is not installed")
        self.opened.append(isolation)
        return driver(isolation)


def test_a_function_that_asks_for_nothing_gets_the_nodes_own() -> None:
    async def main() -> None:
        machine, own = Machine("gvisor"), driver("container")
        assert await Drivers(own, machine.beside).driver_of(version()) is own
        assert await Drivers(own, machine.beside).driver_of(version(isolation="container")) is own
        assert machine.opened == []

    asyncio.run(main())


def test_another_driver_is_opened_once() -> None:
    async def main() -> None:
        machine = Machine("gvisor")
        drivers = Drivers(driver("container"), machine.beside)
        function = version(isolation="gvisor")
        first, second = await asyncio.gather(drivers.driver_of(function), drivers.driver_of(function))
        assert first is second
        assert isolation_of(first) == "gvisor"
        assert machine.opened == ["gvisor"]
        assert [isolation_of(each) for each in drivers.open] == ["container", "gvisor"]

    asyncio.run(main())


def test_an_account_has_its_isolation_and_no_tag_weakens_it() -> None:
    async def main() -> None:
        drivers = Drivers(driver("container"), Machine("gvisor").beside, {ACCOUNT: "gvisor"})
        await drivers.start()
        assert isolation_of(await drivers.driver_of(version())) == "gvisor"
        assert isolation_of(await drivers.driver_of(version(isolation="container"))) == "gvisor"
        assert isolation_of(await drivers.driver_of(version(account_id="111111111111"))) == "container"
        expected = "Functions of account 000000000000 have the isolation gvisor at least."
        assert await drivers.refusal(ACCOUNT, "container") == expected
        assert await drivers.refusal("111111111111", "container") == ""

    asyncio.run(main())


def test_a_trusted_account_of_a_node_of_gvisor_may_have_containers() -> None:
    async def main() -> None:
        drivers = Drivers(driver("gvisor"), Machine("container").beside, {ACCOUNT: "container"})
        assert isolation_of(await drivers.driver_of(version())) == "container"
        assert isolation_of(await drivers.driver_of(version(isolation="gvisor"))) == "gvisor"

    asyncio.run(main())


@pytest.mark.parametrize("own", ["none", "container"])
def test_what_this_machine_lacks_is_refused_and_nothing_weaker_is_given(own: str) -> None:
    async def main() -> None:
        drivers = Drivers(driver(own), Machine().beside)
        assert await drivers.refusal(ACCOUNT, "gvisor") == "This node cannot isolate functions so: runsc is not installed"
        assert await drivers.refusal(ACCOUNT, "vm") == "Isolation must be one of container, gvisor."
        with pytest.raises(SandboxError, match="runsc is not installed"):
            await drivers.driver_of(version(isolation="gvisor"))

    asyncio.run(main())


def test_an_account_that_cannot_be_served_stops_the_start() -> None:
    with pytest.raises(SandboxError, match=r"sandbox.account_isolation 000000000000=gvisor: runsc is not installed"):
        asyncio.run(Drivers(driver("container"), Machine().beside, {ACCOUNT: "gvisor"}).start())


def keeping(made: FakeDriver) -> FakeDriver:
    """A driver that keeps sandboxes."""
    made.capabilities = dataclasses.replace(made.capabilities, snapshots=True)
    return made


def test_a_function_with_a_snapshot_gets_gvisor_where_its_own_driver_keeps_nothing() -> None:
    async def main() -> None:
        gvisor = keeping(driver("gvisor"))

        async def beside(isolation: str) -> SandboxDriver:
            assert isolation == "gvisor"
            return gvisor

        drivers = Drivers(driver("container"), beside)
        assert await drivers.snapshot_refusal() == ""
        assert await drivers.keeper_of(version()) is gvisor
        assert await drivers.keeper_of(version(isolation="gvisor")) is gvisor
        assert await drivers.driver_of(version()) is drivers.default

    asyncio.run(main())


def test_a_driver_that_keeps_sandboxes_is_used_itself() -> None:
    async def main() -> None:
        machine, own = Machine(), keeping(driver("gvisor"))
        drivers = Drivers(own, machine.beside)
        assert await drivers.keeper_of(version()) is own
        assert await drivers.snapshot_refusal() == ""

    asyncio.run(main())


def test_a_machine_that_keeps_none_says_why() -> None:
    async def main() -> None:
        without = Drivers(driver("container"), Machine().beside)
        assert await without.snapshot_refusal() == "runsc is not installed"
        with pytest.raises(SandboxError, match="runsc is not installed"):
            await without.keeper_of(version())
        cannot = Drivers(driver("container"), Machine("gvisor").beside)
        assert (await cannot.snapshot_refusal()).startswith("gVisor keeps no sandboxes here")

    asyncio.run(main())
