"""AWS's metrics of function URLs: UrlRequestCount, Url4xxCount, Url5xxCount, UrlRequestLatency."""

from __future__ import annotations

from functory.core.functions.urls import FunctionUrl
from functory.core.metering import Metering


class UrlMetrics:
    """Counts what URLs were answered, by function and by function with alias."""

    def __init__(self, metering: Metering) -> None:
        self._metering = metering

    def answered(self, url: FunctionUrl, status: int, latency_ms: float) -> None:
        """Note one answer.

        Args:
            url: that was called.
            status: of the response.
            latency_ms: until its head was there; a streamed body comes later.
        """
        self._add(url, "UrlRequestCount", 1.0)
        self._add(url, "UrlRequestLatency", latency_ms, "Milliseconds")
        if status >= 400:
            self._add(url, "Url4xxCount" if status < 500 else "Url5xxCount", 1.0)

    def _add(self, url: FunctionUrl, metric: str, value: float, unit: str = "Count") -> None:
        resource = f"{url.name}:{url.qualifier}" if url.qualifier else url.name
        self._metering.add(url.account_id, url.region, metric, value, name=url.name, unit=unit, resource=resource)
