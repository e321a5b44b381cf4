"""Runtime management: PutRuntimeManagementConfig, GetRuntimeManagementConfig.

**Theory.** A *runtime version* is an exact interpreter with the client that this version of Functory puts beside it; its
ARN is a hash of both. One version of each runtime is installed on a node at a time. A version of a function with ``Auto``
runs with whatever is installed. With ``Manual`` it stays with the version it was given, with ``FunctionUpdate`` with the one
that was installed when it was last changed: where another one is installed by then, its invocations fail and say so
(``Runtime.Unavailable``), since to run it on something else is what its owner has ruled out.

AWS: keeps old versions of its runtimes and can go back to them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef, is_version_number
from functory.runtimes.port import RuntimeMissing
from functory.services.lambda_ import errors, names, rows, runtime_management_rows
from functory.services.lambda_.configuration import key_of, need_latest
from functory.services.lambda_.records import VersionRecord
from functory.services.lambda_.room import Room
from functory.services.lambda_.runtime_management_rows import FUNCTION_UPDATE, MANUAL, RuntimeManagement


class RuntimeManagementApi:
    """The operations on runtime management."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def put_runtime_management_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Say when a version takes another version of its runtime."""
        ref = _resolve(ctx, params, "lambda:PutRuntimeManagementConfig")
        mode, arn = params["UpdateRuntimeOn"], params.get("RuntimeVersionArn", "")
        if (mode == MANUAL) != bool(arn):
            raise errors.invalid("RuntimeVersionArn is required when UpdateRuntimeOn is Manual, and can only be given then.")
        record = await self._room.store.read(lambda conn: _need(conn, ref))
        management = RuntimeManagement(mode, await self._pinned(record, mode, arn))

        def work(conn: Connection) -> None:
            if _need(conn, ref).config.runtime != record.config.runtime:
                raise errors.update_in_progress(record.arn)
            runtime_management_rows.put(conn, key_of(ref), ref.qualifier, management)

        await self._room.commits.commit(key_of(ref), work)
        return _view(ref, management)

    async def get_runtime_management_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """When a version takes another version of its runtime."""
        ref = _resolve(ctx, params, "lambda:GetRuntimeManagementConfig")

        def work(conn: Connection) -> RuntimeManagement:
            _need(conn, ref)
            return runtime_management_rows.get(conn, key_of(ref), ref.qualifier)

        return _view(ref, await self._room.store.read(work))

    async def _pinned(self, record: VersionRecord, mode: str, asked: str) -> str:
        """The runtime version to stay with, ``""`` for none.

        Raises:
            AwsError: the one that was asked for is not installed.
        """
        if mode not in (MANUAL, FUNCTION_UPDATE):
            return ""
        try:
            installed = await self._room.runtime_versions.installed_arn(record)
        except RuntimeMissing as missing:
            if mode == FUNCTION_UPDATE:
                return ""
            raise errors.invalid(f"The runtime version {asked} is not installed: {missing}") from missing
        if mode == MANUAL and asked != installed:
            raise errors.invalid(
                f"The runtime version {asked} is not installed on this node; the installed version of "
                f"{record.config.runtime} is {installed}."
            )
        return installed


def _resolve(ctx: CallContext, params: dict[str, Any], action: str) -> FunctionRef:
    ref = names.resolve(ctx, params["FunctionName"], params.get("Qualifier", ""), action=action)
    if ref.qualifier not in ("", LATEST) and not is_version_number(ref.qualifier):
        raise errors.invalid("Runtime management is of versions: please specify $LATEST or the number of a version.")
    return replace(ref, qualifier=ref.qualifier or LATEST)


def _need(conn: Connection, ref: FunctionRef) -> VersionRecord:
    need_latest(conn, ref)
    record = rows.get_version(conn, key_of(ref), ref.qualifier)
    if record is None:
        raise errors.not_found(ref.qualified_arn)
    if record.config.image is not None:
        raise errors.invalid("Runtime management is not supported for functions created with container images.")
    return record


def _view(ref: FunctionRef, management: RuntimeManagement) -> dict[str, Any]:
    result = {"UpdateRuntimeOn": management.mode, "FunctionArn": ref.qualified_arn}
    if management.mode == MANUAL:
        result["RuntimeVersionArn"] = management.pinned_arn
    return result
