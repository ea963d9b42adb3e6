"""`perfgate plan`: what a scenario will send, how long it takes, what a gate can see; nothing is started."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from perfgate.gate.outlook import Outlook
    from perfgate.plan import Plan

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]
    Counts = NDArray[np.int64]

EXAMPLE = """examples:
  perfgate plan scenarios/ci/fast_regression_check.toml
  perfgate plan scenarios/ci/fast_regression_check.toml --csv timeline.csv
  perfgate plan scenarios/ci/fast_regression_check.toml --seed 7 --json
  perfgate plan scenarios/ci/fast_regression_check.toml --plot
  perfgate plan scenarios/ci/fast_regression_check.toml --plot rate.svg

The plan is a pure function of scenario and seed: what is shown here is exactly what any number of agents
will send, with up to 64 load workers (lanes) in all.

exit codes: 0, or 3 for bad input"""

_BARS = "▁▂▃▄▅▆▇█"
_COLUMNS = 60
WIDTH = 100


def add_parser(subparsers: Subparsers) -> None:
    from perfgate.cli.calibrated import add_profile_arguments

    parser = subparsers.add_parser(
        "plan",
        help="show beforehand what a scenario will send, how long it takes, what a gate can see",
        description="Show what a scenario will send, how long it takes and what a gate will be able to see.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", type=Path, metavar="SCENARIO", help="the scenario file (TOML)")
    parser.add_argument("--seed", type=int, default=None, help="of the schedule (default: the scenario's)")
    parser.add_argument(
        "--policy",
        default=None,
        metavar="NAME|FILE",
        help="of the gate: standard, quick or a policy file (default: the scenario's [gate])",
    )
    add_profile_arguments(parser)
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--csv", default=None, metavar="FILE", help="write the timeline: time_s,operation,count; - is standard output"
    )
    output.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument(
        "--plot", default=None, const="-", nargs="?", metavar="FILE.svg",
        help="draw the rate over time by operation, here or into a file",
    )  # fmt: skip


def run(arguments: argparse.Namespace) -> int:
    from perfgate.plan import Plan
    from perfgate.scenario import load_scenario

    _check_outputs(arguments)
    plan = Plan(load_scenario(arguments.scenario), arguments.seed)
    counts = plan.counts()
    if arguments.csv == "-":
        write_csv(sys.stdout, plan, counts)
        return 0
    outlook, note = _outlook(plan, counts, arguments)
    if arguments.json:
        import json

        print(json.dumps(summary(plan, counts, outlook), indent=2, ensure_ascii=False))
        return 0
    if arguments.csv:
        _write_csv_file(Path(arguments.csv), plan, counts)
    drawn = _plot(arguments.plot, plan, counts) if arguments.plot else []
    print("\n".join([*render(plan, counts, outlook, note), *drawn]))
    if arguments.csv:
        print(f"Timeline   {arguments.csv}")
    return 0


def _check_outputs(arguments: argparse.Namespace) -> None:
    from perfgate.errors import InputError

    if arguments.plot == "-" and (arguments.json or arguments.csv == "-"):
        raise InputError("--plot draws on standard output, which --json and --csv - need: give it a FILE.svg")
    if arguments.plot and arguments.plot != "-" and not arguments.plot.lower().endswith(".svg"):
        raise InputError(f"--plot {arguments.plot}: name a file that ends in .svg, or write --plot after the scenario")


def _plot(wanted: str, plan: Plan, counts: Counts) -> list[str]:
    """The picture as lines, or the line that says where it lies."""
    from perfgate.cli.timeline import make_timeline

    if wanted == "-":
        from shutil import get_terminal_size

        from perfgate.cli.plot_text import columns_for, draw_text

        return ["", *draw_text(make_timeline(plan, counts, columns_for(get_terminal_size((100, 40)).columns)))]
    from perfgate.cli.plot_svg import COLUMNS, draw_svg

    picture = draw_svg(make_timeline(plan, counts, COLUMNS), plan.scenario.name)
    _write_file("--plot", Path(wanted), lambda file: file.write(picture))
    return [f"Picture    {wanted}"]


def write_csv(file: TextIO, plan: Plan, counts: Counts) -> None:
    """One row a second and operation of the scenario, also where the count is 0."""
    from perfgate.operation import OPERATIONS

    columns = [(OPERATIONS.index(operation), operation.value) for operation in plan.scenario.weights]
    file.write("time_s,operation,count\n")
    for second, row in enumerate(counts):
        file.writelines(f"{second},{name},{row[column]}\n" for column, name in columns)


def summary(plan: Plan, counts: Counts, outlook: Outlook) -> dict[str, Any]:
    """Everything `render` shows, JSON-ready. Rates are requests of a second; data_bytes are the vectors' float32s."""
    import math

    from perfgate.operation import OPERATIONS

    rates = _rates(plan, counts)
    return {
        "scenario": plan.scenario.name,
        "digest": plan.scenario.digest,
        "seed": plan.seed,
        "duration_s": plan.duration_ns / 1e9,
        "requests": int(counts.sum()),
        "operations": {
            operation.value: int(counts[:, OPERATIONS.index(operation)].sum()) for operation in plan.scenario.weights
        },
        "rate": {
            "min": float(rates.min()),
            "mean": float(counts.sum() / plan.duration_ns * 1e9),
            "max": float(rates.max()),
        },
        "data_bytes": data_bytes(plan),
        "gate": {
            "policy": outlook.policy,
            "margin": outlook.margin,
            "pairs": [outlook.first_look, outlook.last_look],
            "seconds": [outlook.shortest_ns / 1e9, outlook.longest_ns / 1e9],
            "detectable_80": {
                sight.operation.value: {
                    host: value if math.isfinite(value) else None for host, value in sight.detectable.items()
                }
                for sight in outlook.sights
            },
        },
    }


