"""The first tables: runs and what belongs to them, host profiles, and who made the tables.

Written out, not taken from schema.py: a migration says what the tables were then.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "host_profile",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("scenario_digest", sa.String(length=64), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("made_wall_ns", sa.BigInteger(), nullable=False),
        sa.Column("expires_wall_ns", sa.BigInteger(), nullable=False),
        sa.Column("host", sa.JSON(), nullable=False),
        sa.Column("body", sa.JSON(), nullable=False),
        sa.Column("recorded_wall_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_profile")),
    )
    op.create_index(op.f("ix_host_profile_made_wall_ns"), "host_profile", ["made_wall_ns"])
    op.create_table(
        "migration",
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.Column("perfgate", sa.Text(), nullable=False),
        sa.Column("wall_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_migration")),
    )
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("scenario", sa.Text(), nullable=False),
        sa.Column("scenario_digest", sa.String(length=64), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("started_wall_ns", sa.BigInteger(), nullable=False),
        sa.Column("duration_ns", sa.BigInteger(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("margin", sa.Float(), nullable=True),
        sa.Column("look", sa.Integer(), nullable=True),
        sa.Column("pairs", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("perfgate", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("directory", sa.Text(), nullable=False),
        sa.Column("command", sa.Text(), nullable=False),
        sa.Column("recorded_wall_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    op.create_index(op.f("ix_run_scenario_target_started_wall_ns"), "run", ["scenario", "target", "started_wall_ns"])
    op.create_index(op.f("ix_run_started_wall_ns"), "run", ["started_wall_ns"])
    op.create_table(
        "build",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("arm", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("commit_sha", sa.String(length=64), nullable=True),
        sa.Column("artifact", sa.Text(), nullable=True),
        sa.Column("dirty", sa.Boolean(), nullable=True),
        sa.Column("toolchain", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_build_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "arm", name=op.f("pk_build")),
    )
    op.create_index(op.f("ix_build_commit_sha"), "build", ["commit_sha"])
    op.create_table(
        "effect",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("place", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=True),
        sa.Column("statistic", sa.Text(), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("finding", sa.String(length=16), nullable=False),
        sa.Column("estimate", sa.Float(), nullable=True),
        sa.Column("se", sa.Float(), nullable=True),
        sa.Column("df", sa.Integer(), nullable=False),
        sa.Column("lower", sa.Float(), nullable=True),
        sa.Column("upper", sa.Float(), nullable=True),
        sa.Column("pass_upper", sa.Float(), nullable=True),
        sa.Column("p_nominal", sa.Float(), nullable=True),
        sa.Column("p_adjusted", sa.Float(), nullable=True),
        sa.Column("margin", sa.Float(), nullable=True),
        sa.Column("base_ns", sa.Float(), nullable=True),
        sa.Column("candidate_ns", sa.Float(), nullable=True),
        sa.Column("base_share", sa.Float(), nullable=True),
        sa.Column("candidate_share", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_effect_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "place", name=op.f("pk_effect")),
    )
    op.create_index(op.f("ix_effect_metric"), "effect", ["metric"])
    op.create_table(
        "environment",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.Column("cpu", sa.Text(), nullable=True),
        sa.Column("cores", sa.Integer(), nullable=True),
        sa.Column("kernel", sa.Text(), nullable=True),
        sa.Column("governor", sa.Text(), nullable=True),
        sa.Column("perfgate", sa.Text(), nullable=True),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_environment_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "agent", name=op.f("pk_environment")),
    )
    op.create_index(op.f("ix_environment_agent"), "environment", ["agent"])
    op.create_table(
        "latency",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("arm", sa.String(length=16), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("completed", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("p50_ns", sa.Float(), nullable=True),
        sa.Column("p95_ns", sa.Float(), nullable=True),
        sa.Column("p99_ns", sa.Float(), nullable=True),
        sa.Column("p999_ns", sa.Float(), nullable=True),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_latency_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "arm", "operation", name=op.f("pk_latency")),
    )
    op.create_table(
        "pair",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("couples", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.Column("steal_fraction", sa.Float(), nullable=False),
        sa.Column("base_start_ns", sa.BigInteger(), nullable=True),
        sa.Column("candidate_start_ns", sa.BigInteger(), nullable=True),
        sa.Column("effects", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_pair_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "number", name=op.f("pk_pair")),
    )
    op.create_table(
        "result",
        sa.Column("run_id", sa.String(length=16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_result_run_id_run"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_result")),
    )


def downgrade() -> None:
    """There is nothing before it."""
    raise NotImplementedError("export the history, remove it, and import it with the older perfgate")
