"""Progress as it happens: a live view on a terminal, a line an event elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from perfgate.progress import (
    Event,
    LookTaken,
    Note,
    PairDone,
    PhaseProgress,
    PhaseStarted,
    Progress,
    Tick,
)
from perfgate.report.words import short_operation
from perfgate.units import NS_PER_S, format_count, format_duration, format_percent

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

TICK_EVERY_NS = 5 * NS_PER_S
BAR_WIDTH = 30
BEGAN_NS = time.monotonic_ns()
"""When this process began to show progress: building and measuring, or the gates of a bisection, are on one clock."""
Clock = Callable[[], int]


@contextmanager
def make_progress(stream: TextIO) -> Iterator[Progress]:
    """A live view where `stream` is a terminal, lines where it is not; the screen is left clean in any case."""
    if not stream.isatty():
        yield PlainProgress(stream, began_ns=BEGAN_NS)
        return
    from rich.console import Console

    with LiveProgress(Console(file=stream)) as progress:
        yield progress


class PlainProgress:
    """For logs: `[ 1 min 20 s] pair 3 of at most 30 …`. Ticks and fractions come at most every five seconds."""

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic_ns, began_ns: int | None = None) -> None:
        self._stream = stream
        self._clock = clock
        self._ticked_ns = clock()
        self._began_ns = self._ticked_ns if began_ns is None else began_ns

    def handle(self, event: Event) -> None:
        if isinstance(event, Tick | PhaseProgress):
            if self._clock() - self._ticked_ns < TICK_EVERY_NS:
                return
            self._ticked_ns = self._clock()
        elapsed = (self._clock() - self._began_ns) / NS_PER_S
        print(f"[{elapsed:7.1f} s] {describe(event)}", file=self._stream, flush=True)


def describe(event: Event) -> str:
    """One event in one line."""
    match event:
        case PhaseStarted(name, detail):
            return f"{name}: {detail}" if detail else name
        case PhaseProgress(name, fraction, detail):
            return f"{name}: {fraction * 100:.0f} %{', ' + detail if detail else ''}"
        case PairDone():
            return _pair_line(event)
        case LookTaken(comparison):
            state = "decided" if comparison.final else "undecided so far, more pairs"
            word = f": {comparison.verdict.word.value}" if comparison.final else ""
            return f"look {comparison.look} after {comparison.pairs} pairs: {state}{word}"
        case Tick(rate, p99s, _, left):
            return f"{format_count(rate)} replies/s, p99 {_p99s(p99s)}, {format_duration(_whole_seconds(left))} left"
        case Note(text):
            return text


def _pair_line(event: PairDone) -> str:
    changes = [
        f"{short_operation(name)} {format_duration(base)} → {format_duration(after)}"
        f" ({format_percent(after / base - 1, signed=True)})"
        for name, base in event.base_p99_ns.items()
        if base > 0 and (after := event.candidate_p99_ns.get(name)) is not None
    ]
    return f"pair {event.number} of at most {event.at_most}: p99 {', '.join(changes) or 'not measured'}"


def _p99s(p99s: Mapping[str, float]) -> str:
    return ", ".join(f"{short_operation(name)} {format_duration(value)}" for name, value in p99s.items()) or "–"


def _whole_seconds(ns: int) -> int:
    return -(-ns // NS_PER_S) * NS_PER_S


class LiveProgress:
    """On a terminal: the phase, a bar, the pair, the newest second; notes and pairs scroll by above."""

    def __init__(self, console: Console, clock: Clock = time.monotonic_ns) -> None:
        from rich.live import Live

        self._clock = clock
        self._began_ns = clock()
        self._phase = PhaseStarted("starting")
        self._fraction: float | None = None
        self._pairs: PairDone | None = None
        self._measuring_since_ns = self._began_ns
        self._tick: Tick | None = None
        self._console = console
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveProgress:
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._live.__exit__(*error)

    def handle(self, event: Event) -> None:
        match event:
            case PhaseStarted():
                self._phase, self._fraction, self._tick, self._pairs = event, None, None, None
                self._measuring_since_ns = self._clock()
            case PhaseProgress(_, fraction, _):
                self._fraction = fraction
            case PairDone():
                self._pairs, self._tick = event, None  # the next pair begins at nothing
                self._print(event)
            case Tick():
                self._tick = event
            case LookTaken() | Note():
                self._print(event)

    def _print(self, event: Event) -> None:
        from rich.text import Text

        self._console.print(Text(describe(event), style="dim"), soft_wrap=True)

    def _render(self) -> RenderableType:
        from rich.text import Text

        lines = [Text.assemble((self._phase.name, "bold cyan"), f"  {self._phase.detail}")]
        fraction, label = self._position()
        if fraction is not None:
            full = round(min(1.0, max(0.0, fraction)) * BAR_WIDTH)
            bar = ("━" * full, "cyan"), ("━" * (BAR_WIDTH - full), "bright_black")
            lines.append(Text.assemble(*bar, f" {fraction * 100:3.0f} %  {label}"))
        if self._tick:
            lines.append(Text(f"{format_count(self._tick.rate)} replies/s   p99 {_p99s(self._tick.p99_ns)}"))
        elapsed = format_duration(_whole_seconds(self._clock() - self._began_ns))
        lines.append(Text(f"{elapsed} elapsed; Ctrl-C ends it in order and keeps what was measured", style="dim"))
        return Text("\n").join(lines)

    def _position(self) -> tuple[float | None, str]:
        """How far the phase is, and what to say about it."""
        tick = self._tick
        within = tick.elapsed_ns / max(1, tick.elapsed_ns + tick.left_ns) if tick else 0.0
        if self._pairs:
            done, most = self._pairs.number, self._pairs.at_most
            each = (self._clock() - self._measuring_since_ns) / (done + within)
            left = format_duration(_whole_seconds(round(each * max(0.0, most - done - within))))
            return min(
                1.0, (done + within) / most
            ), f"pair {min(done + 1, most)} of at most {most}, at most {left} left"
        if tick:
            return within, f"{format_duration(_whole_seconds(tick.left_ns))} left"
        return self._fraction, ""
