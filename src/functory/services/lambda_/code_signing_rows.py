"""The statements about code signing configurations: values in, values out, always inside somebody's unit of work."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from functory.services.lambda_.tables import CODE_SIGNING_CONFIGS, FUNCTIONS

_C = CODE_SIGNING_CONFIGS.c


class CodeSigningConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Whose signatures count, and what follows when there is none of them.

    Attributes:
        id: ``csc-…``.
        publishers: ARNs of signing profile versions.
        policy: ``Warn`` or ``Enforce``.
        modified_at: epoch seconds.
    """

    account_id: str
    region: str
    id: str
    description: str
    publishers: tuple[str, ...]
    policy: str
    tags: dict[str, str]
    modified_at: float

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:lambda:{self.region}:{self.account_id}:code-signing-config:{self.id}"


def _is(arn: str) -> ColumnElement[bool]:
    parts = arn.split(":")
    return and_(_C.region == parts[3], _C.account_id == parts[4], _C.id == parts[6])


def get_config(conn: Connection, arn: str) -> CodeSigningConfig | None:
    """The configuration of an ARN, or None."""
    row = conn.execute(select(CODE_SIGNING_CONFIGS).where(_is(arn))).first()
    return _config(row) if row is not None else None


def put_config(conn: Connection, config: CodeSigningConfig) -> None:
    """Write a configuration, new or not."""
    values = msgspec.structs.asdict(config)
    values["publishers"] = msgspec.json.encode(config.publishers).decode()
    values["tags"] = msgspec.json.encode(config.tags).decode()
    if not conn.execute(update(CODE_SIGNING_CONFIGS).where(_is(config.arn)).values(**values)).rowcount:
        conn.execute(insert(CODE_SIGNING_CONFIGS).values(**values))


def remove_config(conn: Connection, arn: str) -> None:
    """Delete a configuration."""
    conn.execute(delete(CODE_SIGNING_CONFIGS).where(_is(arn)))


def list_configs(conn: Connection, account_id: str, region: str, after: str, limit: int) -> list[CodeSigningConfig]:
    """Configurations of an account and region by id, from behind ``after``."""
    query = select(CODE_SIGNING_CONFIGS).where(_C.account_id == account_id, _C.region == region, _C.id > after)
    return [_config(row) for row in conn.execute(query.order_by(_C.id).limit(limit))]


def list_users(conn: Connection, arn: str, after: str, limit: int) -> list[str]:
    """Names of the functions that use a configuration, from behind ``after``."""
    query = select(FUNCTIONS.c.name).where(FUNCTIONS.c.code_signing_config == arn, FUNCTIONS.c.name > after)
    return list(conn.execute(query.order_by(FUNCTIONS.c.name).limit(limit)).scalars())


def _config(row: Any) -> CodeSigningConfig:
    return CodeSigningConfig(
        account_id=row.account_id,
        region=row.region,
        id=row.id,
        description=row.description,
        publishers=msgspec.json.decode(row.publishers, type=tuple[str, ...]),
        policy=row.policy,
        tags=msgspec.json.decode(row.tags, type=dict[str, str]),
        modified_at=row.modified_at,
    )
