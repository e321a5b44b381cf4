"""The table of the Application Auto Scaling API, and the owner of its background work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Any, Self

from functory.core.calls import CallContext, Calls, Operation
from functory.core.reconcile.job import Job
from functory.kernel.clock import Clock
from functory.kernel.ids import Ids
from functory.services.application_autoscaling import actions, activities, policies, tags, targets
from functory.services.application_autoscaling.room import Room
from functory.services.application_autoscaling.scaler import EVERY_S, Scaler
from functory.store.port import Store

_RoomOperation = Callable[[Room, CallContext, dict[str, Any]], Awaitable[dict[str, Any]]]

OPERATIONS: Mapping[str, _RoomOperation] = {
    "DeleteScalingPolicy": policies.delete_scaling_policy,
    "DeleteScheduledAction": actions.delete_scheduled_action,
    "DeregisterScalableTarget": targets.deregister_scalable_target,
    "DescribeScalableTargets": targets.describe_scalable_targets,
    "DescribeScalingActivities": activities.describe_scaling_activities,
    "DescribeScalingPolicies": policies.describe_scaling_policies,
    "DescribeScheduledActions": actions.describe_scheduled_actions,
    "ListTagsForResource": tags.list_tags_for_resource,
    "PutScalingPolicy": policies.put_scaling_policy,
    "PutScheduledAction": actions.put_scheduled_action,
    "RegisterScalableTarget": targets.register_scalable_target,
    "TagResource": tags.tag_resource,
    "UntagResource": tags.untag_resource,
}


class ApplicationAutoScalingService:
    """Application Auto Scaling as a `functory.core.calls.Service`. An async context manager: inside it, it scales.

    Args:
        calls: the services of this node.
    """

    def __init__(self, store: Store, clock: Clock, ids: Ids, calls: Calls) -> None:
        self.name = "application-autoscaling"
        room = Room(store, clock, ids, self._nudge)
        self.scaler = Scaler(room, calls)
        self._job = Job("application-autoscaling.scale", self.scaler.run, every_s=EVERY_S)
        self.operations: Mapping[str, Operation] = {name: partial(call, room) for name, call in OPERATIONS.items()}

    def _nudge(self) -> None:
        self._job.nudge()

    async def __aenter__(self) -> Self:
        await self._job.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._job.__aexit__(kind, error, trace)
