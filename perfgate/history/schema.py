"""The tables. What a query asks for has columns of its own; the whole result lies beside it, packed, so that nothing that
was measured is lost and a later version can fill new tables from it.

Changes go through migrations/versions; a test compares the two. A table that holds on to runs (a baseline) refers to
run.id with ondelete="RESTRICT": the database then refuses to remove such a run, and `prune` passes it over.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _of_run() -> Column[Any]:
    """First part of the primary key of what belongs to one run and goes with it."""
    return Column("run_id", String(16), ForeignKey("run.id", ondelete="CASCADE"), primary_key=True)


run = Table(
    "run", metadata,
    Column("id", String(16), primary_key=True),  # identity.py
    Column("kind", String(16), nullable=False),  # gate, run, …
    Column("scenario", Text, nullable=False),
    Column("scenario_digest", String(64), nullable=False),
    Column("target", Text, nullable=False),
    Column("started_wall_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("verdict", String(16), nullable=False),  # of a gate its word, of a run DONE, LIMITS MISSED, …
    Column("exit_code", Integer, nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("reasons", JSON, nullable=False),  # each: code, text, remedy, metric
    Column("policy", Text),  # these three only of gates
    Column("margin", Float),
    Column("look", Integer),
    Column("pairs", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("perfgate", Text, nullable=False),
    Column("host", Text, nullable=False),  # of the controller
    Column("directory", Text, nullable=False),  # on that host; it may be gone
    Column("command", Text, nullable=False),
    Column("recorded_wall_ns", BigInteger, nullable=False),
    Index(None, "started_wall_ns"),
    Index(None, "scenario", "target", "started_wall_ns"),
)  # fmt: skip

build = Table(
    "build", metadata, _of_run(),
    Column("arm", String(16), primary_key=True),  # base, candidate
    Column("name", Text, nullable=False),  # a variant, a commit's short name, or the address of a store that ran already
    Column("commit_sha", String(64)),
    Column("artifact", Text),
    Column("dirty", Boolean),  # with uncommitted changes
    Column("toolchain", Text),  # of the tools that built it, a line each
    Index(None, "commit_sha"),
)  # fmt: skip

pair = Table(
    "pair", metadata, _of_run(),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("couples", Integer, nullable=False),
    Column("dropped", Integer, nullable=False),
    Column("steal_fraction", Float, nullable=False),
    Column("base_start_ns", BigInteger),
    Column("candidate_start_ns", BigInteger),
    Column("effects", JSON, nullable=False),  # by metric: the pair's log ratio, or difference of shares
)  # fmt: skip

effect = Table(
    "effect", metadata, _of_run(),
    Column("place", Integer, primary_key=True, autoincrement=False),  # in the order of the comparison
    Column("metric", Text, nullable=False),  # `embedding_search p99`
    Column("operation", Text),  # null: all of them
    Column("statistic", Text, nullable=False),
    Column("is_primary", Boolean, nullable=False),
    Column("finding", String(16), nullable=False),
    Column("estimate", Float),  # log ratio, or difference of shares; null where it is no number
    Column("se", Float),
    Column("df", Integer, nullable=False),
    Column("lower", Float),
    Column("upper", Float),
    Column("pass_upper", Float),
    Column("p_nominal", Float),
    Column("p_adjusted", Float),
    Column("margin", Float),
    Column("base_ns", Float),
    Column("candidate_ns", Float),
    Column("base_share", Float),
    Column("candidate_share", Float),
    Index(None, "metric"),
)  # fmt: skip

latency = Table(
    "latency", metadata, _of_run(),
    Column("arm", String(16), primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("completed", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("p50_ns", Float),  # response time; null where nothing was answered
    Column("p95_ns", Float),
    Column("p99_ns", Float),
    Column("p999_ns", Float),
)  # fmt: skip

environment = Table(
    "environment", metadata, _of_run(),
    Column("agent", String(255), primary_key=True),  # `HOST` or as the fleet calls it
    Column("cpu", Text),
    Column("cores", Integer),
    Column("kernel", Text),
    Column("governor", Text),
    Column("perfgate", Text),
    Column("facts", JSON, nullable=False),  # everything the agent said of itself
    Index(None, "agent"),
)  # fmt: skip

result = Table(
    "result", metadata, _of_run(),
    Column("body", LargeBinary, nullable=False),  # result.json: UTF-8, zlib
)  # fmt: skip

host_profile = Table(
    "host_profile", metadata,
    Column("id", String(16), primary_key=True),  # digest of the body
    Column("target", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("scenario", Text, nullable=False),
    Column("scenario_digest", String(64), nullable=False),
    Column("policy", Text, nullable=False),
    Column("made_wall_ns", BigInteger, nullable=False),
    Column("expires_wall_ns", BigInteger, nullable=False),
    Column("host", JSON, nullable=False),  # what identifies the machine
    Column("body", JSON, nullable=False),  # the profile as perfgate calibrate writes it
    Column("recorded_wall_ns", BigInteger, nullable=False),
    Index(None, "made_wall_ns"),
)  # fmt: skip

baseline = Table(
    "baseline", metadata,  # rows are only ever added: the highest number of its role is the present one
    Column("scenario", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("role", String(16), primary_key=True),  # baseline, golden
    Column("number", Integer, primary_key=True, autoincrement=False),  # who adds one that is there was too late
    Column("kind", String(16), nullable=False),  # rolling, pinned, golden
    Column("commit_sha", String(64), nullable=False),
    Column("subject", Text, nullable=False),
    Column("since_wall_ns", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("run_id", String(16), ForeignKey("run.id", ondelete="RESTRICT")),  # the gate that made it so
    Column("anchor_run_id", String(16), ForeignKey("run.id", ondelete="RESTRICT")),  # and the one against the anchor
)  # fmt: skip

baseline_step = Table(
    "baseline_step", metadata,  # what was done with a series' baselines and why, or why not; only ever added to
    Column("scenario", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("wall_ns", BigInteger, nullable=False),
    Column("action", String(16), nullable=False),  # set, moved, kept, pinned, released
    Column("commit_sha", String(64), nullable=False),
    Column("text", Text, nullable=False),
    Column("who", Text, nullable=False),
    Column("run_id", String(16)),  # no foreign keys: a line about what was not done holds no run
    Column("anchor_run_id", String(16)),
)  # fmt: skip

competition = Table(
    "competition", metadata,  # a session in which stores were measured against each other
    Column("id", String(16), primary_key=True),
    Column("scenario", Text, nullable=False),
    Column("scenario_digest", String(64), nullable=False),
    Column("ours", Text, nullable=False),
    Column("ours_version", Text, nullable=False),
    Column("started_wall_ns", BigInteger, nullable=False),
    Column("duration_ns", BigInteger, nullable=False),
    Column("verdict", String(16), nullable=False),
    Column("exit_code", Integer, nullable=False),
    Column("rounds", Integer, nullable=False),
    Column("perfgate", Text, nullable=False),
    Column("controller", Text, nullable=False),
    Column("host", JSON, nullable=False),  # what identifies the machine
    Column("directory", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("recorded_wall_ns", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # result.json: UTF-8, zlib
    Index(None, "started_wall_ns"),
)  # fmt: skip

competition_ratio = Table(
    "competition_ratio", metadata,  # log ratios, ours over theirs: more is worse for us
    Column("competition_id", String(16), ForeignKey("competition.id", ondelete="CASCADE"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("series", String(16), nullable=False),  # of ratios that may be held against each other
    Column("competitor", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("metric", Text, nullable=False),
    Column("judged", Boolean, nullable=False),
    Column("mean", Float, nullable=False),
    Column("se", Float, nullable=False),
    Column("lower", Float),
    Column("upper", Float),
    Column("rounds", Integer, nullable=False),
    Column("ours", Float),  # ns, or requests/s
    Column("theirs", Float),
    Column("loss", Float),  # these four against the sessions that were stored then
    Column("loss_lower", Float),
    Column("loss_upper", Float),
    Column("finding", String(16)),
    Index(None, "series"),
)  # fmt: skip

migration = Table(
    "migration", metadata,
    Column("revision", String(32), primary_key=True),
    Column("perfgate", Text, nullable=False),  # which one brought the tables to it; never to be changed by a migration,
    Column("wall_ns", BigInteger, nullable=False),  # since an older perfgate reads it to say who is newer
)  # fmt: skip
