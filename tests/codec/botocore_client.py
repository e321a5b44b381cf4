"""The client's side of the wire, as botocore does it: serialise a call, read an answer, find the exception class."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlencode

import botocore.awsrequest
import botocore.errorfactory
import botocore.handlers
import botocore.parsers
import botocore.serialize
import botocore.utils

from functory.aws.http import HttpRequest, HttpResponse
from functory.aws.model import OperationModel, ServiceModel

SERVICES = [
    "apigateway",
    "apigatewayv2",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "dynamodbstreams",
    "events",
    "iam",
    "kinesis",
    "lambda",
    "logs",
    "s3",
    "scheduler",
    "sns",
    "sqs",
    "stepfunctions",
    "sts",
]
WIRES = [
    *((name, protocol) for name in SERVICES if name != "cloudwatch" for protocol in [None]),
    *(("cloudwatch", protocol) for protocol in ("smithy-rpc-v2-cbor", "json", "query")),
    ("ec2", None),
]
EC2_OPERATIONS = [
    "AllocateAddress",
    "AuthorizeSecurityGroupIngress",
    "CreateFleet",
    "CreateLaunchTemplate",
    "CreateNetworkInterface",
    "CreateSecurityGroup",
    "CreateSnapshot",
    "CreateSubnet",
    "CreateTags",
    "CreateVpc",
    "CreateVpcEndpoint",
    "DeleteSecurityGroup",
    "DescribeAvailabilityZones",
    "DescribeImages",
    "DescribeInstanceTypes",
    "DescribeInstances",
    "DescribeNetworkInterfaces",
    "DescribeRegions",
    "DescribeRouteTables",
    "DescribeSecurityGroups",
    "DescribeSpotPriceHistory",
    "DescribeSubnets",
    "DescribeTags",
    "DescribeVolumes",
    "DescribeVpcs",
    "GetConsoleOutput",
    "ModifyInstanceAttribute",
    "RunInstances",
    "TerminateInstances",
]


def operations(service: ServiceModel) -> list[OperationModel]:
    """What of a service is tested: everything, but of EC2 a couple of dozen."""
    names = EC2_OPERATIONS if service.service_name == "ec2" else service.operation_names
    return [service.operation_model(name) for name in names]


def call(operation: OperationModel, protocol: str, params: Mapping[str, Any]) -> tuple[HttpRequest, dict[str, str]]:
    """The request botocore makes, and the path labels a router finds in it."""
    serializer = botocore.serialize.create_serializer(protocol, include_validation=False)
    made = serializer.serialize_to_request(params, operation)
    path, _, literal = made["url_path"].partition("?")
    query = made["query_string"]
    if isinstance(query, dict):
        query = botocore.utils.percent_encode_sequence(query)
    body = made["body"]
    if isinstance(body, dict):
        body = urlencode(body, doseq=True)
    return (
        HttpRequest(
            made["method"],
            path,
            "&".join(part for part in (literal, query) if part),
            {name.lower(): str(value) for name, value in made["headers"].items()},
            body.encode() if isinstance(body, str) else bytes(body),
        ),
        _labels(operation, protocol, path),
    )


def _labels(operation: OperationModel, protocol: str, path: str) -> dict[str, str]:
    if not protocol.startswith("rest-"):
        return {}
    template = operation.http["requestUri"].partition("?")[0]
    pieces = re.split(r"\{(.*?)\}", template)  # text and label by turns
    names = [label.removesuffix("+") for label in pieces[1::2]]
    pieces[1::2] = ["(.+)" if label.endswith("+") else "([^/]+)" for label in pieces[1::2]]
    pieces[::2] = map(re.escape, pieces[::2])
    pattern = "".join(pieces)
    found = re.fullmatch(pattern, path)
    assert found is not None, (template, path)
    return dict(zip(names, map(unquote, found.groups()), strict=True))


def read_answer(operation: OperationModel, protocol: str, response: HttpResponse, stream: bytes = b"") -> dict[str, Any]:
    """What botocore's parser makes of a successful answer; streamed blobs are read to their end."""
    parser = botocore.parsers.create_parser(protocol)
    body: Any = response.body
    if operation.has_event_stream_output:
        body = RawStream(stream)
    elif operation.has_streaming_output:
        body = io.BytesIO(response.body)
    parsed = parser.parse(_parts(operation, response, body), operation.output_shape)
    if operation.service_model.service_name == "s3" and operation.name == "GetBucketLocation":
        raw = botocore.awsrequest.AWSResponse("", response.status, {}, io.BytesIO(response.body))
        raw._content = response.body
        botocore.handlers.parse_get_bucket_location(parsed, raw)
    assert parsed.pop("ResponseMetadata")["HTTPStatusCode"] == response.status
    return {name: value.read() if isinstance(value, io.BytesIO) else value for name, value in parsed.items()}


def read_request_id(operation: OperationModel, protocol: str, response: HttpResponse) -> str:
    """The request id botocore finds in an answer."""
    parser = botocore.parsers.create_parser(protocol)
    parsed = parser.parse(_parts(operation, response, response.body), operation.output_shape)
    return str(parsed["ResponseMetadata"]["RequestId"])


def read_error(operation: OperationModel, protocol: str, response: HttpResponse) -> tuple[str, dict[str, Any]]:
    """The name of the exception class that a client raises, and everything the parsed error says."""
    service = operation.service_model
    parser = botocore.parsers.create_parser(protocol)
    parts = _parts(operation, response, response.body)
    parsed = parser.parse(parts, operation.output_shape)
    code = parsed["Error"]["Code"]
    shape = service.shape_for_error_code(code)
    if shape is not None:
        parsed.update(parser.parse(parts, shape))
    context: dict[str, Any] = {}
    if service.service_name == "sqs":
        botocore.handlers._handle_sqs_compatible_error(parsed, context)
    return exceptions(service).from_code(context.get("error_code_override") or code).__name__, parsed


def exceptions(service: ServiceModel) -> Any:
    """``client.exceptions`` of the service."""
    return botocore.errorfactory.ClientExceptionsFactory().create_client_exceptions(service)


def _parts(operation: OperationModel, response: HttpResponse, body: Any) -> dict[str, Any]:
    return {
        "headers": botocore.awsrequest.HeadersDict(response.headers),
        "status_code": response.status,
        "body": body,
        "context": {"operation_name": operation.name},
    }


class RawStream:
    """A streamed body that arrives in small pieces."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def stream(self) -> Any:
        for start in range(0, len(self._data), 7):
            yield self._data[start : start + 7]

    def close(self) -> None:
        self._data = b""
