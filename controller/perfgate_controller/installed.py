"""How a build that was loaded is told of."""

from __future__ import annotations

from perfgate.units import format_bytes, format_duration
from perfgate.wire.v1 import wire_pb2 as pb


def told_installed(done: pb.BuildInstalled) -> str:
    """How many memories, how long starting and loading took (with what was awaited after it), and the size on the disk."""
    took = f"started in {format_duration(done.start_ns)}, loaded in {format_duration(done.load_ns)}"
    size = f", {format_bytes(done.bytes)} on the disk" if done.bytes else ""
    return f"{done.memories:,} memories, {took}{size}"
