"""What calls of the SQS API need to be allowed. AWS: batches need the action of a single call.

A queue's URL names its owner, so a call on another account's queue needs no change of account.

AWS: https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsqs.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from functory.aws.errors import AwsError
from functory.core.authorization.access import Access, Params, Place, anything, arn, first_of, request_tags
from functory.core.calls import CallContext
from functory.services.sqs.addresses import QueueKey, of_url


def _queue(place: Place, params: Params) -> Iterable[str]:
    """The queue of a URL; ``*`` for what the service refuses as no URL."""
    try:
        return (of_url(CallContext(place.account_id, place.region, ""), str(params.get("QueueUrl", ""))).arn,)
    except (AwsError, ValueError):
        return ("*",)


def _named(place: Place, params: Params) -> Iterable[str]:
    """The queue of a name, perhaps another account's."""
    name = params.get("QueueName")
    if not name:
        return ("*",)
    return (QueueKey(params.get("QueueOwnerAWSAccountId") or place.account_id, place.region, name).arn,)


_ACTIONS = {
    "AddPermission": "AddPermission",
    "ChangeMessageVisibility": "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessage": "DeleteMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "DeleteQueue": "DeleteQueue",
    "GetQueueAttributes": "GetQueueAttributes",
    "ListDeadLetterSourceQueues": "ListDeadLetterSourceQueues",
    "ListQueueTags": "ListQueueTags",
    "PurgeQueue": "PurgeQueue",
    "ReceiveMessage": "ReceiveMessage",
    "RemovePermission": "RemovePermission",
    "SendMessage": "SendMessage",
    "SendMessageBatch": "SendMessage",
    "SetQueueAttributes": "SetQueueAttributes",
    "TagQueue": "TagQueue",
    "UntagQueue": "UntagQueue",
}
_ON_QUEUES = {operation: Access(f"sqs:{action}", _queue) for operation, action in _ACTIONS.items()}

ACCESS: Mapping[str, Access] = _ON_QUEUES | {
    "CancelMessageMoveTask": Access("sqs:CancelMessageMoveTask", anything),
    "CreateQueue": Access("sqs:CreateQueue", _named, request_tags("tags")),
    "GetQueueUrl": Access("sqs:GetQueueUrl", _named),
    "ListMessageMoveTasks": Access("sqs:ListMessageMoveTasks", first_of(arn("SourceArn"), anything)),
    "ListQueues": Access("sqs:ListQueues", anything),
    "StartMessageMoveTask": Access(
        "sqs:StartMessageMoveTask",
        first_of(arn("SourceArn"), anything),
        also=(Access("sqs:SendMessage", arn("DestinationArn")),),
    ),
    "TagQueue": replace(_ON_QUEUES["TagQueue"], keys=request_tags()),
    "UntagQueue": replace(_ON_QUEUES["UntagQueue"], keys=request_tags("TagKeys")),
}
"""Operation -> what it needs."""
