"""The SQS service on an in-memory store and virtual time, called as an edge calls it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.targets.registry import Targets
from functory.kernel.clock import LoopClock
from functory.kernel.ids import SeededIds
from functory.kernel.settings import SqsSettings
from functory.services.sqs.service import SqsService
from tests.support.store import InlineStore
from tests.support.virtual_time import run_virtual

ACCOUNT, REGION = "111122223333", "eu-central-1"
START_S = 1_800_000_000.0


class Sqs:
    """One running service; ``await sqs("SendMessage", …)`` runs an operation."""

    def __init__(self, store: InlineStore) -> None:
        self.store = store
        self.targets = Targets()
        self.service = SqsService(store, LoopClock(START_S), SeededIds(), SqsSettings(), b"s" * 32, self.targets)

    async def __call__(
        self, operation: str, *, account: str = ACCOUNT, region: str = REGION, **params: Any
    ) -> dict[str, Any]:
        context = CallContext(account, region, "request", "http://localhost:4566")
        return await self.service.operations[operation](context, params)

    async def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        """The code and text of the error."""
        try:
            await self(operation, **params)
        except AwsError as error:
            return error.code, error.message
        raise AssertionError(f"{operation} was not refused")

    async def queue(self, name: str = "q", **attributes: Any) -> str:
        """A new queue's URL."""
        if name.endswith(".fifo"):
            attributes["FifoQueue"] = "true"
        texts = {name: str(value) for name, value in attributes.items()}
        url: str = (await self("CreateQueue", QueueName=name, Attributes=texts))["QueueUrl"]
        return url

    async def send(self, url: str, body: str = "b", **params: Any) -> dict[str, Any]:
        return await self("SendMessage", QueueUrl=url, MessageBody=body, **params)

    async def receive(self, url: str, most: int = 10, **params: Any) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = (
            await self("ReceiveMessage", QueueUrl=url, MaxNumberOfMessages=most, **params)
        ).get("Messages", [])
        return messages

    async def bodies(self, url: str, most: int = 10, **params: Any) -> list[str]:
        return [message["Body"] for message in await self.receive(url, most, **params)]

    async def delete(self, url: str, message: dict[str, Any]) -> None:
        await self("DeleteMessage", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    async def counts(self, url: str) -> tuple[int, int, int]:
        """Visible, in flight, delayed."""
        names = ["", "NotVisible", "Delayed"]
        found = (await self("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]))["Attributes"]
        visible, in_flight, delayed = (int(found[f"ApproximateNumberOfMessages{name}"]) for name in names)
        return visible, in_flight, delayed


def run_sqs(test: Callable[[Sqs], Awaitable[None]]) -> None:
    """Run a test against a new service."""

    async def run() -> None:
        store = InlineStore()
        try:
            sqs = Sqs(store)
            async with sqs.service:
                await test(sqs)
        finally:
            store.dispose()

    run_virtual(run())
