"""A wall clock that can be set for one program alone: the machine's own is everybody's (settimeofday(2)), and time
namespaces have none. Everything in the program sees it: Python, gRPC and OpenSSL."""

from __future__ import annotations

import mmap
import shutil
import subprocess
from pathlib import Path

from benchmarks.faults.network import NotHere

SOURCE = Path(__file__).with_name("wall_clock.c")


class WallClock:
    """Right until it is stepped. environment: of the programs that are to see it."""

    def __init__(self, directory: Path) -> None:
        """Raises NotHere without a C compiler."""
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise NotHere("no C compiler for a wall clock of one program's own")
        library, self._file = directory / "wall_clock.so", directory / "wall_clock"
        done = subprocess.run(
            [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise NotHere(f"{SOURCE.name}: {done.stderr.strip()}")
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "WALL_CLOCK": str(self._file)}

    def step(self, seconds: int) -> None:
        """From now on so far from the right time."""
        with self._file.open("r+b") as file, mmap.mmap(file.fileno(), 8) as page:
            page[:] = seconds.to_bytes(8, "little", signed=True)
