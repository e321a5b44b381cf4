"""Reserved concurrency: PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency.

**Theory.** A reservation is a fact about a function, kept in its row; `functory.core.admission` enforces what it was told.
It is told after each commit, in the order of the commits (`Commits`), and everything once at start.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.names import FunctionRef
from functory.kernel.limits import UNRESERVED_CONCURRENCY_FLOOR
from functory.services.lambda_ import errors, names, provisioned_rows, rows
from functory.services.lambda_.configuration import key_of
from functory.services.lambda_.ports import Reservations
from functory.services.lambda_.provisioned_rules import check_reservation
from functory.services.lambda_.records import FunctionRecord
from functory.services.lambda_.room import Room
from functory.store.port import Store


async def tell_all(store: Store, reservations: Reservations) -> None:
    """Tell every reservation there is. Called once, at start."""
    for record in await store.read(rows.list_reserved):
        reservations.reserve(record.account_id, record.region, record.name, record.reserved_concurrency)


def check_floor(limit: int, others: int, before: int, asked: int) -> None:
    """Refuse a reservation that leaves too little for functions without one.

    Args:
        limit: of the account.
        others: what is set aside for other functions together.
        before: what is set aside for the function.
        asked: what it shall have.

    Raises:
        AwsError: less than 100 would be left, and less than now.
    """
    if asked > before and limit - others - asked < UNRESERVED_CONCURRENCY_FLOOR:
        raise errors.invalid(
            "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below "
            f"its minimum value of [{UNRESERVED_CONCURRENCY_FLOOR}]."
        )


class ConcurrencyApi:
    """The operations on reserved concurrency."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def put_function_concurrency(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Reserve concurrency for a function, and keep it from getting more; 0 stops it."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:PutFunctionConcurrency")
        asked: int = params["ReservedConcurrentExecutions"]
        if asked < 0:
            raise errors.constraint(
                asked, "reservedConcurrentExecutions", "Member must have value greater than or equal to 0"
            )
        limit = self._room.settings.concurrency_of(ref.account_id, ref.region)

        def change(conn: Connection, function: FunctionRecord) -> FunctionRecord:
            provisioned = provisioned_rows.together(conn, key_of(ref))
            check_reservation(asked, provisioned)
            others = provisioned_rows.set_aside(conn, ref.account_id, ref.region, but=ref.name)
            check_floor(limit, others, max(function.reserved_concurrency or 0, provisioned), asked)
            return msgspec.structs.replace(function, reserved_concurrency=asked)

        await self._change(ref, change)
        return {"ReservedConcurrentExecutions": asked}

    async def get_function_concurrency(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """What a function has reserved; nothing when it has no reservation."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:GetFunctionConcurrency")
        return view_of(await self._room.store.read(lambda conn: _need(conn, ref)))

    async def delete_function_concurrency(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Give a function's reservation back; none is no error."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:DeleteFunctionConcurrency")
        await self._change(ref, lambda _, function: msgspec.structs.replace(function, reserved_concurrency=None))
        return {}

    async def _change(self, ref: FunctionRef, change: Callable[[Connection, FunctionRecord], FunctionRecord]) -> None:
        def work(conn: Connection) -> int | None:
            function = change(conn, _need(conn, ref))
            rows.put_function(conn, function)
            return function.reserved_concurrency

        reservations = self._room.reservations
        await self._room.commits.commit(
            key_of(ref), work, lambda places: reservations.reserve(ref.account_id, ref.region, ref.name, places)
        )


def view_of(function: FunctionRecord) -> dict[str, Any]:
    """``Concurrency`` of a function; empty without a reservation."""
    places = function.reserved_concurrency
    return {} if places is None else {"ReservedConcurrentExecutions": places}


def _need(conn: Connection, ref: FunctionRef) -> FunctionRecord:
    function = rows.get_function(conn, key_of(ref))
    if function is None:
        raise errors.not_found(ref.arn)
    return function
