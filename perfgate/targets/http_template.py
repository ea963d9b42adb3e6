"""Any HTTP store, described by a target file: requests from templates, replies read along paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import orjson

from perfgate.dataset import Dataset
from perfgate.errors import InputError
from perfgate.operation import OPERATIONS, Operation
from perfgate.outcome import Outcome
from perfgate.requests import Requests
from perfgate.targets import pieces
from perfgate.targets.adapter import GOOD, Judgement, LastStep, NotLearned, Shape, wrong_answer
from perfgate.targets.http_steps import Steps
from perfgate.targets.ids import Ids
from perfgate.targets.model import Target
from perfgate.targets.pieces import Bytes, Encode, Name, Part, Scalar, Source
from perfgate.targets.reply_reader import ReplyReader
from perfgate.targets.requests_model import RequestSpec, content_type

WITH_BODY = ("POST", "PUT", "PATCH")


class HttpTemplateAdapter:
    """Each request was cut into pieces when the adapter was made, once for each memory space; see `pieces`."""

    def __init__(self, target: Target, dataset: Dataset, host: str, port: int) -> None:
        assert target.requests is not None
        self.operations = target.operations
        self._dataset = dataset
        self._options = target.options
        self._host = f"{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
        self._k = int(target.options["k"])
        self._specs = target.requests.named
        self._ids = Ids(target.requests.id_form)
        self._readers = {name: ReplyReader(name, spec) for name, spec in self._specs.items()}
        self._by_operation = {one: self._readers[one.value] for one in self.operations}
        self._learned: list[dict[str, Scalar]] = [{} for _ in range(dataset.spaces)]
        told = {name for spec in target.requests.learn if names_space(spec) for name in spec.take}
        self._of_a_space = frozenset(("space", *told))
        self._prepare = self._steps("prepare", target.requests.prepare)
        self._learn = self._steps("learn", target.requests.learn)
        self._finish = self._steps("finish", target.requests.finish)
        self._encode: dict[Operation, Encode] = {}
        self._load: Callable[[Sequence[int]], bytes] = _not_learned
        self._get: Encode | None = None
        if not self._learn.each:
            self._compile_all()

    def _compile_all(self) -> None:
        """Once everything is known that stands in the requests."""
        self._encode = {one: self._encoder(one) for one in self.operations}
        self._load = self._loading()
        self._get = self._one("get", {"id": self._id}) if "get" in self._specs else None

    def encode(self, operation: Operation, key: int, index: int) -> bytes:
        return self._encode[operation](key, index)

    def encode_each(self, block: Requests) -> Iterator[bytes]:
        """One after the other, so that there is never more than one in memory."""
        table = {code: self._encode[one] for code, one in enumerate(OPERATIONS) if one in self._encode}
        rows = zip(block.operation.tolist(), block.key.tolist(), block.index.tolist(), strict=True)
        return (table[code](key, index) for code, key, index in rows)

    def judge(self, operation: Operation, key: int, index: int, status: int, body: bytes, deep: bool) -> Judgement:
        reader = self._by_operation[operation]
        if status not in reader.success:
            return reader.failure(status, body)
        if not deep:
            return GOOD if reader.looks_right(body) else wrong_answer(operation, "no JSON of the wanted form", body)
        if not reader.looks_into:
            return GOOD
        try:
            reply = orjson.loads(body)
            if (failed := reader.error_in(reply, status, body)) is not None:
                return failed
            ids = reader.ids(reply)
        except ValueError as error:
            return wrong_answer(operation, str(error), body)
        if operation is Operation.STORE:
            return GOOD
        if not ids:
            return wrong_answer(operation, "no results", body)
        wanted = self._wanted(operation, key)
        return Judgement(Outcome.OK, found=len(wanted.intersection(ids[: self._k])), expected=len(wanted))

    def shape(self, operation: Operation) -> Shape:
        reader = self._by_operation[operation]
        return Shape(reader.usual, reader.first)

    def encode_load(self, node: int) -> bytes:
        return self._load([node])

    @property
    def load_batch(self) -> int:
        """How many memories a load request may hold. Requests that name their memory space hold those of one."""
        spec = self._load_spec
        apart = self._dataset.spaces > 1 and self._goes_to_a_space(spec)
        return 1 if apart else spec.batch

    def encode_load_batch(self, nodes: Sequence[int]) -> bytes | None:
        return self._load(nodes) if self.load_batch > 1 else None

    def loaded(self, status: int, body: bytes) -> str:
        return self._readers["load" if "load" in self._readers else "store"].problem(status, body)

    def encode_count(self) -> bytes:
        spec = self._specs["count"]
        if self._dataset.spaces > 1 and self._goes_to_a_space(spec):
            raise InputError(
                f"requests.count names {{space}}, or what is learned of one, but the scenario has data.memory_spaces = "
                f"{self._dataset.spaces}: one request must count them all; leave {{space}} out and let count reach all of them"
            )
        return self._one("count", {})(0, 0)

    def read_count(self, status: int, body: bytes) -> int:
        return self._readers["count"].count(status, body)

    def alive_request(self) -> bytes:
        return self._one("health", {})(0, 0)

    def preparations(self) -> list[bytes]:
        """Of `[[prepare]]`, in order; a step that names {space} once for each."""
        return self._encoded(self._prepare)

    def prepared(self, number: int, status: int, body: bytes) -> str:
        """Empty when preparation `number` succeeded, otherwise what the store said."""
        return self._prepare.problem(number, status, body)

    def questions(self) -> list[bytes]:
        """Of `[[learn]]`, in order."""
        return self._encoded(self._learn)

    def learn(self, number: int, status: int, body: bytes) -> None:
        """Take what the reply to question `number` says into the requests. Raises ValueError for one that does not."""
        spec, space = self._learn.each[number]
        taken = self._learn.taken(number, status, body)
        for known in [self._learned[space]] if self._goes_to_a_space(spec) else self._learned:
            known.update(taken)
        if number == len(self._learn.each) - 1:
            self._compile_all()

    def finishing(self) -> list[LastStep]:
        """Of `[[finish]]`, in order."""
        requests = self._encoded(self._finish)
        return [LastStep(one, spec.timeout_ns) for one, (spec, _) in zip(requests, self._finish.each, strict=True)]

    def finished(self, number: int, status: int, body: bytes) -> str:
        """Empty when step `number` holds, otherwise what does not yet. Raises ValueError for a failure."""
        return self._finish.awaited(number, status, body, self._dataset.num_nodes)

    def encode_get(self, key: int) -> bytes | None:
        """Ask for one memory by its id; key as of a recall. None where the target has no such request."""
        return self._get(key, 0) if self._get is not None else None

    def got(self, key: int, status: int, body: bytes) -> bool:
        """Whether it is there. Raises ValueError for a reply that says neither."""
        return self._readers["get"].got(self._ids.of(key), status, body)

    def _wanted(self, operation: Operation, key: int) -> set[str]:
        if operation is Operation.RECALL:
            return {self._ids.of(key)}
        truth: list[int] = self._dataset.truth[key][: self._k].tolist()
        return {self._ids.node(node) for node in truth if node >= 0}

    def _encoder(self, operation: Operation) -> Encode:
        data, ids = self._dataset, self._ids
        if operation is Operation.STORE:
            sources: dict[str, Source] = {
                "id": lambda key, index: ids.stored(index).encode(),
                "text": lambda key, index: data.pool_text(index),
                "vector": lambda key, index: data.encoded_pool(key),
            }
            return self._by_space("store", sources, data.space)
        if operation is Operation.RECALL:
            recall: dict[str, Source] = {"text": lambda key, index: data.recall_text(key), "id": self._id}
            return self._by_space("recall", recall, data.recall_space)
        search: dict[str, Source] = {"vector": lambda key, index: data.encoded_query(key)}
        return self._by_space(operation.value, search, data.space)

    def _id(self, key: int, index: int) -> Bytes:
        return self._ids.of(key).encode()

    def _one(self, name: str, sources: Mapping[str, Source]) -> Encode:
        return self._by_space(name, sources, self._dataset.recall_space)

    def _by_space(self, name: str, sources: Mapping[str, Source], space: Callable[[int], int]) -> Encode:
        each = [self._compile(self._specs[name], sources, number) for number in range(self._dataset.spaces)]
        if len(each) == 1:
            return each[0]
        return lambda key, index: each[space(key)](key, index)

    @property
    def _load_spec(self) -> RequestSpec:
        return self._specs["load"] if "load" in self._specs else self._specs["store"]

    def _loading(self) -> Callable[[Sequence[int]], bytes]:
        data, ids, spec = self._dataset, self._ids, self._load_spec
        sources: dict[str, Source] = {
            "id": lambda node, index: ids.node(node).encode(),
            "text": lambda node, index: data.text(node),
            "vector": lambda node, index: data.encoded_node(node),
        }
        if not spec.columns:
            each = [self._compile(spec, sources, number) for number in range(data.spaces)]
            return lambda nodes: each[data.space(nodes[0])](nodes[0], 0)
        batch: list[int] = []  # of the request that is being made
        joined = {name: self._column(spec, text, sources, batch) for name, text in spec.columns.items()}
        whole = [self._compile(spec, joined, number) for number in range(data.spaces)]

        def load(nodes: Sequence[int]) -> bytes:
            batch[:] = nodes
            return whole[data.space(nodes[0])](nodes[0], 0)

        return load

    def _column(self, spec: RequestSpec, text: str, sources: Mapping[str, Source], batch: Sequence[int]) -> Source:
        """What of each memory of the batch is written at one place."""
        data, separator = self._dataset, spec.separator.encode()
        each = [
            pieces.encoder(pieces.fill(text, self._constants(number), "json"), (), sources)
            for number in range(data.spaces)
        ]
        return lambda node, index: separator.join(each[data.space(one)](one, 0) for one in batch)

    def _constants(self, space: int) -> Mapping[str, Scalar]:
        name = str(self._options["space"])
        named = name if self._dataset.spaces == 1 else f"{name}-{space}"
        known: dict[str, Scalar] = {"space": named, "dim": self._dataset.dim, "nodes": self._dataset.num_nodes}
        return {**self._options, **self._learned[space], **known}

    def _goes_to_a_space(self, spec: RequestSpec) -> bool:
        """Whether the request itself, and not an item in it, goes to one memory space."""
        texts = (spec.path, spec.body, *spec.headers.values())
        return any(not self._of_a_space.isdisjoint(pieces.names(text)) for text in texts)

    def _steps(self, name: str, specs: Sequence[RequestSpec]) -> Steps:
        return Steps(name, specs, self._dataset.spaces, self._goes_to_a_space)

    def _encoded(self, steps: Steps) -> list[bytes]:
        """After loading, {text} and {vector} are those of the space's first query."""
        data = self._dataset
        sources: dict[str, Source] = {
            "text": lambda key, index: data.recall_text(key),
            "vector": lambda key, index: data.encoded_query(key),
        }
        return [self._compile(spec, sources, space)(space, 0) for spec, space in steps.each]

    def _compile(self, spec: RequestSpec, sources: Mapping[str, Source], space: int) -> Encode:
        """The request to one memory space. Raises NotLearned where it holds what is not known yet."""
        constants = self._constants(space)
        kind = content_type(spec)
        head: list[Part] = [
            f"{spec.method} ".encode(), *pieces.fill_path(spec.path, constants), b" HTTP/1.1\r\n",
            f"Host: {self._host}\r\n".encode(),
        ]  # fmt: skip
        for name, value in spec.headers.items():
            head += [f"{name}: ".encode(), *pieces.fill(value, constants, "plain"), b"\r\n"]
        if spec.body:
            if not any(name.lower() == "content-type" for name in spec.headers):
                head.append(f"Content-Type: {kind}\r\n".encode())
            head.append(b"Content-Length: ")
        else:
            head.append(b"Content-Length: 0\r\n\r\n" if spec.method in WITH_BODY else b"\r\n")
        body = pieces.fill(spec.body, constants, "query" if kind == pieces.FORM else "json")
        if any(isinstance(part, Name) and part.text not in sources for part in (*head, *body)):
            _not_learned(())
        return pieces.encoder(head, body, sources)


def _not_learned(nodes: Sequence[int]) -> bytes:
    raise NotLearned("the requests hold what only the store knows, and it has not been asked: [[learn]] comes first")


def names_space(spec: RequestSpec) -> bool:
    """Whether the request itself, and not an item in it, says which memory space it goes to."""
    return any("space" in pieces.names(part) for part in (spec.path, spec.body, *spec.headers.values()))
