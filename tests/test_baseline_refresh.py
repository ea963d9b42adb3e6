"""Which commit a refresh makes the baseline: real git repositories and histories, gates whose truth is set."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import pytest
from baseline_values import World
from history_values import at
from sqlalchemy import text

from perfgate.baseline import ledger as ledger_module
from perfgate.baseline.question import Question
from perfgate.baseline.refresh import MOST_TRIES
from perfgate.builds.git import Commit, Repository
from perfgate.errors import HistoryError, InputError
from perfgate.gate.verdict import Word
from perfgate.history.baselines import BASELINE, GOLDEN, read_steps
from perfgate.history.choice import Choice
from perfgate.history.database import opened, writing
from perfgate.history.prune import prune
from perfgate.history.transfer import export_lines, import_lines


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def begun(world: World) -> World:
    """With the first commit as baseline and anchor."""
    assert world.refresh().exit_code == 0
    return world


def steps(world: World) -> list[str]:
    with opened(world.location) as engine, engine.connect() as connection:
        return [one.action for one in read_steps(connection)]


def as_commit(sha: str) -> Commit:
    return Commit(sha, sha, "a change")


def test_the_first_refresh_takes_main_as_it_is_for_both_and_gates_nothing(world: World) -> None:
    newest = world.commit()
    done = world.refresh()
    assert (done.exit_code, world.base, world.golden, world.asked) == (0, newest, newest, [])
    assert "first baseline" in done.text


def test_the_first_baseline_is_never_one_that_was_blocked_or_undecided(world: World) -> None:
    good, bad, open_one = world.commit(), world.commit(), world.commit()
    world.record(good, bad, Word.BLOCK)
    world.record(good, open_one, Word.INCONCLUSIVE)
    done = world.refresh()
    assert world.base == world.golden == good
    assert f"{bad[:12]} was blocked" in done.text
    assert f"{open_one[:12]} was undecided" in done.text


def test_nothing_new_is_nothing_to_do(begun: World) -> None:
    done = begun.refresh()
    assert (done.exit_code, begun.asked, steps(begun)) == (0, [], ["set"])
    assert done.text.startswith("nothing to do")


def test_where_none_was_gated_the_newest_is_gated_against_the_old_baseline_and_is_it_then(begun: World) -> None:
    begun.commit()
    newest = begun.commit(0.01)
    done = begun.refresh()
    assert (done.exit_code, begun.base, begun.golden) == (0, newest, begun.repo.first)
    # The anchor is the old baseline still, and the margin the same: one gate answers both.
    assert begun.asked == [Question(begun.repo.first, newest, 0.05)]
    made = begun.present()[BASELINE]
    assert made.run_id is not None
    assert made.run_id == made.anchor_run_id
    assert made.run_id[:8] in made.why


def test_it_moves_to_the_newest_that_passed_past_newer_ones_that_did_not(begun: World) -> None:
    passed, blocked, undecided = begun.commit(), begun.commit(), begun.commit()
    for candidate, word in ((passed, Word.PASS), (blocked, Word.BLOCK), (undecided, Word.INCONCLUSIVE)):
        begun.record(begun.repo.first, candidate, word)
    done = begun.refresh()
    assert (done.exit_code, begun.base, begun.asked) == (0, passed, [])
    assert "newer: 1 blocked, 1 undecided" in done.text


def test_a_pass_against_another_base_is_asked_again_against_the_old_baseline(begun: World) -> None:
    parent, newest = begun.commit(), begun.commit()
    begun.record(parent, newest, Word.PASS)
    begun.refresh()
    assert begun.asked == [Question(begun.repo.first, newest, 0.05)]
    assert begun.base == newest


def test_never_to_one_that_was_blocked_and_an_ungated_older_one_waits(begun: World) -> None:
    begun.commit()
    newest = begun.commit()
    begun.record(begun.repo.first, newest, Word.BLOCK)
    done = begun.refresh()
    assert (done.exit_code, begun.base, begun.asked) == (1, begun.repo.first, [])
    assert f"{newest[:12]} (a change) was blocked" in done.text


def test_never_to_one_that_is_undecided_until_it_is_decided(begun: World) -> None:
    newest = begun.commit()
    begun.words[(begun.repo.first, newest)] = Word.INCONCLUSIVE
    assert begun.refresh().exit_code == 4
    assert begun.refresh().exit_code == 4
    assert len(begun.asked) == 1
    begun.record(begun.repo.first, newest, Word.PASS)
    assert begun.refresh().exit_code == 0
    assert begun.base == newest


def test_a_blocked_commit_that_passed_when_gated_again_has_passed(begun: World) -> None:
    newest = begun.commit()
    begun.record(begun.repo.first, newest, Word.BLOCK)
    begun.record(begun.repo.first, newest, Word.PASS)
    assert begun.refresh().exit_code == 0
    assert begun.base == newest


@pytest.mark.parametrize(
    "other",
    [
        {"margin": 0.2}, {"target": "other"}, {"name": "other"}, {"dirty": True},
        {"environment": {"command": "perfgate bisect a b"}},
    ],
)  # fmt: skip
def test_a_pass_that_asked_something_else_does_not_count(begun: World, other: dict[str, object]) -> None:
    newest = begun.commit(0.3)
    begun.record(begun.repo.first, newest, Word.PASS, **other)
    assert begun.refresh().exit_code == 1
    assert len(begun.asked) == 1


def test_a_changed_scenario_is_asked_again(begun: World) -> None:
    newest = begun.commit()
    begun.record(begun.repo.first, newest, Word.PASS, scenario_digest="f" * 16)
    assert begun.refresh().exit_code == 0
    assert len(begun.asked) == 1


def test_five_times_one_percent_pass_week_on_week_and_are_seen_against_the_anchor(begun: World) -> None:
    weeks, codes = [begun.repo.first], []
    for week in range(1, 6):
        weeks.append(begun.commit(1.01**week - 1))
        codes.append(begun.refresh().exit_code)
    assert codes == [0, 0, 0, 0, 1]
    assert begun.base == weeks[4]
    assert Question(weeks[4], weeks[5], 0.05) in begun.asked  # and passed
    done = begun.refresh()
    assert done.exit_code == 1
    assert f"creep since the anchor {begun.repo.first[:12]}" in done.text
    assert "cumulative margin of 5 %" in done.text
    without_anchor = [Question(a, b, 0.05) for a, b in itertools.pairwise(weeks)]
    assert set(without_anchor) <= set(begun.asked)


def test_a_wider_cumulative_margin_lets_more_creep_in(begun: World) -> None:
    for week in range(1, 6):
        begun.commit(1.01**week - 1)
        assert begun.refresh(anchor_margin=0.1).exit_code == 0
    assert begun.asked[-1] == Question(begun.repo.first, begun.base, 0.1)


def test_creep_that_is_accepted_by_a_new_anchor_is_no_creep(begun: World) -> None:
    for week in range(1, 6):
        newest = begun.commit(1.01**week - 1)
        begun.refresh()
    assert begun.base != newest
    before = begun.present()[GOLDEN]
    made = begun.ledger.make(GOLDEN, "golden", as_commit(newest), "worth it", before)
    begun.ledger.write("pinned", newest, "golden", (made,))
    assert begun.refresh().exit_code == 0
    assert begun.base == newest


@pytest.mark.parametrize("fails", [Word.INCONCLUSIVE, Word.INVALID])
def test_not_moved_without_an_answer_from_the_anchor(begun: World, fails: Word) -> None:
    begun.commit(0.01)
    begun.refresh()
    newest = begun.commit(0.02)
    begun.words[(begun.repo.first, newest)] = fails
    assert begun.refresh().exit_code == {Word.INCONCLUSIVE: 4, Word.INVALID: 3}[fails]
    assert begun.base != newest


def test_run_twice_it_asks_nothing_twice_and_says_the_same(begun: World) -> None:
    for slowness in (0.01, 0.2):
        begun.commit(slowness)
        first = begun.refresh()
        asked, log = len(begun.asked), steps(begun)
        second = begun.refresh()
        assert (len(begun.asked), steps(begun)) == (asked, log)
        assert second.exit_code == first.exit_code
        assert second.text.startswith("nothing to do") or second.text == first.text


class BrokenOffError(Exception):
    """In place of a killed process."""


@pytest.mark.parametrize("place", range(1, 6))
def test_broken_off_anywhere_it_goes_on_where_it_was(place: int, begun: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after each of the two gates, and before the baseline is written: always the same end."""
    begun.commit(0.01)
    begun.refresh()
    newest = begun.commit(0.02)
    asked, events = len(begun.asked), iter(range(1, 6))

    def event() -> None:
        if next(events) == place:
            raise BrokenOffError

    def gate(question: Question) -> None:
        event()
        begun.gate(question)
        event()

    with monkeypatch.context() as patch:
        patch.setattr(ledger_module, "add_baseline", lambda connection, new: event())
        with pytest.raises(BrokenOffError):
            begun.refresh(gate=gate)
    assert begun.base != newest
    assert begun.refresh().exit_code == 0
    assert begun.base == newest
    assert len(begun.asked) - asked == 2  # against the old one and the anchor, each once, whatever happened


