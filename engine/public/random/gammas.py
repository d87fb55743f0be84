"""Gamma numbers and what is made of them: beta, Dirichlet, chi-square, Student's t, F, generalized normal, points of balls.

The one idea: rejection is one loop over all elements at once, each with a key of its own and marked when it has its number;
after a few rounds all have. A rejected draw has no derivative, so that by the shape parameter is taken along quantiles
(`weft.ir.ops.gamma_slope`); derivatives of the others follow.

Gamma numbers of shape parameters below 1 may be too small for their dtype. Where only ratios matter, logarithms are drawn.

Sources: Marsaglia & Tsang (2000), A simple method for generating gamma variables, doi:10.1145/358407.358414;
Figurnov, Mohamed & Mnih (2018), Implicit reparameterization gradients, arXiv:1805.08498.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.transforms.custom import custom_jvp, stop_gradient
from weft.ir.errors import ShapeError
from weft.ir.ops import gamma_slope as slopes
from weft.ir.ops.random import threefry2x32, threefry_children
from weft.numpy.staging import new_shape, static_int
from weft.random.continuous import exponential, unit_numbers
from weft.random.discrete import rademacher
from weft.random.keys import float_kind, one_key, parameter_shape, shape_for, split, staged
from weft.random.normals import normal, normal_numbers

# The loop

Words = tuple[Any, Any]  # keys as two arrays, of their first words and of their second


def _on_arrays(fun: Callable[..., Any]) -> Callable[..., Any]:
    """A function of values of the IR as one of arrays."""

    def call(*args: Any) -> Any:
        return tree.map(wrap_value, fun(*tree.map(to_value, args)))

    return call


_cipher = _on_arrays(threefry2x32)


def _children(words: Words, numbers: Any) -> Words:
    """Of each row of keys the children of some numbers: ``(rows, n)`` keys and ``(rows, k)`` numbers give ``(rows, k, n)``.

    All in one cipher: written out for each of them, its rounds would take long to compile.
    """
    counters = np.asarray(numbers, np.uint32)[:, :, None]
    first, second, low = wnp.broadcast_arrays(words[0][:, None], words[1][:, None], counters)
    high, low = _cipher(first, second, wnp.zeros_like(low), low)
    return high, low


def _pick(words: Words, *index: int) -> Words:
    return words[0][index], words[1][index]


def _stack(*rows: Words) -> Words:
    first, second = (wnp.stack(words) for words in zip(*rows, strict=True))
    return first, second


def _accepted_cubes(keys: Words, d: Any) -> Any:
    """Marsaglia and Tsang's cubes ``v = (1 + c x)**3`` of normal numbers ``x``, accepted so that ``d v`` is a gamma number.

    An element's key makes three: for the next proposal, for a chain of normal numbers of which the first with ``v > 0`` is
    the proposal, and for the uniform number that accepts it. A round of the loop is a link of the chain.

    Args:
        keys: two rows: for each element its key, and the first key of its chain.
        d: the shape parameter less a third.
    """
    from weft.lax import while_loop  # who draws no gamma numbers need not import it

    c = 1 / (3 * wnp.sqrt(d))
    normal_of = _on_arrays(lambda *words: normal_numbers(words, d.dtype))
    uniform_of = _on_arrays(lambda *words: unit_numbers(words, d.dtype))

    def more(state: Any) -> Any:
        return ~wnp.all(state[2])

    def next_round(state: Any) -> Any:
        keys, cube, done = state
        children = _children(
            keys, [[0, 2], [0, 1]]
        )  # of the key: the next, one to accept; of the chain: the next, a number
        links = _stack(_pick(children, 0, 0), _pick(children, 0, 1), _pick(children, 1, 1))
        links = _children(links, [[1], [0], [0]])
        u, x = uniform_of(*_pick(links, 1, 0)), normal_of(*_pick(links, 2, 0))
        v = 1 + x * c
        proposed = ~(v <= 0)
        square, new = x * x, v * v * v
        rejected = (u >= 1 - 0.0331 * (square * square)) & (
            wnp.log(u) >= square / 2 + d * (1 - new + wnp.log(new))
        )
        found = proposed & ~rejected
        after = _stack(_pick(children, 0, 0), _pick(links, 0, 0))  # another proposal
        onward = _stack(_pick(keys, 0), _pick(children, 1, 0))  # another link
        keys = tuple(wnp.where(proposed, a, b) for a, b in zip(after, onward, strict=True))
        return keys, wnp.where(found & ~done, new, cube), done | found

    return while_loop(more, next_round, (keys, wnp.zeros_like(d), wnp.zeros(d.shape, bool)))[1]


def _gamma_numbers(key: Any, a: Any, log: bool) -> Any:
    """Gamma numbers or their logarithms; a number for ``a < 1`` is one for ``a + 1`` times ``u ** (1 / a)``."""
    shape, a = a.shape, wnp.ravel(a)
    own = _on_arrays(lambda key: threefry_children(key, a.shape))(key)
    own = _children((own[0][None], own[1][None]), [[0, 1]])
    first = _pick(own, 0, 0)
    links = _children(_pick(own, 0), [[1], [0]])
    large = a >= 1
    d = wnp.where(large, a, a + 1) - 1 / 3
    cubes = _accepted_cubes(_stack(first, _pick(links, 0, 0)), d)
    u = 1 - _on_arrays(lambda *words: unit_numbers(words, a.dtype))(*_pick(links, 1, 0))
    if not log:
        numbers = d * cubes * wnp.where(large, 1, u ** (1 / a))
    else:
        u = wnp.log(u)
        numbers = wnp.log(d) + wnp.log(cubes) + wnp.where(large | (u == 0), 0, u * (1 / a))
    return wnp.reshape(numbers, shape)


# The derivative: that along the quantile, with draws as constants


@functools.partial(custom_jvp, nondiff_argnums=(2,))
def _drawn_gamma(key: Any, a: Any, log: bool) -> Any:
    return _gamma_numbers(key, stop_gradient(a), log)


@_drawn_gamma.defjvp
def _drawn_gamma_jvp(log: bool, primals: Any, tangents: Any) -> Any:
    key, a = primals
    numbers = _drawn_gamma(key, a, log)
    slope = _on_arrays(slopes.log_gamma_slope if log else slopes.gamma_slope)
    return numbers, tangents[1] * slope(a, numbers)


@staged("shape", "dtype", "log")
def _gamma(key: Any, a: Any, *, shape: tuple[int, ...], dtype: np.dtype, log: bool) -> Any:
    # Half precisions are drawn in float32: their normal numbers are too coarse to be accepted or not.
    wide = wnp.promote_types(dtype, np.float32)
    return _drawn_gamma(key, wnp.broadcast_to(wnp.asarray(a, wide), shape), log).astype(dtype)


def gamma(key: Any, a: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Gamma numbers of scale 1, whose density is in proportion to ``x**(a - 1) exp(-x)``.

    Args:
        key: a key.
        a: shape parameter, positive.
        shape: shape of the result, to which ``a`` broadcasts; by default that of ``a``.
        dtype: floating; float64 by default.
    """
    shape, dtype = shape_for(shape, "gamma", a), float_kind(dtype, "gamma")
    return _gamma(one_key(key, "gamma"), a, shape=shape, dtype=dtype, log=False)


