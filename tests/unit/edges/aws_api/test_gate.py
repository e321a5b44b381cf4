"""The two ways a node treats its callers."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from functory.aws.errors import AwsError
from functory.aws.http import HttpRequest
from functory.aws.sigv4_chunks import SIGNED
from functory.aws.sigv4_verify import sign, signing_key
from functory.core.authorization.authorizer import Authorizer
from functory.core.authorization.guard import Guard
from functory.core.calls import CallContext
from functory.core.identity.authenticator import Authenticator
from functory.core.identity.port import AccessKey, Caller, Principal, PrincipalKind
from functory.core.identity.sessions import Sessions
from functory.edges.aws_api.gate import IamGate, OpenGate
from functory.kernel.clock import SystemClock
from functory.kernel.ids import SeededIds
from functory.services.lambda_.access import ACCESS
from tests.support.identities import ACCOUNT, ANN, KEY, OTHER, SECRET, FakeIdentities, allow

CLOCK = SystemClock()
SESSIONS = Sessions(b"s" * 32, CLOCK, SeededIds())


class Notes:
    def note(self, principal: Principal, access_key_id: str, service: str, region: str) -> None:
        """Keeps nothing."""


def gate(identities: FakeIdentities) -> IamGate:
    identities.keys[KEY] = AccessKey(KEY, SECRET, ANN)
    guard = Guard(Authorizer(identities, {}, {}), {"lambda": ACCESS}, {}, CLOCK)
    return IamGate(Authenticator(identities, SESSIONS, CLOCK, Notes()), guard)


def signed(
    service: str = "lambda", key: str = KEY, secret: str = SECRET, token: str | None = None, **more: Any
) -> HttpRequest:
    request = AWSRequest(method="PUT", url="http://127.0.0.1/b/k", data=b"", headers={"Host": "127.0.0.1", **more})
    SigV4Auth(Credentials(key, secret, token), service, "eu-west-1").add_auth(request)
    headers = {name.lower(): value for name, value in request.headers.items()}
    return HttpRequest("PUT", "/b/k", headers=headers, peer="10.1.2.3")


def identify(subject: Any, request: HttpRequest, *what: str) -> tuple[Caller | None, HttpRequest]:
    found: tuple[Caller | None, HttpRequest] = asyncio.run(subject.identify(request, *what))
    return found


def test_an_open_gate_asks_nobody() -> None:
    request = HttpRequest("GET", "/")
    assert identify(OpenGate(SESSIONS), request, "lambda", "ListFunctions", "rest-json") == (None, request)
    forged = signed(secret="wrong", token="any")
    assert identify(OpenGate(SESSIONS), forged, "lambda", "ListFunctions", "rest-json")[0] is None
    context = CallContext(ACCOUNT, "us-east-1", "r")
    assert asyncio.run(OpenGate(SESSIONS).allow(context, request, "lambda", "Invoke", {}, "rest-json")) is context


def test_an_open_gate_knows_the_sessions_of_its_own_node() -> None:
    other = replace(ANN, account_id=OTHER)
    issued = SESSIONS.issue(other, expires_at=CLOCK.epoch_s() + 900)
    request = signed(key=issued.access_key_id, secret=issued.secret, token=issued.token)
    caller, _ = identify(OpenGate(SESSIONS), request, "lambda", "ListFunctions", "rest-json")
    assert caller is not None
    assert caller.principal.account_id == OTHER


def test_a_guarded_gate_answers_in_the_service_s_words() -> None:
    subject = gate(FakeIdentities())
    with pytest.raises(AwsError) as refused:
        identify(subject, signed(secret="wrong"), "lambda", "ListFunctions", "rest-json")
    assert refused.value.code == "InvalidSignatureException"
    with pytest.raises(AwsError) as refused:
        identify(subject, signed("iam", secret="wrong"), "iam", "ListUsers", "query")
    assert refused.value.code == "SignatureDoesNotMatch"


def test_a_signature_for_another_service_opens_nothing_of_lambda() -> None:
    with pytest.raises(AwsError) as refused:
        identify(gate(FakeIdentities()), signed("iam"), "lambda", "Invoke", "rest-json")
    assert refused.value.message == "Credential should be scoped to correct service: 'lambda'."


def test_what_aws_takes_from_everybody_needs_no_signature() -> None:
    subject, request = gate(FakeIdentities()), HttpRequest("POST", "/")
    caller, _ = identify(subject, request, "sts", "AssumeRoleWithWebIdentity", "query")
    assert caller is not None
    assert caller.principal.kind is PrincipalKind.ANONYMOUS
    with pytest.raises(AwsError):
        identify(subject, request, "sts", "AssumeRole", "query")


def test_a_body_signed_in_chunks_arrives_without_them() -> None:
    request = signed("s3", **{"X-Amz-Content-SHA256": SIGNED})
    stamp = request.headers["x-amz-date"]
    scope = f"{stamp[:8]}/eu-west-1/s3/aws4_request"
    last = request.headers["authorization"].rpartition("Signature=")[2]
    key, empty, body = signing_key(SECRET, stamp[:8], "eu-west-1", "s3"), hashlib.sha256(b"").hexdigest(), b""
    for data in (b"hello", b""):
        digest = hashlib.sha256(data).hexdigest()
        last = sign(key, f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{last}\n{empty}\n{digest}")
        body += f"{len(data):x};chunk-signature={last}\r\n".encode() + data + b"\r\n"
    caller, plain = identify(gate(FakeIdentities()), replace(request, body=body), "s3", "PutObject", "rest-xml")
    assert caller is not None
    assert plain.body == b"hello"
    with pytest.raises(AwsError) as refused:
        identify(
            gate(FakeIdentities()), replace(request, body=body.replace(b"hello", b"hallo")), "s3", "PutObject", "rest-xml"
        )
    assert refused.value.code == "SignatureDoesNotMatch"


def test_conditions_see_the_request() -> None:
    identities = FakeIdentities()
    subject = gate(identities)
    context = CallContext(ACCOUNT, "us-east-1", "r", caller=Caller(ANN, KEY))

    def may(**conditions: dict[str, str]) -> bool:
        identities.give(ANN.arn, allow("lambda:ListFunctions", Condition=conditions))
        request = HttpRequest("GET", "/", headers={"user-agent": "curl/8", "referer": "http://here"}, peer="10.1.2.3")
        try:
            asyncio.run(subject.allow(context, request, "lambda", "ListFunctions", {}, "rest-json"))
        except AwsError:
            return False
        return True

    assert may(IpAddress={"aws:SourceIp": "10.0.0.0/8"})
    assert not may(IpAddress={"aws:SourceIp": "11.0.0.0/8"})
    assert may(StringLike={"aws:UserAgent": "curl/*"}, StringEquals={"aws:Referer": "http://here"})
    assert may(Bool={"aws:SecureTransport": "false"})
    assert may(StringEquals={"aws:RequestedRegion": "us-east-1", "aws:ResourceAccount": ACCOUNT})
    assert may(DateGreaterThan={"aws:CurrentTime": "2020-01-01T00:00:00Z"})
    assert not may(NumericLessThan={"aws:EpochTime": "1000"})
    assert may(StringEquals={"aws:PrincipalType": "User", "aws:PrincipalAccount": ACCOUNT, "aws:username": "ann"})
    assert may(ArnLike={"aws:PrincipalArn": "arn:aws:iam::*:user/team/*"})