def test_each_refresh_gates_a_few_commits_at_most_and_the_next_goes_on(begun: World) -> None:
    good = begun.commit(0.0)
    begun.record(begun.repo.first, good, Word.PASS)
    slow = [begun.commit(0.2) for _ in range(4)]
    for before, after in zip([good, *slow], slow, strict=False):
        if before is not good:
            begun.record(before, after, Word.PASS)  # 20 % slower than good, not than the one before
    assert begun.refresh().exit_code == 1
    assert len(begun.asked) == MOST_TRIES
    assert begun.refresh().exit_code == 0
    assert begun.base == good


def test_a_rewritten_main_is_said_and_what_is_new_on_it_counts(begun: World) -> None:
    begun.commit(0.0)
    begun.refresh()
    begun.repo.git("reset", "--quiet", "--hard", begun.repo.first)
    newest = begun.commit(0.0, "another")
    assert begun.refresh().exit_code == 0
    assert begun.base == newest
    assert any("is not on main any more" in line for line in begun.told)


def test_of_a_merge_the_merge_alone_can_be_the_baseline(begun: World) -> None:
    begun.repo.git("checkout", "--quiet", "-b", "topic")
    branch = begun.commit(0.0, "on a branch")
    begun.record(begun.repo.first, branch, Word.PASS)  # gated before it was merged
    begun.repo.git("checkout", "--quiet", "main")
    begun.commit(0.0, "meanwhile")
    begun.repo.git("merge", "--quiet", "--no-ff", "-m", "merge", "topic")
    merge = begun.repo.git("rev-parse", "HEAD")
    begun.slowness[merge] = 0.0
    assert begun.refresh().exit_code == 0
    assert begun.base == merge
    assert begun.told[0].startswith("2 new on main: 2 not gated")


