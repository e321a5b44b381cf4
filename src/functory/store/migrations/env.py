"""What Alembic runs: migrates over the connection it was given, inside the caller's transaction."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=context.config.attributes["metadata"],
    transactional_ddl=True,  # Alembic does not assume it for SQLite; with an explicit BEGIN it holds
    render_as_batch=True,  # SQLite alters a table by copying it; PostgreSQL is not concerned
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
