"""The configuration of functions: GetFunctionConfiguration, UpdateFunctionConfiguration, and the defaults of a new one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.aws import model
from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef
from functory.services.lambda_ import (
    dead_letters,
    errors,
    file_systems,
    images,
    layers,
    layers_rules,
    names,
    rows,
    rules,
    signing,
    snap_start,
    tenancy,
)
from functory.services.lambda_.lifecycle import State, UpdateStatus
from functory.services.lambda_.log_rules import logging_changes
from functory.services.lambda_.records import Code, Config, Image, VersionRecord
from functory.services.lambda_.room import Room
from functory.services.lambda_.runtime_versions import check_runtime_change


@cache
def runtimes_of_aws() -> tuple[str, ...]:
    """Every runtime identifier of AWS's model."""
    return tuple(model.service("lambda").shape_for("Runtime").metadata["enum"])


def key_of(ref: FunctionRef) -> rows.Key:
    """The key of a function's rows."""
    return (ref.account_id, ref.region, ref.name)


def check_idle(record: VersionRecord) -> None:
    """Refuse a change while the last one is being prepared.

    Raises:
        AwsError: it is.
    """
    if record.state is State.PENDING:
        raise errors.in_state(record.state.value)
    if record.update_status is UpdateStatus.IN_PROGRESS:
        raise errors.update_in_progress(record.arn)


def need_latest(conn: Connection, ref: FunctionRef) -> VersionRecord:
    """Part of a unit of work: ``$LATEST`` of a function.

    Raises:
        AwsError: there is no such function.
    """
    record = rows.get_version(conn, key_of(ref), LATEST)
    if record is None:
        raise errors.not_found(ref.arn)
    return record


def new_config(params: Mapping[str, Any], arn: str, room: Room) -> Config:
    """The configuration of a function that is being created.

    Raises:
        AwsError: it cannot be.
    """
    if not images.is_image(params):
        rules.check_entry(params.get("Runtime"), params.get("Handler"))
    check_runtime(params, room)
    bare = Config(
        runtime=params.get("Runtime", ""),
        role=params["Role"],
        architecture=rules.architecture(params.get("Architectures"), room.machine),
        tenancy=tenancy.asked(params),
    )
    return changed_config(bare, params, arn, room)


def check_runtime(params: Mapping[str, Any], room: Room) -> None:
    """Refuse a given runtime that functions cannot have here.

    Raises:
        AwsError: it is such a one.
    """
    if "Runtime" in params:
        rules.check_runtime(params["Runtime"], room.runtimes, runtimes_of_aws())


def changed_config(config: Config, params: Mapping[str, Any], arn: str, room: Room) -> Config:
    """A configuration after the members that were given; the others stay. May run in a unit of work.

    Raises:
        AwsError: one of them cannot be.
    """
    changes: dict[str, Any] = {}
    for member, field in _PLAIN.items():
        if member in params:
            changes[field] = params[member]
    if "EphemeralStorage" in params:
        changes["ephemeral_mib"] = params["EphemeralStorage"]["Size"]
    if "Environment" in params:
        config = room.variables.with_variables(arn, config, rules.environment(params["Environment"]))
    if "LoggingConfig" in params:
        changes |= logging_changes(params["LoggingConfig"], config)
    if "FileSystemConfigs" in params:
        changes["file_systems"] = file_systems.chosen(params["FileSystemConfigs"], room.file_systems)
    if "TracingConfig" in params:
        mode = params["TracingConfig"].get("Mode", "PassThrough")
        changes["tracing"] = mode if mode == "Active" else ""
    if "DeadLetterConfig" in params:
        changes["dead_letter_arn"] = dead_letters.chosen(params["DeadLetterConfig"], arn, room.targets)
    if "VpcConfig" in params:
        changes["vpc_shown"] = True
    if "SnapStart" in params:
        changes["snap_start"] = snap_start.asks(params)
    if config.image is not None:
        changes["image"] = images.configured(config.image, params.get("ImageConfig"))
    result = msgspec.structs.replace(config, **changes)
    rules.check_sizes(result.memory_mib, result.timeout_s, result.ephemeral_mib)
    return result


