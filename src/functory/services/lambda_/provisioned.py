"""Provisioned concurrency: Put-, Get-, List- and DeleteProvisionedConcurrencyConfig.

What was asked for is kept; how it stands is looked up from what this node has (`ports.Provisioner`), so that an answer never
says READY of environments that are gone. `provisioning.Provisioning` makes it so.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef, is_version_number
from functory.kernel.clock import utc
from functory.services.lambda_ import errors, names, provisioned_rows, provisioned_rules, rows
from functory.services.lambda_.configuration import key_of, need_latest
from functory.services.lambda_.paging import decode_marker, page, page_size
from functory.services.lambda_.provisioned_rules import ProvisionedRecord, Standing
from functory.services.lambda_.records import AliasRecord
from functory.services.lambda_.room import Room

_UNPUBLISHED = "Provisioned Concurrency Configs cannot be applied to unpublished function versions."


def shares_of(conn: Connection, record: ProvisionedRecord) -> dict[str, int]:
    """Part of a unit of work: version -> environments it gets from a configuration; empty when it leads nowhere."""
    key = (record.account_id, record.region, record.name)
    if is_version_number(record.qualifier):
        return {record.qualifier: record.requested}
    alias = rows.get_alias(conn, key, record.qualifier)
    return provisioned_rules.share_out(record.requested, alias, alias.version) if alias is not None else {}


def check_alias(conn: Connection, alias: AliasRecord) -> None:
    """Part of a unit of work: refuse that an alias with provisioned concurrency moves to a version that has its own.

    Raises:
        AwsError: it does.
    """
    key = (alias.account_id, alias.region, alias.name)
    if provisioned_rows.get(conn, key, alias.alias) is not None:
        _check_published(alias)
        _check_kind(conn, key, {alias.version, alias.extra_version} - {""})
        _check_apart(conn, key, alias.alias, {alias.version, alias.extra_version} - {""})


class ProvisionedApi:
    """The operations on provisioned concurrency."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def put_provisioned_concurrency_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Have environments ready for a published version or an alias."""
        room = self._room
        ref = names.resolve(
            ctx, params["FunctionName"], params["Qualifier"], action="lambda:PutProvisionedConcurrencyConfig"
        )
        if ref.qualifier in ("", LATEST):
            raise errors.invalid(_UNPUBLISHED)
        record = ProvisionedRecord(
            *key_of(ref),
            ref.qualifier,
            params["ProvisionedConcurrentExecutions"],
            room.clock.epoch_s(),
            room.ids.uuid(),
        )
        limit = room.settings.concurrency_of(ref.account_id, ref.region)

        def work(conn: Connection) -> int:
            versions = _versions(conn, ref)
            _check_kind(conn, key_of(ref), versions)
            _check_apart(conn, key_of(ref), ref.qualifier, versions)
            _check_room(conn, ref, record, limit)
            provisioned_rows.put(conn, record)
            return provisioned_rows.together(conn, key_of(ref))

        await room.commits.commit(key_of(ref), work, lambda places: room.reservations.provision(*key_of(ref), places))
        return _view(record, Standing("IN_PROGRESS"))

    async def get_provisioned_concurrency_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """What was asked for, and how it stands."""
        ref = self._resolve(ctx, params, "lambda:GetProvisionedConcurrencyConfig")

        def work(conn: Connection) -> tuple[ProvisionedRecord | None, dict[str, int]]:
            _versions(conn, ref)
            record = provisioned_rows.get(conn, key_of(ref), ref.qualifier)
            return record, shares_of(conn, record) if record is not None else {}

        record, shares = await self._room.store.read(work)
        if record is None:
            raise AwsError(
                "ProvisionedConcurrencyConfigNotFoundException", "No Provisioned Concurrency Config found for this function"
            )
        return _view(record, self._standing(record, shares))

    async def list_provisioned_concurrency_configs(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The configurations of a function."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:ListProvisionedConcurrencyConfigs")
        after, size = decode_marker(params, ""), page_size(params)

        def work(conn: Connection) -> list[tuple[ProvisionedRecord, dict[str, int]]]:
            need_latest(conn, ref)
            found = provisioned_rows.list_of(conn, key_of(ref), after, size + 1)
            return [(record, shares_of(conn, record)) for record in found]

        found, more = page(await self._room.store.read(work), size, lambda entry: entry[0].qualifier)
        shown = [
            {"FunctionArn": f"{ref.arn}:{record.qualifier}", **_view(record, self._standing(record, shares))}
            for record, shares in found
        ]
        return {"ProvisionedConcurrencyConfigs": shown, **more}

    async def delete_provisioned_concurrency_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Have nothing ready any more; an absent configuration is no error."""
        ref = self._resolve(ctx, params, "lambda:DeleteProvisionedConcurrencyConfig")

        def work(conn: Connection) -> int:
            need_latest(conn, ref)
            provisioned_rows.remove(conn, key_of(ref), ref.qualifier)
            return provisioned_rows.together(conn, key_of(ref))

        room = self._room
        await room.commits.commit(key_of(ref), work, lambda places: room.reservations.provision(*key_of(ref), places))
        return {}

    @staticmethod
    def _resolve(ctx: CallContext, params: dict[str, Any], action: str) -> FunctionRef:
        ref = names.resolve(ctx, params["FunctionName"], params["Qualifier"], action=action)
        if ref.qualifier in ("", LATEST):
            raise errors.invalid("The function resource provided must be an alias or a published version.")
        return ref

    def _standing(self, record: ProvisionedRecord, shares: dict[str, int]) -> Standing:
        key = (record.account_id, record.region, record.name)
        states = {version: self._room.provisioner.state((*key, version)) for version in shares}
        return provisioned_rules.standing(shares, states, record.generation)


def _view(record: ProvisionedRecord, now: Standing) -> dict[str, Any]:
    result: dict[str, Any] = {
        "RequestedProvisionedConcurrentExecutions": record.requested,
        "AvailableProvisionedConcurrentExecutions": now.ready,
        "AllocatedProvisionedConcurrentExecutions": now.ready,
        "Status": now.status,
    }
    if now.reason:
        result["StatusReason"] = now.reason
    result["LastModified"] = utc(record.modified_at).strftime("%Y-%m-%dT%H:%M:%S+0000")
    return result


def _versions(conn: Connection, ref: FunctionRef) -> set[str]:
    """The versions a qualifier leads to.

    Raises:
        AwsError: there is no such function, version or alias.
    """
    need_latest(conn, ref)
    if is_version_number(ref.qualifier):
        if rows.get_version(conn, key_of(ref), ref.qualifier) is None:
            raise errors.not_found(ref.qualified_arn)
        return {ref.qualifier}
    alias = rows.get_alias(conn, key_of(ref), ref.qualifier)
    if alias is None:
        raise errors.absent(f"Cannot find alias arn: {ref.qualified_arn}")
    _check_published(alias)
    return {alias.version, alias.extra_version} - {""}


def _check_published(alias: AliasRecord) -> None:
    if LATEST in (alias.version, alias.extra_version):
        raise errors.invalid(_UNPUBLISHED)


def _check_kind(conn: Connection, key: rows.Key, versions: set[str]) -> None:
    """AWS: neither with SnapStart nor with tenants, whose environments begin otherwise."""
    for version in sorted(versions):
        record = rows.get_version(conn, key, version)
        if record is not None and record.begins_from_snapshot:
            raise errors.invalid("Provisioned Concurrency is not supported for SnapStart enabled functions.")
        if record is not None and record.config.tenancy:
            raise errors.invalid("Provisioned Concurrency is not supported for functions with tenant isolation.")


def _check_apart(conn: Connection, key: rows.Key, qualifier: str, versions: set[str]) -> None:
    others = provisioned_rows.list_of(conn, key)
    found = {other.qualifier: rows.get_alias(conn, key, other.qualifier) for other in others}
    aliases = {name: alias for name, alias in found.items() if alias is not None}
    provisioned_rules.check_apart(qualifier, versions, others, aliases)


def _check_room(conn: Connection, ref: FunctionRef, record: ProvisionedRecord, limit: int) -> None:
    key = key_of(ref)
    function, before = rows.get_function(conn, key), provisioned_rows.get(conn, key, record.qualifier)
    provisioned_rules.check_room(
        requested=record.requested,
        before=before.requested if before is not None else 0,
        total_before=provisioned_rows.together(conn, key),
        reserved=function.reserved_concurrency if function is not None else None,
        unreserved=max(0, limit - provisioned_rows.set_aside(conn, ref.account_id, ref.region)),
    )
