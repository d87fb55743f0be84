"""Arguments that few programs give: NumPy's result, shape and dtype, eagerly and traced. One row a call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, staged
from weft.ir.errors import ArgumentError, DTypeError

S = np.array(-1.5)
V = np.array([2.0, -1.0, 0.5, 2.0, 4.0, -3.0, 1.0])
M = np.array([[1.0, 2.0, 3.5, -4.0], [0.0, np.nan, 6.0, 0.5], [7.0, 8.0, -9.0, 2.5]])
I = np.array([3, 0, -2, 5], "int32")  # noqa: E741
W = np.array([0.0, 2.0, 1.0, 0.5, 0.0, 3.0, 1.0])

AXES_OF_SCALARS = [
    "sum", "prod", "max", "min", "any", "all", "ptp", "argmax", "argmin", "cumsum", "cumprod", "count_nonzero", "nansum",
    "nanmax", "nanargmin", "nancumsum",
]  # fmt: skip


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", AXES_OF_SCALARS)
def test_a_scalar_is_reduced_over_an_axis_it_does_not_have(name: str, axis: int) -> None:
    agree(lambda m: lambda x: getattr(m, name)(x, axis=axis), S)


CALLS: dict[str, tuple[Callable[[Any], Callable[..., Any]], tuple[Any, ...]]] = {
    "cumulative_sum of a scalar": (lambda m: lambda x: m.cumulative_sum(x), (S,)),
    "cumulative_prod of a scalar from 1": (
        lambda m: lambda x: m.cumulative_prod(x, include_initial=True),
        (S,),
    ),
    "mean as bool": (lambda m: lambda x: m.mean(x, axis=0, dtype=bool), (I.reshape(2, 2),)),
    "cumsum as bool": (lambda m: lambda x: m.cumsum(x, dtype=bool), (I,)),
    "cumprod as bool": (lambda m: lambda x: m.cumprod(x, dtype=bool), (I,)),
    "var as complex": (lambda m: lambda x: m.var(x, dtype=complex), (V,)),
    "std of complex numbers": (lambda m: lambda x: m.std(x), (V + 2j * V[::-1],)),
    "nanvar without freedom": (lambda m: lambda x: m.nanvar(x, axis=1, ddof=3), (M,)),
    "nanstd of integers without freedom": (lambda m: lambda x: m.nanstd(x, ddof=9), (I,)),
    "nanstd where": (lambda m: lambda x, w: m.nanstd(x, ddof=1, where=w), (M, M > 0)),
    "nanquantile of nothing": (lambda m: lambda x: m.nanquantile(x, 0.5, axis=0), (M[:0],)),
    "nanvar about a mean": (lambda m: lambda x: m.nanvar(x, axis=0, mean=m.ones((1, 4)), correction=1), (M,)),
    "zeros_like, order": (lambda m: lambda x: m.zeros_like(x, order="F", subok=False), (M,)),
    "full_like, order": (lambda m: lambda x: m.full_like(x, 2, order="K"), (M,)),
    "isneginf, out": (lambda m: lambda x: m.isneginf(x, out=None), (M,)),
    "fft, out": (lambda m: lambda x: m.fft.fft(x, out=None), (V,)),
    "concatenate, casting": (lambda m: lambda x: m.concatenate([x, x], dtype=int, casting="unsafe"), (V,)),
    "hstack, casting": (lambda m: lambda x: m.hstack([x, x], dtype="float32", casting="same_kind"), (V,)),
    "unravel_index, order": (
        lambda m: lambda i: m.unravel_index(i, (3, 4), order="F"),
        (np.array([7, 2, 11]),),
    ),
    "argsort of a scalar": (lambda m: lambda x: m.argsort(x), (S,)),
    "squeeze of a scalar": (lambda m: lambda x: m.squeeze(x, 0), (S,)),
    "convolve with a number": (lambda m: lambda x: m.convolve(x, 2), (V,)),
    "meshgrid of a matrix": (lambda m: lambda x, y: m.meshgrid(x, y), (M, V)),
    "clip between lists": (lambda m: lambda x: m.clip(x, [0, 1, 0, 1, 0, 1, 0], (2,)), (V,)),
    "nan_to_num by a list": (lambda m: lambda x: m.nan_to_num(x, nan=[1, 2, 3, 4]), (M,)),
    "qr, raw factors": (lambda m: lambda x: m.sum(m.linalg.qr(np.eye(3), mode="raw")[1]) + x, (V,)),
    "vectorize, otypes": (lambda m: lambda x: m.vectorize(lambda a: a + 1, otypes=[int])(x), (V,)),
    "vectorize, several otypes": (lambda m: lambda x: m.vectorize(lambda a: (a, a > 0), "f?")(x), (V,)),
    "vectorize as a decorator": (
        lambda m: lambda x: m.vectorize(otypes="D", cache=True)(lambda a: 2 * a)(x),
        (V,),
    ),
    "einsum, dtype": (lambda m: lambda x: m.einsum("i,i->", x, x, dtype="complex128"), (V,)),
    "matmul, dtype": (lambda m: lambda x: m.matmul(x, x, dtype="float32"), (V,)),
    "sine, casting": (lambda m: lambda x: m.sin(x, casting="same_kind"), (V,)),
    "isin, kind": (lambda m: lambda x: m.isin(x, [3, 5], kind="sort"), (I,)),
    "arange, stop by name": (lambda m: lambda x: x + m.arange(stop=4), (I,)),
    "real of a number": (lambda m: lambda x: x + m.real(2j) + m.imag(3), (V,)),
    "quantile, integer q": (lambda m: lambda x: m.quantile(x, [0, 1]), (I,)),
}


@pytest.mark.parametrize("name", CALLS)
def test_as_numpy(name: str) -> None:
    fun, args = CALLS[name]
    agree(fun, *args)


@pytest.mark.parametrize("method", ["inverted_cdf", "averaged_inverted_cdf", "closest_observation"])
@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_quantiles_that_step(name: str, method: str) -> None:
    q = [0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0]
    for x in (V, np.append(V, 3.0), I, M):
        agree(lambda m: lambda x: getattr(m, name)(x, q, axis=-1, method=method), x)  # noqa: B023
    agree(lambda m: lambda x: getattr(m, name)(x, 0.3, method=method, keepdims=True), M)


@pytest.mark.parametrize("name", ["percentile", "nanpercentile"])
def test_weighted_quantiles(name: str) -> None:
    def call(m: Any, **options: Any) -> Callable[..., Any]:
        f, q = getattr(m, name), [0, 20, 50, 90, 100]
        return lambda x, w: f(x, q, weights=w, method="inverted_cdf", **options)

    agree(call, V, W)
    agree(lambda m: call(m, axis=0), np.nan_to_num(M), np.arange(12.0).reshape(3, 4))
    agree(lambda m: call(m, axis=(0, 1)), M, np.arange(12.0).reshape(3, 4))
    with pytest.raises(ArgumentError, match="weights go with method='inverted_cdf' alone"):
        staged(lambda x: getattr(wnp, name)(x, 50, weights=W), V)


@pytest.mark.parametrize("name", ["sum", "mean", "var", "nansum", "nanmean", "nanstd"])
def test_numbers_are_no_mask(name: str) -> None:
    for call in (staged, lambda f, x: f(x)):
        with pytest.raises(DTypeError, match=r"got where= of dtype float64: it is bool"):
            call(lambda x: getattr(wnp, name)(x, where=x), M)


def test_messages_name_what_was_called() -> None:
    for name in ("nanmax", "nanmin", "ptp", "count_nonzero"):
        with pytest.raises(ValueError, match=f"{name} got axis 5"):
            staged(lambda x, name=name: getattr(wnp, name)(x, axis=5), M)
    with pytest.raises(DTypeError, match="var got dtype=int64: deviations are computed in floats"):
        staged(lambda x: wnp.var(x, dtype=int), V)


LISTS: dict[str, Callable[[Any], Any]] = {
    "a list": lambda x: x * [1, 2, 3, 4],
    "on the left": lambda x: [[1.5], [2], [3]] - x,
    "a tuple": lambda x: x + (1,),  # noqa: RUF005
    "a range": lambda x: x // range(1, 5),
    "a comparison": lambda x: x == [1, 2, 7, 8],
    "an order": lambda x: [0, 0, 0, 1] < x,
    "a power": lambda x: x ** [0, 1, 2, 3],
    "a product": lambda x: [1, 2, 3] @ x,
    "elements of the array": lambda x: x - [x[0, 0], 1, x[2, 1], 0],
}


@pytest.mark.parametrize("name", LISTS)
def test_operators_take_lists(name: str) -> None:
    agree(lambda m: LISTS[name], np.nan_to_num(M))


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "out": (lambda x: wnp.fft.fft(x, out=np.zeros(4)), ArgumentError, "out=; arrays are immutable"),
    "order": (lambda x: wnp.zeros_like(x, order="Z"), ArgumentError, "order='Z'; it is one of"),
    "order of reshape": (lambda x: wnp.reshape(x, -1, order="Z"), ArgumentError, "reshape got order='Z'"),
    "casting": (lambda x: wnp.concatenate([x, x], dtype=int), DTypeError, "say casting='unsafe'"),
    "resize": (lambda x: wnp.resize(x, -1), ValueError, "lengths must not be negative"),
    "pad": (lambda x: wnp.pad(x, 1, "edge", constant_values=2), ArgumentError, "mode 'edge' has no use for"),
    "delete": (lambda x: wnp.delete(x, [1.5]), IndexError, "integer"),
    "select": (lambda x: wnp.select([x], [x]), DTypeError, "condition of dtype float64"),
    "partition": (lambda x: wnp.partition(x, 1, kind="best"), ArgumentError, "there is 'introselect' alone"),
    "isin": (lambda x: wnp.isin(x, x, kind="best"), ArgumentError, "kind"),
    "full": (lambda x: wnp.full_like(x, 300, dtype="uint8"), OverflowError, "300 out of bounds"),
    "initial": (lambda x: (x[0] > 0).astype("uint8").max(initial=-9), OverflowError, "-9 out of bounds"),
    "arange": (lambda x: x + wnp.arange(), TypeError, "arange"),
    "None": (lambda x: wnp.hypot(x, None), ArgumentError, "hypot is None"),
    "a ragged list": (lambda x: x - [[1], [2, 3]], ValueError, "inhomogeneous"),
    "an unknown keyword of take": (
        lambda x: wnp.take(x, [0], fast=True),
        TypeError,
        r"^take\(\) got an unexpected",
    ),
    "an array left out": (lambda x: wnp.vecdot(x), TypeError, r"^vecdot\(\) missing 1 required"),
    "an unknown keyword": (lambda x: wnp.sort(x, fast=True), TypeError, r"^sort\(\) got an unexpected"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    fun, kind, message = REFUSED[name]
    for call in (staged, lambda f, x: f(wnp.asarray(x))):
        with pytest.raises(kind, match=message):
            call(fun, M)


def test_an_option_that_there_is_not_is_a_value_error_too() -> None:
    with pytest.raises(ValueError, match="quantile got method='best'"):
        wnp.quantile(V, 0.5, method="best")
    with pytest.raises(ValueError, match="inhomogeneous"):
        wnp.sum([[1, 2], [3]])
