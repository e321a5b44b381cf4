"""The statements about layers: values in, values out, always inside somebody's unit of work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from functory.core.artifacts.merge import merged_name
from functory.services.lambda_.layers_records import LayerUse, LayerVersion, layer_row, layer_version
from functory.services.lambda_.layers_rules import LayerRef
from functory.services.lambda_.tables import FUNCTION_KEY, LAYER_COUNTERS, LAYER_USES, LAYER_VERSIONS

NUMBER_MAX = 2**63 - 1
"""What the column holds; callers may ask for more."""

_V = LAYER_VERSIONS.c


def _is(ref: LayerRef) -> ColumnElement[bool]:
    return and_(_V.account_id == ref.account_id, _V.region == ref.region, _V.name == ref.name)


def next_layer_number(conn: Connection, ref: LayerRef) -> int:
    """Take the next version number of a layer; numbers are never given twice."""
    table = LAYER_COUNTERS
    key = {"account_id": ref.account_id, "region": ref.region, "name": ref.name}
    is_it = and_(*(table.c[column] == value for column, value in key.items()))
    last = conn.execute(select(table.c.last_number).where(is_it)).scalar()
    if last is None:
        conn.execute(insert(table).values(**key, last_number=1))
        return 1
    conn.execute(update(table).where(is_it).values(last_number=last + 1))
    return int(last) + 1


def add_layer_version(conn: Connection, record: LayerVersion) -> None:
    """Insert a layer version."""
    conn.execute(insert(LAYER_VERSIONS).values(layer_row(record)))


def put_layer_version(conn: Connection, record: LayerVersion) -> None:
    """Write an existing layer version."""
    ref = LayerRef(record.account_id, record.region, record.name)
    conn.execute(update(LAYER_VERSIONS).where(_is(ref), _V.number == record.number).values(layer_row(record)))


def get_layer_version(conn: Connection, ref: LayerRef, number: int) -> LayerVersion | None:
    """A layer version, or None."""
    if number > NUMBER_MAX:
        return None
    row = conn.execute(select(LAYER_VERSIONS).where(_is(ref), _V.number == number)).first()
    return layer_version(row) if row is not None else None


def remove_layer_version(conn: Connection, ref: LayerRef, number: int) -> None:
    """Delete a layer version; an absent one is no error."""
    conn.execute(delete(LAYER_VERSIONS).where(_is(ref), _V.number == number))


def iter_layer_versions(conn: Connection, ref: LayerRef, before: int) -> Iterator[LayerVersion]:
    """The versions of a layer with a smaller number than ``before``, newest first. Ends with the unit of work."""
    query = select(LAYER_VERSIONS).where(_is(ref), _V.number < before).order_by(_V.number.desc())
    return (layer_version(row) for row in conn.execute(query))


def iter_layers(conn: Connection, account_id: str, region: str, after: str) -> Iterator[LayerVersion]:
    """All layer versions of an account and region by name, newest first, of layers behind ``after``."""
    query = select(LAYER_VERSIONS).where(_V.account_id == account_id, _V.region == region, _V.name > after)
    return (layer_version(row) for row in conn.execute(query.order_by(_V.name, _V.number.desc())))


# what functions use


def put_uses(conn: Connection, key: tuple[str, str, str], version: str, lists: Iterable[Sequence[LayerUse]]) -> None:
    """Note which layers a version of a function uses: those of each of its configurations."""
    remove_uses(conn, key, version)
    found = {(merged_name([use.key for use in uses]), use.key) for uses in lists for use in uses}
    base = dict(zip(FUNCTION_KEY, key, strict=True), version=version)
    for folder, package in sorted(found):
        conn.execute(insert(LAYER_USES).values(**base, folder=folder, code_key=package))


def remove_uses(conn: Connection, key: tuple[str, str, str], version: str = "") -> None:
    """Forget which layers a version of a function uses; every version for ``""``."""
    is_it = and_(*(LAYER_USES.c[column] == value for column, value in zip(FUNCTION_KEY, key, strict=True)))
    conn.execute(delete(LAYER_USES).where(is_it, *([LAYER_USES.c.version == version] if version else [])))


def used_keys_of(conn: Connection, key: tuple[str, str, str]) -> set[str]:
    """Packages the layers of a function's versions are made of."""
    is_it = and_(*(LAYER_USES.c[column] == value for column, value in zip(FUNCTION_KEY, key, strict=True)))
    return set(conn.execute(select(LAYER_USES.c.code_key).where(is_it)).scalars())


def is_used_folder(conn: Connection, folder: str) -> bool:
    """Whether some version sees this folder as ``/opt``."""
    return conn.execute(select(LAYER_USES.c.folder).where(LAYER_USES.c.folder == folder).limit(1)).first() is not None


def used_folders(conn: Connection) -> set[str]:
    """Names of the folders that some version sees as ``/opt``."""
    return set(conn.execute(select(LAYER_USES.c.folder).distinct()).scalars())
