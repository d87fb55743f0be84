"""Contractions: sums of products over axes that two arrays share.

The one idea: every contraction is a batch of matrix products. `dot_general` says which axes are which, and
`dot_plan` how to run it as row-major GEMMs: sizes, strides and transposition flags, with a copy of an operand
only where no stride says where its rows are.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.errors import AxisError, DTypeError, ShapeError
from weft.ir.ops.half import in_compute_dtype
from weft.ir.ops.shape import reshape, transpose
from weft.ir.primitive import NOT_MAPPED, Primitive, library
from weft.ir.records import dataclass
from weft.ir.rules import is_linear, per_input
from weft.ir.types import ArrayType

Axes = tuple[int, ...]
Dims = tuple[tuple[Axes, Axes], tuple[Axes, Axes]]
"""``((x contracting, y contracting), (x batch, y batch))``, as `jax.lax.dot_general` takes it."""


WRITTEN_OUT = 4**3
"""Multiply-adds of the largest products of a stack that are written out, element by element."""
FEWEST = 64
"""Products of the shortest stack for which that is done: of fewer, BLAS makes an end before it matters."""


def free_axes(ndim: int, contract: Sequence[int], batch: Sequence[int]) -> Axes:
    """The axes of an operand that are neither contracted nor batch axes."""
    return tuple(d for d in range(ndim) if d not in contract and d not in batch)


# How to run it


@dataclass(frozen=True)
class DotPlan:
    """``batch`` row-major products ``C[m, n] = op(A)[m, k] @ op(B)[k, n]``, the results one after the other.

    An operand's matrix number i starts at element ``i * stride``, its rows (of what is stored) are ``ld``
    elements apart, and the elements of a row are neighbours. Stored is ``op(A)`` itself, or its transpose
    where ``trans`` is set. ``copy`` is the permutation of axes with which to write the operand out before;
    ``None`` where it can be read as it lies.
    """

    batch: int
    m: int
    n: int
    k: int
    trans_a: bool
    trans_b: bool
    copy_a: Axes | None
    copy_b: Axes | None
    ld_a: int
    ld_b: int
    stride_a: int
    stride_b: int

    @property
    def written_out(self) -> bool:
        """Whether these are many products so small that calling BLAS for each would take longer than the product."""
        read = self.copy_a is None and self.copy_b is None
        return read and self.batch >= FEWEST and 0 < self.m * self.n * self.k <= WRITTEN_OUT


@dataclass(frozen=True)
class _Matrices:
    """How one operand is read: its part of a `DotPlan`."""

    trans: bool
    copy: Axes | None
    ld: int
    stride: int


def _run(shape: Sequence[int], strides: Sequence[int], axes: Sequence[int]) -> tuple[int, int] | None:
    """Size and stride of the one axis that ``axes`` in this order make up; ``None`` where they make none."""
    size, stride = 1, 1
    for d in reversed(axes):
        if shape[d] == 1:
            continue
        if size == 1:
            stride = strides[d]
        elif strides[d] != size * stride:
            return None
        size *= shape[d]
    return size, stride


def _matrices(shape: Sequence[int], batch: Axes, rows: Axes, columns: Axes) -> _Matrices:
    """How to read a contiguous array as a batch of matrices with the given axes as rows and columns."""
    strides = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    m, n = math.prod(shape[d] for d in rows), math.prod(shape[d] for d in columns)
    if 0 not in shape:
        runs = [run for axes in (batch, rows, columns) if (run := _run(shape, strides, axes)) is not None]
        if len(runs) == 3:
            (b, stride), (_, down), (_, across) = runs
            stride = stride if b > 1 else m * n
            # A side of size 1 has any stride that suits.
            if (across == 1 or n == 1) and (m == 1 or down >= n):
                return _Matrices(False, None, down if m > 1 else n, stride)
            if (down == 1 or m == 1) and (n == 1 or across >= m):
                return _Matrices(True, None, across if n > 1 else m, stride)
    return _Matrices(False, (*batch, *rows, *columns), max(n, 1), m * n)


@functools.lru_cache(maxsize=4096)
def _plan(x_shape: tuple[int, ...], y_shape: tuple[int, ...], dims: Dims) -> DotPlan:
    (x_contract, y_contract), (x_batch, y_batch) = dims
    x_free = free_axes(len(x_shape), x_contract, x_batch)
    y_free = free_axes(len(y_shape), y_contract, y_batch)
    # Products are summed in any order, so the contracted pairs may stand as either operand has them.
    orders = {tuple(sorted(range(len(axes)), key=axes.__getitem__)) for axes in (x_contract, y_contract)}

    def read(order: Sequence[int]) -> tuple[int, _Matrices, _Matrices]:
        a = _matrices(x_shape, x_batch, x_free, tuple(x_contract[i] for i in order))
        b = _matrices(y_shape, y_batch, tuple(y_contract[i] for i in order), y_free)
        copied = math.prod(x_shape) * (a.copy is not None) + math.prod(y_shape) * (b.copy is not None)
        return copied, a, b

    _, a, b = min(map(read, sorted(orders)), key=lambda found: found[0])
    return DotPlan(
        batch=math.prod(x_shape[d] for d in x_batch),
        m=math.prod(x_shape[d] for d in x_free),
        n=math.prod(y_shape[d] for d in y_free),
        k=math.prod(x_shape[d] for d in x_contract),
        trans_a=a.trans,
        trans_b=b.trans,
        copy_a=a.copy,
        copy_b=b.copy,
        ld_a=a.ld,
        ld_b=b.ld,
        stride_a=a.stride,
        stride_b=b.stride,
    )


def dot_plan(x_type: ArrayType, y_type: ArrayType, dims: Dims) -> DotPlan:
    """How to run ``dot_general[dims=dims]`` on contiguous operands, as row-major matrix products."""
    return _plan(x_type.shape, y_type.shape, dims)


# dot_general


def _dot_shape(x: tuple[int, ...], y: tuple[int, ...], dims: Dims) -> tuple[int, ...]:
    (x_contract, y_contract), (x_batch, y_batch) = dims
    x_free, y_free = free_axes(len(x), x_contract, x_batch), free_axes(len(y), y_contract, y_batch)
    return (*(x[d] for d in x_batch), *(x[d] for d in x_free), *(y[d] for d in y_free))


def _dot_type(x: ArrayType, y: ArrayType, *, dims: Dims) -> ArrayType:
    (x_contract, y_contract), (x_batch, y_batch) = dims
    for t, contract, batch in [(x, x_contract, x_batch), (y, y_contract, y_batch)]:
        axes = (*contract, *batch)
        if len(set(axes)) < len(axes) or any(not 0 <= d < t.ndim for d in axes):
            raise AxisError(
                f"dot_general got axes {contract} and {batch} for {t}: each stands once and is in range."
            )
    for what, left, right in [("contracting", x_contract, y_contract), ("batch", x_batch, y_batch)]:
        sizes = tuple(x.shape[d] for d in left), tuple(y.shape[d] for d in right)
        if sizes[0] != sizes[1]:
            raise ShapeError(
                f"dot_general got {what} axes of different sizes: {sizes[0]} of {x} (axes {left}) and "
                f"{sizes[1]} of {y} (axes {right})."
            )
    if x.dtype != y.dtype:
        raise DTypeError(f"dot_general got arguments of different dtypes: {x}, {y}.")
    return x.with_shape(_dot_shape(x.shape, y.shape, dims))


@in_compute_dtype
def _dot_reference(x: np.ndarray, y: np.ndarray, *, dims: Dims) -> np.ndarray:
    (x_contract, y_contract), (x_batch, y_batch) = dims
    plan, shape = _plan(x.shape, y.shape, dims), _dot_shape(x.shape, y.shape, dims)
    x_free = free_axes(x.ndim, x_contract, x_batch)
    y_free = free_axes(y.ndim, y_contract, y_batch)
    a = np.transpose(x, (*x_batch, *x_free, *x_contract)).reshape(plan.batch, plan.m, plan.k)
    b = np.transpose(y, (*y_batch, *y_contract, *y_free)).reshape(plan.batch, plan.k, plan.n)
    return np.asarray(np.matmul(a, b).reshape(shape))


def _dot_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    x, y = ins
    (x_contract, y_contract), (x_batch, y_batch) = params["dims"]
    x_free = free_axes(len(x.shape), x_contract, x_batch)
    y_free = free_axes(len(y.shape), y_contract, y_batch)
    b, m = len(x_batch), len(x_free)
    ct_batch, ct_x, ct_y = tuple(range(b)), tuple(range(b, b + m)), tuple(range(b + m, b + m + len(y_free)))

    def back(out: Any, axes: Axes) -> Any:
        """``out`` has the axes of the operand in the order ``axes``."""
        return transpose(out, tuple(int(i) for i in np.argsort(axes)))

    def by(axes: Axes, keys: Axes) -> Axes:
        return tuple(axes[i] for i in np.argsort(keys))

    if is_linear(x):  # ct y^T: batch, x free, then y's contracted axes as they stand in y
        out = dot_general(cts[0], y, ((ct_y, y_free), (ct_batch, y_batch)))
        return [back(out, (*x_batch, *x_free, *by(x_contract, y_contract))), None]
    # x^T ct: batch, x's contracted axes as they stand in x, then y free
    out = dot_general(x, cts[0], ((x_free, ct_x), (x_batch, ct_batch)))
    return [None, back(out, (*y_batch, *by(y_contract, x_contract), *y_free))]


def _dot_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    (x, y), (x_axis, y_axis) = args, axes
    (x_contract, y_contract), (x_batch, y_batch) = params["dims"]

    def moved(dims: Axes, axis: int | None) -> Axes:
        return dims if axis is NOT_MAPPED else tuple(d + (d >= axis) for d in dims)

    x_contract, x_batch = moved(x_contract, x_axis), moved(x_batch, x_axis)
    y_contract, y_batch = moved(y_contract, y_axis), moved(y_batch, y_axis)
    if x_axis is not NOT_MAPPED and y_axis is not NOT_MAPPED:
        dims = ((x_contract, y_contract), ((x_axis, *x_batch), (y_axis, *y_batch)))
        return (dot_general(x, y, dims),), (0,)
    # One operand alone is batched: its batch axis is one more free axis of one larger product.
    out = dot_general(x, y, ((x_contract, y_contract), (x_batch, y_batch)))
    x_free = free_axes(len(x.shape), x_contract, x_batch)
    if y_axis is NOT_MAPPED:
        return (out,), (len(x_batch) + x_free.index(x_axis),)
    y_free = free_axes(len(y.shape), y_contract, y_batch)
    return (out,), (len(x_batch) + len(x_free) + y_free.index(y_axis),)


dot_general_p = Primitive(
    "dot_general",
    type_rule=_dot_type,
    reference=_dot_reference,
    jvp=per_input(
        lambda t, out, x, y, *, dims: dot_general(t, y, dims),
        lambda t, out, x, y, *, dims: dot_general(x, t, dims),
    ),
    transpose=_dot_transpose,
    batch=_dot_batch,
    lower=library("dot_general"),
)


def dot_general(x: Any, y: Any, dims: Any) -> Any:
    """Sum products over the contracting axes, for each position of the batch axes.

    Args:
        x: array of any dtype. Bool multiplies as "and" and adds as "or", integers wrap, and 16-bit floats are
            summed in float32.
        y: array of the same dtype.
        dims: ``((x contracting, y contracting), (x batch, y batch))``: axes in pairs of equal size.

    Returns:
        Array with the batch axes in the order of ``dims``, then the other axes of ``x``, then those of ``y``.

    Raises:
        ShapeError, DTypeError, AxisError: the operands do not go together.
    """
    (x_contract, y_contract), (x_batch, y_batch) = dims
    exact = ((tuple(x_contract), tuple(y_contract)), (tuple(x_batch), tuple(y_batch)))
    return dot_general_p.bind(x, y, dims=exact)


def matmul(x: Any, y: Any) -> Any:
    """NumPy's matrix product: last axis of ``x`` with the last but one of ``y``, leading axes broadcast.

    Args:
        x: array of shape ``(..., m, k)``, or a vector ``(k,)``.
        y: array of shape ``(..., k, n)``, or a vector ``(k,)``.

    Returns:
        Array of shape ``(..., m, n)``, without ``m`` or ``n`` where a vector came in. Nothing is broadcast in
        memory: leading axes that one operand has alone are rows of one larger product.

    Raises:
        ShapeError: an operand is a scalar, or the shapes do not go together.
    """
    x_ndim, y_ndim = len(x.shape), len(y.shape)
    if not x_ndim or not y_ndim:
        raise ShapeError(f"matmul got a scalar: shapes {x.shape} and {y.shape}. Multiply scalars with *.")
    x_tail, y_tail = min(x_ndim, 2), min(y_ndim, 2)
    lead = max(x_ndim - x_tail, y_ndim - y_tail)
    x_first, y_first = (
        x_ndim - x_tail - lead,
        y_ndim - y_tail - lead,
    )  # where leading axis 0 of the result would be
    x_lead = {i: i + x_first for i in range(lead) if i + x_first >= 0}
    y_lead = {i: i + y_first for i in range(lead) if i + y_first >= 0}
    for i in sorted(set(x_lead) & set(y_lead)):
        p, q = x.shape[x_lead[i]], y.shape[y_lead[i]]
        if p != q and 1 not in (p, q):
            raise ShapeError(f"matmul cannot broadcast the leading axes of {x.shape} and {y.shape}.")
        if p != q:  # an axis of size 1 against a larger one is left out
            (x_lead if p == 1 else y_lead).pop(i)
    x, x_places = _without(x, x_lead, x_tail)
    y, y_places = _without(y, y_lead, y_tail)
    shared = sorted(set(x_places) & set(y_places))
    k = max(len(y.shape) - 2, 0)
    dims = (
        ((len(x.shape) - 1,), (k,)),
        (tuple(x_places[i] for i in shared), tuple(y_places[i] for i in shared)),
    )
    out = dot_general(x, y, dims)
    x_own = [i for i in sorted(x_places) if i not in shared] + ([lead] if x_tail == 2 else [])
    y_own = [i for i in sorted(y_places) if i not in shared] + ([lead + 1] if y_tail == 2 else [])
    return transpose(out, tuple(int(i) for i in np.argsort([*shared, *x_own, *y_own])))


def _without(x: Any, lead: dict[int, int], tail: int) -> tuple[Any, dict[int, int]]:
    """``x`` with only the leading axes in ``lead`` (result axis to own axis), and where they are then."""
    own = sorted(lead.values())
    shape = [x.shape[d] for d in own] + list(x.shape[len(x.shape) - tail :])
    return reshape(x, shape), {i: own.index(d) for i, d in lead.items()}
