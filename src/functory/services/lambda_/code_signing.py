"""Code signing configurations, and which function uses which."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from functory.aws.errors import AwsError
from functory.core.calls import CallContext
from functory.core.functions.names import FunctionRef
from functory.kernel.clock import iso_ms
from functory.kernel.ids import Ids
from functory.services.lambda_ import code_signing_rows, errors, names, rows, rules, signing
from functory.services.lambda_.code_signing_rows import CodeSigningConfig
from functory.services.lambda_.configuration import key_of, need_latest
from functory.services.lambda_.paging import decode_marker, page, page_size
from functory.services.lambda_.records import FunctionRecord
from functory.services.lambda_.room import Room

PUBLISHERS_MAX = 20


class CodeSigningApi:
    """The operations on code signing."""

    def __init__(self, room: Room) -> None:
        self._room = room

    async def create_code_signing_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Make a configuration."""
        tags = dict(params.get("Tags") or {})
        rules.check_tags(tags)
        config = CodeSigningConfig(
            account_id=ctx.account_id,
            region=ctx.region,
            id=_new_id(self._room.ids),
            description=params.get("Description", ""),
            publishers=_publishers(params),
            policy=params.get("CodeSigningPolicies", {}).get("UntrustedArtifactOnDeployment", "Warn"),
            tags=tags,
            modified_at=self._room.clock.epoch_s(),
        )
        await self._room.store.write(lambda conn: code_signing_rows.put_config(conn, config))
        return {"CodeSigningConfig": _shown(config)}

    async def get_code_signing_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """One configuration."""
        arn = _own(ctx, params["CodeSigningConfigArn"])
        return {"CodeSigningConfig": _shown(await self._room.store.read(lambda conn: _need(conn, arn)))}

    async def update_code_signing_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Change what is given; it holds for the next deployment."""
        arn = _own(ctx, params["CodeSigningConfigArn"])
        now = self._room.clock.epoch_s()

        def work(conn: Connection) -> CodeSigningConfig:
            old = _need(conn, arn)
            policy = params.get("CodeSigningPolicies", {}).get("UntrustedArtifactOnDeployment", old.policy)
            config = msgspec.structs.replace(
                old,
                description=params.get("Description", old.description),
                publishers=_publishers(params) if "AllowedPublishers" in params else old.publishers,
                policy=policy,
                modified_at=now,
            )
            code_signing_rows.put_config(conn, config)
            return config

        return {"CodeSigningConfig": _shown(await self._room.store.write(work))}

    async def delete_code_signing_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Delete a configuration that no function uses."""
        arn = _own(ctx, params["CodeSigningConfigArn"])

        def work(conn: Connection) -> None:
            _need(conn, arn)
            if code_signing_rows.list_users(conn, arn, "", 1):
                raise errors.conflict(f"The code signing configuration is used by a function and cannot be deleted: {arn}")
            code_signing_rows.remove_config(conn, arn)

        await self._room.store.write(work)
        return {}

    async def list_code_signing_configs(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The configurations of the account and region."""
        after, size = decode_marker(params, ""), page_size(params)
        found = await self._room.store.read(
            lambda conn: code_signing_rows.list_configs(conn, ctx.account_id, ctx.region, after, size + 1)
        )
        configs, more = page(found, size, lambda config: config.id)
        return {"CodeSigningConfigs": [_shown(config) for config in configs], **more}

    async def list_functions_by_code_signing_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """The functions that use a configuration."""
        arn = _own(ctx, params["CodeSigningConfigArn"])
        after, size = decode_marker(params, ""), page_size(params)

        def work(conn: Connection) -> list[str]:
            _need(conn, arn)
            return code_signing_rows.list_users(conn, arn, after, size + 1)

        users, more = page(await self._room.store.read(work), size, lambda name: name)
        return {"FunctionArns": [FunctionRef(ctx.account_id, ctx.region, name).arn for name in users], **more}

    async def put_function_code_signing_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Have a function's code checked from its next deployment on."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:PutFunctionCodeSigningConfig")
        arn = params["CodeSigningConfigArn"]

        def work(conn: Connection) -> None:
            signing.check_possible(need_latest(conn, ref).config)
            signing.need_config(conn, arn, ref.arn)
            rows.put_function(conn, msgspec.structs.replace(_function(conn, ref), code_signing_config=arn))

        await self._room.commits.commit(key_of(ref), work)
        return {"CodeSigningConfigArn": arn, "FunctionName": ref.name}

    async def get_function_code_signing_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Which configuration a function uses."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:GetFunctionCodeSigningConfig")
        function = await self._room.store.read(lambda conn: _function(conn, ref))
        used = function.code_signing_config
        return {"FunctionName": ref.name, **({"CodeSigningConfigArn": used} if used else {})}

    async def delete_function_code_signing_config(self, ctx: CallContext, params: dict[str, Any]) -> dict[str, Any]:
        """Have a function's code not checked any more."""
        ref = names.resolve_function(ctx, params["FunctionName"], action="lambda:DeleteFunctionCodeSigningConfig")

        def work(conn: Connection) -> None:
            rows.put_function(conn, msgspec.structs.replace(_function(conn, ref), code_signing_config=None))

        await self._room.commits.commit(key_of(ref), work)
        return {}


def _new_id(ids: Ids) -> str:
    return f"csc-{ids.hex(17)}"


def _publishers(params: dict[str, Any]) -> tuple[str, ...]:
    arns = params["AllowedPublishers"]["SigningProfileVersionArns"]
    if not 1 <= len(arns) <= PUBLISHERS_MAX:
        raise errors.invalid(f"AllowedPublishers must name 1 to {PUBLISHERS_MAX} signing profile versions.")
    return tuple(arns)


def _own(ctx: CallContext, arn: str) -> str:
    """An ARN of the caller's account and region.

    Raises:
        AwsError: it is not.
    """
    if not arn.startswith(f"arn:aws:lambda:{ctx.region}:{ctx.account_id}:code-signing-config:"):
        raise _absent()
    return arn


def need_own(conn: Connection, ctx: CallContext, arn: str) -> CodeSigningConfig:
    """Part of a unit of work: a configuration of the caller's.

    Raises:
        AwsError: there is none of that ARN.
    """
    return _need(conn, _own(ctx, arn))


def _need(conn: Connection, arn: str) -> CodeSigningConfig:
    config = code_signing_rows.get_config(conn, arn)
    if config is None:
        raise _absent()
    return config


def _absent() -> AwsError:
    return errors.absent("The Lambda code signing configuration ARN can not be found.")


def _function(conn: Connection, ref: FunctionRef) -> FunctionRecord:
    function = rows.get_function(conn, key_of(ref))
    if function is None:
        raise errors.not_found(ref.arn)
    return function


def _shown(config: CodeSigningConfig) -> dict[str, Any]:
    result: dict[str, Any] = {
        "CodeSigningConfigId": config.id,
        "CodeSigningConfigArn": config.arn,
        "AllowedPublishers": {"SigningProfileVersionArns": list(config.publishers)},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.policy},
        "LastModified": iso_ms(config.modified_at, "+0000"),
    }
    if config.description:
        result["Description"] = config.description
    return result
