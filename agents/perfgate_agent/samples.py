"""Whether a store finds what it holds: asked before anything is measured."""

from __future__ import annotations

from perfgate.address import Address
from perfgate.errors import TargetError
from perfgate.operation import Operation
from perfgate.outcome import Outcome
from perfgate.targets.adapter import Adapter
from perfgate_agent.ask import ask

SAMPLES = 10
LEAST_SHARE = 0.25
"""Of the nearest memories: less than any index that is searched finds, more than other data do by chance."""
REQUEST_S = 60.0


async def find_samples(adapter: Adapter, address: Address, num_nodes: int) -> str:
    """Empty when enough is found: half of some memories by their text, and a quarter of the nearest to some queries.
    Otherwise what is not. How many answers a build gets right is for the gate to compare; that it gets few right is
    a broken set-up, such as a store that does not read its index back from a copied directory.

    Raises TargetError when it does not answer.
    """
    asker = _Asker(adapter, address)
    if Operation.RECALL in adapter.operations:
        lost = []
        for number in range(SAMPLES):
            node = number * (num_nodes - 1) // (SAMPLES - 1)
            hit, _, example = await asker.ask(Operation.RECALL, node)
            if not hit:
                lost.append(f"memory {node} of {num_nodes} is not found by its text: {example}")
        if len(lost) > SAMPLES // 2:
            return lost[0] + asker.alike
    if Operation.EMBEDDING_SEARCH in adapter.operations:
        answers = [await asker.ask(Operation.EMBEDDING_SEARCH, query) for query in range(min(SAMPLES, num_nodes))]
        found, expected = sum(answer[0] for answer in answers), sum(answer[1] for answer in answers)
        if found < LEAST_SHARE * expected:
            return f"embedding searches find {found} of {expected} nearest memories: {answers[0][2]}{asker.alike}"
    return ""


class _Asker:
    def __init__(self, adapter: Adapter, address: Address) -> None:
        self._adapter = adapter
        self._address = address
        self._bodies: list[bytes] = []

    @property
    def alike(self) -> str:
        """What to add where every reply was the same."""
        if len(self._bodies) < 2 or len(set(self._bodies)) > 1:
            return ""
        return "; it gives the same answer whatever is asked (a tier that ignores the query? is confidence too low?)"

    async def ask(self, operation: Operation, key: int) -> tuple[int, int, str]:
        """(found, expected, why so few)."""
        request = self._adapter.encode(operation, key, 0)
        try:
            status, body = await ask(self._adapter, self._address, request, REQUEST_S)
        except (OSError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise TargetError(
                f"the store at {self._address} stopped answering {operation.value} before the run: {reason}"
            ) from error
        judged = self._adapter.judge(operation, key, 0, status, body, deep=True)
        if judged.outcome is not Outcome.OK:
            return 0, 1, judged.example
        self._bodies.append(body)
        return judged.found, judged.expected, judged.example or "other memories came back"
