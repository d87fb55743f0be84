"""What functions of the array API standard give: dtypes, shapes, names of results, values and errors, compiled and not.

Most functions are NumPy's, and the tests of weft.numpy compare them with it for every dtype; here stands what the standard
says of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp

RNG = np.random.default_rng(0)
A, B, V = RNG.normal(size=(2, 3, 3)), RNG.normal(size=(3, 3)), np.array([3.0, -1.0, 2.0])
H = A @ np.swapaxes(A, -1, -2) + np.eye(3)
C = RNG.normal(size=(2, 3)) + 1j * RNG.normal(size=(2, 3))
I8 = np.array([[3, -1, 3], [2, 3, -1]], np.int8)

# A call of weft.numpy, as text in which `xp` is the namespace, and what it is to give.
CASES: dict[str, Any] = {
    # Sums of small dtypes are of the default ones; a dtype that is asked for is computed in.
    "xp.sum(xp.asarray(I8))": I8.sum(dtype=np.int64),
    "xp.prod(xp.asarray(I8, dtype=xp.uint8), axis=0)": I8.astype(np.uint8).prod(axis=0, dtype=np.uint64),
    "xp.sum(xp.asarray(V, dtype=xp.float32))": V.astype(np.float32).sum(),
    "xp.sum(xp.asarray(I8), dtype=xp.int8, keepdims=True)": np.array([[9]], np.int8),
    "xp.cumulative_sum(xp.asarray(I8), axis=1)": np.cumsum(I8, axis=1, dtype=np.int64),
    "xp.cumulative_sum(xp.asarray(V), include_initial=True)": np.array([0.0, 3.0, 2.0, 4.0]),
    "xp.cumulative_prod(xp.asarray(V), include_initial=True)": np.array([1.0, 3.0, -3.0, -6.0]),
    "xp.count_nonzero(xp.asarray([[0.0, np.nan, -0.0], [1, 2, 0]]), axis=1)": np.array([1, 2]),
    "xp.count_nonzero(xp.asarray(C), keepdims=True)": np.array([[6]]),
    "xp.var(xp.asarray(V), correction=1)": np.var(V, ddof=1),
    "xp.std(xp.asarray(A), axis=(0, -1), correction=0.5)": np.sqrt(np.var(A, axis=(0, 2)) * 6 / 5.5),
    "xp.mean(xp.asarray([], dtype=xp.float32))": np.float32(np.nan),
    "xp.prod(xp.asarray([], dtype=xp.complex64))": np.complex64(1),
    "xp.max(xp.asarray([1.0, np.nan]))": np.nan,
    "xp.any(xp.zeros((0, 2)), axis=0)": np.array([False, False]),
    # Sorting and searching.
    "xp.sort(xp.asarray(I8), axis=0, descending=True)": np.array([[3, 3, 3], [2, -1, -1]], np.int8),
    "xp.argsort(xp.asarray(I8))": np.array([[1, 0, 2], [2, 0, 1]]),
    "xp.argsort(xp.asarray(I8), descending=True)": np.array([[0, 2, 1], [1, 0, 2]]),
    "xp.argsort(xp.asarray([1, 1, 0], dtype=xp.uint8), descending=True)": np.array([0, 1, 2]),
    "xp.argmax(xp.asarray(I8), axis=1, keepdims=True)": np.array([[0], [1]]),
    "xp.searchsorted(xp.asarray([3.0, 1, 2]), xp.asarray([[2.0], [4]]), sorter=xp.asarray([1, 2, 0]))": np.array(
        [[1], [3]]
    ),
    "xp.searchsorted(xp.asarray([1, 2, 2]), xp.asarray(2), side='right')": np.array(3),
    "xp.where(xp.asarray([True, False]), xp.asarray([1, 2], dtype=xp.int8), 7)": np.array([1, 7], np.int8),
    # Elements.
    "xp.clip(xp.asarray(I8), None, 2)": np.minimum(I8, 2),
    "xp.clip(xp.asarray(V), xp.asarray([0.0]), xp.asarray([[1.0], [2.5]]))": np.clip(
        V, [0.0], [[1.0], [2.5]]
    ),
    "xp.clip(xp.asarray(V), min=0)": np.maximum(V, 0),
    "xp.clip(xp.asarray([0.0, np.nan]), 1.0, np.nan)": np.array([np.nan, np.nan]),
    "xp.reciprocal(xp.asarray([2.0, -0.0], dtype=xp.float32))": np.array([0.5, -np.inf], np.float32),
    "xp.real(xp.asarray(V))": V,
    "xp.conj(xp.asarray(V))": V,
    "xp.abs(xp.asarray(C, dtype=xp.complex64))": np.abs(C.astype(np.complex64)),
    "xp.sign(xp.asarray(C))": C / np.abs(C),
    "xp.round(xp.asarray([0.5 + 2.5j, -1.5 - 0.5j]))": np.array([2j, complex(-2, -0.0)]),
    "xp.bitwise_left_shift(xp.asarray(I8), 2)": I8 * np.int8(4),
    "xp.remainder(xp.asarray([5, -5], dtype=xp.int16), xp.asarray([-3, 3], dtype=xp.int16))": np.array(
        [-1, 1], np.int16
    ),
    "xp.pow(2, xp.asarray([1, 3], dtype=xp.uint8))": np.array([2, 8], np.uint8),
    "xp.maximum(xp.asarray(V, dtype=xp.float32), 0.0)": np.maximum(V.astype(np.float32), 0),
    "xp.nextafter(xp.asarray([0.0, 1.0]), 2.0)": np.nextafter([0.0, 1.0], 2.0),
    # Shapes.
    "xp.concat([xp.asarray(I8), xp.asarray(V)], axis=None)": np.concatenate([I8.reshape(-1), V]),
    "xp.stack((xp.asarray(V), xp.asarray(I8[0])), axis=-1)": np.stack([V, I8[0]], -1),
    "xp.unstack(xp.asarray(I8), axis=1)": [I8[:, 0], I8[:, 1], I8[:, 2]],
    "xp.repeat(xp.asarray(V), 2)": np.repeat(V, 2),
    "xp.tile(xp.asarray(I8), (2, 1, 2))": np.tile(I8, (2, 1, 2)),
    "xp.tile(xp.asarray(I8), (2,))": np.tile(I8, 2),
    "xp.roll(xp.asarray(I8), (1, -1), axis=(0, 1))": np.roll(I8, (1, -1), (0, 1)),
    "xp.squeeze(xp.ones((1, 2, 1)), (0, -1))": np.ones(2),
    "xp.broadcast_arrays(xp.asarray(V), xp.ones((2, 1)))": [np.broadcast_to(V, (2, 3)), np.ones((2, 3))],
    "xp.meshgrid(xp.asarray(V), xp.asarray([1.0, 2.0]), indexing='ij')": np.meshgrid(
        V, [1.0, 2.0], indexing="ij"
    ),
    "xp.take(xp.asarray(A), xp.asarray([-1, 0]), axis=1)": A[:, [-1, 0]],
    "xp.take_along_axis(xp.asarray(I8), xp.asarray([[0], [-1]]))": np.array([[3], [-1]], np.int8),
    "xp.diff(xp.asarray(I8), n=2, prepend=xp.asarray(I8[:, :1]))": np.diff(I8, n=2, prepend=I8[:, :1]),
    "xp.moveaxis(xp.asarray(A), (0, 1), (-1, 0))": np.moveaxis(A, (0, 1), (-1, 0)),
    "xp.reshape(xp.asarray(A), (3, -1), copy=True)": A.reshape(3, -1),
    "xp.full_like(xp.asarray(I8), 2.5, dtype=xp.float32)": np.full((2, 3), 2.5, np.float32),
    "xp.linspace(0, 1j, 3, endpoint=False)": np.array([0, 1j / 3, 2j / 3]),
    "xp.eye(2, 3, k=-1, dtype=xp.int8)": np.eye(2, 3, -1, np.int8),
    # Linear algebra.
    "xp.vecdot(xp.asarray(C), xp.asarray(C[:1]))": np.sum(np.conj(C) * C[:1], -1),
    "xp.linalg.vecdot(xp.asarray(C), xp.asarray(A[0, :2]), axis=0)": np.sum(np.conj(C) * A[0, :2], 0),
    "xp.tensordot(xp.asarray(A), xp.asarray(B), axes=((1,), (0,)))": np.tensordot(A, B, ((1,), (0,))),
    "xp.linalg.outer(xp.asarray(I8[0]), xp.asarray(V))": np.outer(I8[0], V),
    "xp.linalg.cross(xp.asarray(A), xp.asarray(V))": np.cross(A, V),
    "xp.linalg.cholesky(xp.asarray(H), upper=True)": np.swapaxes(np.linalg.cholesky(H), -1, -2),
    "xp.linalg.diagonal(xp.asarray(A), offset=1)": np.diagonal(A, 1, -2, -1),
    "xp.linalg.trace(xp.asarray(A, dtype=xp.float32), offset=-1, dtype=xp.float64)": np.trace(
        A.astype(np.float32), -1, -2, -1, np.float64
    ),
    "xp.linalg.trace(xp.asarray(I8[:, :2]))": np.array(6),
    "xp.linalg.solve(xp.asarray(A), xp.asarray(V))": np.linalg.solve(A, np.stack([V, V])[..., None])[..., 0],
    "xp.linalg.solve(xp.asarray(B), xp.asarray(A[:, :, :2]))": np.linalg.solve(B, A[:, :, :2]),
    "xp.linalg.matrix_norm(xp.asarray(C), ord='nuc', keepdims=True)": np.linalg.norm(C, "nuc", keepdims=True),
    "xp.linalg.matrix_norm(xp.asarray(A))": np.sqrt(np.sum(A * A, (-1, -2))),
    "xp.linalg.matrix_norm(xp.zeros((2, 0, 3)), ord=1)": np.zeros(2),
    "xp.linalg.matrix_norm(xp.zeros((3, 0)), ord=2)": np.array(0.0),
    "xp.linalg.vector_norm(xp.zeros((0, 2)), axis=0, ord=xp.inf)": np.zeros(2),
    "xp.linalg.vector_norm(xp.asarray(A))": np.sqrt(np.sum(A * A)),
    "xp.linalg.vector_norm(xp.asarray(C), axis=(0, 1), ord=3, keepdims=True)": np.sum(
        np.abs(C) ** 3, keepdims=True
    )
    ** (1 / 3),
    "xp.linalg.vector_norm(xp.asarray(C), ord=0, axis=0)": np.full(3, 2.0),
    "xp.linalg.matrix_rank(xp.asarray(A), rtol=1e3)": np.array([0, 0]),
    "xp.linalg.pinv(xp.asarray(A), rtol=1e-9)": np.linalg.pinv(A, 1e-9),
    "xp.linalg.matrix_power(xp.asarray(A), -2)": np.linalg.matrix_power(A, -2),
    "xp.linalg.svdvals(xp.asarray(C))": np.linalg.svd(C, compute_uv=False),
    "xp.linalg.eigvalsh(xp.asarray(H, dtype=xp.complex64))": np.linalg.eigvalsh(H.astype(np.complex64)),
    # Fourier transforms keep the precision.
    "xp.fft.rfft(xp.asarray(V, dtype=xp.float32))": np.fft.rfft(V).astype(np.complex64),
    "xp.fft.fftn(xp.asarray(C, dtype=xp.complex64), s=(2,), axes=(1,), norm='ortho')": np.fft.fftn(
        C, (2,), (1,), "ortho"
    ).astype(np.complex64),
    "xp.fft.irfft(xp.asarray(C), n=5)": np.fft.irfft(C, 5),
    "xp.fft.hfft(xp.asarray(C), n=4, norm='forward')": np.fft.hfft(C, 4, norm="forward"),
    "xp.fft.ihfft(xp.asarray(V))": np.fft.ihfft(V),
    "xp.fft.fftfreq(3, d=0.5, dtype=xp.float32)": np.fft.fftfreq(3, 0.5).astype(np.float32),
    "xp.fft.ifftshift(xp.asarray(V), axes=(0,))": np.fft.ifftshift(V),
}


def same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, list | tuple):
        assert isinstance(found, list | tuple) and len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
        return
    wanted = np.asarray(wanted)
    assert isinstance(found, weft.Array)
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    exact = wanted.dtype not in (np.float32, np.complex64)
    np.testing.assert_allclose(found, wanted, rtol=1e-9 if exact else 3e-5, atol=1e-12 if exact else 1e-6)


@pytest.mark.parametrize("call", CASES)
def test_result(call: str) -> None:
    def run() -> Any:
        return eval(call, {**globals(), "xp": wnp})

    same(run(), CASES[call])
    same(weft.jit(run)(), CASES[call])


NAMES: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "unique_all": (lambda x: wnp.unique_all(x, size=4), ("values", "indices", "inverse_indices", "counts")),
    "unique_counts": (lambda x: wnp.unique_counts(x, size=4), ("values", "counts")),
    "unique_inverse": (lambda x: wnp.unique_inverse(x, size=4), ("values", "inverse_indices")),
    "eigh": (wnp.linalg.eigh, ("eigenvalues", "eigenvectors")),
    "qr": (wnp.linalg.qr, ("Q", "R")),
    "slogdet": (wnp.linalg.slogdet, ("sign", "logabsdet")),
    "svd": (wnp.linalg.svd, ("U", "S", "Vh")),
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_results(name: str) -> None:
    function, names = NAMES[name]
    for run in (function, weft.jit(function), weft.vmap(function)):
        result = run(wnp.asarray(np.stack([H[0], H[0]])))
        assert result._fields == names
        assert all(isinstance(part, weft.Array) for part in result)


def test_sets_tell_every_nan_apart() -> None:
    x = wnp.asarray([[np.nan, 1.0], [0.0, np.nan]])
    found = wnp.unique_all(x)
    assert found.values.shape == (4,) and found.inverse_indices.shape == (2, 2)
    np.testing.assert_array_equal(found.counts, 1)
    np.testing.assert_array_equal(wnp.reshape(x, (-1,))[found.indices], found.values)
    np.testing.assert_array_equal(found.values[found.inverse_indices], x)
    assert wnp.unique_values(x).shape == (4,)


@pytest.mark.parametrize("name", ["max", "mean", "min", "prod", "std", "sum", "var"])
def test_statistics_of_nan_are_nan(name: str) -> None:
    x = wnp.asarray([1.0, np.nan, 2.0], dtype=wnp.float32)
    for run in (getattr(wnp, name), weft.jit(getattr(wnp, name))):
        assert np.isnan(np.asarray(run(x))) and run(x).dtype == wnp.float32


ERRORS: dict[str, tuple[type[Exception], str]] = {
    "xp.nonzero(xp.asarray(1.0))": (ValueError, "nonzero"),
    "xp.squeeze(xp.ones((2, 1)), 0)": (ValueError, "squeeze"),
    "xp.expand_dims(xp.ones(2), axis=2)": (IndexError, "axis"),
    "xp.expand_dims(xp.ones(2), axis=-3)": (IndexError, "axis"),
    "xp.broadcast_to(xp.ones(2), (3,))": (ValueError, "broadcast"),
    "xp.matmul(xp.asarray(1.0), xp.ones(2))": (ValueError, "matmul"),
    "xp.matrix_transpose(xp.ones(2))": (ValueError, "matrix_transpose"),
    "xp.linalg.cross(xp.ones(4), xp.ones(4))": (ValueError, "cross"),
    "xp.sum(xp.ones(2), axis=1)": (IndexError, "axis"),
    "xp.bitwise_and(xp.ones(2), xp.ones(2))": (TypeError, "bitwise_and"),
    "xp.reshape(xp.ones(6), (4,))": (ValueError, "reshape"),
}


@pytest.mark.parametrize("call", ERRORS)
def test_error(call: str) -> None:
    kind, says = ERRORS[call]

    def run() -> Any:
        return eval(call, {**globals(), "xp": wnp})

    for way in (run, weft.jit(run)):
        with pytest.raises(kind, match=says):
            way()
