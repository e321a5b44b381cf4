from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from sqlalchemy import Connection

from functory.core.identity.port import AccessKey, Grants, PrincipalKind, Role
from functory.kernel.sealing import Sealer
from functory.services.iam.directory import Directory
from functory.services.iam.entities import NewEntity, add
from functory.store.port import StoreError
from tests.support.iam_service import ACCOUNT, ADMINISTRATOR, ALLOW_ALL, BASIC, TRUST, Iam, MemoryStore, statement

T = TypeVar("T")
BOB = f"arn:aws:iam::{ACCOUNT}:user/bob"


def key_of(iam: Iam, key_id: str) -> AccessKey | None:
    return asyncio.run(iam.identities.find_key(key_id))


def grants_of(iam: Iam, arn: str = BOB) -> Grants | None:
    return asyncio.run(iam.identities.grants_of(arn))


def role_of(iam: Iam, arn: str) -> Role | None:
    return asyncio.run(iam.identities.find_role(arn))


def test_a_key_has_its_secret_and_its_user_with_tags() -> None:
    iam = Iam()
    user = iam.user("bob", Path="/team/", Tags=[{"Key": "cost", "Value": "1"}])
    made = iam.key()
    key = key_of(iam, made["AccessKeyId"])
    assert key is not None
    assert key.secret == made["SecretAccessKey"]
    assert key.secret not in repr(key)
    assert (key.is_active, key.principal.kind, key.principal.arn) == (True, PrincipalKind.USER, user["Arn"])
    assert (key.principal.user_id, key.principal.name) == (user["UserId"], "bob")
    assert key.principal.tags == {"cost": "1"}


def test_a_key_of_the_account_is_its_roots() -> None:
    iam = Iam()
    key = key_of(iam, iam.call("CreateAccessKey")["AccessKey"]["AccessKeyId"])
    assert key is not None
    assert (key.principal.kind, key.principal.arn) == (PrincipalKind.ROOT, f"arn:aws:iam::{ACCOUNT}:root")
    assert key.principal.user_id == ACCOUNT


def test_a_change_is_seen_by_the_next_question() -> None:
    iam = Iam()
    iam.user()
    key_id = iam.key()["AccessKeyId"]
    assert key_of(iam, key_id) is not None
    iam.call("UpdateAccessKey", UserName="bob", AccessKeyId=key_id, Status="Inactive")
    found = key_of(iam, key_id)
    assert found is not None
    assert not found.is_active
    iam.call("DeleteAccessKey", UserName="bob", AccessKeyId=key_id)
    assert key_of(iam, key_id) is None


def test_what_was_asked_once_costs_no_read() -> None:
    iam = Iam()
    iam.user()
    role = iam.role()["Arn"]
    key_id = iam.key()["AccessKeyId"]

    def ask() -> None:
        key_of(iam, key_id)
        key_of(iam, "AKIAUNKNOWN")
        grants_of(iam)
        role_of(iam, role)

    ask()
    before = iam.store.reads
    ask()
    assert iam.store.reads == before


def test_grants_are_all_policies_that_apply() -> None:
    iam = Iam()
    own = iam.policy("own", statement(Action="sqs:*"))
    iam.user(PermissionsBoundary=own)
    iam.call("CreateGroup", GroupName="team")
    iam.call("AddUserToGroup", GroupName="team", UserName="bob")
    iam.call("PutUserPolicy", UserName="bob", PolicyName="inline", PolicyDocument=statement(Action="s3:*"))
    iam.call("AttachUserPolicy", UserName="bob", PolicyArn=own)
    iam.call("PutGroupPolicy", GroupName="team", PolicyName="ours", PolicyDocument=statement(Action="sns:*"))
    iam.call("AttachGroupPolicy", GroupName="team", PolicyArn=ADMINISTRATOR)
    grants = grants_of(iam)
    assert grants is not None
    assert [name for name, _ in grants.policies] == ["inline", own, "ours", ADMINISTRATOR]
    assert grants.boundary == statement(Action="sqs:*")
    iam.call("CreatePolicyVersion", PolicyArn=own, PolicyDocument=ALLOW_ALL, SetAsDefault=True)
    changed = grants_of(iam)
    assert changed is not None
    assert dict(changed.policies)[own] == changed.boundary == ALLOW_ALL
    iam.call("RemoveUserFromGroup", GroupName="team", UserName="bob")
    left = grants_of(iam)
    assert left is not None
    assert [name for name, _ in left.policies] == ["inline", own]


