"""Rows of operations that move, reduce, order and draw elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.op_rows.record import (
    ANY,
    BOOL,
    COMPLEX,
    F16,
    F32,
    F64,
    FEW,
    FLOATS,
    I8,
    I32,
    I64,
    INEXACT,
    INTS,
    LOGICAL,
    NUMBERS,
    ORDERED,
    REAL,
    U32,
    U64,
    arrays,
    draw,
    pointwise,
    row,
)
from weft.ir.ops import control, cumulative, random, shape, sort
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r

# Shape

row(
    "broadcast",
    lambda x: shape.broadcast(x, (2, 3, 4), (0, 2)),
    lambda x: np.stack([x] * 3, 1),
    FEW,
    arrays((2, 4)),
)
row(
    "broadcast",
    lambda x: shape.broadcast(x, (3, 0), ()),
    lambda x: np.zeros((3, 0), x.dtype),
    FEW,
    arrays(()),
    "empty",
)
row(
    "reshape",
    lambda x: shape.reshape(x, (6, x.shape[0])),
    lambda x: x.reshape(6, -1) if x.size else x.reshape(6, 0),
    FEW,
    arrays((4, 3, 2), (0, 6)),
)
row(
    "transpose",
    lambda x: shape.transpose(x, (2, 0, 1)),
    lambda x: np.transpose(x, (2, 0, 1)),
    FEW,
    arrays((2, 3, 4), (0, 1, 2)),
)
row(
    "slice",
    lambda x: shape.slice_(x, (1, 0), (6, 3), (2, 1)),
    lambda x: x[1:6:2, :3],
    FEW,
    arrays((7, 3), (6, 4)),
)
row("slice", lambda x: shape.slice_(x, (2,), (2,)), lambda x: x[2:2], FEW, arrays((4,)), "empty")
row(
    "reverse",
    lambda x: shape.reverse(x, (0, 2)),
    lambda x: x[::-1, :, ::-1],
    FEW,
    arrays((2, 3, 4), (0, 1, 2)),
)


def _pad_reference(x: np.ndarray, value: np.ndarray) -> np.ndarray:
    out = np.full((x.shape[0] + 3, 2 * x.shape[1] - 1 + 1), value)
    out[1 : 1 + x.shape[0], 1::2] = x
    return out


row(
    "pad",
    lambda x, value: shape.pad(x, value, (1, 1), (2, 0), (0, 1)),
    _pad_reference,
    FEW,
    [
        lambda rng, dtype, dims=dims: (draw(rng, dims, dtype), draw(rng, (), dtype))
        for dims in ((2, 3), (0, 2), (1, 1))
    ],
)
row(
    "concatenate",
    lambda *xs: shape.concatenate(xs, 1),
    lambda *xs: np.concatenate(xs, 1),
    FEW,
    [lambda rng, dtype: tuple(draw(rng, (2, n), dtype) for n in (3, 0, 1))],
)
row(
    "iota",
    lambda x: e.add(x, shape.iota(x.dtype, (3, 4), 1)),
    lambda x: x + np.arange(4).astype(x.dtype),
    (F32, F64, I64),
    arrays((3, 4)),
)
row(
    "full",
    lambda x: e.add(x, shape.full((3, 4), 2, x.dtype)),
    lambda x: x + x.dtype.type(2),
    (F32, F64, I64),
    arrays((3, 4)),
)
row("named", lambda x: control.named(x, "x"), np.copy, FEW, pointwise(1, (-2, 2)))
row("saved", control.saved, np.copy, FEW, pointwise(1, (-2, 2)))
row("optimization_barrier", control.optimization_barrier, np.copy, FEW, pointwise(1, (-2, 2)))

# Reductions

BLOCK = arrays((3, 4, 2), (1, 4, 1), (3, 0, 2), (0, 4, 2))
FILLED = arrays((3, 4, 2), (1, 4, 1), (3, 0, 2))
for axes in ((0,), (0, 2)):
    for name, ufunc, dtypes, makers in [
        ("reduce_sum", np.add, NUMBERS, BLOCK),
        ("reduce_prod", np.multiply, NUMBERS, BLOCK),
        ("reduce_max", np.maximum, ANY, FILLED),
        ("reduce_min", np.minimum, ANY, FILLED),
        ("reduce_and", np.bitwise_and, LOGICAL, BLOCK),
        ("reduce_or", np.bitwise_or, LOGICAL, BLOCK),
    ]:
        row(
            name,
            lambda x, name=name, axes=axes: getattr(r, name)(x, axes),
            lambda x, f=ufunc, axes=axes: f.reduce(x, axes, dtype=x.dtype),
            dtypes,
            makers,
            "".join(map(str, axes)),
        )
for name in ("argmax", "argmin"):
    row(
        name,
        lambda x, name=name: getattr(r, name)(x, 1, I32),
        lambda x, name=name: getattr(np, name)(x, 1).astype(I32),
        ORDERED,
        arrays((3, 4, 2), (0, 4), (2, 1)),
    )

# Running folds

LINES = arrays((3, 4), (1, 2), (0, 2), (5,))
for backwards in (False, True):

    def _run(fold: Any, x: np.ndarray, backwards: bool = backwards) -> np.ndarray:
        return fold(x[::-1])[::-1] if backwards else fold(x)

    for name, fold, dtypes in [
        ("cumsum", lambda x: np.cumsum(x, 0, x.dtype), NUMBERS),
        ("cumprod", lambda x: np.cumprod(x, 0, x.dtype), NUMBERS),
        ("cummax", np.maximum.accumulate, ORDERED),
        ("cummin", np.minimum.accumulate, ORDERED),
        ("cumlogsumexp", lambda x: np.log(np.cumsum(np.exp(x), 0)), FLOATS),
    ]:
        row(
            name,
            lambda x, name=name, back=backwards: getattr(cumulative, name)(x, 0, reverse=back),
            lambda x, fold=fold, run=_run: run(fold, x),
            dtypes,
            LINES,
            "reverse" if backwards else "",
        )


def _recurrence(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Closed form: y[i] is the sum over j of b[j] a[j+1] ... a[i]."""
    n = a.shape[-1]
    terms = [[b[..., j] * np.prod(a[..., j + 1 : i + 1], -1) for j in range(i + 1)] for i in range(n)]
    return np.stack([sum(line) for line in terms], -1) if n else b


