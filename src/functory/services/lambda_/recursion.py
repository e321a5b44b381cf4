"""Recursive loops: PutFunctionRecursionConfig, GetFunctionRecursionConfig."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.names import FunctionRef
from functory.services.lambda_ import errors, names, rows
from functory.services.lambda_.configuration import key_of
from functory.services.lambda_.records import FunctionRecord
from functory.services.lambda_.room import Room


class RecursionApi:
    """The operations on the detection of recursive loops."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def put_function_recursion_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Say whether a function may be part of a loop."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:PutFunctionRecursionConfig")
        asked: str = params["RecursiveLoop"]

        def work(conn: Connection) -> None:
            function = _need(conn, ref)
            rows.put_function(conn, msgspec.structs.replace(function, recursive_loop=asked))

        await self._room.commits.commit(key_of(ref), work)
        return {"RecursiveLoop": asked}

    async def get_function_recursion_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """What happens when a function is found in a loop."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:GetFunctionRecursionConfig")
        function = await self._room.store.read(lambda conn: _need(conn, ref))
        return {"RecursiveLoop": function.recursive_loop or "Terminate"}


def _need(conn: Connection, ref: FunctionRef) -> FunctionRecord:
    function = rows.get_function(conn, key_of(ref))
    if function is None:
        raise errors.not_found(ref.arn)
    return function
