from __future__ import annotations

import multiprocessing
import tracemalloc
from pathlib import Path

import numpy as np
import orjson
import pytest
from dataset_values import scenario
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from perfgate.dataset import Dataset, DatasetCancelled, build_dataset
from perfgate.dataset import build as build_module
from perfgate.dataset.geometry import across, lift_squared, place, shared_axis
from perfgate.dataset.streams import BLOCK_ROWS
from perfgate.dataset.truth import exact_nearest
from perfgate.dataset.vectors import VectorMaker
from perfgate.errors import InputError
from perfgate.scenario.model import DataSpec, EmbeddingSpec

KINDS = [
    EmbeddingSpec(),
    EmbeddingSpec(kind="clustered", num_clusters=7),
    EmbeddingSpec(kind="clustered", num_clusters=3, std_dev=0.02),
    EmbeddingSpec(kind="hot_spot", share=0.8),
]


def made(tmp_path: Path, **data: object) -> Dataset:
    return build_dataset(scenario(**data), 7, tmp_path, store_pool=300, num_queries=50)  # type: ignore[arg-type]


def naive_truth(dataset: Dataset) -> NDArray[np.int64]:
    """All cosines in float64, sorted: the oracle."""
    rows = []
    for number, query in enumerate(np.asarray(dataset.queries, np.float64)):
        nodes = np.asarray(dataset.nodes, np.float64)
        cosine = nodes @ query / np.linalg.norm(nodes, axis=1) / np.linalg.norm(query)
        cosine[np.arange(len(nodes)) % dataset.spaces != number % dataset.spaces] = -np.inf
        rows.append(np.lexsort((np.arange(len(nodes)), -cosine))[:10])
    return np.array(rows)


@pytest.mark.parametrize("embedding", KINDS, ids=lambda spec: spec.kind)
def test_truth_is_what_brute_force_finds(tmp_path: Path, embedding: EmbeddingSpec) -> None:
    dataset = made(tmp_path, embedding=embedding)
    np.testing.assert_array_equal(dataset.truth, naive_truth(dataset))


@pytest.mark.parametrize("embedding", KINDS, ids=lambda spec: spec.kind)
def test_no_pool_vector_is_as_near_to_a_query_as_its_tenth_neighbour(tmp_path: Path, embedding: EmbeddingSpec) -> None:
    for num_nodes in (12, 500, 2_000):
        dataset = made(tmp_path, num_nodes=num_nodes, embedding=embedding)
        tenth = np.einsum("ij,ij->i", dataset.queries, dataset.nodes[dataset.truth[:, 9]])
        assert np.all((dataset.queries @ dataset.pool.T).max(axis=1) < tenth)


@given(seed=st.integers(0, 2**32), lift=st.sampled_from([lift_squared(10), lift_squared(10_000)]))
def test_the_shared_component_keeps_the_order_among_nodes(seed: int, lift: float) -> None:
    raw = np.random.default_rng(seed).standard_normal((40, 12)).astype(np.float32)
    axis = shared_axis(12, seed)
    flat, lifted = across(raw, axis), place(raw, axis, lift**0.5)
    expected = (flat[1:] @ flat[0] + lift) / (1 + lift)
    np.testing.assert_allclose(lifted[1:] @ lifted[0], expected, atol=2e-4)


def test_truth_stays_inside_a_query_s_memory_space(tmp_path: Path) -> None:
    dataset = made(tmp_path, num_nodes=301, memory_spaces=3)
    np.testing.assert_array_equal(dataset.truth, naive_truth(dataset))
    assert all({dataset.space(int(node)) for node in row} == {dataset.space(q)} for q, row in enumerate(dataset.truth))


def test_a_space_of_few_nodes_has_its_truth_filled_up_with_minus_one(tmp_path: Path) -> None:
    dataset = made(tmp_path, num_nodes=7)
    assert np.all(np.sort(dataset.truth[:, :7], axis=1) == np.arange(7))
    assert np.all(dataset.truth[:, 7:] == -1)


def test_truth_does_not_depend_on_the_blocks() -> None:
    rng = np.random.default_rng(3)
    nodes, queries = rng.standard_normal((700, 8), np.float32), rng.standard_normal((30, 8), np.float32)

    def by(size: int) -> NDArray[np.int32]:
        blocks = [(start, nodes[start : start + size]) for start in range(0, 700, size)]
        return exact_nearest(queries, lambda: blocks, 700)

    for size in (3, 64, 700):
        np.testing.assert_array_equal(by(size), by(100))


def test_of_equally_near_nodes_the_lower_numbers_are_the_truth() -> None:
    nodes = np.repeat(np.eye(3, dtype=np.float32), 20, axis=0)
    truth = exact_nearest(np.eye(3, dtype=np.float32)[1:2], lambda: [(0, nodes[:33]), (33, nodes[33:])], 60)
    assert truth[0].tolist() == list(range(20, 30))


@pytest.mark.parametrize("embedding", KINDS, ids=lambda spec: spec.kind)
def test_vectors_have_length_one_and_five_decimals(tmp_path: Path, embedding: EmbeddingSpec) -> None:
    dataset = made(tmp_path, embedding=embedding)
    for vectors in (dataset.nodes, dataset.queries, dataset.pool):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-4)
        steps = np.rint(vectors.astype(np.float64) * 1e5)
        np.testing.assert_array_equal((steps / 1e5).astype(np.float32), vectors)


