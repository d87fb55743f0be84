"""`weft.scipy.fft` against SciPy and JAX."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import scipy.fft

import weft
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, AxisError, ShapeError
from weft.scipy import fft as wf

rng = np.random.default_rng(1)
KINDS = ["dct", "idct", "dst", "idst"]


@pytest.mark.parametrize("orthogonalize", [None, True, False])
@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("type", [1, 2, 3, 4])
@pytest.mark.parametrize("name", KINDS)
def test_all_types_norms_and_lengths(name: str, type: int, norm: Any, orthogonalize: Any) -> None:
    x = rng.normal(size=(3, 6))
    for n in (None, 1, 4, 5, 9):
        if n == 1 and type == 1 and name.endswith("dct"):
            continue
        for axis in (0, 1):
            options = {"n": n, "axis": axis, "norm": norm, "orthogonalize": orthogonalize}
            wanted = getattr(scipy.fft, name)(x, type, **options)
            close(getattr(wf, name)(x, type, **options), wanted, 1e-12)


@pytest.mark.parametrize("type", [1, 2, 3, 4])
@pytest.mark.parametrize("name", KINDS)
def test_laws(name: str, type: int) -> None:
    ours, theirs = getattr(wf, name), getattr(scipy.fft, name)
    of_jax = None
    if type == 2 and name.endswith("dct"):
        of_jax = lambda x: getattr(jax.scipy.fft, name)(x, type=2, norm="ortho")  # noqa: E731
    x = rng.normal(size=(2, 5))
    call = lambda f: lambda x: f(x, type, norm="ortho")  # noqa: E731
    check(Case(call(ours), call(theirs), (x,), jax=of_jax))
    check(Case(call(ours), call(theirs), (x + 1j * x[::-1],)))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "i4", "?"])
@pytest.mark.parametrize("name", KINDS)
def test_dtypes(name: str, dtype: str) -> None:
    x = (4 * rng.normal(size=(2, 6))).astype(dtype)
    wanted = getattr(scipy.fft, name)(x.astype("f4") if dtype == "f2" else x)
    close(getattr(wf, name)(x), wanted, 1e-5 if dtype in ("f2", "f4", "c8") else 1e-12)


@pytest.mark.parametrize("name", [k + "n" for k in KINDS])
def test_several_axes(name: str) -> None:
    x = rng.normal(size=(3, 4, 5))
    for options in (
        {},
        {"axes": (2, 0)},
        {"s": (3, 7), "axes": (0, 1)},
        {"s": (2, 6)},
        {"type": 3, "norm": "ortho"},
    ):
        wanted = getattr(scipy.fft, name)(x, **options)
        close(getattr(wf, name)(x, **options), wanted, 1e-12)
        close(weft.jit(lambda x, options=options: getattr(wf, name)(x, **options))(x), wanted, 1e-12)


@pytest.mark.parametrize("name", ["hfft2", "ihfft2", "hfftn", "ihfftn"])
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_hermitian_transforms(name: str, norm: Any) -> None:
    x = rng.normal(size=(3, 4, 5))
    x = x if name[0] == "i" else x + 1j * x[::-1]
    wanted = getattr(scipy.fft, name)(x, norm=norm)
    close(getattr(wf, name)(x, norm=norm), wanted, 1e-12)
    close(weft.jit(lambda x: getattr(wf, name)(x, norm=norm))(x), wanted, 1e-12)


def test_fast_lengths() -> None:
    for n in (1, 7, 97, 1021, 4099):
        for real in (False, True):
            assert wf.next_fast_len(n, real) == scipy.fft.next_fast_len(n, real)


def test_fft_by_three_names() -> None:
    assert weft.fft.fft is weft.numpy.fft.fft is wf.fft


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: wf.dct(x, type=5), ArgumentError, "type=5; it is one of 1, 2, 3, 4"),
        (lambda x: wf.idct(x, norm="unitary"), ArgumentError, "idct got norm='unitary'"),
        (lambda x: wf.dct(x, axis=2), AxisError, "dct got axis 2"),
        (lambda x: wf.dct(x, n=0), ShapeError, "a length of 0"),
        (lambda x: wf.dct(x, type=1, n=1), ShapeError, "at least 2"),
        (lambda x: wf.dctn(x, s=(2,), axes=(0, 1)), ShapeError, "one length for each axis"),
        (lambda x: wf.dct(x[0, 0]), AxisError, "at least one axis"),
        (lambda x: wf.next_fast_len(0), ShapeError, "at least 1"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    x = weft.numpy.ones((2, 3))
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(x)
