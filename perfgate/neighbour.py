"""What a noisy neighbour sends on top of a plan: one memory space asked several times as much, all else as it was.

The plan's own requests stay the same, one by one, so that the other spaces are asked the same questions at the same times
with the neighbour's load and without it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from perfgate.arrivals import make_arrivals
from perfgate.arrivals.streams import Purpose, stream
from perfgate.mix import make_mix
from perfgate.operation import OPERATIONS, Operation
from perfgate.requests import NEIGHBOUR, Requests
from perfgate.scenario.model import NeighbourSpec, Scenario, SpacesSpec
from perfgate.spaces import SpaceMix

_STORE = OPERATIONS.index(Operation.STORE)
_OTHER_SEED = 0x9E37_79B9_7F4A_7C15


def extra_share(neighbour: NeighbourSpec | None, spaces: SpacesSpec | None) -> float:
    """What the neighbour adds to the rate, as a share of it; 0 where it is not sent."""
    if neighbour is None or spaces is None or not neighbour.sent:
        return 0.0
    return (neighbour.factor - 1) * spaces.shares[neighbour.space]


class NeighbourLoad:
    """A pure function of scenario and seed, block by block. size: int64 (len(OPERATIONS)), how many keys each operation
    has over all spaces. Its arrivals are those of `[arrival]` at (factor - 1) times the space's rate; random ones come
    from another seed, so that they fall by themselves."""

    def __init__(
        self, scenario: Scenario, spaces: SpaceMix, size: NDArray[np.int64], seed: int, checked: float, lanes: int
    ) -> None:
        assert scenario.neighbour is not None
        self._spaces, self._size, self._seed = spaces, size, seed
        self._checked, self._lanes = checked, lanes
        self._space = scenario.neighbour.space
        share = extra_share(scenario.neighbour, scenario.spaces)
        self._arrivals = make_arrivals(scenario.arrival, seed ^ _OTHER_SEED, share)
        self._mix = make_mix(scenario, self._arrivals)

    def make(self, block: int) -> Requests:
        """The requests of one second."""
        time_ns = np.sort(self._arrivals.times(block), kind="stable")
        number = np.arange(len(time_ns)) + self._arrivals.before(np.array([block]))[0]
        draws = stream(self._seed, Purpose.NEIGHBOUR, block).random((3, len(time_ns)))
        operation = self._mix.operations(time_ns, number, draws[0])
        space = np.full(len(time_ns), self._space, dtype=np.int64)
        drawn = self._spaces.drawn_keys(space, self._size[operation], draws[1])
        walked = self._spaces.walked_keys(space, int(self._size[_STORE]), number)
        return Requests(
            time_ns=time_ns,
            operation=operation,
            index=number + NEIGHBOUR,
            key=np.where(operation == _STORE, walked, drawn),
            checked=draws[2] < self._checked,
            lane=(number % self._lanes).astype(np.uint16),
        )
