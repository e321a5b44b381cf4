"""The configuration of asynchronous invocation: Put-, Update-, Get-, Delete- and ListFunctionEventInvokeConfig(s).

What is configured here is read by the delivery of events at each decision (`async_queue`), through the catalogue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from functory.core.calls import CallContext
from functory.core.functions.model import LATEST
from functory.core.functions.names import FunctionRef, is_version_number
from functory.core.targets.port import TargetError
from functory.core.targets.registry import ACTIONS, service_of
from functory.services.lambda_ import errors, event_invoke_rows, names, rows
from functory.services.lambda_.configuration import key_of
from functory.services.lambda_.event_invoke_rows import EventInvokeConfig
from functory.services.lambda_.paging import decode_marker, page, page_size
from functory.services.lambda_.room import Room

_RECEIVERS = {"OnSuccess": ("lambda", "sqs", "sns", "events"), "OnFailure": ("lambda", "sqs", "sns", "events", "s3")}
"""AWS: who can be told; S3 only of failures."""


class EventInvokeApi:
    """The operations on the configuration of asynchronous invocation."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def put_function_event_invoke_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Configure; what is not given is not set any more."""
        ref = _resolve(ctx, params, "lambda:PutFunctionEventInvokeConfig")
        bare = EventInvokeConfig(ref.qualifier, self._room.clock.epoch_s())
        config = self._changed(bare, ref, params)
        await self._check_role(ref, params)

        def work(conn: Connection) -> EventInvokeConfig:
            _need(conn, ref)
            event_invoke_rows.put_config(conn, key_of(ref), config)
            return config

        return _shown(ref, await self._room.commits.commit(key_of(ref), work))

    async def update_function_event_invoke_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Change what is given; the rest stays."""
        ref = _resolve(ctx, params, "lambda:UpdateFunctionEventInvokeConfig")
        now = self._room.clock.epoch_s()
        await self._check_role(ref, params)

        def work(conn: Connection) -> EventInvokeConfig:
            config = self._changed(replace(_need_config(conn, ref), modified_at=now), ref, params)
            event_invoke_rows.put_config(conn, key_of(ref), config)
            return config

        return _shown(ref, await self._room.commits.commit(key_of(ref), work))

    async def get_function_event_invoke_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """What is configured for ``$LATEST``, a version or an alias."""
        ref = _resolve(ctx, params, "lambda:GetFunctionEventInvokeConfig")
        return _shown(ref, await self._room.store.read(lambda conn: _need_config(conn, ref)))

    async def delete_function_event_invoke_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Go back to the defaults."""
        ref = _resolve(ctx, params, "lambda:DeleteFunctionEventInvokeConfig")

        def work(conn: Connection) -> None:
            if not event_invoke_rows.remove_config(conn, key_of(ref), ref.qualifier):
                raise _absent(ref)

        await self._room.commits.commit(key_of(ref), work)
        return {}

    async def list_function_event_invoke_configs(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Everything that is configured for a function, by qualifier."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:ListFunctionEventInvokeConfigs")
        after = decode_marker(params, "")
        size = page_size(params)

        def work(conn: Connection) -> list[EventInvokeConfig]:
            _need(conn, ref)
            return event_invoke_rows.list_configs(conn, key_of(ref), after, size + 1)

        configs, more = page(await self._room.store.read(work), size, lambda config: config.qualifier)
        return {"FunctionEventInvokeConfigs": [_shown(ref, config) for config in configs], **more}

    def _changed(self, config: EventInvokeConfig, ref: FunctionRef, params: Mapping[str, Any]) -> EventInvokeConfig:
        """A configuration after the members that were given.

        Raises:
            AwsError: none was, or a destination cannot be.
        """
        if not {"MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig"} & set(params):
            raise errors.invalid("You must specify at least one of error handling or destination setting.")
        destinations: Mapping[str, Any] = params.get("DestinationConfig") or {}
        given = {side: destinations.get(side, {}).get("Destination") for side in _RECEIVERS}
        for side, arn in given.items():
            if arn:
                self._check(side, arn, ref, given)
        return replace(
            config,
            retries_max=params.get("MaximumRetryAttempts", config.retries_max),
            age_s_max=params.get("MaximumEventAgeInSeconds", config.age_s_max),
            on_success=config.on_success if given["OnSuccess"] is None else given["OnSuccess"],
            on_failure=config.on_failure if given["OnFailure"] is None else given["OnFailure"],
        )

    def _check(self, side: str, arn: str, ref: FunctionRef, given: Mapping[str, str | None]) -> None:
        service = service_of(arn)
        if service not in _RECEIVERS["OnFailure"]:
            raise errors.invalid(f"The destination ARN {arn} is invalid.")
        if service not in _RECEIVERS[side]:
            shown = ", ".join(f"on{key[2:]}=On{key[2:]}(destination={value})" for key, value in given.items() if value)
            raise errors.invalid(f"The provided destination config DestinationConfig({shown}) is invalid.")
        target = self._room.targets.find(arn)
        if target is None:
            raise errors.unsupported(f"The destination {arn}: a service that this node does not have ({service})")
        if arn == ref.arn or arn.startswith(f"{ref.arn}:"):
            raise errors.invalid("You can't specify the function as a destination for itself.")
        try:
            target.check(arn, ref.arn)
        except TargetError:
            raise errors.invalid(f"The destination ARN {arn} is invalid.") from None

    async def _check_role(self, ref: FunctionRef, params: Mapping[str, Any]) -> None:
        """Refuse destinations that the function's role does not let it tell.

        Raises:
            AwsError: there is such a one.
        """
        destinations: Mapping[str, Any] = params.get("DestinationConfig") or {}
        arns = [given["Destination"] for given in destinations.values() if given.get("Destination")]
        route = await self._room.functions.resolve(*key_of(ref), ref.qualifier) if arns else None
        if route is None or route.primary.facts is None:
            return
        for arn in arns:
            service = service_of(arn)
            action = ACTIONS.get(service, "")
            if action and not await self._room.roles.allows(route.primary.facts, f"{service}:{action}", arn):
                raise errors.invalid(f"The function's execution role does not have permissions to call {action} on {arn}")


