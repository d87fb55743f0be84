"""Forms of matrices, Sylvester's equation and tridiagonal systems by LAPACK: against the references, and inside loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.kernels.test_matrices import DTYPES, adjoint, check, close, compiled, draw, run
from weft import lax
from weft.ir.ops import condensed, matrix_forms, matrix_functions

SIZES = [(), (3,), (2, 3)]
FORMS: dict[str, Callable[..., Any]] = {
    "schur": matrix_forms.schur,
    "complex schur": lambda x: matrix_forms.schur(x, True),
    "hessenberg": matrix_forms.hessenberg,
    "packed hessenberg": condensed.packed_hessenberg,
    "column order": matrix_forms.column_order,
}


def square_root(x: Any) -> Any:
    return matrix_functions.matrix_function_p.bind(x, function="power", exponent=0.5)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lead", SIZES, ids=str)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 6, 20])
@pytest.mark.parametrize("name", FORMS)
def test_forms(name: str, n: int, lead: tuple[int, ...], dtype: np.dtype) -> None:
    x = draw((*lead, n, n), dtype)
    check(FORMS[name], x, scale=3000)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("n", [2, 5])
def test_forms_of_what_is_not_finite(name: str, n: int, number: float, dtype: np.dtype) -> None:
    x = draw((3, n, n), dtype)
    x[1, 1, 0] = number
    check(FORMS[name], x, scale=3000)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 0), (0, 5), (1, 1)], ids=str)
def test_order_of_the_columns_of_any_matrix(shape: tuple[int, int], dtype: np.dtype) -> None:
    check(matrix_forms.column_order, draw((2, *shape), dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("m", "n"), [(1, 1), (2, 3), (5, 4), (20, 7)])
def test_sylvester(m: int, n: int, dtype: np.dtype) -> None:
    a, b, c = (draw((3, *shape), dtype) for shape in ((m, m), (n, n), (m, n)))
    a[...] += 4 * np.eye(m, dtype=dtype)
    b[...] += 4 * np.eye(n, dtype=dtype)
    check(matrix_functions.sylvester, a, b, c, scale=3000)
    for x in (a, b, c):
        x[1, 0, 0] = np.nan
        check(matrix_functions.sylvester, a, b, c, scale=3000)
        x[1, 0, 0] = 1


@pytest.mark.parametrize("dtype", DTYPES[2:], ids=str)
@pytest.mark.parametrize("n", [0, 1, 2, 3, 9, 20])
def test_square_roots(n: int, dtype: np.dtype) -> None:
    x = draw((3, n, n), dtype)
    x[1:2] = x[1:2] @ adjoint(x[1:2])
    x[2:] = 0
    (root,) = run(square_root, x)
    close(root @ root, x, scale=3000)
    check(square_root, x, scale=30_000)
    x[1:2, :1, :1] = np.nan
    check(square_root, x, scale=30_000)


def test_other_functions_are_left_to_the_reference() -> None:
    x = draw((4, 4), DTYPES[3], heavy=True)
    assert len(compiled(matrix_functions.matrix_log, x).host_calls) == 1
    np.testing.assert_allclose(weft.jit(matrix_functions.matrix_log)(x), matrix_functions.matrix_log(x))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("lead", SIZES, ids=str)
@pytest.mark.parametrize(("n", "columns"), [(0, 2), (1, 3), (2, 1), (3, 0), (9, 1), (9, 5), (40, 150)])
def test_tridiagonal_systems(n: int, columns: int, lead: tuple[int, ...], dtype: np.dtype) -> None:
    lower, upper, diagonal = (draw((*lead, n), dtype) for _ in range(3))
    b = draw((*lead, n, columns), dtype)
    check(condensed.tridiagonal_solve, lower, diagonal + 3, upper, b)
    diagonal[...], upper[...] = 0, 0  # no solution but for one row
    check(condensed.tridiagonal_solve, lower, diagonal, upper, b)


def test_implicit_steps_do_not_come_back_to_python() -> None:
    n = 30

    def run(u: Any, speed: Any) -> Any:
        low = wnp.full(n, -speed)

        def step(u: Any, _: None) -> Any:
            return lax.linalg.tridiagonal_solve(low, 1 + 2 * speed + 0 * low, low, u[:, None])[:, 0], None

        return wnp.sum(lax.scan(step, u, None, length=20)[0] ** 2)

    u = np.sin(np.arange(n))
    slope = weft.grad(run, (0, 1))
    program = weft.jit(slope).lower(u, 0.3).program
    assert program.host_calls == []
    matrix = np.eye(n) * 1.6 - 0.3 * (np.eye(n, k=1) + np.eye(n, k=-1))
    last = np.linalg.matrix_power(np.linalg.inv(matrix), 20)
    found = weft.jit(slope)(u, 0.3)
    np.testing.assert_allclose(found[0], 2 * last.T @ (last @ u), rtol=1e-10)
    difference = (run(u, 0.3 + 1e-6) - run(u, 0.3 - 1e-6)) / 2e-6
    np.testing.assert_allclose(found[1], difference, rtol=1e-7)
