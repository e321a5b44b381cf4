import json
from typing import Any

import pytest

from functory.aws import model
from functory.aws.codec import parse_request, serialize_response
from functory.aws.codec.malformed import DEPTH_MAX, Malformed
from functory.aws.codec.trees import check_depth
from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from tests.unit.aws.codec.shapes_of import operation, structure


def nested(levels: int) -> Any:
    value: Any = []
    for level in range(levels - 1):
        value = [value] if level % 2 else {"a": value}
    return value


def test_depth_is_bounded_exactly() -> None:
    check_depth(nested(DEPTH_MAX))
    check_depth("scalar")
    with pytest.raises(Malformed):
        check_depth(nested(DEPTH_MAX + 2))


def test_recursive_shapes_are_read_and_written_to_the_bound() -> None:
    put, get = model.operation("dynamodb", "PutItem"), model.operation("dynamodb", "GetItem")

    def item(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {"S": "x"}
        for _ in range(levels):
            value = {"L": [value]}
        return {"Item": {"a": value}}

    body = json.dumps(item(32)).encode()
    assert parse_request(put, "json", HttpRequest("POST", "/", body=body), {}) == item(32)
    assert json.loads(serialize_response(get, "json", item(32), "id-1").body) == item(32)
    with pytest.raises(AwsError, match="nested too deeply"):
        parse_request(put, "json", HttpRequest("POST", "/", body=json.dumps(item(60)).encode()), {})


def test_documents_pass_as_they_are() -> None:
    document = {"type": "structure", "members": {}, "document": True}
    described = operation({"In": structure(free="Free"), "Out": structure(free="Free"), "Free": document})
    for value in ({"a": [1, 2.5, None, True]}, [1], "text", 1, False):
        body = json.dumps({"free": value}).encode()
        assert parse_request(described, "rest-json", HttpRequest("POST", "/", body=body), {}) == {"free": value}
        assert json.loads(serialize_response(described, "rest-json", {"free": value}, "id-1").body) == {"free": value}


def test_names_of_members_on_the_wire_come_from_the_model() -> None:
    shape = structure(inner={"shape": "Text", "locationName": "Outer"})
    described = operation({"In": shape, "Out": shape})
    assert parse_request(described, "json", HttpRequest("POST", "/", body=b'{"Outer":"a","inner":"b"}'), {}) == {
        "inner": "a"
    }
    assert serialize_response(described, "json", {"inner": "a"}, "id-1").body == b'{"Outer":"a"}'
