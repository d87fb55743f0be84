"""Derivatives and batches of the functions of `weft.lax` against JAX's: jvp, grad, second order, vmap over every operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import pytest
from jax import lax as jl

import weft
from tests.engine.public.test_lax import CASES, ELEMENTWISE
from weft import lax as wl

FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{
        name: (lambda lax, *xs, name=name: getattr(lax, name)(*xs), args)
        for name, args in ELEMENTWISE.items()
    },
    **{name: case for name, case in CASES.items() if case[1]},
}
# By which operands JAX has no derivative, or another one at a kink.
CONSTANT = {
    "igamma": (0,),  # no second one
    "igammac": (0,),
    "igamma_grad_a": (0, 1),
    "random_gamma_grad": (0, 1),
    "betainc": (0, 1),
    "zeta": (0, 1),
    "polygamma of several orders": (0,),
}


def _real(x: Any) -> bool:
    return getattr(x, "dtype", None) in (np.float64, np.complex128)


def _close(ours: Any, theirs: Any) -> None:
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)


def _derivatives(lib: Any, lax: Any, name: str) -> Callable[..., Any]:
    """Tangents, slopes and the tangents of these, of a real number that depends on all results."""
    fun, args = FUNCTIONS[name]
    moved = [i for i, x in enumerate(args) if _real(x) and i not in CONSTANT.get(name, ())]

    def total(*xs: Any) -> Any:
        full = list(args)
        for i, x in zip(moved, xs, strict=True):
            full[i] = x
        outs = [y for y in jax.tree.leaves(fun(lax, *full)) if y.dtype in (np.float64, np.complex128)]
        weights = [np.cos(np.arange(y.size)).reshape(y.shape) for y in outs]
        return sum(
            (w * (y.real**2 + y.imag**2 if y.dtype == np.complex128 else y**2)).sum()
            for w, y in zip(weights, outs, strict=True)
        )

    slope = lib.grad(total, tuple(range(len(moved))))

    def all_of_them() -> Any:
        xs = tuple(args[i] for i in moved)
        ways = tuple(np.sin(np.nan_to_num(x, posinf=0) + 1) for x in xs)
        return lib.jvp(total, xs, ways)[1], slope(*xs), lib.jvp(slope, xs, ways)[1]

    return all_of_them


SMOOTH = [
    name
    for name, (fun, args) in FUNCTIONS.items()
    if any(_real(x) and i not in CONSTANT.get(name, ()) for i, x in enumerate(args))
    and any(_real(y) for y in jax.tree.leaves(jax.eval_shape(lambda *xs, fun=fun: fun(jl, *xs), *args)))
    and name not in ("nextafter", "stage", "composite")  # JAX has none
    and name != "cumlogsumexp of complex"  # where JAX's is not that of its values' differences
    and not name.startswith(("reduce_precision", "dynamic_slice without"))
]


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name: str) -> None:
    _close(_derivatives(weft, wl, name)(), jax.jit(_derivatives(jax, jl, name))())


# JAX's fail, or round and cut off in another order under vmap.
NOT_BATCHED = ("reduce_precision", "dynamic_slice without", "composite", "bitcast_convert_type of")


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if not name.startswith(NOT_BATCHED)])
def test_batches(name: str) -> None:
    """Each operand mapped alone, along its last axis, and all of them."""
    fun, args = FUNCTIONS[name]
    ways = [tuple(j == i for j in range(len(args))) for i in range(len(args))]
    ways += [(True,) * len(args)] if len(args) > 1 else []

    def mapped(lib: Any, lax: Any) -> Callable[[], Any]:
        def run() -> Any:
            outs = []
            for way in ways:
                axes = tuple(-1 if here else None for here in way)
                xs = [
                    np.stack([x, x[..., ::-1] if np.ndim(x) else x], -1) if here else x
                    for x, here in zip(args, way, strict=True)
                ]
                outs.append(lib.vmap(lambda *xs: fun(lax, *xs), axes)(*xs))
            return outs

        return run

    _close(mapped(weft, wl)(), jax.jit(mapped(jax, jl))())


@pytest.mark.parametrize(
    "name", [name for name, case in CASES.items() if name.startswith(NOT_BATCHED) and case[1]]
)
def test_batches_are_loops(name: str) -> None:
    fun, args = CASES[name]
    many = [np.stack([x, x[::-1] if np.ndim(x) else x], -1) for x in args]
    found = weft.vmap(lambda *xs: fun(wl, *xs), -1)(*many)
    each = [jax.tree.leaves(jax.tree.map(np.asarray, fun(wl, *(x[..., i] for x in many)))) for i in range(2)]
    _close(found, [np.stack(parts) for parts in zip(*each, strict=True)])


def test_derivative_of_running_sums_of_complex_exponentials() -> None:
    fun, (z,) = CASES["cumlogsumexp of complex"]
    way = np.sin(z + 1)
    tangent = np.asarray(weft.jvp(lambda z: fun(wl, z), (z,), (way,))[1])
    ends = [np.asarray(fun(wl, z + h * way)) for h in (1e-6, -1e-6)]
    np.testing.assert_allclose(tangent, (ends[0] - ends[1]) / 2e-6, rtol=1e-7)


def test_derivatives_of_rounding_are_rounded() -> None:
    x, way = np.array([1.3, -2.7]), np.array([1.23, 0.77])
    tangent = weft.jvp(lambda x: wl.reduce_precision(x, 5, 2), (x,), (way,))[1]
    np.testing.assert_array_equal(np.asarray(tangent), [1.25, 0.75])
    slope = weft.grad(lambda x: (way * wl.reduce_precision(x, 5, 2)).sum())(x)
    np.testing.assert_array_equal(np.asarray(slope), [1.25, 0.75])
