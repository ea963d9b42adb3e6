"""`perfgate certify`: what the A/A gates of a host prove of the rate of false alarms."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perfgate.evidence.certificate import Certificate
    from perfgate.evidence.evidence_file import Evidence
    from perfgate.evidence.gate_line import GateLine

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLE = """examples:
  perfgate certify
  perfgate certify --claim 0.05 --policy quick
  perfgate certify --scenario scenarios/ci/quick.toml --json

Every gate adds a line to .perfgate/evidence.jsonl (or where --evidence or $PERFGATE_EVIDENCE says). Gates of a build with
itself are the evidence: each BLOCK among them is a false alarm. They are counted together only where host, target,
scenario and policy are the same, and the bound of their rate is Clopper's and Pearson's. A gate that ended INVALID said
nothing and is not counted. 149 verdicts without a false alarm prove 2 % with 95 % confidence; 236 with one, 313 with two.
The confidence is that of a number of gates that was settled beforehand; who stops at the first proof has a little less.

exit codes: 0 proven for each group shown, 4 not yet, 3 bad input"""


def add_parser(subparsers: Subparsers) -> None:
    parser = subparsers.add_parser(
        "certify",
        help="what the A/A gates of this host prove of the rate of false alarms",
        description="What the gates of a build with itself prove of the rate of false alarms.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--claim",
        type=float,
        default=0.02,
        metavar="SHARE",
        help="the rate to be proven (default: 0.02, which is 2 %%)",
    )
    parser.add_argument("--confidence", type=float, default=0.95, metavar="SHARE", help="(default: 0.95)")
    parser.add_argument("--host", default=None, metavar="NAME", help="a host's name, or the beginning of its id")
    parser.add_argument("--target", default=None, metavar="NAME", help="the target's name")
    parser.add_argument("--scenario", default=None, metavar="NAME", help="a scenario's file, its name or its digest")
    parser.add_argument("--policy", default=None, metavar="NAME", help="the policy's name")
    parser.add_argument(
        "--evidence", default=None, metavar="FILE", help="(default: $PERFGATE_EVIDENCE, or .perfgate/evidence.jsonl)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    """0 where the claim is proven for all that is shown, 4 where it is not."""
    import json

    from perfgate.evidence.certificate import certify

    _check(arguments)
    path, evidence = _read(arguments.evidence)
    chosen = _choose(evidence.lines, arguments)
    certificates = certify(chosen, arguments.claim, arguments.confidence)
    if arguments.json:
        print(json.dumps(_to_json(certificates, evidence, arguments), indent=1))
    else:
        print(_text(path, certificates, evidence, arguments))
    return 0 if certificates and all(one.proven for one in certificates) else 4


def _check(arguments: argparse.Namespace) -> None:
    from perfgate.errors import InputError

    if not 1e-6 <= arguments.claim < 1:
        raise InputError(f"--claim {arguments.claim:g}: give a share from 0.000001 to below 1; 0.02 is 2 %")
    if not 0 < arguments.confidence < 1:
        raise InputError(f"--confidence {arguments.confidence:g}: give a share between 0 and 1; 0.95 is usual")


def _read(option: str | None) -> tuple[Path, Evidence]:
    """The file and what it holds; nothing where no gate has written the usual one yet."""
    from perfgate.errors import InputError
    from perfgate.evidence.evidence_file import Evidence, find_file, read

    path = find_file(option)
    if path is None:
        raise InputError("the evidence is switched off; name its file with --evidence FILE")
    if option is None and not path.exists():
        return path, Evidence()
    return path, read(path)


def _choose(lines: tuple[GateLine, ...], arguments: argparse.Namespace) -> list[GateLine]:
    scenario = arguments.scenario
    if scenario is not None and scenario.endswith(".toml"):
        from perfgate.scenario import load_scenario

        scenario = load_scenario(Path(scenario)).digest
    return [
        line
        for line in lines
        if (scenario is None or scenario in (line.scenario, line.scenario_digest))
        and (arguments.host is None or line.host_name == arguments.host or line.host_id.startswith(arguments.host))
        and arguments.target in (None, line.target)
        and arguments.policy in (None, line.policy)
    ]


def _text(path: Path, certificates: list[Certificate], evidence: Evidence, arguments: argparse.Namespace) -> str:
    claim, confidence = f"{100 * arguments.claim:g} %", f"{100 * arguments.confidence:g} %"
    parts = [f"False alarms: gates of a build with itself that blocked, as kept in {path}"]
    parts += [_paragraph(one, claim, confidence) for one in certificates]
    if not certificates:
        from perfgate.stats.shares import trials_needed

        needed = trials_needed(0, arguments.claim, arguments.confidence)
        parts.append(
            f"There are none that match. {needed} verdicts without a false alarm prove {claim} with {confidence} "
            "confidence:\n  perfgate gate SCENARIO --target FILE --base VARIANT --candidate VARIANT   # the same one twice"
        )
    if evidence.damaged:
        numbers = ", ".join(map(str, evidence.damaged[:5]))
        parts.append(f"{len(evidence.damaged)} damaged lines were passed over (the first: {numbers}).")
    if evidence.repeated:
        numbers = ", ".join(map(str, evidence.repeated[:5]))
        parts.append(f"{len(evidence.repeated)} repeated lines were counted once (the first: {numbers}).")
    return "\n\n".join(parts)


def _paragraph(one: Certificate, claim: str, confidence: str) -> str:
    where = one.conditions
    head = f"{where.scenario} ({where.scenario_digest}), {where.policy} policy ({where.policy_digest})"
    counts = f"{one.gates} verdict{'' if one.gates == 1 else 's'}: {one.alarms} BLOCK, {one.undecided} INCONCLUSIVE"
    if one.invalid:
        counts += f"; {one.invalid} INVALID beside them, not counted"
    if one.proven:
        outcome = f"proven: at most {claim}"
    else:
        word = "clean verdict proves" if one.more == 1 else "clean verdicts prove"
        outcome = f"not proven yet: {one.more} more {word} {claim}"
    return (
        f"{head}\n  target {where.target} on host {where.host_id} ({one.host})\n  {counts}\n"
        f"  at most {100 * one.upper:.2f} % false alarms with {confidence} confidence; {outcome}"
    )


def _to_json(certificates: list[Certificate], evidence: Evidence, arguments: argparse.Namespace) -> dict[str, Any]:
    import dataclasses

    return {
        "claim": arguments.claim,
        "confidence": arguments.confidence,
        "proven": bool(certificates) and all(one.proven for one in certificates),
        "groups": [{**dataclasses.asdict(one), "proven": one.proven} for one in certificates],
        "damaged_lines": list(evidence.damaged),
        "repeated_lines": list(evidence.repeated),
    }
