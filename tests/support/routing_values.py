"""Minimal valid parameters for any operation, made from its shape; the same ones every time."""

from __future__ import annotations

import datetime
from typing import Any

import regex

from functory.aws.model import Shape

_TEXTS = (
    "abcdefgh",
    "abc-1",
    "arn:aws:lambda:us-east-1:123456789012:function:abc",
    "arn:aws:lambda:us-east-1:123456789012:layer:abc:1",
    "arn:aws:lambda:us-east-1:123456789012:code-signing-config:csc-0123456789abcdef0",
    "arn:aws:lambda:us-east-1:123456789012:capacity-provider:abc",
    "arn:aws:lambda:us-east-1:123456789012:function:abc:1/durable-execution/abc/def",
    "arn:aws:iam::123456789012:role/abc",
    "arn:aws:kms:us-east-1:123456789012:key/abc",
    "arn:aws:kinesis:us-east-1:123456789012:stream/abc",
    "arn:aws:kinesis:us-east-1:123456789012:stream/abc/consumer/def:1",
    "arn:aws:kinesis:us-east-1:123456789012:queue/abc",
    "arn:aws:kinesis:us-east-1:123456789012:channel/abc",
    "arn:aws:events:us-east-1:123456789012:connection/abc/12345678-1234",
    "arn:aws:scheduler:us-east-1:123456789012:schedule-group/abc",
    "arn:aws:cloudformation:us-east-1:123456789012:type/resource/abc",
    "arn:aws:s3:us-east-1:123456789012:accesspoint/abc",
    "https://example.com/abc",
    "lambda:GetLayerVersion",
    "events:PutEvents",
    "aws.partner/abc/def",
    "subnet-0123456789abcdef0",
    "sg-0123456789abcdef0",
    "vpce-0123456789abcdef0",
    "123456789012",
    "12345678-1234-1234-1234-123456789012",
    "12345678",
    "123456",
    "200",
    "v1.0",
    "1",
    "/",
    "/abc/",
    "a",
)


def minimal_params(shape: Shape | None) -> dict[str, Any]:
    """Required members only, and of unions their first member."""
    return {} if shape is None else _structure(shape, ())


def all_params(shape: Shape | None) -> dict[str, Any]:
    """Every member of the top level, minimal inside: optional query parameters and headers are there."""
    if shape is None:
        return {}
    return {name: _value(member, ()) for name, member in shape.members.items()}


def _structure(shape: Shape, above: tuple[str, ...]) -> dict[str, Any]:
    names = list(shape.required_members)
    if getattr(shape, "is_tagged_union", False) and not names:
        names = list(shape.members)[:1]
    return {name: _value(shape.members[name], (*above, shape.name)) for name in names}


def _value(shape: Shape, above: tuple[str, ...]) -> Any:
    match shape.type_name:
        case "structure":
            return {} if shape.name in above else _structure(shape, above)
        case "list":
            return [_value(shape.member, above)] * max(1, shape.metadata.get("min", 1))
        case "map":
            return {_value(shape.key, above): _value(shape.value, above)}
        case "string" | "char":
            return _text(shape)
        case "blob":
            return b"x" * max(1, shape.metadata.get("min", 1))
        case "boolean":
            return True
        case "timestamp":
            return datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
        case "float" | "double":
            return float(max(1, shape.metadata.get("min", 1)))
        case _:
            return max(1, int(shape.metadata.get("min", 1)))


def _text(shape: Shape) -> str:
    if shape.enum:
        return str(shape.enum[0])
    low, high = shape.metadata.get("min", 1), shape.metadata.get("max", 1 << 20)
    texts = [*_TEXTS, "a" * max(low, 1)]
    fitting = [text for text in texts if low <= len(text) <= high] or ["a" * max(low, 1)]
    pattern = shape.metadata.get("pattern")
    if pattern is not None:
        for text in fitting:
            try:
                if regex.fullmatch(pattern, text, timeout=1):
                    return text
            except (regex.error, TimeoutError):
                break
    return fitting[0]
