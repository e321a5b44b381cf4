"""What the Create operations share: id, time, path, tags, boundary of a new entity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functory.services.iam.entities import NewEntity
from functory.services.iam.naming import new_id
from functory.services.iam.room import Room
from functory.services.iam.tag_rules import merge_tags

DEFAULT_PATH = "/"


def new_entity(room: Room, kind: str, name: str, params: Mapping[str, Any]) -> NewEntity:
    """From the parameters that all Create operations share: ``Path``, ``Tags``, ``PermissionsBoundary``.

    Raises:
        AwsError: InvalidInput for tags.
    """
    path, tags = params.get("Path", DEFAULT_PATH), merge_tags({}, params.get("Tags", []))
    return NewEntity(new_id(room.ids, kind), room.now_s(), kind, name, path, tags, params.get("PermissionsBoundary"))
