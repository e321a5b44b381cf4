"""The operations on layers: their versions, and the policies of these.

A layer version's zip is a package like a function's: content-addressed, kept while a layer version or a function's version
refers to it. So a function that uses a layer version keeps it after the layer version was deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby, islice
from typing import Any

from sqlalchemy import Connection

from functory.core.artifacts.package import code_sha256
from functory.core.calls import CallContext
from functory.kernel.clock import iso_ms
from functory.services.lambda_ import errors, layers_policy, layers_rows, layers_rules, rows, rules
from functory.services.lambda_.layers_records import LayerUse, LayerVersion
from functory.services.lambda_.layers_rules import LayerRef
from functory.services.lambda_.packages import check_storage
from functory.services.lambda_.paging import decode_marker, page, page_size
from functory.services.lambda_.room import Room


def chosen(conn: Connection, ctx: CallContext, arns: list[str]) -> tuple[LayerUse, ...]:
    """Part of a unit of work: the layers of a ``Layers`` parameter, in order.

    Raises:
        AwsError: they cannot be together, one does not exist, or one is another account's that does not allow it.
    """
    uses = []
    for ref, number in layers_rules.check_list(arns, ctx.region):
        arn = f"{ref.arn}:{number}"
        record = layers_rows.get_layer_version(conn, ref, number)
        layers_policy.check_allowed(record, ctx.account_id, ref.account_id, arn)
        if record is None:
            raise errors.invalid(f"Layer version {arn} does not exist.")
        uses.append(record.use())
    return tuple(uses)


class LayersApi:
    """The operations on layers."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def publish_layer_version(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Make a new version of a layer, and the layer with its first."""
        room = self._room
        ref = layers_rules.layer(ctx, params["LayerName"], "lambda:PublishLayerVersion")
        rules.refuse_unsupported("PublishLayerVersion", params)
        content = rules.check_zip(params["Content"].get("ZipFile"))
        now = room.clock.epoch_s()
        async with room.packages.stored(content) as code:

            def work(conn: Connection) -> LayerVersion:
                check_storage(conn, ref.account_id, ref.region, code)
                record = LayerVersion(
                    account_id=ref.account_id,
                    region=ref.region,
                    name=ref.name,
                    number=layers_rows.next_layer_number(conn, ref),
                    description=params.get("Description", ""),
                    license_info=params.get("LicenseInfo", ""),
                    runtimes=tuple(params.get("CompatibleRuntimes", ())),
                    architectures=tuple(params.get("CompatibleArchitectures", ())),
                    created_at=now,
                    code_key=code.key,
                    zipped_bytes=code.zipped_bytes,
                    unzipped_bytes=code.unzipped_bytes,
                )
                layers_rows.add_layer_version(conn, record)
                return record

            record = await room.store.write(work)
        return self._whole(ctx, record)

    async def get_layer_version(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """A layer version with a link to its content."""
        ref = layers_rules.any_layer(ctx, params["LayerName"])
        return await self._get(ctx, ref, layers_rules.check_number(params["VersionNumber"]))

    async def get_layer_version_by_arn(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """As `get_layer_version`, by the ARN of the layer version."""
        return await self._get(ctx, *layers_rules.layer_version(ctx, params["Arn"]))

    async def list_layers(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The layers of the account and region, each with its newest version that goes with what was asked for."""
        after = decode_marker(params, "")
        size = page_size(params)

        def work(conn: Connection) -> list[LayerVersion]:
            every = layers_rows.iter_layers(conn, ctx.account_id, ctx.region, after)
            fitting = (record for record in every if _fits(record, params))
            newest = (next(versions) for _, versions in groupby(fitting, key=lambda record: record.name))
            return list(islice(newest, size + 1))

        records, more = page(await self._room.store.read(work), size, lambda record: record.name)
        layers = [
            {"LayerName": record.name, "LayerArn": record.layer_arn, "LatestMatchingVersion": _entry(record)}
            for record in records
        ]
        return {"Layers": layers, **more}

    async def list_layer_versions(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The versions of a layer, newest first; none when there is no such layer."""
        ref = layers_rules.layer(ctx, params["LayerName"], "lambda:ListLayerVersions")
        before = decode_marker(params, layers_rows.NUMBER_MAX)
        size = page_size(params)

        def work(conn: Connection) -> list[LayerVersion]:
            every: Iterator[LayerVersion] = layers_rows.iter_layer_versions(conn, ref, before)
            return list(islice((record for record in every if _fits(record, params)), size + 1))

        records, more = page(await self._room.store.read(work), size, lambda record: record.number)
        return {"LayerVersions": [_entry(record) for record in records], **more}

    async def delete_layer_version(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a layer version; functions that use it keep it. An absent one is no error."""
        ref = layers_rules.layer(ctx, params["LayerName"], "lambda:DeleteLayerVersion")
        number = layers_rules.check_number(params["VersionNumber"])
        now = self._room.clock.epoch_s()

        def work(conn: Connection) -> None:
            record = layers_rows.get_layer_version(conn, ref, number)
            if record is not None:
                rows.touch_packages(conn, [record.code_key], now)
                layers_rows.remove_layer_version(conn, ref, number)

        await self._room.store.write(work)
        return {}

    async def add_layer_version_permission(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Let another account, or every account, use a layer version."""
        ref = layers_rules.layer(ctx, params["LayerName"], "lambda:AddLayerVersionPermission")
        if params["Action"] != layers_policy.ACTION:
            raise errors.constraint(
                params["Action"], "action", f"Member must satisfy regular expression pattern: {layers_policy.ACTION}"
            )
        revision_id = self._room.ids.uuid()

        def work(conn: Connection) -> LayerVersion:
            record = layers_policy.with_statement(_need(conn, ref, params["VersionNumber"]), params, revision_id)
            layers_rows.put_layer_version(conn, record)
            return record

        record = await self._room.store.write(work)
        added = layers_policy.shown(record, record.statements[-1])
        return {"Statement": layers_policy.text(added), "RevisionId": record.policy_revision_id}

    async def get_layer_version_policy(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The policy of a layer version."""
        ref = layers_rules.layer(ctx, params["LayerName"], "lambda:GetLayerVersionPolicy")
        record = await self._room.store.read(lambda conn: _need(conn, ref, params["VersionNumber"]))
        if not record.statements:
            raise errors.absent("No policy is associated with the given resource.")
        return {"Policy": layers_policy.document(record), "RevisionId": record.policy_revision_id}

    async def remove_layer_version_permission(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Take a permission back. Functions that use the layer version keep it."""
        ref = layers_rules.layer(ctx, params["LayerName"], "lambda:RemoveLayerVersionPermission")
        revision_id = self._room.ids.uuid()

        def work(conn: Connection) -> None:
            record = _need(conn, ref, params["VersionNumber"])
            layers_rows.put_layer_version(conn, layers_policy.without_statement(record, params, revision_id))

        await self._room.store.write(work)
        return {}

    async def _get(self, ctx: CallContext, ref: LayerRef, number: int) -> dict[str, Any]:
        record = await self._room.store.read(lambda conn: layers_rows.get_layer_version(conn, ref, number))
        arn = f"{ref.arn}:{number}"
        layers_policy.check_allowed(record, ctx.account_id, ref.account_id, arn)
        if record is None:
            raise errors.absent(f"Layer version {arn} does not exist.")
        return self._whole(ctx, record)

    def _whole(self, ctx: CallContext, record: LayerVersion) -> dict[str, Any]:
        location = self._room.links.make(ctx.endpoint, record.code_key, self._room.clock.epoch_s())
        content = {
            "Location": location,
            "CodeSha256": code_sha256(record.code_key),
            "CodeSize": record.zipped_bytes,
        }
        return {"Content": content, "LayerArn": record.layer_arn, **_entry(record)}


def _need(conn: Connection, ref: LayerRef, number: int) -> LayerVersion:
    record = layers_rows.get_layer_version(conn, ref, layers_rules.check_number(number))
    if record is None:
        raise errors.absent(f"Layer version {ref.arn}:{number} does not exist.")
    return record


def _fits(record: LayerVersion, params: Mapping[str, Any]) -> bool:
    return record.is_for(params.get("CompatibleRuntime", ""), params.get("CompatibleArchitecture", ""))


def _entry(record: LayerVersion) -> dict[str, Any]:
    """A layer version as lists show it; what was never given is left out, except for the description."""
    result: dict[str, Any] = {
        "LayerVersionArn": record.arn,
        "Version": record.number,
        "Description": record.description,
        "CreatedDate": iso_ms(record.created_at, "+0000"),
    }
    if record.runtimes:
        result["CompatibleRuntimes"] = list(record.runtimes)
    if record.architectures:
        result["CompatibleArchitectures"] = list(record.architectures)
    if record.license_info:
        result["LicenseInfo"] = record.license_info
    return result
