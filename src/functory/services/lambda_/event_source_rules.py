"""Which members an event source mapping may have, by the kind of its source. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.aws.errors import AwsError
from functory.core.mappings.filters import Filters
from functory.core.mappings.model import EventSourceMapping
from functory.core.patterns import PatternError
from functory.services.lambda_ import errors

FILTERS_MAX = 10
"""AWS: five, and up to ten on request."""

QUEUE_MEMBERS = frozenset(
    {"BatchSize", "MaximumBatchingWindowInSeconds", "FilterCriteria", "ScalingConfig", "FunctionResponseTypes",
     "ProvisionedPollerConfig"}
)  # fmt: skip
_ABOUT_THE_MAPPING = frozenset({"UUID", "FunctionName", "EventSourceArn", "Enabled", "Tags"})
_OF_STREAMS = frozenset(
    {"ParallelizationFactor", "StartingPosition", "StartingPositionTimestamp", "DestinationConfig",
     "MaximumRecordAgeInSeconds", "BisectBatchOnFunctionError", "MaximumRetryAttempts", "TumblingWindowInSeconds"}
)  # fmt: skip
_BATCH_MAX = {"standard": 10_000, "fifo": 10}
_BATCH_WITHOUT_WINDOW = 10
_POLLERS = {"MinimumPollers": (2, 200), "MaximumPollers": (2, 10_000)}


def source_arn(params: Mapping[str, Any]) -> str:
    """What is to be polled.

    Raises:
        AwsError: none is named, or it is not named by an ARN.
    """
    if "SelfManagedEventSource" in params:
        raise errors.unsupported("SelfManagedEventSource")
    arn: str = params.get("EventSourceArn", "")
    if not arn:
        raise errors.invalid("Unrecognized event source.")
    return arn


def config_of(arn: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """The members to keep of a new mapping.

    Raises:
        AwsError: one is impossible or not supported.
    """
    given = {name: value for name, value in params.items() if name not in _ABOUT_THE_MAPPING}
    for name in sorted(given.keys() - QUEUE_MEMBERS):
        if name == "DestinationConfig":
            raise errors.invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
        if name in _OF_STREAMS:
            raise errors.invalid(f"Unsupported {name} parameter for given event source mapping type.")
        raise errors.unsupported(name)
    _check_batch(arn, given)
    _check_filters(given.get("FilterCriteria", {}))
    _check_pollers(given)
    return {name: value for name, value in given.items() if value not in ({}, [])}


def changed(old: EventSourceMapping, params: Mapping[str, Any]) -> dict[str, Any]:
    """The members to keep after an update; an empty structure takes a setting away.

    Raises:
        AwsError: one is impossible or not supported.
    """
    return config_of(old.source_arn, {**old.config, **params})


def _check_batch(arn: str, given: Mapping[str, Any]) -> None:
    kind = "fifo" if arn.endswith(".fifo") else "standard"
    size, window_s = given.get("BatchSize", 10), given.get("MaximumBatchingWindowInSeconds", 0)
    if size > _BATCH_MAX[kind]:
        text = f"BatchSize {size} is larger than the maximum of {_BATCH_MAX[kind]} for this event source."
        raise errors.invalid(text)
    if kind == "fifo" and window_s:
        raise errors.invalid("Batching window is not supported for FIFO queues.")
    if size > _BATCH_WITHOUT_WINDOW and window_s == 0:
        raise errors.invalid(
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
        )


def _check_filters(criteria: Mapping[str, Any]) -> None:
    if len(criteria.get("Filters", [])) > FILTERS_MAX:
        raise errors.invalid(f"The number of filters must not exceed {FILTERS_MAX}.")
    try:
        Filters(criteria, "body")
    except PatternError as error:
        raise errors.invalid(f"Invalid filter pattern definition. {error}") from error


def _check_pollers(given: Mapping[str, Any]) -> None:
    pollers = given.get("ProvisionedPollerConfig", {})
    if not pollers:
        return
    if given.get("ScalingConfig"):
        raise errors.invalid("ProvisionedPollerConfig and ScalingConfig cannot be used together.")
    if "PollerGroupName" in pollers:
        raise errors.invalid("PollerGroupName is not supported for this event source.")
    for name, (least, most) in _POLLERS.items():
        if name in pollers and not least <= pollers[name] <= most:
            raise errors.invalid(f"{name} must be between {least} and {most} for this event source.")
    if pollers.get("MinimumPollers", 2) > pollers.get("MaximumPollers", 200):
        raise errors.invalid("MinimumPollers must not be greater than MaximumPollers.")


def duplicate(other: EventSourceMapping, function_name: str) -> AwsError:
    """The same source for the same function a second time."""
    return errors.conflict(
        f'An event source mapping with SQS arn (" {other.source_arn} ") and function (" {function_name} ") already exists. '
        f"Please update or delete the existing mapping with UUID {other.uuid}"
    )


def shown(mapping: EventSourceMapping) -> dict[str, Any]:
    """The members that answers have, with AWS's defaults."""
    defaults = {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0}
    pollers = mapping.config.get("ProvisionedPollerConfig")
    full = {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 200, **pollers}} if pollers else {}
    return {**defaults, **mapping.config, **full}
