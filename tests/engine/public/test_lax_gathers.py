"""`lax.gather` and the scatter family against `jax.lax`, with random dimension numbers: values, modes, derivatives, batches."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax as jl

import weft
from weft import lax as wl
from weft.errors import AxisError, DTypeError, IndexingError, ShapeError


class Case(NamedTuple):
    """A gather or scatter that is valid, but for where its windows are."""

    shape: tuple[int, ...]
    indices: np.ndarray
    dims: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    updates: tuple[int, ...]  # the shape of what is addressed


@st.composite
def cases(draw: Any, inside: bool = False, starts: int = 0) -> Case:
    """Random dimension numbers: each axis of the operand is batched, collapsed or kept, and some get a start."""
    ndim = draw(st.integers(starts, 4))
    shape = tuple(draw(st.integers(1, 4)) for _ in range(ndim))
    kinds = [draw(st.sampled_from(["batch", "collapsed", "kept", "kept"])) for _ in shape]
    sizes = tuple(
        1 if k != "kept" else draw(st.integers(0 if n == 4 else 1, n))
        for n, k in zip(shape, kinds, strict=True)
    )
    batching = tuple(d for d, k in enumerate(kinds) if k == "batch")
    free = draw(st.lists(st.integers(1, 3), max_size=2))
    order = draw(st.permutations(range(len(batching) + len(free))))
    lead = [0] * len(order)
    for place, n in zip(order, [*(shape[d] for d in batching), *free], strict=True):
        lead[place] = n
    mapped = draw(st.permutations([d for d in range(ndim) if d not in batching and draw(st.booleans())]))
    assume(len(mapped) >= starts)  # XLA's scatters without any start do not add up, or do not compile
    reach = 0 if inside else 1
    found = [
        draw(
            st.lists(
                st.integers(-reach, shape[d] - sizes[d] + reach),
                min_size=int(np.prod(lead)),
                max_size=int(np.prod(lead)),
            )
        )
        for d in mapped
    ]
    indices = np.array(found, np.int64).reshape((len(mapped), *lead))
    kept = [d for d, k in enumerate(kinds) if k == "kept"]
    rank = len(lead) + len(kept)
    offset = tuple(sorted(draw(st.permutations(range(rank)))[: len(kept)]))
    dims = (
        offset,
        tuple(d for d, k in enumerate(kinds) if k == "collapsed"),
        tuple(mapped),
        batching,
        tuple(order[: len(batching)]),
    )
    windows, rows = iter([sizes[d] for d in kept]), iter(lead)
    updates = tuple(next(windows) if i in offset else next(rows) for i in range(rank))
    return Case(shape, np.moveaxis(indices, 0, -1), dims, sizes, updates)


def _random(shape: tuple[int, ...], dtype: Any = np.float64, seed: int = 0) -> np.ndarray:
    values = np.random.RandomState(seed).permutation(np.arange(1.0, 1 + np.prod(shape, dtype=int)))
    return values.reshape(shape).astype(dtype) / 8


def _equal(ours: Any, theirs: Any) -> None:
    for a, b in zip(
        jax.tree.leaves(jax.tree.map(np.asarray, ours)), map(np.asarray, jax.tree.leaves(theirs)), strict=True
    ):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


MODES = ("clip", "fill")
FEW = settings(max_examples=20, deadline=None)


def _gather(lax: Any, case: Case, mode: str | None, fill: Any = None) -> Any:
    dims = lax.GatherDimensionNumbers(*case.dims)
    return lambda x, i: lax.gather(x, i, dims, case.sizes, mode=mode, fill_value=fill)


def _scatter(lax: Any, case: Case, op: str, mode: str | None) -> Any:
    dims = lax.ScatterDimensionNumbers(*case.dims)
    return lambda x, i, u: getattr(lax, op)(x, i, u, dims, mode=mode)


@FEW
@given(
    cases(),
    st.sampled_from(MODES),
    st.sampled_from([np.float64, np.float32, np.int32, np.uint8, np.bool_, np.complex64]),
)
def test_gather(case: Case, mode: str, dtype: Any) -> None:
    x = _random(case.shape, dtype)
    _equal(_gather(wl, case, mode)(x, case.indices), _gather(jl, case, mode)(x, case.indices))


@FEW
@given(cases(inside=True))
def test_gather_promised_to_be_inside(case: Case) -> None:
    x = _random(case.shape)
    for mode in (None, "promise_in_bounds"):
        _equal(_gather(wl, case, mode)(x, case.indices), _gather(jl, case, mode)(x, case.indices))


OPS = ("scatter_add", "scatter_sub", "scatter_mul", "scatter_min", "scatter_max")


@FEW
@given(
    cases(starts=1),
    st.sampled_from(["clip", "fill", None]),
    st.sampled_from(OPS),
    st.sampled_from([np.float64, np.int32, np.uint8]),
)
def test_scatter(case: Case, mode: str | None, op: str, dtype: Any) -> None:
    x, u = _random(case.shape, dtype), _random(case.updates, dtype, 1)
    _equal(_scatter(wl, case, op, mode)(x, case.indices, u), _scatter(jl, case, op, mode)(x, case.indices, u))


@FEW
@given(cases(starts=1), st.sampled_from(["clip", "fill"]))
def test_scatter_replaces(case: Case, mode: str) -> None:
    x, u = _random(case.shape), _random(case.updates, seed=1)
    same = np.full(case.updates, -3.0)  # the order of updates does not matter
    _equal(
        _scatter(wl, case, "scatter", mode)(x, case.indices, same),
        _scatter(jl, case, "scatter", mode)(x, case.indices, same),
    )
    once = (
        _scatter(jl, case, "scatter_add", mode)(np.zeros(case.shape), case.indices, np.ones(case.updates))
        <= 1
    )
    ours, theirs = (np.asarray(_scatter(lax, case, "scatter", mode)(x, case.indices, u)) for lax in (wl, jl))
    np.testing.assert_array_equal(ours[np.asarray(once)], theirs[np.asarray(once)])


@settings(max_examples=6, deadline=None)
@given(cases(starts=1), st.sampled_from(MODES))
def test_compiled(case: Case, mode: str) -> None:
    x, u = _random(case.shape), _random(case.updates, seed=1)
    _equal(weft.jit(_gather(wl, case, mode))(x, case.indices), _gather(jl, case, mode)(x, case.indices))
    _equal(
        weft.jit(_scatter(wl, case, "scatter_add", mode))(x, case.indices, u),
        _scatter(jl, case, "scatter_add", mode)(x, case.indices, u),
    )


@settings(max_examples=6, deadline=None)
@given(cases(starts=1), st.sampled_from(MODES))
def test_derivatives_of_gather(case: Case, mode: str) -> None:
    x, t, ct = _random(case.shape), _random(case.shape, seed=1), _random(case.updates, seed=2)

    def both(lib: Any, lax: Any) -> Any:
        def f(x: Any) -> Any:
            return _gather(lax, case, mode, 0.5)(x, case.indices) ** 2

        g = lib.grad(lambda x: (f(x) * ct).sum())
        return (
            lib.jvp(f, (x,), (t,)),
            g(x),
            lib.jvp(g, (x,), (t,))[1],
            lib.grad(lambda x: (g(x) * t).sum())(x),
        )

    _equal(both(weft, wl), both(jax, jl))


def _check_derivatives(case: Case, mode: str, op: str) -> None:
    x, u = _random(case.shape), _random(case.updates, seed=1)
    tx, tu = _random(case.shape, seed=2), _random(case.updates, seed=3)
    ct = _random(case.shape, seed=4)

    def both(lib: Any, lax: Any) -> Any:
        def f(x: Any, u: Any) -> Any:
            return _scatter(lax, case, op, mode)(x, case.indices, u) ** 2

        g = lib.grad(lambda x, u: (f(x, u) * ct).sum(), (0, 1))
        return lib.jvp(f, (x, u), (tx, tu)), g(x, u), lib.jvp(g, (x, u), (tx, tu))[1]

    _equal(both(weft, wl), both(jax, jl))


@settings(max_examples=6, deadline=None)
@given(cases(starts=1), st.sampled_from(MODES), st.sampled_from(["scatter_add", "scatter_sub"]))
def test_derivatives_of_scatter(case: Case, mode: str, op: str) -> None:
    _check_derivatives(case, mode, op)


@settings(max_examples=6, deadline=None)
@given(cases(inside=True, starts=1), st.sampled_from(MODES), st.sampled_from(["scatter_min", "scatter_max"]))
def test_derivatives_of_extrema(case: Case, mode: str, op: str) -> None:
    _check_derivatives(case, mode, op)  # inside, since JAX's are NaN where a window was clipped


@settings(max_examples=5, deadline=None)
@given(cases(starts=1), st.sampled_from(MODES), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_batches(case: Case, mode: str, mapped: tuple[bool, bool, bool]) -> None:
    if not any(mapped):
        mapped = (True, True, True)
    x = _random((2, *case.shape)) if mapped[0] else _random(case.shape)
    i = np.stack([case.indices, case.indices[::-1]]) if mapped[1] else case.indices
    u = _random((*case.updates, 2), seed=1) if mapped[2] else _random(case.updates, seed=1)
    axes = (0 if mapped[0] else None, 0 if mapped[1] else None, -1 if mapped[2] else None)
    if mapped[0] or mapped[1]:
        _equal(
            weft.vmap(_gather(wl, case, mode), axes[:2])(x, i),
            jax.jit(jax.vmap(_gather(jl, case, mode), axes[:2]))(x, i),
        )
    for op in ("scatter_add", "scatter_mul"):
        _equal(
            weft.vmap(_scatter(wl, case, op, mode), axes)(x, i, u),
            jax.jit(jax.vmap(_scatter(jl, case, op, mode), axes))(x, i, u),
        )


ROWS = ((1,), (0,), (0,))  # dimension numbers: whole rows
X = np.arange(12.0).reshape(4, 3)


def test_derivative_of_a_product_with_zeros() -> None:
    x, u, i = np.array([2.0, 3.0, 5.0]), np.array([0.0, 4.0, 7.0]), np.array([[1], [1], [2]])

    def f(x: Any, u: Any) -> Any:
        return wl.scatter_mul(x, i, u, wl.ScatterDimensionNumbers((), (0,), (0,)))

    jacobians = weft.jacobian(f, (0, 1))(x, u)
    np.testing.assert_array_equal(np.asarray(jacobians[0]), np.diag([1.0, 0.0, 7.0]))
    np.testing.assert_array_equal(np.asarray(jacobians[1]), [[0, 0, 0], [12, 0, 0], [0, 0, 5]])


def test_last_update_stays_and_alone_has_a_derivative() -> None:
    i, u = np.array([[1], [1], [0]]), np.arange(9.0).reshape(3, 3)
    dims = wl.ScatterDimensionNumbers(*ROWS)
    out = np.asarray(weft.jit(lambda u: wl.scatter(X, i, u, dims))(u))
    np.testing.assert_array_equal(out, [u[2], u[1], X[2], X[3]])
    slope = weft.grad(lambda u: wl.scatter(X, i, u, dims).sum())(u)
    np.testing.assert_array_equal(np.asarray(slope), [[0] * 3, [1] * 3, [1] * 3])


@pytest.mark.parametrize("unique", [False, True])
def test_scatter_apply(unique: bool) -> None:
    i = np.array([[2], [0]]) if unique else np.array([[2], [0], [2], [9]])

    def apply(lax: Any, x: Any, i: Any) -> Any:
        dims = lax.ScatterDimensionNumbers(*ROWS)
        return lax.scatter_apply(
            x, i, lambda v: v * v + 1, dims, update_shape=(len(i), 3), unique_indices=unique
        )

    wanted = apply(jl, jax.numpy.asarray(X), i)
    _equal(apply(wl, X, i), wanted)
    _equal(weft.jit(lambda x, i: apply(wl, x, i))(X, i), wanted)
    slope = weft.grad(lambda x: apply(wl, x, i).sum())(X)
    twice = 4 * X[2] * (X[2] ** 2 + 1)
    np.testing.assert_allclose(np.asarray(slope), [2 * X[0], [1] * 3, 2 * X[2] if unique else twice, [1] * 3])


def test_scalars_take_the_dtype_and_indices_any() -> None:
    dims = wl.ScatterDimensionNumbers((), (0,), (0,))
    x = np.ones(300, np.float32)
    for dtype in (np.int8, np.uint8, np.uint64):
        i = np.array([3], dtype)
        assert np.asarray(wl.scatter_add(x, i, 2, dims))[3] == 3
        assert wl.gather(x, i, wl.GatherDimensionNumbers((0,), (), (0,)), (2,)).shape == (2,)
    beyond = wl.gather(
        x, np.array([2**64 - 1], np.uint64), wl.GatherDimensionNumbers((), (0,), (0,)), (1,), mode="fill"
    )
    assert np.isnan(np.asarray(beyond))


def test_modes_of_at_are_those_of_lax() -> None:
    mode = wl.GatherScatterMode
    x = weft.numpy.arange(3.0)
    assert float(x.at[7].get(mode=mode.CLIP)) == 2.0
    assert np.isnan(float(x.at[7].get(mode=mode.FILL_OR_DROP)))
    assert float(x.at[1].get(mode=mode.PROMISE_IN_BOUNDS)) == 1.0
    assert mode.from_any("drop") is mode.from_any(None) is mode.FILL_OR_DROP


def _read(dims: tuple[Any, ...], sizes: tuple[int, ...] = (1, 3), i: Any = None, **options: Any) -> Any:
    return wl.gather(
        X, np.zeros((2, 1), np.int64) if i is None else i, wl.GatherDimensionNumbers(*dims), sizes, **options
    )


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: _read(ROWS, i=np.zeros((2, 1))), DTypeError, r"lax\.gather needs integer indices, got float64"),
        (lambda: _read(ROWS, i=np.zeros((2, 2), int)), ShapeError, r"indices of shape \(2, 2\) for start_index_map=\(0,\)"),
        (lambda: _read(((2,), (0,), (0,))), AxisError, r"offset_dims=\(2,\): each is at least 0 and less than 2"),
        (lambda: _read(((1,), (0,), (5,))), AxisError, r"start_index_map=\(5,\): each is at least 0 and less than 2"),
        (lambda: _read(((1, 0), (), (0,)), (1, 3)), AxisError, r"offset_dims=\(1, 0\): they must be distinct and increasing"),
        (lambda: _read(((1,), (), (0,))), ShapeError, r"each of its axes is in collapsed_slice_dims or operand_batching_dims"),
        (lambda: _read(ROWS, (1, 4)), ShapeError, r"windows of shape \(1, 4\), which must fit into \(4, 3\)"),
        (lambda: _read(ROWS, (2, 3)), ShapeError, r"their size along collapsed_slice_dims and operand_batching_dims is 1"),
        (lambda: _read(((1,), (), (0,), (0,), (0,))), AxisError, r"axes \[0\] as operand_batching_dims and as something else"),
        (lambda: _read(((1,), (), (1,), (0,), (0,))), ShapeError, r"axes of the same lengths of the operand, \(4, 3\)"),
        (lambda: _read(ROWS, mode="wrap"), IndexingError, r"mode='wrap': the modes are 'fill', 'drop', 'clip'"),
        (
            lambda: wl.scatter(X, np.zeros((2, 1), int), np.zeros((2, 2, 1)), wl.ScatterDimensionNumbers(*ROWS)),
            ShapeError, r"lax\.scatter into \(4, 3\) by indices of shape \(2, 1\) needs updates of shape",
        ),
        (
            lambda: wl.scatter_add(X, np.zeros((2, 1), int), np.zeros((2, 3), int), wl.ScatterDimensionNumbers(*ROWS)),
            DTypeError, r"lax\.scatter_add needs updates of the operand's dtype, float64; got int64",
        ),
        (
            lambda: wl.scatter_apply(
                X, np.zeros((1, 1), int), wl.is_finite, wl.ScatterDimensionNumbers(*ROWS), update_shape=(1, 3)
            ),
            ShapeError, r"func must give a scalar of dtype float64 for a scalar, got bool",
        ),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
