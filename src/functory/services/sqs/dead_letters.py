"""ListDeadLetterSourceQueues, StartMessageMoveTask, CancelMessageMoveTask, ListMessageMoveTasks, and the moving itself.

A task is a row. The background job moves a bounded number of messages in each unit of work, together with the task's count,
so that a crash neither loses a message nor moves one twice; a node that comes back goes on. Messages that arrive after the
task has begun are left alone.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.services.sqs import attribute_rules, lookup
from functory.services.sqs.addresses import QueueKey, of_arn, of_url
from functory.services.sqs.errors import invalid_value
from functory.services.sqs.lookup import Queue
from functory.services.sqs.queues import LIST_MAX, decoded, encoded
from functory.services.sqs.room import Room
from functory.services.sqs.tables import MESSAGES, MOVE_TASKS, QUEUES

PER_SECOND_MAX = 500
BATCH_MAX = 100
LIST_TASKS_MAX = 10
_T = MOVE_TASKS.c


async def list_dead_letter_source_queues(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The queues whose redrive policy names this one."""
    key, most = of_url(context, params["QueueUrl"]), params.get("MaxResults")
    after = decoded(params.get("NextToken"))

    def work(connection: Connection) -> list[str]:
        lookup.require(connection, key)
        return [queue.key.name for queue in sources_of(connection, key) if queue.key.name > after]

    names = await room.store.read(work)
    shown = names[: most or LIST_MAX]
    urls = [QueueKey(key.account_id, key.region, name).url(context.endpoint) for name in shown]
    more = {"NextToken": encoded(shown[-1])} if most is not None and len(names) > most else {}
    return {"queueUrls": urls, **more}


def sources_of(connection: Connection, key: QueueKey) -> list[Queue]:
    """The queues whose dead letters go to this one, by name."""
    here = (QUEUES.c.account_id == key.account_id, QUEUES.c.region == key.region)
    queues = [lookup.of_row(row) for row in connection.execute(select(QUEUES).where(*here).order_by(QUEUES.c.name))]
    return [queue for queue in queues if (attribute_rules.redrive_of(queue.kept) or ("",))[0] == key.arn]


