"""The table of the SQS API, and the owner of its background work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from functory.core.calls import CallContext, Operation
from functory.core.targets.registry import Targets
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.kernel.sealing import Sealer
from functory.kernel.settings import SqsSettings
from functory.services.sqs import attributes, dead_letters, queues, receive, send, settle, tags
from functory.services.sqs.maintenance import Maintenance
from functory.services.sqs.room import Room
from functory.services.sqs.target import QueueTarget
from functory.store.port import Store

_RoomOperation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]

OPERATIONS: Mapping[str, _RoomOperation] = {
    "AddPermission": attributes.add_permission,
    "CancelMessageMoveTask": dead_letters.cancel_message_move_task,
    "ChangeMessageVisibility": settle.change_message_visibility,
    "ChangeMessageVisibilityBatch": settle.change_message_visibility_batch,
    "CreateQueue": queues.create_queue,
    "DeleteMessage": settle.delete_message,
    "DeleteMessageBatch": settle.delete_message_batch,
    "DeleteQueue": queues.delete_queue,
    "GetQueueAttributes": attributes.get_queue_attributes,
    "GetQueueUrl": queues.get_queue_url,
    "ListDeadLetterSourceQueues": dead_letters.list_dead_letter_source_queues,
    "ListMessageMoveTasks": dead_letters.list_message_move_tasks,
    "ListQueueTags": tags.list_queue_tags,
    "ListQueues": queues.list_queues,
    "PurgeQueue": queues.purge_queue,
    "ReceiveMessage": receive.receive_message,
    "RemovePermission": attributes.remove_permission,
    "SendMessage": send.send_message,
    "SendMessageBatch": send.send_message_batch,
    "SetQueueAttributes": attributes.set_queue_attributes,
    "StartMessageMoveTask": dead_letters.start_message_move_task,
    "TagQueue": tags.tag_queue,
    "UntagQueue": tags.untag_queue,
}


class SqsService:
    """Amazon SQS as a `functory.core.calls.Service`.

    An async context manager: inside it the background jobs run. Leave it before the store is closed.

    Args:
        folder_secret: of the data folder; messages at rest are sealed with a key derived from it.
        targets: where queues are registered as what others send to.
    """

    def __init__(
        self, store: Store, clock: Clock, ids: Ids, settings: SqsSettings, folder_secret: bytes, targets: Targets
    ) -> None:
        self.name = "sqs"
        self.room = Room(store, clock, ids, settings, Sealer(folder_secret, "functory sqs messages"))
        self.operations: Mapping[str, Operation] = {name: partial(call, self.room) for name, call in OPERATIONS.items()}
        self._maintenance = Maintenance(self.room)
        targets.register("sqs", QueueTarget())
        self._tasks = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._task = self._tasks.create_task(self._maintenance.run(), name="sqs-maintenance")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._tasks.__aexit__(None, None, None)
