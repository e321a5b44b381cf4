"""The statements about the configuration of asynchronous invocation, for somebody's unit of work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from functory.core.functions.terms import DEFAULT_TERMS, AsyncTerms
from functory.services.lambda_.tables import EVENT_INVOKE_CONFIGS, FUNCTION_KEY

Key = tuple[str, str, str]
_C = EVENT_INVOKE_CONFIGS.c


@dataclass(frozen=True, slots=True)
class EventInvokeConfig:
    """The configuration of ``$LATEST``, a version or an alias.

    Attributes:
        qualifier: which of these.
        modified_at: epoch seconds.
        retries_max: None when it was not set; likewise ``age_s_max``.
        on_success: ARN or ``""``; likewise ``on_failure``.
    """

    qualifier: str
    modified_at: float
    retries_max: int | None = None
    age_s_max: int | None = None
    on_success: str = ""
    on_failure: str = ""

    @property
    def terms(self) -> AsyncTerms:
        """What holds for events; AWS's defaults where nothing was set."""
        defaults = DEFAULT_TERMS
        return AsyncTerms(
            defaults.retries_max if self.retries_max is None else self.retries_max,
            defaults.age_s_max if self.age_s_max is None else self.age_s_max,
            self.on_success,
            self.on_failure,
        )


def _is(key: Key, qualifier: str | None = None) -> ColumnElement[bool]:
    of_function = and_(*(_C[column] == value for column, value in zip(FUNCTION_KEY, key, strict=True)))
    return of_function if qualifier is None else and_(of_function, _C.qualifier == qualifier)


def get_config(conn: Connection, key: Key, qualifier: str) -> EventInvokeConfig | None:
    """A configuration, or None."""
    row = conn.execute(select(EVENT_INVOKE_CONFIGS).where(_is(key, qualifier))).first()
    return _config(row) if row is not None else None


def put_config(conn: Connection, key: Key, config: EventInvokeConfig) -> None:
    """Write a configuration, new or not."""
    values = {
        "retries_max": config.retries_max,
        "age_s_max": config.age_s_max,
        "on_success": config.on_success,
        "on_failure": config.on_failure,
        "modified_at": config.modified_at,
    }
    if not conn.execute(update(EVENT_INVOKE_CONFIGS).where(_is(key, config.qualifier)).values(**values)).rowcount:
        base = dict(zip(FUNCTION_KEY, key, strict=True), qualifier=config.qualifier)
        conn.execute(insert(EVENT_INVOKE_CONFIGS).values(**base, **values))


def remove_config(conn: Connection, key: Key, qualifier: str) -> bool:
    """Delete a configuration; whether there was one."""
    return conn.execute(delete(EVENT_INVOKE_CONFIGS).where(_is(key, qualifier))).rowcount == 1


def remove_configs(conn: Connection, key: Key) -> None:
    """Delete the configurations of a function and of all its versions and aliases."""
    conn.execute(delete(EVENT_INVOKE_CONFIGS).where(_is(key)))


def list_configs(conn: Connection, key: Key, after: str, limit: int) -> list[EventInvokeConfig]:
    """The configurations of a function by qualifier, from behind ``after``."""
    query = select(EVENT_INVOKE_CONFIGS).where(_is(key), _C.qualifier > after).order_by(_C.qualifier).limit(limit)
    return [_config(row) for row in conn.execute(query)]


def _config(row: Any) -> EventInvokeConfig:
    return EventInvokeConfig(row.qualifier, row.modified_at, row.retries_max, row.age_s_max, row.on_success, row.on_failure)
