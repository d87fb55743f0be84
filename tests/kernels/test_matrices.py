"""Linear algebra as machine code, against the references of its primitives: all dtypes, stacks, small, large and empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.nest_parts import call_kernel
from weft.engine.runtime.program import Program, compile_graph
from weft.ir.builder import build, type_of_value
from weft.ir.graph import Eqn
from weft.ir.interpret import evaluate
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.verify import verify_nest
from weft.ir.ops import linalg, solve, spectral
from weft.ir.types import ArrayType
from weft.kernels.backend import compile_nests
from weft.kernels.library import lapack
from weft.kernels.library.matrices import PANEL
from weft.kernels.library.routines import schedule_routine
from weft.kernels.library.small_matrices import SMALL
from weft.kernels.schedule import Scheduled

DTYPES = [np.dtype(letter) for letter in "fdFD"]
SIZES = [1, 3, SMALL, 35]
LEADS = [(), (2, 3), (0,)]


def draw(shape: tuple[int, ...], dtype: np.dtype, *, heavy: bool = False, seed: int = 0) -> np.ndarray:
    """Random matrices; ``heavy`` ones are far from singular."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype.kind == "c" else 0)
    return np.asarray(x + (2 * max(shape[-2:]) * np.eye(*shape[-2:]) if heavy else 0)).astype(dtype)


def adjoint(x: np.ndarray) -> np.ndarray:
    return np.conj(np.swapaxes(x, -1, -2))


def as_tuple(outs: Any) -> tuple[Any, ...]:
    return tuple(outs) if isinstance(outs, list | tuple) else (outs,)


def compiled(fun: Callable[..., Any], *args: np.ndarray) -> Program:
    return compile_graph(build(lambda *v: list(as_tuple(fun(*v))), [type_of_value(a) for a in args]))


def run(fun: Callable[..., Any], *args: np.ndarray) -> tuple[np.ndarray, ...]:
    """The results of machine code, without which it is an error, and which leaves its arguments alone."""
    program = compiled(fun, *args)
    assert not program.host_calls
    before = [a.copy() for a in args]
    outs = program.run(list(args))
    for a, b in zip(args, before, strict=True):
        np.testing.assert_array_equal(a, b)
    return tuple(outs)


def close(got: Any, wanted: Any, scale: float = 100) -> None:
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    size = np.max(np.abs(wanted), initial=1, where=np.isfinite(wanted))
    eps = np.finfo(got.dtype).eps
    np.testing.assert_allclose(got, wanted, rtol=scale * eps, atol=scale * eps * float(size))


def check(fun: Callable[..., Any], *args: np.ndarray, scale: float = 100) -> None:
    """Compare with the references; integers are equal."""
    graph = build(lambda *v: list(as_tuple(fun(*v))), [type_of_value(a) for a in args])
    for got, wanted in zip(run(fun, *args), evaluate(graph, *args), strict=True):
        if got.dtype.kind == "i":
            np.testing.assert_array_equal(got, wanted)
            assert got.dtype == wanted.dtype
        else:
            close(got, np.asarray(wanted), scale)


def over_stacks(test: Callable[..., None]) -> Any:
    """A test for each dtype, size and leading axes; one matrix, then stacks of it."""
    test = pytest.mark.parametrize("dtype", DTYPES, ids=str)(test)
    cases = [(n, ()) for n in (0, *SIZES)] + [(n, lead) for n in (3, SMALL + 1) for lead in LEADS[1:]]
    return pytest.mark.parametrize(("n", "lead"), cases)(test)


