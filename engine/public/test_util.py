"""`weft.test_util`: checks of derivatives against finite differences, as `jax.test_util` has them.

The one idea: a derivative is compared along random directions, forward and reverse: one evaluation of the function on each
side says whether a Jacobian of any size is right.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.transforms.differentiate import jvp, vjp
from weft.ir.errors import ArgumentError

__all__ = ["check_grads", "check_jvp", "check_vjp"]

# By the kind of floats: the step of central differences that balances rounding and curvature, and what is then left.
_STEP = {2: 1e-2, 4: 1e-2, 8: 1e-6}
_TOLERANCE = {2: 1e-1, 4: 2e-2, 8: 1e-5}


def _real_size(leaves: Sequence[Any]) -> int:
    """Bytes of the coarsest floats among arrays."""
    kinds = [np.result_type(x) for x in map(np.asarray, leaves) if np.asarray(x).dtype.kind in "fc"]
    return min((np.finfo(kind).dtype.itemsize for kind in kinds), default=8)


def _directions(rng: np.random.Generator, x: Any) -> Any:
    """A random tree like ``x``."""

    def leaf(v: Any) -> Any:
        v = np.asarray(v)
        if v.dtype.kind not in "fc":
            return np.zeros(v.shape, v.dtype)
        direction = rng.standard_normal(v.shape)
        if v.dtype.kind == "c":
            direction = direction + 1j * rng.standard_normal(v.shape)
        return np.asarray(direction, v.dtype)

    return tree.map(leaf, x)


def _moved(args: Any, direction: Any, step: float) -> Any:
    def leaf(v: Any, d: Any) -> Any:
        v = np.asarray(v)
        return v if v.dtype.kind not in "fc" else (v + step * d).astype(v.dtype)

    return tree.map(leaf, args, direction)


def _slope(f: Callable[..., Any], args: tuple[Any, ...], direction: Any, step: float) -> Any:
    """The derivative of ``f`` along a direction, by a central difference."""
    after, before = f(*_moved(args, direction, step)), f(*_moved(args, direction, -step))

    def leaf(a: Any, b: Any) -> Any:
        a, b = np.asarray(a), np.asarray(b)
        return (a - b) / (2 * step) if a.dtype.kind in "fc" else np.zeros(a.shape, bool)

    return tree.map(leaf, after, before)


def _dot(a: Any, b: Any) -> float:
    """The real inner product that cotangents and tangents have: no conjugate, as in JAX."""
    pairs = zip(tree.leaves(a), tree.leaves(b), strict=True)
    found = [np.sum(np.asarray(x) * np.asarray(y)) for x, y in pairs if np.asarray(x).dtype.kind in "fc"]
    return float(np.real(sum(found)))


def _close(found: Any, wanted: Any, atol: float, rtol: float, what: str) -> None:
    leaves, expected = tree.leaves(found), tree.leaves(wanted)
    if len(leaves) != len(expected):
        raise AssertionError(f"{what}: {len(leaves)} arrays where the function has {len(expected)}.")
    for x, y in zip(leaves, expected, strict=True):
        if np.asarray(x).dtype.kind in "fc":
            np.testing.assert_allclose(np.asarray(x), np.asarray(y), atol=atol, rtol=rtol, err_msg=what)


def _settings(args: Any, atol: Any, rtol: Any, eps: Any) -> tuple[float, float, float]:
    size = _real_size(tree.leaves(args))
    tolerance = _TOLERANCE[size]
    return (
        tolerance if atol is None else atol,
        tolerance if rtol is None else rtol,
        _STEP[size] if eps is None else eps,
    )


def check_jvp(
    f: Callable[..., Any],
    f_jvp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "",
) -> None:
    """Compare a forward-mode derivative with a central difference, along a random direction.

    Args:
        f: the function, of ``args``; trees of arrays.
        f_jvp: ``f_jvp(primals, tangents) -> (out, out_tangent)``, such as ``functools.partial(weft.jvp, f)``.
        args: where.
        atol: absolute tolerance; by default one that fits the dtype of ``args``.
        rtol: relative tolerance, likewise.
        eps: the step of the difference, likewise.
        err_msg: what the error begins with.

    Raises:
        AssertionError: they differ.
    """
    atol, rtol, eps = _settings(tuple(args), atol, rtol, eps)
    direction = _directions(np.random.default_rng(0), tuple(args))
    out, tangent = f_jvp(tuple(args), direction)
    _close(out, f(*args), atol, rtol, f"{err_msg} the value of the jvp".strip())
    wanted = _slope(f, tuple(args), direction, eps)
    _close(tangent, wanted, atol, rtol, f"{err_msg} the tangent of the jvp".strip())


def check_vjp(
    f: Callable[..., Any],
    f_vjp: Callable[..., Any],
    args: Sequence[Any],
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
    err_msg: str = "",
) -> None:
    """Compare a reverse-mode derivative with a central difference, along a random direction and a random cotangent.

    Args:
        f: the function, of ``args``; trees of arrays.
        f_vjp: ``f_vjp(*args) -> (out, pull_back)``, such as ``functools.partial(weft.vjp, f)``.
        args: where.
        atol: absolute tolerance; by default one that fits the dtype of ``args``.
        rtol: relative tolerance, likewise.
        eps: the step of the difference, likewise.
        err_msg: what the error begins with.

    Raises:
        AssertionError: they differ.
    """
    atol, rtol, eps = _settings(tuple(args), atol, rtol, eps)
    rng = np.random.default_rng(0)
    direction = _directions(rng, tuple(args))
    out, pull_back = f_vjp(*args)
    _close(out, f(*args), atol, rtol, f"{err_msg} the value of the vjp".strip())
    ct = _directions(rng, out)
    by_reverse = _dot(pull_back(ct), direction)
    by_difference = _dot(_slope(f, tuple(args), direction, eps), ct)
    np.testing.assert_allclose(
        by_reverse, by_difference, atol=atol, rtol=rtol, err_msg=f"{err_msg} the cotangent of the vjp".strip()
    )


def check_grads(
    f: Callable[..., Any],
    args: Sequence[Any],
    order: int,
    modes: Sequence[str] | str = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Compare derivatives of a function, to any order and in both modes, with finite differences.

    Args:
        f: function of trees of arrays.
        args: where, a sequence with an item an argument.
        order: up to which order; each mode is taken of each mode of the order below.
        modes: ``"fwd"``, ``"rev"``, or both.
        atol: absolute tolerance; by default one that fits the dtype of ``args``.
        rtol: relative tolerance, likewise.
        eps: the step of the difference, likewise.

    Raises:
        AssertionError: they differ; the message says by which modes the derivative was taken.
        ArgumentError: a mode is neither of the two.
    """
    modes = (modes,) if isinstance(modes, str) else tuple(modes)
    if wrong := [mode for mode in modes if mode not in ("fwd", "rev")]:
        raise ArgumentError(f'check_grads got modes={wrong}: there are "fwd" and "rev".')
    rng = np.random.default_rng(0)

    def check(f: Callable[..., Any], args: tuple[Any, ...], order: int, path: str) -> None:
        if "fwd" in modes:
            check_jvp(f, lambda p, t: jvp(f, p, t), args, atol, rtol, eps, f"{path}jvp:")
            if order > 1:
                direction = _directions(rng, args)
                check(lambda *p: jvp(f, p, direction), args, order - 1, f"{path}jvp of ")
        if "rev" in modes:
            check_vjp(f, lambda *p: vjp(f, *p), args, atol, rtol, eps, f"{path}vjp:")
            if order > 1:
                ct = _directions(rng, f(*args))
                check(lambda *p: vjp(f, *p)[1](ct), args, order - 1, f"{path}vjp of ")

    check(f, tuple(args), order, "")
