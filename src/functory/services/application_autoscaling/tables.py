"""The tables of the ``application-autoscaling`` service.

Everything hangs on a scalable target: its policies, its scheduled actions, and the activities that changed it. What a job
must know after a restart (when an action is due, when a policy scaled last) is in the rows.
"""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from functory.store.port import METADATA

TARGET_KEY = ("account_id", "region", "namespace", "resource_id", "dimension")


def _target_key() -> list[Column[str]]:
    return [
        Column("account_id", String(12), primary_key=True),
        Column("region", String(64), primary_key=True),
        Column("namespace", String(64), primary_key=True),
        Column("resource_id", String(1600), primary_key=True),
        Column("dimension", String(128), primary_key=True),
    ]


TARGETS = Table(
    "autoscaling_targets",
    METADATA,
    *_target_key(),
    Column("target_id", String(36), nullable=False),
    Column("minimum", Integer, nullable=False),
    Column("maximum", Integer, nullable=False),
    Column("role_arn", Text, nullable=False),
    Column("suspended", Text, nullable=False),  # JSON of records.Suspended
    Column("tags", Text, nullable=False),  # JSON object
    Column("created_at", Float, nullable=False),  # epoch seconds
    Column("cause", Text, nullable=False),  # why its bounds are to be applied, "" when they have been
    Index("ix_autoscaling_targets_target_id", "target_id"),
)

POLICIES = Table(
    "autoscaling_policies",
    METADATA,
    *_target_key(),
    Column("name", String(256), primary_key=True),
    Column("policy_id", String(36), nullable=False),
    Column("configuration", Text, nullable=False),  # JSON of TargetTrackingScalingPolicyConfiguration
    Column("created_at", Float, nullable=False),
    Column("scaled_out_at", Float, nullable=False),  # epoch seconds, 0 for never
    Column("scaled_in_at", Float, nullable=False),
)

ACTIONS = Table(
    "autoscaling_actions",
    METADATA,
    *_target_key(),
    Column("name", String(256), primary_key=True),
    Column("action_id", String(36), nullable=False),
    Column("schedule", Text, nullable=False),
    Column("timezone", Text, nullable=False),  # "" for UTC
    Column("start_at", Float, nullable=True),
    Column("end_at", Float, nullable=True),
    Column("minimum", Integer, nullable=True),
    Column("maximum", Integer, nullable=True),
    Column("created_at", Float, nullable=False),
    Column("due_at", Float, nullable=True),  # None: never again
    Index("ix_autoscaling_actions_due_at", "due_at"),
)

ACTIVITIES = Table(
    "autoscaling_activities",
    METADATA,
    Column("activity_id", String(36), primary_key=True),
    Column("account_id", String(12), nullable=False),
    Column("region", String(64), nullable=False),
    Column("namespace", String(64), nullable=False),
    Column("resource_id", String(1600), nullable=False),
    Column("dimension", String(128), nullable=False),
    Column("description", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("started_at", Float, nullable=False),
    Column("ended_at", Float, nullable=False),
    Index("ix_autoscaling_activities_started_at", "started_at"),
)
