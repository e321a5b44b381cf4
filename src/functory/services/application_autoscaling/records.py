"""What the tables hold, as values. Pure."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec


class TargetKey(NamedTuple):
    """What identifies a scalable target."""

    account_id: str
    region: str
    namespace: str
    resource_id: str
    dimension: str


class Suspended(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which scaling of a target is suspended."""

    scale_in: bool = False
    scale_out: bool = False
    scheduled: bool = False


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A scalable target; see ``tables`` for the columns."""

    key: TargetKey
    target_id: str
    minimum: int
    maximum: int
    role_arn: str
    created_at: float
    suspended: Suspended = Suspended()
    tags: dict[str, str] = {}
    cause: str = ""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A scaling policy of a target."""

    key: TargetKey
    name: str
    policy_id: str
    configuration: dict[str, Any]
    created_at: float
    scaled_out_at: float = 0.0
    scaled_in_at: float = 0.0


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """A scheduled action of a target."""

    key: TargetKey
    name: str
    action_id: str
    schedule: str
    created_at: float
    timezone: str = ""
    start_at: float | None = None
    end_at: float | None = None
    minimum: int | None = None
    maximum: int | None = None
    due_at: float | None = None


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done to a target, or tried."""

    key: TargetKey
    activity_id: str
    description: str
    cause: str
    status: str
    message: str
    started_at: float
    ended_at: float
