from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws.hosts import HOST_CHARS_MAX, PLAIN, Host, parse


@pytest.mark.parametrize(
    ("name", "service", "region", "prefix"),
    [
        ("lambda.us-east-1.amazonaws.com", "lambda", "us-east-1", None),
        ("LAMBDA.US-EAST-1.AMAZONAWS.COM.:443", "lambda", "us-east-1", None),
        ("lambda.cn-north-1.amazonaws.com.cn", "lambda", "cn-north-1", None),
        ("lambda.us-gov-west-1.amazonaws.com", "lambda", "us-gov-west-1", None),
        ("lambda-fips.us-east-1.amazonaws.com", "lambda", "us-east-1", None),
        ("lambda.eu-west-1.api.aws", "lambda", "eu-west-1", None),
        ("logs.us-east-1.api.aws", "logs", "us-east-1", None),
        ("streaming-logs.us-east-1.amazonaws.com", "logs", "us-east-1", None),
        ("sync-states.us-east-1.amazonaws.com", "states", "us-east-1", None),
        ("sqs.us-east-1.localhost.localstack.cloud:4566", "sqs", "us-east-1", None),
        ("eu-west-1.queue.amazonaws.com", "sqs", "eu-west-1", None),
        ("queue.amazonaws.com", "sqs", None, None),
        ("s3.eu-west-1.localhost:4566", "s3", "eu-west-1", None),
        ("s3.localhost", "s3", None, None),
        ("s3.amazonaws.com", "s3", None, None),
        ("s3-us-west-2.amazonaws.com", "s3", "us-west-2", None),
        ("my.bucket.s3-us-west-2.amazonaws.com", "s3", "us-west-2", "my.bucket"),
        ("mybucket.s3.us-west-2.amazonaws.com", "s3", "us-west-2", "mybucket"),
        ("mybucket.s3.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2", "mybucket"),
        ("mybucket.s3-fips.dualstack.us-west-2.amazonaws.com", "s3", "us-west-2", "mybucket"),
        ("mybucket.s3-accelerate.amazonaws.com", "s3", None, "mybucket"),
        ("mybucket.s3.localhost", "s3", None, "mybucket"),
        ("dirs--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com", "s3", "us-west-2", "dirs--usw2-az1--x-s3"),
        ("s3express-control.us-west-2.amazonaws.com", "s3", "us-west-2", None),
        ("site.s3-website-us-west-2.amazonaws.com", "s3-website", "us-west-2", "site"),
        ("site.s3-website.eu-central-1.amazonaws.com", "s3-website", "eu-central-1", "site"),
        ("ap-123456789012.s3-accesspoint.us-west-2.amazonaws.com", "s3-accesspoint", "us-west-2", "ap-123456789012"),
        ("123456789012.s3-control.us-west-2.amazonaws.com", "s3-control", "us-west-2", "123456789012"),
        ("abc.lambda-url.eu-west-1.localhost:4566", "lambda-url", "eu-west-1", "abc"),
        ("abc.lambda-url.eu-west-1.on.aws", "lambda-url", "eu-west-1", "abc"),
        ("a1b2.execute-api.us-east-1.amazonaws.com", "execute-api", "us-east-1", "a1b2"),
        ("streams.dynamodb.us-east-1.amazonaws.com", "streams.dynamodb", "us-east-1", None),
        ("123456789012.ddb.us-east-1.amazonaws.com", "dynamodb", "us-east-1", "123456789012"),
        ("123456789012.data-kinesis.us-east-1.amazonaws.com", "kinesis", "us-east-1", "123456789012"),
        ("abc.endpoint.events.amazonaws.com", "events", None, "abc.endpoint"),
        ("iam.amazonaws.com", "iam", None, None),
        ("iam.global.api.aws", "iam", None, None),
        ("monitoring.us-east-1.amazonaws.com", "monitoring", "us-east-1", None),
        ("email.us-east-1.amazonaws.com", "email", "us-east-1", None),
        ("new-service.us-east-1.amazonaws.com", "new-service", "us-east-1", None),
    ],
)
def test_a_name_in_awss_form_is_understood(name: str, service: str, region: str | None, prefix: str | None) -> None:
    host = parse(name)
    assert (host.service, host.region, host.prefix) == (service, region, prefix)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "localhost",
        "localhost:4566",
        "127.0.0.1:4566",
        "[::1]:4566",
        "::1",
        "example.com",
        "amazonaws.com",
        "a..localhost",
        "lambda.us-east-1.amazonaws.com.example.org",
        "evil-amazonaws.com",
        "localhost.localstack.cloud",
    ],
)
def test_any_other_name_says_nothing(name: str) -> None:
    assert parse(name) == PLAIN


def test_a_local_name_of_no_service_is_a_prefix() -> None:
    assert parse("my.bucket.localhost:4566") == Host(prefix="my.bucket", local_name="my.bucket")


def test_a_local_name_of_a_service_may_still_be_a_bucket() -> None:
    assert parse("logs.localhost") == Host(service="logs", local_name="logs")


def test_a_local_name_with_region_alone_is_a_region() -> None:
    assert parse("eu-west-1.localhost") == Host(region="eu-west-1")


def test_an_overlong_name_says_nothing() -> None:
    assert parse("a" * HOST_CHARS_MAX + ".localhost") == PLAIN


LABELS = st.lists(st.sampled_from(["s3", "lambda", "us-east-1", "dualstack", "global", "queue", "x", ""]), max_size=5)
DOMAINS = st.sampled_from(["localhost", "amazonaws.com", "api.aws"])
NAMES = st.tuples(LABELS, DOMAINS).map(lambda drawn: ".".join([*drawn[0], drawn[1]]))


@settings(deadline=None)
@given(st.text(max_size=60) | NAMES)
def test_any_text_is_read_without_failing(name: str) -> None:
    host = parse(name)
    assert host.prefix is None or host.prefix in name.lower()