def test_main_is_the_remote_one_unless_another_is_named(begun: World, tmp_path: Path) -> None:
    begun.repo.git("clone", "--quiet", str(begun.repo.path), str(tmp_path / "clone"))
    begun.commit()
    clone = Repository(tmp_path / "clone")
    assert clone.main(None, "--branch").asked == "origin/HEAD"
    assert clone.main(None, "--branch").sha == begun.repo.first
    with pytest.raises(InputError, match="--branch nowhere"):
        clone.main("nowhere", "--branch")
    begun.repo.git("branch", "--move", "main", "trunk")
    with pytest.raises(InputError, match="has none of origin/HEAD"):
        Repository(begun.repo.path).main(None, "--branch")


def test_a_pinned_baseline_is_not_moved(begun: World) -> None:
    before = begun.present()[BASELINE]
    made = begun.ledger.make(BASELINE, "pinned", as_commit(begun.repo.first), "the release", before)
    begun.ledger.write("pinned", begun.repo.first, "pinned", (made,))
    begun.commit()
    done = begun.refresh()
    assert (done.exit_code, begun.asked) == (0, [])
    assert "pinned (the release)" in done.text


def test_who_changes_baselines_that_somebody_else_has_changed_meanwhile_is_told(begun: World) -> None:
    before = begun.present()[BASELINE]
    made = [begun.ledger.make(BASELINE, "pinned", as_commit(begun.repo.first), why, before) for why in ("a", "b")]
    begun.ledger.write("pinned", begun.repo.first, "a", (made[0],))
    with pytest.raises(HistoryError, match="just been changed by somebody else"):
        begun.ledger.write("pinned", begun.repo.first, "b", (made[1],))
    assert begun.present()[BASELINE].why == "a"
    assert steps(begun) == ["set", "pinned"]


