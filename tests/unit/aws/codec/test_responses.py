import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import cbor2
import pytest

from functory.aws import model
from functory.aws.codec import serialize_response
from functory.aws.http import HttpResponse
from tests.unit.aws.codec.shapes_of import operation, structure

EVERYTHING = structure(
    text="Text",
    number="Number",
    real="Real",
    flag="Flag",
    bytes="Bytes",
    moment="Moment",
    texts="Texts",
    map="TextMap",
    none="Text",
)
RESULT = {
    "text": "<\u00e9>",
    "number": 1,
    "real": 0.5,
    "flag": False,
    "bytes": b"hi",
    "moment": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    "texts": ["x"],
    "map": {"k": "v"},
    "none": None,
}


def write(result: dict[str, Any], protocol: str, shape: dict[str, Any] = EVERYTHING, **traits: Any) -> HttpResponse:
    return serialize_response(operation({"Out": shape}, protocol=protocol, **traits), protocol, result, "id-1")


def test_json_answers_have_epoch_seconds_and_base64() -> None:
    response = write(RESULT, "json", jsonVersion="1.1")
    assert json.loads(response.body) == {
        "text": "<\u00e9>",
        "number": 1,
        "real": 0.5,
        "flag": False,
        "bytes": "aGk=",
        "moment": 1,
        "texts": ["x"],
        "map": {"k": "v"},
    }
    assert response.headers == [("x-amzn-RequestId", "id-1"), ("Content-Type", "application/x-amz-json-1.1")]


def test_cbor_answers_have_tagged_timestamps() -> None:
    response = write(RESULT, "smithy-rpc-v2-cbor")
    assert cbor2.loads(response.body)["moment"] == RESULT["moment"]
    assert dict(response.headers) == {
        "x-amzn-RequestId": "id-1", "smithy-protocol": "rpc-v2-cbor", "Content-Type": "application/cbor",
    }  # fmt: skip


def test_query_answers_have_wrapper_and_metadata() -> None:
    response = write({"text": "a&b", "texts": ["x"]}, "query", xmlNamespace="urn:toy")
    assert response.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<DoResponse xmlns="urn:toy"><DoResult><text>a&amp;b</text>'
        "<texts><member>x</member></texts></DoResult>"
        "<ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DoResponse>"
    )
    assert response.header("content-type") == "text/xml"


def test_ec2_answers_have_the_request_id_first() -> None:
    response = write({"moment": 0}, "ec2", xmlNamespace="urn:toy")
    assert response.body.decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<DoResponse xmlns="urn:toy"><requestId>id-1</requestId>'
        "<moment>1970-01-01T00:00:00.000Z</moment></DoResponse>"
    )


REST = structure(
    status={"shape": "Number", "location": "statusCode"},
    tag={"shape": "Text", "location": "header", "locationName": "ETag"},
    changed={"shape": "Moment", "location": "header", "locationName": "Last-Modified"},
    flags={"shape": "Texts", "location": "header", "locationName": "X-Flags"},
    meta={"shape": "TextMap", "location": "headers", "locationName": "x-meta-"},
    text="Text",
)


def test_rest_members_go_to_status_headers_and_body() -> None:
    result = {"status": 202, "tag": '"1"', "changed": 0, "flags": ["a", 'b,"c'], "meta": {"one": "1"}, "text": "t"}
    response = write(result, "rest-json", REST)
    assert (response.status, response.body) == (202, b'{"text":"t"}')
    assert response.headers == [
        ("x-amzn-RequestId", "id-1"),
        ("ETag", '"1"'),
        ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"),
        ("X-Flags", 'a, "b,\\"c"'),
        ("x-meta-one", "1"),
        ("Content-Type", "application/json"),
    ]


def test_the_status_is_the_models_unless_a_member_says_another() -> None:
    assert write({}, "rest-json", REST, http={"responseCode": 201}).status == 201
    response = write({"status": 204}, "rest-json", REST, http={"responseCode": 201})
    assert (response.status, response.body, response.header("content-type")) == (204, b"", None)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\0", "a\x7f"])
