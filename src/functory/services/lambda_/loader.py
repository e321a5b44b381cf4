"""The store's side of the catalogue: what a qualifier leads to, read in one snapshot."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from functory.core.functions.isolation import asked_for
from functory.core.functions.model import LATEST
from functory.core.functions.names import is_version_number
from functory.core.functions.routes import Candidate, Route
from functory.core.functions.terms import DEFAULT_TERMS
from functory.core.invocations.lineage import resource_id
from functory.services.lambda_ import event_invoke_rows, rows, runtime_management_rows
from functory.services.lambda_.records import VersionRecord
from functory.services.lambda_.tenancy import PER_TENANT
from functory.services.lambda_.variables import Variables
from functory.store.port import Store


class StoreRoutes:
    """Implements `functory.core.functions.catalogue.RouteLoader`."""

    def __init__(self, store: Store, variables: Variables) -> None:
        self._store = store
        self._variables = variables

    async def load_route(self, account_id: str, region: str, name: str, qualifier: str) -> Route | None:
        """See `RouteLoader`."""
        return await self._store.read(lambda conn: _route(conn, self._variables, (account_id, region, name), qualifier))


def _route(conn: Connection, variables: Variables, key: rows.Key, qualifier: str) -> Route | None:
    route = _versions(conn, variables, key, qualifier)
    if route is None:
        return None
    latest = rows.get_version(conn, key, LATEST)
    function, config = rows.get_function(conn, key), event_invoke_rows.get_config(conn, key, qualifier)
    return replace(
        route,
        terms=config.terms if config is not None else DEFAULT_TERMS,
        lineage=resource_id("arn:aws:lambda:{1}:{0}:function:{2}".format(*key)),
        is_tenanted=latest is not None and latest.config.tenancy == PER_TENANT,
        may_loop=function is not None and function.recursive_loop == "Allow",
    )


def _versions(conn: Connection, variables: Variables, key: rows.Key, qualifier: str) -> Route | None:
    if qualifier == LATEST or is_version_number(qualifier):
        found = candidate(conn, variables, key, qualifier)
        return Route(found) if found is not None else None
    alias = rows.get_alias(conn, key, qualifier)
    if alias is None:
        return None
    primary = candidate(conn, variables, key, alias.version)
    if primary is None:
        return None
    secondary = candidate(conn, variables, key, alias.extra_version) if alias.extra_version else None
    return Route(primary, secondary, alias.extra_weight)


def candidate(conn: Connection, variables: Variables, key: rows.Key, version: str) -> Candidate | None:
    """Part of a unit of work: a version as the engine sees it; None when there is none."""
    record = rows.get_version(conn, key, version)
    return candidate_of(conn, variables, record) if record is not None else None


def candidate_of(conn: Connection, variables: Variables, record: VersionRecord) -> Candidate | None:
    """Part of a unit of work: as `candidate`, of a version as it is or will be; None when its function is gone."""
    key, version = (record.account_id, record.region, record.name), record.version
    function = rows.get_function(conn, key)
    if function is None:
        return None
    environment = variables.opened(record.arn, record.live_config) if record.live_config is not None else None
    found = record.candidate(asked_for(function.tags), environment or {})
    pin = runtime_management_rows.get(conn, key, version).pinned_arn
    return replace(found, facts=replace(found.facts, runtime_pin=pin)) if pin and found.facts is not None else found
