"""Makes a dataset, or finds it in the cache."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

import numpy as np
import orjson
from numpy.typing import NDArray

from perfgate.dataset.dataset import Dataset
from perfgate.dataset.encoding import EncodedVectors, write_encoded
from perfgate.dataset.matrix_file import MatrixWriter, read_blocks, read_rows
from perfgate.dataset.streams import BLOCK_ROWS, block_bounds
from perfgate.dataset.texts import Texts
from perfgate.dataset.truth import TRUTH_K, exact_nearest
from perfgate.dataset.vectors import VectorMaker
from perfgate.errors import InputError, PerfgateError
from perfgate.scenario.model import DataSpec, Scenario

FORMAT = 1
"""Raise it whenever the same specification gives other files."""

_JSON_BYTES = 9  # at most, of one coordinate with its comma: -0.12345,
_POLL_S = 0.05
_COMPLETE = "complete.json"

Progress = Callable[[str, float], None]


class DatasetCancelled(PerfgateError):
    """The caller's cancelled() said so; nothing half-built is left behind."""


def build_dataset(
    scenario: Scenario,
    seed: int,
    cache_dir: Path,
    store_pool: int,
    num_queries: int,
    progress: Progress | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Dataset:
    """The dataset of scenario.data and seed: from cache_dir if it is there, else built.

    The directory's name is a hash of all that the content depends on. It is built under another name and renamed into
    place, by one builder at a time (others wait for it), so a half-built one is never used. progress(phase, fraction)
    is called now and then. Raises InputError for data that can't be made, DatasetCancelled.
    """
    data = scenario.data
    _check(data, store_pool, num_queries)
    report = _Reporter(progress or (lambda phase, fraction: None), cancelled or (lambda: False))
    key = dataset_key(data, seed, store_pool, num_queries)
    final = cache_dir / key
    if not _is_complete(final):
        _make_writable(cache_dir)
        with _only_builder(cache_dir / f"{key}.lock", report):
            if not _is_complete(final):
                _build_into(final, data, seed, store_pool, num_queries, report)
    return _open(final, data, seed)


def _make_writable(directory: Path) -> None:
    """Raises InputError where it cannot be, as below the home that users of services have (/nonexistent)."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not os.access(directory, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise InputError(
            f"{directory}: {error.strerror}; name a directory for data sets that can be written in PERFGATE_CACHE"
        ) from error


def dataset_key(data: DataSpec, seed: int, store_pool: int, num_queries: int) -> str:
    """32 hex digits that name the content. A file of vectors counts by what it holds, not by its name."""
    spec = asdict(data)
    if (path := data.embedding.path) is not None:
        spec["embedding"]["path"] = _digest(path)
    what = {"format": FORMAT, "data": spec, "seed": seed, "store_pool": store_pool, "num_queries": num_queries}
    return hashlib.sha256(orjson.dumps(what, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]


def _digest(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"data.embedding_distribution.path {path!r}: {error.strerror}; give the path of a .npy or .fvecs file"
        ) from None


def _check(data: DataSpec, store_pool: int, num_queries: int) -> None:
    if data.embedding_dim < 3:
        raise InputError(f"data.embedding_dim {data.embedding_dim} is too small: write at least 3")
    if data.num_nodes < 1:
        raise InputError(f"data.num_nodes {data.num_nodes}: write at least 1")
    if data.memory_spaces > data.num_nodes:
        raise InputError(
            f"data.memory_spaces {data.memory_spaces} is more than data.num_nodes {data.num_nodes}: "
            "every space needs a node"
        )
    if store_pool < 1 or num_queries < 1:
        raise InputError(f"a dataset needs at least 1 query and 1 vector to store (got {num_queries}, {store_pool})")


class _Reporter:
    """Tells the progress and stops the work when asked to."""

    def __init__(self, progress: Progress, cancelled: Callable[[], bool]) -> None:
        self._progress = progress
        self._cancelled = cancelled

    def __call__(self, phase: str, fraction: float) -> None:
        if self._cancelled():
            raise DatasetCancelled("the dataset was not built: cancelled")
        self._progress(phase, fraction)


@contextmanager
def _only_builder(path: Path, report: _Reporter) -> Iterator[None]:
    """Holds a file lock, which the kernel frees if we die."""
    with path.open("ab") as file:
        while not _try_lock(file):
            report("waiting for another process that builds the same data", 0.0)
            time.sleep(_POLL_S)
        yield


def _try_lock(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _build_into(final: Path, data: DataSpec, seed: int, store_pool: int, num_queries: int, report: _Reporter) -> None:
    work = final.with_name(final.name + ".building")
    for leftover in (work, final):  # of a builder that was killed; we hold the lock
        shutil.rmtree(leftover, ignore_errors=True)
    _check_space(final.parent, data, store_pool, num_queries)
    work.mkdir()
    try:
        _Builder(work, data, seed, report).build(store_pool, num_queries)
        os.rename(work, final)
    except OSError as error:
        raise PerfgateError(
            f"the dataset can't be written to {work}: {error}; choose another cache directory"
        ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _check_space(parent: Path, data: DataSpec, store_pool: int, num_queries: int) -> None:
    rows = data.num_nodes + store_pool + num_queries
    needed = rows * data.embedding_dim * (4 + _JSON_BYTES)
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise InputError(
            f"data.num_nodes {data.num_nodes} x embedding_dim {data.embedding_dim} needs {needed / 1e9:.1f} GB in "
            f"{parent}, which has {free / 1e9:.1f} GB free:"
            " free some, choose another cache directory or write fewer nodes"
        )


class _Builder:
    """Writes the files of one dataset, a block at a time; nothing as large as the data is ever in memory."""

    def __init__(self, work: Path, data: DataSpec, seed: int, report: _Reporter) -> None:
        self._work = work
        self._data = data
        self._report = report
        report("reading the data's distribution", 0.0)
        self._vectors = VectorMaker(data, seed)

    def build(self, store_pool: int, num_queries: int) -> None:
        self._write("nodes", self._vectors.nodes, self._data.num_nodes)
        self._write("pool", self._vectors.pool, store_pool)
        nodes_path = self._work / "nodes.npy"
        self._write("queries", lambda start, end: self._vectors.queries(start, end, nodes_path), num_queries)
        self._write_truth()
        self._verify_pool()
        sizes = {path.name: path.stat().st_size for path in sorted(self._work.iterdir())}
        (self._work / _COMPLETE).write_bytes(orjson.dumps(sizes))

    def _write(self, name: str, make: Callable[[int, int], NDArray[np.float32]], rows: int) -> None:
        """The matrix and its JSON texts in one pass."""

        def blocks() -> Iterator[NDArray[np.float32]]:
            for start, end in block_bounds(rows):
                block = make(start, end)
                matrix.write(block)
                yield block
                self._report(f"making {name}", end / rows)

        with MatrixWriter(self._work / f"{name}.npy", rows, self._data.embedding_dim) as matrix:
            write_encoded(self._work / f"{name}.json", blocks())

    def _write_truth(self) -> None:
        truth = exact_nearest(
            np.load(self._work / "queries.npy"),
            lambda: read_blocks(self._work / "nodes.npy", BLOCK_ROWS),
            self._data.num_nodes,
            self._data.memory_spaces,
            tick=lambda fraction: self._report("finding the exact answers", fraction),
        )
        np.save(self._work / "truth.npy", truth)

    def _verify_pool(self) -> None:
        """A sample: no pool vector is as near to a query as the query's last true neighbour."""
        queries = np.load(self._work / "queries.npy", mmap_mode="r")[:64]
        last = np.load(self._work / "truth.npy")[:64, TRUTH_K - 1]
        nodes = read_rows(self._work / "nodes.npy", np.maximum(last, 0))
        pool = np.load(self._work / "pool.npy", mmap_mode="r")[:BLOCK_ROWS]
        kth = np.where(last < 0, np.inf, np.einsum("ij,ij->i", queries, nodes))
        if np.any((queries @ pool.T).max(axis=1) >= kth):
            raise InputError(
                "data.embedding_distribution: the vectors lie so far apart that those stored during a run would be "
                "among the nearest neighbours and falsify recall@k; write more num_nodes or another distribution"
            )


def _is_complete(directory: Path) -> bool:
    """Whether the directory holds all files with the sizes they were written with."""
    try:
        sizes = orjson.loads((directory / _COMPLETE).read_bytes())
        return all((directory / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, AttributeError):
        return False


def _open(directory: Path, data: DataSpec, seed: int) -> Dataset:
    def matrix(name: str) -> NDArray[np.float32]:
        mapped: NDArray[np.float32] = np.load(directory / f"{name}.npy", mmap_mode="r")
        return mapped

    return Dataset(
        directory=directory,
        nodes=matrix("nodes"),
        queries=matrix("queries"),
        pool=matrix("pool"),
        truth=np.load(directory / "truth.npy", mmap_mode="r"),
        spaces=data.memory_spaces,
        texts=Texts(seed),
        node_json=EncodedVectors(directory / "nodes.json"),
        query_json=EncodedVectors(directory / "queries.json"),
        pool_json=EncodedVectors(directory / "pool.json"),
    )