async def start_message_move_task(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  every operation's form
    """Move the messages of a dead-letter queue to where they came from, or to another queue."""
    source_arn, destination_arn = params["SourceArn"], params.get("DestinationArn", "")
    per_second = params.get("MaxNumberOfMessagesPerSecond", 0)
    if "MaxNumberOfMessagesPerSecond" in params and not 1 <= per_second <= PER_SECOND_MAX:
        raise invalid_value("MaxNumberOfMessagesPerSecond", per_second, f"Must be between 1 and {PER_SECOND_MAX}.")
    task_id, now_ms = room.ids.uuid(), room.now_ms()
    handle = base64.b64encode(json.dumps({"taskId": task_id, "sourceArn": source_arn}).encode()).decode()

    def work(connection: Connection) -> None:
        source = _queue(connection, source_arn)
        if not sources_of(connection, source.key):
            text = "Source queue must be configured as a Dead Letter Queue."
            raise AwsError("InvalidParameterValue", text, status=400)
        if destination_arn:
            _queue(connection, destination_arn)
        running = select(_T.handle).where(_T.source_arn == source_arn, _T.status == "RUNNING")
        if connection.execute(running).first() is not None:
            text = "There is already a task running. Only one active task is allowed for a source queue arn at a given time."
            raise AwsError("UnsupportedOperation", text)
        there = MESSAGES.c.queue_id == source.id
        count, newest = connection.execute(
            select(func.count(), func.coalesce(func.max(MESSAGES.c.id), 0)).where(there, MESSAGES.c.visible_ms <= now_ms)
        ).one()
        connection.execute(
            insert(MOVE_TASKS).values(
                handle=handle, source_arn=source_arn, destination_arn=destination_arn, per_second=per_second,
                status="RUNNING", to_move=count, moved=0, last_id=newest, started_ms=now_ms, failure="",
            )
        )  # fmt: skip

    await room.store.write(work)
    room.nudge.set()
    return {"TaskHandle": handle}


def _queue(connection: Connection, arn: str) -> Queue:
    key = of_arn(arn)
    queue = lookup.find(connection, key) if key is not None else None
    if queue is None:
        raise AwsError(
            "ResourceNotFoundException", "The resource that you specified for the SourceArn parameter doesn't exist."
        )
    return queue


async def cancel_message_move_task(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  every operation's form
    """What was moved stays moved."""
    handle = params["TaskHandle"]

    def work(connection: Connection) -> int:
        task = connection.execute(select(MOVE_TASKS).where(_T.handle == handle)).one_or_none()
        if task is None:
            raise AwsError("ResourceNotFoundException", "Task does not exist.")
        if task.status != "RUNNING":
            raise AwsError("UnsupportedOperation", "Only active tasks can be cancelled.")
        connection.execute(update(MOVE_TASKS).where(_T.handle == handle).values(status="CANCELLED"))
        return int(task.moved)

    return {"ApproximateNumberOfMessagesMoved": await room.store.write(work)}


async def list_message_move_tasks(room: Room, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG001  every operation's form
    """The newest first. AWS: only a running task shows its handle."""
    most = params.get("MaxResults", 1)
    if not 1 <= most <= LIST_TASKS_MAX:
        raise invalid_value("MaxResults", most, f"Must be between 1 and {LIST_TASKS_MAX}, if provided.")
    query = select(MOVE_TASKS).where(_T.source_arn == params["SourceArn"]).order_by(_T.started_ms.desc()).limit(most)

    def work(connection: Connection) -> list[Row[Any]]:
        _queue(connection, params["SourceArn"])
        return list(connection.execute(query))

    tasks = await room.store.read(work)
    return {"Results": [_shown(task) for task in tasks]}


def _shown(task: Row[Any]) -> dict[str, Any]:
    optional = {
        "TaskHandle": task.handle if task.status == "RUNNING" else "",
        "DestinationArn": task.destination_arn,
        "MaxNumberOfMessagesPerSecond": task.per_second,
        "FailureReason": task.failure,
    }
    return {
        "Status": task.status,
        "SourceArn": task.source_arn,
        "ApproximateNumberOfMessagesMoved": task.moved,
        "ApproximateNumberOfMessagesToMove": task.to_move,
        "StartedTimestamp": task.started_ms,
        **{name: value for name, value in optional.items() if value},
    }


def move_some(connection: Connection, handle: str, now_ms: int, most: int) -> tuple[int, set[int]]:
    """Move up to ``most`` messages of a task; how many, and to which queues. The task ends when none is left."""
    task = connection.execute(select(MOVE_TASKS).where(_T.handle == handle, _T.status == "RUNNING")).one_or_none()
    if task is None:
        return 0, set()
    key = of_arn(task.source_arn)
    source = lookup.find(connection, key) if key is not None else None
    if source is None:
        _end(connection, task, "FAILED", "AWS.SimpleQueueService.NonExistentQueue")
        return 0, set()
    there = (MESSAGES.c.queue_id == source.id, MESSAGES.c.id <= task.last_id, MESSAGES.c.visible_ms <= now_ms)
    rows = connection.execute(select(MESSAGES).where(*there).order_by(MESSAGES.c.id).limit(most)).all()
    reached: set[int] = set()
    for row in rows:
        target = of_arn(task.destination_arn or row.source_arn)
        queue = lookup.find(connection, target) if target is not None else None
        if queue is None:
            _end(connection, task, "FAILED", "CouldNotDetermineMessageSource")
            break
        changes = {"queue_id": queue.id, "visible_ms": now_ms, "sent_ms": now_ms, "receive_count": 0, "received_ms": 0,
                   "receipt": "", "source_arn": ""}  # fmt: skip
        connection.execute(update(MESSAGES).where(MESSAGES.c.id == row.id).values(**changes))
        connection.execute(update(MOVE_TASKS).where(_T.handle == handle).values(moved=_T.moved + 1))
        reached.add(queue.id)
    if not rows:
        _end(connection, task, "COMPLETED", "")
    return len(rows), reached


def _end(connection: Connection, task: Row[Any], status: str, failure: str) -> None:
    connection.execute(update(MOVE_TASKS).where(_T.handle == task.handle).values(status=status, failure=failure))
