"""Every operation: what we serialise is read by botocore's parsers as the same result."""

from __future__ import annotations

import random

import pytest

from functory.aws import model
from functory.aws.codec import serialize_response
from tests.codec.botocore_client import WIRES, operations, read_answer, read_request_id
from tests.support.shape_values import Extent, ShapeValues, pruned, seed_of

BOTH_UNDER_ONE_NAME = "GetBucketNotification"  # deprecated; its members Event and Events are the same element
REQUEST_ID = "11111111-2222-3333-4444-555555555555"


@pytest.mark.parametrize("extent", ["minimal", "full", "some"])
@pytest.mark.parametrize(("name", "protocol"), WIRES)
def test_results_of_every_operation_arrive_unchanged(name: str, protocol: str | None, extent: Extent) -> None:
    service = model.service(name)
    wrong = {}
    for operation in operations(service):
        if operation.output_shape is None or operation.has_event_stream_output:
            continue
        wire = protocol or service.protocol
        values = ShapeValues(random.Random(seed_of(name, operation.name, extent)), extent, is_answer=True)
        given = values.structure(operation.output_shape)
        response = serialize_response(operation, wire, given, REQUEST_ID)
        received = read_answer(operation, wire, response)
        status = next((key for key, member in operation.output_shape.members.items() if _is_status(member)), None)
        if status is not None:
            given.setdefault(status, response.status)
        if (
            pruned(received) != pruned(_with_empty_payload(operation, given, received))
            and operation.name != BOTH_UNDER_ONE_NAME
        ):
            wrong[operation.name] = (given, received)
    assert wrong == {}


def _is_status(shape: object) -> bool:
    return shape.serialization.get("location") == "statusCode"  # type: ignore[attr-defined]


def _with_empty_payload(operation: object, given: dict, received: dict) -> dict:  # type: ignore[type-arg]
    """botocore shows a text or blob payload also when there is none."""
    payload = operation.output_shape.serialization.get("payload")  # type: ignore[attr-defined]
    if payload is not None and payload not in given and received.get(payload) in ("", b""):
        return {**given, payload: received[payload]}
    return given


@pytest.mark.parametrize(("name", "protocol"), WIRES)
def test_every_answer_carries_the_request_id(name: str, protocol: str | None) -> None:
    service = model.service(name)
    wire = protocol or service.protocol
    wrong = []
    for operation in operations(service):
        if operation.output_shape is None or operation.has_event_stream_output or operation.has_streaming_output:
            continue
        response = serialize_response(operation, wire, {}, REQUEST_ID)
        if read_request_id(operation, wire, response) != REQUEST_ID:
            wrong.append(operation.name)
    assert wrong == []


@pytest.mark.parametrize(("name", "protocol"), WIRES)
def test_operations_without_output_have_an_answer(name: str, protocol: str | None) -> None:
    service = model.service(name)
    wire = protocol or service.protocol
    for operation in operations(service):
        if operation.output_shape is None:
            response = serialize_response(operation, wire, {}, REQUEST_ID)
            assert read_answer(operation, wire, response) == {}
            assert response.status == operation.http.get("responseCode", 200)
