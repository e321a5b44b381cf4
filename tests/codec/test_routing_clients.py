"""Whole boto3 clients, with AWS's endpoint rules, host prefixes, presigning and customisations, against the router."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config

from functory.aws import model
from functory.aws.http import HttpRequest
from functory.aws.routing import Route, Router
from tests.codec.test_routing import SERVICES, expected, params_of

ACCOUNT, REGION = "123456789012", "eu-central-1"
# What botocore insists on before it sends anything at all.
NEEDED: dict[tuple[str, str], dict[str, Any]] = {
    ("s3", "CopyObject"): {"CopySource": "other/key"},
    ("s3", "UploadPartCopy"): {"CopySource": "other/key"},
}


class Sent(Exception):  # noqa: N818  # not an error: it carries the request out of botocore
    def __init__(self, request: AWSPreparedRequest) -> None:
        super().__init__()
        self.request = request


def client(service: str, **settings: Any) -> Any:
    endpoint = settings.pop("endpoint_url", None)
    made = boto3.client(
        service,
        region_name=REGION,
        endpoint_url=endpoint,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="secret",
        config=Config(parameter_validation=False, retries={"total_max_attempts": 1}, **settings),
    )

    def capture(request: AWSPreparedRequest, **_: Any) -> None:
        raise Sent(request)

    made.meta.events.register("before-send", capture)
    return made


def arrived(request: AWSPreparedRequest) -> HttpRequest:
    url = urlsplit(request.url)
    body = request.body.encode() if isinstance(request.body, str) else request.body
    headers = {
        name.lower(): value.decode() if isinstance(value, bytes) else str(value) for name, value in request.headers.items()
    }
    headers.setdefault("host", url.netloc)
    return HttpRequest(request.method, url.path or "/", url.query, headers, body if isinstance(body, bytes) else b"")


def call(made: Any, operation: str, **params: Any) -> HttpRequest:
    with pytest.raises(Sent) as caught:
        getattr(made, xform_name(operation))(**params)
    return arrived(caught.value.request)


def routed(request: HttpRequest) -> Route:
    route = Router(SERVICES).route(request, "000000000000", "us-east-1")
    assert route is not None, request
    return route


@pytest.mark.parametrize("endpoint", [None, "http://localhost:4566"])
@pytest.mark.parametrize("service", SERVICES)
def test_whatever_a_client_sends_is_routed(service: str, endpoint: str | None) -> None:
    made = client(service, endpoint_url=endpoint)
    router = Router(SERVICES)
    wrong = {}
    for operation in model.service(service).operation_names:
        params = {**params_of(service, operation), **NEEDED.get((service, operation), {})}
        request = call(made, operation, **params)
        route = router.route(request, "000000000000", "us-east-1")
        if route is None or (route.service, route.operation) != expected(service, operation):
            wrong[operation] = (request, route)
        elif request.headers.get("authorization"):
            assert route.account_id == ACCOUNT
    assert wrong == {}


@pytest.mark.parametrize("endpoint", [None, "http://localhost:4566", "http://s3.localhost.localstack.cloud:4566"])
@pytest.mark.parametrize("style", ["virtual", "path"])
@pytest.mark.parametrize("key", ["key", "a/b", "/leading", "trailing/", "a//b", "sp ace+plus%25", "ünï/cødé", "?q&x=1#f"])
def test_bucket_and_key_arrive_as_they_were_named(endpoint: str | None, style: str, key: str) -> None:
    made = client("s3", endpoint_url=endpoint, s3={"addressing_style": style})
    route = routed(call(made, "PutObject", Bucket="my-bucket", Key=key, Body=b"x"))
    assert route.operation == "PutObject"
    assert route.path_params == {"Bucket": "my-bucket", "Key": key}


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_urls_are_routed(version: str) -> None:
    made = client("s3", endpoint_url="http://localhost:4566", signature_version=version)
    url = urlsplit(made.generate_presigned_url("get_object", Params={"Bucket": "my-bucket", "Key": "a/b"}))
    route = routed(HttpRequest("GET", url.path, url.query, {"host": url.netloc}))
    assert (route.operation, route.account_id) == ("GetObject", ACCOUNT)
    assert route.scope is not None
    assert route.scope.presigned


def test_a_presigned_call_of_sts_is_routed() -> None:
    url = urlsplit(client("sts").generate_presigned_url("get_caller_identity"))
    route = routed(HttpRequest("GET", url.path or "/", url.query, {"host": url.netloc}))
    assert (route.service, route.operation, route.region) == ("sts", "GetCallerIdentity", REGION)


@pytest.mark.parametrize(
    "name",
    [
        "my-function",
        "my-function:PROD",
        "123456789012:function:my-function",
        "arn:aws:lambda:eu-central-1:123456789012:function:my-function:$LATEST",
    ],
)
def test_a_function_name_arrives_in_the_form_it_was_given(name: str) -> None:
    route = routed(call(client("lambda"), "Invoke", FunctionName=name))
    assert (route.operation, route.path_params) == ("Invoke", {"FunctionName": name})


@pytest.mark.parametrize("service", ["lambda-core", "lambda-microvms", "lambda-web", "ec2", "sesv2", "ses", "rds"])
def test_services_not_yet_offered_are_routed_just_the_same(service: str) -> None:
    made = client(service)
    router = Router((*SERVICES, service))
    wrong = {}
    for operation in model.service(service).operation_names:
        if service == "lambda-microvms" and operation in ("ListTags", "TagResource", "UntagResource"):
            continue  # Lambda's own paths
        request = call(made, operation, **params_of(service, operation))
        route = router.route(request, "000000000000", "us-east-1")
        if route is None or (route.service, route.operation) != (service, operation):
            wrong[operation] = (request, route)
    assert wrong == {}
