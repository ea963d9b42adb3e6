from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_values import scenario
from numpy.typing import NDArray

from perfgate.dataset import Dataset, build_dataset
from perfgate.dataset.geometry import across, shared_axis
from perfgate.dataset.vector_file import VectorFile
from perfgate.errors import InputError
from perfgate.scenario.model import EmbeddingSpec

DIM = 32
ROWS = 300


def real_vectors() -> NDArray[np.float32]:
    """Something like real embeddings: few directions carry most of the variance, neighbours at all distances."""
    rng = np.random.default_rng(11)
    scale = np.arange(1, DIM + 1) ** -0.7
    topics = rng.standard_normal((20, DIM)) * scale
    vectors = topics[rng.integers(0, 20, ROWS)] + 0.6 * rng.standard_normal((ROWS, DIM)) * scale
    return vectors.astype(np.float32)


def built(tmp_path: Path, path: Path, num_nodes: int, std_dev: float | None = None) -> Dataset:
    spec = EmbeddingSpec(kind="file", path=str(path), std_dev=std_dev)
    return build_dataset(scenario(num_nodes, DIM, spec), 7, tmp_path / "cache", store_pool=200, num_queries=100)


def nearest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosine of each row to its nearest other row, without the shared component."""
    flat = across(np.asarray(vectors), shared_axis(DIM, 7))
    cosine = flat @ flat.T
    np.fill_diagonal(cosine, -1)
    return cosine.max(axis=1)


def save_fvecs(path: Path, vectors: NDArray[np.float32]) -> None:
    heads = np.full((len(vectors), 1), vectors.shape[1], "<i4")
    np.hstack([heads, vectors.astype("<f4").view("<i4")]).tofile(path)


@pytest.mark.parametrize("copies", [2, 10])
def test_resampled_nodes_are_as_near_to_their_neighbours_as_the_real_ones(tmp_path: Path, copies: int) -> None:
    np.save(tmp_path / "real.npy", real_vectors())
    dataset = built(tmp_path, tmp_path / "real.npy", copies * ROWS)
    levels = [0.1, 0.25, 0.5, 0.75, 0.9]
    made, real = np.quantile(nearest(dataset.nodes), levels), np.quantile(nearest(real_vectors()), levels)
    np.testing.assert_allclose(made, real, atol=0.05)


def test_queries_are_as_near_to_their_nodes_as_real_neighbours(tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", real_vectors())
    dataset = built(tmp_path, tmp_path / "real.npy", 10 * ROWS)
    axis = shared_axis(DIM, 7)
    cosine = (across(np.array(dataset.queries), axis) @ across(np.array(dataset.nodes), axis).T).max(axis=1)
    assert abs(np.median(cosine) - np.median(nearest(real_vectors()))) < 0.1
    assert cosine.max() < 0.9999


def test_no_more_nodes_than_vectors_are_the_file_s_own(tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", real_vectors())
    dataset = built(tmp_path, tmp_path / "real.npy", ROWS)
    axis = shared_axis(DIM, 7)
    cosine = across(np.array(dataset.nodes), axis) @ across(real_vectors(), axis).T
    assert sorted(cosine.argmax(axis=1)) == list(range(ROWS))
    np.testing.assert_allclose(cosine.max(axis=1), 1, atol=1e-3)


def test_fvecs_and_npy_of_the_same_vectors_give_the_same_nodes(tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", real_vectors())
    save_fvecs(tmp_path / "real.fvecs", real_vectors())
    one, other = (built(tmp_path, tmp_path / name, 400) for name in ("real.npy", "real.fvecs"))
    np.testing.assert_array_equal(one.nodes, other.nodes)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_file_of_any_float_type_is_read(tmp_path: Path, dtype: type[np.floating]) -> None:
    np.save(tmp_path / "real.npy", real_vectors().astype(dtype))
    file = VectorFile(str(tmp_path / "real.npy"), DIM)
    rows = np.array([7, 299, 0, 7])
    np.testing.assert_array_equal(file.read(rows), real_vectors().astype(dtype).astype(np.float32)[rows])
    np.testing.assert_array_equal(file.read(slice(290, 400)), file.read(np.arange(290, 300)))


def test_a_file_counts_by_its_content(tmp_path: Path) -> None:
    np.save(tmp_path / "real.npy", real_vectors())
    np.save(tmp_path / "copy.npy", real_vectors())
    first = built(tmp_path, tmp_path / "real.npy", 400).directory
    assert built(tmp_path, tmp_path / "copy.npy", 400).directory == first
    np.save(tmp_path / "real.npy", real_vectors()[::-1])
    assert built(tmp_path, tmp_path / "real.npy", 400).directory != first


def test_std_dev_is_the_jitter_of_a_coordinate(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.eye(1, DIM, dtype=np.float32))
    dataset = built(tmp_path, tmp_path / "one.npy", 2_000, std_dev=0.1)
    flat = across(np.array(dataset.nodes), shared_axis(DIM, 7))
    # x = e + noise on 31 free coordinates: cos(e, x) is 1 / sqrt(1 + 31 · 0.1²), about
    assert np.median(flat[1:] @ flat[0]) == pytest.approx((1 + 31 * 0.1**2) ** -0.5, abs=0.03)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.npy", None, "no such file|No such file"),
        ("wrong.txt", b"1 2 3", r"write the vectors as .npy or .fvecs"),
        ("broken.npy", b"not numpy", "not a readable .npy"),
        ("flat.npy", np.ones(DIM, np.float32), "2-D array of floats"),
        ("whole.npy", np.ones((4, DIM), np.int64), "2-D array of floats"),
        ("fortran.npy", np.asfortranarray(real_vectors()), "in C order"),
        ("narrow.npy", np.ones((4, 8), np.float32), "write embedding_dim = 8"),
        ("nan.npy", np.full((4, DIM), np.nan, np.float32), "vector 0 holds NaN"),
        ("zero.npy", np.eye(5, DIM, k=-1, dtype=np.float32), "vector 0 is all zeros"),
        ("short.fvecs", np.full(DIM + 9, DIM, "<i4").tobytes(), "ends inside a vector"),
        (
            "mixed.fvecs",
            np.full(2 * (DIM + 1), DIM, "<i4").tobytes()[: 4 * (DIM + 1)] + bytes(4 * (DIM + 1)),
            "vector 1",
        ),
    ],
)
def test_a_file_that_can_t_be_used_is_refused_with_the_remedy(
    tmp_path: Path, name: str, content: NDArray[np.float32] | bytes | None, message: str
) -> None:
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif content is not None:
        np.save(tmp_path / name, content)
    with pytest.raises(InputError, match=message) as refused:
        built(tmp_path, tmp_path / name, 10)
    assert "data.embedding_distribution.path" in str(refused.value)
    assert name in str(refused.value)
