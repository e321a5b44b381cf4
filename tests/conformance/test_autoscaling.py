"""Provisioned concurrency that scales by itself, set up with boto3."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import make_function
from tests.support.node import running_node, wait_for

WHERE = {
    "ServiceNamespace": "lambda",
    "ResourceId": "function:scaled:live",
    "ScalableDimension": "lambda:function:ProvisionedConcurrency",
}


def requested(client: Any) -> int:
    try:
        shown = client.get_provisioned_concurrency_config(FunctionName="scaled", Qualifier="live")
    except client.exceptions.ProvisionedConcurrencyConfigNotFoundException:
        return 0
    return int(shown["RequestedProvisionedConcurrentExecutions"])


def test_bounds_and_schedules_act_also_on_a_node_that_was_killed(tmp_path: Path) -> None:
    with running_node(tmp_path / "scaling") as node:
        client, scaling = node.client("lambda"), node.client("application-autoscaling")
        make_function(client, "scaled", Publish=True)
        client.create_alias(FunctionName="scaled", Name="live", FunctionVersion="1")
        arn = scaling.register_scalable_target(**WHERE, MinCapacity=1, MaxCapacity=5, Tags={"team": "a"})[
            "ScalableTargetARN"
        ]
        wait_for(lambda: requested(client) == 1, "the least capacity is provisioned")
        policy = scaling.put_scaling_policy(
            **WHERE,
            PolicyName="use",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration={
                "TargetValue": 0.7,
                "PredefinedMetricSpecification": {"PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
            },
        )
        assert policy["Alarms"] == []
        due = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(time.time() + 3))
        scaling.put_scheduled_action(
            **WHERE, ScheduledActionName="up", Schedule=due, ScalableTargetAction={"MinCapacity": 2}
        )
        node.kill()
        node.start()
        client, scaling = node.client("lambda"), node.client("application-autoscaling")
        wait_for(lambda: requested(client) == 2, "the scheduled action has run", 30)
        [target] = scaling.describe_scalable_targets(ServiceNamespace="lambda")["ScalableTargets"]
        assert (target["MinCapacity"], target["MaxCapacity"], target["ScalableTargetARN"]) == (2, 5, arn)
        assert scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "a"}
        newest = scaling.describe_scaling_activities(ServiceNamespace="lambda")["ScalingActivities"][0]
        assert newest["Description"] == "Setting desired concurrency to 2."
        assert newest["Cause"] == "scheduled action name up was triggered"
        with pytest.raises(scaling.exceptions.ValidationException, match="Unsupported service namespace"):
            scaling.describe_scalable_targets(ServiceNamespace="ecs")
        scaling.deregister_scalable_target(**WHERE)
        with pytest.raises(scaling.exceptions.ObjectNotFoundException, match="No scalable target registered"):
            scaling.put_scheduled_action(
                **WHERE, ScheduledActionName="x", Schedule="rate(1 day)", ScalableTargetAction={"MinCapacity": 1}
            )
        assert requested(client) == 2
