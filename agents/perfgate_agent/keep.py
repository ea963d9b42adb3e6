"""What a session measured, kept for whoever fetches it when its controller is lost: in memory while the load runs, in a
file afterwards. Bounded: many intervals are merged to longer ones, few sessions are kept."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import DecodeError

from perfgate.interval import Interval
from perfgate.wire.convert import interval_to_wire
from perfgate.wire.v1 import wire_pb2 as pb

KEPT_MOST = 600
"""Intervals of a load that are kept as they are: some 10 kB each."""
SESSIONS_MOST = 8
SUFFIX = ".kept"
PART = 16
log = logging.getLogger("perfgate.agent")


class Keeper:
    """Of one session: its newest load."""

    def __init__(self) -> None:
        self._load: pb.PrepareLoad | None = None
        self._intervals: list[Interval] = []
        self._reports: list[pb.WorkerReport] = []
        self._delivered = False
        self._merge_beyond = KEPT_MOST

    @property
    def worth_keeping(self) -> bool:
        """Something was measured that the controller may not have got."""
        return bool(self._intervals) and not self._delivered

    def begin(self, load: pb.PrepareLoad) -> None:
        """What was kept of the load before is let go: its end was told, and heard."""
        self._load, self._intervals, self._reports, self._delivered = load, [], [], False
        self._merge_beyond = KEPT_MOST

    def put(self, interval: Interval) -> None:
        """Too many are joined with their neighbours, so that memory does not grow with a load's length."""
        self._intervals.append(interval)
        if len(self._intervals) > self._merge_beyond:
            self._intervals = merge_neighbours(self._intervals)
            self._merge_beyond = max(KEPT_MOST, 2 * len(self._intervals))  # never under one a segment and worker

    def finish(self, reports: list[pb.WorkerReport]) -> None:
        """What each worker says of itself at the load's end."""
        self._reports = reports

    def deliver(self) -> None:
        """The controller has ended the session in order, after this load."""
        self._delivered = True

    def parts(self, session: pb.KeptSession) -> Iterator[pb.KeptPart]:
        """As they are sent, one after the other."""
        session.intervals = len(self._intervals)
        yield pb.KeptPart(session=session, load=self._load, workers=self._reports)
        for begin in range(0, len(self._intervals), PART):
            yield pb.KeptPart(intervals=[interval_to_wire(one) for one in self._intervals[begin : begin + PART]])


@dataclass(frozen=True, slots=True)
class KeptStore:
    """The files of sessions that were kept, below `directory`."""

    directory: Path

    def write(self, keeper: Keeper, session: pb.KeptSession) -> None:
        """Where the disk is full, the log says what was lost; nothing else fails by it."""
        session.ended_wall_ns = time.time_ns()
        path = self.directory / f"{session.ended_wall_ns:020d}-{session.token}{SUFFIX}"
        fresh = path.with_suffix(f".{secrets.token_hex(4)}")
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                for part in keeper.parts(session):
                    data = part.SerializeToString()
                    file.write(len(data).to_bytes(4, "big") + data)
            os.replace(fresh, path)
        except OSError as error:
            log.error("what session %s measured could not be kept in %s: %s", session.token, path, error.strerror)
            with contextlib.suppress(OSError):
                fresh.unlink()
            return
        log.warning("kept %d intervals of session %s for perfgate fleet salvage", session.intervals, session.token)
        for old in self._paths()[SESSIONS_MOST:]:
            with contextlib.suppress(OSError):
                old.unlink()

    def sessions(self) -> list[pb.KeptSession]:
        """The newest first."""
        found = []
        for path in self._paths():
            first = next(read_parts(path), None)
            if first is not None:
                found.append(first.session)
        return found

    def parts(self, token: str) -> Iterator[pb.KeptPart]:
        """Nothing for a token that is none of theirs."""
        for path in self._paths():
            if path.name.removesuffix(SUFFIX).rpartition("-")[2] == token:
                yield from read_parts(path)
                return

    def _paths(self) -> list[Path]:
        return sorted(self.directory.glob(f"*{SUFFIX}"), reverse=True)


def read_parts(path: Path) -> Iterator[pb.KeptPart]:
    """As far as the file can be read."""
    with contextlib.suppress(OSError, DecodeError), path.open("rb") as file:
        while head := file.read(4):
            yield pb.KeptPart.FromString(file.read(int.from_bytes(head, "big")))


def merge_neighbours(intervals: list[Interval]) -> list[Interval]:
    """Half as many: of each segment and worker, each two that follow each other become one."""
    waiting: dict[tuple[int, str], Interval] = {}
    merged: list[Interval] = []
    for interval in intervals:
        before = waiting.pop((interval.segment, interval.worker), None)
        if before is None:
            waiting[interval.segment, interval.worker] = interval
        else:
            merged.append(Interval.merge([before, interval]))
    merged.extend(waiting.values())
    return sorted(merged, key=lambda one: (one.start_ns, one.segment, one.worker))
