from __future__ import annotations

from pathlib import Path

import pytest

from functory.aws.errors import AwsError
from functory.core.invocations.lineage import resource_id
from tests.support.lambda_service import House, arn, run

LOOP = f"Root=1;Lineage=1:{resource_id(arn())}:15"


def test_loops_are_ended_unless_that_is_configured_away(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        assert await house.call("GetFunctionRecursionConfig", FunctionName="f") == {"RecursiveLoop": "Terminate"}
        with pytest.raises(AwsError, match="recursive loop") as refused:
            await house.service.invoke_api.invoke(house.ctx, "f", trace_id=LOOP)
        assert refused.value.code == "RecursiveInvocationException"
        assert house.invoker.calls == []
        for asked, calls in (("Allow", 1), ("Terminate", 1)):
            put = await house.call("PutFunctionRecursionConfig", FunctionName=arn(), RecursiveLoop=asked)
            assert put == await house.call("GetFunctionRecursionConfig", FunctionName="f") == {"RecursiveLoop": asked}
            if asked == "Allow":
                await house.service.invoke_api.invoke(house.ctx, "f", trace_id=LOOP)
            assert len(house.invoker.calls) == calls
        await house.call("DeleteFunction", FunctionName="f")
        gone = ("ResourceNotFoundException", f"Function not found: {arn()}")
        assert await house.refused("GetFunctionRecursionConfig", FunctionName="f") == gone
        assert await house.refused("PutFunctionRecursionConfig", FunctionName="f", RecursiveLoop="Allow") == gone

    run(tmp_path, scenario)


def test_without_a_header_a_chain_begins(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        answer = await house.service.invoke_api.invoke(house.ctx, "f")
        _, invocation = house.invoker.calls[-1]
        assert invocation.trace_id == answer.trace_id
        assert answer.trace_id.startswith("Root=1-")
        assert answer.trace_id.endswith(f";Sampled=0;Lineage=1:{resource_id(arn())}:0")

    run(tmp_path, scenario)
