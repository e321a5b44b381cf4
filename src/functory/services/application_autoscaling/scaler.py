"""The reconciler that scales: actions that are due, bounds that were changed, policies that see their metric off target.

**Theory.** One run looks at the rows and acts through the API of the services concerned, so that their rules hold. An action
that is due moves the bounds of its target and its own next time in one transaction; that the bounds are to be applied is in
the target's row until it was done, so a crash in between repeats it. Capacity is what the configuration of provisioned
concurrency asks for; no configuration is 0.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.calls import CallContext, Calls
from functory.kernel import log
from functory.services.application_autoscaling import rows, rules
from functory.services.application_autoscaling.activities import KEPT_S
from functory.services.application_autoscaling.records import Action, Activity, Policy, Target, TargetKey
from functory.services.application_autoscaling.room import Room
from functory.services.application_autoscaling.tracking import IN_MINUTES, MINUTE_S, Stats, TrackingPolicy, decide

EVERY_S = 10.0


class Scaler:
    """One run does everything that is due.

    Args:
        room: of the service.
        calls: the services of this node.
    """

    def __init__(self, room: Room, calls: Calls) -> None:
        self._room = room
        self._calls = calls
        self._log = log.get("services.application_autoscaling")

    async def run(self) -> None:
        """See the module."""
        store, now = self._room.store, self._room.clock.epoch_s()
        for action in await store.read(partial(rows.due_actions, now=now)):
            await store.write(partial(_fire, key=action.key, name=action.name, now=now, activity_id=self._room.ids.uuid()))
        for target in await store.read(rows.targets_to_apply):
            await self._apply(target)
        for policy in await store.read(rows.all_policies):
            await self._track(policy)
        await store.write(partial(rows.forget_activities, before=now - KEPT_S))

    async def _apply(self, target: Target) -> None:
        """Bring the capacity within the bounds of its target."""
        try:
            capacity = await self._capacity(target.key)
            wanted = min(max(capacity, target.minimum), target.maximum)
            if wanted != capacity:
                await self._scale(target.key, wanted, target.cause)
        except AwsError as error:
            await self._tell_failure(target.key, "Setting bounds.", target.cause, error)

        def done(conn: Connection) -> None:
            current = rows.get_target(conn, target.key)
            if current == target:
                rows.put_target(conn, msgspec.structs.replace(target, cause=""))

        await self._room.store.write(done)

    async def _track(self, policy: Policy) -> None:
        """Ask a policy what to do, and do it."""
        target = await self._room.store.read(lambda conn: rows.get_target(conn, policy.key))
        if target is None:
            return
        now, given = self._room.clock.epoch_s(), policy.configuration
        try:
            capacity = await self._capacity(policy.key)
            stats = Stats(capacity, await self._values(policy, now), policy.scaled_out_at, policy.scaled_in_at)
            wanted = decide(
                now,
                stats,
                TrackingPolicy(
                    given["TargetValue"],
                    target.minimum,
                    target.maximum,
                    given.get("ScaleOutCooldown", 0),
                    given.get("ScaleInCooldown", 0),
                    not target.suspended.scale_out,
                    not (target.suspended.scale_in or given.get("DisableScaleIn", False)),
                ),
            )
            if wanted == capacity:
                return
            await self._scale(policy.key, wanted, f"target tracking policy {policy.name} was triggered")
        except AwsError as error:
            await self._tell_failure(policy.key, "Following a target.", f"policy {policy.name}", error)
            return
        moved = {"scaled_out_at": now} if wanted > capacity else {"scaled_in_at": now}
        await self._room.store.write(partial(_moved, key=policy.key, name=policy.name, moved=moved))

    async def _values(self, policy: Policy, now: float) -> list[tuple[float, float]]:
        """The metric of a policy, minute by minute."""
        function, qualifier = rules.function_of(policy.key)
        own = policy.configuration.get("CustomizedMetricSpecification") or {
            "Namespace": "AWS/Lambda",
            "MetricName": "ProvisionedConcurrencyUtilization",
            "Dimensions": [
                {"Name": "FunctionName", "Value": function},
                {"Name": "Resource", "Value": f"{function}:{qualifier}"},
            ],
            "Statistic": "Average",
        }
        asked = {
            "Namespace": own["Namespace"],
            "MetricName": own["MetricName"],
            "Dimensions": own.get("Dimensions", []),
            "StartTime": now - (IN_MINUTES + 1) * MINUTE_S,
            "EndTime": now,
            "Period": int(MINUTE_S),
            "Statistics": [own["Statistic"]],
            **({"Unit": own["Unit"]} if "Unit" in own else {}),
        }
        answer = await self._call(policy.key, "cloudwatch", "GetMetricStatistics", asked)
        return [(rules.epoch(point["Timestamp"]), point[own["Statistic"]]) for point in answer["Datapoints"]]

    async def _capacity(self, key: TargetKey) -> int:
        name, qualifier = rules.function_of(key)
        asked = {"FunctionName": name, "Qualifier": qualifier}
        try:
            answer = await self._call(key, "lambda", "GetProvisionedConcurrencyConfig", asked)
        except AwsError as error:
            if error.code == "ProvisionedConcurrencyConfigNotFoundException":
                return 0
            raise
        return int(answer["RequestedProvisionedConcurrentExecutions"])

    async def _scale(self, key: TargetKey, wanted: int, cause: str) -> None:
        """Set the capacity, and tell of it."""
        began = self._room.clock.epoch_s()
        name, qualifier = rules.function_of(key)
        asked: dict[str, Any] = {"FunctionName": name, "Qualifier": qualifier}
        description = f"Setting desired concurrency to {wanted}."
        if wanted:
            asked["ProvisionedConcurrentExecutions"] = wanted
            await self._call(key, "lambda", "PutProvisionedConcurrencyConfig", asked)
        else:
            await self._call(key, "lambda", "DeleteProvisionedConcurrencyConfig", asked)
        message = f"Successfully set desired concurrency to {wanted}. Change successfully fulfilled by lambda."
        await self._tell(key, description, cause, "Successful", message, began)
        self._log.info("scaled", resource=key.resource_id, capacity=wanted, cause=cause)

    async def _tell_failure(self, key: TargetKey, description: str, cause: str, error: AwsError) -> None:
        self._log.warning("scaling_failed", resource=key.resource_id, reason=str(error))
        message = f"Failed to set desired concurrency. Reason: {error.message}"
        await self._tell(key, description, cause, "Failed", message, self._room.clock.epoch_s())

    async def _tell(self, key: TargetKey, description: str, cause: str, status: str, message: str, began: float) -> None:
        activity = Activity(
            key=key,
            activity_id=self._room.ids.uuid(),
            description=description,
            cause=cause,
            status=status,
            message=message,
            started_at=began,
            ended_at=self._room.clock.epoch_s(),
        )
        await self._room.store.write(partial(rows.add_activity, activity=activity))

    async def _call(self, key: TargetKey, service: str, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        context = CallContext(key.account_id, key.region, self._room.ids.uuid())
        return await self._calls.call(context, service, operation, params)


def _fire(conn: Connection, key: TargetKey, name: str, now: float, activity_id: str) -> None:
    """Part of a unit of work: move the bounds of an action's target, and the action to its next time."""
    action, target = rows.get_action(conn, key, name), rows.get_target(conn, key)
    if action is None or target is None or action.due_at is None or action.due_at > now:
        return
    due_at = rules.due_after(
        action.schedule,
        action.timezone,
        after=now,
        created_at=action.created_at,
        start_at=action.start_at,
        end_at=action.end_at,
    )
    rows.put_action(conn, msgspec.structs.replace(action, due_at=due_at))
    if target.suspended.scheduled:
        return
    minimum = target.minimum if action.minimum is None else action.minimum
    maximum = target.maximum if action.maximum is None else action.maximum
    cause = f"scheduled action name {name} was triggered"
    if minimum > maximum:
        rows.add_activity(conn, _refused(action, activity_id, cause, now))
        return
    rows.put_target(conn, msgspec.structs.replace(target, minimum=minimum, maximum=maximum, cause=cause))


def _refused(action: Action, activity_id: str, cause: str, now: float) -> Activity:
    return Activity(
        key=action.key,
        activity_id=activity_id,
        description="Setting bounds.",
        cause=cause,
        status="Failed",
        message="Failed to set bounds. Reason: Maximum capacity cannot be less than minimum capacity",
        started_at=now,
        ended_at=now,
    )


def _moved(conn: Connection, key: TargetKey, name: str, moved: dict[str, float]) -> None:
    """Part of a unit of work: note when a policy scaled."""
    policy = rows.get_policy(conn, key, name)
    if policy is not None:
        rows.put_policy(conn, msgspec.structs.replace(policy, **moved))
