"""botocore writes every operation of every service we mean to offer; the router must read back the same one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest, prepare_request_dict
from botocore.credentials import Credentials
from botocore.serialize import create_serializer

from functory.aws import model
from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from functory.aws.routing import Route, Router
from tests.support.routing_values import all_params, minimal_params

SERVICES = (
    "lambda",
    "logs",
    "sts",
    "iam",
    "s3",
    "sqs",
    "sns",
    "events",
    "scheduler",
    "dynamodb",
    "dynamodbstreams",
    "kinesis",
    "cloudwatch",
    "stepfunctions",
    "apigateway",
    "apigatewayv2",
    "cloudformation",
)
# The same request on the wire; the deprecated operation cannot be told from its successor.
SAME_ON_THE_WIRE = {
    ("s3", "GetBucketLifecycle"): "GetBucketLifecycleConfiguration",
    ("s3", "PutBucketLifecycle"): "PutBucketLifecycleConfiguration",
    ("s3", "GetBucketNotification"): "GetBucketNotificationConfiguration",
    ("s3", "PutBucketNotification"): "PutBucketNotificationConfiguration",
}
SIGNING_NAMES = {("s3", "ListDirectoryBuckets"): "s3express", ("s3", "WriteGetObjectResponse"): "s3-object-lambda"}
ACCOUNT, REGION = "123456789012", "eu-central-1"
PROTOCOLS = [
    (name, protocol) for name in SERVICES for protocol in model.service(name).metadata.get("protocols", ["rest-json"])
]


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(SERVICES)


def written(
    service: str,
    operation: str,
    params: dict[str, Any],
    *,
    protocol: str | None = None,
    endpoint: str = "http://localhost:4566",
    virtual_host: bool = False,
    signed: bool = True,
) -> HttpRequest:
    """The request botocore would send, taken down to the values a server sees."""
    shape = model.operation(service, operation)
    metadata = model.service(service).metadata
    serializer = create_serializer(protocol or metadata["protocol"], include_validation=False)
    parts = serializer.serialize_to_request(dict(params), shape)
    if virtual_host and "Bucket" in params and parts["url_path"].startswith("/{Bucket}".format(**params)):
        parts["url_path"] = parts["url_path"].removeprefix("/" + params["Bucket"]) or "/"
        endpoint = endpoint.replace("://", f"://{params['Bucket']}.")
    prepare_request_dict(parts, endpoint_url=endpoint, user_agent="test", context={})
    prepared = AWSRequest(
        method=parts["method"],
        url=parts["url"],
        data=parts["body"],
        headers={**parts["headers"], "Host": urlsplit(endpoint).netloc},
    )
    if signed:
        name = SIGNING_NAMES.get((service, operation)) or metadata.get("signingName") or metadata["endpointPrefix"]
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(Credentials(ACCOUNT, "secret"), name, REGION).add_auth(prepared)
    sent = prepared.prepare()
    url = urlsplit(sent.url)
    body = sent.body if isinstance(sent.body, bytes) else (sent.body or "").encode() if isinstance(sent.body, str) else b""
    headers = {
        key.lower(): value.decode() if isinstance(value, bytes) else str(value) for key, value in sent.headers.items()
    }
    return HttpRequest(sent.method, url.path or "/", url.query, headers, body)


def routed(router: Router, request: HttpRequest) -> Route:
    route = router.route(request, "000000000000", "us-east-1")
    assert route is not None, request
    return route


def expected(service: str, operation: str) -> tuple[str, str]:
    return service, SAME_ON_THE_WIRE.get((service, operation), operation)


def params_of(service: str, operation: str, *, full: bool = False) -> dict[str, Any]:
    shape = model.operation(service, operation).input_shape
    return all_params(shape) if full else minimal_params(shape)


@pytest.mark.parametrize(("service", "protocol"), PROTOCOLS)
def test_every_signed_operation_comes_back(router: Router, service: str, protocol: str) -> None:
    wrong = {}
    for operation in model.service(service).operation_names:
        route = routed(router, written(service, operation, params_of(service, operation), protocol=protocol))
        if (route.service, route.operation) != expected(service, operation):
            wrong[operation] = route
        assert (route.protocol, route.account_id, route.region) == (protocol, ACCOUNT, REGION)
    assert wrong == {}


@pytest.mark.parametrize("service", SERVICES)
def test_optional_parameters_do_not_change_the_operation(router: Router, service: str) -> None:
    wrong = {}
    for operation in model.service(service).operation_names:
        params = params_of(service, operation, full=True)
        route = routed(router, written(service, operation, params))
        if (route.service, route.operation) != expected(service, operation):
            wrong[operation] = route
    assert wrong == {}


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://localhost:4566",
        "https://s3.eu-west-3.amazonaws.com",
        "http://s3.localhost",
        "http://s3.localhost.localstack.cloud:4566",
    ],
)
def test_every_s3_operation_comes_back_with_the_bucket_in_the_host(router: Router, endpoint: str) -> None:
    wrong = {}
    for operation in model.service("s3").operation_names:
        params = params_of("s3", operation)
        route = routed(router, written("s3", operation, params, endpoint=endpoint, virtual_host=True))
        if (route.service, route.operation) != expected("s3", operation):
            wrong[operation] = route
        if "Bucket" in params:
            assert route.path_params["Bucket"] == params["Bucket"]
        if "Key" in params:
            assert route.path_params["Key"] == params["Key"]
    assert wrong == {}


@pytest.mark.parametrize(
    "service", ["lambda", "logs", "sqs", "events", "dynamodb", "dynamodbstreams", "kinesis", "cloudwatch"]
)
def test_unsigned_requests_are_recognised_by_target_or_path(router: Router, service: str) -> None:
    for operation in model.service(service).operation_names:
        params = params_of(service, operation)
        route = routed(router, written(service, operation, params, signed=False))
        assert (route.service, route.operation) == (service, operation)
        assert (route.account_id, route.region, route.access_key) == ("000000000000", "us-east-1", None)


@pytest.mark.parametrize("service", ["sts", "iam", "sns", "cloudformation"])
def test_unsigned_query_requests_are_recognised_by_action_and_version(router: Router, service: str) -> None:
    wrong = {}
    for operation in model.service(service).operation_names:
        route = routed(router, written(service, operation, params_of(service, operation), signed=False))
        if (route.service, route.operation) != (service, operation):
            wrong[operation] = route
    assert wrong == {}


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "s3"])
def test_unsigned_requests_are_recognised_by_host(router: Router, service: str) -> None:
    host = model.service(service).metadata["endpointPrefix"]
    for operation in model.service(service).operation_names:
        request = written(
            service,
            operation,
            params_of(service, operation),
            endpoint=f"https://{host}.ap-southeast-2.amazonaws.com",
            signed=False,
        )
        route = routed(router, request)
        assert (route.service, route.operation, route.region) == (service, operation, "ap-southeast-2")


def test_unsigned_requests_to_s3_are_recognised_because_nobody_else_has_their_path(router: Router) -> None:
    for operation in model.service("s3").operation_names:
        route = routed(router, written("s3", operation, params_of("s3", operation), signed=False))
        unsigned = "ListBuckets" if operation == "ListDirectoryBuckets" else operation  # told by the signature only
        assert (route.service, route.operation) == expected("s3", unsigned)


def test_sqs_speaks_the_query_protocol_it_had_before(router: Router) -> None:
    body = b"Action=SendMessage&Version=2012-11-05&MessageBody=hi"
    headers = {"host": "localhost", "content-type": "application/x-www-form-urlencoded"}
    route = routed(router, HttpRequest("POST", "/000000000000/queue", "", headers, body))
    assert (route.service, route.operation, route.protocol) == ("sqs", "SendMessage", "query")


def test_all_services_of_the_lambda_family_share_a_signing_name() -> None:
    family = ("lambda-core", "lambda-microvms", "lambda-web", "lambda")
    router = Router(family)
    for service in family:
        for operation in model.service(service).operation_names:
            route = routed(router, written(service, operation, params_of(service, operation)))
            shared = service == "lambda-microvms" and operation in ("ListTags", "TagResource", "UntagResource")
            assert (route.service, route.operation) == ("lambda" if shared else service, operation)


def test_s3control_shares_the_signing_name_of_s3() -> None:
    router = Router(["s3", "s3control"])
    for operation in model.service("s3control").operation_names:
        route = routed(router, written("s3control", operation, params_of("s3control", operation)))
        assert (route.service, route.operation) == ("s3control", operation)


def test_ses_and_its_successor_share_a_signing_name() -> None:
    router = Router(["ses", "sesv2"])
    for service in ("ses", "sesv2"):
        for operation in model.service(service).operation_names:
            route = routed(router, written(service, operation, params_of(service, operation)))
            assert (route.service, route.operation) == (service, operation)


def test_unknown_operations_are_answered_as_their_protocol_does(router: Router) -> None:
    def refused(request: HttpRequest) -> tuple[str, str, int | None]:
        with pytest.raises(AwsError) as caught:
            router.route(request, "000000000000", "us-east-1")
        return caught.value.code, caught.value.message, caught.value.status

    def scope(service: str, **headers: str) -> dict[str, str]:
        return {"authorization": f"AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/{service}/aws4_request", **headers}

    json = scope("logs", **{"x-amz-target": "Logs_20140328.Nonsense"})
    cbor = scope("monitoring", **{"smithy-protocol": "rpc-v2-cbor"})
    assert refused(HttpRequest("POST", "/", "", json)) == ("UnknownOperationException", "", 400)
    assert refused(HttpRequest("POST", "/service/GraniteServiceVersion20100801/operation/Nonsense", "", cbor)) == (
        "UnknownOperationException",
        "",
        404,
    )
    assert refused(HttpRequest("GET", "/2015-03-31/nonsense", "", scope("lambda"))) == ("UnknownOperationException", "", 404)
    assert refused(HttpRequest("POST", "/", "", scope("sts"), b"Action=Nonsense&Version=2011-06-15")) == (
        "InvalidAction",
        "Could not find operation Nonsense for version 2011-06-15",
        400,
    )
    assert refused(HttpRequest("POST", "/bucket/key", "nonsense", scope("s3")))[::2] == ("MethodNotAllowed", 405)
    assert refused(HttpRequest("POST", "/", "Action=GetCallerIdentity&Version=2001-01-01", scope("sts"))) == (
        "InvalidAction",
        "Could not find operation GetCallerIdentity for version 2001-01-01",
        400,
    )
