"""What must hold in SQLite and in PostgreSQL alike; the second on a real server, where there is one."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import postgres_server
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from history_values import BEGAN_NS, DAY_NS, add, at, gate_entry, small_gate
from sqlalchemy import Engine, create_engine, inspect, text

from perfgate.errors import HistoryError, InputError
from perfgate.gate.verdict import Word
from perfgate.history import schema
from perfgate.history.baselines import BASELINE, Baseline, Step, add_baseline, add_step, read_baselines, read_steps
from perfgate.history.choice import Choice
from perfgate.history.database import connected, opened, revision, writing
from perfgate.history.location import Location
from perfgate.history.prune import prune
from perfgate.history.reader import find_id, ids, read_entry, summaries
from perfgate.history.recorder import record_run
from perfgate.history.revisions import HEAD, VERSION_TABLE
from perfgate.history.transfer import export_lines, import_lines
from perfgate.history.upgrade import upgrade
from perfgate.history.writer import add_run

WRITER = Path(__file__).parent / "history_writer.py"
_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    if why := postgres_server.why_not():
        pytest.skip(why)
    with postgres_server.postgres_server() as address:
        yield address


@pytest.fixture
def empty_server(server: str) -> Location:
    """A database without tables."""
    name = f"history_{next(_NUMBERS)}"
    engine = create_engine(
        server.format("postgres").replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return at(server.format(name))


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    """An empty history with its tables."""
    if request.param == "sqlite":
        return at(tmp_path / "history.db")
    location: Location = request.getfixturevalue("empty_server")
    with connected(location) as engine:
        upgrade(engine, location)
    return location


@pytest.fixture
def engine(place: Location) -> Iterator[Engine]:
    with opened(place) as engine:
        yield engine


def test_a_run_is_read_as_it_was_recorded(place: Location) -> None:
    record, comparison = small_gate(3, Word.BLOCK)
    assert record_run(place, record, comparison, Path("/somewhere")) == ""
    with opened(place) as engine, engine.connect() as connection:
        entry = read_entry(connection, find_id(connection, "last"))
    assert entry.decoded() == (record, comparison)
    assert entry.directory == "/somewhere"


def test_every_part_of_a_run_has_its_row(place: Location, engine: Engine) -> None:
    record, comparison = small_gate(1)
    add(place, gate_entry(1))
    with engine.connect() as connection:
        counts = {
            table.name: connection.execute(text(f"SELECT count(*) FROM {table.name}")).scalar()
            for table in schema.metadata.sorted_tables
        }
    operations = sum(len(interval.operations) for interval in record.arms.values())
    assert counts == {
        "run": 1, "build": 2, "pair": len(record.pairs), "effect": len(comparison.effects), "latency": operations,
        "environment": 1, "result": 1, "host_profile": 0, "migration": 1, "baseline": 0, "baseline_step": 0, "competition": 0,
        "competition_ratio": 0,
    }  # fmt: skip


def test_the_columns_hold_what_the_comparison_does(place: Location, engine: Engine) -> None:
    record, comparison = small_gate(1)
    add(place, gate_entry(1))
    with engine.connect() as connection:
        rows = connection.execute(schema.effect.select().order_by(schema.effect.c.place)).all()
        latency = connection.execute(schema.latency.select()).first()
    for row, effect in zip(rows, comparison.effects, strict=True):
        assert (row.metric, row.finding, row.is_primary) == (effect.name, effect.finding.value, effect.primary)
        assert (row.estimate, row.lower, row.upper) == (effect.estimate, effect.lower, effect.upper)
        assert (row.p_adjusted, row.base_ns, row.candidate_ns) == (
            effect.p_adjusted,
            effect.base_ns,
            effect.candidate_ns,
        )
    assert latency is not None
    part = next(
        part
        for arm, interval in record.arms.items()
        for name, part in interval.operations.items()
        if (arm.name.lower(), name.value) == (latency.arm, latency.operation)
    )
    assert latency.p99_ns == part.response.quantile(0.99)


def test_builds_of_commits_are_found_by_commit(place: Location, engine: Engine) -> None:
    builds = {"candidate": {"label": "c0ffee", "commit": "c0ffee" + "0" * 34, "dirty": True, "toolchain": ["cc 12.2"]}}
    environment = {"controller": "host-1", "perfgate": "0.1.0", "agents": {}, "builds": builds}
    add(place, gate_entry(1, environment=environment))
    with engine.connect() as connection:
        row = connection.execute(schema.build.select().where(schema.build.c.commit_sha.startswith("c0ffee"))).one()
        assert (row.arm, row.dirty, row.toolchain) == ("candidate", True, "cc 12.2")
        assert summaries(connection, Choice())[0].candidate_commit == row.commit_sha


def test_a_run_is_there_once_however_often_it_is_added(place: Location, engine: Engine) -> None:
    with writing(engine) as connection:
        assert add_run(connection, gate_entry(1, directory="/first"))
    with writing(engine) as connection:
        assert not add_run(connection, gate_entry(1, directory="/second"))
    with engine.connect() as connection:
        assert [one.directory for one in summaries(connection, Choice())] == ["/first"]


def test_what_fails_in_the_middle_leaves_nothing(engine: Engine) -> None:
    def break_off() -> None:
        with writing(engine) as connection:
            add_run(connection, gate_entry(1))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    with engine.connect() as connection:
        for table in ("run", "pair", "effect", "result"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar() == 0


CHOICES = (
    (Choice(), 8),
    (Choice(limit=3), 3),
    (Choice(verdicts=("block",)), 2),
    (Choice(verdicts=("PASS", "INVALID")), 4),
    (Choice(scenario="ci QUICK"), 8),
    (Choice(scenario="0123"), 8),
    (Choice(scenario="%"), 0),
    (Choice(target="embedded"), 8),
    (Choice(target="other"), 0),
    (Choice(kind="run"), 0),
    (Choice(host="host-1"), 8),
    (Choice(host="agent-1"), 8),
    (Choice(host="host-2"), 0),
    (Choice(since_wall_ns=BEGAN_NS + 5 * DAY_NS), 3),
    (Choice(verdicts=("BLOCK",), since_wall_ns=BEGAN_NS + 5 * DAY_NS, limit=9), 1),
)


def test_a_choice_finds_what_it_asks_for_the_newest_first(place: Location, engine: Engine) -> None:
    add(place, *(gate_entry(number) for number in range(8)))
    with engine.connect() as connection:
        for choice, count in CHOICES:
            found = summaries(connection, choice)
            assert len(found) == count, choice
            assert [one.id for one in found] == ids(connection, choice)[::-1]
            times = [one.started_wall_ns for one in found]
            assert times == sorted(times, reverse=True)
            assert not times or choice.limit is None or times[0] == BEGAN_NS + (7 if choice.limit == 3 else 5) * DAY_NS


def test_an_id_is_found_by_its_beginning_and_never_guessed(place: Location, engine: Engine) -> None:
    entries = [gate_entry(number) for number in range(4)]
    add(place, *entries)
    with engine.connect() as connection:
        assert find_id(connection, entries[1].id[:10]) == entries[1].id
        assert find_id(connection, "last") == entries[3].id
        for wrong, says in (("0000000000000000", "no run"), ("xyz1", "no id"), ("%%%%", "no id"), ("ab", "no id")):
            with pytest.raises(InputError, match=says):
                find_id(connection, wrong)


def test_an_id_that_begins_several_names_them(place: Location, engine: Engine) -> None:
    with writing(engine) as connection:
        for end in ("a", "b"):
            entry = gate_entry(1, seed=ord(end))
            add_run(connection, type(entry)("abcdef000000000" + end, entry.result, entry.directory, 1))
    with engine.connect() as connection, pytest.raises(InputError, match="abcdef000000000a, abcdef000000000b"):
        find_id(connection, "abcd")


def test_prune_takes_what_is_old_and_not_among_the_newest(place: Location, engine: Engine) -> None:
    add(place, *(gate_entry(number) for number in range(8)), *(gate_entry(number, target="b") for number in range(2)))
    look = prune(engine, BEGAN_NS + 5 * DAY_NS, 4, only_look=True)
    with engine.connect() as connection:
        assert len(ids(connection, Choice())) == 10
    done = prune(engine, BEGAN_NS + 5 * DAY_NS, 4)
    assert (done.removed, done.left) == (look.removed, look.left) == (tuple(gate_entry(n).id for n in range(4)), 6)
    with engine.connect() as connection:
        assert len(ids(connection, Choice())) == 6
        orphans = "SELECT count(*) FROM effect WHERE run_id NOT IN (SELECT id FROM run)"
        assert connection.execute(text(orphans)).scalar() == 0
    assert prune(engine, BEGAN_NS + 5 * DAY_NS, None).left == 3
    assert prune(engine, None, 1).left == 1


def test_prune_leaves_what_anything_refers_to(place: Location, engine: Engine) -> None:
    add(place, *(gate_entry(number) for number in range(4)))
    held = gate_entry(1).id
    with writing(engine) as connection:
        connection.execute(text("CREATE TABLE later (run_id VARCHAR(16) REFERENCES run (id) ON DELETE RESTRICT)"))
        connection.execute(text("INSERT INTO later VALUES (:id), (NULL)"), {"id": held})
    done = prune(engine, None, 0)
    assert (len(done.removed), done.held, done.left) == (3, 1, 1)
    with engine.connect() as connection:
        assert ids(connection, Choice()) == [held]


def test_a_baseline_is_made_by_whoever_is_first_and_holds_its_gates(place: Location, engine: Engine) -> None:
    add(place, *(gate_entry(number) for number in range(4)))
    held = gate_entry(1).id
    made = Baseline("s", "t", BASELINE, 1, "rolling", "a" * 40, "x", BEGAN_NS, "why", "me", held, None)
    step = Step("s", "t", 0, BEGAN_NS, "set", "a" * 40, "text", "me", "f" * 16)
    with writing(engine) as connection:
        add_baseline(connection, made)
        assert add_step(connection, step)
        assert not add_step(connection, step)
    for wrong, says in (
        (made, "changed by somebody else"),
        (replace(made, number=2, run_id="0" * 16), "not in the history"),
    ):
        with pytest.raises(HistoryError, match=says), writing(engine) as connection:
            add_baseline(connection, wrong)
    assert len(prune(engine, None, 0).removed) == 3
    with engine.connect() as connection:
        assert (ids(connection, Choice()), read_baselines(connection)) == ([held], [made])
        assert read_steps(connection) == [replace(step, number=1)]


def test_the_migrations_make_the_tables_that_the_code_knows(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "compare_type": True})
        assert compare_metadata(context, schema.metadata) == []


def test_one_history_becomes_another_in_whatever_database(place: Location, engine: Engine, tmp_path: Path) -> None:
    add(place, *(gate_entry(number) for number in range(5)))
    exported = list(export_lines(engine, Choice()))
    with opened(at(tmp_path / "other.db")) as other:
        assert import_lines(other, iter(exported), "x").added == 5  # type: ignore[arg-type]
        assert list(export_lines(other, Choice())) == exported


def test_writers_at_the_same_time_lose_nothing(place: Location) -> None:
    processes, runs = 4, 8
    start = [sys.executable, str(WRITER), "runs", place.url]
    writers = [
        subprocess.Popen([*start, str(100 * one), str(runs)], stdout=subprocess.PIPE, text=True)
        for one in range(processes)
    ]
    told = [writer.communicate(timeout=100)[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * processes
    expected = [[gate_entry(100 * one + number).id for number in range(runs)] for one in range(processes)]
    assert told == expected
    with opened(place) as engine, engine.connect() as connection:
        assert sorted(ids(connection, Choice())) == sorted(itertools.chain(*expected))
        whole = [read_entry(connection, one).decoded() for one in ids(connection, Choice())]
    assert len(whole) == processes * runs


def test_writers_of_the_same_runs_at_the_same_time_add_them_once(place: Location) -> None:
    start = [sys.executable, str(WRITER), "runs", place.url, "0", "6"]
    writers = [subprocess.Popen(start, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = [writer.communicate(timeout=100)[0].split() for writer in writers]
    assert told == [[gate_entry(number).id for number in range(6)]] * 3
    with opened(place) as engine, engine.connect() as connection:
        assert len(ids(connection, Choice())) == 6
        pairs = len(small_gate(0)[0].pairs)
        assert connection.execute(text("SELECT count(*) FROM pair")).scalar() == 6 * pairs


def test_a_newer_history_is_refused_and_names_who_made_it(place: Location) -> None:
    with opened(place) as engine, writing(engine) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '0099'"))
        connection.execute(schema.migration.insert().values(revision="0099", perfgate="7.8.9", wall_ns=2**62))
    with pytest.raises(HistoryError) as refused, opened(place):
        pass
    for word in ("0099", "7.8.9", HEAD, "--history"):
        assert word in str(refused.value)
    with connected(place) as engine, pytest.raises(HistoryError, match=r"7\.8\.9"):
        upgrade(engine, place)


def test_a_server_is_never_changed_by_opening_it(empty_server: Location) -> None:
    with pytest.raises(HistoryError, match="perfgate history upgrade --history 'postgresql"), opened(empty_server):
        pass
    assert "perfgate history upgrade" in record_run(empty_server, *small_gate(0), Path("/x"))
    with connected(empty_server) as engine, engine.connect() as connection:
        assert inspect(connection).get_table_names() == []
        assert revision(connection, empty_server) is None


def test_upgrading_twice_at_the_same_time_is_done_once(empty_server: Location) -> None:
    code = "import sys; from perfgate.cli.main import main; sys.exit(main(['history', 'upgrade', '--history', sys.argv[1]]))"
    command = [sys.executable, "-c", code, empty_server.given]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [one.communicate(timeout=60)[0] for one in both]
    assert [one.returncode for one in both] == [0, 0]
    assert sorted("is up to date" in words for words in said) == [False, True]
    add(empty_server, gate_entry(1))


def test_a_server_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    location = at(f"postgresql://me:secret@127.0.0.1:1/x?host={tmp_path}")
    warning = record_run(location, *small_gate(0), Path("/runs/x"))
    assert "cannot be reached" in warning
    assert "perfgate history import /runs/x" in warning
    assert "secret" not in warning
