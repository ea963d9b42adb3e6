"""What `perfgate store serve` is told."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from perfgate.errors import InputError
from perfgate.operation import Operation

T = TypeVar("T")

OPERATIONS = (Operation.STORE, Operation.RECALL, Operation.EMBEDDING_SEARCH)
_NAMES = ", ".join(OPERATIONS)


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """The switches that make the store worse; with the defaults it does its best."""

    slow: Mapping[Operation, float]
    slow_tail: Mapping[Operation, tuple[float, float]]  # factor, share of the requests
    slow_fastest: Mapping[Operation, tuple[float, float]]  # the same, of the fastest requests only
    slow_slowest: Mapping[Operation, tuple[float, float]]  # the same, of the slowest
    leak_bytes: int
    fail: Mapping[Operation, tuple[float, int]]  # share of the requests, status
    stall: tuple[float, float] | None  # seconds, period in seconds
    start_delay_s: float
    forget: float
    die_after: int | None
    capacity: float | None
    wrong_empty: frozenset[Operation]
    move_port: int = 0
    drop_similar: float | None = None
    warm_tier: float | None = None
    lose_index: bool = False
    busy_health_s: float = 0.0
    freeze: tuple[int, float] | None = None  # at which request, seconds
    space_rate: float | None = None


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where the store listens, what it holds and how it misbehaves."""

    host: str
    port: int
    data_dir: Path | None
    dim: int
    misbehaviour: Misbehaviour


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `store serve`; values are checked by parse_options()."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", default="0", metavar="PORT", help="port to listen on; 0 takes a free one (0)")
    parser.add_argument(
        "--data-dir", metavar="DIR", help="where to keep the memories; without it they are lost at exit"
    )
    parser.add_argument("--dim", default="768", metavar="N", help="dimension of the embeddings (768)")
    bad = parser.add_argument_group("switches to misbehave", f"OP is one of {_NAMES}; repeat a switch for more")
    for switch, metavar, text in _SWITCHES:
        bad.add_argument(switch, action="append", default=[], metavar=metavar, help=text)
    bad.add_argument(
        "--lose-index", action="store_true",
        help="after a restart, embedding search finds none of the memories that were there before",
    )  # fmt: skip


_SWITCHES = (
    ("--slow", "OP=FACTOR", "a request takes FACTOR times as long from end to end, by busy CPU"),
    ("--slow-tail", "OP=FACTOR:SHARE", "the same for a share of the requests only, whichever chance picks"),
    (
        "--slow-fastest",
        "OP=FACTOR:SHARE",
        "the same for the fastest SHARE of the requests, but none beyond the p95 of all: the tail stays as it is",
    ),
    (
        "--slow-slowest",
        "OP=FACTOR:SHARE",
        "the same for the slowest SHARE of the requests: all that is faster stays as it is",
    ),
    ("--leak", "BYTES", "every request leaks this many bytes"),
    ("--fail", "OP=SHARE[:STATUS]", "a share of the requests is answered with STATUS (500)"),
    ("--stall", "SECONDS:PERIOD", "everything stands still for SECONDS once every PERIOD seconds"),
    ("--start-delay", "SECONDS", "wait before listening"),
    ("--forget", "SHARE", "a share of the results is replaced by wrong ones"),
    ("--die-after", "N", "exit abruptly at the request after N requests for memories, loading included"),
    ("--capacity", "RATE", "answer no more than RATE requests a second; the others wait in line"),
    ("--wrong-empty", "OP", "answer at once with success and nothing: no results, or nothing stored"),
    ("--move-port", "N", "listen N ports further than --port says, as a store does that finds its own taken"),
    ("--drop-similar", "COSINE", "a memory so similar to one that is stored is acknowledged, but not stored"),
    ("--warm-tier", "CONFIDENCE", "memories of less confidence are recalled first, whatever is asked for"),
    ("--busy-health", "SECONDS", "GET /health says 503 until so long after the last request for memories"),
    ("--freeze", "N:SECONDS", "everything stands still for SECONDS at the Nth request for memories, once"),
    (
        "--space-rate",
        "RATE",
        "429 at once to what one memory space asks for beyond RATE requests a second, from the first recall or search on: a "
        "way to keep a noisy neighbour from the others",
    ),
)


def parse_options(args: argparse.Namespace) -> StoreOptions:
    """Checked options. Raises InputError naming the switch, the value and the remedy."""
    return StoreOptions(
        host=args.host,
        port=_one("--port", args.port, lambda text: _integer(text, 0, 65_535), "a port from 0 to 65535"),
        data_dir=Path(args.data_dir) if args.data_dir else None,
        dim=_one("--dim", args.dim, lambda text: _integer(text, 1, 65_536), "a whole number from 1 to 65536"),
        misbehaviour=_misbehaviour(args),
    )