def render(plan: Plan, counts: Counts, outlook: Outlook, note: str = "") -> list[str]:
    """The summary as aligned lines. note: on the host profile."""
    from perfgate.arrivals.describe import describe as describe_arrivals
    from perfgate.gate.outlook import describe
    from perfgate.units import format_count, format_duration

    scenario, rates = plan.scenario, _rates(plan, counts)
    mean = counts.sum() / plan.duration_ns * 1e9
    sent = f"{format_count(int(counts.sum()))} in {format_duration(plan.duration_ns)}"
    sections = [
        ("Arrivals", [*_wrapped(describe_arrivals(scenario.arrival)), f"seed {plan.seed}"]),
        ("Requests", [sent, *_operations(plan, counts), *_changes(plan)]),
        (
            "Rate",
            [f"{rates.min():,.0f} / {mean:,.0f} / {rates.max():,.0f} a second (min / mean / max)", sparkline(rates)],
        ),
        ("Data", _data(plan)),
        ("A run", [f"{format_duration(plan.duration_ns)} of load, after starting and loading the store"]),
        ("A gate", [*describe(outlook), *([note] if note else [])]),
    ]
    lines = [
        scenario.name,
        *textwrap.wrap(scenario.description, WIDTH, initial_indent="  ", subsequent_indent="  "),
        "",
    ]
    for title, rows in sections:
        lines += [f"{title if number == 0 else '':<10} {row}".rstrip() for number, row in enumerate(rows)]
    return lines


def _wrapped(rows: Sequence[str]) -> list[str]:
    return [line for row in rows for line in textwrap.wrap(row, WIDTH - 11, subsequent_indent="  ")]


def sparkline(values: NDArray[np.float64]) -> str:
    """Means of up to 60 stretches of the values, from 0 to the highest."""
    import numpy as np

    means = [float(part.mean()) for part in np.array_split(values, min(_COLUMNS, len(values)))]
    top = max(means) or 1.0
    return "".join(_BARS[min(len(_BARS) - 1, int(mean / top * len(_BARS)))] for mean in means)


def data_bytes(plan: Plan) -> int:
    """Bytes of the vectors of nodes, queries and pool as float32."""
    vectors = plan.scenario.data.num_nodes + plan.num_queries + plan.store_pool
    return vectors * plan.scenario.data.embedding_dim * 4


