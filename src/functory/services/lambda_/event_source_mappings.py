"""Create-, Get-, List-, Update- and DeleteEventSourceMapping.

A change is recorded with a state that is under way; `core.mappings` polls accordingly and makes the lasting state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef
from functory.core.mappings import rows
from functory.core.mappings.model import EventSourceMapping, MappingState
from functory.core.mappings.tables import MAPPINGS
from functory.services.lambda_ import errors, event_source_rules, names, paging, rules
from functory.services.lambda_.room import Room

LIST_MAX = 100
"""AWS: a page of mappings has up to 100."""


class EventSourceMappingsApi:
    """The operations on event source mappings."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._mappings = room.mappings

    async def create_event_source_mapping(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """A new mapping; it polls soon unless ``Enabled`` is false."""
        arn = event_source_rules.source_arn(params)
        source = self._mappings.source_of(arn)
        if source is None:
            raise errors.unsupported(f"The event source {arn}")
        config = event_source_rules.config_of(arn, params)
        rules.check_tags(params.get("Tags", {}))
        ref = names.resolve(ctx, params["FunctionName"], action="lambda:CreateEventSourceMapping")
        timeout_s = await self._timeout_of(ref)
        enabled = params.get("Enabled", True)
        mapping = EventSourceMapping(
            self._room.ids.uuid(), ref.account_id, ref.region, ref.name, ref.qualifier, arn, enabled,
            MappingState.CREATING if enabled else MappingState.DISABLED, self._room.clock.epoch_s(), config,
            params.get("Tags", {}),
        )  # fmt: skip
        await source.check(mapping, timeout_s)

        def work(connection: Connection) -> None:
            for other in rows.of_function(connection, ref.account_id, ref.region, ref.name):
                if other.source_arn == arn and other.qualifier == mapping.qualifier:
                    raise event_source_rules.duplicate(other, params["FunctionName"])
            rows.add(connection, mapping)

        await self._room.store.write(work)
        self._mappings.nudge()
        return view(mapping)

    async def get_event_source_mapping(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """One mapping."""
        return view(await self._room.store.read(lambda connection: _need(connection, ctx, params["UUID"])))

    async def list_event_source_mappings(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Those of a function, of a source, or all, by UUID."""
        conditions: list[ColumnElement[bool]] = [
            MAPPINGS.c.account_id == ctx.account_id,
            MAPPINGS.c.region == ctx.region,
            MAPPINGS.c.uuid > paging.decode_marker(params, ""),
        ]
        if "EventSourceArn" in params:
            conditions.append(MAPPINGS.c.source_arn == params["EventSourceArn"])
        if "FunctionName" in params:
            ref = names.resolve(ctx, params["FunctionName"], action="lambda:ListEventSourceMappings")
            conditions += [MAPPINGS.c.function_name == ref.name, MAPPINGS.c.qualifier == ref.qualifier]
        size = min(int(params.get("MaxItems", LIST_MAX)), LIST_MAX)
        found = await self._room.store.read(lambda connection: rows.select_all(connection, *conditions, most=size + 1))
        shown, more = paging.page(found, size, lambda mapping: mapping.uuid)
        return {"EventSourceMappings": [view(mapping) for mapping in shown], **more}

    async def update_event_source_mapping(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Changes what is given; batches under way go on as they began."""
        ref = None
        if "FunctionName" in params:
            ref = names.resolve(ctx, params["FunctionName"], action="lambda:UpdateEventSourceMapping")
            await self._timeout_of(ref)
        old = await self._room.store.read(lambda connection: _need(connection, ctx, params["UUID"]))
        config = event_source_rules.changed(old, params)

        def work(connection: Connection) -> EventSourceMapping:
            now = _need(connection, ctx, params["UUID"])
            _refuse_if_busy(now)
            enabled = params.get("Enabled", now.enabled)
            changed = replace(
                now, config=config, enabled=enabled, state=_after_update(now, params, enabled=enabled),
                changed_at=max(self._room.clock.epoch_s(), now.changed_at + 0.001),
            )  # fmt: skip
            if ref is not None:
                changed = replace(changed, function_name=ref.name, qualifier=ref.qualifier)
            rows.put(connection, changed)
            return changed

        mapping = await self._room.store.write(work)
        self._mappings.nudge()
        return view(mapping)

    async def delete_event_source_mapping(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """It takes no more records at once, and is gone when nothing of it runs any more."""

        def work(connection: Connection) -> EventSourceMapping:
            now = _need(connection, ctx, params["UUID"])
            if now.state is MappingState.DELETING:
                raise _in_use(now)
            changed = replace(now, state=MappingState.DELETING)
            rows.put(connection, changed)
            return changed

        mapping = await self._room.store.write(work)
        self._mappings.nudge()
        return view(mapping)

    async def _timeout_of(self, ref: FunctionRef) -> int:
        """The timeout of a function that exists.

        Raises:
            AwsError: there is none, or it has tenants.
        """
        route = await self._room.functions.resolve(ref.account_id, ref.region, ref.name, ref.qualifier or LATEST)
        if route is None:
            raise AwsError("ResourceNotFoundException", f"Function not found: {ref.qualified_arn}")
        if route.is_tenanted:  # AWS: a source names no tenant
            raise errors.invalid("An event source mapping is not supported for functions with tenant isolation.")
        facts = route.primary.facts
        return facts.timeout_s if facts is not None else 0


def uuid_of(arn: str) -> str:
    """The UUID in a mapping's ARN; ``""`` for an ARN of something else."""
    parts = arn.split(":")
    return parts[6] if len(parts) == 7 and parts[5] == "event-source-mapping" else ""


async def change_tags(
    room: Room, ctx: CallContext, uuid: str, change: Callable[[Mapping[str, str]], dict[str, str]]
) -> None:
    """Give a mapping other tags; its polling goes on.

    Raises:
        AwsError: there is none, or it cannot have them.
    """

    def work(connection: Connection) -> None:
        mapping = _tagged(connection, ctx, uuid)
        tags = change(mapping.tags)
        rules.check_tags(tags)
        rows.put(connection, replace(mapping, tags=tags))

    await room.store.write(work)


async def tags_of(room: Room, ctx: CallContext, uuid: str) -> dict[str, str]:
    """A mapping's tags.

    Raises:
        AwsError: there is none.
    """
    return dict((await room.store.read(lambda connection: _tagged(connection, ctx, uuid))).tags)


def _tagged(connection: Connection, ctx: CallContext, uuid: str) -> EventSourceMapping:
    found = rows.find(connection, uuid)
    if found is None or (found.account_id, found.region) != (ctx.account_id, ctx.region):
        arn = f"arn:aws:lambda:{ctx.region}:{ctx.account_id}:event-source-mapping:{uuid}"
        raise errors.absent(f"Event source mapping not found: {arn}")
    return found


def _after_update(now: EventSourceMapping, params: Mapping[str, Any], *, enabled: bool) -> MappingState:
    if enabled != now.enabled:
        return MappingState.ENABLING if enabled else MappingState.DISABLING
    only_enabled = not params.keys() - {"UUID", "Enabled"}
    return now.state if only_enabled else MappingState.UPDATING


def _refuse_if_busy(mapping: EventSourceMapping) -> None:
    if not mapping.state.is_settled:
        raise _in_use(mapping)


def _in_use(mapping: EventSourceMapping) -> AwsError:
    text = f"Cannot update the event source mapping {mapping.uuid} because it is in use."
    return AwsError("ResourceInUseException", text)


def _need(connection: Connection, ctx: CallContext, uuid: str) -> EventSourceMapping:
    found = rows.find(connection, uuid)
    if found is None or (found.account_id, found.region) != (ctx.account_id, ctx.region):
        raise AwsError("ResourceNotFoundException", "The resource you requested does not exist.")
    return found


def view(mapping: EventSourceMapping) -> dict[str, Any]:
    """A mapping as the API answers it."""
    return {
        "UUID": mapping.uuid,
        **event_source_rules.shown(mapping),
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": mapping.function_arn,
        "LastModified": mapping.changed_at,
        "State": mapping.state.value,
        "StateTransitionReason": "USER_INITIATED",
        "EventSourceMappingArn": mapping.arn,
    }