def _resolve(ctx: CallContext, params: Mapping[str, Any], action: str) -> FunctionRef:
    """The version or alias that is meant; ``$LATEST`` when none was named."""
    ref = names.resolve(ctx, params["FunctionName"], params.get("Qualifier", ""), action=action)
    return replace(ref, qualifier=ref.qualifier or LATEST)


def _need(conn: Connection, ref: FunctionRef) -> None:
    if rows.get_version(conn, key_of(ref), LATEST) is None:
        raise errors.absent("The function doesn't exist.")
    if ref.qualifier in ("", LATEST):
        return
    if is_version_number(ref.qualifier):
        if rows.get_version(conn, key_of(ref), ref.qualifier) is None:
            raise errors.not_found(ref.qualified_arn)
    elif rows.get_alias(conn, key_of(ref), ref.qualifier) is None:
        raise errors.absent(f"Cannot find alias arn: {ref.qualified_arn}")


def _need_config(conn: Connection, ref: FunctionRef) -> EventInvokeConfig:
    config = event_invoke_rows.get_config(conn, key_of(ref), ref.qualifier)
    if config is None:
        raise _absent(ref)
    return config


def _absent(ref: FunctionRef) -> Exception:
    return errors.absent(f"The function {ref.qualified_arn} doesn't have an EventInvokeConfig")


def _shown(ref: FunctionRef, config: EventInvokeConfig) -> dict[str, Any]:
    result: dict[str, Any] = {"LastModified": config.modified_at, "FunctionArn": f"{ref.arn}:{config.qualifier}"}
    if config.retries_max is not None:
        result["MaximumRetryAttempts"] = config.retries_max
    if config.age_s_max is not None:
        result["MaximumEventAgeInSeconds"] = config.age_s_max
    result["DestinationConfig"] = {
        "OnSuccess": {"Destination": config.on_success} if config.on_success else {},
        "OnFailure": {"Destination": config.on_failure} if config.on_failure else {},
    }
    return result
