"""``MaxItems``, ``Marker`` and ``IsTruncated``: one way for every list.

Items come sorted by a key that is unique among them; a marker carries the key of the last one given, so pages neither
repeat nor lose what exists from the first page to the last.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from functory.services.iam.errors import validation

ITEMS_DEFAULT = 100

T = TypeVar("T")


def page(
    items: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str], default: int = ITEMS_DEFAULT
) -> tuple[list[T], dict[str, Any]]:
    """The items of one page, and the answer's members about pages.

    Args:
        items: all of them, in any order.
        params: of the call.
        key: see the module.
        default: items of a page when the caller does not say.

    Raises:
        AwsError: ValidationError for a marker that no answer carried.
    """
    after = parse_marker(params)
    beyond = sorted((item for item in items if after is None or key(item) > after), key=key)
    return cut(beyond, params, key, default)


def cut(
    beyond: Sequence[T], params: Mapping[str, Any], key: Callable[[T], str], default: int = ITEMS_DEFAULT
) -> tuple[list[T], dict[str, Any]]:
    """As `page`, of items that are sorted and lie behind the marker already."""
    count = limit(params, default)
    if len(beyond) <= count:
        return list(beyond), {"IsTruncated": False}
    marker = urlsafe_b64encode(key(beyond[count - 1]).encode()).decode("ascii")
    return list(beyond[:count]), {"IsTruncated": True, "Marker": marker}


def limit(params: Mapping[str, Any], default: int = ITEMS_DEFAULT) -> int:
    """How many items a page has."""
    return int(params.get("MaxItems", default))


def parse_marker(params: Mapping[str, Any]) -> str | None:
    """The key of the last item given before.

    Raises:
        AwsError: ValidationError.
    """
    marker = params.get("Marker")
    if marker is None:
        return None
    try:
        return urlsafe_b64decode(marker.encode("ascii")).decode()
    except ValueError:
        raise validation("Invalid Marker.") from None
