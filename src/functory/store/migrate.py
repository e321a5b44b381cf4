"""The schema's versions: which one a database has, whether it is current, and the way up.

Alembic does the work, but importing it takes longer than the whole start of a node that has nothing to migrate. So
whether a database is current is answered without it: the revisions are read off the files' ``revision = …`` lines.

A migration runs in one transaction: it happens as a whole or not at all. Each table module says what exists now
(``tables.py`` of a service or core room, on `METADATA`); a revision says how to get there. To make one::

    python -m functory.store.migrate revision "what changed"
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, MetaData, column, create_engine, inspect, select, table
from sqlalchemy.pool import StaticPool

from functory.store.port import METADATA, StoreError

if TYPE_CHECKING:
    from alembic.config import Config

SCRIPTS = Path(__file__).parent / "migrations"
_VERSION_TABLE = table("alembic_version", column("version_num"))
_REVISION = re.compile(r"""^revision(?::\s*str)?\s*=\s*["']([^"']+)["']""", re.MULTILINE)
_DOWN_REVISION = re.compile(r"""^down_revision(?::[^=]+)?\s*=\s*["']([^"']+)["']""", re.MULTILINE)


@dataclass(frozen=True)
class Migrations:
    """A line of revisions.

    Attributes:
        versions: folder of the revision files.
        metadata: the tables as they are now, for making revisions.
    """

    versions: Path = SCRIPTS / "versions"
    metadata: MetaData = field(default=METADATA, repr=False)

    @cached_property
    def revisions(self) -> Mapping[str, str | None]:
        """Every revision here -> the one before it."""
        found: dict[str, str | None] = {}
        for path in sorted(self.versions.glob("*.py")):
            text = path.read_text(encoding="utf-8")
            if revision := _REVISION.search(text):
                before = _DOWN_REVISION.search(text)
                found[revision.group(1)] = before.group(1) if before else None
        return found

    @cached_property
    def head(self) -> str | None:
        """The newest revision, or None when there is none at all."""
        heads = set(self.revisions) - set(self.revisions.values())
        if len(heads) > 1:
            raise StoreError(f"the migrations have several heads: {', '.join(sorted(heads))}")
        return heads.pop() if heads else None

    def current(self, connection: Connection) -> str | None:
        """The revision the database has; None for an empty one."""
        if not inspect(connection).has_table(_VERSION_TABLE.name):
            return None
        found: str | None = connection.execute(select(_VERSION_TABLE.c.version_num)).scalar_one_or_none()
        return found

    def is_current(self, connection: Connection) -> bool:
        """Whether there is nothing to do.

        Raises:
            StoreError: the database has a revision that is unknown here: a newer Functory wrote it.
        """
        current = self.current(connection)
        if current is not None and current not in self.revisions:
            raise StoreError(
                f"the data was written by a newer Functory (schema revision {current}, this one knows up to "
                f"{self.head or 'none'}); nothing was changed: use that version, or another data folder"
            )
        return current == self.head

    def upgrade(self, connection: Connection) -> None:
        """Bring the database to `head`, in the transaction of ``connection``, which the caller commits."""
        if self.head is None:
            return
        from alembic import command

        command.upgrade(self._config(connection), self.head)

    def differences(self, connection: Connection) -> list[Any]:
        """What `metadata` has and the database has not, or the other way round; empty when they agree."""
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, self.metadata))

    def make_revision(self, message: str) -> Path:
        """Write a new revision file: what leads from `head` to `metadata`.

        Raises:
            StoreError: the tables have not changed since `head`.
        """
        from alembic import command

        with scratch_database() as connection:
            self.upgrade(connection)
            if not self.differences(connection):
                raise StoreError("the tables have not changed since the last revision")
            number = f"{len(self.revisions) + 1:04d}"
            script = command.revision(self._config(connection), message, autogenerate=True, rev_id=number)
        self.__dict__.pop("revisions", None)
        self.__dict__.pop("head", None)
        if script is None or isinstance(script, list):
            raise StoreError(f"no single revision was made: {script}")
        return Path(script.path)

    def _config(self, connection: Connection) -> Config:
        from alembic.config import Config

        config = Config()
        options = {
            "script_location": SCRIPTS,
            "version_locations": self.versions,
            "path_separator": "newline",
            "file_template": "%(rev)s_%(slug)s",
        }
        for name, value in options.items():
            config.set_main_option(name, str(value).replace("%", "%%"))
        config.attributes.update(connection=connection, metadata=self.metadata)
        return config


MIGRATIONS = Migrations()


@contextmanager
def scratch_database() -> Iterator[Connection]:
    """An empty database in memory, to try a line of migrations on."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def discover_tables() -> list[str]:
    """Import every ``tables.py`` under ``functory.core`` and ``functory.services``; return their module names.

    Afterwards `METADATA` is complete. Only the making and checking of revisions needs that, so the import is by name:
    the store knows no room.
    """
    found = []
    for root in ("functory.core", "functory.services"):
        package = importlib.import_module(root)
        for module in pkgutil.walk_packages(package.__path__, f"{root}."):
            if module.name.endswith(".tables"):
                importlib.import_module(module.name)
                found.append(module.name)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of this module; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m functory.store.migrate", description="Schema revisions.")
    commands = parser.add_subparsers(dest="command", required=True)
    revision = commands.add_parser("revision", help="write the revision that leads to the tables as they are now")
    revision.add_argument("message", help="what changed, in a few words")
    options = parser.parse_args(arguments)
    discover_tables()
    try:
        MIGRATIONS.make_revision(options.message)
    except StoreError as error:
        parser.exit(1, f"{error}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
