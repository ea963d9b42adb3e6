from __future__ import annotations

import io

import pytest
from builders import comparison

from perfgate.gate.verdict import Word
from perfgate.progress import LookTaken, Note, PairDone, PhaseProgress, PhaseStarted, Tick
from perfgate.report.live import LiveProgress, PlainProgress, describe, make_progress
from perfgate.units import NS_PER_MS, NS_PER_S

SECOND = Tick(400.0, {"embedding_search": 3.0 * NS_PER_MS}, 2 * NS_PER_S, 6 * NS_PER_S)
PAIR = PairDone(3, 30, {"store": 1e6}, {"store": 1.2e6})
EVENTS = (
    PhaseStarted("measure", "at most 30 pairs"),
    PhaseProgress("load default", 0.5),
    SECOND,
    PAIR,
    LookTaken(comparison(Word.PASS)),
    Note("default: 5,000 memories"),
)


class Clock:
    def __init__(self) -> None:
        self.now_ns = 0

    def __call__(self) -> int:
        return self.now_ns


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (EVENTS[0], "measure: at most 30 pairs"),
        (EVENTS[1], "load default: 50 %"),
        (SECOND, "400 replies/s, p99 search 3.00 ms, 6.00 s left"),
        (PAIR, "pair 3 of at most 30: p99 store 1.00 ms → 1.20 ms (+20.0 %)"),
        (EVENTS[4], "look 3 after 20 pairs: decided: PASS"),
        (LookTaken(comparison(Word.PASS, final=False)), "look 3 after 20 pairs: undecided so far, more pairs"),
        (EVENTS[5], "default: 5,000 memories"),
        (PairDone(1, 30), "pair 1 of at most 30: p99 not measured"),
    ],
)
def test_each_event_has_its_line(event: object, line: str) -> None:
    assert describe(event) == line  # type: ignore[arg-type]


def test_ticks_come_at_most_every_five_seconds_on_a_log() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = PlainProgress(stream, clock)
    for half_seconds in range(1, 41):
        clock.now_ns = half_seconds * NS_PER_S // 2
        progress.handle(SECOND)
    assert stream.getvalue().count("replies/s") == 4


def test_other_events_are_never_held_back_on_a_log() -> None:
    stream = io.StringIO()
    progress = PlainProgress(stream, Clock())
    for _ in range(3):
        progress.handle(PAIR)
    assert stream.getvalue().count("pair 3") == 3


def test_a_line_begins_with_the_time_since_the_start() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = PlainProgress(stream, clock)
    clock.now_ns = 83 * NS_PER_S
    progress.handle(Note("x"))
    assert stream.getvalue() == "[   83.0 s] x\n"


def test_a_stream_that_is_no_terminal_gets_lines_without_escape_codes() -> None:
    stream = io.StringIO()
    with make_progress(stream) as progress:
        for event in EVENTS:
            progress.handle(event)
    assert "\x1b" not in stream.getvalue()
    assert "look 3" in stream.getvalue()


def test_a_terminal_gets_the_cursor_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()

    def fail() -> None:
        with make_progress(stream) as progress:
            assert isinstance(progress, LiveProgress)
            for event in EVENTS:
                progress.handle(event)
            raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        fail()
    hidden, visible = "\x1b[?25l", "\x1b[?25h"
    assert hidden in stream.getvalue()
    assert stream.getvalue().rindex(visible) > stream.getvalue().rindex(hidden)


def shown(progress: LiveProgress) -> str:
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100)
    with console.capture() as text:
        console.print(progress._render())
    return text.get()


def test_a_pair_that_is_done_is_not_counted_twice() -> None:
    from rich.console import Console

    progress = LiveProgress(Console(file=io.StringIO()), Clock())
    progress.handle(Tick(400.0, {}, 10 * NS_PER_S, 0))
    progress.handle(PairDone(15, 30))
    assert " 50 %" in shown(progress)
    progress.handle(PhaseStarted("report"))
    assert "pair" not in shown(progress)


def test_the_live_view_shows_phase_pair_and_what_is_left() -> None:
    from rich.console import Console

    clock = Clock()
    progress = LiveProgress(Console(file=io.StringIO()), clock)
    progress.handle(PhaseStarted("measure", "at most 30 pairs"))
    clock.now_ns = 60 * NS_PER_S
    progress.handle(PairDone(3, 30))
    progress.handle(SECOND)
    text = shown(progress)
    assert "measure" in text
    assert "pair 4 of at most 30" in text
    assert "at most 8 min 14 s left" in text
    assert "400 replies/s" in text
