from __future__ import annotations

from pathlib import Path

from functory.aws.errors import AwsError
from functory.core.functions.terms import AsyncTerms
from functory.core.invocations.lineage import resource_id
from functory.core.invocations.outcome import Outcome, OutcomeKind
from functory.services.lambda_.async_target import Attempt, AttemptKind
from functory.services.lambda_.ports import AsyncEvent
from tests.support.lambda_service import REQUEST_ID, House, arn, run


def event(qualifier: str = "") -> AsyncEvent:
    return AsyncEvent(REQUEST_ID, "123456789012", "eu-central-1", "f", qualifier, b"[1]", "Root=1", 0.0)


async def attempt(house: House, qualifier: str = "") -> Attempt:
    return await house.service.async_target.attempt(event(qualifier))


def test_an_attempt_runs_the_function_under_the_events_request_id(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        result = await attempt(house)
        assert (result.kind, result.error, result.function_arn) == (AttemptKind.SUCCEEDED, "", arn("f", "$LATEST"))
        _, invocation = house.invoker.calls[-1]
        assert (invocation.request_id, invocation.payload) == (REQUEST_ID, b"[1]")
        assert invocation.trace_id == f"Root=1;Lineage=1:{resource_id(arn())}:0"
        assert invocation.invoked_arn == arn()
        assert await house.service.async_target.terms(event()) == AsyncTerms(2, 21_600, "", "")

    run(tmp_path, scenario)


def test_a_function_that_fails_is_told_from_one_that_could_not_run(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        failed = Outcome(OutcomeKind.FUNCTION_FAILED, REQUEST_ID, b"{}", "Unhandled", "ValueError")
        cases = {
            AttemptKind.FUNCTION_ERROR: failed,
            AttemptKind.THROTTLED: AwsError("TooManyRequestsException", "Rate Exceeded."),
            AttemptKind.SYSTEM_ERROR: AwsError("ServiceException", "no room"),
        }
        for kind, answer in cases.items():
            house.invoker.answer = answer
            result = await attempt(house)
            assert result.kind is kind
            assert result.error
            assert result.outcome is (failed if kind is AttemptKind.FUNCTION_ERROR else None)

    run(tmp_path, scenario)


def test_the_qualifier_is_resolved_at_every_attempt(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        await house.call("CreateAlias", FunctionName="f", Name="live", FunctionVersion="$LATEST")
        assert (await attempt(house, "live")).function_arn == arn("f", "$LATEST")
        await house.call("UpdateAlias", FunctionName="f", Name="live", FunctionVersion="1")
        assert (await attempt(house, "live")).function_arn == arn("f", "1")
        await house.call("DeleteAlias", FunctionName="f", Name="live")
        assert (await attempt(house, "live")).kind is AttemptKind.GONE

    run(tmp_path, scenario)


def test_a_function_that_is_not_ready_is_tried_again_later(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.create()
        assert (await attempt(house)).kind is AttemptKind.SYSTEM_ERROR
        assert house.invoker.calls == []

    run(tmp_path, scenario, jobs=False, pending_wait_s=0.001)
