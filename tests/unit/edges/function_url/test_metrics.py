"""AWS's metrics of function URLs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from functory.core.functions.urls import FunctionUrl
from functory.core.metering import Metering, Sample
from functory.edges.function_url.metrics import UrlMetrics
from tests.support.lambda_store import SetClock


class Sink:
    def __init__(self) -> None:
        self.samples: list[Sample] = []

    async def keep(self, samples: Sequence[Sample]) -> None:
        self.samples += samples


def test_requests_errors_and_latency_are_counted_by_function_and_by_alias() -> None:
    async def run() -> None:
        sink = Sink()
        async with Metering(sink, SetClock()) as metering:
            metrics = UrlMetrics(metering)
            url = FunctionUrl("x" * 32, "111122223333", "eu-west-1", "f", "live")
            for status, latency_ms in ((200, 5.0), (403, 1.0), (502, 6.0), (204, 4.0)):
                metrics.answered(url, status, latency_ms)
        of_function = {sample.name: sample for sample in sink.samples if dict(sample.dimensions) == {"FunctionName": "f"}}
        counts = {name: sample.values.count for name, sample in of_function.items()}
        assert counts == {"UrlRequestCount": 4, "UrlRequestLatency": 4, "Url4xxCount": 1, "Url5xxCount": 1}
        assert of_function["UrlRequestLatency"].values.total == 16.0
        assert of_function["UrlRequestLatency"].unit == "Milliseconds"
        assert {"FunctionName": "f", "Resource": "f:live"} in [dict(sample.dimensions) for sample in sink.samples]

    asyncio.run(run())
