"""Whatever the bytes are, a request is read or refused with an `AwsError` of status 400; nothing else escapes."""

from __future__ import annotations

import gzip
import json
import random
import string
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws import model
from functory.aws.codec import parse_request
from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from tests.codec.botocore_client import call
from tests.support.shape_values import ShapeValues

TARGETS = [
    ("lambda", "CreateFunction", "rest-json"),
    ("lambda", "ListFunctions", "rest-json"),
    ("apigateway", "GetExport", "rest-json"),
    ("lexv2-runtime", "StartConversation", "rest-json"),
    ("dynamodb", "TransactWriteItems", "json"),
    ("sts", "AssumeRole", "query"),
    ("iam", "SimulateCustomPolicy", "query"),
    ("sns", "Publish", "query"),
    ("ec2", "RunInstances", "ec2"),
    ("s3", "DeleteObjects", "rest-xml"),
    ("s3", "PutObject", "rest-xml"),
    ("s3", "SelectObjectContent", "rest-xml"),
    ("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor"),
    ("cloudwatch", "PutMetricData", "query"),
]
targets = st.sampled_from(TARGETS)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def read(target: tuple[str, str, str], request: HttpRequest, labels: dict[str, str] | None = None) -> Any:
    """The parameters, or the refusal after it was looked at."""
    service, name, protocol = target
    refusal = None
    try:
        params = parse_request(model.operation(service, name), protocol, request, labels or {})
    except AwsError as error:
        refusal = error
    if refusal is None:
        assert isinstance(params, dict)
        return params
    assert refusal.status == 400
    assert refusal.message
    return refusal


@settings(max_examples=400, deadline=None)
@given(target=targets, body=st.binary(max_size=200), query=st.text(string.printable, max_size=50))
def test_noise(target: tuple[str, str, str], body: bytes, query: str) -> None:
    read(target, HttpRequest("POST", "/", query, {}, body))


@settings(max_examples=300, deadline=None)
@given(target=targets, data=st.data(), seed=st.integers(0, 1000))
def test_damaged_requests(target: tuple[str, str, str], data: st.DataObject, seed: int) -> None:
    service, name, protocol = target
    operation = model.operation(service, name)
    if operation.has_event_stream_input:
        return
    sent = ShapeValues(random.Random(seed), "some").structure(operation.input_shape)
    request, labels = call(operation, protocol, sent)
    body = bytearray(request.body)
    for _ in range(data.draw(st.integers(1, 3))):
        if body:
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    read(target, HttpRequest(request.method, request.path, request.query, request.headers, bytes(body)), labels)


@settings(max_examples=300, deadline=None)
@given(target=targets, headers=st.dictionaries(st.sampled_from([
    "x-amz-mfa", "expires", "content-length", "content-encoding", "x-amz-meta-a", "if-match", "x-amz-bucket-key-enabled",
    "x-amz-object-lock-retain-until-date", "content-md5", "x-amz-client-context",
]), st.text()), label=st.text())  # fmt: skip
def test_odd_headers_and_labels(target: tuple[str, str, str], headers: dict[str, str], label: str) -> None:
    read(target, HttpRequest("POST", "/", "", headers, b""), {"FunctionName": label, "Bucket": label, "Key": label})


@settings(max_examples=200, deadline=None)
@given(value=json_values, member=st.sampled_from(["FunctionName", "Code", "Layers", "Timeout", "Tags", "Publish", ""]))
def test_json_of_any_type(value: Any, member: str) -> None:
    body = json.dumps({member: value} if member else value).encode("utf-8", "surrogatepass")
    read(TARGETS[0], HttpRequest("POST", "/", body=body))


