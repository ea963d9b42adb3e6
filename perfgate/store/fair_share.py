"""A limit for each memory space: what it asks for beyond its rate is refused at once, so that others need not wait for it."""

from __future__ import annotations

BURST_S = 0.1
"""A space that was quiet may ask for what is due in so long a time at once."""


class FairShare:
    """Token buckets (Turner, New directions in communications, 1986): rate tokens a second each, BURST_S of them at most."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._most = max(1.0, rate * BURST_S)
        self._tokens: dict[str, tuple[float, float]] = {}

    def admits(self, space: str, now_s: float) -> bool:
        """Whether a request of this space at this time is within its rate. Times must not go backwards."""
        tokens, since_s = self._tokens.get(space, (self._most, now_s))
        tokens = min(self._most, tokens + (now_s - since_s) * self._rate)
        admitted = tokens >= 1
        self._tokens[space] = (tokens - admitted, now_s)
        return admitted
