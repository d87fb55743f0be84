"""`weft.numpy.fft` against NumPy (values, dtypes) and JAX (derivatives, batches)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
import weft.numpy as wnp
from weft import lax as wl
from weft.errors import ArgumentError, AxisError, DTypeError, ShapeError

rng = np.random.default_rng(3)
ONE = ["fft", "ifft", "rfft", "irfft", "hfft", "ihfft"]
SEVERAL = ["fftn", "ifftn", "rfftn", "irfftn"]
TWO = ["fft2", "ifft2", "rfft2", "irfft2"]
REAL = {"rfft", "ihfft", "rfftn", "rfft2"}


def operand(name: str, shape: tuple[int, ...]) -> np.ndarray:
    x = rng.standard_normal(shape)
    return x if name in REAL else x + 1j * rng.standard_normal(shape)


def close(found: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance * np.max(np.abs(wanted), initial=1))


def check(name: str, x: np.ndarray, **options: Any) -> None:
    """Eagerly and under jit as NumPy; gradients as JAX."""
    ours, theirs = getattr(wnp.fft, name), getattr(jnp.fft, name)
    wanted = getattr(np.fft, name)(x, **options)
    close(ours(x, **options), wanted)
    close(weft.jit(lambda x: ours(x, **options))(x), wanted)
    weights = rng.standard_normal(wanted.shape)
    slope = weft.grad(lambda x: wnp.sum(weights * wnp.abs(ours(x, **options)) ** 2))
    slope_of_jax = jax.jit(jax.grad(lambda x: jnp.sum(weights * jnp.abs(theirs(x, **options)) ** 2)))(x)
    close(slope(x), slope_of_jax)
    close(weft.jit(slope)(x), slope_of_jax)


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("name", ONE)
def test_one_axis(name: str, norm: Any) -> None:
    check(name, operand(name, (5,)), norm=norm)
    check(name, operand(name, (3, 4)), n=7, axis=0, norm=norm)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(ONE), st.lists(st.integers(2, 6), min_size=1, max_size=3), st.data())
def test_lengths_and_axes(name: str, shape: list[int], data: Any) -> None:
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    n = data.draw(st.one_of(st.none(), st.integers(1, 9)))
    x = operand(name, tuple(shape))
    wanted = getattr(np.fft, name)(x, n, axis)
    close(getattr(wnp.fft, name)(x, n, axis), wanted)
    close(weft.jit(lambda x: getattr(wnp.fft, name)(x, n, axis))(x), wanted)


@pytest.mark.parametrize("name", SEVERAL)
def test_several_axes(name: str) -> None:
    check(name, operand(name, (3, 4, 5)))
    check(name, operand(name, (3, 4, 5)), axes=(2, 0), norm="ortho")
    check(name, operand(name, (3, 4, 5)), s=(4, 3), axes=(0, 1))


@pytest.mark.parametrize("name", TWO)
def test_two_axes(name: str) -> None:
    check(name, operand(name, (2, 4, 5)))
    check(name, operand(name, (4, 5)), s=(3, 6), norm="forward")


@pytest.mark.parametrize("name", ["fftn", "rfftn", "irfftn"])
def test_an_axis_given_twice(name: str) -> None:
    x = operand(name, (4, 5))
    wanted = getattr(np.fft, name)(x, axes=(0, 1, 0))
    close(weft.jit(lambda x: getattr(wnp.fft, name)(x, axes=(0, 1, 0)))(x), wanted)


@pytest.mark.parametrize("name", ONE + SEVERAL[:2])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "c8", "c16", "i4", "u1", "?"])
def test_dtypes_are_numpys(name: str, dtype: str) -> None:
    if name in REAL and dtype[0] == "c":
        return
    x = (4 * rng.standard_normal((2, 6))).astype(dtype)
    wanted = getattr(np.fft, name)(x)
    tolerance = {"f2": 1e-3, "f4": 1e-5, "c8": 1e-5}.get(dtype, 1e-12)
    close(getattr(wnp.fft, name)(x), wanted, tolerance)
    close(weft.jit(getattr(wnp.fft, name))(x), wanted, tolerance)


@pytest.mark.parametrize("n", [2**16, 100_000, 2**17 + 29])
@pytest.mark.parametrize("name", ["fft", "ifft", "rfft", "irfft"])
def test_long_transforms(name: str, n: int) -> None:
    x = operand(name, (n,))
    close(weft.jit(getattr(wnp.fft, name))(x), getattr(np.fft, name)(x), 1e-12)
    single = x.astype(np.float32 if name in REAL else np.complex64)
    close(weft.jit(getattr(wnp.fft, name))(single), getattr(np.fft, name)(single), 1e-5)


def test_long_transforms_of_a_batch() -> None:
    x = operand("fft", (3, 2**16))
    close(weft.jit(lambda x: wnp.fft.fft(x * 2))(x), np.fft.fft(x * 2))
    found = [weft.jit(lambda x: wnp.fft.ifft(x))(x[1]), weft.jit(lambda x: wnp.fft.ifft(x))(x)[1]]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("name", ONE)
def test_batches_and_second_derivatives(name: str) -> None:
    x = operand(name, (3, 4))
    ours, theirs = getattr(wnp.fft, name), getattr(jnp.fft, name)
    close(weft.vmap(ours, 1)(x), jax.jit(jax.vmap(theirs, 1))(x))
    close(weft.jit(weft.vmap(ours, 1))(x), jax.jit(jax.vmap(theirs, 1))(x))
    _, tangent = weft.jvp(ours, (x,), (x[::-1],))
    close(tangent, jax.jvp(jax.jit(theirs), (jnp.asarray(x),), (jnp.asarray(x[::-1]),))[1])
    if name in REAL:
        y = x[0]
        ours_ = weft.hessian(lambda y: wnp.sum(wnp.abs(ours(y)) ** 4))(y)
        close(ours_, jax.jit(jax.hessian(lambda y: jnp.sum(jnp.abs(theirs(y)) ** 4)))(y), 1e-10)


def test_frequencies_and_shifts() -> None:
    for n in (1, 4, 5):
        for d in (1.0, 0.25):
            close(wnp.fft.fftfreq(n, d), np.fft.fftfreq(n, d))
            close(wnp.fft.rfftfreq(n, d), np.fft.rfftfreq(n, d))
            close(weft.jit(lambda d, n=n: wnp.fft.fftfreq(n, d))(d), np.fft.fftfreq(n, d))
            close(weft.jit(lambda d, n=n: wnp.fft.rfftfreq(n, d))(d), np.fft.rfftfreq(n, d))
        close(weft.jit(lambda n=n: wnp.fft.fftfreq(n))(), np.fft.fftfreq(n))
    assert wnp.fft.fftfreq(4, dtype=np.float32).dtype == np.float32
    x = rng.standard_normal((3, 4, 5))
    for axes in (None, 1, (0, 2), -1):
        for name in ("fftshift", "ifftshift"):
            ours, wanted = getattr(wnp.fft, name), getattr(np.fft, name)(x, axes)
            close(ours(x, axes), wanted)
            close(weft.jit(lambda x, ours=ours, axes=axes: ours(x, axes))(x), wanted)


def test_lax_fft() -> None:
    x = operand("fft", (2, 3, 4))
    for kind in ("FFT", "IFFT", wl.FftType.FFT):
        theirs = kind if isinstance(kind, str) else jax.lax.FftType.FFT
        close(wl.fft(x, kind, (3, 4)), jax.lax.fft(x, theirs, (3, 4)))
    close(wl.fft(x.real, "rfft", (4,)), jax.lax.fft(x.real, "RFFT", (4,)))
    close(weft.jit(lambda x: wl.fft(x, "IRFFT", (3, 6)))(x), jax.lax.fft(x, "IRFFT", (3, 6)))
    with pytest.raises(ArgumentError, match="known are FFT, IFFT, RFFT, IRFFT"):
        wl.fft(x, "DCT", (4,))
    for f in (wl.fft, lambda *a: weft.jit(lambda x: wl.fft(x, *a[1:]))(a[0])):
        with pytest.raises(ShapeError, match=r"irfft of lengths \(4,\) needs \(3,\)"):
            f(x, "IRFFT", (4,))
        with pytest.raises(DTypeError, match="rfft takes float32 or float64"):
            f(x, "RFFT", (4,))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: wnp.fft.fft(x, 0), ShapeError, "fft got a length of 0"),
        (
            lambda x: wnp.fft.fft(x, axis=2),
            AxisError,
            "fft got axis 2, which an array of 2 axes does not have",
        ),
        (lambda x: wnp.fft.rfft(x * 1j), DTypeError, "rfft takes real arrays"),
        (lambda x: wnp.fft.fft(x, norm="unitary"), ArgumentError, "norm='unitary'; it is"),
        (lambda x: wnp.fft.hfft(x, norm=3), ArgumentError, "hfft got norm=3"),
        (lambda x: wnp.fft.fftn(x, s=(2,), axes=(0, 1)), ShapeError, "one length for each axis"),
        (lambda x: wnp.fft.fftn(x, s=(2, 2, 2)), AxisError, r"s=\(2, 2, 2\) for an array of 2 axes"),
        (lambda x: wnp.fft.fft2(x[0]), AxisError, "fft2 got axis -2"),
        (lambda x: wnp.fft.fft(x[0, 0]), AxisError, "at least one axis"),
        (lambda x: wnp.fft.fft(x, 2.5), ArgumentError, "n"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    x = np.ones((2, 3))
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.asarray(x))
