"""Targets, policies and actions, and what the scaler makes of them through the other services."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.validate import ParamValidator

from functory.aws import model
from functory.aws.errors import AwsError
from functory.core.calls import CallContext, Calls
from functory.kernel.ids import SeededIds
from functory.services.application_autoscaling.service import ApplicationAutoScalingService
from tests.support.lambda_service import check_members
from tests.support.lambda_store import InlineStore, SetClock

NOW = datetime(2026, 11, 25, 10, 0, 30, tzinfo=UTC).timestamp()
CONTEXT = CallContext("123456789012", "eu-west-1", "r")
WHERE = {
    "ServiceNamespace": "lambda",
    "ResourceId": "function:f:live",
    "ScalableDimension": "lambda:function:ProvisionedConcurrency",
}
POLICY = {
    "TargetValue": 0.7,
    "PredefinedMetricSpecification": {"PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
}


class Lambda:
    """Provisioned concurrency, and nothing else of Lambda."""

    name = "lambda"

    def __init__(self) -> None:
        self.capacity: int | None = None
        self.refusal: AwsError | None = None
        self.operations = {
            "GetProvisionedConcurrencyConfig": self.get,
            "PutProvisionedConcurrencyConfig": self.put,
            "DeleteProvisionedConcurrencyConfig": self.delete,
        }

    async def get(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        assert params == {"FunctionName": "f", "Qualifier": "live"}
        if self.capacity is None:
            raise AwsError("ProvisionedConcurrencyConfigNotFoundException", "none")
        return {"RequestedProvisionedConcurrentExecutions": self.capacity}

    async def put(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        self.capacity = params["ProvisionedConcurrentExecutions"]
        return {}

    async def delete(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        self.capacity = None
        return {}


class Metrics:
    """CloudWatch with one metric."""

    name = "cloudwatch"

    def __init__(self) -> None:
        self.values: list[tuple[float, float]] = []
        self.asked: dict[str, Any] = {}
        self.operations = {"GetMetricStatistics": self.get}

    async def get(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        self.asked = params
        [statistic] = params["Statistics"]
        return {"Datapoints": [{"Timestamp": at, statistic: value} for at, value in self.values]}


class House:
    def __init__(self) -> None:
        self.store, self.clock, self.ids = InlineStore(), SetClock(NOW), SeededIds(3)
        self.function, self.metrics = Lambda(), Metrics()
        self.calls = Calls([self.function, self.metrics])
        self.restart()

    def restart(self) -> None:
        self.service = ApplicationAutoScalingService(self.store, self.clock, self.ids, self.calls)

    async def call(self, operation: str, **params: Any) -> dict[str, Any]:
        shapes = model.operation("application-autoscaling", operation)
        report = ParamValidator().validate(params, shapes.input_shape)
        assert not report.has_errors(), report.generate_report()
        result = await self.service.operations[operation](CONTEXT, params)
        check_members(shapes.output_shape, result, operation)
        return result

    async def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as refused:
            await self.service.operations[operation](CONTEXT, params)
        return refused.value.code, refused.value.message

    async def register(self, low: int = 1, high: int = 10, **more: Any) -> str:
        answer = await self.call("RegisterScalableTarget", **WHERE, MinCapacity=low, MaxCapacity=high, **more)
        return str(answer["ScalableTargetARN"])

    async def later(self, seconds: float) -> None:
        self.clock.now += seconds
        await self.service.scaler.run()

    async def bounds(self) -> tuple[int, int]:
        [target] = (await self.call("DescribeScalableTargets", ServiceNamespace="lambda"))["ScalableTargets"]
        return target["MinCapacity"], target["MaxCapacity"]

    async def activities(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.call("DescribeScalingActivities", ServiceNamespace="lambda"))[
            "ScalingActivities"
        ]
        return found


def run(scenario: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        house = House()
        await scenario(house)
        await house.store.close()

    asyncio.run(main())


def test_a_target_is_made_changed_shown_and_forgotten() -> None:
    async def scenario(house: House) -> None:
        arn = await house.register(2, 5, SuspendedState={"DynamicScalingInSuspended": True})
        [shown] = (await house.call("DescribeScalableTargets", ServiceNamespace="lambda"))["ScalableTargets"]
        assert shown == {
            **WHERE,
            "MinCapacity": 2,
            "MaxCapacity": 5,
            "RoleARN": (
                "arn:aws:iam::123456789012:role/aws-service-role/lambda.application-autoscaling.amazonaws.com/"
                "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency"
            ),
            "CreationTime": NOW,
            "SuspendedState": {
                "DynamicScalingInSuspended": True,
                "DynamicScalingOutSuspended": False,
                "ScheduledScalingSuspended": False,
            },
            "ScalableTargetARN": arn,
        }
        assert (await house.call("RegisterScalableTarget", **WHERE, MaxCapacity=9))["ScalableTargetARN"] == arn
        assert await house.bounds() == (2, 9)
        await house.call("DeregisterScalableTarget", **WHERE)
        assert (await house.call("DescribeScalableTargets", ServiceNamespace="lambda")) == {"ScalableTargets": []}
        assert await house.refused("DeregisterScalableTarget", **WHERE) == (
            "ObjectNotFoundException",
            (
                "No scalable target registered for service namespace: lambda, resource ID: function:f:live, "
                "scalable dimension: lambda:function:ProvisionedConcurrency"
            ),
        )

    run(scenario)


def test_bounds_are_applied_once_and_told() -> None:
    async def scenario(house: House) -> None:
        await house.register(3, 10)
        await house.later(0)
        assert house.function.capacity == 3
        house.function.capacity = 20
        await house.later(60)
        assert house.function.capacity == 20
        await house.call("RegisterScalableTarget", **WHERE, MaxCapacity=8)
        await house.later(0)
        assert house.function.capacity == 8
        newest, first = await house.activities()
        assert (newest["Cause"], newest["StatusCode"]) == ("maximum capacity was set to 8", "Successful")
        assert first["Description"] == "Setting desired concurrency to 3."
        await house.register(0, 0)
        await house.later(0)
        assert house.function.capacity is None

    run(scenario)


def test_a_refused_change_is_told_and_not_repeated_for_ever() -> None:
    async def scenario(house: House) -> None:
        house.function.refusal = AwsError("InvalidParameterValueException", "no room")
        await house.register(3, 10)
        for _ in range(3):
            await house.later(10)
        [told] = await house.activities()
        assert (told["StatusCode"], told["StatusMessage"]) == (
            "Failed",
            "Failed to set desired concurrency. Reason: no room",
        )

    run(scenario)


def test_actions_move_the_bounds_when_they_are_due_also_after_a_restart() -> None:
    async def scenario(house: House) -> None:
        await house.register(1, 10)
        day = {"ScalableTargetAction": {"MinCapacity": 5}, "Timezone": "Europe/Berlin"}
        await house.call("PutScheduledAction", **WHERE, ScheduledActionName="up", Schedule="cron(5 11 * * ? *)", **day)
        night = {"ScalableTargetAction": {"MinCapacity": 0, "MaxCapacity": 2}}
        await house.call(
            "PutScheduledAction", **WHERE, ScheduledActionName="down", Schedule="at(2026-11-25T22:00:00)", **night
        )
        await house.later(0)
        assert house.function.capacity == 1
        await house.later(5 * 60 - 31)
        assert house.function.capacity == 1
        house.restart()
        await house.later(1)
        assert (house.function.capacity, await house.bounds()) == (5, (5, 10))
        await house.later(12 * 3600)
        assert (house.function.capacity, await house.bounds()) == (2, (0, 2))
        house.function.capacity = None
        await house.later(86_400)
        assert house.function.capacity is None, "max 2 and min 5 cannot both be"
        newest = (await house.activities())[0]
        assert (newest["StatusCode"], newest["Cause"]) == ("Failed", "scheduled action name up was triggered")
        shown = (await house.call("DescribeScheduledActions", **WHERE))["ScheduledActions"]
        assert [action["ScheduledActionName"] for action in shown] == ["down", "up"]
        assert shown[1]["Timezone"] == "Europe/Berlin"
        assert shown[1]["ScalableTargetAction"] == {"MinCapacity": 5}
        assert shown[1]["ScheduledActionARN"].endswith(":resource/lambda/function:f:live:scheduledActionName/up")

    run(scenario)


def test_a_rate_runs_between_its_start_and_end_and_not_while_suspended() -> None:
    async def scenario(house: House) -> None:
        await house.register(1, 10)
        span = {"StartTime": NOW + 600, "EndTime": NOW + 1300}
        action = {"Schedule": "rate(10 minutes)", "ScalableTargetAction": {"MinCapacity": 4}, **span}
        await house.call("PutScheduledAction", **WHERE, ScheduledActionName="r", **action)
        await house.later(599)
        assert await house.bounds() == (1, 10)
        await house.later(1)
        assert await house.bounds() == (4, 10)
        await house.register(1, 10, SuspendedState={"ScheduledScalingSuspended": True})
        await house.later(600)
        assert await house.bounds() == (1, 10)
        await house.call("RegisterScalableTarget", **WHERE, SuspendedState={"ScheduledScalingSuspended": False})
        await house.later(600)
        assert await house.bounds() == (1, 10)

    run(scenario)


def test_a_policy_follows_the_use_of_what_is_provisioned() -> None:
    async def scenario(house: House) -> None:
        await house.register(2, 10)
        await house.later(0)
        answer = await house.call(
            "PutScalingPolicy",
            **WHERE,
            PolicyName="p",
            PolicyType="TargetTrackingScaling",
            TargetTrackingScalingPolicyConfiguration=POLICY,
        )
        assert answer["Alarms"] == []
        assert answer["PolicyARN"].endswith(":resource/lambda/function:f:live:policyName/p")
        minute = NOW // 60 * 60
        house.metrics.values = [(minute - 60 * back, 1.0) for back in (3, 2, 1)]
        await house.later(0)
        assert house.function.capacity == 3
        assert house.metrics.asked["Dimensions"] == [
            {"Name": "FunctionName", "Value": "f"},
            {"Name": "Resource", "Value": "f:live"},
        ]
        house.restart()
        await house.later(10)
        assert house.function.capacity == 3, "judged by what it did"
        house.clock.now += 16 * 60
        house.metrics.values = [(house.clock.now // 60 * 60 - 60 * back, 0.1) for back in range(15, 0, -1)]
        await house.later(0)
        assert house.function.capacity == 2
        assert "target tracking policy p" in (await house.activities())[0]["Cause"]
        [shown] = (await house.call("DescribeScalingPolicies", **WHERE))["ScalingPolicies"]
        assert shown["TargetTrackingScalingPolicyConfiguration"] == POLICY
        await house.call("DeleteScalingPolicy", **WHERE, PolicyName="p")
        assert (await house.refused("DeleteScalingPolicy", **WHERE, PolicyName="p"))[1].endswith(", policy name: p")

    run(scenario)


def test_tags() -> None:
    async def scenario(house: House) -> None:
        arn = await house.register(1, 2, Tags={"a": "1"})
        await house.call("TagResource", ResourceARN=arn, Tags={"b": "2"})
        await house.call("UntagResource", ResourceARN=arn, TagKeys=["a"])
        assert await house.call("ListTagsForResource", ResourceARN=arn) == {"Tags": {"b": "2"}}
        assert (await house.refused("ListTagsForResource", ResourceARN=arn + "x"))[0] == "ResourceNotFoundException"
        many = {str(number): "" for number in range(51)}
        assert (await house.refused("TagResource", ResourceARN=arn, Tags=many))[0] == "TooManyTagsException"

    run(scenario)


def test_lists_go_on_where_a_page_ended() -> None:
    async def scenario(house: House) -> None:
        for number in range(3):
            where = {**WHERE, "ResourceId": f"function:f:{number}"}
            await house.call("RegisterScalableTarget", **where, MinCapacity=0, MaxCapacity=1)
            at = {"Schedule": "rate(1 day)", "ScalableTargetAction": {"MinCapacity": 1}}
            await house.call("PutScheduledAction", **where, ScheduledActionName="x", **at)
        for operation, member in (
            ("DescribeScalableTargets", "ScalableTargets"),
            ("DescribeScheduledActions", "ScheduledActions"),
        ):
            first = await house.call(operation, ServiceNamespace="lambda", MaxResults=2)
            rest = await house.call(operation, ServiceNamespace="lambda", NextToken=first["NextToken"])
            seen = [entry["ResourceId"] for entry in first[member] + rest[member]]
            assert (seen, "NextToken" in rest) == ([f"function:f:{number}" for number in range(3)], False)
        token = {"ServiceNamespace": "lambda", "NextToken": "?"}
        assert (await house.refused("DescribeScalableTargets", **token))[0] == "InvalidNextTokenException"

    run(scenario)


UP = {"ScheduledActionName": "a", "ScalableTargetAction": {"MinCapacity": 1}}


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("RegisterScalableTarget", {**WHERE, "ServiceNamespace": "ecs", "MinCapacity": 1, "MaxCapacity": 2}),
        ("RegisterScalableTarget", {**WHERE, "ScalableDimension": "ecs:service:DesiredCount", "MinCapacity": 1}),
        ("RegisterScalableTarget", {**WHERE, "ResourceId": "function:f", "MinCapacity": 1, "MaxCapacity": 2}),
        ("RegisterScalableTarget", {**WHERE, "ResourceId": "function:f:$LATEST", "MinCapacity": 1, "MaxCapacity": 2}),
        ("RegisterScalableTarget", {**WHERE, "MinCapacity": 11}),
        ("RegisterScalableTarget", {**WHERE, "MinCapacity": -1}),
        ("RegisterScalableTarget", {**WHERE, "Tags": {"a": "1"}}),
        ("PutScalingPolicy", {**WHERE, "PolicyName": "p"}),
        ("PutScalingPolicy", {**WHERE, "PolicyName": "p", "PolicyType": "StepScaling"}),
        ("PutScalingPolicy", {**WHERE, "PolicyName": "p", "PolicyType": "TargetTrackingScaling"}),
        ("PutScheduledAction", {**WHERE, **UP}),
        ("PutScheduledAction", {**WHERE, **UP, "Schedule": "hourly"}),
        ("PutScheduledAction", {**WHERE, **UP, "Schedule": "rate(1 hour)", "Timezone": "Mars/Olympus"}),
        ("PutScheduledAction", {**WHERE, **UP, "Schedule": "at(2026-11-25T10:00:00)"}),
        ("PutScheduledAction", {**WHERE, **UP, "Schedule": "rate(1 hour)", "StartTime": NOW + 1, "EndTime": NOW}),
        ("PutScheduledAction", {**WHERE, "ScheduledActionName": "a", "Schedule": "rate(1 hour)"}),
        ("DescribeScalableTargets", {"ServiceNamespace": "dynamodb"}),
        ("DescribeScalableTargets", {"ServiceNamespace": "lambda", "MaxResults": 51}),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(operation: str, params: dict[str, Any]) -> None:
    async def scenario(house: House) -> None:
        await house.register(1, 10)
        assert (await house.refused(operation, **params))[0] == "ValidationException"
        assert await house.bounds() == (1, 10)
        for listing, member in (("DescribeScalingPolicies", "Scaling"), ("DescribeScheduledActions", "Scheduled")):
            shown = await house.call(listing, ServiceNamespace="lambda")
            assert all(not value for key, value in shown.items() if key.startswith(member))

    run(scenario)


@pytest.mark.parametrize(
    "configuration",
    [
        {"TargetValue": 0.7},
        {**POLICY, "TargetValue": 0.95},
        {**POLICY, "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}},
        {**POLICY, "ScaleInCooldown": -1},
        {"TargetValue": 1.0, "CustomizedMetricSpecification": {"MetricName": "m", "Namespace": "n"}},
        {"TargetValue": 1.0, "CustomizedMetricSpecification": {"Metrics": []}},
    ],
)
def test_policies_that_cannot_be(configuration: dict[str, Any]) -> None:
    async def scenario(house: House) -> None:
        await house.register()
        asked = {"PolicyName": "p", "PolicyType": "TargetTrackingScaling"}
        code, _ = await house.refused(
            "PutScalingPolicy", **WHERE, **asked, TargetTrackingScalingPolicyConfiguration=configuration
        )
        assert code == "ValidationException"

    run(scenario)
