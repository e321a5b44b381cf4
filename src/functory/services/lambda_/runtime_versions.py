"""Which version of its runtime a function runs with, as it is shown and noted."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from functory.runtimes.port import RuntimeCatalog, RuntimeMissing
from functory.runtimes.version import runtime_version_arn
from functory.services.lambda_ import errors, runtime_management_rows
from functory.services.lambda_.records import VersionRecord
from functory.services.lambda_.runtime_management_rows import MANUAL
from functory.store.port import Store


class RuntimeVersions:
    """The runtime versions of functions; see `runtime_management`."""

    def __init__(self, store: Store, runtimes: RuntimeCatalog) -> None:
        self._store = store
        self._runtimes = runtimes

    async def installed_arn(self, record: VersionRecord) -> str:
        """The version of a function's runtime that is installed.

        Raises:
            RuntimeMissing: none is.
        """
        return runtime_version_arn(record.region, await self._runtimes.resolve(record.config.runtime))

    async def noted_arn(self, record: VersionRecord) -> str:
        """As `installed_arn`; ``""`` when none is, and for an image."""
        if record.config.image is not None:
            return ""
        try:
            return await self.installed_arn(record)
        except RuntimeMissing:
            return ""

    async def shown(self, record: VersionRecord) -> dict[str, Any]:
        """``RuntimeVersionConfig`` of a version; empty for an image."""
        if record.config.image is not None:
            return {}
        key = (record.account_id, record.region, record.name)
        management = await self._store.read(lambda conn: runtime_management_rows.get(conn, key, record.version))
        if management.pinned_arn:
            return {"RuntimeVersionArn": management.pinned_arn}
        try:
            return {"RuntimeVersionArn": await self.installed_arn(record)}
        except RuntimeMissing as missing:
            return {"Error": {"ErrorCode": "RuntimeVersionNotAvailable", "Message": str(missing)}}


def check_runtime_change(conn: Connection, record: VersionRecord, runtime: str) -> None:
    """Part of a unit of work: refuse another runtime for a version that stays with a version of its old one.

    Raises:
        AwsError: it does.
    """
    key = (record.account_id, record.region, record.name)
    is_pinned = runtime_management_rows.get(conn, key, record.version).mode == MANUAL
    if is_pinned and runtime != record.config.runtime:
        raise errors.invalid(
            f"The function stays with a version of {record.config.runtime}: set UpdateRuntimeOn to Auto or FunctionUpdate "
            f"before its runtime becomes {runtime}."
        )
