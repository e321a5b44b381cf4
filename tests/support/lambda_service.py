"""A Lambda service among fakes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from functory.core.artifacts.artifacts import Artifacts
from functory.core.calls import CallContext
from functory.kernel.ids import SeededIds
from functory.kernel.settings import LambdaSettings
from functory.services.lambda_.service import LambdaService
from tests.support.lambda_store import (
    FakeEvents,
    FakeInvoker,
    FakeRuntimes,
    InlineStore,
    InMemoryBlobs,
    SetClock,
    make_zip,
)

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ROLE = "arn:aws:iam::123456789012:role/r"
REQUEST_ID = "11111111-2222-4333-8444-555555555555"


def arn(name: str = "f", qualifier: str = "") -> str:
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}" + (f":{qualifier}" if qualifier else "")


class House:
    """Everything around one service; survives the service, as a disk survives a node."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = InlineStore()
        self.blobs = InMemoryBlobs()
        self.invoker = FakeInvoker()
        self.runtimes = FakeRuntimes()
        self.events = FakeEvents()
        self.clock = SetClock()
        self.ids = SeededIds(7)
        self.ctx = CallContext(ACCOUNT, REGION, REQUEST_ID, "http://localhost:4566")
        self.service: LambdaService = self._service(Artifacts(self.blobs, folder))

    def _service(self, artifacts: Artifacts, pending_wait_s: float = 5.0) -> LambdaService:
        return LambdaService(
            store=self.store,
            artifacts=artifacts,
            invoker=self.invoker,
            async_events=self.events,
            runtimes=self.runtimes,
            clock=self.clock,
            ids=self.ids,
            settings=LambdaSettings(),
            link_secret=b"0123456789abcdef",
            machine="x86_64",
            pending_wait_s=pending_wait_s,
        )

    @contextlib.asynccontextmanager
    async def running(self, *, jobs: bool = True, pending_wait_s: float = 5.0) -> AsyncIterator[LambdaService]:
        """A started service; without ``jobs`` nothing is ever prepared."""
        async with Artifacts(self.blobs, self.folder) as artifacts:
            self.service = self._service(artifacts, pending_wait_s)
            if jobs:
                async with self.service:
                    yield self.service
            else:
                async with self.service._commits:
                    yield self.service

    async def call(self, operation: str, /, **params: Any) -> dict[str, Any]:
        return await self.service.operations[operation](self.ctx, params)

    async def create(self, name: str = "f", **params: Any) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "FunctionName": name,
            "Runtime": "python3.12",
            "Handler": "index.handler",
            "Role": ROLE,
            "Code": {"ZipFile": make_zip()},
        }
        return await self.call("CreateFunction", **{**defaults, **params})

    async def settle(self, name: str = "f", qualifier: str = "") -> dict[str, Any]:
        """Wait until nothing of a version is under way; returns its configuration."""
        extra = {"Qualifier": qualifier} if qualifier else {}
        async with asyncio.timeout(10):
            while True:
                shown = await self.call("GetFunctionConfiguration", FunctionName=name, **extra)
                if shown["State"] != "Pending" and shown.get("LastUpdateStatus") != "InProgress":
                    return shown
                await asyncio.sleep(0.001)

    async def created(self, name: str = "f", **params: Any) -> dict[str, Any]:
        """A function that is ready."""
        await self.create(name, **params)
        return await self.settle(name)


def run(folder: Path, scenario: Callable[[House], Awaitable[None]], **options: Any) -> House:
    """Run a scenario against a started service."""
    house = House(folder)

    async def main() -> None:
        async with house.running(**options):
            await scenario(house)

    try:
        asyncio.run(main())
    finally:
        asyncio.run(house.store.close())
    return house
