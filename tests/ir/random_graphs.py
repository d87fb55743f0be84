"""Random graphs of elementwise, reduction and shape operations, and arguments for them, for property tests.

`graphs()` is a Hypothesis strategy; `arguments(graph, seed)` gives arrays with zeros of both signs,
infinities and NaN among them; `assert_same(a, b)` compares to the bit, but for which NaN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from weft.ir import types
from weft.ir.builder import GraphBuilder, Value, tracing
from weft.ir.graph import Graph
from weft.ir.ops import elementwise as e
from weft.ir.ops import reduce as r
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.types import ArrayType

F32, F64, I32, I64, BOOL, C128 = map(np.dtype, ("f4", "f8", "i4", "i8", "?", "c16"))
DTYPES = (F64, F32, I64, BOOL)

CONSTANTS: dict[str, tuple[Any, ...]] = {
    "f": (0.0, -0.0, 1.0, -1.0, 2.0, 0.25, 3.0, np.inf, np.nan),
    "i": (0, 1, -1, 2, 7),
    "b": (True, False),
    "c": (0.0, 1.0, complex(-0.0, -0.0), complex(1, 2)),
}
UNARY = {
    "f": (
        e.neg,
        e.abs_,
        e.sign,
        e.floor,
        lambda x: e.integer_pow_p.bind(x, y=1),
        lambda x: e.integer_pow(x, 2),
    ),
    "i": (e.neg, e.abs_, e.not_, lambda x: e.integer_pow(x, 2)),
    "b": (e.not_,),
    "c": (e.neg, e.conj, e.stop_gradient),
}
COSTLY = (t.exp, t.sin, t.tanh, t.sqrt)
BINARY = {
    "f": (e.add, e.sub, e.mul, e.div, e.maximum, e.minimum),
    "i": (e.add, e.sub, e.mul, e.maximum, e.minimum, e.and_, e.or_, e.xor),
    "b": (e.and_, e.or_, e.xor, e.add, e.mul),
    "c": (e.add, e.sub, e.mul, e.div),
}
REDUCTIONS = {
    "f": (r.reduce_sum_p, r.reduce_prod_p, r.reduce_max_p, r.reduce_min_p),
    "i": (r.reduce_sum_p, r.reduce_max_p, r.reduce_and_p, r.reduce_or_p),
    "b": (r.reduce_and_p, r.reduce_or_p, r.reduce_max_p),
    "c": (r.reduce_sum_p,),
}
SPECIAL = {
    "f": (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0),
    "i": (0, 1, -1),
    "b": (True,),
    "c": (0.0, complex(-0.0, 0.0), complex(np.inf, 1.0)),
}


@st.composite
def graphs(
    draw: st.DrawFn,
    *,
    max_eqns: int = 14,
    dtypes: Sequence[np.dtype] = DTYPES,
    costly: bool = True,
    max_rank: int = 3,
) -> Graph:
    """A graph of one to three inputs and about ``max_eqns`` equations, in which values meet again."""
    builder = GraphBuilder()
    sizes = st.sampled_from((0, 1, 2, 3, 3, 4, 5))
    base = tuple(draw(st.lists(sizes, max_size=max_rank)))
    values: list[Value] = []
    for _ in range(draw(st.integers(1, 3))):
        values.append(builder.add_input(ArrayType(base, draw(st.sampled_from(list(dtypes))))))
    with tracing(builder):
        for _ in range(draw(st.integers(0, max_eqns))):
            x = draw(st.sampled_from(values))
            step = draw(st.sampled_from((_unary, _binary, _binary, _choice, _move, _move, _reduce, _make)))
            new = step(draw, x, values, costly, max_rank)
            if isinstance(new, Value):
                values.append(new)
    outs = draw(st.lists(st.sampled_from(values), min_size=1, max_size=3))
    graph, captured = builder.finish([*outs, values[-1]])
    assert not captured
    return graph


def _unary(draw: st.DrawFn, x: Value, values: list[Value], costly: bool, max_rank: int) -> Any:
    kind = x.dtype.kind
    operations = UNARY[kind] + (COSTLY if costly and types.is_floating(x.dtype) else ())
    if kind != "c" and draw(st.integers(0, 3)) == 0:
        # A cast of NaN or infinity to an integer is undefined, so floats are cast to floats.
        return e.cast_p.bind(
            x, dtype=draw(st.sampled_from([x.dtype, F64] if kind != "i" else [x.dtype, I32, F64]))
        )
    return draw(st.sampled_from(operations))(x)


def _partner(draw: st.DrawFn, x: Value, values: list[Value]) -> Any:
    """Another operand of the type of ``x``: a value, a literal, or a constant array."""
    same = [v for v in values if v.type == x.type]
    constant = draw(st.sampled_from(CONSTANTS[x.dtype.kind]))
    choice = draw(st.integers(0, 3))
    if choice == 0:
        return e.full_like(x, constant)
    return s.full(x.shape, constant, x.dtype) if choice == 1 else draw(st.sampled_from(same))


def _binary(draw: st.DrawFn, x: Value, values: list[Value], costly: bool, max_rank: int) -> Any:
    y = _partner(draw, x, values)
    operation = draw(st.sampled_from(BINARY[x.dtype.kind]))
    return operation(y, x) if draw(st.booleans()) else operation(x, y)


def _choice(draw: st.DrawFn, x: Value, values: list[Value], costly: bool, max_rank: int) -> Any:
    compare = draw(st.sampled_from((e.eq, e.ne) if x.dtype.kind == "c" else (e.eq, e.lt, e.ge)))
    condition = compare(x, _partner(draw, x, values))
    if draw(st.integers(0, 4)) == 0:
        return condition
    if draw(st.integers(0, 3)) == 0:
        condition = np.bool_(draw(st.booleans()))
    return e.select(condition, x, _partner(draw, x, values))


def _reduce(draw: st.DrawFn, x: Value, values: list[Value], costly: bool, max_rank: int) -> Any:
    axes = tuple(i for i in range(x.ndim) if draw(st.booleans()))
    operations = REDUCTIONS[x.dtype.kind]
    if x.size == 0:
        operations = tuple(o for o in operations if o not in (r.reduce_max_p, r.reduce_min_p))
    return draw(st.sampled_from(operations)).bind(x, axes=axes)


def _make(draw: st.DrawFn, x: Value, values: list[Value], costly: bool, max_rank: int) -> Any:
    """A constant, or positions along an axis, of the type of ``x``."""
    if x.ndim and x.dtype.kind in "fi" and draw(st.booleans()):
        return s.iota(x.dtype, x.shape, draw(st.integers(0, x.ndim - 1)))
    return s.full(x.shape, draw(st.sampled_from(CONSTANTS[x.dtype.kind])), x.dtype)


def _move(draw: st.DrawFn, x: Value, values: list[Value], costly: bool, max_rank: int) -> Any:
    """An index map; primitives are bound themselves, so that also those which change nothing are recorded."""
    n = x.ndim
    kind = draw(
        st.sampled_from(
            ("reshape", "broadcast", "transpose", "slice", "reverse", "pad", "concatenate", "back")
        )
    )
    if kind == "reshape":
        return s.reshape_p.bind(x, shape=draw(st.sampled_from(_shapes_of_size(x.shape, max_rank))))
    if kind == "broadcast":
        new = draw(st.lists(st.integers(1, 4), max_size=max(0, max_rank - n)))
        dims = tuple(sorted(draw(st.permutations(range(n + len(new))))[:n]))
        sizes, rest = iter(x.shape), iter(new)
        shape = tuple(next(sizes) if i in dims else next(rest) for i in range(n + len(new)))
        return s.broadcast_p.bind(x, shape=shape, dims=dims)
    if kind == "transpose":
        return s.transpose_p.bind(x, perm=tuple(draw(st.permutations(range(n)))))
    if kind == "slice":
        start = tuple(draw(st.integers(0, m)) for m in x.shape)
        limit = tuple(draw(st.integers(b, m)) for b, m in zip(start, x.shape, strict=True))
        return s.slice_p.bind(
            x, start=start, limit=limit, strides=tuple(draw(st.integers(1, 2)) for _ in x.shape)
        )
    if kind == "back":
        return s.slice_p.bind(x, start=(0,) * n, limit=x.shape, strides=(1,) * n)
    if kind == "reverse":
        return s.reverse_p.bind(x, axes=tuple(i for i in range(n) if draw(st.booleans())))
    if kind == "pad":
        if x.size > 100:
            return x
        low, high, interior = (tuple(draw(st.integers(0, most)) for _ in x.shape) for most in (2, 2, 1))
        value = e.full_like(x, draw(st.sampled_from(CONSTANTS[x.dtype.kind])))
        return s.pad_p.bind(x, value, low=low, high=high, interior=interior)
    same = [v for v in values if v.type == x.type]
    if not n or x.size > 100:
        return x
    parts = draw(st.lists(st.sampled_from(same), min_size=1, max_size=2))
    return s.concatenate_p.bind(*parts, axis=draw(st.integers(0, n - 1)))


def _shapes_of_size(shape: tuple[int, ...], max_rank: int) -> list[tuple[int, ...]]:
    """Shapes with as many elements as ``shape``."""
    size = int(np.prod(shape))
    found = [shape, (size,), *([(size, 1), (1, size)] if max_rank > 1 else [])]
    if max_rank > 1 and size:
        found.extend((k, size // k) for k in range(2, size) if size % k == 0)
    return found


def arguments(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    """An array for each input, with special values among small numbers."""
    rng = np.random.default_rng(seed)
    result = []
    for type in graph.in_types:
        values = rng.integers(-4, 5, type.shape) / (1 if type.dtype.kind in "ib" else 2)
        array = np.asarray(values).astype(type.dtype)
        special = np.array(SPECIAL[type.dtype.kind], type.dtype)
        chosen = rng.random(type.shape) < 0.2
        result.append(np.where(chosen, rng.choice(special, type.shape), array).astype(type.dtype))
    return result


def assert_same(found: Sequence[Any], expected: Sequence[Any]) -> None:
    """Assert that two lists of arrays agree in type and to the bit; one NaN is as good as another."""
    assert len(found) == len(expected)
    for a, b in zip(map(np.asarray, found), map(np.asarray, expected), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        assert canonical(a).tobytes() == canonical(b).tobytes(), f"{a!r} is not {b!r}"


def canonical(x: np.ndarray) -> np.ndarray:
    """``x`` with every NaN the same one."""
    if x.dtype.kind == "c":
        return canonical(np.stack([x.real, x.imag]))
    return (
        np.where(np.isnan(x), np.array(np.nan, x.dtype), x)
        if x.dtype.kind == "f"
        else np.ascontiguousarray(x)
    )
