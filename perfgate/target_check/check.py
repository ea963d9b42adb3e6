"""All steps of a check, in the order in which a gate comes to them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from perfgate_agent.configuration import AgentConfiguration
from perfgate_agent.host import Build, Host
from perfgate_agent.loader import NotFoundError, load_nodes
from perfgate_agent.prepare import learn
from perfgate_agent.process import LOOPBACK, StoreProcess

from perfgate.address import Address
from perfgate.dataset import Dataset
from perfgate.errors import InputError, TargetError
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.target_check.ending import copied, stopped
from perfgate.target_check.order import Order
from perfgate.target_check.probe import Prober, judge_answers
from perfgate.target_check.step import Broken, State, Step, shown_reply, shown_request
from perfgate.targets.adapter import Adapter, Finishing, Getter, Learning, NotLearned, Preparing, make_adapter
from perfgate.targets.protocol import Payload

EACH = 40
"""Requests of each operation."""
UNKNOWN = ~(1 << 40)
"""Key of a memory that nobody has stored."""
POLL_S = 0.01
SEARCHES = (Operation.EMBEDDING_SEARCH, Operation.PATTERN_COMPLETION)
Told = Callable[[Step], None]


async def check(order: Order, told: Told) -> list[Step]:
    """Tells each step as it ends, and gives them all. Never raises for what is wrong with the store."""
    steps: list[Step] = []

    def tell(step: Step) -> None:
        steps.append(step)
        told(step)

    try:
        if order.url is not None:
            await _Check(order, order.url, tell).prove()
        else:
            await _started(order, tell)
    except Broken as broken:
        tell(broken.step)
    return steps


async def _started(order: Order, tell: Told) -> None:
    """Start, prove, stop, and start again on a copy."""
    target = order.target
    configuration = AgentConfiguration("check", LOOPBACK, 0, order.directory, order.directory, 1)
    build = Build(target, order.variant, order.data.scenario, order.data.dataset)
    host = Host(configuration, order.directory / "session")
    try:
        handle, process = await _step("start", host.start(build))
        tell(Step("start", State.OK, _described(process)))
        data, address = process.start.data_dir, process.start.address
        await _Check(order, address, tell).prove()
        tell(await stopped(process, data))
        host.processes.pop(handle)
        tell(await copied(host, build, data, order))
    finally:
        await host.close()


def _described(process: StoreProcess) -> str:
    besides = process.start.besides
    second = f" and port{'s' if len(besides) > 1 else ''} {', '.join(map(str, besides))}" if besides else ""
    return f"ready after {process.start_ns / 1e9:.2f} s on {process.start.place}{second}, owned by pid {process.pid}"


async def _step(name: str, work: Awaitable[tuple[int, StoreProcess]]) -> tuple[int, StoreProcess]:
    try:
        return await work
    except (TargetError, InputError) as error:
        raise Broken(Step(name, State.FAILED, str(error))) from error


class _Check:
    """The steps on a store that runs."""

    def __init__(self, order: Order, address: Address, tell: Told) -> None:
        self._order = order
        self._data = order.data.dataset
        self._tell = tell
        self._prober = self._probing(self._data, address)

    def _probing(self, dataset: Dataset, address: Address) -> Prober:
        adapter = make_adapter(self._order.target, dataset, address.host, address.port)
        return Prober(adapter, address, self._order.timeout_s)

    @property
    def _adapter(self) -> Adapter:
        return self._prober.adapter

    async def prove(self) -> None:
        """Tells every step. Raises Broken where the rest cannot be tried."""
        await self._ready()
        await self._empty()
        async with self._watching():
            await self._load()
            await self._operations()
        await self._found_again()
        await self._unknown()
        await self._dimension()

    async def _ready(self) -> None:
        request = self._adapter.alive_request()
        try:
            status, body = await self._prober.raw(request)
        except (OSError, ValueError) as error:
            raise Broken(Step("ready", State.FAILED, str(error), shown_request(request))) from error
        sent, received = shown_request(request), shown_reply(status, body)
        if status >= 300:
            raise Broken(Step("ready", State.FAILED, f"status {status}: not ready", sent, received))
        self._tell(Step("ready", State.OK, f"status {status}", sent, received))

    async def _empty(self) -> None:
        """A store that is not told its schema yet may have nothing to count."""
        prepares = isinstance(self._adapter, Preparing) and self._adapter.preparations()
        prepares = prepares or (isinstance(self._adapter, Learning) and self._adapter.questions())
        if self._order.target.adapter == "http_get" or prepares:
            return
        request = self._adapter.encode_count()
        count, step = await self._counted("empty", request)
        if count:
            text = f"holds {count} memories before anything is loaded: data of another process, or not an empty store"
            raise Broken(Step("empty", State.FAILED, text, step.sent, step.received))
        self._tell(step)

    async def _counted(self, name: str, request: Payload) -> tuple[int, Step]:
        sent, received = shown_request(request), ""
        try:
            status, body = await self._prober.raw(request)
            received = shown_reply(status, body)
            count = self._adapter.read_count(status, body)
        except (OSError, ValueError) as error:
            raise Broken(Step(name, State.FAILED, f"cannot be counted: {error}", sent, received)) from error
        return count, Step(name, State.OK, f"{count} memories", sent, received)

    async def _load(self) -> None:
        host, number = self._order.target.host, self._data.num_nodes
        connections = host.load_connections if host is not None else 8
        sent = self._load_shown()
        try:
            async with asyncio.timeout(max(60.0, 6 * self._order.timeout_s)):
                report = await load_nodes(self._adapter, self._prober.address, number, connections)
        except NotFoundError as error:
            raise Broken(Step("load", State.FAILED, str(error), *await self._unanswered())) from error
        except (TargetError, TimeoutError) as error:
            text = str(error) or "loading did not end: the store stalls"
            raise Broken(Step("load", State.FAILED, text, sent)) from error
        steps = len(self._adapter.preparations()) if isinstance(self._adapter, Preparing) else 0
        prepared = f"{steps} preparing step{'s' if steps > 1 else ''}; " if steps else ""
        text = f"{prepared}{report.count} memories in {report.duration_ns / 1e9:.2f} s"
        if isinstance(self._adapter, Finishing) and self._adapter.finishing():
            text += f", of them {report.finish_ns / 1e9:.2f} s until what follows loading was done"
        self._tell(Step("load", State.OK, f"{text}, counted and found again", sent or self._load_shown()))

    async def _unanswered(self) -> tuple[str, str]:
        """The first question that finds nothing of what was loaded, and what came back."""
        for operation in (Operation.RECALL, *SEARCHES):
            if operation in self._adapter.operations:
                answer = await self._prober.ask(operation, 0)
                if not answer.found:
                    return answer.sent, answer.received or answer.example
        return "", ""

    def _load_shown(self) -> str:
        """A load request; nothing as long as it holds what only the store knows."""
        try:
            return shown_request(self._adapter.encode_load(0))
        except NotLearned:
            return ""

    async def _operations(self) -> None:
        nodes, queries = self._data.num_nodes, len(self._data.queries)
        for operation in Operation:
            if operation not in self._adapter.operations:
                continue
            keys = [(number * 7 % nodes, number) for number in range(EACH)]
            if operation is Operation.STORE:
                keys = [(number % len(self._data.pool), number) for number in range(EACH)]
            elif operation in SEARCHES:
                keys = [(number % queries, number) for number in range(EACH)]
            self._tell(judge_answers(operation, await self._prober.ask_all(operation, keys)))

    async def _found_again(self) -> None:
        """What was stored is counted, got by its id and found by its text."""
        if Operation.STORE not in self._adapter.operations:
            return
        count, step = await self._counted("count", self._adapter.encode_count())
        wanted = self._data.num_nodes + EACH
        if count != wanted:
            text = f"{count} memories after {wanted} were loaded and stored: some were acknowledged and dropped, or counted late"
            step = Step("count", State.FAILED, text, step.sent, step.received)
        self._tell(step)
        if isinstance(self._adapter, Getter) and (request := self._adapter.encode_get(~0)) is not None:
            self._tell(await self._get("get", request, ~0, there=True))
        if Operation.RECALL in self._adapter.operations:
            answer = await self._prober.ask(Operation.RECALL, ~0)
            good = answer.outcome is Outcome.OK and answer.found == 1
            text = "a stored memory is found by its text" if good else f"a stored memory is not found: {answer.example}"
            state = State.OK if good else State.FAILED
            self._tell(Step("store, recall", state, text, answer.sent, answer.received))

    async def _get(self, name: str, request: Payload, key: int, there: bool) -> Step:
        assert isinstance(self._adapter, Getter)
        sent, received = shown_request(request), ""
        try:
            status, body = await self._prober.raw(request)
            received = shown_reply(status, body)
            found = self._adapter.got(key, status, body)
        except (OSError, ValueError) as error:
            remedy = "" if there else "; put the status that says so into requests.get.missing"
            return Step(name, State.FAILED, f"neither there nor missing: {error}{remedy}", sent, received)
        if found is not there:
            text = "a stored memory is not there" if there else "a memory is there that nobody has stored"
            return Step(name, State.FAILED, text, sent, received)
        return Step(name, State.OK, "a stored memory is there" if there else "is told as missing", sent, received)

    async def _unknown(self) -> None:
        if isinstance(self._adapter, Getter) and (request := self._adapter.encode_get(UNKNOWN)) is not None:
            self._tell(await self._get("unknown id", request, UNKNOWN, there=False))

    async def _dimension(self) -> None:
        """A vector of another dimension must be refused."""
        prober = self._probing(self._order.data.other, self._prober.address)
        try:
            await learn(prober.adapter, self._prober.address)
        except TargetError as error:
            raise Broken(Step("wrong dimension", State.FAILED, str(error))) from error
        for operation in (Operation.STORE, *SEARCHES[:1]):
            if operation not in prober.adapter.operations:
                continue
            answer = await prober.ask(operation, 0, 1 << 20)
            name = f"wrong dimension, {operation.value}"
            if answer.outcome is Outcome.OK:
                text = "is accepted: data of another dimension would not be noticed"
                self._tell(Step(name, State.WARNING, text, answer.sent, answer.received))
            else:
                label = answer.outcome.label if answer.outcome is not None else answer.example
                state = State.OK if answer.outcome is not None else State.WARNING
                self._tell(Step(name, state, f"is refused: {label}", answer.sent, answer.received))

    @contextlib.asynccontextmanager
    async def _watching(self) -> AsyncIterator[None]:
        """Whether readiness says the same under load."""
        said: list[int] = []
        request = self._adapter.alive_request()

        async def poll() -> None:
            while True:
                with contextlib.suppress(OSError, ValueError):
                    said.append((await self._prober.raw(request))[0])
                await asyncio.sleep(POLL_S)

        task = asyncio.ensure_future(poll())
        try:
            yield
        finally:
            task.cancel()
        bad = [status for status in said if status >= 300]
        if bad:
            text = (
                f"said {bad[0]} in {len(bad)} of {len(said)} polls under load: it does not say whether the store is ready; "
                "take another path for requests.health"
            )
            self._tell(Step("health under load", State.FAILED, text, shown_request(request)))
        else:
            self._tell(Step("health under load", State.OK, f"{len(said)} polls, all ready", shown_request(request)))
