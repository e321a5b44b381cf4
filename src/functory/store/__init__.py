"""Durable state: the port (`port`), SQLite and PostgreSQL behind it, content-addressed blobs, migrations."""
