"""AssumeRoleWithWebIdentity: tokens checked against their provider's keys, roles against what the tokens say."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from functory.aws.errors import AwsError
from functory.services.sts.identity_tokens import AGAIN_S, IdentityTokens, fetch, read_unverified
from tests.support.identities import ACCOUNT, WORKER, FixedClock, document, role
from tests.support.sts_service import Provider, Sts

PROVIDER_ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{Provider.HOST}"
TAGS = "https://aws.amazon.com/tags"


def trust(*actions: str, **conditions: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": PROVIDER_ARN},
        "Action": ["sts:AssumeRoleWithWebIdentity", *actions],
        "Condition": {"StringEquals": {f"{Provider.HOST}:{name}": value for name, value in conditions.items()}},
    }
    return document(statement)


class World:
    def __init__(self, folder: Path) -> None:
        self.sts = Sts(keys=folder)
        self.provider = Provider(folder, self.sts.clock)
        self.sts.identities.clients[PROVIDER_ARN] = ("functory",)
        self.trust(sub="ci", aud="functory")

    def trust(self, *actions: str, **conditions: str) -> None:
        self.sts.identities.roles[WORKER] = role(trust(*actions, **conditions))

    def asked(self, **token: Any) -> dict[str, Any]:
        return {"RoleArn": WORKER, "RoleSessionName": "s1", "WebIdentityToken": self.provider.token(**token)}

    def call(self, **token: Any) -> dict[str, Any]:
        return self.sts.call("AssumeRoleWithWebIdentity", **self.asked(**token))

    def refused(self, **token: Any) -> tuple[str, str]:
        return self.sts.refused("AssumeRoleWithWebIdentity", **self.asked(**token))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_token_of_the_provider(world: World) -> None:
    answer = world.call()
    assert answer.keys() == {
        "Credentials",
        "AssumedRoleUser",
        "Audience",
        "Provider",
        "SubjectFromWebIdentityToken",
        "SessionTokenUtilization",
        "SessionTokenSize",
    }
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"]) == ("ci", "functory")
    assert answer["Provider"] == f"https://{Provider.HOST}"
    caller = world.sts.opened(answer).caller
    assert caller.principal.issuer_arn == WORKER
    assert caller.keys["aws:FederatedProvider"] == PROVIDER_ARN


def test_the_trust_policy_decides_by_the_claims(world: World) -> None:
    text = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
    assert world.refused(sub="somebody else") == ("AccessDenied", text)
    world.trust(repository="team/app")
    assert world.refused()[0] == "AccessDenied"
    world.call(repository="team/app")
    del world.sts.identities.roles[WORKER]
    assert world.refused() == ("AccessDenied", text)


def test_another_signer_is_refused(world: World) -> None:
    forger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert world.refused(key=forger)[0] == "InvalidIdentityTokenException"
    assert world.refused(kid="unknown")[0] == "InvalidIdentityTokenException"


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_only_asymmetric_signatures_count(world: World, algorithm: str) -> None:
    key = "x" * 64 if algorithm == "HS256" else ""
    claims = {"iss": f"https://{Provider.HOST}", "sub": "ci", "aud": "functory", "iat": 1, "exp": world.sts.clock.now + 60}
    token = jwt.encode(claims, key or None, algorithm=algorithm, headers={"kid": "k1"})  # type: ignore[arg-type]
    found = world.sts.refused("AssumeRoleWithWebIdentity", RoleArn=WORKER, RoleSessionName="s1", WebIdentityToken=token)
    assert found[0] == "InvalidIdentityTokenException"


def test_a_token_must_be_in_time_for_a_known_client_of_a_known_provider(world: World) -> None:
    code, text = world.refused(exp=world.sts.clock.now)
    assert code == "ExpiredTokenException"
    assert text.startswith("Token expired: current date/time 2027-01-15T08:00:00Z must be before the expiration")
    assert world.refused(aud="another") == ("InvalidIdentityTokenException", "Incorrect token audience")
    world.call(aud="another", azp="functory")
    code, text = world.refused(iss="https://unknown.example.com")
    assert text == "No OpenIDConnect provider found in your account for https://unknown.example.com"


@pytest.mark.parametrize("claim", ["sub", "aud", "exp", "iat", "iss"])
def test_a_claim_that_is_missing_is_named(world: World, claim: str) -> None:
    code, text = world.refused(**{claim: None})
    assert (code, text) == ("InvalidIdentityTokenException", f"Missing a required claim: {claim}")


def test_what_is_no_token_is_refused(world: World) -> None:
    asked = {**world.asked(), "WebIdentityToken": "nonsense"}
    assert world.sts.refused("AssumeRoleWithWebIdentity", **asked)[0] == "InvalidIdentityTokenException"
    assert world.sts.refused("AssumeRoleWithWebIdentity", **world.asked(), ProviderId="graph.facebook.com")


def test_tags_and_source_identity_come_from_the_token(world: World) -> None:
    more = {TAGS: {"principal_tags": {"Team": ["red"]}, "transitive_tag_keys": ["Team", "Other"]}}
    more["https://aws.amazon.com/source_identity"] = "ann"  # type: ignore[assignment]
    assert world.refused(**more)[0] == "AccessDenied"
    world.trust("sts:TagSession", "sts:SetSourceIdentity", sub="ci")
    answer = world.call(**more)
    assert answer["SourceIdentity"] == "ann"
    assert world.sts.opened(answer).caller.principal.tags == {"Team": "red"}


def test_a_node_that_asks_nobody_believes_the_token(tmp_path: Path) -> None:
    sts = Sts(guarded=False)
    token = Provider(tmp_path, sts.clock).token()
    answer = sts.call("AssumeRoleWithWebIdentity", RoleArn=WORKER, RoleSessionName="s1", WebIdentityToken=token)
    assert answer["SubjectFromWebIdentityToken"] == "ci"


class TestKeysOfAProvider:
    """Fetched, kept, and fetched anew."""

    def tokens(self, folder: Path) -> tuple[IdentityTokens, Provider, list[str], FixedClock]:
        clock, asked = FixedClock(), list[str]()
        provider = Provider(folder, clock)
        keys = (folder / f"{Provider.HOST.replace('/', '_')}.json").read_bytes()

        def answer(url: str) -> bytes:
            asked.append(url)
            if url.endswith("/.well-known/openid-configuration"):
                return json.dumps({"jwks_uri": "https://keys.example.com/jwks"}).encode()
            return keys

        return IdentityTokens(clock, None, answer), provider, asked, clock

    def verify(self, subject: IdentityTokens, token: str) -> None:
        asyncio.run(subject.verify(token, read_unverified(token), ("functory",)))

    def test_they_are_found_by_discovery_and_kept(self, tmp_path: Path) -> None:
        subject, provider, asked, _ = self.tokens(tmp_path)
        self.verify(subject, provider.token())
        self.verify(subject, provider.token())
        assert asked == [
            f"https://{Provider.HOST}/.well-known/openid-configuration",
            "https://keys.example.com/jwks",
        ]

    def test_a_new_key_is_looked_for_once_a_minute(self, tmp_path: Path) -> None:
        subject, provider, asked, clock = self.tokens(tmp_path)
        for wait, fetches in ((0.0, 2), (AGAIN_S, 4), (1.0, 4)):
            clock.now += wait
            with pytest.raises(AwsError):
                self.verify(subject, provider.token(kid="new"))
            assert len(asked) == fetches

    def test_a_provider_that_does_not_answer_is_named(self, tmp_path: Path) -> None:
        clock = FixedClock()

        def fail(url: str) -> bytes:
            raise OSError(f"no route to {url}")

        subject, provider = IdentityTokens(clock, None, fail), Provider(tmp_path, clock)
        with pytest.raises(AwsError) as refused:
            self.verify(subject, provider.token())
        assert refused.value.code == "IDPCommunicationErrorException"

    def test_only_http_is_fetched(self) -> None:
        with pytest.raises(OSError, match="no http"):
            fetch("file:///etc/passwd")
