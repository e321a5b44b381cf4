"""Requests signed by botocore, and whose they are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from functory.aws.auth_failure import AuthenticationFailed, Failure, aws_error
from functory.aws.http import HttpRequest
from functory.core.identity.authenticator import Authenticated, Authenticator
from functory.core.identity.port import AccessKey, Principal
from functory.core.identity.sessions import Sessions
from functory.kernel.clock import SystemClock
from functory.kernel.ids import SeededIds
from tests.support.identities import ANN, KEY, SECRET, FakeIdentities, FixedClock

CLOCK = SystemClock()
SESSIONS = Sessions(b"s" * 32, CLOCK, SeededIds())


def signed(key: str = KEY, secret: str = SECRET, token: str | None = None, body: bytes = b"") -> HttpRequest:
    request = AWSRequest(method="POST", url="http://127.0.0.1/x", data=body, headers={"Host": "127.0.0.1"})
    SigV4Auth(Credentials(key, secret, token), "lambda", "eu-west-1").add_auth(request)
    return HttpRequest("POST", "/x", "", {name.lower(): value for name, value in request.headers.items()}, body)


class Notes:
    def __init__(self) -> None:
        self.noted: list[str] = []

    def note(self, principal: Principal, access_key_id: str, service: str, region: str) -> None:
        self.noted.append(f"{principal.name} {access_key_id} {service} {region}")


def ask(request: HttpRequest, *, active: bool = True, clock: Any = CLOCK, signing_name: str = "lambda") -> Authenticated:
    identities = FakeIdentities(keys={KEY: AccessKey(KEY, SECRET, ANN, active)})
    sessions = Sessions(b"s" * 32, clock, SeededIds())
    subject = Authenticator(identities, sessions, clock, Notes())
    return asyncio.run(subject.authenticate(request, signing_name))


def failure(request: HttpRequest, **how: Any) -> Failure:
    with pytest.raises(AuthenticationFailed) as failed:
        ask(request, **how)
    return failed.value.failure


def test_a_user_s_key() -> None:
    found = ask(signed(body=b"{}"))
    assert found.caller.principal is ANN
    assert found.caller.access_key_id == KEY


def test_the_use_of_a_key_is_noted_and_a_forged_one_is_not() -> None:
    notes = Notes()
    subject = Authenticator(FakeIdentities(keys={KEY: AccessKey(KEY, SECRET, ANN)}), SESSIONS, CLOCK, notes)
    asyncio.run(subject.authenticate(signed()))
    with pytest.raises(AuthenticationFailed):
        asyncio.run(subject.authenticate(signed(secret="another")))
    assert notes.noted == [f"ann {KEY} lambda eu-west-1"]


def test_a_session() -> None:
    issued = SESSIONS.issue(ANN, expires_at=CLOCK.epoch_s() + 900)
    found = ask(signed(issued.access_key_id, issued.secret, issued.token))
    assert found.caller.principal == ANN
    assert found.caller.expires_at is not None


def test_what_is_wrong_is_named() -> None:
    issued = SESSIONS.issue(ANN, expires_at=CLOCK.epoch_s() + 900)
    over = SESSIONS.issue(ANN, expires_at=CLOCK.epoch_s() - 1)
    assert failure(HttpRequest("GET", "/")) is Failure.MISSING
    assert failure(signed(secret="another")) is Failure.MISMATCH
    assert failure(signed(key="AKIAANOTHER")) is Failure.UNKNOWN_KEY
    assert failure(signed(), active=False) is Failure.UNKNOWN_KEY
    assert failure(signed(token="x")) is Failure.BAD_SESSION
    assert failure(signed(issued.access_key_id, issued.secret)) is Failure.UNKNOWN_KEY
    assert failure(signed(issued.access_key_id, issued.secret, over.token)) is Failure.BAD_SESSION
    assert failure(signed(issued.access_key_id, SECRET, issued.token)) is Failure.MISMATCH
    assert failure(signed(over.access_key_id, over.secret, over.token)) is Failure.SESSION_OVER
    assert failure(signed(), clock=FixedClock(CLOCK.epoch_s() + 400)) is Failure.EXPIRED
    assert failure(signed(), signing_name="logs") is Failure.BAD_SCOPE


def test_a_long_body_is_checked_too() -> None:
    body = b"x" * (2 << 20)
    request = signed(body=body)
    assert ask(request).caller.principal is ANN
    request.body = body[:-1] + b"y"
    assert failure(request) is Failure.MISMATCH


@pytest.mark.parametrize(
    ("service", "protocol", "codes"),
    [
        ("lambda", "rest-json", ("MissingAuthenticationTokenException", 403, "UnrecognizedClientException", 403)),
        ("logs", "json", ("MissingAuthenticationTokenException", 400, "UnrecognizedClientException", 400)),
        ("iam", "query", ("MissingAuthenticationToken", 403, "InvalidClientTokenId", 403)),
        ("s3", "rest-xml", ("AccessDenied", 403, "InvalidAccessKeyId", 403)),
    ],
)
def test_services_call_it_by_their_own_names(service: str, protocol: str, codes: tuple[Any, ...]) -> None:
    missing = aws_error(AuthenticationFailed(Failure.MISSING), service, protocol)
    unknown = aws_error(AuthenticationFailed(Failure.UNKNOWN_KEY), service, protocol)
    assert (missing.code, missing.status, unknown.code, unknown.status) == codes


def test_every_failure_has_an_answer_everywhere() -> None:
    for service, protocol in (("lambda", "rest-json"), ("logs", "json"), ("iam", "query"), ("s3", "rest-xml")):
        for each in Failure:
            error = aws_error(AuthenticationFailed(each), service, protocol)
            assert error.code
            assert error.message
