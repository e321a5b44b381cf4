"""A private PostgreSQL cluster for tests: in a temporary folder, on a Unix socket, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ADMIN = "functory"
URL_VARIABLE = "FUNCTORY_TEST_POSTGRESQL"


class PostgresqlMissingError(Exception):
    """No server was given and none can be started; the text says why."""


@contextmanager
def postgresql_server() -> Iterator[str]:
    """The URL of a server where the user may create databases, ending before the database's name.

    Raises:
        PostgresqlMissingError: neither the variable nor the binaries are there.
    """
    if given := os.environ.get(URL_VARIABLE):
        yield given.rstrip("/")
        return
    initdb, postgres = _binary("initdb"), _binary("postgres")
    user = _unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="functory-pg-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        as_user = {"user": user} if user is not None else {}
        environ = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
        subprocess.run(
            [initdb, "-D", folder / "data", "-U", ADMIN, "-A", "trust", "--no-sync", "-E", "UTF8"],
            check=True, capture_output=True, cwd=folder, env=environ, **as_user,
        )  # fmt: skip
        server = subprocess.Popen(
            [postgres, "-D", folder / "data", "-k", folder, "-c", "listen_addresses=", "-c", "max_connections=100"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, env=environ, **as_user,
        )  # fmt: skip
        assert server.stderr is not None
        with server:
            reader = threading.Thread(target=deque, args=(server.stderr, 0), daemon=True)  # else a full pipe stops it
            try:
                said = []
                for line in server.stderr:
                    said.append(line.decode(errors="replace"))
                    if "ready to accept connections" in said[-1]:
                        break
                else:
                    raise AssertionError(f"the server did not start: {''.join(said)}")
                reader.start()
                yield f"postgresql://{ADMIN}@/postgres?host={folder}".replace("/postgres?", "/{database}?")
            finally:
                server.terminate()
                if reader.is_alive():
                    reader.join()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server: str, name: str) -> Iterator[str]:
    """The URL of an empty database of this name, dropped afterwards."""
    import psycopg

    admin = _with_database(server, "postgres")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    try:
        yield _with_database(server, name)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _with_database(server: str, name: str) -> str:
    return server.replace("{database}", name) if "{database}" in server else f"{server}/{name}"


def _binary(name: str) -> str:
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))), None
    )
    if found is None:
        raise PostgresqlMissingError(f"no PostgreSQL: {URL_VARIABLE} is not set and there is no `{name}` on this machine")
    return found


def _unprivileged_user() -> str | None:
    """Who runs the server: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    raise PostgresqlMissingError("no PostgreSQL: root may not run it and there is no user postgres or nobody")
