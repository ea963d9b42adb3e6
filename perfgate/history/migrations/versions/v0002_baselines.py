"""Baselines, and what was done with them and why.

Written out, not taken from schema.py: a migration says what the tables were then.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "baseline",
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("commit_sha", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("since_wall_ns", sa.BigInteger(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=16), nullable=True),
        sa.Column("anchor_run_id", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_baseline_run_id_run"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["anchor_run_id"], ["run.id"], name=op.f("fk_baseline_anchor_run_id_run"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("scenario", "target", "role", "number", name=op.f("pk_baseline")),
    )
    op.create_table(
        "baseline_step",
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("wall_ns", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("commit_sha", sa.String(length=64), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("run_id", sa.String(length=16), nullable=True),
        sa.Column("anchor_run_id", sa.String(length=16), nullable=True),
        sa.PrimaryKeyConstraint("scenario", "target", "number", name=op.f("pk_baseline_step")),
    )


def downgrade() -> None:
    """Their runs stay as they are; which commits were baselines is lost."""
    op.drop_table("baseline_step")
    op.drop_table("baseline")
