"""Temporary credentials: sealed, survive a restart, and open to nothing when anything of them was changed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from functory.aws.access_keys import account_of, new_access_key_id
from functory.core.identity.port import Principal, PrincipalKind
from functory.core.identity.sessions import Sessions
from functory.kernel.ids import SeededIds
from tests.support.identities import ACCOUNT, WORKER, FixedClock

SESSION = Principal(
    PrincipalKind.ASSUMED_ROLE,
    ACCOUNT,
    f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/s1",
    "AROAWORKER:s1",
    "worker",
    WORKER,
    {"Team": "red"},
    {"aws:SourceAccount": ACCOUNT},
)
CLOCK = FixedClock()


def sessions(secret: bytes = b"s" * 32, seed: int = 1) -> Sessions:
    return Sessions(secret, CLOCK, SeededIds(seed))


def test_a_session_comes_back_whole_after_a_restart() -> None:
    issued = sessions().issue(
        SESSION,
        expires_at=CLOCK.now + 900,
        policies=(("inline", "{}"),),
        policy_arns=("arn:aws:iam::aws:policy/P",),
        keys={"aws:SourceIdentity": "ann"},
    )
    opened = sessions(seed=2).open(issued.access_key_id, issued.token)
    assert opened is not None
    assert opened.secret == issued.secret
    assert opened.caller.principal == SESSION
    assert opened.caller.session_policies == (("inline", "{}"),)
    assert opened.caller.session_policy_arns == ("arn:aws:iam::aws:policy/P",)
    assert opened.caller.keys == {"aws:SourceIdentity": "ann"}
    assert opened.caller.expires_at == CLOCK.now + 900


def test_no_policies_are_not_none_of_any() -> None:
    subject = sessions()
    free = subject.issue(SESSION, expires_at=CLOCK.now + 900)
    bound = subject.issue(SESSION, expires_at=CLOCK.now + 900, policies=())
    assert subject.open(free.access_key_id, free.token).caller.session_policies is None  # type: ignore[union-attr]
    assert subject.open(bound.access_key_id, bound.token).caller.session_policies == ()  # type: ignore[union-attr]


def test_another_data_folder_knows_nothing_of_it() -> None:
    issued = sessions().issue(SESSION, expires_at=CLOCK.now + 900)
    assert sessions(b"t" * 32).open(issued.access_key_id, issued.token) is None


def test_a_token_belongs_to_its_access_key() -> None:
    subject = sessions()
    one, two = (subject.issue(SESSION, expires_at=CLOCK.now + 900) for _ in range(2))
    assert subject.open(one.access_key_id, two.token) is None


@pytest.mark.parametrize("change", [0, 3, 20, 60, -1])
def test_a_changed_token_opens_to_nothing(change: int) -> None:
    issued = sessions().issue(SESSION, expires_at=CLOCK.now + 900)
    letters = list(issued.token.rstrip("="))
    letters[change] = "A" if letters[change] != "A" else "B"
    assert sessions().open(issued.access_key_id, "".join(letters)) is None


@pytest.mark.parametrize("token", ["", "functory", "F/wB", "not base64!", "AAAA"])
def test_what_is_no_token_opens_to_nothing(token: str) -> None:
    assert sessions().open("ASIAIOSFODNN7EXAMPLE", token) is None


def test_a_session_ends() -> None:
    issued = sessions().issue(SESSION, expires_at=CLOCK.now + 900)
    session = sessions().open(issued.access_key_id, issued.token)
    assert session is not None
    assert not Sessions(b"", FixedClock(CLOCK.now + 899), SeededIds()).is_over(session.caller)
    assert Sessions(b"", FixedClock(CLOCK.now + 900), SeededIds()).is_over(session.caller)


def test_secrets_are_in_no_representation() -> None:
    issued = sessions().issue(SESSION, expires_at=CLOCK.now + 900)
    assert issued.secret not in repr(issued)
    assert issued.token not in repr(issued)


def test_the_account_is_in_the_access_key_id() -> None:
    issued = sessions().issue(replace(SESSION, account_id="999999999999"), expires_at=CLOCK.now + 900)
    assert issued.access_key_id.startswith("ASIA")
    assert len(issued.access_key_id) == 20
    assert account_of(issued.access_key_id) == "999999999999"


def test_aws_s_own_example_of_an_access_key_id_decodes() -> None:
    assert account_of("ASIAQNZGKIQY56JQ7WML") == "029608264753"
    assert account_of("AKIA") is None
    assert account_of("ASIA1111111111111111") is None
    assert account_of(new_access_key_id("AKIA", "000000000001", "f" * 10)) == "000000000001"