def _misbehaviour(args: argparse.Namespace) -> Misbehaviour:
    seconds = "seconds from 0, like 0.5"
    return Misbehaviour(
        slow=_each("--slow", args.slow, _factor, "like embedding_search=1.2, the factor at least 1"),
        slow_tail=_each("--slow-tail", args.slow_tail, _factor_share, "like embedding_search=5:0.02"),
        slow_fastest=_each("--slow-fastest", args.slow_fastest, _factor_share, "like embedding_search=1.1:0.8"),
        slow_slowest=_each("--slow-slowest", args.slow_slowest, _factor_share, "like embedding_search=1.2:0.1"),
        leak_bytes=_last("--leak", args.leak, lambda text: _integer(text, 0, 2**30), "bytes from 0 to 1073741824") or 0,
        fail=_each("--fail", args.fail, _share_status, "like store=0.01 or store=0.01:503"),
        stall=_last("--stall", args.stall, _stall, "SECONDS:PERIOD, like 0.2:1, SECONDS less than PERIOD"),
        start_delay_s=_last("--start-delay", args.start_delay, lambda text: _number(text, 0, 3_600), seconds) or 0.0,
        forget=_last("--forget", args.forget, _share, "a share from 0 to 1") or 0.0,
        die_after=_last("--die-after", args.die_after, lambda text: _integer(text, 0, 2**62), "a whole number from 0"),
        capacity=_last("--capacity", args.capacity, lambda text: _number(text, 0.001, 1e9), "requests a second"),
        wrong_empty=frozenset(
            _one("--wrong-empty", text, _operation, f"an operation: {_NAMES}") for text in args.wrong_empty
        ),
        move_port=_last("--move-port", args.move_port, lambda text: _integer(text, 0, 1_000), "0 to 1000 ports") or 0,
        drop_similar=_last(
            "--drop-similar", args.drop_similar, lambda text: _number(text, -1, 1), "a cosine from -1 to 1"
        ),
        warm_tier=_last("--warm-tier", args.warm_tier, _share, "a confidence from 0 to 1"),
        lose_index=args.lose_index,
        busy_health_s=_last("--busy-health", args.busy_health, lambda text: _number(text, 0, 3_600), seconds) or 0.0,
        freeze=_last("--freeze", args.freeze, _freeze, "N:SECONDS, like 500:120"),
        space_rate=_last("--space-rate", args.space_rate, lambda text: _number(text, 0.001, 1e9), "requests a second"),
    )


def _one(switch: str, text: str, parse: Callable[[str], T], wanted: str) -> T:
    try:
        return parse(text)
    except ValueError:
        raise InputError(f"{switch} {text!r} is wrong: write {wanted}") from None


def _last(switch: str, texts: list[str], parse: Callable[[str], T], wanted: str) -> T | None:
    return _one(switch, texts[-1], parse, wanted) if texts else None


def _each(switch: str, texts: list[str], parse: Callable[[str], T], wanted: str) -> dict[Operation, T]:
    def pair(text: str) -> tuple[Operation, T]:
        name, _, value = text.partition("=")
        return _operation(name), parse(value)

    return dict(_one(switch, text, pair, f"OP=…, {wanted}; OP is one of {_NAMES}") for text in texts)


def _operation(text: str) -> Operation:
    operation = Operation(text.strip().replace("-", "_"))
    if operation not in OPERATIONS:
        raise ValueError(text)
    return operation


def _integer(text: str, low: int, high: int) -> int:
    number = int(text)
    if not low <= number <= high:
        raise ValueError(text)
    return number


def _number(text: str, low: float, high: float) -> float:
    number = float(text)
    if not low <= number <= high:  # also NaN
        raise ValueError(text)
    return number


def _factor(text: str) -> float:
    return _number(text, 1, 1e6)


def _share(text: str) -> float:
    return _number(text, 0, 1)


def _factor_share(text: str) -> tuple[float, float]:
    factor, _, share = text.partition(":")
    return _factor(factor), _share(share)


def _share_status(text: str) -> tuple[float, int]:
    share, colon, status = text.partition(":")
    return _share(share), _integer(status, 400, 599) if colon else 500


def _stall(text: str) -> tuple[float, float]:
    seconds, _, period = text.partition(":")
    stall = _number(seconds, 0, 3_600), _number(period, 0.001, 3_600)
    if stall[0] >= stall[1]:
        raise ValueError(text)
    return stall


def _freeze(text: str) -> tuple[int, float]:
    number, _, seconds = text.partition(":")
    return _integer(number, 1, 2**62), _number(seconds, 0, 3_600)