def test_a_role_is_found_by_its_whole_arn() -> None:
    iam = Iam()
    made = iam.role("worker", Path="/lambda/", MaxSessionDuration=7200, Tags=[{"Key": "a", "Value": "b"}])
    iam.call("AttachRolePolicy", RoleName="worker", PolicyArn=BASIC)
    role = role_of(iam, made["Arn"])
    assert role == Role(made["Arn"], made["RoleId"], "worker", ACCOUNT, TRUST, 7200, {"a": "b"})
    assert role_of(iam, f"arn:aws:iam::{ACCOUNT}:role/worker") is None
    assert role_of(iam, f"arn:aws:iam::{ACCOUNT}:role/lambda/WORKER") is None
    grants = grants_of(iam, made["Arn"])
    assert grants is not None
    assert [name for name, _ in grants.policies] == [BASIC]
    assert grants.boundary is None


@pytest.mark.parametrize("arn", ["", "bob", BOB, f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:group/team"])
def test_who_does_not_exist_has_nothing(arn: str) -> None:
    iam = Iam()
    iam.call("CreateGroup", GroupName="team")
    assert grants_of(iam, arn) is None
    assert role_of(iam, arn) is None


def test_a_node_has_keys_from_the_first_to_the_last() -> None:
    iam = Iam()
    assert not asyncio.run(iam.identities.has_any())
    iam.user()
    key_id = iam.key()["AccessKeyId"]
    assert asyncio.run(iam.identities.has_any())
    reads = iam.store.reads
    assert asyncio.run(iam.identities.has_any())
    assert iam.store.reads == reads
    iam.call("DeleteAccessKey", UserName="bob", AccessKeyId=key_id)
    assert not asyncio.run(iam.identities.has_any())


class SlowStore(MemoryStore):
    """A store that, while closed, holds reads back, and commits a write only before the one that comes after it."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()
        self._held: list[Callable[[Connection], Any]] = []

    async def read(self, work: Callable[[Connection], T]) -> T:
        value = await super().read(work)
        await self.open.wait()
        return value

    async def write(self, work: Callable[[Connection], T]) -> T:
        for held in self._held:
            await super().write(held)
        self._held.clear()
        if not self.open.is_set():
            self._held.append(work)
            await asyncio.get_running_loop().create_future()
        return await super().write(work)


def test_what_was_read_while_a_change_was_made_is_not_kept() -> None:
    async def run() -> None:
        store = SlowStore()
        directory = Directory(store, Sealer(b"s" * 32, "test"))
        store.open.clear()
        reading = asyncio.ensure_future(directory.grants_of(BOB))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        store.open.set()
        await directory.change(lambda _: None)
        assert await reading is None
        reads = store.reads
        await directory.grants_of(BOB)
        assert store.reads == reads + 1

    asyncio.run(run())


def test_after_a_cancelled_change_nothing_stale_is_told() -> None:
    async def run() -> None:
        store = SlowStore()
        directory = Directory(store, Sealer(b"s" * 32, "test"))
        assert await directory.grants_of(BOB) is None
        store.open.clear()
        change = asyncio.ensure_future(directory.change(_add_bob))
        await asyncio.sleep(0)
        change.cancel()
        with pytest.raises(asyncio.CancelledError):
            await change
        store.open.set()
        assert await directory.grants_of(BOB) == Grants()  # the cancelled change was committed after all
        reads = store.reads
        await directory.grants_of(BOB)
        assert store.reads == reads

    asyncio.run(run())


def test_a_full_disk_keeps_nobody_out() -> None:
    class FullStore(MemoryStore):
        async def write(self, work: Callable[[Connection], T]) -> T:
            raise StoreError("no space left")

    async def run() -> None:
        store = FullStore()
        await MemoryStore.write(store, _add_bob)
        directory = Directory(store, Sealer(b"s" * 32, "test"))
        with pytest.raises(StoreError):
            await directory.change(_add_bob)
        assert await directory.grants_of(BOB) == await directory.grants_of(BOB) == Grants()

    asyncio.run(run())


def _add_bob(connection: Connection) -> None:
    add(connection, ACCOUNT, NewEntity("AIDA1", 1, "user", "bob", "/", {}, None))
