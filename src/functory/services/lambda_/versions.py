"""Published versions: PublishVersion, ListVersionsByFunction.

A published version is an immutable copy of ``$LATEST``. Publishing what was published last gives that version again; numbers
are never used twice, not even after the function was deleted and created anew.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.core.artifacts.package import code_sha256
from functory.core.calls import CallContext
from functory.services.lambda_ import errors, names, rows, rules, snap_start
from functory.services.lambda_.configuration import check_idle, key_of, need_latest
from functory.services.lambda_.packages import check_storage
from functory.services.lambda_.paging import decode_marker, page, page_size
from functory.services.lambda_.records import FunctionRecord, Stamp, VersionRecord
from functory.services.lambda_.room import Room


def publish(
    conn: Connection, function: FunctionRecord, latest: VersionRecord, stamp: Stamp, description: str | None
) -> VersionRecord:
    """Part of a unit of work: publish ``latest``, or find it published already."""
    key = (function.account_id, function.region, function.name)
    if function.published_digest == latest.digest:
        existing = rows.get_version(conn, key, function.published_version)
        if existing is not None:
            return existing
    check_storage(conn, function.account_id, function.region, latest.code)
    record = latest.published(rows.next_number(conn, key), stamp, description)
    rows.add_version(conn, record)
    rows.put_function(
        conn, msgspec.structs.replace(function, published_version=record.version, published_digest=latest.digest)
    )
    return record


class VersionsApi:
    """The operations on versions."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def publish_version(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Make an immutable version of ``$LATEST``."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:PublishVersion")
        rules.refuse_unsupported("PublishVersion", params)
        stamp = self._room.stamp()
        if (await self._room.store.read(lambda conn: need_latest(conn, ref))).config.snap_start:
            await snap_start.check_node(self._room.snapshots)

        def work(conn: Connection) -> VersionRecord:
            latest = need_latest(conn, ref)
            function = rows.get_function(conn, key_of(ref))
            if function is None:
                raise errors.not_found(ref.arn)
            rules.check_revision(params.get("RevisionId"), latest.revision_id)
            check_idle(latest)
            _check_hash(params.get("CodeSha256"), latest)
            return publish(conn, function, latest, stamp, params.get("Description"))

        record = await self._room.commits.commit(key_of(ref), work)
        self._room.nudge()
        return await self._room.shown(record, record.version)

    async def list_versions_by_function(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """``$LATEST`` and every published version, in order."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:ListVersionsByFunction")
        after = decode_marker(params, -1)
        size = page_size(params)

        def work(conn: Connection) -> list[VersionRecord]:
            need_latest(conn, ref)
            return rows.list_versions(conn, key_of(ref), after, size + 1)

        records, more = page(await self._room.store.read(work), size, lambda record: record.number)
        return {"Versions": [self._room.summary(record, record.version) for record in records], **more}


def _check_hash(asked: str | None, latest: VersionRecord) -> None:
    current = code_sha256(latest.code.key)
    if asked and asked != current:
        raise errors.invalid(
            f"CodeSHA256 ({asked}) is different from current CodeSHA256 in $LATEST ({current}). Please try again with the "
            "CodeSHA256 in $LATEST."
        )
