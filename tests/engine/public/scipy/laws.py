"""What every function of `weft.scipy` must satisfy: SciPy's values, eagerly, under jit and vmap; derivatives of two orders.

The one idea: a case is a function of arrays and its arguments, so that each law is written once. Derivatives are held against
central differences and, forward against reverse, against each other; JAX is asked too where a case names its function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

import weft

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """``ours(*args)`` means ``theirs(*args)``.

    ``jax`` is the function whose derivatives must be the same, ``active`` the arguments to differentiate by (``()``: none),
    ``batch`` whether vmap is tried, ``tol`` the error allowed of values, ``slope_tol`` of derivatives against differences,
    ``order`` how often to differentiate.
    """

    ours: Function
    theirs: Function
    args: tuple[Any, ...]
    jax: Function | None = None
    active: tuple[int, ...] | None = None
    batch: bool = True
    tol: float = 1e-9
    slope_tol: float = 1e-5
    order: int = 2


def leaves(x: Any) -> list[np.ndarray]:
    """The arrays of nested tuples, lists and dicts."""
    if isinstance(x, dict):
        return [a for k in sorted(x) for a in leaves(x[k])]
    if isinstance(x, list | tuple):
        return [a for v in x for a in leaves(v)]
    return [] if x is None else [np.asarray(x)]


def close(got: Any, want: Any, tol: float, how: str = "", dtypes: bool = True) -> None:
    """Equal dtypes, shapes and, relative to the largest element, values."""
    found, wanted = leaves(got), leaves(want)
    assert len(found) == len(wanted), how
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape, f"{how}: shape {a.shape}, expected {b.shape}"
        if dtypes:
            assert a.dtype == b.dtype, f"{how}: dtype {a.dtype}, expected {b.dtype}"
        size = np.max(np.abs(b[np.isfinite(b)]), initial=1)
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol * size, err_msg=how)


def _noise(rng: np.random.Generator, like: np.ndarray) -> np.ndarray:
    part = rng.normal(size=like.shape)
    return (part + 1j * rng.normal(size=like.shape) if like.dtype.kind == "c" else part).astype(like.dtype)


def _inexact(x: np.ndarray) -> bool:
    return x.dtype.kind in "fc"


def check(case: Case) -> None:
    """All laws."""
    args = tuple(np.asarray(a) for a in case.args)
    want = case.theirs(*args)
    close(case.ours(*args), want, case.tol, "eager")
    close(weft.jit(case.ours)(*args), want, case.tol, "jit")
    if case.batch and args:
        check_batch(case.ours, args, case.tol)
    given = tuple(i for i, a in enumerate(args) if _inexact(a))
    active = given if case.active is None else case.active
    if active:

        def floating(*given: Any) -> list[Any]:
            full = list(args)
            for i, x in zip(active, given, strict=True):
                full[i] = x
            return [x for x in _flat(case.ours(*full)) if x.dtype.kind in "fc"]

        primals = [args[i] for i in active]
        check_derivatives(floating, primals, case.slope_tol, case.order)
        if case.jax is not None:
            check_as_jax(floating, case.jax, args, active, max(case.tol, 1e-8))


def _flat(x: Any) -> list[Any]:
    if isinstance(x, dict):
        return [a for k in sorted(x) for a in _flat(x[k])]
    if isinstance(x, list | tuple):
        return [a for v in x for a in _flat(v)]
    return [] if x is None else [x]


def check_batch(fun: Function, args: Sequence[np.ndarray], tol: float) -> None:
    """vmap over the floating arguments is a loop."""
    factors = np.array([1.0, 1.01, 0.98])
    axes = [0 if _inexact(a) else None for a in args]
    if not any(axis == 0 for axis in axes):
        return
    stacked = [
        np.stack([(a * f).astype(a.dtype) for f in factors]) if axis == 0 else a
        for a, axis in zip(args, axes, strict=True)
    ]
    got = leaves(weft.jit(weft.vmap(fun, tuple(axes)))(*stacked))
    each = [
        leaves(fun(*[a[i] if axis == 0 else a for a, axis in zip(stacked, axes, strict=True)]))
        for i in range(len(factors))
    ]
    for out, parts in zip(got, zip(*each, strict=True), strict=True):
        close(out, np.stack(parts), tol, "vmap")


def check_derivatives(fun: Function, primals: Sequence[np.ndarray], tol: float, order: int) -> None:
    """Forward mode against central differences, reverse mode against forward, then the same of the derivative."""
    rng = np.random.default_rng(order)
    tangents = [_noise(rng, x) for x in primals]
    h = 1e-5
    outs, out_tangents = weft.jvp(fun, tuple(primals), tuple(tangents))
    ahead, behind = (
        leaves(fun(*[x + s * h * t for x, t in zip(primals, tangents, strict=True)])) for s in (1, -1)
    )
    for got, up, down in zip(leaves(out_tangents), ahead, behind, strict=True):
        close(got, (up - down) / (2 * h), tol, f"jvp, order {order} from the last", dtypes=False)
    cts = [_noise(rng, np.asarray(y)) for y in leaves(outs)]
    _, pull = weft.vjp(fun, *primals)
    back = leaves(pull(cts))
    forth = sum(
        float(np.real(np.sum(c * np.asarray(t)))) for c, t in zip(cts, leaves(out_tangents), strict=True)
    )
    paired = sum(float(np.real(np.sum(b * t))) for b, t in zip(back, tangents, strict=True))
    np.testing.assert_allclose(paired, forth, rtol=1e-7, atol=1e-7, err_msg="vjp against jvp")
    if order > 1:

        def slope(*xs: Any) -> Any:
            return weft.jvp(fun, xs, tuple(tangents))[1]

        check_derivatives(slope, primals, 10 * tol, order - 1)


def check_as_jax(
    fun: Function, theirs: Function, args: Sequence[np.ndarray], active: Sequence[int], tol: float
) -> None:
    """The tangents and the cotangents of JAX."""
    rng = np.random.default_rng(5)

    def of_jax(*given: Any) -> list[Any]:
        full = list(args)
        for i, x in zip(active, given, strict=True):
            full[i] = x
        return [y for y in jax.tree.leaves(theirs(*full)) if y.dtype.kind in "fc"]

    primals = tuple(args[i] for i in active)
    tangents = tuple(_noise(rng, x) for x in primals)
    # Under jit: what JAX runs by itself it compiles operation by operation, and its derivatives are some hundred.
    wanted = jax.jit(lambda xs, ts: jax.jvp(of_jax, xs, ts))(primals, tangents)
    close(weft.jvp(fun, primals, tangents), wanted, tol, "jvp of jax")
    cts = [_noise(rng, np.asarray(y)) for y in wanted[0]]
    back = jax.jit(lambda xs, cts: jax.vjp(of_jax, *xs)[1](cts))(primals, cts)
    close(weft.vjp(fun, *primals)[1](cts), back, tol, "vjp of jax")
