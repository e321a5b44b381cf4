from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws.arn import ARN_CHARS_MAX, Arn, partition_of

PART = st.text(st.characters(exclude_characters=":", exclude_categories=["Cs"]), min_size=1, max_size=20)


def test_a_lambda_arn_falls_into_its_parts() -> None:
    arn = Arn.parse("arn:aws:lambda:eu-west-1:123456789012:function:my-function:PROD")
    assert arn == Arn("aws", "lambda", "eu-west-1", "123456789012", "function:my-function:PROD")
    assert (arn.resource_type, arn.resource_id) == ("function", "my-function:PROD")


@pytest.mark.parametrize(
    ("text", "resource_type", "resource_id"),
    [
        ("arn:aws:iam::123456789012:role/service-role/my-role", "role", "service-role/my-role"),
        ("arn:aws:sqs:us-east-1:123456789012:queue", "", "queue"),
        ("arn:aws:s3:::bucket/key:with:colons", "bucket", "key:with:colons"),
        ("arn:aws:logs:us-east-1:123456789012:log-group:/aws/lambda/f:*", "log-group", "/aws/lambda/f:*"),
    ],
)
def test_the_resource_splits_at_its_first_separator(text: str, resource_type: str, resource_id: str) -> None:
    arn = Arn.parse(text)
    assert arn is not None
    assert (arn.resource_type, arn.resource_id) == (resource_type, resource_id)


@pytest.mark.parametrize(
    "text", ["", "arn", "arn:aws:s3", "arn:aws:s3:::", "arn::s3:::bucket", "arn:aws::::bucket", "ARN:aws:s3:::b", "name"]
)
def test_what_is_no_arn_gives_none(text: str) -> None:
    assert Arn.parse(text) is None


def test_an_overlong_text_is_no_arn() -> None:
    assert Arn.parse("arn:aws:s3:::" + "a" * ARN_CHARS_MAX) is None


def test_building_puts_an_arn_into_the_partition_of_its_region() -> None:
    assert (
        str(Arn.build("sqs", "q", region="cn-north-1", account_id="123456789012"))
        == "arn:aws-cn:sqs:cn-north-1:123456789012:q"
    )
    assert str(Arn.build("iam", "role/r", account_id="123456789012")) == "arn:aws:iam::123456789012:role/r"
    assert partition_of("us-gov-west-1") == "aws-us-gov"
    assert partition_of("us-isob-east-1") == "aws-iso-b"
    assert partition_of("mars-north-1") == "aws"


@pytest.mark.parametrize("parts", [("", "r", ""), ("s3", "", ""), ("s3", "r", "us:east")])
def test_building_refuses_parts_that_would_not_parse_back(parts: tuple[str, str, str]) -> None:
    service, resource, region = parts
    with pytest.raises(ValueError, match="not the parts"):
        Arn.build(service, resource, region=region)


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("arn:aws/s3", max_size=40).map("arn:".__add__))
def test_parsing_any_text_gives_back_the_text_or_none(text: str) -> None:
    arn = Arn.parse(text)
    assert arn is None or str(arn) == text


@settings(deadline=None)
@given(PART, PART, PART, PART)
def test_what_was_built_parses_back(service: str, region: str, account_id: str, resource: str) -> None:
    arn = Arn.build(service, resource, region=region, account_id=account_id)
    assert Arn.parse(str(arn)) == arn
