"""The IAM service on an in-memory store, called as an edge calls it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.pool import StaticPool

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.identity.port import Caller, Principal
from functory.kernel.ids import SeededIds
from functory.services.iam import tables
from functory.services.iam.service import IamService
from functory.store.port import METADATA

ACCOUNT = "111122223333"
OTHER = "444455556666"
NOW_S = 1_800_000_000
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"

T = TypeVar("T")


def statement(**members: Any) -> str:
    """A policy of one statement, which allows everything but for ``members``."""
    whole = {"Effect": "Allow", "Action": "*", "Resource": "*"} | members
    return json.dumps({"Version": "2012-10-17", "Statement": [whole]})


ALLOW_ALL = statement()
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
    }
)


class MemoryStore:
    """`functory.store.port.Store` that counts; every unit of work runs in place."""

    def __init__(self) -> None:
        self.reads = 0
        self.writes = 0
        self._engine = create_engine("sqlite://", poolclass=StaticPool)
        event.listen(self._engine, "connect", self._prepare)
        event.listen(self._engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        own = [table for table in METADATA.sorted_tables if table.name.startswith("iam_")]
        assert tables.ENTITIES in own
        METADATA.create_all(self._engine, tables=own, checkfirst=False)

    @staticmethod
    def _prepare(raw: Any, _: object) -> None:
        raw.isolation_level = None
        raw.execute("PRAGMA foreign_keys=ON")

    async def read(self, work: Callable[[Connection], T]) -> T:
        self.reads += 1
        with self._engine.begin() as connection:
            return work(connection)

    async def write(self, work: Callable[[Connection], T]) -> T:
        self.writes += 1
        with self._engine.begin() as connection:
            return work(connection)

    async def close(self) -> None:
        self._engine.dispose()


class HandClock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now_s = NOW_S

    def epoch_s(self) -> float:
        return float(self.now_s)

    def monotonic_s(self) -> float:
        return float(self.now_s)


class Iam:
    """One service and its store; ``call`` runs an operation to its end."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.clock = HandClock()
        self.service = IamService(self.store, self.clock, SeededIds(), b"s" * 32)
        self.identities = self.service.identities

    def call(
        self, operation: str, *, account: str = ACCOUNT, principal: Principal | None = None, **params: Any
    ) -> dict[str, Any]:
        context = CallContext(account, "us-east-1", "request", caller=None if principal is None else Caller(principal))
        return asyncio.run(self._call(operation, context, params))

    async def _call(self, operation: str, context: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        return await self.service.operations[operation](context, params)

    def refused(self, operation: str, **params: Any) -> tuple[str, str]:
        """The code and text of the error."""
        try:
            self.call(operation, **params)
        except AwsError as error:
            return error.code, error.message
        raise AssertionError(f"{operation} was not refused")

    def user(self, name: str = "bob", **params: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.call("CreateUser", UserName=name, **params)["User"]
        return found

    def role(self, name: str = "worker", trust: str = TRUST, **params: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.call("CreateRole", RoleName=name, AssumeRolePolicyDocument=trust, **params)["Role"]
        return found

    def policy(self, name: str = "rules", document: str = ALLOW_ALL, **params: Any) -> str:
        """Make a managed policy; its ARN."""
        return str(self.call("CreatePolicy", PolicyName=name, PolicyDocument=document, **params)["Policy"]["Arn"])

    def key(self, user: str = "bob") -> dict[str, Any]:
        found: dict[str, Any] = self.call("CreateAccessKey", UserName=user)["AccessKey"]
        return found
