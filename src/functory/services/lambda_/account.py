"""The account: GetAccountSettings."""

from __future__ import annotations

from typing import Any

from functory.core.calls import CallContext
from functory.kernel import limits
from functory.services.lambda_ import provisioned_rows, rows
from functory.services.lambda_.room import Room


class AccountApi:
    """The operations on the account."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def get_account_settings(self, ctx: CallContext, _params: dict[str, Any]) -> dict[str, Any]:
        """Limits of the account in this region, and how much of them is used."""
        usage, count, set_aside = await self._room.store.read(
            lambda conn: (
                rows.code_usage(conn, ctx.account_id, ctx.region),
                rows.count_functions(conn, ctx.account_id, ctx.region),
                provisioned_rows.set_aside(conn, ctx.account_id, ctx.region),
            )
        )
        concurrency = self._room.settings.concurrency_of(ctx.account_id, ctx.region)
        return {
            "AccountLimit": {
                "TotalCodeSize": limits.CODE_STORAGE_BYTES,
                "CodeSizeUnzipped": limits.CODE_UNZIPPED_BYTES,
                "CodeSizeZipped": limits.CODE_ZIPPED_BYTES,
                "ConcurrentExecutions": concurrency,
                "UnreservedConcurrentExecutions": max(0, concurrency - set_aside),
            },
            "AccountUsage": {"TotalCodeSize": usage, "FunctionCount": count},
        }
