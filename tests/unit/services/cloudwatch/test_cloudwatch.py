"""Metrics in, statistics out, as the model has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from botocore.validate import ParamValidator

from functory.aws import model
from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.metering import Sample
from functory.kernel.distribution import Distribution
from functory.services.cloudwatch.retention import Retention
from functory.services.cloudwatch.room import Room
from functory.services.cloudwatch.service import CloudWatchService
from tests.support.lambda_service import check_members
from tests.support.lambda_store import InlineStore, SetClock

NOW = 1_795_420_800.0
CONTEXT = CallContext("123456789012", "eu-west-1", "r")
OF_F = [{"Name": "FunctionName", "Value": "f"}]


class House:
    def __init__(self) -> None:
        self.store, self.clock = InlineStore(), SetClock(NOW)
        self.service = CloudWatchService(self.store, self.clock)
        self.retention = Retention(Room(self.store, self.clock))

    async def call(self, operation: str, **params: Any) -> dict[str, Any]:
        shapes = model.operation("cloudwatch", operation)
        report = ParamValidator().validate(params, shapes.input_shape)
        assert not report.has_errors(), report.generate_report()
        result = await self.service.operations[operation](CONTEXT, params)
        if shapes.output_shape is not None:
            check_members(shapes.output_shape, result, operation)
        return result

    async def put(self, *values: float, name: str = "m", age_s: float = 0, **more: Any) -> None:
        data = [{"MetricName": name, "Value": value, "Timestamp": self.clock.now - age_s, **more} for value in values]
        assert await self.call("PutMetricData", Namespace="own", MetricData=data) == {}

    async def statistics(
        self, period: int = 60, back_s: float = 3600, now: float = NOW, **more: Any
    ) -> list[dict[str, Any]]:
        asked = {"Namespace": "own", "MetricName": "m", "Period": period, **more}
        if "ExtendedStatistics" not in more:
            asked.setdefault("Statistics", ["Sum", "SampleCount"])
        answer = await self.call("GetMetricStatistics", StartTime=now - back_s, EndTime=now + 60, **asked)
        assert answer["Label"] == asked["MetricName"]
        points: list[dict[str, Any]] = answer["Datapoints"]
        return points

    async def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        with pytest.raises(AwsError) as refused:
            await self.service.operations[operation](CONTEXT, params)
        return refused.value.code, refused.value.message


def run(scenario: Callable[[House], Awaitable[None]]) -> None:
    async def main() -> None:
        house = House()
        await scenario(house)
        await house.store.close()

    asyncio.run(main())


def test_every_statistic_of_a_minute() -> None:
    async def scenario(house: House) -> None:
        await house.put(1.0, 2.0, 6.0, Unit="Count")
        await house.put(3.0, Unit="Count")
        every = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
        [point] = await house.statistics(Statistics=every)
        assert point == {
            "Timestamp": NOW,
            "SampleCount": 4.0,
            "Average": 3.0,
            "Sum": 12.0,
            "Minimum": 1.0,
            "Maximum": 6.0,
            "Unit": "Count",
        }
        assert await house.statistics(Unit="Bytes") == []
        assert await house.statistics(Dimensions=OF_F) == []

    run(scenario)


def test_percentiles_of_values_and_of_values_with_counts() -> None:
    async def scenario(house: House) -> None:
        data = [{"MetricName": "m", "Values": [10.0, 1000.0], "Counts": [99.0, 1.0]}]
        await house.call("PutMetricData", Namespace="own", MetricData=data)
        [point] = await house.statistics(ExtendedStatistics=["p50", "p99.5"])
        assert point["ExtendedStatistics"] == {
            "p50": pytest.approx(10, rel=0.01),
            "p99.5": pytest.approx(1000, rel=0.01),
        }
        summary = {"SampleCount": 2.0, "Sum": 3.0, "Minimum": 1.0, "Maximum": 2.0}
        await house.call("PutMetricData", Namespace="own", MetricData=[{"MetricName": "m", "StatisticValues": summary}])
        assert await house.statistics(ExtendedStatistics=["p50"]) == []
        assert (await house.statistics())[0]["Sum"] == 1993.0

    run(scenario)


def test_periods_begin_at_the_start_that_was_asked_for() -> None:
    async def scenario(house: House) -> None:
        for age in (0, 60, 120, 180, 240):
            await house.put(1.0, age_s=age)
        points = await house.statistics(period=180, back_s=300)
        assert [(point["Timestamp"] - NOW, point["Sum"]) for point in points] == [(-300, 2.0), (-120, 3.0)]

    run(scenario)


def test_metric_data_of_several_metrics_is_paged_in_one_order() -> None:
    async def scenario(house: House) -> None:
        for age in (0, 60):
            await house.put(1.0, 2.0, age_s=age)
            await house.put(5.0, name="n", age_s=age)

        def query(name: str, **more: Any) -> dict[str, Any]:
            stat = {"Metric": {"Namespace": "own", "MetricName": name}, "Period": 60, "Stat": "Sum"}
            return {"Id": name, "MetricStat": stat, **more}

        asked = {
            "MetricDataQueries": [query("m"), query("n", Label="second")],
            "StartTime": NOW - 600,
            "EndTime": NOW + 60,
        }
        whole = await house.call("GetMetricData", **asked)
        assert whole == {
            "MetricDataResults": [
                {"Id": "m", "Label": "m", "Timestamps": [NOW, NOW - 60], "Values": [3.0, 3.0], "StatusCode": "Complete"},
                {
                    "Id": "n",
                    "Label": "second",
                    "Timestamps": [NOW, NOW - 60],
                    "Values": [5.0, 5.0],
                    "StatusCode": "Complete",
                },
            ],
            "Messages": [],
        }
        seen: dict[str, list[float]] = {"m": [], "n": []}
        more: dict[str, Any] = {}
        for _ in range(2):
            page = await house.call("GetMetricData", **asked, MaxDatapoints=3, ScanBy="TimestampAscending", **more)
            for result in page["MetricDataResults"]:
                seen[result["Id"]] += result["Timestamps"]
            more = {"NextToken": page["NextToken"]} if "NextToken" in page else {}
        assert (seen, more) == ({"m": [NOW - 60, NOW], "n": [NOW - 60, NOW]}, {})
        assert await house.refused("GetMetricData", **asked, NextToken="?") == (
            "InvalidNextToken",
            "The token is not valid.",
        )

    run(scenario)


def test_lists_filter_and_forget_what_has_no_data() -> None:
    async def scenario(house: House) -> None:
        await house.put(1.0, name="old", age_s=4 * 3600)
        await house.put(1.0, name="new", Dimensions=OF_F)
        await house.put(1.0, name="new")
        new = {"Namespace": "own", "MetricName": "new"}
        both = [{**new, "Dimensions": OF_F}, {**new, "Dimensions": []}]
        assert (await house.call("ListMetrics", MetricName="new"))["Metrics"] == both
        assert (await house.call("ListMetrics", RecentlyActive="PT3H", Namespace="own"))["Metrics"] == both
        for dimensions in (OF_F, [{"Name": "FunctionName"}]):
            assert (await house.call("ListMetrics", Dimensions=dimensions))["Metrics"] == both[:1]
        assert (await house.call("ListMetrics", Dimensions=[{"Name": "FunctionName", "Value": "g"}])) == {"Metrics": []}
        assert len((await house.call("ListMetrics"))["Metrics"]) == 3
        house.clock.now += 15 * 86_400
        assert await house.call("ListMetrics") == {"Metrics": []}

    run(scenario)


def test_lists_go_on_where_a_page_ended() -> None:
    async def scenario(house: House) -> None:
        for begin in range(0, 501, 167):
            data = [{"MetricName": f"m{number}", "Value": 1.0} for number in range(begin, begin + 167)]
            await house.call("PutMetricData", Namespace="own", MetricData=data)
        first = await house.call("ListMetrics")
        second = await house.call("ListMetrics", NextToken=first["NextToken"])
        names = [metric["MetricName"] for page in (first, second) for metric in page["Metrics"]]
        assert (len(first["Metrics"]), len(names), len(set(names)), "NextToken" in second) == (500, 501, 501, False)

    run(scenario)


def test_old_points_become_coarser_and_go_in_the_end() -> None:
    async def scenario(house: House) -> None:
        await house.put(*[1.0] * 90, StorageResolution=1)
        await house.put(2.0, age_s=60)
        assert len(await house.statistics(period=1, back_s=300)) == 2
        for days, period in ((1, 60), (16, 300), (64, 3600)):
            house.clock.now = NOW + days * 86_400
            await house.retention.run()
            found = await house.statistics(period=60)
            assert [(point["Timestamp"], point["Sum"]) for point in found] == [(NOW - period, 2.0), (NOW, 90.0)]
        house.clock.now = NOW + 456 * 86_400
        await house.retention.run()
        assert await house.statistics(period=86_400, back_s=86_400) == []

    run(scenario)


def test_what_the_node_itself_measures_adds_up_over_parts_of_a_minute() -> None:
    async def scenario(house: House) -> None:
        for _ in range(2):
            values = Distribution()
            values.add(20.0, 2)
            of_f = (("FunctionName", "f"),)
            sample = Sample("123456789012", "eu-west-1", "Duration", of_f, "Milliseconds", int(NOW), values)
            await house.service.sink.keep([sample])
        [point] = await house.statistics(Namespace="AWS/Lambda", MetricName="Duration", Dimensions=OF_F)
        assert (point["Sum"], point["SampleCount"], point["Unit"]) == (80.0, 4.0, "Milliseconds")

    run(scenario)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ({"MetricName": "m"}, "MissingRequiredParameterException"),
        ({"MetricName": "m", "Value": 1.0, "Values": [1.0]}, "InvalidParameterCombinationException"),
        ({"MetricName": "m", "Value": float("nan")}, "InvalidParameterValueException"),
        ({"MetricName": "m", "Value": 2.0**361}, "InvalidParameterValueException"),
        ({"MetricName": "m", "Value": 1.0, "StorageResolution": 5}, "InvalidParameterValueException"),
        ({"MetricName": "m", "Value": 1.0, "Timestamp": NOW - 15 * 86_400}, "InvalidParameterValueException"),
        ({"MetricName": "m", "Value": 1.0, "Timestamp": NOW + 3 * 3600}, "InvalidParameterValueException"),
        ({"MetricName": "m", "Values": [1.0], "Counts": [1.0, 2.0]}, "InvalidParameterValueException"),
        ({"MetricName": "m", "Values": [1.0] * 151}, "InvalidParameterValueException"),
        ({"MetricName": "m", "Value": 1.0, "Dimensions": OF_F * 2}, "InvalidParameterValueException"),
    ],
)
def test_what_is_no_datum_changes_nothing(data: dict[str, Any], code: str) -> None:
    async def scenario(house: House) -> None:
        good = {"MetricName": "m", "Value": 1.0}
        assert (await house.refused("PutMetricData", Namespace="own", MetricData=[good, data]))[0] == code
        assert await house.call("ListMetrics") == {"Metrics": []}

    run(scenario)


def test_what_cannot_be_asked() -> None:
    async def scenario(house: House) -> None:
        assert (await house.refused("PutMetricData", Namespace="AWS/Lambda", MetricData=[]))[0] == (
            "InvalidParameterValueException"
        )
        asked = {"Namespace": "own", "MetricName": "m", "Statistics": ["Sum"], "EndTime": NOW}
        statistics = {**asked, "StartTime": NOW - 86_401}
        code, text = await house.refused("GetMetricStatistics", **statistics, Period=60)
        assert code == "InvalidParameterCombinationException"
        assert text.startswith("You have requested up to 1,441 datapoints, which exceeds the limit of 1,440.")
        assert (await house.refused("GetMetricStatistics", **statistics, Period=61))[0] == "InvalidParameterValueException"
        turned = {**statistics, "StartTime": NOW}
        assert (await house.refused("GetMetricStatistics", **turned, Period=60))[1] == (
            "The parameter StartTime must be less than the parameter EndTime."
        )
        queries = [{"Id": "e", "Expression": "m1 * 2"}]
        code, text = await house.refused("GetMetricData", MetricDataQueries=queries, StartTime=NOW - 60, EndTime=NOW)
        assert (code, "metric math is not supported" in text) == ("ValidationError", True)

    run(scenario)
