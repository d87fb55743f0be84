"""Counts: geometric, Poisson, binomial and multinomial numbers.

The one idea: small means are counted out, event by event; large ones are drawn by transformed rejection. Both are loops over
all elements at once that end when each has its number, and each element takes that of the loop which is for it.

Sources: Knuth (1969), The Art of Computer Programming 2, section 3.4.1; Devroye (1986), Non-Uniform Random Variate Generation,
chapter X.4; Hörmann (1993), doi:10.1016/0167-6687(93)90997-4 (Poisson) and doi:10.1080/00949659308811496 (binomial).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.array import to_value, wrap_value
from weft.ir.errors import ShapeError
from weft.numpy.staging import to_inexact
from weft.random.continuous import uniform
from weft.random.keys import float_kind, integer_kind, one_key, parameter_shape, shape_for, split, staged

FLOAT32 = np.dtype(np.float32)
Proposal = Callable[[Any, Any], tuple[Any, Any]]


def _until_accepted(key: Any, needed: Any, dtype: np.dtype, fineness: np.dtype, proposal: Proposal) -> Any:
    """For each element a proposal that is accepted, if any is ``needed``.

    ``proposal(u, v)`` gives numbers of ``dtype``, and which are accepted, of uniform numbers drawn as ``fineness``. Rounds go
    on until each element, needed or not, had one; its last one counts: JAX's numbers come about like this.
    """
    from weft.lax import while_loop  # who draws no counts need not import it

    def more(state: Any) -> Any:
        return ~wnp.all(state[1])

    def next_round(state: Any) -> Any:
        number, done, key = state
        key, first, second = split(key, 3)
        u, v = (uniform(k, needed.shape, fineness).astype(dtype) for k in (first, second))
        proposed, accepted = proposal(u - 0.5, v)
        return wnp.where(accepted, proposed, number), done | accepted, key

    return while_loop(
        more,
        next_round,
        (wnp.zeros(needed.shape, dtype), wnp.broadcast_to(~wnp.any(needed), needed.shape), key),
    )[0]


def _steps_within(
    key: Any, limit: Any, fineness: np.dtype, step: Callable[[Any], Any], flip: bool = False
) -> Any:
    """How many steps, ``step(u)`` of uniform numbers, have a sum that does not exceed ``limit``, elementwise.

    ``flip``: the first of two new keys is for the numbers, and not the second.
    """
    from weft.lax import while_loop

    def more(state: Any) -> Any:
        return wnp.any(state[1] <= limit)

    def next_round(state: Any) -> Any:
        count, total, key = state
        key, draw = reversed(split(key)) if flip else split(key)
        count = wnp.where(total <= limit, count + 1, count)
        return count, total + step(uniform(draw, limit.shape, fineness)).astype(limit.dtype), key

    zeros = wnp.zeros_like(limit)
    return while_loop(more, next_round, (zeros, zeros, key))[0] - 1


_STIRLING_TAILS = np.array(
    [math.lgamma(k + 1) - (k + 0.5) * math.log(k + 1) + k + 1 - math.log(2 * math.pi) / 2 for k in range(10)]
)


def _stirling_tail(k: Any) -> Any:
    """``log(k!)`` less Stirling's formula for it."""
    square = (k + 1) * (k + 1)
    series = (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)
    table = wnp.asarray(_STIRLING_TAILS, k.dtype)
    return wnp.where(k <= 9, table[wnp.clip(k, 0, 9).astype(np.int32)], series)


# Geometric


