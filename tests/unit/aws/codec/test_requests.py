import base64
import gzip
from datetime import UTC, datetime
from typing import Any

import pytest

from functory.aws import model
from functory.aws.codec import parse_request
from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from tests.unit.aws.codec.shapes_of import operation, structure

EVERYTHING = structure(
    text="Text", number="Number", real="Real", flag="Flag", bytes="Bytes", moment="Moment", texts="Texts", map="TextMap"
)


def read(body: bytes, shape: dict[str, Any] = EVERYTHING, protocol: str = "json", **traits: Any) -> dict[str, Any]:
    request = HttpRequest("POST", "/", traits.pop("query", ""), traits.pop("headers", {}), body)
    labels = traits.pop("labels", {})
    return parse_request(operation({"In": shape}, **traits), protocol, request, labels)


def refusal(*arguments: Any, **named: Any) -> AwsError:
    with pytest.raises(AwsError) as caught:
        read(*arguments, **named)
    assert caught.value.status == 400
    return caught.value


def test_json_values_become_python_values() -> None:
    body = b"""{"text":"a","number":1,"real":2,"flag":true,"bytes":"aGk=","moment":1.5,
        "texts":["x"],"map":{"k":"v"},"unknown":[1]}"""
    assert read(body) == {
        "text": "a",
        "number": 1,
        "real": 2.0,
        "flag": True,
        "bytes": b"hi",
        "moment": datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC),
        "texts": ["x"],
        "map": {"k": "v"},
    }


def test_null_counts_as_absent_and_nothing_is_filled_in() -> None:
    assert read(b'{"text":null}') == {}
    assert read(b"") == {}
    assert read(b"{}") == {}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b'{"text":1}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"text":true}', "TRUE_VALUE can not be converted to a String"),
        (b'{"text":{}}', "Start of structure or map found where not expected."),
        (b'{"text":[]}', "Start of list found where not expected."),
        (b'{"number":"1"}', "STRING_VALUE can not be converted to an Integer"),
        (b'{"number":1.5}', "NUMBER_VALUE can not be converted to an Integer"),
        (b'{"number":99999999999999999999}', "NUMBER_VALUE can not be converted to an Integer"),
        (b'{"flag":"true"}', "STRING_VALUE can not be converted to a Boolean"),
        (b'{"real":"x"}', "STRING_VALUE can not be converted to a Double"),
        (b'{"bytes":"%"}', "Unable to decode base64 value"),
        (b'{"moment":"x"}', "Unable to parse timestamp"),
        (b'{"moment":true}', "TRUE_VALUE can not be converted to a Timestamp"),
        (b'{"texts":{}}', "Expected list or null"),
        (b'{"texts":[null]}', "A list must not contain null"),
        (b'{"map":[]}', "Expected map or null"),
        (b'{"map":{"a":null}}', "A map must have string keys and must not contain null"),
        (b"[]", "Unexpected value where a structure or map was expected"),
        (b"null", "Unexpected value where a structure or map was expected"),
    ],
)
def test_wrong_json_types_are_serialization_exceptions(body: bytes, text: str) -> None:
    error = refusal(body)
    assert (error.code, error.message) == ("SerializationException", text)


def test_whole_floats_are_integers_and_special_floats_have_names() -> None:
    assert read(b'{"number":3.0,"real":"-Infinity"}') == {"number": 3, "real": float("-inf")}


def test_the_last_of_repeated_keys_wins() -> None:
    assert read(b'{"text":"a","text":"b"}') == {"text": "b"}


def test_lambda_names_a_body_that_is_not_json() -> None:
    request = HttpRequest("POST", "/", body=b"{")
    with pytest.raises(AwsError) as caught:
        parse_request(model.operation("lambda", "CreateFunction"), "rest-json", request, {})
    assert caught.value.code == "InvalidRequestContentException"
    assert caught.value.message.startswith("Could not parse request body into json: ")


@pytest.mark.parametrize(
    ("protocol", "code"),
    [
        ("json", "SerializationException"),
        ("rest-json", "SerializationException"),
        ("smithy-rpc-v2-cbor", "SerializationException"),
        ("query", "MalformedInput"),
        ("ec2", "MalformedInput"),
        ("rest-xml", "MalformedXML"),
    ],
)
def test_every_protocol_has_its_code_for_unreadable_bodies(protocol: str, code: str) -> None:
    assert refusal(b"\xff\xff", protocol=protocol).code == code


REST = structure(
    label={"shape": "Text", "location": "uri", "locationName": "Label"},
    limit={"shape": "Number", "location": "querystring", "locationName": "max-items"},
    keys={"shape": "Texts", "location": "querystring", "locationName": "key"},
    since={"shape": "Moment", "location": "header", "locationName": "If-Modified-Since"},
    flags={"shape": "Texts", "location": "header", "locationName": "X-Flags"},
    meta={"shape": "TextMap", "location": "headers", "locationName": "X-Meta-"},
    context={"shape": "Text", "location": "header", "locationName": "X-Context", "jsonvalue": True},
    text="Text",
)


