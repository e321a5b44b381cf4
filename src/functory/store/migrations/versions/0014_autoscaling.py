"""Application Auto Scaling.

Revision: 0014, after 0013.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_KEY = ("account_id", "region", "namespace", "resource_id", "dimension")


def _target_key() -> list[sa.Column[Any]]:
    return [
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=64), nullable=False),
        sa.Column("namespace", sa.String(length=64), nullable=False),
        sa.Column("resource_id", sa.String(length=1600), nullable=False),
        sa.Column("dimension", sa.String(length=128), nullable=False),
    ]


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    op.create_table(
        "autoscaling_targets",
        *_target_key(),
        sa.Column("target_id", sa.String(length=36), nullable=False),
        sa.Column("minimum", sa.Integer(), nullable=False),
        sa.Column("maximum", sa.Integer(), nullable=False),
        sa.Column("role_arn", sa.Text(), nullable=False),
        sa.Column("suspended", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, name=op.f("pk_autoscaling_targets")),
    )
    op.create_index("ix_autoscaling_targets_target_id", "autoscaling_targets", ["target_id"], unique=False)
    op.create_table(
        "autoscaling_policies",
        *_target_key(),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("policy_id", sa.String(length=36), nullable=False),
        sa.Column("configuration", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("scaled_out_at", sa.Float(), nullable=False),
        sa.Column("scaled_in_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(*_KEY, "name", name=op.f("pk_autoscaling_policies")),
    )
    op.create_table(
        "autoscaling_actions",
        *_target_key(),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("action_id", sa.String(length=36), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("start_at", sa.Float(), nullable=True),
        sa.Column("end_at", sa.Float(), nullable=True),
        sa.Column("minimum", sa.Integer(), nullable=True),
        sa.Column("maximum", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint(*_KEY, "name", name=op.f("pk_autoscaling_actions")),
    )
    op.create_index("ix_autoscaling_actions_due_at", "autoscaling_actions", ["due_at"], unique=False)
    op.create_table(
        "autoscaling_activities",
        sa.Column("activity_id", sa.String(length=36), nullable=False),
        *_target_key(),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("ended_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("activity_id", name=op.f("pk_autoscaling_activities")),
    )
    op.create_index("ix_autoscaling_activities_started_at", "autoscaling_activities", ["started_at"], unique=False)


def downgrade() -> None:
    """Undo `upgrade`."""
    for table in ("autoscaling_activities", "autoscaling_actions", "autoscaling_policies", "autoscaling_targets"):
        op.drop_table(table)
