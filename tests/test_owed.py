"""Gates that ended undecided are owed until they are decided."""

from __future__ import annotations

from pathlib import Path

import pytest
from baseline_values import commit_gate
from history_values import add, at, gate_entry

from perfgate.baseline.nightly import Asked, decide_all
from perfgate.baseline.owed import Debt, debts, more_looks
from perfgate.cli.main import main
from perfgate.errors import InputError
from perfgate.gate.policy import Policy
from perfgate.gate.policy_load import policy_for
from perfgate.gate.verdict import Word
from perfgate.history.choice import Choice
from perfgate.history.database import opened
from perfgate.history.entry import Entry
from perfgate.history.reader import summaries
from perfgate.units import NS_PER_S

A, B, C = ("a" * 40, "b" * 40, "c" * 40)


def owed(tmp_path: Path, *entries: Entry) -> list[Debt]:
    location = at(tmp_path / "history.db")
    add(location, *entries)
    with opened(location) as engine, engine.connect() as connection:
        return debts(summaries(connection, Choice()))


def test_an_undecided_gate_of_commits_is_owed_and_nothing_else_is(tmp_path: Path) -> None:
    (debt,) = owed(
        tmp_path,
        commit_gate(1, A, B, Word.INCONCLUSIVE),
        commit_gate(2, A, C, Word.PASS),
        commit_gate(3, B, C, Word.INVALID),
        commit_gate(4, A, C, Word.INCONCLUSIVE, dirty=True),
        commit_gate(5, B, C, Word.INCONCLUSIVE, environment={"command": "perfgate bisect x y"}),
        gate_entry(6, Word.INCONCLUSIVE),  # of variants
    )
    assert (debt.first.base_commit, debt.first.candidate_commit, debt.tries) == (A, B, 0)


@pytest.mark.parametrize("word", [Word.PASS, Word.BLOCK])
def test_a_later_decision_of_the_same_question_settles_it(tmp_path: Path, word: Word) -> None:
    assert owed(tmp_path, commit_gate(1, A, B, Word.INCONCLUSIVE), commit_gate(2, A, B, word)) == []


@pytest.mark.parametrize(
    "other", [{"margin": 0.1}, {"target": "other"}, {"name": "other"}, {"scenario_digest": "f" * 16}]
)
def test_a_decision_of_another_question_settles_nothing(tmp_path: Path, other: dict[str, object]) -> None:
    found = owed(tmp_path, commit_gate(1, A, B, Word.INCONCLUSIVE), commit_gate(2, A, B, Word.PASS, **other))
    assert len(found) == 1


def test_an_earlier_decision_settles_nothing(tmp_path: Path) -> None:
    assert len(owed(tmp_path, commit_gate(1, A, B, Word.PASS), commit_gate(2, A, B, Word.INCONCLUSIVE))) == 1


def test_tries_are_counted_and_one_that_says_nothing_is_none(tmp_path: Path) -> None:
    words = (Word.INCONCLUSIVE, Word.INCONCLUSIVE, Word.INVALID, Word.INCONCLUSIVE)
    entries = [commit_gate(number, A, B, word) for number, word in enumerate(words)]
    (debt,) = owed(tmp_path, *entries)
    assert (debt.tries, debt.first.id, debt.last.id) == (2, entries[0].id, entries[3].id)


def test_the_newest_debt_comes_first_however_often_an_old_one_was_tried(tmp_path: Path) -> None:
    found = owed(
        tmp_path,
        commit_gate(1, A, B, Word.INCONCLUSIVE),
        commit_gate(2, A, C, Word.INCONCLUSIVE),
        commit_gate(3, A, B, Word.INCONCLUSIVE),
    )
    assert [debt.first.candidate_commit for debt in found] == [C, B]


@pytest.mark.parametrize("name", ["standard", "quick"])
@pytest.mark.parametrize("more", [{}, {"mode": "duet"}, {"looks": [5, 7]}, {"looks": [2, 3]}])
def test_more_looks_make_a_policy_that_works_with_twice_the_pairs(name: str, more: dict[str, object]) -> None:
    try:
        policy = policy_for({"policy": name, **more})
    except InputError:
        pytest.skip("no policy to begin with")
    looks = more_looks(policy)
    assert looks[-1] == 2 * policy.looks[-1]
    assert policy_for({"policy": name, **more}, None, looks=looks).looks == looks