def loggamma(key: Any, a: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Logarithms of gamma numbers, which for a small shape parameter ``a`` are in range where the numbers are not."""
    shape, dtype = shape_for(shape, "loggamma", a), float_kind(dtype, "loggamma")
    return _gamma(one_key(key, "loggamma"), a, shape=shape, dtype=dtype, log=True)


# Functions of gamma numbers


@staged("shape", "dtype")
def _beta(key: Any, a: Any, b: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    keys = split(key)
    logs = [loggamma(k, x, shape, dtype) for k, x in zip(keys, (a, b), strict=True)]
    largest = stop_gradient(wnp.maximum(*logs))
    first, second = (wnp.exp(x - largest) for x in logs)
    return first / (first + second)


def beta(key: Any, a: Any, b: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Beta numbers, from 0 to 1: density in proportion to ``x**(a - 1) (1 - x)**(b - 1)``, for positive ``a`` and ``b``."""
    shape, dtype = shape_for(shape, "beta", a, b), float_kind(dtype, "beta")
    return _beta(one_key(key, "beta"), a, b, shape=shape, dtype=dtype)


@staged("shape", "dtype")
def _dirichlet(key: Any, alpha: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    logs = loggamma(key, alpha, shape, dtype)
    parts = wnp.exp(logs - stop_gradient(wnp.max(logs, axis=-1, keepdims=True)))
    return parts / wnp.sum(parts, axis=-1, keepdims=True)


def dirichlet(key: Any, alpha: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Vectors of positive numbers that sum to 1: density in proportion to ``prod(x**(alpha - 1))``.

    Args:
        key: a key.
        alpha: parameters ``(..., n)``, positive.
        shape: shape of the result without its last axis, to which the leading axes of ``alpha`` broadcast.
        dtype: floating; float64 by default.
    """
    given = parameter_shape(alpha, "dirichlet")
    if not given or given[-1] == 0:
        raise ShapeError(
            f"random.dirichlet takes parameters alpha of shape (..., n) with n > 0, got shape {given}."
        )
    shape = shape_for(shape, "dirichlet", np.broadcast_to(0, given[:-1]))
    dtype = float_kind(dtype, "dirichlet")
    return _dirichlet(one_key(key, "dirichlet"), alpha, shape=(*shape, given[-1]), dtype=dtype)


@staged("shape", "dtype")
def _chisquare(key: Any, df: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    return wnp.exp(loggamma(key, wnp.asarray(df, dtype) / 2, shape, dtype)) * 2


def chisquare(key: Any, df: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Chi-square numbers of ``df`` degrees of freedom: sums of so many squares of normal numbers."""
    shape, dtype = shape_for(shape, "chisquare", df), float_kind(dtype, "chisquare")
    return _chisquare(one_key(key, "chisquare"), df, shape=shape, dtype=dtype)


@staged("shape", "dtype")
def _f(key: Any, dfnum: Any, dfden: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    dfnum, dfden = wnp.asarray(dfnum, dtype), wnp.asarray(dfden, dtype)
    below, above = split(key)
    return (chisquare(above, dfnum, shape, dtype) / dfnum) / (chisquare(below, dfden, shape, dtype) / dfden)


def f(key: Any, dfnum: Any, dfden: Any, shape: Any = None, dtype: Any = None) -> Any:
    """F numbers: quotients of chi-square numbers of ``dfnum`` and ``dfden`` degrees of freedom, each over its degrees."""
    shape, dtype = shape_for(shape, "f", dfnum, dfden), float_kind(dtype, "f")
    return _f(one_key(key, "f"), dfnum, dfden, shape=shape, dtype=dtype)


@staged("shape", "dtype")
def _t(key: Any, df: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    first, second = split(key)
    half = wnp.asarray(df, dtype) / 2
    return normal(first, shape, dtype) * wnp.sqrt(half / gamma(second, half, shape, dtype))


def t(key: Any, df: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Student's t numbers of ``df`` degrees of freedom."""
    shape, dtype = shape_for(shape, "t", df), float_kind(dtype, "t")
    return _t(one_key(key, "t"), df, shape=shape, dtype=dtype)


@staged("shape", "dtype")
def _generalized_normal(key: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    first, second = split(key)
    inverse = 1 / wnp.asarray(p, dtype)
    return rademacher(second, shape, dtype) * gamma(first, inverse, shape, dtype) ** inverse


def generalized_normal(key: Any, p: Any, shape: Any = (), dtype: Any = None) -> Any:
    """Numbers of density in proportion to ``exp(-abs(x)**p)``, for a positive ``p`` that broadcasts to ``shape``."""
    shape, dtype = shape_for(shape, "generalized_normal", p), float_kind(dtype, "generalized_normal")
    return _generalized_normal(one_key(key, "generalized_normal"), p, shape=shape, dtype=dtype)


@staged("shape", "dtype", "d")
def _ball(key: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype, d: int) -> Any:
    first, second = split(key)
    p = wnp.asarray(p, dtype)
    numbers = generalized_normal(first, p, (*shape, d), dtype)
    length = (wnp.sum(wnp.abs(numbers) ** p, axis=-1) + exponential(second, shape, dtype)) ** (1 / p)
    return numbers / length[..., None]


def ball(key: Any, d: int, p: Any = 2, shape: Any = (), dtype: Any = None) -> Any:
    """Uniformly distributed points of the unit ball of the p-norm.

    Args:
        key: a key.
        d: dimension of the points, the last axis of the result.
        p: which norm, a scalar from 1 on.
        shape: shape of the result without its last axis.
        dtype: floating; float64 by default.

    Source: Barthe, Guedon, Mendelson & Naor (2005), A probabilistic approach to the geometry of the l_p^n-ball,
    arXiv:math/0503650.
    """
    (d,) = new_shape(static_int(d, "random.ball", "d"), "random.ball")
    if given := parameter_shape(p, "ball"):
        raise ShapeError(f"random.ball takes one norm, got p of shape {given}.")
    shape, dtype = shape_for(shape, "ball"), float_kind(dtype, "ball")
    return _ball(one_key(key, "ball"), p, shape=shape, dtype=dtype, d=d)
