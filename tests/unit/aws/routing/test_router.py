from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from functory.aws.routing import Route, Router

SERVICES = ("lambda", "s3", "sts", "sqs", "sns", "logs", "dynamodb", "dynamodbstreams", "apigateway", "apigatewayv2", "ec2")
ROUTER = Router(SERVICES)


def signed(service: str, key: str = "test", region: str = "eu-west-1") -> str:
    return f"AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=x"


def route(
    method: str,
    path: str,
    query: str = "",
    body: bytes = b"",
    router: Router = ROUTER,
    sign: str | None = None,
    **headers: str,
) -> Route | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if sign is not None:
        named["authorization"] = signed(sign)
    return router.route(HttpRequest(method, path, query, named, body), "000000000000", "us-east-1")


def names(found: Route | None) -> tuple[str, str] | None:
    return (found.service, found.operation) if found is not None else None


def refusal(method: str, path: str, query: str = "", body: bytes = b"", sign: str | None = None, **headers: str) -> AwsError:
    with pytest.raises(AwsError) as caught:
        route(method, path, query, body, sign=sign, **headers)
    return caught.value


def test_a_route_says_for_whom_and_where() -> None:
    request = HttpRequest(
        "GET", "/2015-03-31/functions/f%3A1/configuration", "", {"authorization": signed("lambda", key="123456789012")}
    )
    found = ROUTER.route(request, "000000000000", "us-east-1")
    assert found is not None
    assert (found.service, found.operation, found.protocol) == ("lambda", "GetFunctionConfiguration", "rest-json")
    assert (found.account_id, found.region, found.access_key) == ("123456789012", "eu-west-1", "123456789012")
    assert found.path_params == {"FunctionName": "f:1"}


def test_an_unsigned_request_is_for_the_default_account_and_region() -> None:
    found = route("GET", "/2015-03-31/functions/")
    assert found is not None
    assert (found.operation, found.account_id, found.region) == ("ListFunctions", "000000000000", "us-east-1")
    assert found.access_key is None


def test_the_host_gives_the_region_a_signature_does_not() -> None:
    found = route("GET", "/b/k", host="s3.ap-south-1.amazonaws.com", authorization="AWS AKID:c2ln")
    assert found is not None
    assert (found.operation, found.region, found.access_key) == ("GetObject", "ap-south-1", "AKID")


def test_a_presigned_url_is_routed_like_a_signed_request() -> None:
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F20260101%2Feu-west-3%2Fs3%2Faws4_request"
    found = route("PUT", "/b/k", query)
    assert found is not None
    assert (found.operation, found.region) == ("PutObject", "eu-west-3")


def test_a_request_signed_for_a_service_we_do_not_have_is_not_ours() -> None:
    assert route("POST", "/", sign="kms", x_amz_target="TrentService.Encrypt") is None
    assert route("GET", "/b/k", sign="glacier") is None


def test_an_unsigned_request_for_a_service_we_do_not_have_is_not_ours() -> None:
    assert route("POST", "/", x_amz_target="TrentService.Encrypt") is None
    assert route("GET", "/b/k", host="glacier.us-east-1.amazonaws.com") is None


def test_function_urls_and_stages_are_no_api_requests_even_when_signed() -> None:
    assert route("GET", "/2015-03-31/functions", host="abc.lambda-url.us-east-1.localhost", sign="lambda") is None
    assert route("GET", "/b/k", host="abc.execute-api.us-east-1.amazonaws.com") is None
    assert route("GET", "/index.html", host="site.s3-website.us-east-1.amazonaws.com") is None
    assert route("GET", "/key", host="ap.s3-object-lambda.us-east-1.amazonaws.com", sign="s3-object-lambda") is None


def test_services_with_one_signing_name_are_told_apart() -> None:
    assert names(route("GET", "/v2/apis", sign="apigateway")) == ("apigatewayv2", "GetApis")
    assert names(route("GET", "/restapis", sign="apigateway")) == ("apigateway", "GetRestApis")
    assert names(route("POST", "/", sign="dynamodb", x_amz_target="DynamoDBStreams_20120810.ListStreams")) == (
        "dynamodbstreams",
        "ListStreams",
    )


def test_a_bucket_in_the_host_is_moved_into_the_path() -> None:
    for host in ("my.bucket.s3.us-east-1.amazonaws.com", "my.bucket.s3.localhost:4566", "my.bucket.localhost"):
        found = route("GET", "/a/b%2Fc", host=host, sign="s3")
        assert names(found) == ("s3", "GetObject")
        assert found is not None
        assert found.path_params == {"Bucket": "my.bucket", "Key": "a/b/c"}


def test_a_bucket_named_like_a_service_is_one_when_signed_for_s3() -> None:
    found = route("GET", "/k", host="logs.localhost:4566", sign="s3")
    assert found is not None
    assert found.path_params == {"Bucket": "logs", "Key": "k"}


def test_anonymous_requests_fall_to_s3_last() -> None:
    assert names(route("GET", "/bucket/key")) == ("s3", "GetObject")
    assert names(route("GET", "/")) == ("s3", "ListBuckets")
    assert route("GET", "/bucket/key", router=Router(["lambda"])) is None


def test_a_path_of_two_services_is_nobodys_without_signature() -> None:
    ambiguous = Router(["apigateway", "scheduler"])
    assert route("GET", "/tags/arn", router=ambiguous) is None
    assert names(route("GET", "/tags/arn", router=ambiguous, sign="scheduler")) == ("scheduler", "ListTagsForResource")