def test_control_characters_never_reach_a_header(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        write({"tag": value}, "rest-json", REST)
    with pytest.raises(ValueError, match="control character"):
        write({"meta": {"x": value}}, "rest-json", REST)
    with pytest.raises(ValueError, match="control character"):
        write({"meta": {value: "x"}}, "rest-json", REST)


@pytest.mark.parametrize("protocol", ["json", "rest-json", "rest-xml", "query", "ec2", "smithy-rpc-v2-cbor"])
def test_members_that_the_model_has_not_are_a_bug(protocol: str) -> None:
    with pytest.raises(KeyError, match="invented"):
        write({"invented": 1}, protocol)
    nested = {"Out": structure(inner="Inner"), "Inner": structure(text="Text")}
    with pytest.raises(KeyError, match="invented"):
        serialize_response(operation(nested, protocol=protocol), protocol, {"inner": {"invented": 1}}, "id-1")


@pytest.mark.parametrize("protocol", ["json", "rest-json", "rest-xml", "query", "ec2", "smithy-rpc-v2-cbor"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"text": 1},
        {"number": "1"},
        {"number": True},
        {"flag": 1},
        {"bytes": "x"},
        {"texts": "abc"},
        {"texts": [None]},
        {"moment": "x"},
    ],
)
def test_values_of_another_type_are_a_bug(protocol: str, wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        write(wrong, protocol)


class Colour(StrEnum):
    RED = "red"


@pytest.mark.parametrize("protocol", ["json", "rest-json", "rest-xml", "query", "ec2", "smithy-rpc-v2-cbor"])
def test_enumerations_are_written_as_their_text(protocol: str) -> None:
    assert b"red" in write({"text": Colour.RED}, protocol).body


@pytest.mark.parametrize("protocol", ["json", "rest-json", "smithy-rpc-v2-cbor"])
def test_special_floats_survive(protocol: str) -> None:
    body = write({"real": float("inf")}, protocol).body
    assert (cbor2.loads(body)["real"] == float("inf")) if protocol.endswith("cbor") else body == b'{"real":"Infinity"}'


def test_xml_has_references_for_characters_that_xml_cannot_hold() -> None:
    body = write({"text": "a\r\x01&"}, "rest-xml").body.decode()
    assert "<text>a&#xd;&#x1;&amp;</text>" in body


def test_s3_has_its_own_ids_roots_and_location() -> None:
    response = serialize_response(model.operation("s3", "ListBuckets"), "rest-xml", {"Buckets": []}, "id-1")
    assert [name for name, _ in response.headers] == ["x-amz-request-id", "x-amz-id-2", "Content-Type"]
    assert b'<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Buckets></Buckets>' in response.body
    location = serialize_response(
        model.operation("s3", "GetBucketLocation"), "rest-xml", {"LocationConstraint": "eu-x-1"}, "id-1"
    )
    assert location.body.endswith(
        b'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">eu-x-1</LocationConstraint>'
    )


def test_a_blob_payload_may_be_a_stream() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"b"

    async def collect(response: HttpResponse) -> bytes:
        assert response.stream is not None
        return b"".join([piece async for piece in response.stream])

    response = write({"body": pieces()}, "rest-json", structure(body="Bytes") | {"payload": "body"})
    assert asyncio.run(collect(response)) == b"ab"
    assert response.header("content-type") == "application/octet-stream"


def test_payloads_of_text_and_bytes_are_raw() -> None:
    assert write({"body": b"\xff"}, "rest-json", structure(body="Bytes") | {"payload": "body"}).body == b"\xff"
    response = write({"body": "\u00e9"}, "rest-json", structure(body="Text") | {"payload": "body"})
    assert (response.body, response.header("content-type")) == ("\u00e9".encode(), "text/plain")


def test_lambda_invoke_answers_json() -> None:
    response = serialize_response(
        model.operation("lambda", "Invoke"), "rest-json", {"Payload": b"1", "StatusCode": 200}, "id-1"
    )
    assert (response.body, response.header("content-type")) == (b"1", "application/json")


@pytest.mark.parametrize("protocol", ["rest-json", "rest-xml"])
def test_an_answer_to_head_has_no_body(protocol: str) -> None:
    response = write({"text": "t"}, protocol, http={"method": "HEAD"})
    assert (response.body, response.header("content-type")) == (b"", None)
