"""Loop nests made by hand, which the tests of the interpreter, the emitter and the backends share.

Each `Case` says what it means in NumPy: ``expected(n, m, *inputs)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.nest_parts import (
    BF16,
    BOOL,
    C64,
    C128,
    F16,
    F32,
    F64,
    I8,
    I32,
    I64,
    U8,
    U64,
    Case,
    M,
    N,
    add,
    buffers,
    const,
    mul,
    sub,
)
from tests.nests_moving import broadcast, concatenate, gather, pad, strided, tiles, transpose
from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Call,
    Copy,
    If,
    IndexOp,
    IndexValue,
    Letter,
    Load,
    Loop,
    Nest,
    Op,
    Place,
    Store,
)
from weft.kernels.library.cython_capi import cython_function


def elementwise(dtype: np.dtype) -> Case:
    """``x*y + x``, in one dtype."""
    logic = dtype.kind == "b"
    nest = Nest(
        1,
        buffers(("x", dtype, "in"), ("y", dtype, "in"), ("out", dtype, "out")),
        (
            Loop(
                "i",
                N,
                "parallel",
                (
                    Load("a", dtype, "x", "i"),
                    Load("b", dtype, "y", "i"),
                    Op("c", dtype, "and" if logic else "mul", ("a", "b")),
                    Op("d", dtype, "xor" if logic else "add", ("c", "a")),
                    Store("out", "i", "d"),
                ),
            ),
        ),
    )

    def expected(n: int, m: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if logic:
            return (x & y) ^ x
        wide = np.float32 if dtype in (F16, BF16) else dtype
        return (x.astype(wide) * y.astype(wide) + x.astype(wide)).astype(dtype)

    return Case(f"elementwise-{dtype.name}", nest, lambda n, m: (n,), lambda n, m: (n, n, n), expected)


def fold(op: str, dtype: np.dtype, init: Any, expected: Callable[..., Any]) -> Case:
    """One accumulator over all elements."""
    nest = Nest(
        1,
        buffers(("x", dtype, "in"), ("out", dtype, "out")),
        (
            const("start", dtype, init),
            Loop(
                "i",
                N,
                "vector",
                (Load("a", dtype, "x", "i"), Accumulate("acc", "a")),
                (Accumulator("acc", dtype, op, "start"),),
            ),
            Store("out", 0, "acc"),
        ),
    )
    return Case(
        f"fold-{op}-{dtype.name}",
        nest,
        lambda n, m: (n,),
        lambda n, m: (n, 1),
        lambda n, m, x: np.asarray([expected(x)]).astype(dtype),
    )


def calls() -> Case:
    """Chunks that call BLAS (arguments of all kinds, no result), and LAPACK, whose result is stored."""
    axpy, _ = cython_function("scipy.linalg.cython_blas", "zaxpy")
    potrf, _ = cython_function("scipy.linalg.cython_lapack", "dpotrf")
    nest = Nest(
        4,
        buffers(("x", C128, "in"), ("out", C128, "out"), ("square", F64, "scratch")),
        (
            const("scale", C128, 2 - 3j),
            Loop(
                "i",
                N,
                "parallel",
                (
                    IndexValue("v", F64, sub(2, "i")),
                    IndexValue("zero", C128, 0),
                    Loop("j", M, "vector", (Store("out", add(mul("i", M), "j"), "zero"),)),
                    Call(
                        "",
                        "zaxpy",
                        2,
                        (M, Copy("scale"), Place("x", 0), 1, Place("out", mul("i", M)), 1),
                    ),
                    Store("square", "i", "v"),
                    Call("info", "dpotrf", 3, (Letter("L"), 1, Place("square", "i"), 1)),
                    Op("wide", C128, "cast", ("info",)),
                    Loop("k", IndexOp("min", M, 1), "sequential", (Store("out", mul("i", M), "wide"),)),
                ),
            ),
        ),
    )

    def expected(n: int, m: int, x: np.ndarray) -> np.ndarray:
        out = np.tile(x[:m] * (2 - 3j), (n, 1))
        if m:
            out[:, 0] = np.arange(n) >= 2  # 2 - i has no square root that is not 0
        return out.ravel()

    return Case("calls", nest, lambda n, m: (n, m, axpy, potrf), lambda n, m: (m, n * m, n), expected)


def softmax() -> Case:
    """Rows in cache: three loops one after the other, row scalars between."""
    at = add(mul("i", M), "j")

    def inner(*body: Any, carry: Accumulator | None = None, var: str) -> Loop:
        return Loop(var, M, "vector", body, (carry,) if carry else ())

    def place(var: str) -> IndexOp:
        return add(mul("i", M), var)

    nest = Nest(
        2,
        buffers(("x", F64, "in"), ("out", F64, "out")),
        (
            const("zero", F64, 0),
            const("low", F64, -np.inf),
            Loop(
                "i",
                N,
                "parallel",
                (
                    inner(
                        Load("a", F64, "x", at),
                        Accumulate("top", "a"),
                        carry=Accumulator("top", F64, "max", "low"),
                        var="j",
                    ),
                    inner(
                        Load("b", F64, "x", place("k")),
                        Op("c", F64, "sub", ("b", "top")),
                        Op("e", F64, "exp", ("c",)),
                        Store("out", place("k"), "e"),
                        Accumulate("total", "e"),
                        carry=Accumulator("total", F64, "add", "zero"),
                        var="k",
                    ),
                    inner(
                        Load("f", F64, "out", place("l")),
                        Op("g", F64, "div", ("f", "total")),
                        Store("out", place("l"), "g"),
                        var="l",
                    ),
                ),
            ),
        ),
    )

    def expected(n: int, m: int, x: np.ndarray) -> np.ndarray:
        rows = x.reshape(n, m)
        e = np.exp(rows - rows.max(1, keepdims=True, initial=-np.inf))
        return (e / e.sum(1, keepdims=True)).ravel()

    return Case("softmax", nest, lambda n, m: (n, m), lambda n, m: (n * m, n * m), expected)


def column_sum() -> Case:
    """The vector loop inside: whole rows are added to the output."""
    nest = Nest(
        2,
        buffers(("x", F64, "in"), ("out", F64, "out")),
        (
            const("zero", F64, 0),
            Loop("k", M, "vector", (Store("out", "k", "zero"),)),
            Loop(
                "i",
                N,
                "sequential",
                (
                    Loop(
                        "j",
                        M,
                        "vector",
                        (
                            Load("a", F64, "x", add(mul("i", M), "j")),
                            Load("s", F64, "out", "j"),
                            Op("t", F64, "add", ("s", "a")),
                            Store("out", "j", "t"),
                        ),
                    ),
                ),
            ),
        ),
    )
    return Case(
        "column-sum",
        nest,
        lambda n, m: (n, m),
        lambda n, m: (n * m, m),
        lambda n, m, x: x.reshape(n, m).sum(0),
    )


def total() -> Case:
    """An inner loop that folds into the outer loop's accumulator, and an outer extent that is a product."""
    nest = Nest(
        2,
        buffers(("x", F32, "in"), ("out", F32, "out"), ("count", I64, "out")),
        (
            const("zero", F32, 0),
            const("none", I64, 0),
            const("one", I64, 1),
            Loop(
                "i",
                N,
                "sequential",
                (
                    Loop(
                        "j",
                        M,
                        "vector",
                        (
                            Load("a", F32, "x", add(mul("i", M), "j")),
                            Accumulate("s", "a"),
                            Accumulate("c", "one"),
                        ),
                    ),
                ),
                (Accumulator("s", F32, "add", "zero"), Accumulator("c", I64, "add", "none")),
            ),
            Store("out", 0, "s"),
            Store("count", 0, "c"),
        ),
    )
    return Case(
        "total",
        nest,
        lambda n, m: (n, m),
        lambda n, m: (n * m, 1, 1),
        lambda n, m, x: np.asarray([x.sum()], np.float32),
    )


