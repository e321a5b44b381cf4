"""Pages of lists: opaque markers and AWS's page size. Pure."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from functory.services.lambda_ import errors

T = TypeVar("T")

PAGE_MAX = 50
"""AWS: the server answers with at most 50 however many are asked for."""


def page_size(params: dict[str, Any]) -> int:
    """How many entries the answer holds at most."""
    return min(int(params.get("MaxItems", PAGE_MAX)), PAGE_MAX)


def decode_marker(params: dict[str, Any], start: T) -> T:
    """The position of the request's ``Marker``; ``start`` without one.

    Raises:
        AwsError: it is not a marker of this list.
    """
    marker = params.get("Marker")
    if not marker:
        return start
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(marker.encode()), type=type(start))
    except (ValueError, msgspec.DecodeError):
        raise errors.invalid("Invalid Marker.") from None


def page(rows: list[T], size: int, position: Callable[[T], Any]) -> tuple[list[T], dict[str, str]]:
    """The entries of this page and, when there are more, its ``NextMarker``.

    Args:
        rows: up to ``size + 1`` entries.
        size: of the page.
        position: where an entry stands, JSON-able.
    """
    if len(rows) <= size:
        return rows, {}
    marker = base64.urlsafe_b64encode(msgspec.json.encode(position(rows[size - 1]))).decode()
    return rows[:size], {"NextMarker": marker}
