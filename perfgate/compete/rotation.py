"""In which order stores are measured: in each block of rounds every store stands as often in each place, and follows each
other one as often (Williams 1949, Australian Journal of Scientific Research A 2), under names drawn anew for each block."""

from __future__ import annotations

import numpy as np

PURPOSE = 0x636F_6D70  # keeps this stream of random numbers apart from the plan's, the data's and the gate's


def block_length(stores: int) -> int:
    """Rounds after which the order is balanced."""
    return stores if stores % 2 == 0 else 2 * stores


def rotation(stores: int, rounds: int, seed: int) -> list[tuple[int, ...]]:
    """The order of each round, stores as 0 .. stores - 1. A longer one begins with a shorter one of the same seed."""
    orders: list[tuple[int, ...]] = []
    for block in range(-(-rounds // block_length(stores))):
        random = generator(seed, block)
        names, rows = random.permutation(stores), random.permutation(block_length(stores))
        square = _williams(stores)
        orders += [tuple(int(names[place]) for place in square[row]) for row in rows]
    return orders[:rounds]


def shuffled(count: int, seed: int, *where: int) -> list[int]:
    """0 .. count - 1 in an order that belongs to the place."""
    number = 0
    for one in where:
        number = number * 10_007 + one + 1
    return [int(one) for one in generator(seed, (1 << 24) + number).permutation(count)]


def generator(seed: int, number: int) -> np.random.Generator:
    """Philox, keyed by seed and number: no two of them share a stream, whatever was drawn before."""
    key = np.array([seed & (2**64 - 1), (PURPOSE << 32) | (number & (2**32 - 1))], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _williams(stores: int) -> list[list[int]]:
    """Rows of a square balanced for what came just before; with an odd number of stores, of two."""
    first = [0]
    for step in range(1, stores):
        first.append(first[-1] + (step if step % 2 else -step))
    rows = [[(place + shift) % stores for place in first] for shift in range(stores)]
    return rows if stores % 2 == 0 else rows + [row[::-1] for row in rows]
