"""Aliases: CreateAlias, GetAlias, UpdateAlias, DeleteAlias, ListAliases."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.functions.names import FunctionRef
from functory.services.lambda_ import errors, names, provisioned_rows, rows, rules, view
from functory.services.lambda_.configuration import key_of, need_latest
from functory.services.lambda_.paging import decode_marker, page, page_size
from functory.services.lambda_.provisioned import check_alias
from functory.services.lambda_.records import AliasRecord, VersionRecord
from functory.services.lambda_.room import Room


class AliasesApi:
    """The operations on aliases."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def create_alias(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Give a version (or two, by weight) a name."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:CreateAlias")
        extra, weight = rules.routing(params.get("RoutingConfig"), params["FunctionVersion"])
        record = AliasRecord(
            *key_of(ref),
            params["Name"],
            params["FunctionVersion"],
            self._room.ids.uuid(),
            params.get("Description", ""),
            extra,
            weight,
        )

        def work(conn: Connection) -> None:
            _check_versions(conn, ref, record)
            if rows.get_alias(conn, key_of(ref), record.alias) is not None:
                raise errors.conflict(f"Alias already exists: {view.alias_arn(record)}")
            rows.add_alias(conn, record)

        await self._room.commits.commit(key_of(ref), work)
        return view.alias(record)

    async def get_alias(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """One alias."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:GetAlias")
        record = await self._room.store.read(lambda conn: rows.get_alias(conn, key_of(ref), params["Name"]))
        if record is None:
            raise AwsError("ResourceNotFoundException", f"Cannot find alias arn: {ref.arn}:{params['Name']}")
        return view.alias(record)

    async def update_alias(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Change where an alias leads; what is not given stays."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:UpdateAlias")
        revision_id = self._room.ids.uuid()

        def work(conn: Connection) -> AliasRecord:
            old = rows.get_alias(conn, key_of(ref), params["Name"])
            if old is None:
                raise AwsError("ResourceNotFoundException", f"Alias not found: {ref.arn}:{params['Name']}")
            rules.check_revision(params.get("RevisionId"), old.revision_id)
            record = _changed(old, params, revision_id)
            _check_versions(conn, ref, record)
            check_alias(conn, record)
            rows.put_alias(conn, record)
            return record

        return view.alias(await self._room.commits.commit(key_of(ref), work))

    async def delete_alias(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Remove an alias; an absent one is no error."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:DeleteAlias")

        def work(conn: Connection) -> int:
            need_latest(conn, ref)
            rows.remove_alias(conn, key_of(ref), params["Name"])
            return provisioned_rows.together(conn, key_of(ref))

        reservations = self._room.reservations
        await self._room.commits.commit(key_of(ref), work, lambda places: reservations.provision(*key_of(ref), places))
        return {}

    async def list_aliases(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The aliases of a function, by name."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:ListAliases")
        after = decode_marker(params, "")
        size = page_size(params)

        def work(conn: Connection) -> list[AliasRecord]:
            need_latest(conn, ref)
            version = params.get("FunctionVersion", "")
            return rows.list_aliases(conn, key_of(ref), version=version, after=after, limit=size + 1)

        records, more = page(await self._room.store.read(work), size, lambda record: record.alias)
        return {"Aliases": [view.alias(record) for record in records], **more}


def _changed(old: AliasRecord, params: dict[str, Any], revision_id: str) -> AliasRecord:
    version = params.get("FunctionVersion", old.version)
    if "RoutingConfig" in params:
        extra, weight = rules.routing(params["RoutingConfig"], version)
    else:
        extra, weight = old.extra_version, old.extra_weight
        rules.check_routing(version, extra)
    return msgspec.structs.replace(
        old,
        version=version,
        description=params.get("Description", old.description),
        extra_version=extra,
        extra_weight=weight,
        revision_id=revision_id,
    )


def _check_versions(conn: Connection, ref: FunctionRef, record: AliasRecord) -> None:
    """Both versions exist and may stand for one another.

    AWS: the two versions of a weighted alias have the same execution role and dead-letter configuration.
    """
    primary = _need_version(conn, ref, record.version)
    if not record.extra_version:
        return
    extra = _need_version(conn, ref, record.extra_version)
    if primary.config.role != extra.config.role:
        raise errors.invalid("Both versions of an alias with a routing configuration must have the same execution role.")
    if primary.config.dead_letter_arn != extra.config.dead_letter_arn:
        raise errors.invalid(
            "Both versions of an alias with a routing configuration must have the same dead-letter queue configuration."
        )


def _need_version(conn: Connection, ref: FunctionRef, version: str) -> VersionRecord:
    record = rows.get_version(conn, key_of(ref), version)
    if record is None:
        raise errors.not_found(f"{ref.arn}:{version}")
    return record
