"""The laws that an unchanged function keeps under Weft: NumPy's values eagerly and under `jit`, `vmap`, `jvp` and `grad`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import scipy

import weft
import weft.numpy as wnp
from weft.engine.array import Array
from weft.ir.errors import WeftError

AS_LISTED = scipy.__version__.startswith("1.17.")
"""Whether this is the SciPy whose functions the tests list by what traces and what does not."""


@contextmanager
def as_far_as_scipy_traces() -> Iterator[None]:
    """Skip what another version of SciPy than the one that is listed does not trace any more, or not yet."""
    try:
        yield
    except WeftError as error:
        if AS_LISTED:
            raise
        pytest.skip(f"SciPy {scipy.__version__}: {type(error).__name__}")


def leaves(x: Any) -> list[Any]:
    return [v for part in x for v in leaves(part)] if isinstance(x, list | tuple) else [x]


def agree(got: Any, want: Any, rtol: float = 1e-9, *, arrays: bool = True) -> None:
    """Assert that two results have the same arrays; those of ``got`` are Weft's, if ``arrays``."""
    got, want = leaves(got), leaves(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert isinstance(g, Array) or not arrays, type(g)
        assert np.shape(g) == np.shape(w)
        np.testing.assert_allclose(g, w, rtol=rtol, atol=1e-12)


def check_values(fun: Callable[..., Any], args: Sequence[Any], *, eager_arrays: bool = True) -> None:
    """Eagerly, under ``jit`` and under ``vmap``. Eagerly some functions give NumPy's arrays (``np.asarray`` was called)."""
    want = fun(*args)
    agree(fun(*map(wnp.asarray, args)), want, arrays=eager_arrays)
    compiled = weft.jit(fun)
    agree(compiled(*args), want)
    again = [a * 1.01 if np.asarray(a).dtype.kind == "f" else a for a in args]
    agree(compiled(*again), fun(*again))
    batched = leaves(weft.vmap(fun)(*[np.stack([a, b]) for a, b in zip(args, again, strict=True)]))
    agree([x[0] for x in batched], want)
    agree([x[1] for x in batched], fun(*again))


def check_derivatives(fun: Callable[..., Any], args: Sequence[Any], rtol: float = 1e-6) -> None:
    """By the first argument, both modes, eagerly and compiled, against central differences along one direction."""
    x, rest = np.asarray(args[0]), args[1:]
    direction = np.cos(np.arange(x.size)).reshape(x.shape)

    def total(x: Any) -> Any:
        parts = [np.sum(v * (1.0 + 0.1 * i)) for i, v in enumerate(leaves(fun(x, *rest)))]
        return sum(parts[1:], parts[0])

    h = 1e-5
    slope = (total(x + h * direction) - total(x - h * direction)) / (2 * h)
    scale = max(abs(slope), 1e-3)
    for grad in (weft.grad(total), weft.jit(weft.grad(total))):
        gradient = grad(x)
        assert gradient.shape == x.shape
        np.testing.assert_allclose(np.sum(np.asarray(gradient) * direction) / scale, slope / scale, atol=rtol)
    for jvp in (weft.jvp, weft.jit(lambda x, t: weft.jvp(total, (x,), (t,)))):
        _, tangent = jvp(total, (x,), (direction,)) if jvp is weft.jvp else jvp(x, direction)
        np.testing.assert_allclose(np.asarray(tangent) / scale, slope / scale, atol=rtol)
