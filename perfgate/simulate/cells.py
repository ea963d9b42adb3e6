"""Cells of a table, each decided by itself, on as many processes as wished: the figures do not depend on how many."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

import numpy as np

from perfgate.gate.policy import Policy
from perfgate.simulate.long_slices import LongPool
from perfgate.simulate.pool import Pool
from perfgate.simulate.profile import Profile
from perfgate.simulate.rates import Rates, simulate
from perfgate.simulate.truth import Truth


@dataclass(frozen=True, slots=True)
class Cell:
    """One profile under one truth. factor: of the truth, on service times. The random numbers depend on the names and the
    seed alone."""

    profile: Profile
    truth: Truth
    factor: float
    runs: int
    seed: int

    def rates(self, policy: Policy, pool: Pool | LongPool, tick: Callable[[float], None]) -> Rates:
        """tick: told the share of the gates that is done."""
        names = (*self.profile.name.encode(), 0, *self.truth.name.encode())
        random = np.random.default_rng([self.seed, 1, *names])
        return simulate(self.profile, self.truth, policy, pool, self.factor, self.runs, random, tick)

    @property
    def name(self) -> str:
        return f"{self.profile.name}, {self.truth.label}"


def run_cells(
    cells: Sequence[Cell], policy: Policy, pool: Pool | LongPool, processes: int, tick: Callable[[str, float], None]
) -> list[Rates]:
    """In the order of `cells`. tick: told which cell and the share of all that is done."""
    if min(processes, len(cells)) <= 1:
        found = []
        for number, cell in enumerate(cells):

            def told(share: float, number: int = number, name: str = cell.name) -> None:
                tick(name, (number + share) / len(cells))

            found.append(cell.rates(policy, pool, told))
        return found
    # Spawned, not forked: a forked process would inherit threads' locks in any state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(cells)), context, _take, (policy, pool)) as executor:
        longest_first = sorted(range(len(cells)), key=lambda number: -cells[number].runs)
        futures = {executor.submit(_rates, cells[number]): number for number in longest_first}
        by_number = {}
        for done in as_completed(futures):
            by_number[futures[done]] = done.result()
            tick(cells[futures[done]].name, len(by_number) / len(cells))
    return [by_number[number] for number in range(len(cells))]


_GIVEN: list[tuple[Policy, Pool | LongPool]] = []
"""What a process was started with: sent once, not with every cell."""


def _take(policy: Policy, pool: Pool | LongPool) -> None:
    _GIVEN[:] = [(policy, pool)]


def _rates(cell: Cell) -> Rates:
    policy, pool = _GIVEN[0]
    return cell.rates(policy, pool, lambda share: None)