@over_stacks
def test_cholesky(dtype: np.dtype, n: int, lead: tuple[int, ...]) -> None:
    a = draw((*lead, n, n), dtype, heavy=True)
    (lower,) = run(linalg.cholesky_p.bind, (a @ adjoint(a)).astype(dtype))
    close(lower @ adjoint(lower), (a @ adjoint(a)).astype(dtype), 1000)
    np.testing.assert_array_equal(lower, np.tril(lower))
    check(linalg.cholesky_p.bind, (a @ adjoint(a)).astype(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("n", [2, SMALL, SMALL + 1])
def test_cholesky_says_nan_for_a_matrix_that_is_not_positive_definite_and_for_no_other(
    dtype: np.dtype, n: int
) -> None:
    x = np.tile(np.eye(n, dtype=dtype), (4, 1, 1))
    x[1, n - 1, n - 1], x[2, 1, 0], x[3, 0, 1] = -1, np.nan, np.nan  # the last is not read
    (lower,) = run(linalg.cholesky_p.bind, x)
    np.testing.assert_array_equal(lower[[0, 3]], np.tile(np.eye(n, dtype=dtype), (2, 1, 1)))
    below = np.tri(n, dtype=bool)
    assert np.isnan(lower[1:3, below]).all()
    assert (lower[1:3, ~below] == 0).all()


@over_stacks
@pytest.mark.parametrize("left", [True, False], ids=["left", "right"])
def test_triangular_solve(dtype: np.dtype, n: int, lead: tuple[int, ...], left: bool) -> None:
    a = draw((*lead, n, n), dtype) / max(n, 1) + 2 * np.eye(n)
    for columns in (1, 0, 5, *([PANEL + 3] if n in (3, 35) else [])):
        b = draw((*lead, n, columns), dtype, seed=1)
        b = b if left else np.ascontiguousarray(np.swapaxes(b, -1, -2))
        for lower in (True, False):
            for trans in (0, 1, 2) if columns != 0 else (0,):
                for unit in (False, True) if trans == 0 else (False,):
                    check(
                        lambda a, b, lower=lower, trans=trans, unit=unit: linalg.triangular_solve(
                            a, b, lower=lower, trans=trans, unit_diagonal=unit, left_side=left
                        ),
                        a.astype(dtype),
                        b,
                    )


@pytest.mark.parametrize("n", [3, SMALL + 1])
def test_triangular_solve_divides_by_zeros_and_reads_one_triangle(n: int) -> None:
    a = np.eye(n)
    a[1, 1] = 0
    a[0, 1:] = np.nan
    (x,) = run(lambda a, b: linalg.triangular_solve(a, b, lower=True), a, np.ones((n, 1)))
    assert x[0, 0] == 1
    assert np.isinf(x[1, 0])
    twice = compiled(
        lambda a: linalg.triangular_solve(a, a, lower=True), np.tril(draw((n, n), DTYPES[1], heavy=True))
    )
    (x,) = twice.run([np.tril(draw((n, n), DTYPES[1], heavy=True))])
    close(x, np.eye(n))


@over_stacks
def test_lu_and_solve(dtype: np.dtype, n: int, lead: tuple[int, ...]) -> None:
    for shape in [(n, n), (n, n + 2), (n + 2, n)]:
        check(linalg.lu, draw((*lead, *shape), dtype), scale=1000)
    a = draw((*lead, n, n), dtype, heavy=True)
    for columns, trans in [(1, 0), (1, 1), (3, 0), (3, 1), (3, 2), (2 * PANEL + 1, 0), (PANEL + 1, 2)]:
        b = draw((*lead, n, columns), dtype, seed=1)

        def system(a: Any, b: Any, trans: int = trans) -> Any:
            packed, _, permutation = linalg.lu(a)
            return solve.solve_factored(a, packed, permutation, b, trans)

        check(system, a, b)


@pytest.mark.parametrize("n", [3, SMALL + 1])
def test_elimination_steps_over_a_pivot_of_zero(n: int) -> None:
    a = draw((n, n), DTYPES[1])
    a[:, 1] = 0
    check(linalg.lu, a)
    packed, *_ = run(linalg.lu, a)
    assert np.isfinite(packed).all()
    sign, size = run(solve.slogdet, a)
    assert (sign, size) == (0, -np.inf)
    assert run(solve.det, a)[0] == 0


@over_stacks
@pytest.mark.parametrize("full", [False, True], ids=["reduced", "full"])
def test_qr(dtype: np.dtype, n: int, lead: tuple[int, ...], full: bool) -> None:
    for shape in [(n, n), (n, n + 2), (n + 2, n)]:
        check(lambda x: linalg.qr(x, full), draw((*lead, *shape), dtype), scale=1000)


@over_stacks
def test_determinants(dtype: np.dtype, n: int, lead: tuple[int, ...]) -> None:
    x = draw((*lead, n, n), dtype)
    check(solve.det, x, scale=2000)
    check(solve.slogdet, x, scale=2000)
    check(solve.adjugate, draw((*lead, n, n), dtype, heavy=True) / max(n, 1), scale=5000)


def test_a_determinant_does_not_overflow_on_the_way() -> None:
    for size in (1, SMALL):
        x = np.diag(np.repeat([1e200, -1e-200], [size, size]))
        np.testing.assert_allclose(run(solve.det, x), [np.linalg.det(x)], rtol=1e-9)


@pytest.mark.parametrize("dtype", DTYPES[1::2], ids=str)
@pytest.mark.parametrize("n", [1, 2, 5, 20])
def test_the_adjugate_of_a_singular_matrix(dtype: np.dtype, n: int) -> None:
    a = draw((3, n, n), dtype)
    a[0, -1] = 2 * a[0, 0] if n > 1 else 0
    a[1] = 0
    check(solve.adjugate, a, scale=1000 * np.abs(np.linalg.det(a[2])) + 1000)


@over_stacks
def test_eigh(dtype: np.dtype, n: int, lead: tuple[int, ...]) -> None:
    a = draw((*lead, n, n), dtype)
    for lower in (True, False):
        w, v = run(lambda x, lower=lower: spectral.eigh(x, lower, symmetrize=False), a)
        half = np.tril(a, -1) if lower else np.triu(a, 1)
        real = np.einsum("...i,ij->...ij", np.diagonal(a, axis1=-2, axis2=-1).real, np.eye(n))
        close((v * w[..., None, :]) @ adjoint(v), (half + adjoint(half) + real).astype(dtype), 500)
        close(adjoint(v) @ v, np.broadcast_to(np.eye(n, dtype=dtype), a.shape), 500)
        assert (np.diff(w) >= 0).all()
        close(run(lambda x, lower=lower: spectral.eigvalsh(x, lower, symmetrize=False), a)[0], w, 500)


@over_stacks
def test_eig(dtype: np.dtype, n: int, lead: tuple[int, ...]) -> None:
    a = draw((*lead, n, n), dtype)
    w, v = run(spectral.eig, a)
    assert w.dtype == v.dtype == np.result_type(dtype, np.complex64)
    close(a @ v, v * w[..., None, :], 2000)
    close(np.linalg.norm(v, axis=-2), np.ones_like(w.real), 100)
    close(
        np.sort_complex(run(spectral.eigvals, a)[0]).sum(-1),
        np.trace(a, axis1=-2, axis2=-1).astype(w.dtype),
        2000,
    )


@over_stacks
def test_svd_and_pinv(dtype: np.dtype, n: int, lead: tuple[int, ...]) -> None:
    for rows, columns in [(n, n), (n, n + 2), (n + 2, n)]:
        x = draw((*lead, rows, columns), dtype)
        k = min(rows, columns)
        for full in (False, True):
            u, s, vh = run(lambda x, full=full: spectral.svd(x, full), x)
            high, wide = (rows, columns) if full else (k, k)
            assert (u.shape, s.shape, vh.shape) == ((*lead, rows, high), (*lead, k), (*lead, wide, columns))
            close((u[..., :k] * s[..., None, :]) @ vh[..., :k, :], x, 500)
            close(adjoint(u) @ u, np.broadcast_to(np.eye(high, dtype=dtype), (*lead, high, high)), 500)
            close(vh @ adjoint(vh), np.broadcast_to(np.eye(wide, dtype=dtype), (*lead, wide, wide)), 500)
        close(run(spectral.singular_values, x)[0], s, 500)
        check(solve.pinv, x, scale=3000)


@pytest.mark.parametrize("number", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize("dtype", DTYPES[1::2], ids=str)
@pytest.mark.parametrize(
    "fun", [spectral.eig, spectral.eigvals, spectral.svd, spectral.singular_values, solve.pinv]
)
def test_what_has_no_decomposition_is_nan_and_nothing_else_is(
    fun: Callable[..., Any], dtype: np.dtype, number: float
) -> None:
    x = draw((3, 4, 4), dtype)
    x[1, 2, 3] = number
    for got, wanted in zip(run(fun, x), run(fun, x[::2].copy()), strict=True):
        assert np.isnan(got[1]).all()
        np.testing.assert_array_equal(got[::2], wanted)


def test_a_cut_of_the_pseudo_inverse_is_no_part_of_the_code() -> None:
    x = np.diag([1.0, 1e-3, 1e-9])
    nests = []
    for rtol, rank in [(1e-12, 3), (1e-6, 2), (1e-2, 1)]:
        program = compiled(lambda x, rtol=rtol: solve.pinv(x, rtol), x)
        nests.append(program.nests)
        (inverse,) = program.run([x])
        assert np.linalg.matrix_rank(inverse) == rank
    assert nests[0] == nests[1] == nests[2]


# As nests

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "cholesky": linalg.cholesky_p.bind,
    "lu": linalg.lu,
    "qr": linalg.qr,
    "det": solve.det,
    "slogdet": solve.slogdet,
    "adjugate": solve.adjugate,
    "pinv": solve.pinv,
    "eigh": lambda x: spectral.eigh(x, symmetrize=False),
    "eigvalsh": lambda x: spectral.eigvalsh(x, symmetrize=False),
    "eig": spectral.eig,
    "svd": spectral.svd,
}


def scheduled(fun: Callable[..., Any], *args: np.ndarray) -> tuple[Eqn, Scheduled]:
    (eqn,) = build(lambda *v: list(as_tuple(fun(*v))), [type_of_value(a) for a in args]).eqns
    one = schedule_routine(eqn)
    assert one is not None
    return eqn, one


def buffers_of(eqn: Eqn, one: Scheduled, *args: np.ndarray) -> list[np.ndarray]:
    """The buffers of a call, with results that start as their operand does if they are to."""
    ins = [a.ravel() for k, a in enumerate(args) if k != one.copied]
    outs = [np.full(v.type.size, 7, v.type.dtype) for v in eqn.outs]
    if one.copied is not None:
        outs[0] = args[one.copied].ravel().copy()
    kinds = [b.dtype for b in one.nest.buffers if b.kind == "scratch"]
    return [*ins, *outs, *(np.full(n, 7, dtype) for n, dtype in zip(one.scratch, kinds, strict=True))]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("n", [4, SMALL + 1])
def test_the_interpreter_of_nests_does_the_same(name: str, n: int) -> None:
    a = draw((2, n, n), DTYPES[1], heavy=True)
    a = a @ adjoint(a)
    eqn, one = scheduled(FUNCTIONS[name], a)
    verify_nest(one.nest)
    (kernel,) = compile_nests([one.nest])
    actual, expected = buffers_of(eqn, one, a), buffers_of(eqn, one, a)
    call_kernel(kernel.address, one.params, actual, 0, one.extent)
    run_nest(one.nest, one.params, expected, 0, one.extent)
    results = slice(len(actual) - len(one.scratch) - len(eqn.outs), len(actual) - len(one.scratch))
    for got, wanted in zip(actual[results], expected[results], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-9 * float(np.abs(wanted).max()))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_chunks_run_in_any_order(name: str) -> None:
    a = draw((2000, 8, 8), DTYPES[1], heavy=True)
    a = a @ adjoint(a)
    eqn, one = scheduled(FUNCTIONS[name], a)
    assert one.extent > 1
    assert one.grain == 1
    (kernel,) = compile_nests([one.nest])
    whole, parts = buffers_of(eqn, one, a), buffers_of(eqn, one, a)
    call_kernel(kernel.address, one.params, whole, 0, one.extent)
    for chunk in np.random.default_rng(0).permutation(one.extent):
        call_kernel(kernel.address, one.params, parts, int(chunk), int(chunk) + 1)
    for got, wanted in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_sizes_of_a_kind_are_one_kernel(name: str) -> None:
    for sizes in [(4, 5, SMALL), (SMALL + 1, 40, 61)]:  # determinants of three rows are written out
        nests = {scheduled(FUNCTIONS[name], np.eye(n))[1].nest for n in sizes}
        nests.add(scheduled(FUNCTIONS[name], np.ones((5, sizes[0], sizes[0])))[1].nest)
        assert len(nests) == 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_lapack_is_not_asked_to_count_beyond_its_integers(name: str) -> None:
    x = ArrayType((20_000, 20_000), DTYPES[1])
    (eqn,) = build(lambda x: list(as_tuple(FUNCTIONS[name](x))), [x]).eqns
    assert schedule_routine(eqn) is None


def test_without_lapack_the_references_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str, name: str) -> Any:
        raise ValueError(name)

    lapack.routine_address.cache_clear()
    monkeypatch.setattr(lapack, "library_address", lambda name: 0)
    monkeypatch.setattr(lapack, "cython_function", missing)
    try:
        x = draw((SMALL + 2, SMALL + 2), DTYPES[1])
        program = compiled(lambda x: linalg.qr(x)[1], x)
        assert len(program.host_calls) == 1
        close(program.run([x])[0], np.linalg.qr(x)[1])
    finally:
        lapack.routine_address.cache_clear()


def test_lapack_that_takes_other_integers_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    lapack.routine_address.cache_clear()
    monkeypatch.setattr(lapack, "library_address", lambda name: 0)
    monkeypatch.setattr(lapack, "cython_function", lambda module, name: (1, "void (long *, double *)"))
    try:
        with pytest.raises(lapack.NoRoutine):
            lapack.routine_address("getrf", DTYPES[1])
    finally:
        lapack.routine_address.cache_clear()
