"""Called by alembic. The connection comes from upgrade.py, inside a transaction that it also ends."""

from __future__ import annotations

from alembic import context

from perfgate.history.revisions import VERSION_TABLE
from perfgate.history.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
