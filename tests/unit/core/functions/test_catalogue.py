from __future__ import annotations

import asyncio

from functory.core.functions.catalogue import Functions
from functory.core.functions.routes import Candidate, Readiness, Route

KEY = ("123456789012", "eu-central-1", "f")


def route(version: str, readiness: Readiness = Readiness.READY) -> Route:
    return Route(Candidate(version, readiness, None, "Active"))


class Loader:
    """Answers what it was told; a load waits at the gate when there is one."""

    def __init__(self, answer: Route | None) -> None:
        self.answer = answer
        self.loads = 0
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()

    async def load_route(self, account_id: str, region: str, name: str, qualifier: str) -> Route | None:
        self.loads += 1
        answer = self.answer
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        return answer


def test_a_route_is_loaded_once_and_then_found_without_waiting() -> None:
    async def scenario() -> None:
        loader = Loader(route("1"))
        functions = Functions(loader)
        assert functions.find(*KEY) is None
        assert await functions.resolve(*KEY) is await functions.resolve(*KEY)
        assert functions.find(*KEY) == route("1")
        assert loader.loads == 1

    asyncio.run(scenario())


def test_what_does_not_exist_is_asked_again() -> None:
    async def scenario() -> None:
        loader = Loader(None)
        functions = Functions(loader)
        assert await functions.resolve(*KEY) is None
        loader.answer = route("1")
        assert await functions.resolve(*KEY) == route("1")

    asyncio.run(scenario())


def test_an_invalidated_function_is_loaded_anew() -> None:
    async def scenario() -> None:
        loader = Loader(route("1"))
        functions = Functions(loader)
        await functions.resolve(*KEY)
        loader.answer = route("2")
        functions.invalidate(*KEY)
        assert functions.find(*KEY) is None
        assert await functions.resolve(*KEY) == route("2")

    asyncio.run(scenario())


def test_an_answer_older_than_an_invalidation_is_thrown_away() -> None:
    async def scenario() -> None:
        loader = Loader(route("old"))
        loader.gate = asyncio.Event()
        functions = Functions(loader)
        asking = asyncio.create_task(functions.resolve(*KEY))
        await loader.entered.wait()
        loader.answer = route("new")
        functions.invalidate(*KEY)
        loader.gate.set()
        assert await asking == route("new")
        assert functions.find(*KEY) == route("new")

    asyncio.run(scenario())


def test_settled_waits_until_preparation_ends() -> None:
    async def scenario() -> None:
        loader = Loader(route("1", Readiness.PREPARING))
        functions = Functions(loader)
        waiting = asyncio.create_task(functions.settled(*KEY, timeout_s=10))
        await loader.entered.wait()
        loader.answer = route("1")
        functions.invalidate(*KEY)
        assert await waiting == route("1")

    asyncio.run(scenario())


def test_settled_gives_up_after_its_time() -> None:
    async def scenario() -> None:
        functions = Functions(Loader(route("1", Readiness.PREPARING)))
        assert await functions.settled(*KEY, timeout_s=0.001) == route("1", Readiness.PREPARING)

    asyncio.run(scenario())


def test_settled_notices_a_deletion() -> None:
    async def scenario() -> None:
        loader = Loader(route("1", Readiness.PREPARING))
        functions = Functions(loader)
        waiting = asyncio.create_task(functions.settled(*KEY, timeout_s=10))
        await loader.entered.wait()
        loader.answer = None
        functions.invalidate(*KEY)
        assert await waiting is None

    asyncio.run(scenario())


def test_memory_is_bounded() -> None:
    async def scenario() -> None:
        functions = Functions(Loader(route("1")), max_functions=2)
        for name in ("a", "b", "c"):
            await functions.resolve("1", "r", name)
        assert functions.find("1", "r", "a") is None
        assert functions.find("1", "r", "b") is not None
        assert functions.find("1", "r", "c") is not None

    asyncio.run(scenario())
