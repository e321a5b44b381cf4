"""Every modelled error of every operation: botocore raises the modelled class, with our text and members."""

from __future__ import annotations

import random
from typing import Any

import pytest

from functory.aws import model
from functory.aws.codec import serialize_error
from functory.aws.errors import AwsError
from tests.codec.botocore_client import WIRES, exceptions, operations, read_error
from tests.support.shape_values import ShapeValues, pruned, seed_of

TEXT = 'Rate <exceeded> & "so" on \u00e9'


def _members(shape: Any) -> dict[str, Any]:
    values = ShapeValues(random.Random(seed_of(shape.name)), "full", is_answer=True).structure(shape)
    return {name: value for name, value in values.items() if name.lower() != "message"}


@pytest.mark.parametrize(("name", "protocol"), WIRES)
def test_every_error_of_every_operation_raises_its_class(name: str, protocol: str | None) -> None:
    service = model.service(name)
    wire = protocol or service.protocol
    wrong = {}
    for operation in operations(service):
        if operation.http["method"] == "HEAD":
            continue
        for shape in operation.error_shapes:
            given = _members(shape)
            error = AwsError(shape.name, TEXT, members=given)
            response = serialize_error(service, wire, error, "id-1", operation)
            raised, parsed = read_error(operation, wire, response)
            expected = exceptions(service).from_code(shape.error_code).__name__
            arrived = {key: value for key, value in parsed.items() if key in given}
            shared_code = expected != shape.name
            if raised != expected or parsed["Error"]["Message"] != TEXT or parsed["ResponseMetadata"]["RequestId"] != "id-1":
                wrong[operation.name, shape.name] = parsed
            elif not shared_code and pruned(arrived) != pruned(given):
                wrong[operation.name, shape.name] = (given, arrived)
    assert wrong == {}


@pytest.mark.parametrize(("name", "protocol"), WIRES)
def test_every_error_has_the_status_of_its_model(name: str, protocol: str | None) -> None:
    service = model.service(name)
    wire = protocol or service.protocol
    for shape in service.error_shapes:
        response = serialize_error(service, wire, AwsError(shape.name, TEXT), "id-1")
        modelled = shape.metadata.get("error", {}).get("httpStatusCode")
        assert response.status == (modelled or (500 if shape._shape_model.get("fault") else 400)), shape.name


@pytest.mark.parametrize(("name", "protocol"), WIRES)
def test_a_code_without_shape_arrives_as_it_is(name: str, protocol: str | None) -> None:
    service = model.service(name)
    wire = protocol or service.protocol
    operation = operations(service)[0]
    response = serialize_error(service, wire, AwsError("UnheardOfException", TEXT, status=418), "id-1", operation)
    raised, parsed = read_error(operation, wire, response)
    assert (response.status, raised) == (418, "ClientError")
    assert (parsed["Error"]["Code"], parsed["Error"]["Message"]) == ("UnheardOfException", TEXT)
