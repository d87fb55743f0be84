"""Products of stacks of small matrices: what is written out, and what is left to BLAS."""

import jax
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.ir.graph import Eqn, Var
from weft.ir.ops.contract import FEWEST, dot_general_p
from weft.ir.types import ArrayType
from weft.kernels.library.small_products import multiply_stack

DTYPES = ["f4", "f8", "c8", "c16", "i4", "i8", "u1"]
SHAPES = [(2, 2, 2), (3, 3, 3), (4, 4, 4), (2, 3, 4), (3, 1, 3), (1, 3, 3), (3, 3, 1), (1, 5, 1), (8, 2, 4)]


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Small whole numbers, whose products are exact in every dtype."""
    rng = np.random.default_rng(seed)
    real = rng.integers(0, 5, shape)
    return (real + 1j * rng.integers(0, 5, shape)).astype(dtype) if dtype[0] == "c" else real.astype(dtype)


def equation(a: tuple[int, ...], b: tuple[int, ...], dtype: str = "f8") -> Eqn:
    x, y = (Var(ArrayType(shape, np.dtype(dtype))) for shape in (a, b))
    out = Var(ArrayType((*a[:-1], b[-1]), np.dtype(dtype)))
    return Eqn(dot_general_p, (x, y), (out,), {"dims": (((2,), (1,)), ((0,), (0,)))})


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values(shape: tuple[int, int, int], dtype: str) -> None:
    m, k, n = shape
    for count in (FEWEST, 300, 1025):
        x, y = numbers((count, m, k), dtype), numbers((count, k, n), dtype, 1)
        expected = np.matmul(x, y)
        ways = {
            "plain": (lambda a, b: a @ b, x, y),
            "vmap": (weft.vmap(lambda a, b: a @ b), x, y),
            "left": (lambda a, b: wnp.swapaxes(a, 1, 2) @ b, np.swapaxes(x, 1, 2).copy(), y),
            "right": (lambda a, b: wnp.einsum("nik,njk->nij", a, b), x, np.swapaxes(y, 1, 2).copy()),
        }
        for name, (function, *args) in ways.items():
            found = np.asarray(weft.jit(function)(*args))
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected, err_msg=name)


@pytest.mark.parametrize("dtype", ["f4", "c16", "i4"])
def test_more_leading_axes_and_those_of_one_operand(dtype: str) -> None:
    for left, right in [((20, 7, 3, 3), (20, 7, 3, 3)), ((20, 1, 3, 3), (20, 7, 3, 3)), ((90, 3, 3), (3, 3))]:
        x, y = numbers(left, dtype), numbers(right, dtype, 1)
        np.testing.assert_array_equal(np.asarray(weft.jit(wnp.matmul)(x, y)), np.matmul(x, y))


def test_sums_are_in_order_and_take_no_fused_steps() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 200, 3, 3))
    terms = x[:, :, :, None] * y[:, None, :, :]
    expected = (terms[:, :, 0] + terms[:, :, 1]) + terms[:, :, 2]
    np.testing.assert_array_equal(np.asarray(weft.jit(wnp.matmul)(x, y)), expected)


def test_bits_do_not_depend_on_threads() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 100_003, 3, 3)).astype("f4")
    before, results = weft.config.threads, []
    for threads in (1, 2, 5):
        weft.config.update(threads=threads)
        results.append(np.asarray(weft.jit(wnp.matmul)(x, y)))
    weft.config.update(threads=before)
    assert all(np.array_equal(results[0], other) for other in results)
    np.testing.assert_allclose(results[0], x @ y, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("k", [2, 3, 4])
def test_derivatives(k: int) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 100, k, k))

    def loss(np_):  # type: ignore[no-untyped-def]
        return lambda a, b: np_.sum(np_.sin(np_.matmul(a, b)) * a)

    for found, expected in zip(
        weft.jit(weft.grad(loss(wnp), (0, 1)))(x, y),
        jax.jit(jax.grad(loss(jax.numpy), (0, 1)))(x, y),
        strict=True,
    ):
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), rtol=1e-10, atol=1e-10)

    def along(jvp, np_):  # type: ignore[no-untyped-def]
        return lambda a, b: jvp(lambda p: jvp(lambda q: loss(np_)(q, b * q), (p,), (a,))[1], (a,), (b,))[1]

    found, expected = weft.jit(along(weft.jvp, wnp))(x, y), along(jax.jvp, jax.numpy)(x, y)
    np.testing.assert_allclose(float(found), float(expected), rtol=1e-8)


def test_a_stack_in_a_loop() -> None:
    x, y = numbers((100, 3, 3), "i4"), np.random.default_rng(0).standard_normal((100, 2, 2))

    def loop(a, n):  # type: ignore[no-untyped-def]
        return weft.lax.fori_loop(0, n, lambda _, s: s @ a, a)

    np.testing.assert_array_equal(np.asarray(weft.jit(lambda a: loop(a, 3))(x)), x @ x @ x @ x)
    np.testing.assert_allclose(np.asarray(weft.jit(lambda a: loop(a, 3))(y)), y @ y @ y @ y, rtol=1e-10)


def test_what_is_left_to_others() -> None:
    assert multiply_stack(equation((FEWEST, 3, 3), (FEWEST, 3, 3))) is not None
    assert multiply_stack(equation((FEWEST - 1, 3, 3), (FEWEST - 1, 3, 3))) is None
    assert multiply_stack(equation((FEWEST, 5, 5), (FEWEST, 5, 5))) is None
    assert multiply_stack(equation((FEWEST, 3, 0), (FEWEST, 0, 3))) is None
