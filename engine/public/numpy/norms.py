"""Norms of vectors and matrices, of every order that NumPy knows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from weft.engine.dispatch import as_dtype
from weft.ir.errors import ArgumentError, AxisError
from weft.ir.ops import elementwise as e
from weft.ir.ops import spectral
from weft.ir.ops import transcendental as t
from weft.ir.ops.reduce import reduce_max, reduce_min, reduce_sum
from weft.ir.ops.shape import broadcast, reshape, transpose
from weft.numpy.staging import axis_index, like_numpy, to_inexact, value

__all__ = ["matrix_norm", "norm", "vector_norm"]


def _of_vectors(x: Any, order: Any, axes: tuple[int, ...], name: str) -> Any:
    """The norm over axes taken as one vector."""
    if order in (None, 2):
        return t.sqrt(reduce_sum(_squares(x), axes))
    if order == math.inf:
        return _largest(e.abs_(x), axes)
    if order == -math.inf:
        return reduce_min(e.abs_(x), axes)
    if order == 0:
        return reduce_sum(e.cast(e.ne(x, e.full_like(x, 0)), e.real(x).dtype), axes)
    if order == 1:
        return reduce_sum(e.abs_(x), axes)
    if isinstance(order, str):
        raise ArgumentError(f"{name} got ord={order!r}, which is not a norm of vectors.")
    size = e.abs_(x)
    power = as_dtype(value(order, name, "ord"), size.dtype)
    total = reduce_sum(e.power(size, power), axes)
    return e.power(total, e.div(e.full_like(power, 1), power))


def _largest(sizes: Any, axes: tuple[int, ...]) -> Any:
    """The largest of numbers that are not negative; 0 of none."""
    none = any(sizes.shape[axis] == 0 for axis in axes)
    return reduce_sum(sizes, axes) if none else reduce_max(sizes, axes)


def _squares(x: Any) -> Any:
    re = e.mul(e.real(x), e.real(x))
    return re if x.dtype.kind != "c" else e.add(re, e.mul(e.imag(x), e.imag(x)))


def _of_matrices(x: Any, order: Any, axes: tuple[int, int], name: str) -> Any:
    """The norm of matrices whose rows and columns are counted by two axes."""
    rows, columns = axes
    if order in (None, "fro"):
        return _of_vectors(x, None, axes, name)
    if order in (1, -1, math.inf, -math.inf):
        summed, kept = (rows, columns) if order in (1, -1) else (columns, rows)
        sums = reduce_sum(e.abs_(x), (summed,))
        extremum = _largest if order > 0 else reduce_min
        return extremum(sums, (kept - (kept > summed),))
    if order not in (2, -2, "nuc"):
        raise ArgumentError(
            f"{name} got ord={order!r}, which is not a norm of matrices: fro, nuc, inf, -inf, 1, -1, 2, -2."
        )
    others = [i for i in range(len(x.shape)) if i not in axes]
    s = spectral.singular_values(transpose(x, [*others, rows, columns]))
    last = (len(s.shape) - 1,)
    return reduce_sum(s, last) if order == "nuc" else _largest(s, last) if order == 2 else reduce_min(s, last)


def _keep(x: Any, reduced: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if not keepdims:
        return reduced
    return reshape(reduced, tuple(1 if i in axes else n for i, n in enumerate(x.shape)))


@like_numpy(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """The norm of vectors, or of matrices.

    Args:
        x: array.
        ord: vectors: a number p for ``sum(abs(x)**p)**(1/p)``, ``inf`` or ``-inf`` for the largest or least, 0 for how many
            are not zero; matrices: "fro", "nuc" (sum of singular values), 2 or -2 (extreme singular values), 1 or -1 (extreme
            column sums), ``inf`` or ``-inf`` (extreme row sums). ``None`` is the root of the sum of squares.
        axis: an integer for vectors along it, a pair for matrices; ``None`` for all of ``x``.
        keepdims: keep the axes with length 1.
    """
    name = "linalg.norm"
    x = to_inexact(value(x, name))
    ndim = len(x.shape)
    if axis is None:
        axes = tuple(range(ndim))
        if ord is None:
            return _keep(x, _of_vectors(x, None, axes, name), axes, keepdims)
    else:
        given = axis if isinstance(axis, tuple | list) else (axis,)
        axes = tuple(axis_index(a, ndim, name) for a in given)
        if len(set(axes)) != len(axes):
            raise AxisError(f"{name} got axis {tuple(given)}: an axis is given twice.")
    if len(axes) == 1:
        found = _of_vectors(x, ord, axes, name)
    elif len(axes) == 2:
        found = _of_matrices(x, ord, (axes[0], axes[1]), name)
    else:
        raise ArgumentError(
            f"{name} with ord={ord!r} takes vectors (one axis) or matrices (two), got {len(axes)} axes."
        )
    return _keep(x, found, axes, keepdims)


@like_numpy(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm over an axis or axes taken as one vector (all of ``x`` by default); ``ord`` as `norm`'s."""
    name = "linalg.vector_norm"
    x = to_inexact(value(x, name))
    given = range(len(x.shape)) if axis is None else axis if isinstance(axis, tuple | list) else (axis,)
    axes = tuple(axis_index(a, len(x.shape), name) for a in given)
    return _keep(x, _of_vectors(x, ord, axes, name), axes, keepdims)


@like_numpy(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of matrices ``(..., m, n)``; ``ord`` as `norm`'s."""
    name = "linalg.matrix_norm"
    x = to_inexact(value(x, name))
    axes = (axis_index(-2, len(x.shape), name), axis_index(-1, len(x.shape), name))
    return _keep(x, _of_matrices(x, ord, axes, name), axes, keepdims)


def rank_cut(s: Any, x: Any, tol: Any, rtol: Any) -> Any:
    """The singular value up to which those of ``x`` count as zero, with a last axis of length 1."""
    n = len(s.shape) - 1
    if tol is not None:
        threshold = as_dtype(value(tol, "linalg.matrix_rank", "tol"), s.dtype)
        return reshape(threshold, (*threshold.shape, 1))
    if rtol is None:
        rtol = max(x.shape[-2:]) * float(np.finfo(s.dtype).eps)
    relative = as_dtype(value(rtol, "linalg.matrix_rank", "rtol"), s.dtype)
    relative = (
        reshape(relative, (*relative.shape, 1))
        if relative.shape
        else broadcast(relative, (*s.shape[:-1], 1), ())
    )
    return e.mul(reshape(_largest(s, (n,)), (*s.shape[:-1], 1)), relative)
