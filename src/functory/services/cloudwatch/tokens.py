"""Opaque tokens of lists that go on. Pure."""

from __future__ import annotations

import base64
from typing import Any, TypeVar

import msgspec

from functory.aws.errors import AwsError

T = TypeVar("T")


def render_token(position: list[Any]) -> str:
    """A token of a position."""
    return base64.urlsafe_b64encode(msgspec.json.encode(position)).decode()


def parse_token(token: str, kind: type[T], code: str) -> T:
    """The position of a token.

    Raises:
        AwsError: ``code``: it is none of ours.
    """
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token.encode()), type=kind)
    except (ValueError, msgspec.DecodeError):
        raise AwsError(code, "The token is not valid.") from None
