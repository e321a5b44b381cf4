"""Functions as a whole: CreateFunction, GetFunction, ListFunctions, DeleteFunction, and what of them is never set here."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef, is_version_number
from functory.services.lambda_ import (
    dead_letters,
    errors,
    images,
    names,
    provisioned_rows,
    rows,
    rules,
    signing,
    snap_start,
    view,
)
from functory.services.lambda_.concurrency import view_of
from functory.services.lambda_.configuration import key_of, layered, need_latest, new_config, with_image
from functory.services.lambda_.packages import check_storage
from functory.services.lambda_.paging import decode_marker, page, page_size
from functory.services.lambda_.records import FunctionRecord, VersionRecord, created
from functory.services.lambda_.room import Room
from functory.services.lambda_.tags import check_isolation
from functory.services.lambda_.versions import publish


class Position(NamedTuple):
    """Where a list of functions goes on: behind this version."""

    name: str
    number: int


class FunctionsApi:
    """The operations on functions."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def create_function(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Make a function; it is Pending until it was prepared."""
        room = self._room
        ref = names.resolve_new(ctx, params["FunctionName"])
        rules.refuse_unsupported("CreateFunction", params)
        await room.roles.check(ctx, params["Role"], ref.arn)
        if snap_start.asks(params):
            await snap_start.check_node(room.snapshots)
        is_image = images.is_image(params)
        images.check_members(params, params["Code"], image=is_image)
        bare = new_config(params, ref.arn, room)
        await dead_letters.check_role(room.roles, ref, bare.role, bare.dead_letter_arn)
        tags = dict(params.get("Tags") or {})
        rules.check_tags(tags)
        await check_isolation(room, ref.account_id, tags)
        stamp = room.stamp()
        signing_arn = params.get("CodeSigningConfigArn")
        reading = await room.signatures.read(params["Code"].get("ZipFile", b"")) if signing_arn else None
        async with images.incoming(room, params["Code"], image=is_image) as (code, image):
            config = with_image(bare, image, params)
            snap_start.check(config, room.runtimes)

            def work(conn: Connection) -> VersionRecord:
                if rows.get_function(conn, key_of(ref)) is not None:
                    raise errors.conflict(f"Function already exist: {ref.name}")
                check_storage(conn, ref.account_id, ref.region, code)
                function = FunctionRecord(ref.account_id, ref.region, ref.name, tags, code_signing_config=signing_arn)
                latest = created(key_of(ref), layered(conn, ctx, config, params, code), code, stamp)
                signing.check_config(function, latest.config)
                signing.check(conn, signing_arn, reading, ref.arn, stamp.now)
                rows.add_function(conn, function)
                rows.add_version(conn, latest)
                return publish(conn, function, latest, stamp, None) if params.get("Publish") else latest

            record = await room.commits.commit(key_of(ref), work)
        room.nudge()
        return await room.shown(record, record.version if params.get("Publish") else "")

    async def get_function(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Configuration, a link to the code, and tags."""
        ref = names.resolve(ctx, params["FunctionName"], params.get("Qualifier", ""))

        def work(conn: Connection) -> tuple[VersionRecord, FunctionRecord]:
            record = rows.find_version(conn, key_of(ref), ref.qualifier)
            function = rows.get_function(conn, key_of(ref))
            if record is None or function is None:
                raise errors.not_found(ref.qualified_arn)
            return record, function

        record, function = await self._room.store.read(work)
        location = self._room.links.make(ctx.endpoint, record.code.key, self._room.clock.epoch_s())
        result: dict[str, Any] = {
            "Configuration": await self._room.shown(record, ref.qualifier),
            "Code": view.code_location(record, location),
        }
        if concurrency := view_of(function):
            result["Concurrency"] = concurrency
        if function.tags:
            result["Tags"] = function.tags
        return result

    async def list_functions(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The functions of the account and region, or with ``FunctionVersion=ALL`` every version of them."""
        every_version = params.get("FunctionVersion") == "ALL"
        master = params.get("MasterRegion", "ALL")
        if "MasterRegion" in params and not every_version:
            raise errors.invalid("FunctionVersion must be set to ALL when MasterRegion is specified.")
        if master != "ALL":  # replicas of Lambda@Edge, which do not exist here
            return {"Functions": []}
        position = decode_marker(params, Position("", -1))
        size = page_size(params)
        records = await self._room.store.read(
            lambda conn: rows.list_all(
                conn, ctx.account_id, ctx.region, every_version=every_version, after=position, limit=size + 1
            )
        )
        records, more = page(records, size, lambda record: Position(record.name, record.number))
        shown = [self._room.summary(record, record.version if every_version else "") for record in records]
        return {"Functions": shown, **more}

    async def delete_function(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a function, or one version of it."""
        ref = names.resolve(ctx, params["FunctionName"], params.get("Qualifier", ""), action="lambda:DeleteFunction")
        if ref.qualifier == LATEST:
            raise errors.invalid("$LATEST version cannot be deleted without deleting the function.")
        if ref.qualifier and not is_version_number(ref.qualifier):
            raise errors.invalid("Deletion of aliases is not currently supported.")
        now = self._room.clock.epoch_s()

        def work(conn: Connection) -> int:
            need_latest(conn, ref)
            rows.touch_packages(conn, rows.code_keys_of(conn, key_of(ref)), now)
            if ref.qualifier:
                _delete_version(conn, ref)
            else:
                rows.remove_function(conn, key_of(ref))
            return provisioned_rows.together(conn, key_of(ref))

        def tell(places: int) -> None:
            self._room.reservations.provision(*key_of(ref), places)
            if not ref.qualifier:
                self._room.reservations.reserve(*key_of(ref), None)

        await self._room.commits.commit(key_of(ref), work, tell)
        await self._room.invoker.remove(ref.account_id, ref.region, ref.name, ref.qualifier or None)
        return {"StatusCode": 204}


def _delete_version(conn: Connection, ref: FunctionRef) -> None:
    """Part of a unit of work: delete one version.

    Raises:
        AwsError: there is no such version, or aliases lead to it.
    """
    if rows.get_version(conn, key_of(ref), ref.qualifier) is None:
        raise errors.not_found(ref.qualified_arn)
    aliases = rows.aliases_of_version(conn, key_of(ref), ref.qualifier)
    if aliases:
        raise errors.conflict(f"Unable to delete version because the following aliases reference it: [{', '.join(aliases)}]")
    rows.remove_version(conn, key_of(ref), ref.qualifier)
