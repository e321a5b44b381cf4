"""What a message may be, its MD5s, and which of its attributes a receiver asked for. Pure."""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from functory.aws.errors import AwsError
from functory.services.sqs.errors import invalid_value

ATTRIBUTES_MAX = 10
BATCH_MAX = 10
BATCH_BYTES_MAX = 1_048_576
_INVALID = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")
_TYPE = re.compile(r"(String|Number|Binary)(\.[^\x00]{1,248})?")
_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")
_TOKEN = re.compile(r"[!-~]{1,128}")
TRACE = "AWSTraceHeader"


def check_text(text: str) -> None:
    """Whether SQS transports this text.

    Raises:
        AwsError: InvalidMessageContents.
    """
    if _INVALID.search(text):
        raise AwsError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD"
            " | #x10000 to #x10FFFF",
        )


def without_invalid(text: str) -> str:
    """The text with a replacement character for each that SQS does not transport."""
    return _INVALID.sub("\ufffd", text)


def check_token(parameter: str, value: str) -> None:
    """Whether a deduplication or group id is one.

    Raises:
        AwsError: InvalidParameterValue.
    """
    if not _TOKEN.fullmatch(value):
        reason = f"{parameter} can only include alphanumeric and punctuation characters. 1 to 128 in length."
        raise invalid_value(parameter, value, reason)


def check_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Whether these message attributes are well-formed.

    Raises:
        AwsError: InvalidParameterValue.
    """
    if len(attributes) > ATTRIBUTES_MAX:
        raise _invalid(f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].")
    for name, value in attributes.items():
        is_reserved = name.lower().startswith(("aws.", "amazon."))
        if not _NAME.fullmatch(name) or name.startswith(".") or name.endswith(".") or ".." in name or is_reserved:
            raise _invalid(
                "Message (user) attribute name can contain the characters: A-Z, a-z, 0-9, underscore (_), hyphen (-), "
                "and period (.), and can be up to 256 characters long."
            )
        kind = value.get("DataType", "")
        if not _TYPE.fullmatch(kind):
            raise _invalid(
                f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
                "is Binary, Number, and String."
            )
        member = "BinaryValue" if kind.startswith("Binary") else "StringValue"
        if not value.get(member):
            raise _invalid(f"The message attribute '{name}' must contain a non-empty message attribute value for message "
                           f"attribute type '{kind}'.")  # fmt: skip
        if member == "StringValue":
            check_text(value[member])
        if kind.startswith("Number") and not _is_number(value[member]):
            raise _invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text))


def _invalid(text: str) -> AwsError:
    return AwsError("InvalidParameterValue", text, status=400)


def size_of(body: str, attributes: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of a message as SQS counts them: body, and names, types and values of its attributes."""
    size = len(body.encode())
    for name, value in attributes.items():
        size += len(name.encode()) + len(value["DataType"].encode()) + len(_bytes_of(value))
    return size


def _bytes_of(value: Mapping[str, Any]) -> bytes:
    if value["DataType"].startswith("Binary"):
        return bytes(value["BinaryValue"])
    return str(value["StringValue"]).encode()


def md5_of_body(body: str) -> str:
    """MD5OfMessageBody."""
    return hashlib.md5(body.encode(), usedforsecurity=False).hexdigest()


def md5_of_attributes(attributes: Mapping[str, Mapping[str, Any]]) -> str:
    """MD5OfMessageAttributes. AWS: documented under "Calculating the MD5 message digest for message attributes"."""
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        for part in (name.encode(), value["DataType"].encode()):
            digest.update(struct.pack("!I", len(part)) + part)
        content = _bytes_of(value)
        digest.update(b"\2" if value["DataType"].startswith("Binary") else b"\1")
        digest.update(struct.pack("!I", len(content)) + content)
    return digest.hexdigest()


def chosen(attributes: Mapping[str, dict[str, Any]], names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """The attributes that a receiver asked for: by name, by prefix (``order.*``), or all (``All``, ``.*``)."""
    asked = list(names)
    if "All" in asked or ".*" in asked:
        return dict(attributes)
    prefixes = tuple(name[:-1] if name.endswith(".*") else name + "\0" for name in asked)
    return {name: value for name, value in attributes.items() if name in asked or name.startswith(prefixes)}


def check_batch(entries: Sequence[Mapping[str, Any]], kind: str) -> None:
    """Whether a batch may be worked on at all.

    Raises:
        AwsError: EmptyBatchRequest, TooManyEntriesInBatchRequest, InvalidBatchEntryId, BatchEntryIdsNotDistinct.
    """
    if not entries:
        raise AwsError("EmptyBatchRequest", f"There should be at least one {kind} in the request.")
    if len(entries) > BATCH_MAX:
        raise AwsError(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {BATCH_MAX}. You have sent {len(entries)}.",
        )
    seen: set[str] = set()
    for entry in entries:
        if not _ID.fullmatch(entry["Id"]):
            raise AwsError(
                "InvalidBatchEntryId",
                "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
                "It can be at most 80 letters long.",
            )
        if entry["Id"] in seen:
            raise AwsError("BatchEntryIdsNotDistinct", f"Id {entry['Id']} repeated.")
        seen.add(entry["Id"])
