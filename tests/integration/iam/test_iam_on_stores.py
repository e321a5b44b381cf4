"""IAM on the real stores: the same statements on SQLite and PostgreSQL, many callers at once."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.kernel.clock import SystemClock
from functory.kernel.ids import SystemIds
from functory.services.iam.service import IamService
from functory.store.port import Store
from functory.store.postgresql import PostgresqlStore
from functory.store.sqlite import SqliteStore
from tests.support.iam_service import ACCOUNT, ADMINISTRATOR, ALLOW_ALL, TRUST
from tests.support.postgresql import PostgresqlMissingError, fresh_database, postgresql_server

Open = Callable[[], Awaitable[Store]]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    try:
        with postgresql_server() as url:
            yield url
    except PostgresqlMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    if request.param == "sqlite":
        yield lambda: SqliteStore.open(tmp_path / "functory.db")
        return
    with fresh_database(request.getfixturevalue("server"), f"functory_{uuid.uuid4().hex}") as url:
        yield lambda: PostgresqlStore.open(url)


class Caller:
    """Calls one service in one account."""

    def __init__(self, service: IamService) -> None:
        self.service = service

    async def __call__(self, operation: str, **params: Any) -> dict[str, Any]:
        return await self.service.operations[operation](CallContext(ACCOUNT, "us-east-1", "request"), params)


@asynccontextmanager
async def iam_on(open_store: Open) -> AsyncIterator[Caller]:
    store = await open_store()
    try:
        async with IamService(store, SystemClock(), SystemIds(), b"s" * 32) as service:
            yield Caller(service)
    finally:
        await store.close()


def test_everything_is_there_after_the_store_was_opened_anew(open_store: Open) -> None:
    async def run() -> None:
        async with iam_on(open_store) as iam:
            await iam("CreateUser", UserName="Bob", Tags=[{"Key": "a", "Value": "b"}])
            await iam("CreateGroup", GroupName="team")
            await iam("AddUserToGroup", GroupName="team", UserName="bob")
            await iam("AttachGroupPolicy", GroupName="team", PolicyArn=ADMINISTRATOR)
            arn = (await iam("CreatePolicy", PolicyName="p", PolicyDocument=ALLOW_ALL))["Policy"]["Arn"]
            await iam("CreatePolicyVersion", PolicyArn=arn, PolicyDocument=ALLOW_ALL, SetAsDefault=True)
            await iam("CreateRole", RoleName="r", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=arn)
            await iam("AttachRolePolicy", RoleName="r", PolicyArn=arn)
            key = (await iam("CreateAccessKey", UserName="bob"))["AccessKey"]
            iam.service.last_uses.note(
                (await _key(iam, key["AccessKeyId"])).principal, key["AccessKeyId"], "s3", "eu-west-1"
            )
        async with iam_on(open_store) as iam:
            found = await _key(iam, key["AccessKeyId"])
            assert (found.secret, found.principal.tags) == (key["SecretAccessKey"], {"a": "b"})
            used = (await iam("GetAccessKeyLastUsed", AccessKeyId=key["AccessKeyId"]))["AccessKeyLastUsed"]
            assert used["ServiceName"] == "s3"
            grants = await iam.service.identities.grants_of(found.principal.arn)
            assert grants is not None
            assert [name for name, _ in grants.policies] == [ADMINISTRATOR]
            details = await iam("GetAccountAuthorizationDetails")
            assert [each["Arn"] for each in details["Policies"]] == [ADMINISTRATOR, arn]
            assert (await iam("ListEntitiesForPolicy", PolicyArn=arn))["PolicyRoles"][0]["RoleName"] == "r"
            assert (await iam("GetAccountSummary"))["SummaryMap"]["PolicyVersionsInUse"] == 3

    asyncio.run(run())


async def _key(iam: Caller, key_id: str) -> Any:
    return await iam.service.identities.find_key(key_id)


def test_of_many_who_want_one_name_one_gets_it(open_store: Open) -> None:
    async def attempt(iam: Caller, name: str) -> str:
        try:
            await iam("CreateUser", UserName=name)
        except AwsError as error:
            return error.code
        return "made"

    async def run() -> None:
        async with iam_on(open_store) as iam:
            tries = await asyncio.gather(*(attempt(iam, name) for name in ("bob", "Bob", "BOB", "boB") * 5))
            assert Counter(tries)["made"] == 1
            assert set(tries) <= {"made", "EntityAlreadyExists", "ConcurrentModification"}
            assert len((await iam("ListUsers"))["Users"]) == 1

    asyncio.run(run())


def test_no_limit_is_passed_by_many_at_once(open_store: Open) -> None:
    async def attempt(iam: Caller) -> str:
        try:
            await iam("CreateAccessKey", UserName="bob")
        except AwsError as error:
            return error.code
        return "made"

    async def run() -> None:
        async with iam_on(open_store) as iam:
            await iam("CreateUser", UserName="bob")
            tries = Counter(await asyncio.gather(*(attempt(iam) for _ in range(12))))
            assert tries == {"made": 2, "LimitExceeded": 10}

    asyncio.run(run())


def test_names_come_in_the_order_of_their_bytes_on_every_store(open_store: Open) -> None:
    async def run() -> None:
        async with iam_on(open_store) as iam:
            for name in ("b_", "B-1", "a.b", "A+", "_", "z"):
                await iam("CreateUser", UserName=name)
            shown: list[str] = []
            params: dict[str, Any] = {"MaxItems": 2}
            while True:
                page = await iam("ListUsers", **params)
                shown += [user["UserName"] for user in page["Users"]]
                if not page["IsTruncated"]:
                    break
                params["Marker"] = page["Marker"]
            assert shown == ["_", "A+", "a.b", "B-1", "b_", "z"]

    asyncio.run(run())
