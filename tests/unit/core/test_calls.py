"""Calls from service to service, on behalf of somebody."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.calls import CallContext, Calls
from functory.core.identity.port import Caller, Principal, PrincipalKind

S3 = Caller(Principal(PrincipalKind.SERVICE, "", "s3.amazonaws.com"))
CONTEXT = CallContext("111122223333", "us-east-1", "r", caller=S3)


class Lambda:
    name = "lambda"

    def __init__(self) -> None:
        self.operations = {"Invoke": self.invoke}

    async def invoke(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        return {"Payload": f"{ctx.account_id} {params['FunctionName']}".encode()}


class Guard:
    def __init__(self, *, allows: bool) -> None:
        self.allows = allows

    async def allow(self, ctx: CallContext, service: str, operation: str, params: Mapping[str, Any]) -> CallContext:
        if not self.allows:
            raise AwsError("AccessDeniedException", f"{service}:{operation}")
        return replace(ctx, account_id="444455556666")


def call(guard: Guard | None, operation: str = "Invoke", ctx: CallContext = CONTEXT, **params: Any) -> dict[str, Any]:
    return asyncio.run(Calls([Lambda()], guard).call(ctx, "lambda", operation, params))


def test_the_guard_is_asked_and_says_where_the_call_runs() -> None:
    assert call(Guard(allows=True), FunctionName="f") == {"Payload": b"444455556666 f"}
    with pytest.raises(AwsError, match="lambda:Invoke"):
        call(Guard(allows=False), FunctionName="f")


def test_parameters_are_validated_first() -> None:
    with pytest.raises(AwsError, match="functionName"):
        call(Guard(allows=False))


def test_without_guard_or_caller_nothing_is_asked() -> None:
    assert call(None, FunctionName="f") == {"Payload": b"111122223333 f"}
    assert call(Guard(allows=False), ctx=replace(CONTEXT, caller=None), FunctionName="f") == {"Payload": b"111122223333 f"}


def test_an_operation_that_is_not_here() -> None:
    with pytest.raises(KeyError):
        call(None, "GetFunction", FunctionName="f")
