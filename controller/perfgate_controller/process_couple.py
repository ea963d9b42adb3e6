"""One process of each build, alive together for one pair or for several."""

from __future__ import annotations

import asyncio
import contextlib

from perfgate.errors import FleetError, TargetError
from perfgate.segment import Arm
from perfgate_controller.gate_request import GateRequest
from perfgate_controller.link import AgentLink, Running
from perfgate_controller.schedule import PairSchedule


class Couple:
    """`died` raises TargetError as soon as one of the two ends by itself, during a pair or between two."""

    def __init__(self, running: dict[Arm, Running], builds: dict[Arm, str], host: AgentLink) -> None:
        self.running = running
        self.died: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._builds = builds
        self._host = host
        self._pair = 0
        self._arms = {process.handle: arm for arm, process in running.items()}  # one handle, where one serves both
        host.on_exit = self._on_exit

    def serve(self, number: int) -> None:
        """Pair `number` comes next. Raises TargetError where a process has ended since the last one."""
        if self.died.done():
            self.died.result()
        self._pair = number

    async def end(self) -> None:
        """Stop both. A lost agent ends its processes itself."""
        self._host.on_exit = lambda handle, status, output: None
        with contextlib.suppress(FleetError):
            await asyncio.gather(*(self._host.terminate(handle) for handle in self._arms))

    def _on_exit(self, handle: int, status: int, output: str) -> None:
        if handle not in self._arms or self.died.done():
            return
        arm = self._arms[handle]
        how = f"by signal {-status}" if status < 0 else f"with status {status}"
        self.died.set_exception(
            TargetError(
                f"the {arm.name.lower()} store ({self._builds[arm]}) ended {how} in the middle of pair {self._pair + 1}, "
                f"or after it; its last words: {output.strip() or '(nothing)'}"
            )
        )
        self.died.exception()  # whoever waits sees it; nobody waiting is no error of its own


async def launch(request: GateRequest, host: AgentLink, schedule: PairSchedule) -> Couple:
    """Fresh processes, in the schedule's order: each serves a copy of its build's data, or loads them anew. One for both
    arms, where that was asked for."""
    if request.one_process:
        (process,) = await host.launch(request.target.name, [request.variant], request.scenario, request.seed)
        return Couple(dict.fromkeys(schedule.arms, process), request.builds, host)
    variants = [request.started(arm) for arm in schedule.arms]
    apart = request.policy.mode == "duet"  # loaded at once, they must not take each other's processors
    launched = await host.launch(request.target.name, variants, request.scenario, request.seed, apart)
    return Couple(dict(zip(schedule.arms, launched, strict=True)), request.builds, host)