def test_prune_leaves_the_gates_that_made_a_baseline(begun: World) -> None:
    begun.record("a" * 40, "b" * 40, Word.PASS)
    begun.commit(0.01)
    begun.refresh()
    made = begun.present()[BASELINE].run_id
    with opened(begun.location) as engine:
        done = prune(engine, None, 0)
        assert (len(done.removed), done.held) == (1, 1)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT id FROM run")).scalars().all() == [made]


def test_a_baseline_that_the_repository_does_not_have_is_named(begun: World) -> None:
    before = begun.present()[BASELINE]
    gone = begun.ledger.make(BASELINE, "rolling", as_commit("f" * 40), "x", before)
    begun.ledger.write("moved", "f" * 40, "x", (gone,))
    with pytest.raises(InputError, match="the baseline " + "f" * 40):
        begun.refresh()


def test_a_run_that_has_gone_makes_no_baseline(begun: World) -> None:
    made = begun.ledger.make(BASELINE, "rolling", as_commit("a" * 40), "x", begun.present()[BASELINE], ("0" * 16, None))
    with pytest.raises(HistoryError, match="not in the history any more"):
        begun.ledger.write("moved", "a" * 40, "x", (made,))


def test_rows_are_never_changed(begun: World) -> None:
    first = begun.present()[BASELINE]
    begun.commit()
    begun.refresh()
    assert begun.ledger.baselines()[0] == first
    assert dataclasses.replace(first) in begun.ledger.baselines()
    with opened(begun.location) as engine, writing(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM baseline")).scalar() == 3


def test_baselines_and_their_log_go_with_the_history(begun: World, tmp_path: Path) -> None:
    begun.commit(0.01)
    begun.refresh()
    with opened(begun.location) as engine:
        lines = list(export_lines(engine, Choice()))
    with opened(at(tmp_path / "other.db")) as other:
        assert import_lines(other, iter(lines), "x").added == 1 + 3 + 2  # type: ignore[arg-type]
        assert import_lines(other, iter(lines), "x").present == 6  # type: ignore[arg-type]
        assert list(export_lines(other, Choice())) == lines


def test_a_history_that_went_on_by_itself_is_not_mixed_in(begun: World, tmp_path: Path) -> None:
    with opened(begun.location) as engine:
        lines = list(export_lines(engine, Choice()))
    other = World(tmp_path / "other")
    other.commit()
    other.refresh()
    with opened(other.location) as engine, pytest.raises(InputError, match="each history went on by itself"):
        import_lines(engine, iter(lines), "x")  # type: ignore[arg-type]
    assert len(other.ledger.baselines()) == 2
