from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from functory.aws.sigv4 import V2, V4, V4A, CredentialScope, account_id, authorization_fields, parse_scope

CREDENTIAL = "AKID/20260101/eu-west-1/lambda/aws4_request"
SIGNED = f"AWS4-HMAC-SHA256 Credential={CREDENTIAL}, SignedHeaders=host;x-amz-date, Signature=abc"


def scope(header: str | None = None, query: str = "", **headers: str) -> CredentialScope | None:
    named = {} if header is None else {"authorization": header}
    return parse_scope(HttpRequest("GET", "/", query, {**named, **headers}))


def refusal(header: str | None = None, query: str = "") -> tuple[str, str, int | None]:
    with pytest.raises(AwsError) as caught:
        scope(header, query)
    return caught.value.code, caught.value.message, caught.value.status


def test_the_header_names_key_date_region_and_service() -> None:
    assert scope(SIGNED) == CredentialScope("AKID", "20260101", "eu-west-1", "lambda", presigned=False, algorithm=V4)


@pytest.mark.parametrize("separator", [",", ", ", " ,\t"])
def test_fields_may_be_separated_by_a_comma_with_or_without_space(separator: str) -> None:
    assert scope(SIGNED.replace(", ", separator)) == scope(SIGNED)


def test_sigv4a_has_its_regions_in_their_own_header() -> None:
    header = "AWS4-ECDSA-P256-SHA256 Credential=AKID/20260101/s3/aws4_request, SignedHeaders=host, Signature=abc"
    one = scope(header, **{"x-amz-region-set": "eu-west-1"})
    assert one == CredentialScope("AKID", "20260101", "eu-west-1", "s3", presigned=False, algorithm=V4A)
    for several in ("*", "eu-west-1,us-east-1", ""):
        found = scope(header, **{"x-amz-region-set": several})
        assert found is not None
        assert found.region is None


def test_a_presigned_url_names_the_same_in_its_query() -> None:
    query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Fus-east-1%2Fs3%2Faws4_request"
    assert scope(query=query) == CredentialScope("AKID", "20260101", "us-east-1", "s3", presigned=True, algorithm=V4)


def test_sigv2_is_s3s_unless_it_says_a_version() -> None:
    assert scope("AWS AKID:c2lnbmF0dXJl") == CredentialScope("AKID", "", None, "s3", presigned=False, algorithm=V2)
    presigned = scope(query="AWSAccessKeyId=AKID&Signature=x&Expires=1")
    assert presigned == CredentialScope("AKID", "", None, "s3", presigned=True, algorithm=V2)
    query_service = scope(query="Action=ListDomains&AWSAccessKeyId=AKID&SignatureVersion=2")
    assert query_service is not None
    assert query_service.service is None


@pytest.mark.parametrize("header", [None, "Bearer abc", "Basic dXNlcjpwYXNz", ""])
def test_a_request_not_signed_in_an_aws_way_has_no_scope(header: str | None) -> None:
    assert scope(header, query="X-Amz-Target=1&prefix=AWS") is None


def test_a_key_with_slashes_is_refused_as_aws_does() -> None:
    credential = "a/b/20260101/us-east-1/s3/aws4_request"
    text = "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got "
    assert refusal(f"AWS4-HMAC-SHA256 Credential={credential}") == ("IncompleteSignature", f"{text}'{credential}'", 400)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("AWS4-HMAC-SHA256", "requires 'Credential' parameter"),
        ("AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x", "requires 'Credential' parameter"),
        ("AWS4-HMAC-SHA256 Credential", "'Credential' not a valid key=value pair"),
        ("AWS4-HMAC-SHA256 Credential=AKID", "exactly 5 slash-delimited elements"),
        ("AWS4-HMAC-SHA256 Credential=/1/2/3/aws4_request", "exactly 5 slash-delimited elements"),
        ("AWS4-ECDSA-P256-SHA256 Credential=AKID/20260101/eu-west-1/s3/aws4_request", "exactly 4 slash-delimited"),
        ("AWS4-MD5 Credential=a/b/c/d/aws4_request", "Unsupported AWS 'algorithm': 'AWS4-MD5'"),
        ("AWS3-HTTPS AWSAccessKeyId=a", "Unsupported AWS 'algorithm': 'AWS3-HTTPS'"),
    ],
)
def test_a_broken_header_is_an_incomplete_signature(header: str, part: str) -> None:
    code, text, status = refusal(header)
    assert (code, status) == ("IncompleteSignature", 400)
    assert part in text


def test_a_wrong_terminator_is_no_match() -> None:
    code, _, status = refusal("AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/s3/aws5_request")
    assert (code, status) == ("SignatureDoesNotMatch", 403)


def test_a_query_without_credential_and_a_broken_sigv2_header_are_refused() -> None:
    assert refusal(query="X-Amz-Algorithm=AWS4-HMAC-SHA256")[0] == "IncompleteSignature"
    assert refusal(query="X-Amz-Algorithm=MD5&X-Amz-Credential=a/b/c/d/e")[0] == "IncompleteSignature"
    assert refusal("AWS nonsense")[0] == "InvalidArgument"


def test_no_refusal_shows_the_signature() -> None:
    for header in ("AWS4-HMAC-SHA256 Signature=topsecret", "AWS4-HMAC-SHA256 Signature=topsecret, x"):
        assert "topsecret" not in refusal(header)[1]


def test_a_key_of_twelve_digits_is_the_account() -> None:
    assert account_id("123456789012", "000000000000") == "123456789012"
    for other in ("12345678901", "1234567890123", "AKIAIOSFODNN7EXAMPLE", "test", "\uff11" * 12, None):
        assert account_id(other, "000000000000") == "000000000000"


def test_the_fields_of_a_header_can_be_read_for_verification() -> None:
    fields = authorization_fields(SIGNED)
    assert fields["SignedHeaders"] == "host;x-amz-date"
    assert fields["Signature"] == "abc"


HEADER = st.text(max_size=80) | st.text("AWS4-HMACSHA256 Credential=/,", max_size=80).map(
    lambda text: f"AWS4-HMAC-SHA256 Credential={text}"
)
QUERY = st.text(max_size=80) | st.text("X-AmzCredential=&%2F/aws4_request", max_size=80).map("X-Amz-Credential=".__add__)


@settings(deadline=None)
@given(HEADER, QUERY)
@example("AWS4-HMAC-SHA256 \udcff", "X-Amz-Credential=%ff")
@example("AWS", "AWSAccessKeyId=")
def test_anything_at_all_is_read_or_refused(header: str, query: str) -> None:
    for request in (HttpRequest("GET", "/", query, {"authorization": header}), HttpRequest("GET", "/", query)):
        try:
            found = parse_scope(request)
        except AwsError as error:
            assert error.status in (400, 403)  # noqa: PT017  # either outcome is right, but never another exception
        else:
            assert found is None or found.access_key
