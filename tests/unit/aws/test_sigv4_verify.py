"""What botocore signs is verified; what was changed after it was signed is not."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from functory.aws import sigv4_verify
from functory.aws.auth_failure import AuthenticationFailed, Failure
from functory.aws.http import HttpRequest
from functory.aws.sigv4 import parse_scope
from functory.aws.sigv4_verify import SKEW_S, check_time, payload_hash, read_proof, verify

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def signed(
    auth: type[Any], method: str, path: str, query: str = "", body: bytes = b"", *, token: str = "", **headers: str
) -> HttpRequest:
    """A request as a server sees it, signed by botocore."""
    service = "s3" if auth.__name__.startswith("S3") else "lambda"
    url = f"http://127.0.0.1:4566{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method=method, url=url, data=body, headers={"Host": "127.0.0.1:4566", **headers})
    auth(Credentials(KEY, SECRET, token or None), service, "eu-west-1").add_auth(request)
    sent = urlsplit(request.url)
    return HttpRequest(method, sent.path, sent.query, {name.lower(): value for name, value in request.headers.items()}, body)


def check(request: HttpRequest, secret: str = SECRET) -> None:
    scope = parse_scope(request)
    assert scope is not None
    proof = read_proof(request, scope)
    verify(request, proof, secret, payload_hash(proof, hashlib.sha256(request.body).hexdigest()))


METHODS = st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"])
NAMES = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\x00"), min_size=1, max_size=8)
PATHS = st.lists(NAMES, max_size=4).map(lambda parts: "/" + "/".join(quote(part, safe="~") for part in parts))
QUERIES = st.lists(st.tuples(NAMES, NAMES | st.just("")), max_size=4).map(
    lambda pairs: "&".join(f"{quote(name, safe='-._~')}={quote(value, safe='-._~')}" for name, value in pairs)
)
BODIES = st.binary(max_size=64)
TOKENS = st.sampled_from(["", "FwoGZXIvYXdzEXAMPLE/+=="])


@pytest.mark.parametrize("auth", [SigV4Auth, S3SigV4Auth, SigV4QueryAuth, S3SigV4QueryAuth])
def test_what_botocore_signs_is_verified(auth: type[Any]) -> None:
    @settings(max_examples=40)
    @given(METHODS, PATHS, QUERIES, BODIES, TOKENS)
    def holds(method: str, path: str, query: str, body: bytes, token: str) -> None:
        if issubclass(auth, SigV4QueryAuth):
            body = b""  # botocore signs what it takes for form data into the query
        check(signed(auth, method, path, query, body, token=token))

    holds()


@pytest.mark.parametrize("auth", [SigV4Auth, S3SigV4Auth, SigV4QueryAuth, S3SigV4QueryAuth])
def test_another_secret_is_refused(auth: type[Any]) -> None:
    @settings(max_examples=10)
    @given(METHODS, PATHS, QUERIES)
    def holds(method: str, path: str, query: str) -> None:
        with pytest.raises(AuthenticationFailed) as failed:
            check(signed(auth, method, path, query), SECRET[:-1] + "X")
        assert failed.value.failure is Failure.MISMATCH

    holds()


CHANGES: dict[str, Callable[[HttpRequest], HttpRequest]] = {
    "method": lambda request: replace(request, method="DELETE"),
    "path": lambda request: replace(request, path=request.path + "x"),
    "query": lambda request: replace(request, query=request.query + "&More=1"),
    "a parameter less": lambda request: replace(request, query=request.query.replace("Qualifier=prod&", "", 1)),
    "body": lambda request: replace(request, body=b"another"),
    "host": lambda request: replace(request, headers={**request.headers, "host": "elsewhere"}),
    "token": lambda request: replace(request, headers={**request.headers, "x-amz-security-token": "another"}),
    "signed header": lambda request: replace(request, headers={**request.headers, "x-amz-log-type": "None"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_that_was_changed_is_refused(change: str) -> None:
    headers = {"X-Amz-Log-Type": "Tail"}
    request = signed(SigV4Auth, "POST", "/2015-03-31/functions/f", "Qualifier=prod&Z=1", b"body", token="t", **headers)
    check(request)
    with pytest.raises(AuthenticationFailed):
        check(CHANGES[change](request))


@pytest.mark.parametrize("path", ["/a//b", "/a/./b", "/a/../b", "/a/b/", "/a/b/.", "//", "/..", "/a%2Fb", "/a b", "/a+b"])
def test_paths_are_normalised_as_botocore_does(path: str) -> None:
    check(signed(SigV4Auth, "GET", path))


@pytest.mark.parametrize("query", ["a", "a=", "b=2&a=1", "a=2&a=1", "a=1+2", "a=%2b", "A=1&a=2", "a=b=c", "a=*", "=1"])
def test_queries_in_every_spelling(query: str) -> None:
    check(signed(SigV4Auth, "GET", "/", query))


def test_a_plus_sign_cannot_become_a_blank() -> None:
    request = signed(SigV4Auth, "GET", "/", "a=1%2B2")
    check(request)
    with pytest.raises(AuthenticationFailed):
        check(replace(request, query="a=1+2"))


def test_header_values_are_trimmed_and_blanks_collapsed() -> None:
    check(signed(SigV4Auth, "GET", "/", **{"X-Amz-Meta": "  a   b "}))


def test_a_body_may_be_declared_unsigned() -> None:
    request = signed(SigV4Auth, "PUT", "/key", body=b"x", **{"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"})
    check(replace(request, body=b"anything"))


def test_a_body_that_is_not_the_announced_one_is_told_so() -> None:
    request = signed(S3SigV4Auth, "PUT", "/bucket/key", body=b"x")
    assert request.headers["x-amz-content-sha256"] == hashlib.sha256(b"x").hexdigest()
    with pytest.raises(AuthenticationFailed) as failed:
        check(replace(request, body=b"y"))
    assert failed.value.failure is Failure.BAD_PAYLOAD


def test_a_scope_of_another_day_than_the_date_is_refused() -> None:
    request = signed(SigV4Auth, "GET", "/")
    stamp = request.headers["x-amz-date"]
    with pytest.raises(AuthenticationFailed) as failed:
        check(replace(request, headers={**request.headers, "x-amz-date": "20000101" + stamp[8:]}))
    assert failed.value.failure is Failure.BAD_SCOPE


@pytest.mark.parametrize("part", ["Signature=", "SignedHeaders="])
def test_a_missing_part_is_named(part: str) -> None:
    request = signed(SigV4Auth, "GET", "/")
    fields = [field for field in request.headers["authorization"].split(", ") if not field.startswith(part)]
    with pytest.raises(AuthenticationFailed) as failed:
        check(replace(request, headers={**request.headers, "authorization": ", ".join(fields)}))
    assert failed.value.failure is Failure.INCOMPLETE
    assert f"requires '{part[:-1]}' parameter" in failed.value.text


def test_the_host_must_be_signed() -> None:
    request = signed(SigV4Auth, "GET", "/")
    header = request.headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    with pytest.raises(AuthenticationFailed) as failed:
        check(replace(request, headers={**request.headers, "authorization": header}))
    assert failed.value.failure is Failure.BAD_SCOPE


def test_other_schemes_are_refused_by_name() -> None:
    header = "AWS4-ECDSA-P256-SHA256 Credential=AKIA/20261125/lambda/aws4_request, SignedHeaders=host, Signature=00"
    request = HttpRequest("GET", "/", headers={"authorization": header, "x-amz-region-set": "*"})
    with pytest.raises(AuthenticationFailed) as failed:
        check(request)
    assert failed.value.failure is Failure.UNSUPPORTED


class TestTime:
    NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC).timestamp()

    def proof(self, seconds: float, expires_s: int | None = None) -> sigv4_verify.Proof:
        request = signed(SigV4Auth, "GET", "/")
        scope = parse_scope(request)
        assert scope is not None
        proof = read_proof(request, scope)
        return replace(proof, stamp="20261125T120000Z", signed_at=self.NOW + seconds, expires_s=expires_s)

    @pytest.mark.parametrize("seconds", [-300, -1, 0, 1, 300])
    def test_five_minutes_either_way_are_good(self, seconds: float) -> None:
        check_time(self.proof(seconds), self.NOW, SKEW_S)

    def test_older_is_expired_in_aws_s_words(self) -> None:
        proof = replace(self.proof(-301), stamp="20261125T115459Z")
        with pytest.raises(AuthenticationFailed) as failed:
            check_time(proof, self.NOW, SKEW_S)
        assert failed.value.text == (
            "Signature expired: 20261125T115459Z is now earlier than 20261125T115500Z (20261125T120000Z - 5 min.)"
        )

    def test_later_is_not_yet_current(self) -> None:
        with pytest.raises(AuthenticationFailed) as failed:
            check_time(self.proof(301), self.NOW, SKEW_S)
        assert failed.value.text.startswith("Signature not yet current: ")

    def test_a_presigned_request_lives_as_long_as_it_says(self) -> None:
        check_time(self.proof(-3600, 3600), self.NOW, SKEW_S)
        with pytest.raises(AuthenticationFailed):
            check_time(self.proof(-3601, 3600), self.NOW, SKEW_S)

    @pytest.mark.parametrize("expires", ["604801", "-1", "soon"])
    def test_a_presigned_request_says_how_long_within_a_week(self, expires: str) -> None:
        request = signed(SigV4QueryAuth, "GET", "/")
        with pytest.raises(AuthenticationFailed):
            check(replace(request, query=request.query.replace("X-Amz-Expires=3600", f"X-Amz-Expires={expires}")))
