"""Dtypes of the elementwise functions of `weft.lax`: which are taken, what comes out, eagerly as under jit as in JAX."""

from __future__ import annotations

import jax
import ml_dtypes
import numpy as np
import pytest
from jax import lax as jl

import weft
from tests.engine.public.test_lax import ELEMENTWISE
from weft import lax as wl
from weft.errors import DTypeError

INTEGERS = [np.dtype(f"{sign}int{n}") for sign in ("", "u") for n in (8, 16, 32, 64)]
FLOATS = [np.dtype(ml_dtypes.bfloat16), *map(np.dtype, (np.float16, np.float32, np.float64))]
DTYPES = [np.dtype(bool), *INTEGERS, *FLOATS, np.dtype(np.complex64), np.dtype(np.complex128)]
ROUGH = {
    np.dtype(np.float16): 2e-2,
    FLOATS[0]: 5e-2,
    np.dtype(np.float32): 1e-5,
    np.dtype(np.complex64): 1e-5,
}
# What is taken here, with NumPy's meaning, where JAX refuses: unsigned sizes, parts of reals, integer powers ...
MORE = {"abs", "add", "complex", "conj", "imag", "is_finite", "mul", "pow", "real"}


def _operands(count: int, dtype: np.dtype) -> list[np.ndarray]:
    rng = np.random.RandomState(1)
    found = []
    for _ in range(count):
        if dtype.kind in "biu":
            found.append(rng.randint(1, 6, 6).astype(dtype))
        elif dtype.kind == "c":
            found.append((0.1 + 0.8 * (rng.rand(6) + 1j * rng.rand(6))).astype(dtype))
        else:
            found.append((0.1 + 0.8 * rng.rand(6)).astype(dtype))
    return found


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_dtypes(name: str) -> None:
    count = len(ELEMENTWISE[name])
    ours, theirs = getattr(wl, name), getattr(jl, name)
    taken = {}
    for dtype in DTYPES:
        args = _operands(count, dtype)
        try:
            jax.eval_shape(theirs, *args)
            taken[dtype] = args
        except TypeError:
            if name in MORE:
                continue
            for call in (ours, weft.make_graph(ours)):  # the same words, whether it is traced or not
                with pytest.raises(DTypeError, match=f"{name} does not accept dtype {dtype}"):
                    call(*args)
    wanted = jax.jit(lambda all_: [theirs(*args) for args in all_])(list(taken.values()))
    for (dtype, args), expected in zip(taken.items(), wanted, strict=True):
        found, expected = np.asarray(ours(*args)), np.asarray(expected)
        assert found.dtype == expected.dtype
        assert weft.make_graph(ours)(*args).out_types[0].dtype == expected.dtype
        tolerance = ROUGH.get(dtype, 1e-9)
        np.testing.assert_allclose(
            found.astype(complex), expected.astype(complex), rtol=tolerance, atol=tolerance
        )


def test_numbers_beside_arrays() -> None:
    whole, real = np.arange(3), np.ones(3, np.float32)
    for call in (lambda: wl.add(whole, 2.5), lambda: wl.mul(real, 1j), lambda: wl.max(np.ones(3, bool), 2)):
        with pytest.raises(DTypeError, match=r"beside an array that cannot hold it\. Convert one of them"):
            call()
    assert wl.add(real, 2).dtype == np.float32
    assert wl.exp(2).dtype == np.float64


def test_angles_of_complex_numbers() -> None:
    y, x = np.array([0.3 + 0.1j, -1.0j]), np.array([0.5 - 0.2j, 2.0 + 1.0j])
    np.testing.assert_allclose(np.asarray(wl.atan2(y, x)), np.asarray(jl.atan2(y, x)), rtol=1e-12)
    np.testing.assert_allclose(np.asarray(weft.jit(wl.atan2)(y, x)), np.asarray(jl.atan2(y, x)), rtol=1e-12)
