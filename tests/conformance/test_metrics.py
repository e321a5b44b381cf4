"""What functions did, read back with boto3 from CloudWatch."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.functions import call, make_function
from tests.support.node import Node, running_node, wait_for

FAILS = "def handler(event, context):\n    if event == 'fail':\n        raise ValueError(event)\n    return event\n"


def read(node: Node, metric: str, stat: str = "Sum", **dimensions: str) -> float:
    """One statistic of the last hour."""
    answer = node.client("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "q",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda",
                        "MetricName": metric,
                        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
                    },
                    "Period": 3600,
                    "Stat": stat,
                },
            }
        ],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
    )
    values: list[float] = answer["MetricDataResults"][0]["Values"]
    return values[0] if values else -1.0


def test_metrics_of_functions_are_kept_over_an_orderly_restart(tmp_path: Path) -> None:
    with running_node(tmp_path / "metrics", FUNCTORY_DELIVERIES_RETRY_BASE_S="0.01") as node:
        client = node.client("lambda")
        make_function(client, "f", FAILS, Publish=True)
        client.create_alias(FunctionName="f", Name="live", FunctionVersion="1")
        for _ in range(3):
            call(client, "f", 1)
        client.invoke(FunctionName="f", Qualifier="live", Payload=b'"fail"')
        client.invoke(FunctionName="f", InvocationType="Event", Payload=b'"fail"')
        wait_for(lambda: "async_event_dropped" in node.log_file.read_text(), "the event was given up")
        client.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
        with pytest.raises(client.exceptions.TooManyRequestsException):
            client.invoke(FunctionName="f")
        node.stop()
        node.start()
        function = {"FunctionName": "f"}
        alias = {**function, "Resource": "f:live"}
        assert read(node, "Invocations", **function) == read(node, "Invocations") == 7
        assert read(node, "Errors", **function) == 4
        assert read(node, "Throttles", **function) == 1
        assert read(node, "Invocations", **alias) == read(node, "Errors", **alias, ExecutedVersion="1") == 1
        assert read(node, "Duration", "SampleCount", **function, Resource="f") == 6
        assert 0 < read(node, "Duration", "p50", **function) <= read(node, "Duration", "p99", **function)
        assert read(node, "ConcurrentExecutions", "Maximum", **function) == 1
        assert read(node, "AsyncEventsReceived", **function) == read(node, "AsyncEventsDropped", **function) == 1
        names = {
            metric["MetricName"]
            for page in node.client("cloudwatch").get_paginator("list_metrics").paginate(Namespace="AWS/Lambda")
            for metric in page["Metrics"]
        }
        assert {"Invocations", "Duration", "ClaimedAccountConcurrency", "UnreservedConcurrentExecutions"} <= names


def test_own_metrics(node: Node) -> None:
    cloudwatch: Any = node.client("cloudwatch")
    dimensions = [{"Name": "Where", "Value": "here"}]
    data = [{"MetricName": "Things", "Dimensions": dimensions, "Values": [1.0, 5.0], "Counts": [3.0, 1.0], "Unit": "Count"}]
    cloudwatch.put_metric_data(Namespace="Own", MetricData=data)
    asked = {"Namespace": "Own", "MetricName": "Things", "Dimensions": dimensions, "Period": 3600}
    span = {"StartTime": time.time() - 1800, "EndTime": time.time() + 1800}
    [point] = cloudwatch.get_metric_statistics(**asked, **span, Statistics=["Sum", "Maximum", "SampleCount"])["Datapoints"]
    assert (point["Sum"], point["Maximum"], point["SampleCount"], point["Unit"]) == (8.0, 5.0, 4.0, "Count")
    [metric] = cloudwatch.list_metrics(Namespace="Own")["Metrics"]
    assert metric == {"Namespace": "Own", "MetricName": "Things", "Dimensions": dimensions}
    with pytest.raises(cloudwatch.exceptions.InvalidParameterValueException):
        cloudwatch.put_metric_data(Namespace="AWS/Own", MetricData=data)
    with contextlib.suppress(cloudwatch.exceptions.ClientError):
        cloudwatch.describe_alarms()
        pytest.fail("alarms do not exist yet")