row(
    "linear_recurrence",
    lambda a, b: cumulative.linear_recurrence(a, b, 1),
    _recurrence,
    INEXACT,
    pointwise(2, (-1, 1), shapes=((2, 4), (2, 0), (1, 1))),
)
row(
    "linear_recurrence",
    lambda a, b: cumulative.linear_recurrence(a, b, 1, reverse=True),
    lambda a, b: _recurrence(a[:, ::-1], b[:, ::-1])[:, ::-1],
    INEXACT,
    pointwise(2, (-1, 1), shapes=((2, 4), (1, 1))),
    "reverse",
)

# Sorting

SORTABLE = (*FLOATS, *COMPLEX, *INTS, BOOL)
row("sort", lambda x: sort.sort(x, 0), lambda x: np.sort(x, 0), SORTABLE, LINES)


def _together(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.array([sorted(range(len(x)), key=lambda i: (x[i], y[i]))], int).ravel()
    return x[order], y[order]


row(
    "sort",
    lambda x, y: sort.sort_many([x, y], 0, 2),
    _together,
    (F32, F64, I8, U64),
    [
        lambda rng, dtype, n=n: (rng.integers(0, 3, n).astype(dtype), draw(rng, (n,), dtype))
        for n in (0, 1, 9)
    ],
    "two keys",
    constant=(0,),
)
row(
    "sort",
    lambda x: sort.argsort(x, 1, descending=True),
    lambda x: np.argsort(-x, 1, kind="stable"),
    (F16, F32, F64, I64),
    arrays((3, 5), (2, 0)),
    "argsort",
)
row(
    "sort",
    lambda x: sort.top_k(x, 2)[0],
    lambda x: -np.sort(-x, -1)[..., :2],
    (F32, F64, I64),
    arrays((3, 5), (2,), (0, 4)),
    "top_k",
)
row(
    "top_k",
    lambda x: sort.top_k(x, 2)[0],
    lambda x: -np.sort(-x, -1)[..., :2],
    (F16, F32, F64, I64),
    arrays((3, 9), (8,), (0, 8), (2, 2, 70)),
)
for side in ("left", "right"):
    row(
        "searchsorted",
        lambda x, v, side=side: sort.searchsorted(sort.sort(x, 0), v, side),
        lambda x, v, side=side: (
            np.sum((x < v[..., None]) if side == "left" else (x <= v[..., None]), -1)
        ).astype(I64),
        (*REAL, BOOL),
        [lambda rng, dtype, n=n: (draw(rng, (n,), dtype), draw(rng, (2, 3), dtype)) for n in (0, 1, 6)],
        side,
    )

# Random bits

MASK = 0xFFFFFFFF


def _threefry(k0: int, k1: int, x0: int, x1: int) -> tuple[int, int]:
    """The cipher in Python integers, round by round."""
    keys = (k0, k1, k0 ^ k1 ^ 0x1BD11BDA)
    x0, x1 = (x0 + k0) & MASK, (x1 + k1) & MASK
    for i in range(20):
        r = (13, 15, 26, 6, 17, 29, 16, 24)[i % 8]
        x0 = (x0 + x1) & MASK
        x1 = ((x1 << r | x1 >> (32 - r)) & MASK) ^ x0
        if i % 4 == 3:
            group = i // 4 + 1
            x0 = (x0 + keys[group % 3]) & MASK
            x1 = (x1 + keys[(group + 1) % 3] + group) & MASK
    return x0, x1


def _threefry_arrays(*words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    out = np.empty((2, *words[0].shape), U32)
    for i in np.ndindex(words[0].shape):
        out[(slice(None), *i)] = _threefry(*(int(w[i]) for w in words))
    return out[0], out[1]


row(
    "threefry2x32",
    random.threefry2x32,
    _threefry_arrays,
    (U32,),
    [
        lambda rng, dtype, dims=dims: tuple(
            rng.integers(0, MASK, dims, dtype, endpoint=True) for _ in range(4)
        )
        for dims in ((2, 3), (0,))
    ],
)