def test_rest_members_come_from_all_over_the_request() -> None:
    assert read(
        b'{"text":"t","label":"not from here"}',
        REST,
        "rest-json",
        query="max-items=3&key=a&key=b%20c&other=1",
        headers={
            "if-modified-since": "Thu, 01 Jan 1970 00:00:01 GMT",
            "x-flags": 'a, "b,\\"c" ,d',
            "x-meta-one": "1",
            "x-context": base64.b64encode(b'{"a":[1]}').decode(),
        },
        labels={"Label": "x/y"},
    ) == {
        "label": "x/y",
        "limit": 3,
        "keys": ["a", "b c"],
        "since": datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
        "flags": ["a", 'b,"c', "d"],
        "meta": {"one": "1"},
        "context": {"a": [1]},
        "text": "t",
    }


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"query": "max-items=x"}, "SerializationException"),
        ({"query": "key=%ff"}, "SerializationException"),
        ({"headers": {"if-modified-since": "x"}}, "SerializationException"),
        ({"headers": {"x-context": "%"}}, "SerializationException"),
    ],
)
def test_bad_parameters_outside_the_body_are_refused(named: dict[str, Any], code: str) -> None:
    assert refusal(b"", REST, "rest-json", **named).code == code
    assert refusal(b"", REST, "rest-xml", **named).code == "InvalidArgument"


def test_dates_in_a_header_list_keep_their_commas() -> None:
    shapes = {"Moments": {"type": "list", "member": {"shape": "Moment"}}}
    shape = structure(dates={"shape": "Moments", "location": "header", "locationName": "Dates"})
    request = HttpRequest("GET", "/", headers={"dates": "Thu, 01 Jan 1970 00:00:00 GMT, Thu, 01 Jan 1970 00:00:01 GMT"})
    parsed = parse_request(operation({"In": shape, **shapes}), "rest-json", request, {})
    assert [moment.second for moment in parsed["dates"]] == [0, 1]
    request.headers = {"dates": "1970-01-01T00:00:00Z, 1970-01-01T00:00:01Z"}
    parsed = parse_request(operation({"In": shape, **shapes}), "rest-json", request, {})
    assert [moment.second for moment in parsed["dates"]] == [0, 1]


def test_an_empty_blob_payload_is_there_only_when_it_must_be() -> None:
    optional = structure(body="Bytes") | {"payload": "body"}
    assert read(b"", optional, "rest-json") == {}
    assert read(b"x", optional, "rest-json") == {"body": b"x"}
    assert read(b"", optional | {"required": ["body"]}, "rest-json") == {"body": b""}


def test_query_forms_are_read_from_body_and_url() -> None:
    form = b"Action=Do&texts.member.2=b&texts.member.10=c&texts.member.1=a&map.entry.1.key=k&map.entry.1.value=v"
    expected = {"texts": ["a", "b", "c"], "map": {"k": "v"}, "number": 7}
    assert read(form, protocol="query", query="number=7") == expected
    assert read(b"", protocol="query", query="texts=") == {"texts": []}
    assert read(b"Texts.1=a&Texts.2=b", protocol="ec2") == {"texts": ["a", "b"]}


@pytest.mark.parametrize("form", [b"texts.member.x=a", b"map.entry.1.key=k", b"number=x", b"%ff=1"])
def test_bad_forms_are_refused(form: bytes) -> None:
    assert refusal(form, protocol="query").code == "MalformedInput"


def test_xml_is_read_without_regard_to_root_namespace_and_order() -> None:
    body = b"""<?xml version="1.0"?><a:Any xmlns:a="urn:x"><a:number> 1 </a:number><text>a&lt;<![CDATA[<b>]]></text>
        <texts><member>x</member></texts><map><entry><value>v</value><key>k</key></entry></map><other/></a:Any>"""
    assert read(body, protocol="rest-xml") == {"number": 1, "text": "a<<b>", "texts": ["x"], "map": {"k": "v"}}


def test_compressed_bodies_are_inflated() -> None:
    body = gzip.compress(b'{"text":') + gzip.compress(b'"a"}')
    assert read(body, headers={"content-encoding": "gzip"}) == {"text": "a"}


def test_a_body_stays_compressed_where_its_coding_is_data() -> None:
    body = gzip.compress(b"x")
    opaque = structure(body="Bytes") | {"payload": "body"}
    assert read(body, opaque, "rest-json", headers={"content-encoding": "gzip"}) == {"body": body}
    coding = {"shape": "Text", "location": "header", "locationName": "Content-Encoding"}
    bound = structure(coding=coding, text="Text")
    headers = {"content-encoding": "gzip"}
    assert read(b'{"text":"a"}', bound, "rest-json", headers=headers) == {"coding": "gzip", "text": "a"}


def test_an_operation_without_input_ignores_the_body() -> None:
    for protocol in ("json", "rest-json", "rest-xml", "query", "ec2", "smithy-rpc-v2-cbor"):
        assert parse_request(operation({}), protocol, HttpRequest("POST", "/", body=b"\xff"), {}) == {}
