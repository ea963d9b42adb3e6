"""What a better known spread of starts would buy: gates of few processes, by how many couples their calibration saw.

python -m benchmarks.known_starts --couples 40 --couples 160

With 160 couples the spread is as good as known, so that this is the most that any calibration could do.
"""

from __future__ import annotations

import argparse

from perfgate.gate.policy_load import policy_for
from perfgate.simulate import rates
from perfgate.simulate.profile import PROFILES
from perfgate.simulate.table import operating_characteristics, to_text
from perfgate.simulate.truth import TRUTHS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--couples", type=int, action="append", help="of processes in a calibration (default: 20, 40, 160)"
    )
    parser.add_argument("--starts", type=int, action="append", help="processes a build in a gate (default: 5, 10)")
    parser.add_argument("--profile", choices=PROFILES, default="typical")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    truths = [TRUTHS["same"], TRUTHS["one10"]]
    for starts in arguments.starts or (5, 10):
        for couples in arguments.couples or (20, 40, 160):
            rates.CALIBRATED = couples  # type: ignore[attr-defined]
            policy = policy_for({}, "standard", starts=starts)
            hosts = [PROFILES[arguments.profile]]
            found = operating_characteristics(policy, hosts, truths, arguments.runs, arguments.seed, 400.0)
            print(
                f"{starts} processes a build, a calibration of {couples} couples\n{to_text(found, truths)}\n",
                flush=True,
            )


if __name__ == "__main__":
    main()