def test_a_confirmation_link_of_sns_needs_neither_signature_nor_version() -> None:
    found = route("GET", "/", "Action=ConfirmSubscription&TopicArn=arn&Token=t")
    assert names(found) == ("sns", "ConfirmSubscription")


def test_an_action_may_stand_in_the_query_of_a_post() -> None:
    assert names(route("POST", "/", "Action=GetCallerIdentity&Version=2011-06-15", sign="sts")) == (
        "sts",
        "GetCallerIdentity",
    )


def test_a_value_that_looks_like_an_action_is_none() -> None:
    body = b"Version=2011-06-15&Policy=XAction=Nope&Action=GetCallerIdentity"
    assert names(route("POST", "/", body=body, sign="sts")) == ("sts", "GetCallerIdentity")


def test_a_target_needs_a_post_and_the_services_own_prefix() -> None:
    target = "Logs_20140328.DescribeLogGroups"
    assert names(route("POST", "/", sign="logs", x_amz_target=target)) == ("logs", "DescribeLogGroups")
    assert refusal("GET", "/", sign="logs", x_amz_target=target).code == "UnknownOperationException"
    assert refusal("POST", "/", sign="logs", x_amz_target="AmazonSQS.ListQueues").code == "UnknownOperationException"


def test_ec2_refuses_in_its_own_words() -> None:
    error = refusal("POST", "/", body=b"Action=Nonsense&Version=2016-11-15", sign="ec2")
    assert (error.code, error.message) == ("InvalidAction", "The action Nonsense is not valid for this web service.")
    error = refusal("POST", "/", body=b"Action=DescribeInstances&Version=2001-01-01", sign="ec2")
    assert (error.code, error.message) == (
        "NoSuchVersion",
        "The requested version (2001-01-01) of service AmazonEC2 does not exist",
    )


def test_a_query_service_without_action_or_version_says_so() -> None:
    error = refusal("POST", "/", body=b"", sign="sts")
    assert (error.code, error.status) == ("InvalidAction", 400)
    assert error.message == "Could not find operation  for version NO_VERSION_SPECIFIED"


def test_an_unsigned_unknown_action_of_a_known_version_is_refused() -> None:
    error = refusal("POST", "/", body=b"Action=Nonsense&Version=2011-06-15")
    assert error.message == "Could not find operation Nonsense for version 2011-06-15"


def test_completing_an_upload_needs_its_id() -> None:
    assert names(route("POST", "/b/k", "uploadId=x", sign="s3")) == ("s3", "CompleteMultipartUpload")
    error = refusal("POST", "/b/k", sign="s3")
    assert (error.code, error.status, error.members) == ("MethodNotAllowed", 405, {"Method": "POST"})


def test_listing_directory_buckets_is_told_by_its_signature() -> None:
    assert names(route("GET", "/", sign="s3express")) == ("s3", "ListDirectoryBuckets")
    assert names(route("GET", "/", sign="s3")) == ("s3", "ListBuckets")


def test_a_path_that_is_not_utf8_is_refused() -> None:
    assert refusal("GET", "/2015-03-31/functions/%ff", sign="lambda").code == "SerializationException"
    assert refusal("GET", "/b/%ff", sign="s3").code == "InvalidURI"


def test_a_broken_signature_is_refused_before_anything_else() -> None:
    assert refusal("GET", "/2015-03-31/functions", authorization="AWS4-HMAC-SHA256 x").code == "IncompleteSignature"


def test_a_service_aws_does_not_have_cannot_be_registered() -> None:
    with pytest.raises(KeyError):
        Router(["lambda", "nonsense"])


def test_building_a_router_loads_no_model() -> None:
    code = (
        "from functory.aws import model\n"
        "from functory.aws.routing import Router\n"
        "from functory.aws.http import HttpRequest\n"
        f"router = Router({SERVICES!r})\n"
        "assert model.service.cache_info().currsize == 0\n"
        "router.route(HttpRequest('GET', '/2015-03-31/functions'), '0' * 12, 'us-east-1')\n"
        "assert model.service.cache_info().currsize == 1, model.service.cache_info()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


WORDS = st.sampled_from(
    [
        "",
        "2015-03-31",
        "functions",
        "b",
        "%ff",
        "%2F",
        "tags",
        "v2",
        "service",
        "operation",
        "Action=x",
        "acl",
        "Version=2011-06-15",
    ]
)
HEADERS = st.dictionaries(
    st.sampled_from(["host", "authorization", "x-amz-target", "smithy-protocol", "content-type"]),
    st.sampled_from(["rpc-v2-cbor", "s3.localhost", "b.localhost", "AmazonSQS.ListQueues", "", signed("s3"), signed("sts")]),
)


@settings(deadline=None)
@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "x"]),
    st.lists(WORDS, max_size=5).map(lambda parts: "/" + "/".join(parts)) | st.text(max_size=9),
    st.lists(WORDS, max_size=4).map("&".join),
    HEADERS,
    st.binary(max_size=20) | st.just(b"Action=GetCallerIdentity&Version=2011-06-15"),
)
def test_any_request_is_routed_or_refused(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> None:
    try:
        found = ROUTER.route(HttpRequest(method, path, query, headers, body), "000000000000", "us-east-1")
    except AwsError:
        return
    assert found is None or found.service in SERVICES
