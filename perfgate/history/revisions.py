"""The versions of the tables, oldest first: the names of the files in migrations/versions."""

from __future__ import annotations

REVISIONS = ("0001", "0002", "0003")
HEAD = REVISIONS[-1]
VERSION_TABLE = "perfgate_schema"
"""Where alembic notes a database's version; not its usual name, which other programs' tables may have taken."""
