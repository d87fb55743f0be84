"""Rows of branches and loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.op_rows.record import C128, F32, F64, draw, row
from weft.ir.builder import build, type_of_value
from weft.ir.ops import elementwise as e
from weft.ir.ops import flow
from weft.ir.ops import transcendental as t
from weft.ir.ops.flow.linear_solve import linear_solve
from weft.ir.ops.flow.root import root
from weft.ir.ops.reduce import reduce_sum
from weft.ir.ops.shape import full
from weft.ir.types import INT64, ArrayType

COUNT = ArrayType((), INT64)


def _drawn(*dims: tuple[int, ...], count: int | None = None) -> Any:
    """A maker of arrays of the shapes ``dims``, and a number."""

    def make(rng: np.random.Generator, dtype: np.dtype) -> tuple[np.ndarray, ...]:
        number = () if count is None else (np.asarray(count, INT64),)
        return (*(draw(rng, d, dtype, 0.5, 1.5) for d in dims), *number)

    return make


def _branches(x: Any, y: Any, i: Any) -> Any:
    types = [type_of_value(x), type_of_value(y)]
    branches = (
        build(lambda x, y: [e.mul(t.sin(x), y), x], types),
        build(lambda x, y: [y, e.mul(e.mul(x, y), t.cos(y))], types),
        build(lambda x, y: [e.add(x, x), full(x.shape, 3, x.dtype)], types),
    )
    return flow.cond(i, branches, x, y)


def _chosen(x: np.ndarray, y: np.ndarray, i: np.ndarray) -> Any:
    cases = (np.sin(x) * y, x), (y, x * y * np.cos(y)), (x + x, np.full_like(x, 3))
    return cases[min(max(int(i), 0), 2)]


row(
    "cond",
    _branches,
    _chosen,
    (F32, F64, C128),
    [_drawn(dims, dims, count=i) for dims, i in (((), 0), ((2, 3), 1), ((3,), 7), ((2,), -1))],
)


def _scan(reverse: bool) -> Any:
    def body(w: Any, count: Any, h: Any, x: Any) -> list[Any]:
        new = t.sin(e.mul(e.add(e.mul(w, h), x), 0.3))
        return [e.add(count, np.asarray(1)), new, e.mul(new, e.mul(w, w))]

    def fun(w: Any, h: Any, xs: Any) -> Any:
        kind = type_of_value(h)
        graph = build(body, [type_of_value(w), COUNT, kind, kind])
        _, h, ys = flow.scan(graph, [w], [np.zeros((), INT64), h], [xs], length=xs.shape[0], reverse=reverse)
        return h, ys

    def reference(w: np.ndarray, h: np.ndarray, xs: np.ndarray) -> Any:
        ys = np.empty_like(xs)
        for i in reversed(range(len(xs))) if reverse else range(len(xs)):
            h = np.sin((w * h + xs[i]) * h.dtype.type(0.3))
            ys[i] = h * w * w
        return h, ys

    return fun, reference


for direction, reverse in (("forward", False), ("reverse", True)):
    row(
        "scan",
        *_scan(reverse),
        (F32, F64, C128),
        [_drawn(d, d, (n, *d)) for d, n in (((), 4), ((2, 3), 3), ((2,), 0))],
        direction,
    )


def _while(checkpoints: int | None) -> Any:
    def fun(w: Any, x: Any, n: Any) -> Any:
        kind = type_of_value(x)
        cond = build(lambda n, i, x: [e.lt(i, n)], [COUNT, COUNT, kind])
        body = build(
            lambda w, i, x: [e.add(i, np.asarray(1)), e.mul(w, t.sin(x))], [type_of_value(w), COUNT, kind]
        )
        return flow.while_loop(cond, body, [n], [w], [np.zeros((), INT64), x], checkpoints)[1]

    return fun


def _repeated(w: np.ndarray, x: np.ndarray, n: np.ndarray) -> np.ndarray:
    for _ in range(int(n)):
        x = w * np.sin(x)
    return x


for variant, checkpoints in (("all kept", None), ("two kept", 2)):
    row(
        "while_loop",
        _while(checkpoints),
        _repeated,
        (F32, F64, C128),
        [_drawn(d, d, count=n) for d, n in (((), 5), ((2, 3), 2), ((2,), 0))],
        variant,
    )


def _halve(w: Any, x: Any) -> Any:
    """Halve until the sum is small: what decides how often it runs is computed."""
    kind = type_of_value(x)

    def large(x: Any) -> list[Any]:
        total = reduce_sum(e.real(x) if kind.dtype.kind == "c" else x, tuple(range(len(kind.shape))))
        return [e.gt(total, np.asarray(0.3, total.dtype))]

    body = build(lambda w, x: [e.mul(x, t.cos(w))], [type_of_value(w), kind])
    return flow.while_loop(build(large, [kind]), body, [], [w], [x])[0]


def _halved(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    while np.sum(x.real) > 0.3:
        x = x * np.cos(w)
    return x


row("while_loop", _halve, _halved, (F64,), [_drawn(d, d) for d in ((), (3,))], "data")


def _fold_back(checkpoints: int | None) -> Any:
    def fun(w: Any, x: Any, s: Any, n: Any) -> Any:
        kinds = [type_of_value(w), type_of_value(x)]
        advance = build(lambda w, x: [e.mul(w, t.sin(x))], kinds)
        backward = build(lambda w, x, s: [e.mul(s, e.mul(w, t.cos(x)))], [*kinds, type_of_value(s)])
        return flow.fold_back(n, advance, backward, [w], [x], [s], checkpoints)[0]

    return fun


def _folded(w: np.ndarray, x: np.ndarray, s: np.ndarray, n: np.ndarray) -> np.ndarray:
    states = [x]
    for _ in range(int(n)):
        states.append(w * np.sin(states[-1]))
    for state in reversed(states[: int(n)]):
        s = s * (w * np.cos(state))
    return s


for variant, checkpoints in (("all kept", None), ("one kept", 1)):
    row(
        "fold_back",
        _fold_back(checkpoints),
        _folded,
        (F32, F64, C128),
        [_drawn(d, d, d, count=n) for d, n in (((), 4), ((2,), 3), ((2,), 0))],
        variant,
    )


def _diagonal(a: Any, b: Any) -> Any:
    kind = type_of_value(a)
    matvec = build(lambda a, x: [e.mul(a, x)], [kind, kind])
    solve = build(lambda a, b: [e.div(b, a)], [kind, kind])
    return linear_solve((matvec, [a]), (solve, [a]), (solve, [a]), [b])[0]


row("linear_solve", _diagonal, lambda a, b: b / a, (F32, F64, C128), [_drawn(d, d) for d in ((), (3,))])


def _cube_root(a: Any, guess: Any) -> Any:
    """``x**3 = a``, by Newton steps from a guess."""
    kind = type_of_value(a)

    def newton(a: Any, x: Any) -> list[Any]:
        square = e.mul(x, x)
        return [e.sub(x, e.div(e.sub(e.mul(square, x), a), e.mul(3.0, square)))]

    def method(a: Any, x: Any) -> list[Any]:
        return list(flow.scan(build(newton, [kind, kind]), [a], [x], [], length=12))

    def derivative(x: Any, a: Any, a_dot: Any) -> list[Any]:
        return [e.div(a_dot, e.mul(3.0, e.mul(x, x)))]

    return root([a], (build(method, [kind, kind]), [a, guess]), (build(derivative, [kind] * 3), []))[0]


row(
    "root",
    lambda a: _cube_root(a, full(a.shape, 1, a.dtype)),
    lambda a: a ** (1 / 3),
    (F64, C128),
    [_drawn(d) for d in ((), (3,))],
)
