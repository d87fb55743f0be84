"""Loop nests of tests that move values: broadcasts, strides, transposes, gathers, pads, tiles."""

from __future__ import annotations

import numpy as np

from tests.nest_parts import (
    BOOL,
    F32,
    F64,
    I32,
    I64,
    Case,
    M,
    N,
    add,
    buffers,
    clamp,
    const,
    mul,
    sub,
)
from weft.ir.loops.nest import (
    IndexOp,
    IndexValue,
    Load,
    Loop,
    Nest,
    Op,
    Param,
    ParamValue,
    Store,
)


def broadcast() -> Case:
    """A row added to each row, times a scalar given as parameter bits."""
    nest = Nest(
        3,
        buffers(("x", F64, "in"), ("row", F64, "in"), ("out", F64, "out")),
        (
            ParamValue("s", F64, 2),
            Loop(
                "i",
                N,
                "parallel",
                (
                    Loop(
                        "j",
                        M,
                        "vector",
                        (
                            Load("a", F64, "x", add(mul("i", M), "j")),
                            Load("b", F64, "row", "j"),
                            Op("c", F64, "add", ("a", "b")),
                            Op("d", F64, "mul", ("c", "s")),
                            Store("out", add(mul("i", M), "j"), "d"),
                        ),
                    ),
                ),
            ),
        ),
    )
    scale = int(np.float64(1.7).view(np.int64))
    return Case(
        "broadcast",
        nest,
        lambda n, m: (n, m, scale),
        lambda n, m: (n * m, m, n * m),
        lambda n, m, x, row: ((x.reshape(n, m) + row) * 1.7).ravel(),
    )


def strided() -> Case:
    """Each third element, backwards."""
    nest = Nest(
        2,
        buffers(("x", F32, "in"), ("out", F32, "out")),
        (
            Loop(
                "i",
                N,
                "parallel",
                (Load("a", F32, "x", sub(mul(sub(N, 1), M), mul("i", M))), Store("out", "i", "a")),
            ),
        ),
    )
    return Case(
        "strided",
        nest,
        lambda n, m: (n, 3),
        lambda n, m: (3 * n, n),
        lambda n, m, x: x[::3][::-1],
    )


def transpose() -> Case:
    """Out of one flat loop over the result: division and remainder."""
    nest = Nest(
        3,
        buffers(("x", I32, "in"), ("out", I32, "out")),
        (
            Loop(
                "k",
                N,
                "parallel",
                (
                    Load(
                        "a", I32, "x", add(mul(IndexOp("%", "k", Param(2)), M), IndexOp("//", "k", Param(2)))
                    ),
                    Store("out", "k", "a"),
                ),
            ),
        ),
    )
    return Case(
        "transpose",
        nest,
        lambda n, m: (n * m, m, n),
        lambda n, m: (n * m, n * m),
        lambda n, m, x: x.reshape(n, m).T.ravel(),
    )


def gather(dtype: np.dtype) -> Case:
    """An index that is a value of any integer dtype, clamped."""
    nest = Nest(
        2,
        buffers(("x", F64, "in"), ("at", dtype, "in"), ("out", F64, "out")),
        (
            Loop(
                "i",
                N,
                "parallel",
                (
                    Load("k", dtype, "at", "i"),
                    Load("a", F64, "x", clamp(sub("k", 2), M)),
                    Store("out", "i", "a"),
                ),
            ),
        ),
    )
    return Case(
        f"gather-{dtype.name}",
        nest,
        lambda n, m: (n, max(m, 1)),
        lambda n, m: (max(m, 1), n, n),
        lambda n, m, x, at: x[np.clip(at.astype(np.int64) - 2, 0, len(x) - 1)],
    )


def pad() -> Case:
    """A select whose load has a clamped index; the padding is two before and one after."""
    nest = Nest(
        2,
        buffers(("x", F64, "in"), ("out", F64, "out")),
        (
            const("zero", F64, 0),
            IndexValue("last", I64, add(M, 2)),
            const("two", I64, 2),
            Loop(
                "i",
                N,
                "parallel",
                (
                    IndexValue("here", I64, "i"),
                    Op("after", BOOL, "ge", ("here", "two")),
                    Op("before", BOOL, "lt", ("here", "last")),
                    Op("inside", BOOL, "and", ("after", "before")),
                    Load("a", F64, "x", clamp(sub("i", 2), M)),
                    Op("b", F64, "select", ("inside", "a", "zero")),
                    Store("out", "i", "b"),
                ),
            ),
        ),
    )
    return Case(
        "pad",
        nest,
        lambda n, m: (n + 4, n + 1),
        lambda n, m: (n + 1, n + 4),
        lambda n, m, x: np.pad(x, (2, 1)),
    )


def concatenate() -> Case:
    """Two inputs, either of which may be empty: each is read where its mask allows."""
    nest = Nest(
        3,
        buffers(("x", F32, "in"), ("y", F32, "in"), ("out", F32, "out")),
        (
            IndexValue("zero", I64, 0),
            IndexValue("middle", I64, M),
            IndexValue("end", I64, add(M, Param(2))),
            Loop(
                "i",
                N,
                "parallel",
                (
                    IndexValue("here", I64, "i"),
                    Op("a0", BOOL, "ge", ("here", "zero")),
                    Op("a1", BOOL, "lt", ("here", "middle")),
                    Op("in_x", BOOL, "and", ("a0", "a1")),
                    Op("b0", BOOL, "ge", ("here", "middle")),
                    Op("b1", BOOL, "lt", ("here", "end")),
                    Op("in_y", BOOL, "and", ("b0", "b1")),
                    Load("a", F32, "x", "i", "in_x"),
                    Load("b", F32, "y", sub("i", M), "in_y"),
                    Op("c", F32, "select", ("in_x", "a", "b")),
                    Store("out", "i", "c"),
                ),
            ),
        ),
    )
    return Case(
        "concatenate",
        nest,
        lambda n, m: (n + m, n, m),
        lambda n, m: (n, m, n + m),
        lambda n, m, x, y: np.concatenate([x, y]),
    )


def tiles() -> Case:
    """Flooring division and remainder of indices that are negative, by parameters and by literals."""
    shifted = sub("i", 5)
    names = ("a", "b", "c", "d", "e", "f")
    indices = [IndexOp(op, shifted, divisor) for divisor in (M, 4, 3) for op in ("//", "%")]
    nest = Nest(
        2,
        buffers(("out", I64, "out")),
        (
            Loop(
                "i",
                N,
                "parallel",
                tuple(IndexValue(n, I64, index) for n, index in zip(names, indices, strict=True))
                + tuple(Store("out", add(mul("i", 6), k), name) for k, name in enumerate(names)),
            ),
        ),
    )

    def expected(n: int, m: int) -> np.ndarray:
        i = np.arange(n) - 5
        return np.stack([f(i, d) for d in (m + 1, 4, 3) for f in (np.floor_divide, np.mod)], 1).ravel()

    return Case("tiles", nest, lambda n, m: (n, m + 1), lambda n, m: (6 * n,), expected)
