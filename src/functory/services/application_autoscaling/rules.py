"""What this service accepts, its ARNs, and AWS's error texts. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.kernel.schedule import Schedule, ScheduleError, parse
from functory.services.application_autoscaling.records import Target, TargetKey

NAMESPACE = "lambda"
DIMENSION = "lambda:function:ProvisionedConcurrency"
METRIC = "LambdaProvisionedConcurrencyUtilization"
PAGE_MAX = 50
TAGS_MAX = 50
_RESOURCE = re.compile(r"function:([a-zA-Z0-9-_]{1,64}):([a-zA-Z0-9-_]{1,128})")
_UNSUPPORTED = "Unsupported service namespace, resource type or scalable dimension"

T = TypeVar("T")


def invalid(text: str) -> AwsError:
    """Parameters that cannot be accepted."""
    return AwsError("ValidationException", text)


def absent(what: str, key: TargetKey, detail: str = "") -> AwsError:
    """Something that does not exist; ``what`` says which."""
    return AwsError(
        "ObjectNotFoundException",
        f"No {what} for service namespace: {key.namespace}, resource ID: {key.resource_id}, scalable dimension: "
        f"{key.dimension}{detail}",
    )


def no_target(key: TargetKey) -> AwsError:
    """No such scalable target."""
    return absent("scalable target registered", key)


def check_namespace(params: Mapping[str, Any]) -> None:
    """Refuse every service but Lambda.

    Raises:
        AwsError: it is another one.
    """
    if params["ServiceNamespace"] != NAMESPACE or params.get("ScalableDimension", DIMENSION) != DIMENSION:
        raise invalid(_UNSUPPORTED)


def target_key(ctx: CallContext, params: Mapping[str, Any]) -> TargetKey:
    """The scalable target that parameters name.

    Raises:
        AwsError: it is not provisioned concurrency of a published version or an alias.
    """
    check_namespace(params)
    resource_id = params["ResourceId"]
    if not _RESOURCE.fullmatch(resource_id):
        raise invalid(
            f"Unsupported resource ID: {resource_id}. Provisioned concurrency is that of a published version or an alias: "
            "function:my-function:prod"
        )
    return TargetKey(ctx.account_id, ctx.region, NAMESPACE, resource_id, DIMENSION)


def function_of(key: TargetKey) -> tuple[str, str]:
    """Function and qualifier of a target."""
    _, name, qualifier = key.resource_id.split(":")
    return name, qualifier


def check_bounds(minimum: int, maximum: int) -> None:
    """Refuse impossible capacities.

    Raises:
        AwsError: they are.
    """
    if minimum < 0 or maximum < 0:
        raise invalid("Minimum and maximum capacity must not be negative")
    if minimum > maximum:
        raise invalid("Maximum capacity cannot be less than minimum capacity")


def service_role(account_id: str) -> str:
    """AWS: the role that is linked to the service, whatever role was given."""
    return (
        f"arn:aws:iam::{account_id}:role/aws-service-role/lambda.application-autoscaling.amazonaws.com/"
        "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency"
    )


def target_arn(target: Target) -> str:
    """ARN of a scalable target."""
    key = target.key
    return f"arn:aws:application-autoscaling:{key.region}:{key.account_id}:scalable-target/{target.target_id}"


def part_arn(key: TargetKey, kind: str, part_id: str, name: str) -> str:
    """ARN of a scaling policy (``scalingPolicy``) or scheduled action (``scheduledAction``)."""
    label = "policyName" if kind == "scalingPolicy" else f"{kind}Name"
    place = f"arn:aws:autoscaling:{key.region}:{key.account_id}:{kind}:{part_id}"
    return f"{place}:resource/{key.namespace}/{key.resource_id}:{label}/{name}"


def schedule(text: str, timezone: str) -> tuple[Schedule, ZoneInfo]:
    """A schedule and the zone of its wall times.

    Raises:
        AwsError: one of them cannot be.
    """
    try:
        zone = ZoneInfo(timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid(f"Invalid timezone: {timezone}") from None
    try:
        return parse(text), zone
    except ScheduleError as error:
        raise invalid(f"Invalid schedule expression: {text}. Details: {error}") from None


def due_after(
    text: str, timezone: str, *, after: float, created_at: float, start_at: float | None, end_at: float | None
) -> float | None:
    """When a scheduled action is due next, epoch seconds; None for never again.

    Args:
        text: the schedule expression.
        timezone: IANA name, ``""`` for UTC.
        after: epoch seconds; what is due then is not meant any more.
        created_at: where a rate begins without a start.
        start_at: not before this.
        end_at: not after this.
    """
    found, zone = schedule(text, timezone)
    begin = start_at if start_at is not None else created_at
    floor = max(after, start_at - 1e-3) if start_at is not None else after
    moment = found.next_after(datetime.fromtimestamp(floor, UTC), zone, datetime.fromtimestamp(begin, UTC))
    if moment is None or (end_at is not None and moment.timestamp() > end_at):
        return None
    return moment.timestamp()


def epoch(value: Any) -> float:
    """Epoch seconds of a timestamp parameter."""
    return value.timestamp() if isinstance(value, datetime) else float(value)


def page_size(params: Mapping[str, Any]) -> int:
    """How many entries the answer holds at most."""
    size = params.get("MaxResults", PAGE_MAX)
    if not 1 <= size <= PAGE_MAX:
        raise invalid(f"MaxResults must be between 1 and {PAGE_MAX}")
    return int(size)


def parse_token(params: Mapping[str, Any], start: T) -> T:
    """The position of ``NextToken``; ``start`` without one.

    Raises:
        AwsError: it is none of ours.
    """
    token = params.get("NextToken")
    if not token:
        return start
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token.encode()), type=type(start))
    except (ValueError, msgspec.DecodeError):
        raise AwsError("InvalidNextTokenException", "The next token supplied was invalid.") from None


def next_token(position: Any) -> str:
    """A token of a position."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()