def running_sum() -> Case:
    """An accumulator that is looked at while it is folded."""
    nest = Nest(
        1,
        buffers(("x", F64, "in"), ("out", F64, "out")),
        (
            const("zero", F64, 0),
            Loop(
                "i",
                N,
                "sequential",
                (Load("a", F64, "x", "i"), Accumulate("s", "a"), Store("out", "i", "s")),
                (Accumulator("s", F64, "add", "zero"),),
            ),
        ),
    )
    return Case("running-sum", nest, lambda n, m: (n,), lambda n, m: (n, n), lambda n, m, x: np.cumsum(x))


def argmax() -> Case:
    """Two accumulators that are set."""
    nest = Nest(
        1,
        buffers(("x", F32, "in"), ("out", I64, "out")),
        (
            const("low", F32, -np.inf),
            const("first", I64, 0),
            Loop(
                "i",
                N,
                "sequential",
                (
                    Load("a", F32, "x", "i"),
                    IndexValue("here", I64, "i"),
                    Op("more", BOOL, "gt", ("a", "best")),
                    Op("new", F32, "select", ("more", "a", "best")),
                    Op("place", I64, "select", ("more", "here", "at")),
                    Accumulate("best", "new"),
                    Accumulate("at", "place"),
                ),
                (Accumulator("best", F32, "set", "low"), Accumulator("at", I64, "set", "first")),
            ),
            Store("out", 0, "at"),
        ),
    )
    return Case(
        "argmax",
        nest,
        lambda n, m: (n,),
        lambda n, m: (n, 1),
        lambda n, m, x: np.asarray([x.argmax() if n else 0]),
    )