def with_image(config: Config, image: Image | None, params: Mapping[str, Any]) -> Config:
    """A configuration of a function whose code is this image, or a zip.

    Raises:
        AwsError: the ImageConfig cannot be.
    """
    if image is None:
        return config
    return msgspec.structs.replace(config, image=images.configured(image, params.get("ImageConfig")))


def layered(conn: Connection, ctx: CallContext, config: Config, params: Mapping[str, Any], code: Code) -> Config:
    """Part of a unit of work: a configuration with the layers that were given; without the member the old ones stay.

    Args:
        code: what the function will have, for the size of both together.

    Raises:
        AwsError: they cannot be.
    """
    if "Layers" in params:
        config = msgspec.structs.replace(config, layers=layers.chosen(conn, ctx, params["Layers"]))
    layers_rules.check_sizes(config.layers, code.unzipped_bytes)
    return config


_PLAIN = {
    "Runtime": "runtime",
    "Role": "role",
    "Handler": "handler",
    "Description": "description",
    "Timeout": "timeout_s",
    "MemorySize": "memory_mib",
    "KMSKeyArn": "kms_key_arn",
}


class ConfigurationApi:
    """The operations on configurations."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def get_function_configuration(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The configuration of a version."""
        ref = names.resolve(
            ctx, params["FunctionName"], params.get("Qualifier", ""), action="lambda:GetFunctionConfiguration"
        )
        record = await self._room.store.read(lambda conn: rows.find_version(conn, key_of(ref), ref.qualifier))
        if record is None:
            raise errors.not_found(ref.qualified_arn)
        return await self._room.shown(record, ref.qualifier)

    async def update_function_configuration(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Change the configuration of ``$LATEST``."""
        room = self._room
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:UpdateFunctionConfiguration")
        rules.refuse_unsupported("UpdateFunctionConfiguration", params)
        if "Role" in params:
            await room.roles.check(ctx, params["Role"], ref.arn)
        await self._check_dead_letters(ref, params)
        check_runtime(params, room)
        if snap_start.asks(params):
            await snap_start.check_node(room.snapshots)
        stamp = room.stamp()

        def work(conn: Connection) -> VersionRecord:
            latest = need_latest(conn, ref)
            rules.check_revision(params.get("RevisionId"), latest.revision_id)
            check_idle(latest)
            check_runtime_change(conn, latest, params.get("Runtime", latest.config.runtime))
            images.check_members(params, {}, image=latest.config.image is not None)
            config = layered(conn, ctx, changed_config(latest.config, params, ref.arn, room), params, latest.code)
            snap_start.check(config, room.runtimes)
            function = rows.get_function(conn, key_of(ref))
            if function is not None:
                signing.check_config(function, config)
            record = latest.changed(stamp, config=config)
            rows.touch_packages(conn, [layer.key for layer in latest.config.layers], stamp.now)
            rows.put_version(conn, record)
            return record

        record = await room.commits.commit(key_of(ref), work)
        room.nudge()
        return await room.shown(record)

    async def _check_dead_letters(self, ref: FunctionRef, params: Mapping[str, Any]) -> None:
        """Refuse a change after which the role would not let the function send to its dead-letter queue.

        Raises:
            AwsError: it is such a one.
        """
        if not {"DeadLetterConfig", "Role"} & set(params):
            return
        config = (await self._room.store.read(lambda conn: need_latest(conn, ref))).config
        arn = config.dead_letter_arn
        if "DeadLetterConfig" in params:
            arn = dead_letters.chosen(params["DeadLetterConfig"], ref.arn, self._room.targets)
        await dead_letters.check_role(self._room.roles, ref, params.get("Role", config.role), arn)
