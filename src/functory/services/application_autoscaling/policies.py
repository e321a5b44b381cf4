"""PutScalingPolicy, DeleteScalingPolicy, DescribeScalingPolicies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.services.application_autoscaling import rows, rules
from functory.services.application_autoscaling.records import Policy
from functory.services.application_autoscaling.room import Room

TRACKING = "TargetTrackingScaling"


async def put_scaling_policy(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Differs: target tracking only; it looks at the metric itself, so there are no alarms."""
    key, now, policy_id = rules.target_key(ctx, params), room.clock.epoch_s(), room.ids.uuid()
    name = params["PolicyName"]
    _check_kind(params)

    def work(conn: Connection) -> Policy:
        if rows.get_target(conn, key) is None:
            raise rules.no_target(key)
        old = rows.get_policy(conn, key, name)
        if old is None and "PolicyType" not in params:
            raise rules.invalid("The policy type must be given for a new scaling policy")
        configuration = params.get("TargetTrackingScalingPolicyConfiguration") or (old.configuration if old else None)
        if configuration is None:
            raise rules.invalid("TargetTrackingScalingPolicyConfiguration must be given for a policy of that type")
        _check(configuration)
        policy = Policy(
            key=key,
            name=name,
            policy_id=old.policy_id if old else policy_id,
            configuration=configuration,
            created_at=old.created_at if old else now,
            scaled_out_at=old.scaled_out_at if old else 0.0,
            scaled_in_at=old.scaled_in_at if old else 0.0,
        )
        rows.put_policy(conn, policy)
        return policy

    policy = await room.store.write(work)
    room.nudge()
    return {"PolicyARN": rules.part_arn(key, "scalingPolicy", policy.policy_id, name), "Alarms": []}


def _check_kind(params: Mapping[str, Any]) -> None:
    kind = params.get("PolicyType", TRACKING)
    if kind != TRACKING:
        raise rules.invalid(f"Scaling policies of type {kind} are not supported by this version of Functory.")
    for other in ("StepScalingPolicyConfiguration", "PredictiveScalingPolicyConfiguration"):
        if other in params:
            raise rules.invalid(f"{other} cannot be given for a policy of type {TRACKING}")


def _check(configuration: Mapping[str, Any]) -> None:
    predefined = configuration.get("PredefinedMetricSpecification")
    own = configuration.get("CustomizedMetricSpecification")
    if (predefined is None) == (own is None):
        raise rules.invalid(
            "Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification must be specified"
        )
    target = configuration["TargetValue"]
    if predefined is not None:
        if predefined["PredefinedMetricType"] != rules.METRIC or "ResourceLabel" in predefined:
            raise rules.invalid(f"Invalid predefined metric: Lambda has {rules.METRIC}, without a resource label")
        if not 0.1 <= target <= 0.9:
            raise rules.invalid("Target value for this metric must be between 0.1 and 0.9")
    elif own is not None:
        if "Metrics" in own:
            raise rules.invalid("CustomizedMetricSpecification.Metrics: metric math is not supported by Functory.")
        if any(member not in own for member in ("MetricName", "Namespace", "Statistic")):
            raise rules.invalid("CustomizedMetricSpecification needs MetricName, Namespace and Statistic")
        if target <= 0:
            raise rules.invalid("Target value must be greater than 0")
    if any(configuration.get(member, 0) < 0 for member in ("ScaleOutCooldown", "ScaleInCooldown")):
        raise rules.invalid("Cooldowns must not be negative")


async def delete_scaling_policy(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """Forget a policy."""
    key, name = rules.target_key(ctx, params), params["PolicyName"]
    if not await room.store.write(lambda conn: rows.remove_policy(conn, key, name)):
        raise rules.absent("scaling policy found", key, f", policy name: {name}")
    return {}


async def describe_scaling_policies(room: Room, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
    """The policies."""
    rules.check_namespace(params)
    size, after = rules.page_size(params), rules.parse_token(params, ("", ""))
    found = await room.store.read(
        lambda conn: rows.list_policies(
            conn,
            ctx.account_id,
            ctx.region,
            resource_id=params.get("ResourceId", ""),
            names=params.get("PolicyNames", ()),
            after=after,
            limit=size + 1,
        )
    )
    shown: dict[str, Any] = {"ScalingPolicies": [_view(policy) for policy in found[:size]]}
    last = (found[size - 1].key.resource_id, found[size - 1].name) if len(found) > size else None
    return shown | ({"NextToken": rules.next_token(last)} if last else {})


def _view(policy: Policy) -> dict[str, Any]:
    return {
        "PolicyARN": rules.part_arn(policy.key, "scalingPolicy", policy.policy_id, policy.name),
        "PolicyName": policy.name,
        "ServiceNamespace": policy.key.namespace,
        "ResourceId": policy.key.resource_id,
        "ScalableDimension": policy.key.dimension,
        "PolicyType": TRACKING,
        "TargetTrackingScalingPolicyConfiguration": policy.configuration,
        "Alarms": [],
        "CreationTime": policy.created_at,
    }
