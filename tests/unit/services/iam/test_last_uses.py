from __future__ import annotations

import asyncio
from typing import Any

import pytest

from functory.core.identity.port import Principal, PrincipalKind
from functory.services.iam import last_uses
from functory.store.port import StoreError
from tests.support.iam_service import ACCOUNT, NOW_S, Iam

BOB = Principal(PrincipalKind.USER, ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/bob", "AIDA1", "bob")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/worker"
SESSION = Principal(
    PrincipalKind.ASSUMED_ROLE, ACCOUNT, f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/s", "AROA1:s", "worker", ROLE
)


def used(iam: Iam, key_id: str) -> Any:
    return iam.call("GetAccessKeyLastUsed", AccessKeyId=key_id)["AccessKeyLastUsed"]


@pytest.fixture
def iam() -> Iam:
    iam = Iam()
    iam.user()
    iam.role()
    return iam


def test_the_newest_use_of_a_key_is_told_at_once(iam: Iam) -> None:
    key_id = iam.key()["AccessKeyId"]
    iam.service.last_uses.note(BOB, key_id, "s3", "eu-west-1")
    iam.clock.now_s += 5
    iam.service.last_uses.note(BOB, key_id, "lambda", "eu-west-2")
    assert used(iam, key_id) == {"LastUsedDate": NOW_S + 5, "ServiceName": "lambda", "Region": "eu-west-2"}


def test_a_session_is_a_use_of_its_role(iam: Iam) -> None:
    iam.service.last_uses.note(SESSION, "ASIA1", "s3", "eu-west-1")
    role = iam.call("GetRole", RoleName="worker")["Role"]
    assert role["RoleLastUsed"] == {"LastUsedDate": NOW_S, "Region": "eu-west-1"}
    [detail] = iam.call("GetAccountAuthorizationDetails", Filter=["Role"])["RoleDetailList"]
    assert detail["RoleLastUsed"] == role["RoleLastUsed"]


def test_nothing_noted_writes_nothing_and_forgets_nothing_remembered(iam: Iam) -> None:
    key_id = iam.key()["AccessKeyId"]
    asyncio.run(iam.identities.find_key(key_id))
    writes, reads = iam.store.writes, iam.store.reads
    asyncio.run(iam.service.last_uses.save())
    assert iam.store.writes == writes
    iam.service.last_uses.note(BOB, key_id, "s3", "eu-west-1")
    asyncio.run(iam.service.last_uses.save())
    asyncio.run(iam.identities.find_key(key_id))
    assert (iam.store.writes, iam.store.reads) == (writes + 1, reads)


def test_leaving_the_service_keeps_what_was_noted(iam: Iam) -> None:
    key_id = iam.key()["AccessKeyId"]

    async def run() -> None:
        async with iam.service:
            iam.service.last_uses.note(BOB, key_id, "s3", "eu-west-1")

    asyncio.run(run())
    writes = iam.store.writes
    assert used(iam, key_id)["ServiceName"] == "s3"
    assert iam.store.writes == writes


def test_what_a_full_disk_refused_is_tried_again(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    key_id = iam.key()["AccessKeyId"]
    iam.service.last_uses.note(BOB, key_id, "s3", "eu-west-1")

    async def refuse(_: object) -> None:
        raise StoreError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(iam.store, "write", refuse)
        with pytest.raises(StoreError):
            asyncio.run(iam.service.last_uses.save())
    assert used(iam, key_id)["ServiceName"] == "s3"


def test_uses_of_what_is_gone_are_no_error_and_their_number_is_bounded(iam: Iam, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_uses, "ENTRIES_MAX", 2)
    keys = [iam.key()["AccessKeyId"], "AKIAGONE1", "AKIAGONE2"]
    for key_id in keys:
        iam.service.last_uses.note(BOB, key_id, "s3", "eu-west-1")
    assert used(iam, keys[0]) == {"ServiceName": "N/A", "Region": "N/A"}
