"""The statements of the Lambda service: values in, values out, always inside somebody's unit of work.

Nothing here decides anything. Unit-of-work functions of the resources are made from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Table, and_, delete, func, insert, or_, select, tuple_, update
from sqlalchemy.sql.elements import ColumnElement

from functory.core.functions.model import LATEST
from functory.core.functions.names import is_version_number
from functory.services.lambda_ import (
    event_invoke_rows,
    layers_rows,
    policy_rows,
    provisioned_rows,
    runtime_management_rows,
    url_rows,
)
from functory.services.lambda_.records import AliasRecord, FunctionRecord, VersionRecord, version_record, version_row
from functory.services.lambda_.tables import (
    ALIASES,
    FUNCTION_KEY,
    FUNCTIONS,
    LAYER_USES,
    LAYER_VERSIONS,
    PACKAGES,
    VERSION_COUNTERS,
    VERSIONS,
)

Key = tuple[str, str, str]
"""Account, region, function name."""


def _is(table: Table, key: Key) -> ColumnElement[bool]:
    return and_(*(table.c[column] == value for column, value in zip(FUNCTION_KEY, key, strict=True)))


# functions


def get_function(conn: Connection, key: Key) -> FunctionRecord | None:
    """A function, or None."""
    row = conn.execute(select(FUNCTIONS).where(_is(FUNCTIONS, key))).first()
    return _function_record(row) if row is not None else None


def add_function(conn: Connection, record: FunctionRecord) -> None:
    """Insert a function."""
    conn.execute(insert(FUNCTIONS).values(_function_row(record)))


def put_function(conn: Connection, record: FunctionRecord) -> None:
    """Write an existing function."""
    key = (record.account_id, record.region, record.name)
    conn.execute(update(FUNCTIONS).where(_is(FUNCTIONS, key)).values(_function_row(record)))


def remove_function(conn: Connection, key: Key) -> None:
    """Delete a function with its versions, aliases and what belongs to these; its version counter stays."""
    layers_rows.remove_uses(conn, key)
    policy_rows.remove_policies(conn, key)
    event_invoke_rows.remove_configs(conn, key)
    runtime_management_rows.remove(conn, key)
    provisioned_rows.remove(conn, key)
    url_rows.remove_urls(conn, key)
    for table in (ALIASES, VERSIONS, FUNCTIONS):
        conn.execute(delete(table).where(_is(table, key)))


def _function_row(record: FunctionRecord) -> dict[str, Any]:
    row = msgspec.structs.asdict(record)
    row["tags"] = msgspec.json.encode(record.tags).decode()
    return row


def _function_record(row: Any) -> FunctionRecord:
    return FunctionRecord(
        row.account_id,
        row.region,
        row.name,
        msgspec.json.decode(row.tags, type=dict[str, str]),
        row.published_version,
        row.published_digest,
        row.reserved_concurrency,
        row.recursive_loop,
        row.code_signing_config,
    )


def list_reserved(conn: Connection) -> list[FunctionRecord]:
    """Every function that has reserved concurrency, of all accounts."""
    query = select(FUNCTIONS).where(FUNCTIONS.c.reserved_concurrency.is_not(None))
    return [_function_record(row) for row in conn.execute(query)]


def next_number(conn: Connection, key: Key) -> int:
    """Take the next version number of a function name; numbers are never given twice."""
    last = conn.execute(select(VERSION_COUNTERS.c.last_number).where(_is(VERSION_COUNTERS, key))).scalar()
    if last is None:
        conn.execute(insert(VERSION_COUNTERS).values(**dict(zip(FUNCTION_KEY, key, strict=True)), last_number=1))
        return 1
    conn.execute(update(VERSION_COUNTERS).where(_is(VERSION_COUNTERS, key)).values(last_number=last + 1))
    return int(last) + 1


# versions


def get_version(conn: Connection, key: Key, version: str) -> VersionRecord | None:
    """A version (``$LATEST`` included), or None."""
    row = conn.execute(select(VERSIONS).where(_is(VERSIONS, key), VERSIONS.c.version == version)).first()
    return version_record(row) if row is not None else None


def add_version(conn: Connection, record: VersionRecord) -> None:
    """Insert a version."""
    conn.execute(insert(VERSIONS).values(version_row(record)))
    _put_uses(conn, record)


def put_version(conn: Connection, record: VersionRecord) -> None:
    """Write an existing version."""
    key = (record.account_id, record.region, record.name)
    conn.execute(
        update(VERSIONS).where(_is(VERSIONS, key), VERSIONS.c.version == record.version).values(version_row(record))
    )
    _put_uses(conn, record)


def _put_uses(conn: Connection, record: VersionRecord) -> None:
    configs = (record.config, record.live_config)
    layers_rows.put_uses(
        conn,
        (record.account_id, record.region, record.name),
        record.version,
        [config.layers for config in configs if config is not None],
    )


def find_version(conn: Connection, key: Key, qualifier: str) -> VersionRecord | None:
    """The version a qualifier (``""``, ``$LATEST``, number, alias) leads to; of a weighted alias its own version."""
    if qualifier in ("", LATEST) or is_version_number(qualifier):
        return get_version(conn, key, qualifier or LATEST)
    alias = get_alias(conn, key, qualifier)
    return get_version(conn, key, alias.version) if alias is not None else None


def remove_version(conn: Connection, key: Key, version: str) -> None:
    """Delete one version with what belongs to it."""
    layers_rows.remove_uses(conn, key, version)
    provisioned_rows.remove(conn, key, version)
    policy_rows.remove_policy(conn, key, version)
    event_invoke_rows.remove_config(conn, key, version)
    runtime_management_rows.remove(conn, key, version)
    conn.execute(delete(VERSIONS).where(_is(VERSIONS, key), VERSIONS.c.version == version))


def list_versions(conn: Connection, key: Key, after: int, limit: int) -> list[VersionRecord]:
    """Versions of a function in order, ``$LATEST`` (number 0) first, those with a greater number than ``after``."""
    query = select(VERSIONS).where(_is(VERSIONS, key), VERSIONS.c.number > after).order_by(VERSIONS.c.number).limit(limit)
    return [version_record(row) for row in conn.execute(query)]


def list_all(
    conn: Connection, account_id: str, region: str, *, every_version: bool, after: tuple[str, int], limit: int
) -> list[VersionRecord]:
    """Versions of all functions of an account and region by name and number, from behind ``after``."""
    query = select(VERSIONS).where(
        VERSIONS.c.account_id == account_id,
        VERSIONS.c.region == region,
        tuple_(VERSIONS.c.name, VERSIONS.c.number) > after,
    )
    if not every_version:
        query = query.where(VERSIONS.c.version == LATEST)
    query = query.order_by(VERSIONS.c.name, VERSIONS.c.number).limit(limit)
    return [version_record(row) for row in conn.execute(query)]


def list_unsettled(conn: Connection, limit: int) -> list[VersionRecord]:
    """Versions that the reconciler has to prepare, oldest change first."""
    query = select(VERSIONS).where(VERSIONS.c.unsettled == 1).order_by(VERSIONS.c.modified_at).limit(limit)
    return [version_record(row) for row in conn.execute(query)]


def list_failed(conn: Connection, reason_code: str) -> list[VersionRecord]:
    """Versions whose creation or last update failed for this reason."""
    failed = or_(VERSIONS.c.state_reason_code == reason_code, VERSIONS.c.update_reason_code == reason_code)
    return [version_record(row) for row in conn.execute(select(VERSIONS).where(VERSIONS.c.unsettled == 0, failed))]


def list_in_the_open(conn: Connection, limit: int) -> list[VersionRecord]:
    """Versions whose environment variables are not sealed."""
    plain = '%"environment":{%'
    query = select(VERSIONS).where(or_(VERSIONS.c.config.like(plain), VERSIONS.c.live_config.like(plain))).limit(limit)
    return [version_record(row) for row in conn.execute(query)]


def code_usage(conn: Connection, account_id: str, region: str) -> int:
    """Unzipped bytes of every version of every function and layer of an account and region together."""
    total = 0
    for table in (VERSIONS, LAYER_VERSIONS):
        query = select(func.coalesce(func.sum(table.c.unzipped_bytes), 0))
        query = query.where(table.c.account_id == account_id, table.c.region == region)
        total += int(conn.execute(query).scalar_one())
    return total


def count_functions(conn: Connection, account_id: str, region: str) -> int:
    """Number of functions of an account and region."""
    query = select(func.count()).select_from(FUNCTIONS)
    return int(conn.execute(query.where(FUNCTIONS.c.account_id == account_id, FUNCTIONS.c.region == region)).scalar_one())


# aliases


def get_alias(conn: Connection, key: Key, alias: str) -> AliasRecord | None:
    """An alias, or None."""
    row = conn.execute(select(ALIASES).where(_is(ALIASES, key), ALIASES.c.alias == alias)).first()
    return _alias_record(row) if row is not None else None


def add_alias(conn: Connection, record: AliasRecord) -> None:
    """Insert an alias."""
    conn.execute(insert(ALIASES).values(msgspec.structs.asdict(record)))


def put_alias(conn: Connection, record: AliasRecord) -> None:
    """Write an existing alias."""
    key = (record.account_id, record.region, record.name)
    conn.execute(
        update(ALIASES).where(_is(ALIASES, key), ALIASES.c.alias == record.alias).values(msgspec.structs.asdict(record))
    )


def remove_alias(conn: Connection, key: Key, alias: str) -> None:
    """Delete an alias with what belongs to it; an absent one is no error."""
    policy_rows.remove_policy(conn, key, alias)
    event_invoke_rows.remove_config(conn, key, alias)
    provisioned_rows.remove(conn, key, alias)
    url_rows.remove_url(conn, key, alias)
    conn.execute(delete(ALIASES).where(_is(ALIASES, key), ALIASES.c.alias == alias))


def list_aliases(conn: Connection, key: Key, *, version: str, after: str, limit: int) -> list[AliasRecord]:
    """Aliases by name, from behind ``after``; those that lead to ``version``, or all for ``""``."""
    query = select(ALIASES).where(_is(ALIASES, key), ALIASES.c.alias > after)
    if version:
        query = query.where(or_(ALIASES.c.version == version, ALIASES.c.extra_version == version))
    return [_alias_record(row) for row in conn.execute(query.order_by(ALIASES.c.alias).limit(limit))]


def aliases_of_version(conn: Connection, key: Key, version: str) -> list[str]:
    """Names of the aliases that lead to a version, sorted."""
    query = select(ALIASES.c.alias).where(
        _is(ALIASES, key), or_(ALIASES.c.version == version, ALIASES.c.extra_version == version)
    )
    return sorted(conn.execute(query).scalars())


def _alias_record(row: Any) -> AliasRecord:
    return AliasRecord(
        row.account_id,
        row.region,
        row.name,
        row.alias,
        row.version,
        row.revision_id,
        row.description,
        row.extra_version,
        row.extra_weight,
    )


# packages


def touch_packages(conn: Connection, code_keys: Iterable[str], now: float) -> None:
    """Note that something begins or ceases to refer to these packages."""
    for code_key in sorted({key for key in code_keys if key}):
        changed = conn.execute(update(PACKAGES).where(PACKAGES.c.code_key == code_key).values(touched_at=now)).rowcount
        if not changed:
            conn.execute(insert(PACKAGES).values(code_key=code_key, touched_at=now))


def code_keys_of(conn: Connection, key: Key) -> set[str]:
    """Packages the versions of a function refer to, as their code or their layers."""
    query = select(VERSIONS.c.code_key, VERSIONS.c.live_code_key).where(_is(VERSIONS, key))
    own = {code_key for row in conn.execute(query) for code_key in row if code_key}
    return own | layers_rows.used_keys_of(conn, key)


def unused_packages(conn: Connection, touched_before: float, limit: int) -> Sequence[str]:
    """Packages no version refers to and that nothing touched since."""
    query = select(PACKAGES.c.code_key).where(PACKAGES.c.touched_at < touched_before, ~_is_used()).limit(limit)
    return list(conn.execute(query).scalars())


def is_unused_package(conn: Connection, code_key: str, touched_before: float) -> bool:
    """Whether that is still true of one package."""
    query = select(PACKAGES.c.code_key).where(
        PACKAGES.c.code_key == code_key, PACKAGES.c.touched_at < touched_before, ~_is_used()
    )
    return conn.execute(query).first() is not None


def remove_unused_package(conn: Connection, code_key: str, touched_before: float) -> bool:
    """Delete a package's row if that is still true of it."""
    query = delete(PACKAGES).where(PACKAGES.c.code_key == code_key, PACKAGES.c.touched_at < touched_before, ~_is_used())
    return conn.execute(query).rowcount == 1


def _is_used() -> ColumnElement[bool]:
    by_whom = (VERSIONS.c.code_key, VERSIONS.c.live_code_key, LAYER_VERSIONS.c.code_key, LAYER_USES.c.code_key)
    return or_(*(select(column).where(column == PACKAGES.c.code_key).exists() for column in by_whom))
