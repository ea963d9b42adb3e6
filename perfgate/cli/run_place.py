"""Where a run's record lies when nobody has said where."""

import itertools
import os
import time
from pathlib import Path

RUNS = Path(".perfgate") / "runs"


def make_run_place(runs: Path, what: str) -> Path:
    """`runs/STAMP-WHAT-PID`, made here and so nobody else's. Raises OSError.

    The stamp is of a second and one process may begin two runs in it: then the next has `-2` behind it.
    """
    runs.mkdir(parents=True, exist_ok=True)
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{what}-{os.getpid()}"
    for number in itertools.count(1):
        place = runs / (name if number == 1 else f"{name}-{number}")
        try:
            place.mkdir()
        except FileExistsError:
            continue
        return place
    raise AssertionError("itertools.count has no end")
