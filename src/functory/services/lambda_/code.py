"""The code of functions: UpdateFunctionCode."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.names import FunctionRef
from functory.services.lambda_ import errors, images, layers_rules, names, rows, rules, signing
from functory.services.lambda_.configuration import check_idle, key_of, need_latest
from functory.services.lambda_.packages import check_storage
from functory.services.lambda_.records import Code, Config, Image, Stamp, VersionRecord
from functory.services.lambda_.room import Room
from functory.services.lambda_.versions import publish


class CodeApi:
    """The operations on code."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def update_function_code(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Give ``$LATEST`` other code; with DryRun only say what would be."""
        room = self._room
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:UpdateFunctionCode")
        rules.refuse_unsupported("UpdateFunctionCode", params)
        if "Architectures" in params:
            rules.architecture(params["Architectures"], room.machine)
        latest = await room.store.read(lambda conn: need_latest(conn, ref))
        is_image = latest.config.image is not None
        images.check_update(params, image=is_image)
        if params.get("DryRun"):
            return await self._dry_run(ref, params, image=is_image)
        stamp = room.stamp()
        function = await room.store.read(lambda conn: rows.get_function(conn, key_of(ref)))
        is_signed = function is not None and function.code_signing_config is not None
        reading = await room.signatures.read(params.get("ZipFile", b"")) if is_signed else None
        async with images.incoming(room, params, image=is_image) as (code, image):

            def work(conn: Connection) -> VersionRecord:
                current = rows.get_function(conn, key_of(ref))
                if current is not None:
                    signing.check(conn, current.code_signing_config, reading, ref.arn, stamp.now)
                return _update(conn, ref, params, code, image, stamp)

            record = await room.commits.commit(key_of(ref), work)
        room.nudge()
        return await room.shown(record, record.version if params.get("Publish") else "")

    async def _dry_run(self, ref: FunctionRef, params: dict[str, Any], *, image: bool) -> dict[str, Any]:
        """What the configuration would be."""
        room = self._room
        found: Image | None = None
        if image:
            code, found = await images.resolved(room.images, params["ImageUri"])
        else:
            code = await room.packages.judged(rules.check_zip(params.get("ZipFile")))
        latest = await room.store.read(lambda conn: _checked(conn, ref, params, code))
        record = msgspec.structs.replace(latest, code=code, config=_config(latest, params, found))
        return await room.shown(record)


def _checked(conn: Connection, ref: FunctionRef, params: dict[str, Any], code: Code) -> VersionRecord:
    """``$LATEST``, if its code may be changed now."""
    latest = need_latest(conn, ref)
    rules.check_revision(params.get("RevisionId"), latest.revision_id)
    check_idle(latest)
    images.check_update(params, image=latest.config.image is not None)  # it may be another function of that name by now
    check_storage(conn, ref.account_id, ref.region, code)
    layers_rules.check_sizes(latest.config.layers, code.unzipped_bytes)
    return latest


def _config(latest: VersionRecord, params: dict[str, Any], image: Image | None) -> Config:
    """The configuration after the update: architecture and, of an image, its address; its ImageConfig stays."""
    changes: dict[str, Any] = {"architecture": params.get("Architectures", [latest.config.architecture])[0]}
    if image is not None and latest.config.image is not None:
        changes["image"] = msgspec.structs.replace(latest.config.image, uri=image.uri, resolved_uri=image.resolved_uri)
    return msgspec.structs.replace(latest.config, **changes)


def _update(
    conn: Connection, ref: FunctionRef, params: dict[str, Any], code: Code, image: Image | None, stamp: Stamp
) -> VersionRecord:
    latest = _checked(conn, ref, params, code)
    rows.touch_packages(conn, [latest.code.key, latest.live_code_key], stamp.now)
    record = latest.changed(stamp, code=code, config=_config(latest, params, image))
    rows.put_version(conn, record)
    if not params.get("Publish"):
        return record
    function = rows.get_function(conn, key_of(ref))
    if function is None:
        raise errors.not_found(ref.arn)
    return publish(conn, function, record, stamp, None)