def test_encoded_vectors_parse_to_exactly_the_vectors(tmp_path: Path) -> None:
    dataset = made(tmp_path, num_nodes=BLOCK_ROWS + 5, dim=5)
    for node in (0, 1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 4):
        numbers = orjson.loads(dataset.encoded_node(node))
        np.testing.assert_array_equal(np.array(numbers, np.float32), dataset.nodes[node])
    np.testing.assert_array_equal(np.array(orjson.loads(dataset.encoded_pool(299)), np.float32), dataset.pool[299])
    np.testing.assert_array_equal(np.array(orjson.loads(dataset.encoded_query(49)), np.float32), dataset.queries[49])
    assert b"-0.0," not in bytes(dataset.encoded_node(0)) + b","
    with pytest.raises(IndexError):
        dataset.encoded_node(BLOCK_ROWS + 5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**64 - 1), embedding=st.sampled_from(KINDS))
def test_the_same_seed_gives_the_same_data_and_another_seed_other_data(
    tmp_path_factory: pytest.TempPathFactory, seed: int, embedding: EmbeddingSpec
) -> None:
    def build(number: int) -> Dataset:
        cache = tmp_path_factory.mktemp("cache")
        return build_dataset(scenario(60, 6, embedding), number, cache, store_pool=20, num_queries=10)

    one, same, other = build(seed), build(seed), build(seed ^ 1)
    for name in ("nodes", "queries", "pool", "truth"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    assert one.text(3) == same.text(3)
    assert one.directory.name == same.directory.name != other.directory.name
    assert not np.array_equal(one.nodes, other.nodes)


@pytest.mark.parametrize("embedding", KINDS, ids=lambda spec: spec.kind)
def test_a_block_can_be_made_alone_and_more_nodes_don_t_change_the_first(embedding: EmbeddingSpec) -> None:
    few = VectorMaker(DataSpec(BLOCK_ROWS + 100, 8, 1, embedding), 5)
    many = VectorMaker(DataSpec(BLOCK_ROWS + 900, 8, 1, embedding), 5)
    short = few.nodes(BLOCK_ROWS, BLOCK_ROWS + 100)
    few.nodes(0, BLOCK_ROWS)
    np.testing.assert_array_equal(short, few.nodes(BLOCK_ROWS, BLOCK_ROWS + 100))
    np.testing.assert_array_equal(short, many.nodes(BLOCK_ROWS, BLOCK_ROWS + 900)[:100])


def test_building_needs_memory_for_blocks_and_not_for_the_data(tmp_path: Path) -> None:
    peaks = []
    for num_nodes in (2 * BLOCK_ROWS, 8 * BLOCK_ROWS):
        tracemalloc.start()
        build_dataset(scenario(num_nodes, 16), 1, tmp_path, store_pool=10, num_queries=10)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_second_build_takes_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = made(tmp_path)
    monkeypatch.setattr(build_module, "_build_into", lambda *rest: pytest.fail("built again"))
    np.testing.assert_array_equal(first.nodes, made(tmp_path).nodes)


def test_a_truncated_cache_is_built_anew(tmp_path: Path) -> None:
    first = made(tmp_path)
    wanted = np.array(first.nodes)
    (first.directory / "nodes.npy").write_bytes(b"short")
    np.testing.assert_array_equal(made(tmp_path).nodes, wanted)


def test_what_a_killed_builder_left_is_never_used(tmp_path: Path) -> None:
    name = build_module.dataset_key(scenario().data, 7, 300, 50)
    (tmp_path / f"{name}.building").mkdir()
    (tmp_path / f"{name}.building" / "nodes.npy").write_bytes(b"half")
    dataset = made(tmp_path)
    assert len(dataset.nodes) == 500
    assert not (tmp_path / f"{name}.building").exists()


def _build_and_sum(cache: Path, results: multiprocessing.Queue[float]) -> None:
    dataset = build_dataset(scenario(3_000, 32), 7, cache, store_pool=300, num_queries=50)
    results.put(float(dataset.nodes.sum(dtype=np.float64)))


def test_builders_at_the_same_time_end_with_the_same_data(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    builders = [context.Process(target=_build_and_sum, args=(tmp_path, results)) for _ in range(3)]
    for builder in builders:
        builder.start()
    sums = {results.get(timeout=60) for _ in builders}
    for builder in builders:
        builder.join()
    assert len(sums) == 1
    assert len([entry for entry in tmp_path.iterdir() if entry.is_dir()]) == 1


def test_cancelling_leaves_nothing_half_built(tmp_path: Path) -> None:
    with pytest.raises(DatasetCancelled):
        build_dataset(scenario(), 7, tmp_path, 300, 50, cancelled=lambda: True)
    assert not [entry for entry in tmp_path.iterdir() if entry.is_dir()]


def test_progress_names_phases_and_reaches_the_whole_of_each(tmp_path: Path) -> None:
    seen: dict[str, float] = {}
    build_dataset(scenario(), 7, tmp_path, 300, 50, progress=seen.__setitem__)
    assert seen["making nodes"] == 1
    assert seen["finding the exact answers"] == 1
    assert all(0 <= fraction <= 1 for fraction in seen.values())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"dim": 2}, "data.embedding_dim 2"),
        ({"num_nodes": 3, "memory_spaces": 4}, "data.memory_spaces 4"),
        ({"embedding": EmbeddingSpec(kind="unifrom")}, "unifrom"),
        ({"embedding": EmbeddingSpec(kind="file")}, "embedding_distribution.path is missing"),
        ({"num_nodes": 10**12}, "GB free"),
    ],
)
def test_data_that_can_t_be_made_are_refused_by_name(tmp_path: Path, data: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        made(tmp_path, **data)


def test_a_cache_that_cannot_be_made_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file.cache: Not a directory; name a directory .* in PERFGATE_CACHE"):
        build_dataset(scenario(), 7, tmp_path / "file" / "cache", 300, 50)