@staged("shape", "dtype")
def _geometric(key: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    p = _probability(p)
    u = uniform(key, shape, p.dtype)
    trials = wnp.floor(wnp.log(wnp.where(u == 0, 1, u)) / wnp.log1p(-p)) + 1
    return wnp.broadcast_to(trials, shape).astype(dtype)


def _probability(p: Any) -> Any:
    """A floating array, of float32 at least: halves of probabilities are too coarse to count by."""
    p = wrap_value(to_inexact(to_value(p)))
    return p.astype(wnp.promote_types(p.dtype, np.float32))


def geometric(key: Any, p: Any, shape: Any = None, dtype: Any = None) -> Any:
    """The number of trials up to the first success, each of probability ``p``: integers from 1 on (int64 by default)."""
    shape, dtype = shape_for(shape, "geometric", p), integer_kind(dtype, "geometric")
    return _geometric(one_key(key, "geometric"), p, shape=shape, dtype=dtype)


# Poisson


@staged("shape", "dtype")
def _poisson(key: Any, lam: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    # Uniform numbers are of float32; what becomes of them is not, since for large lam large terms cancel.
    lam = wnp.broadcast_to(wnp.asarray(lam, np.float64), shape)
    few = ~(lam >= 10)
    # The waiting times of events are exponential numbers: how many of them fit into lam?
    counted = _steps_within(key, wnp.where(few, lam, 0), FLOAT32, lambda u: -wnp.log(u))
    drawn = _poisson_by_rejection(key, ~few, wnp.where(few, 1e5, lam))
    numbers = wnp.where(few, counted, drawn)
    numbers = wnp.where(lam == 0, 0, wnp.where(lam == math.inf, math.inf, numbers))
    return numbers.astype(dtype)


def _poisson_by_rejection(key: Any, needed: Any, lam: Any) -> Any:
    b = 0.931 + 2.53 * wnp.sqrt(lam)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    surely = 0.9277 - 3.6224 / (b - 2)

    def proposal(u: Any, v: Any) -> tuple[Any, Any]:
        edge = 0.5 - wnp.abs(u)
        k = wnp.floor((2 * a / edge + b) * u + lam + 0.43)
        above = wnp.log(v * inverse_alpha / (a / (edge * edge) + b))
        # The logarithm of the probability, exp(-lam) lam**k / k!
        root = wnp.log(2 * math.pi * (k + 1)) / 2
        below = (k + 1 - lam) - k * wnp.log((k + 1) / lam) - root - _stirling_tail(k)
        outside = (k < 0) | ((edge < 0.013) & (v > edge))
        return k, ((edge >= 0.07) & (v <= surely)) | (~outside & (above <= below))

    return _until_accepted(key, needed, lam.dtype, FLOAT32, proposal)


def poisson(key: Any, lam: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Poisson numbers: how many independent events happen where ``lam`` are expected.

    Args:
        key: a key.
        lam: rate, not negative. Negative and NaN give -1, infinite the largest integer.
        shape: shape of the result, to which ``lam`` broadcasts; by default that of ``lam``.
        dtype: integer; int64 by default.
    """
    shape, dtype = shape_for(shape, "poisson", lam), integer_kind(dtype, "poisson")
    return _poisson(one_key(key, "poisson"), lam, shape=shape, dtype=dtype)


# Binomial


@staged("shape", "dtype")
def _binomial(key: Any, n: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    p = wnp.broadcast_to(_probability(p), shape)
    n = wnp.broadcast_to(wnp.asarray(n).astype(p.dtype), shape)
    rare = p < 0.5
    q = wnp.where(rare, p, 1 - p)  # of the rarer event, whose number is drawn
    no_number, no_probability, endless = ~(n >= 0), ~(q >= 0), wnp.isinf(n)
    q = wnp.where(no_probability, 0.01, q)
    few = no_number | (n * q <= 10)
    n = wnp.floor(n)
    # The gaps between successes are geometric numbers: how many of them fit into n?
    log_failure = wnp.log1p(-q)
    counted = _steps_within(
        key, wnp.where(few, n, 0), p.dtype, lambda u: wnp.ceil(wnp.log(u) / log_failure), flip=True
    )
    few |= endless
    drawn = _binomial_by_rejection(key, ~few, wnp.where(few, 1e4, n), wnp.where(few, 0.5, q))
    numbers = wnp.where(few, counted, drawn)
    numbers = wnp.where(rare, numbers, n - numbers)
    numbers = wnp.where(endless, math.inf, numbers)
    return wnp.where(no_number | no_probability, math.nan, numbers).astype(dtype)


def _binomial_by_rejection(key: Any, needed: Any, n: Any, p: Any) -> Any:
    deviation = wnp.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c = n * p + 0.5
    surely = 0.92 - 4.2 / b
    odds = p / (1 - p)
    alpha = (2.83 + 5.1 / b) * deviation
    mode = wnp.floor((n + 1) * p)

    def proposal(u: Any, v: Any) -> tuple[Any, Any]:
        edge = 0.5 - wnp.abs(u)
        k = wnp.floor((2 * a / edge + b) * u + c)
        above = wnp.log(v * alpha / (a / (edge * edge) + b))
        below = (
            (mode + 0.5) * wnp.log((mode + 1) / (odds * (n - mode + 1)))
            + (n + 1) * wnp.log((n - mode + 1) / (n - k + 1))
            + (k + 0.5) * wnp.log(odds * (n - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(n - mode)
            - _stirling_tail(k)
            - _stirling_tail(n - k)
        )
        outside = (k < 0) | (k > n)
        return k, ((edge >= 0.07) & (v <= surely)) | (~outside & (above <= below))

    return _until_accepted(key, needed, n.dtype, n.dtype, proposal)


def binomial(key: Any, n: Any, p: Any, shape: Any = None, dtype: Any = None) -> Any:
    """Binomial numbers: how many of ``n`` trials succeed, each with probability ``p``.

    Args:
        key: a key.
        n: number of trials, not negative.
        p: probability, from 0 to 1, in whose dtype the numbers are drawn.
        shape: shape of the result, to which ``n`` and ``p`` broadcast.
        dtype: floating, as JAX has it; float64 by default. NaN where ``n`` or ``p`` is out of range, infinite where ``n`` is.
    """
    shape, dtype = shape_for(shape, "binomial", n, p), float_kind(dtype, "binomial")
    return _binomial(one_key(key, "binomial"), n, p, shape=shape, dtype=dtype)


# Multinomial


@staged("shape", "dtype")
def _multinomial(key: Any, n: Any, p: Any, *, shape: tuple[int, ...], dtype: np.dtype) -> Any:
    from weft.lax import scan

    p = _probability(p)
    n = wnp.broadcast_to(wnp.asarray(n).astype(p.dtype), shape[:-1])
    p = wnp.moveaxis(wnp.broadcast_to(p, shape), -1, 0)
    rest = wnp.flip(wnp.cumsum(wnp.flip(p, 0), 0), 0)

    def category(left: Any, row: Any) -> tuple[Any, Any]:
        share, key = row
        count = binomial(key, left, wnp.clip(share, 0, 1), dtype=left.dtype)
        return left - count, count

    _, counts = scan(category, n, (p / wnp.where(rest == 0, 1, rest), split(key, shape[-1])))
    return wnp.moveaxis(counts, 0, -1).astype(dtype)


def multinomial(
    key: Any, n: Any, p: Any, *, shape: Any = None, dtype: Any = None, unroll: int | bool = 1
) -> Any:
    """How many of ``n`` trials have each outcome: a binomial number for each, of the trials that the ones before it left.

    Args:
        key: a key.
        n: number of trials, which broadcasts to the shape of the result without its last axis.
        p: probabilities of the outcomes ``(..., k)``, in proportion to which they are taken.
        shape: shape of the result with its last axis, to which ``p`` broadcasts; by default that of ``p``.
        dtype: floating; float64 by default.
        unroll: accepted for JAX's sake: it changes nothing about the numbers.
    """
    given = parameter_shape(p, "multinomial")
    shape = shape_for(shape, "multinomial", p)
    if not given or shape[-1] != given[-1]:
        raise ShapeError(
            f"random.multinomial takes probabilities (..., k) for shape (..., k), got {given} and {shape}."
        )
    shape_for(shape[:-1], "multinomial", n)
    return _multinomial(
        one_key(key, "multinomial"), n, p, shape=shape, dtype=float_kind(dtype, "multinomial")
    )
