"""The number that both sides compare before anything else."""

from __future__ import annotations

from perfgate import __version__

PROTOCOL = 4


def mismatch(theirs: int, their_version: str) -> str:
    """Empty when the other side's protocol is ours; otherwise the sentence that says what to do."""
    if theirs == PROTOCOL:
        return ""
    older = "the other side is older" if theirs < PROTOCOL else "this side is older"
    return (
        f"protocol {PROTOCOL} here (perfgate {__version__}), protocol {theirs} there "
        f"(perfgate {their_version or 'unknown'}): {older}; install the same perfgate on controller and agents"
    )