def scratch() -> Case:
    """A scratch buffer, a cast, and an iota."""
    nest = Nest(
        1,
        buffers(("x", F16, "in"), ("out", I8, "out"), ("tmp", BF16, "scratch")),
        (
            Loop(
                "i",
                N,
                "sequential",
                (
                    Load("a", F16, "x", "i"),
                    IndexValue("k", F16, "i"),
                    Op("b", F16, "add", ("a", "k")),
                    Op("c", BF16, "cast", ("b",)),
                    Store("tmp", 0, "c"),
                    Load("d", BF16, "tmp", 0),
                    Op("e", I8, "cast", ("d",)),
                    Store("out", "i", "e"),
                ),
            ),
        ),
    )

    def expected(n: int, m: int, x: np.ndarray) -> np.ndarray:
        values = x.astype(np.float32) + np.arange(n, dtype=np.float32)
        return values.astype(BF16).astype(np.float32).astype(np.int8)

    return Case("scratch", nest, lambda n, m: (n,), lambda n, m: (n, n, 1), expected)


ALL_DTYPES = [np.dtype(d) for d in "?bhilBHILefdFD"] + [BF16]


def branches() -> Case:
    """Twice the running sum where an element is positive, otherwise a sum over all of them, in a loop of its own."""
    nest = Nest(
        1,
        buffers(("x", F64, "in"), ("out", F64, "out")),
        (
            const("zero", F64, 0),
            Loop(
                "i",
                N,
                "sequential",
                (
                    Load("a", F64, "x", "i"),
                    Accumulate("sum", "a"),
                    Op("positive", BOOL, "gt", ("a", "zero")),
                    If(
                        "positive",
                        (Op("twice", F64, "add", ("sum", "sum")), Store("out", "i", "twice")),
                        (
                            Loop(
                                "j",
                                N,
                                "vector",
                                (Load("b", F64, "x", "j"), Accumulate("all", "b")),
                                (Accumulator("all", F64, "add", "zero"),),
                            ),
                            Store("out", "i", "all"),
                        ),
                    ),
                ),
                (Accumulator("sum", F64, "add", "zero"),),
            ),
        ),
    )

    def expected(n: int, m: int, x: np.ndarray) -> np.ndarray:
        return np.where(x > 0, 2 * np.cumsum(x), x.sum())

    return Case("branches", nest, lambda n, m: (n,), lambda n, m: (n, n), expected)


CASES = [
    *(elementwise(d) for d in ALL_DTYPES),
    fold("add", F64, 0, np.sum),
    fold("add", F16, 0, lambda x: x.astype(np.float32).sum()),
    fold("add", C64, 1, lambda x: x.sum() + 1),
    fold("mul", F32, 1, np.prod),
    fold("mul", C128, 1, np.prod),
    fold("max", F32, -np.inf, lambda x: x.max(initial=-np.inf)),
    fold("min", F64, np.inf, lambda x: x.min(initial=np.inf)),
    fold("add", I32, 0, np.sum),
    fold("max", I8, -128, lambda x: x.max(initial=-128)),
    fold("min", U64, 99, lambda x: x.min(initial=99)),
    fold("and", BOOL, True, np.all),
    fold("or", BOOL, False, np.any),
    fold("xor", U8, 0, lambda x: np.bitwise_xor.reduce(x)),
    broadcast(),
    strided(),
    transpose(),
    softmax(),
    column_sum(),
    total(),
    running_sum(),
    argmax(),
    gather(I64),
    gather(U8),
    gather(I8),
    pad(),
    concatenate(),
    tiles(),
    scratch(),
    calls(),
    branches(),
]