@settings(max_examples=200, deadline=None)
@given(value=json_values | st.binary() | st.datetimes() | st.decimals() | st.uuids() | st.sets(st.integers()))
def test_cbor_of_any_type(value: Any) -> None:
    target = ("cloudwatch", "PutMetricData", "smithy-rpc-v2-cbor")
    body = cbor2.dumps({"Namespace": value, "MetricData": [{"MetricName": value, "Timestamp": value, "Value": value}]},
                       timezone=__import__("datetime").UTC)  # fmt: skip
    read(target, HttpRequest("POST", "/", body=body))


NESTED = 100_000
BOMBS = {
    "json lists": (TARGETS[0], b"[" * NESTED),
    "json maps": (TARGETS[4], b'{"TransactItems":' + b'[{"Put":{"Item":{"a":' + b'{"L":[' * 200 + b"]}" * 200 + b"}}}]}"),
    "json unknown member": (TARGETS[4], b'{"x":' + b"[" * NESTED + b"]" * NESTED + b"}"),
    "json long number": (TARGETS[0], b'{"Timeout":' + b"1" * 10_000 + b"}"),
    "json surrogate": (TARGETS[0], b'{"FunctionName":"\\ud800"}'),
    "json utf-8": (TARGETS[0], b'{"FunctionName":"\xff"}'),
    "json nan": (TARGETS[0], b'{"Timeout":NaN}'),
    "form depth": (TARGETS[6], b"ContextEntries" + b".member.1" * NESTED + b"=x"),
    "form fields": (TARGETS[5], b"a=1&" * 60_000),
    "form index": (TARGETS[5], b"PolicyArns.member." + b"9" * 5000 + b".arn=x"),
    "xml depth": (TARGETS[9], b"<a>" * NESTED),
    "xml elements": (TARGETS[9], b"<Delete>" + b"<a/>" * 600_000 + b"</Delete>"),
    "xml entities": (TARGETS[9], b'<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;&b;">]><Delete>&c;</Delete>'),
    "xml external": (TARGETS[9], b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><Delete/>'),
    "xml undefined entity": (TARGETS[9], b"<Delete>&nope;</Delete>"),
    "xml encoding": (TARGETS[9], b'<?xml version="1.0" encoding="nope"?><Delete/>'),
    "cbor depth": (TARGETS[12], b"\x81" * NESTED),
    "cbor length": (TARGETS[12], b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff"),
    "cbor tag": (TARGETS[12], cbor2.dumps({"Namespace": 2**70})),
    "cbor shared": (TARGETS[12], bytes.fromhex("d81c81d81d00")),
    "cbor tags": (TARGETS[12], b"\xc1" * NESTED + b"\x01"),
    "cbor trailing": (TARGETS[12], cbor2.dumps({}) + b"\x01"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused(name: str) -> None:
    target, body = BOMBS[name]
    assert isinstance(read(target, HttpRequest("POST", "/", body=body)), AwsError)


def test_documents_are_bounded_in_depth() -> None:
    operation = model.operation("bedrock-runtime", "Converse")
    deep: Any = 1
    for _ in range(99):
        deep = [deep]
    ok = {"additionalModelRequestFields": {"a": [1]}}
    request = HttpRequest("POST", "/", body=json.dumps(ok).encode())
    assert parse_request(operation, "rest-json", request, {}) == ok
    request = HttpRequest("POST", "/", body=json.dumps({"additionalModelRequestFields": {"a": deep}}).encode())
    with pytest.raises(AwsError, match="nested too deeply"):
        parse_request(operation, "rest-json", request, {})


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(b"\0" * 2_000_000),
        gzip.compress(b"{}")[:-4],
        b"not gzip",
        gzip.compress(b"") * 100,
        gzip.compress(b"{}") + b"rest",
    ],
)
def test_bad_compressed_bodies_are_refused(body: bytes) -> None:
    operation = model.operation("cloudwatch", "PutMetricData")
    request = HttpRequest("POST", "/", headers={"content-encoding": "gzip"}, body=body)
    with pytest.raises(AwsError) as caught:
        parse_request(operation, "json", request, {}, inflated_bytes_max=1_000_000)
    assert caught.value.code == "SerializationException"
