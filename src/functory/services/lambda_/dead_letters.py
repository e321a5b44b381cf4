"""``DeadLetterConfig`` of functions: the queue for events that were given up; see `dead_letter_message`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.core.functions.model import LATEST, FunctionVersion
from functory.core.functions.names import FunctionRef
from functory.core.targets.port import TargetError
from functory.core.targets.registry import Targets, service_of
from functory.services.lambda_ import errors
from functory.services.lambda_.ports import ExecutionRoles


def names_no_topic(given: Mapping[str, Any]) -> bool:
    """Whether a ``DeadLetterConfig`` asks for something else than an SNS topic."""
    return service_of(given.get("TargetArn", "")) != "sns"


def chosen(given: Mapping[str, Any], function_arn: str, targets: Targets) -> str:
    """The ARN of a ``DeadLetterConfig`` parameter; ``""`` takes the queue away.

    AWS: whether the queue exists is not asked.

    Raises:
        AwsError: it is not a standard queue of the function's region.
    """
    arn: str = given.get("TargetArn", "")
    if not arn:
        return ""
    target = targets.find(arn) if service_of(arn) == "sqs" else None
    if target is None:
        raise errors.invalid(f"Invalid dead letter queue ARN: {arn}")
    try:
        target.check(arn, function_arn)
    except TargetError as error:
        raise errors.invalid(f"Invalid dead letter queue ARN: {error}") from None
    return arn


async def check_role(roles: ExecutionRoles, ref: FunctionRef, role: str, arn: str) -> None:
    """Refuse a dead-letter queue that a function's role does not let it send to.

    Args:
        roles: who knows.
        ref: the function.
        role: ARN of its execution role.
        arn: of the queue, or ``""``.

    Raises:
        AwsError: the role does not allow it.
    """
    version = FunctionVersion(ref.account_id, ref.region, ref.name, LATEST, "", "", "", "", role=role)
    if arn and not await roles.allows(version, "sqs:SendMessage", arn):
        raise errors.invalid("The provided execution role does not have permissions to call SendMessage on SQS")
