"""Which attributes a queue has, their ranges, defaults and forms. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from functory.aws.errors import AwsError
from functory.core.identity.policy_grammar import GrammarError, PolicyKind, parse_policy
from functory.services.sqs.addresses import QueueKey, of_arn
from functory.services.sqs.errors import invalid_value, unsupported

NUMBERS: Mapping[str, tuple[int, int, int]] = {
    "VisibilityTimeout": (0, 43_200, 30),
    "MaximumMessageSize": (1_024, 1_048_576, 1_048_576),
    "MessageRetentionPeriod": (60, 1_209_600, 345_600),
    "DelaySeconds": (0, 900, 0),
    "ReceiveMessageWaitTimeSeconds": (0, 20, 0),
}
"""Name -> least, most, default; seconds or bytes. AWS: a message may have 1 MiB since August 2025."""

FIFO_DEFAULTS: Mapping[str, str] = {
    "FifoQueue": "true",
    "ContentBasedDeduplication": "false",
    "DeduplicationScope": "queue",
    "FifoThroughputLimit": "perQueue",
}
STANDARD_DEFAULTS: Mapping[str, str] = {"SqsManagedSseEnabled": "true"}
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
FACTS = ("CreatedTimestamp", "LastModifiedTimestamp", "QueueArn")
RECEIVES_MAX = 1_000
SOURCES_MAX = 10
_CHOICES = {
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "SqsManagedSseEnabled": ("true", "false"),
}
_REMOVABLE = ("Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId")


def defaults(*, is_fifo: bool) -> dict[str, str]:
    """What a queue has when nobody says otherwise."""
    numbers = {name: str(default) for name, (_, _, default) in NUMBERS.items()}
    return numbers | dict(STANDARD_DEFAULTS) | (dict(FIFO_DEFAULTS) if is_fifo else {})


def checked(key: QueueKey, given: Mapping[str, str]) -> dict[str, str]:
    """The attributes to keep; an empty value takes a removable one away (and stays empty here).

    Raises:
        AwsError: InvalidAttributeName, InvalidAttributeValue, UnsupportedOperation.
    """
    return {name: _checked_one(key, name, value) for name, value in given.items()}


def check_together(kept: Mapping[str, str]) -> None:
    """Whether a queue's attributes go with one another, those included that it had before.

    Raises:
        AwsError: InvalidAttributeValue.
    """
    by_group = kept.get("DeduplicationScope", FIFO_DEFAULTS["DeduplicationScope"]) == "messageGroup"
    if kept.get("FifoThroughputLimit") == "perMessageGroupId" and not by_group:
        raise _bad_value("FifoThroughputLimit", "perMessageGroupId needs the DeduplicationScope messageGroup.")


def _checked_one(key: QueueKey, name: str, value: str) -> str:
    if name in NUMBERS:
        return _number(name, value)
    if name == "FifoQueue":
        if not key.is_fifo or value != "true":
            raise unknown(name)
        return value
    if name in FIFO_DEFAULTS and not key.is_fifo:
        raise unknown(name)
    if name in _CHOICES:
        if value not in _CHOICES[name]:
            raise _bad_value(name)
        return value
    if name in _REMOVABLE and value == "":
        return value
    if name in {"KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds"}:
        raise unsupported(f"{name} is not supported: there are no KMS keys. SqsManagedSseEnabled encrypts messages at rest.")
    if name in _DOCUMENTS:
        return _DOCUMENTS[name](key, value)
    raise unknown(name)


def _number(name: str, value: str) -> str:
    least, most, _ = NUMBERS[name]
    if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
        raise _bad_value(name)
    return str(int(value))


def unknown(name: str) -> AwsError:
    """An attribute that this kind of queue does not have, or that nobody can set."""
    return AwsError("InvalidAttributeName", f"Unknown Attribute {name}.")


def _bad_value(name: str, why: str = "") -> AwsError:
    return AwsError("InvalidAttributeValue", f"Invalid value for the parameter {name}.{' Reason: ' + why if why else ''}")


def _policy(_key: QueueKey, value: str) -> str:
    try:
        parse_policy(value, PolicyKind.RESOURCE)
    except GrammarError as error:
        raise _bad_value("Policy", str(error)) from error
    return value


def _redrive(key: QueueKey, value: str) -> str:
    found = _object("RedrivePolicy", value)
    arn, count = found.get("deadLetterTargetArn"), found.get("maxReceiveCount")
    if set(found) - {"deadLetterTargetArn", "maxReceiveCount"}:
        raise invalid_value("RedrivePolicy", value, "Only following attributes are supported: "
                            "[deadLetterTargetArn, maxReceiveCount].")  # fmt: skip
    if not isinstance(arn, str) or (target := of_arn(arn)) is None:
        raise invalid_value("RedrivePolicy", value, "Invalid value for deadLetterTargetArn.")
    if isinstance(count, str) and count.isdigit():
        count = int(count)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= RECEIVES_MAX:
        raise invalid_value("RedrivePolicy", value, "Invalid value for maxReceiveCount.")
    if (target.account_id, target.region) != (key.account_id, key.region):
        raise invalid_value("RedrivePolicy", value, "Dead-letter target owner should be same as the source.")
    if target.is_fifo != key.is_fifo:
        raise invalid_value("RedrivePolicy", value, "Dead-letter queue must be same type of queue as the source.")
    return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": count}, separators=(",", ":"))


def _redrive_allow(_key: QueueKey, value: str) -> str:
    found = _object("RedriveAllowPolicy", value)
    permission, sources = found.get("redrivePermission"), found.get("sourceQueueArns")
    if permission not in {"allowAll", "denyAll", "byQueue"} or set(found) - {"redrivePermission", "sourceQueueArns"}:
        raise invalid_value("RedriveAllowPolicy", value, "Amazon SQS can't create the redrive allow policy.")
    is_list = isinstance(sources, list) and 1 <= len(sources) <= SOURCES_MAX
    if (permission == "byQueue") != is_list or (is_list and any(of_arn(str(arn)) is None for arn in sources or ())):
        raise invalid_value("RedriveAllowPolicy", value, "Amazon SQS can't create the redrive allow policy.")
    return value


def _object(name: str, value: str) -> dict[str, Any]:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise invalid_value(name, value, "Redrive policy is not a valid JSON map." if name == "RedrivePolicy" else
                            "Amazon SQS can't create the redrive allow policy.")  # fmt: skip
    return found


_DOCUMENTS: Mapping[str, Callable[[QueueKey, str], str]] = {
    "Policy": _policy,
    "RedrivePolicy": _redrive,
    "RedriveAllowPolicy": _redrive_allow,
}


def merged(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Attributes after a change; empty ones are gone."""
    return {name: value for name, value in {**old, **new}.items() if value != ""}


def difference(key: QueueKey, kept: Mapping[str, str], asked: Mapping[str, str]) -> str | None:
    """The first attribute in which a queue differs from what CreateQueue asks for once more."""
    present = {**defaults(is_fifo=key.is_fifo), **kept}
    return next((name for name, value in asked.items() if present.get(name, "") != value), None)


def redrive_of(attributes: Mapping[str, str]) -> tuple[str, int] | None:
    """ARN of the dead-letter queue and maxReceiveCount; None where there is no redrive policy."""
    text = attributes.get("RedrivePolicy")
    if text is None:
        return None
    found = json.loads(text)
    return str(found["deadLetterTargetArn"]), int(found["maxReceiveCount"])


def allows_source(attributes: Mapping[str, str], source_arn: str) -> bool:
    """Whether a dead-letter queue takes messages of this source."""
    text = attributes.get("RedriveAllowPolicy")
    if text is None:
        return True
    found = json.loads(text)
    return bool(found["redrivePermission"] == "allowAll" or source_arn in found.get("sourceQueueArns", ()))


def wanted(names: Iterable[str]) -> set[str] | None:
    """Attribute names that were asked for; None: all."""
    asked = set(names)
    return None if "All" in asked else asked
