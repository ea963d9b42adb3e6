"""What makes a comparison fair, as rules that are checked. docs/compete.md gives the reasons."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from perfgate.compete.model import Measurement, Turn
from perfgate.compete.policy import CompetePolicy
from perfgate.gate.verdict import Reason
from perfgate.units import format_percent

WARM_SHARE = 2 / 3
"""Of a store's turns that must have become stable."""
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Rule:
    """kept: None where it is only stated, because nothing here can enforce or see it."""

    code: str
    name: str
    text: str
    kept: bool | None
    remedy: str = ""


def rules(measured: Measurement, policy: CompetePolicy) -> list[Rule]:
    """All of them, in the order of the document."""
    return list(_rules(measured, policy))


def broken_rules(found: list[Rule]) -> list[Reason]:
    """Those that were not kept, as reasons of INVALID."""
    return [
        Reason(f"unfair_{rule.code}", f"{rule.name}: {rule.text}", rule.remedy) for rule in found if rule.kept is False
    ]


def _rules(measured: Measurement, policy: CompetePolicy) -> Iterator[Rule]:
    yield _truth(measured)
    yield Rule(
        "requests", "same arrivals and queries",
        "every store got the same windows of the plan in each round, over as many connections", _same_connections(measured),
        "run it again; please report this",
    )  # fmt: skip
    yield _alone(measured)
    yield _cpus(measured)
    yield _memory(measured, policy)
    yield _loading(measured)
    yield _durability(measured)
    yield _warm(measured)


def _truth(measured: Measurement) -> Rule:
    text = measured.truth_fault or "every process was counted and asked for samples before it was measured"
    return Rule(
        "truth", "same data, one exact truth", text, not measured.truth_fault,
        "remove the data's directory in the cache, so that it is made again",
    )  # fmt: skip


def _same_connections(measured: Measurement) -> bool:
    return len({turn.connections for turn in measured.turns}) <= 1


def _alone(measured: Measurement) -> Rule:
    name = "no store runs while another is measured"
    if not measured.slice_ns:
        text = "each turn was one fresh process, started after the one before had ended"
        return Rule("alone", name, text + _other_work(measured), True)
    ran = sorted({measured.stores[turn.store].label for turn in measured.turns if not turn.alone})
    if ran:
        text = f"while {', '.join(ran)} was measured, another one was not stopped, or used processor time"
        return Rule("alone", name, text, False, "find what lets a stopped store go on, or measure in turns (--slice 0)")
    text = "whenever one was measured, all processes of the others were stopped and used no processor time"
    return Rule("alone", name, text + _other_work(measured), True)


def _other_work(measured: Measurement) -> str:
    if measured.other_work is None:
        return ""
    return f"; other processes used {format_percent(measured.other_work)} of a processor meanwhile"


def _cpus(measured: Measurement) -> Rule:
    sets = sorted({turn.cpus for turn in measured.turns})
    named = " and ".join(",".join(map(str, one)) or "all" for one in sets)
    return Rule(
        "cpus", "same processors", f"processors {named}", len(sets) <= 1, "start the agent with fixed processors"
    )


def _memory(measured: Measurement, policy: CompetePolicy) -> Rule:
    peaks = {label: _peak(measured, number) for number, label in enumerate(_labels(measured))}
    said = ", ".join(f"{label} {'?' if peak is None else f'{peak / MIB:,.0f} MiB'}" for label, peak in peaks.items())
    name, remedy = "same memory limit", "raise --memory for all, or give the store a smaller cache"
    if not policy.memory_bytes:
        return Rule("memory", name, f"no limit (--memory); resident at most: {said}", None)
    limit = f"limit {policy.memory_bytes / MIB:,.0f} MiB, watched; resident at most: {said}"
    if any(peak is None for peak in peaks.values()):
        return Rule("memory", name, limit, None)
    return Rule("memory", name, limit, all((peak or 0) <= policy.memory_bytes for peak in peaks.values()), remedy)


def _loading(measured: Measurement) -> Rule:
    name = "same batch and connections while loading"
    ways = {(store.batch, store.connections) for store in measured.stores}
    if len(ways) == 1:
        batch, connections = ways.pop()
        return Rule("loading", name, f"{batch} a request over {connections} connections", True)
    said = ", ".join(f"{store.label} {store.batch} x {store.connections}" for store in measured.stores)
    return Rule(
        "loading", name, f"{said}: as each target says (--own-loading), so loading times are not compared", None
    )


def _durability(measured: Measurement) -> Rule:
    said = "; ".join(f"{store.label}: {store.durability or 'not stated'}" for store in measured.stores)
    return Rule(
        "durability", "durability stated", said, all(store.durability for store in measured.stores),
        'write [about] durability = "…" in the target file',
    )  # fmt: skip


def _warm(measured: Measurement) -> Rule:
    shares = {label: _warm_share(_turns(measured, number)) for number, label in enumerate(_labels(measured))}
    text = ", ".join(f"{label} stable in {format_percent(share)} of its turns" for label, share in shares.items())
    return Rule(
        "warmup", "warm-up until stable", text, all(share >= WARM_SHARE for share in shares.values()),
        "give a longer --warmup, or keep other work off this host",
    )  # fmt: skip


def _warm_share(turns: list[Turn]) -> float:
    return sum(turn.warm for turn in turns) / len(turns) if turns else 1.0


def _turns(measured: Measurement, store: int) -> list[Turn]:
    return [turn for turn in measured.turns if turn.store == store]


def _peak(measured: Measurement, store: int) -> int | None:
    peaks = [turn.peak_bytes for turn in _turns(measured, store)]
    known = [peak for peak in peaks if peak is not None]
    return max(known) if known and len(known) == len(peaks) else None


def _labels(measured: Measurement) -> list[str]:
    return [store.label for store in measured.stores]