def _outlook(plan: Plan, counts: Counts, arguments: argparse.Namespace) -> tuple[Outlook, str]:
    """From what is really sent, whatever the pattern: over the duration, of each operation; and a word on the host
    profile."""
    import dataclasses

    from perfgate.cli.calibrated import calibrated_here
    from perfgate.gate.outlook import gate_outlook
    from perfgate.gate.policy_choice import choose_policy
    from perfgate.operation import OPERATIONS

    total = int(counts.sum())
    shares = {
        operation: int(counts[:, OPERATIONS.index(operation)].sum()) / max(1, total)
        for operation in plan.scenario.weights
    }
    scenario = dataclasses.replace(plan.scenario, weights=shares)
    policy, choice = calibrated_here(arguments, scenario, choose_policy(scenario.gate, arguments.policy))
    return gate_outlook(scenario, policy, total / (plan.duration_ns / 1e9), choice.profile), choice.note


def _rates(plan: Plan, counts: Counts) -> NDArray[np.float64]:
    """Requests a second in each second; a last one that is cut short is scaled to its length."""
    rates: NDArray[np.float64] = counts.sum(axis=1).astype(float)
    rest = plan.duration_ns % 1_000_000_000
    if rest:
        rates[-1] *= 1e9 / rest
    return rates


def _operations(plan: Plan, counts: Counts) -> list[str]:
    from perfgate.operation import OPERATIONS

    total = max(1, int(counts.sum()))
    rows = [(operation.value, int(counts[:, OPERATIONS.index(operation)].sum())) for operation in plan.scenario.weights]
    width = max(len(name) for name, _ in rows)
    return [f"  {name:<{width}}  {count:>13,}  {count / total * 100:5.1f} %" for name, count in rows]


def _changes(plan: Plan) -> list[str]:
    """What the counts do not show: weights that change, memory spaces, hot keys, recalls that follow stores."""
    from perfgate.units import format_duration, format_percent

    mix, correlation, rows = plan.scenario.mix, plan.scenario.correlation, []
    if mix is not None and len(mix.stages) > 1:
        rows.append(f"  weights change {len(mix.stages)} times a day, which takes {format_duration(mix.day_ns)}")
    if (spaces := plan.scenario.spaces) is not None:
        most, least = format_percent(max(spaces.shares)), format_percent(min(spaces.shares))
        rows.append(f"  {spaces.count:,} memory spaces, of which the busiest is asked {most} and the quietest {least}")
    if (neighbour := plan.scenario.neighbour) is not None:
        rows.append(
            f"  space {neighbour.space} is asked {neighbour.factor:g} times as much by perfgate neighbour alone"
        )
    if plan.scenario.key_exponent:
        rows.append(f"  what is asked for follows a Zipf law of exponent {plan.scenario.key_exponent:g}")
    if correlation is not None:
        share, delay = format_percent(correlation.store_to_recall_prob), format_duration(correlation.delay_ns)
        rows.append(f"  {share} of the stores are followed by a recall of the same memory after {delay}")
    return rows


def _data(plan: Plan) -> list[str]:
    from perfgate.units import format_bytes

    data = plan.scenario.data
    spaces = f"{data.memory_spaces:,} memory spaces" if data.memory_spaces > 1 else "1 memory space"
    return [
        f"{data.num_nodes:,} nodes of {data.embedding_dim:,} dimensions ({data.embedding.kind}) in {spaces}",
        f"{plan.num_queries:,} queries, a pool of {plan.store_pool:,} vectors to store; "
        f"{format_bytes(data_bytes(plan))} of vectors in all",
    ]


def _write_csv_file(path: Path, plan: Plan, counts: Counts) -> None:
    _write_file("--csv", path, lambda file: write_csv(file, plan, counts))


def _write_file(option: str, path: Path, write: Callable[[TextIO], object]) -> None:
    from perfgate.errors import InputError

    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            write(file)
    except OSError as error:
        raise InputError(
            f"{option} {path}: cannot be written: {error.strerror}: name a file in a writable place"
        ) from error
