"""Loop nests made by hand, which the tests of the interpreter, the emitter and the backends share.

Each `Case` says what it means in NumPy: ``expected(n, m, *inputs)``.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Buffer,
    Call,
    Const,
    Copy,
    If,
    Index,
    IndexOp,
    IndexValue,
    Letter,
    Load,
    Loop,
    Nest,
    Op,
    Param,
    ParamValue,
    Place,
    Store,
)
from weft.kernels.library.cython_capi import cython_function

BOOL, I8, I32, I64, U8, U64 = (np.dtype(d) for d in ("?", "i1", "i4", "i8", "u1", "u8"))
F16, F32, F64, C64, C128 = (np.dtype(d) for d in ("f2", "f4", "f8", "c8", "c16"))
BF16 = np.dtype(ml_dtypes.bfloat16)
N, M = Param(0), Param(1)


def add(a: Index, b: Index) -> IndexOp:
    return IndexOp("+", a, b)


def sub(a: Index, b: Index) -> IndexOp:
    return IndexOp("-", a, b)


def mul(a: Index, b: Index) -> IndexOp:
    return IndexOp("*", a, b)


def clamp(index: Index, size: Index) -> IndexOp:
    return IndexOp("max", IndexOp("min", index, sub(size, 1)), 0)


def const(name: str, dtype: np.dtype, value: Any) -> Const:
    return Const(name, dtype, np.asarray(value, dtype).tobytes())


def buffers(*specs: tuple[str, np.dtype, str]) -> tuple[Buffer, ...]:
    return tuple(Buffer(*spec) for spec in specs)


def call_kernel(
    address: int, params: Sequence[int], arrays: Sequence[np.ndarray], begin: int = 0, end: int | None = None
) -> None:
    """Call a kernel through ctypes; ``end`` is the first parameter when omitted."""
    function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)(
        address
    )
    dims = np.array([*params, 0], np.int64)
    pointers = np.array([*(a.ctypes.data for a in arrays), 0], np.int64)
    function(dims.ctypes.data, pointers.ctypes.data, begin, params[0] if end is None else end)


@dataclass(frozen=True)
class Case:
    """A nest, its parameters and buffer sizes for sizes (n, m), and what its first output should be."""

    name: str
    nest: Nest
    params: Callable[[int, int], Sequence[int]]
    sizes: Callable[[int, int], Sequence[int]]
    expected: Callable[..., np.ndarray]

    def arrays(self, n: int, m: int, seed: int = 0) -> list[np.ndarray]:
        """Random inputs, and outputs full of a number that no kernel leaves by chance."""
        rng = np.random.default_rng(seed)
        return [
            random_array(rng, size, b.dtype) if b.kind == "in" else np.full(size, 77).astype(b.dtype)
            for b, size in zip(self.nest.buffers, self.sizes(n, m), strict=True)
        ]


def random_array(rng: np.random.Generator, size: int, dtype: np.dtype) -> np.ndarray:
    """Small values of any dtype: integers from -9 (or 0) to 9, floats around 1."""
    if dtype.kind == "b":
        return rng.random(size) < 0.5
    if dtype.kind in "iu":
        return rng.integers(0 if dtype.kind == "u" else -9, 10, size).astype(dtype)
    values = rng.normal(size=size) + 1
    return (values + 1j * rng.normal(size=size)).astype(dtype) if dtype.kind == "c" else values.astype(dtype)


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