def test_more_looks_suit_processes_that_serve_several_pairs() -> None:
    policy = policy_for({"starts": 5})
    assert policy_for({"starts": 5}, None, looks=more_looks(policy)).looks == (2 * policy.looks[-1],)


def asked(tmp_path: Path, count: int) -> list[Asked]:
    """The newest first; each took 95 s for 12 pairs and needs 475 s for 60."""
    found = owed(tmp_path, *(commit_gate(number, A, f"{number:040x}", Word.INCONCLUSIVE) for number in range(count)))
    return [Asked(debt, Policy(), ()) for debt in found]


@pytest.mark.parametrize(
    ("codes", "worst"), [([], 0), ([0, 0], 0), ([0, 4, 0], 4), ([4, 3], 3), ([3, 2, 4], 2), ([0, 4, 3, 1, 2], 1)]
)
def test_the_exit_code_is_the_worst_of_those_decided(tmp_path: Path, codes: list[int], worst: int) -> None:
    given = iter(codes)
    assert decide_all(asked(tmp_path, len(codes)), None, lambda one, left: next(given), lambda text: None) == worst


def test_the_time_goes_to_the_newest_and_what_does_not_fit_is_left_and_said(tmp_path: Path) -> None:
    now: list[int] = [0]
    decided: list[tuple[str | None, int | None]] = []
    told: list[str] = []

    def decide(one: Asked, left_ns: int | None) -> int:
        decided.append((one.debt.first.candidate_commit, left_ns))
        now[0] += 150 * NS_PER_S
        return 0

    todo = asked(tmp_path, 3)
    assert decide_all(todo, 640 * NS_PER_S, decide, told.append, clock=lambda: now[0]) == 0
    assert decided == [(f"{2:040x}", 640 * NS_PER_S), (f"{1:040x}", 490 * NS_PER_S)]
    assert "left for another night" in told[-1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PERFGATE_HISTORY")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_history_lists_what_is_owed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "--owed"]) == 0
    assert "nothing is owed" in capsys.readouterr().err
    assert main(["history", "--owed", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"
    add(at(".perfgate/history.db"), commit_gate(1, A, B, Word.INCONCLUSIVE), commit_gate(2, A, C, Word.PASS))
    assert main(["history", "--owed"]) == 0
    said = capsys.readouterr().out
    assert A[:12] in said
    assert B[:12] in said
    assert C[:12] not in said
    assert main(["history", "list", "--owed", "--target", "other", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_nothing_owed_is_a_success(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--owed"]) == 0
    assert "nothing is owed" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("perfgate gate", "its command"),
        ("perfgate gate gone.toml --target t.toml --repo .", "gone.toml"),
        ("perfgate gate --nonsense", "not understood"),
        ("perfgate gate s.toml --target t.toml --repo .", "s.toml has changed since"),
    ],
)
def test_a_debt_that_cannot_be_asked_again_is_named_and_stays(
    command: str, says: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "s.toml").write_text(Path(__file__).parents[1].joinpath("scenarios/ci/quick.toml").read_text())
    add(at(".perfgate/history.db"), commit_gate(1, A, B, Word.INCONCLUSIVE, environment={"command": command}))
    assert main(["gate", "--owed"]) == 0
    said = capsys.readouterr()
    assert says in said.err, said.err
    assert A[:12] in said.err
    assert "1 owed, none of which can be decided here" in said.out


def test_a_debt_is_not_tried_for_ever(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(at(".perfgate/history.db"), *(commit_gate(number, A, B, Word.INCONCLUSIVE) for number in range(4)))
    assert main(["gate", "--owed"]) == 0
    assert "tried 3 times already" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--base", "x"], ["--looks", "3,4"], ["--margin", "0.1"], ["--agents", "h:1"]])
def test_owed_takes_no_build_or_policy(words: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gate", "--owed", *words]) == 3
    assert f"{words[0]} does not go with --owed" in capsys.readouterr().err
