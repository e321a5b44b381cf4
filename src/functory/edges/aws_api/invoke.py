"""Lambda's Invoke from headers and bytes: the short way past the model's codec."""

from __future__ import annotations

import urllib.parse
from typing import Protocol

from functory.aws.http import HttpRequest, HttpResponse
from functory.core.calls import CallContext


class InvokeAnswer(Protocol):
    """What the Lambda service answers."""

    @property
    def status(self) -> int:
        """HTTP status."""

    @property
    def payload(self) -> bytes:
        """The body."""

    def headers(self) -> list[tuple[str, str]]:
        """The operation's headers."""


class InvokeService(Protocol):
    """The Lambda service's fast path."""

    async def invoke(
        self,
        ctx: CallContext,
        function_name: str,
        qualifier: str = "",
        *,
        invocation_type: str = "RequestResponse",
        log_type: str = "None",
        client_context_b64: str = "",
        payload: bytes = b"",
        trace_id: str = "",
        tenant_id: str = "",
        durable_execution_name: str = "",
    ) -> InvokeAnswer:
        """Invoke a function with header values as they came."""


class InvokeRoute:
    """Implements ``pipeline.InvokeEntry``."""

    def __init__(self, service: InvokeService) -> None:
        self._service = service

    async def answer(self, ctx: CallContext, request: HttpRequest, function_name: str) -> HttpResponse:
        """See ``pipeline.InvokeEntry``."""
        get = request.headers.get
        qualifier = qualifier_of(request)
        answer = await self._service.invoke(
            ctx,
            function_name,
            qualifier,
            invocation_type=get("x-amz-invocation-type") or "RequestResponse",
            log_type=get("x-amz-log-type") or "None",
            client_context_b64=get("x-amz-client-context", ""),
            payload=request.body,
            trace_id=get("x-amzn-trace-id", ""),
            tenant_id=get("x-amz-tenant-id", ""),
            durable_execution_name=get("x-amz-durable-execution-name", ""),
        )
        headers = answer.headers()
        headers.append(("x-amzn-RequestId", ctx.request_id))
        return HttpResponse(answer.status, headers, answer.payload)


def qualifier_of(request: HttpRequest) -> str:
    """The ``Qualifier`` in the query, ``""`` for none."""
    return urllib.parse.parse_qs(request.query).get("Qualifier", [""])[0] if request.query else ""
