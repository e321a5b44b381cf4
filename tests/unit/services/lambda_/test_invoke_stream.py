"""InvokeWithResponseStream: what is refused, and the events of what ran."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from functory.core.invocations.outcome import Outcome, OutcomeKind
from functory.kernel.limits import SYNC_REQUEST_BYTES
from tests.support.lambda_service import House, run

OPERATION = "InvokeWithResponseStream"


async def events_of(house: House, **params: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Result and events of one call."""
    result = await house.service.operations[OPERATION](house.ctx, {"FunctionName": "f", **params})
    return result, [event async for event in result["EventStream"]]


def test_a_function_that_does_not_stream_is_one_chunk_and_an_empty_completion(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        result, events = await events_of(house, Payload=b'{"a":1}')
        assert (result["StatusCode"], result["ExecutedVersion"]) == (200, "$LATEST")
        assert events == [{"PayloadChunk": {"Payload": b'{"a":1}'}}, {"InvokeComplete": {}}]

    run(tmp_path, scenario)


def test_the_tail_is_in_the_completion(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        _, events = await events_of(house, LogType="Tail")
        assert events[-1] == {"InvokeComplete": {"LogResult": base64.b64encode(b"REPORT\n").decode()}}
        assert house.invoker.calls[-1][1].want_tail

    run(tmp_path, scenario)


def test_a_failed_function_is_told_in_the_completion_only(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        house.invoker.answer = Outcome(OutcomeKind.FUNCTION_FAILED, "id", b'{"errorType":"E"}', "Unhandled", "E")
        _, events = await events_of(house)
        assert events == [{"InvokeComplete": {"ErrorCode": "Unhandled", "ErrorDetails": '{"errorType":"E"}'}}]

    run(tmp_path, scenario)


def test_a_dry_run_runs_nothing(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        result = await house.service.operations[OPERATION](house.ctx, {"FunctionName": "f", "InvocationType": "DryRun"})
        assert result == {"StatusCode": 204}
        assert house.invoker.calls == []

    run(tmp_path, scenario)


def test_context_and_qualifier_reach_the_engine(tmp_path: Path) -> None:
    async def scenario(house: House) -> None:
        await house.created(Publish=True)
        context = base64.b64encode(b'{"custom":{}}').decode()
        result, _ = await events_of(house, Qualifier="1", ClientContext=context)
        version, invocation = house.invoker.calls[-1]
        assert (result["ExecutedVersion"], version.version) == ("1", "1")
        assert invocation.client_context == '{"custom":{}}'
        assert invocation.invoked_arn.endswith(":function:f:1")

    run(tmp_path, scenario)


@pytest.mark.parametrize(
    ("params", "code", "text"),
    [
        ({"FunctionName": "nobody"}, "ResourceNotFoundException", "Function not found: arn:aws:lambda:"),
        ({"Payload": b"{"}, "InvalidRequestContentException", "Could not parse request body into json"),
        ({"ClientContext": "no"}, "InvalidRequestContentException", "Client context must be"),
        (
            {"Payload": b"1" * (SYNC_REQUEST_BYTES + 1)},
            "RequestTooLargeException",
            "Request must be smaller than 6291456 bytes for the InvokeWithResponseStream operation",
        ),
        ({"TenantId": "t"}, "InvalidParameterValueException", "not enabled with tenancy"),
    ],
)
def test_what_cannot_run_is_an_ordinary_error(tmp_path: Path, params: dict[str, Any], code: str, text: str) -> None:
    async def scenario(house: House) -> None:
        await house.created()
        found, message = await house.refused(OPERATION, **{"FunctionName": "f", **params})
        assert found == code
        assert text in message
        assert house.invoker.calls == []

    run(tmp_path, scenario)
