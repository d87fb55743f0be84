"""Rows of operations that index, contract, carry graphs, or reach over a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.op_rows.record import BF16, BOOL, C64, C128, F16, F32, F64, FEW, I8, I64, U8, OpRecord, draw, row
from weft.ir.builder import build, type_of_value
from weft.ir.ops import collective, contract, control, index, kernel, part, strided
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops import transcendental as t
from weft.ir.ops.replay import replay
from weft.ir.rules import to_front

# Indexing


def _with_positions(*dims: tuple[int, ...], below: int, shape: tuple[int, ...] = (2, 3)) -> Any:
    """A maker of arrays of the shapes ``dims`` and one array of positions, 0 to ``below``."""
    return [lambda rng, dtype: (*(draw(rng, d, dtype) for d in dims), rng.integers(0, below, shape))]


row(
    "gather",
    lambda x, i: index.gather(x, [i], (1,)),
    lambda x, i: np.moveaxis(x, 1, 0)[i],
    FEW,
    _with_positions((3, 4), below=4),
)
row(
    "gather",
    lambda x, i: index.gather(x, [i, i], (0, 2), "clip"),
    lambda x, i: np.moveaxis(x, 1, 2)[np.minimum(i, 2), np.minimum(i, 3)],
    FEW,
    _with_positions((3, 2, 4), below=6),
    "clip",
)
row(
    "gather",
    lambda x, i: index.gather(x, [i], (0,), "fill", 0),
    lambda x, i: np.concatenate([x, np.zeros((3, 2), x.dtype)])[i],
    FEW,
    _with_positions((3, 2), below=6),
    "fill",
)
for op, ufunc in [
    ("add", np.add),
    ("mul", np.multiply),
    ("max", np.maximum),
    ("min", np.minimum),
    ("set", None),
]:

    def _scatter(x: np.ndarray, updates: np.ndarray, i: np.ndarray, ufunc: Any = ufunc) -> np.ndarray:
        out = x.copy()
        for place in np.ndindex(i.shape):
            if i[place] < len(x):
                out[i[place]] = ufunc(out[i[place]], updates[place]) if ufunc else updates[place]
        return out

    row(
        "scatter",
        lambda x, u, i, op=op: index.scatter(x, u, [i], (0,), op),
        _scatter,
        (F32, F64, I64) if op in ("max", "min") else (F32, F64, C128, I64),
        _with_positions((4, 2), (2, 3, 2), below=6),
        op,
    )
STARTS = [
    lambda rng, dtype, at=at: (draw(rng, (4, 5), dtype), *map(np.asarray, at)) for at in ((1, 2), (0, 9))
]
row(
    "dynamic_slice",
    lambda x, i, j: index.dynamic_slice(x, [i, j], (2, 3)),
    lambda x, i, j: x[i : i + 2, min(j, 2) : min(j, 2) + 3],
    FEW,
    STARTS,
)


def _update(x: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    out = x.copy()
    out[i : i + 2, min(j, 2) : min(j, 2) + 3] = x[:2, :3] * x[:2, :3]
    return out


row(
    "dynamic_update_slice",
    lambda x, i, j: index.dynamic_update_slice(x, e.mul(_corner(x), _corner(x)), [i, j]),
    _update,
    FEW,
    STARTS,
)


def _in_strides(x: np.ndarray) -> np.ndarray:
    out = x.copy()
    out[1:4:2, ::2] = x[:2, :3] * x[:2, :3]
    return out


row(
    "update_slice",
    lambda x: strided.update_slice(x, e.mul(_corner(x), _corner(x)), (1, 0), (2, 2)),
    _in_strides,
    FEW,
    [lambda rng, dtype: (draw(rng, (5, 6), dtype),)],
)


def _corner(x: Any) -> Any:
    from weft.ir.ops.shape import slice_

    return slice_(x, (0, 0), (2, 3))


# Contraction

for variant, spec, dims, shapes in [
    ("matrices", "ij,jk->ik", (((1,), (0,)), ((), ())), ((3, 4), (4, 2))),
    ("batch", "bji,kjb->bik", (((1,), (1,)), ((0,), (2,))), ((2, 4, 3), (5, 4, 2))),
    ("outer", "i,j->ij", (((), ()), ((), ())), ((3,), (2,))),
    ("two axes", "iab,baj->ij", (((1, 2), (1, 0)), ((), ())), ((2, 3, 4), (4, 3, 2))),
    ("empty", "ij,jk->ik", (((1,), (0,)), ((), ())), ((3, 0), (0, 2))),
]:
    row(
        "dot_general",
        lambda x, y, dims=dims: contract.dot_general(x, y, dims),
        lambda x, y, spec=spec: np.einsum(spec, x, y),
        (F16, BF16, F32, F64, C64, C128, I8, I64, U8, BOOL),
        [lambda rng, dtype, shapes=shapes: tuple(draw(rng, s, dtype) for s in shapes)],
        variant,
    )


def _part_reference(
    x: np.ndarray, y: np.ndarray, k: np.ndarray, axis: int, kept: int, summed: int
) -> np.ndarray:
    """The product with zeros for what is left out."""
    matrix = x if axis == 1 else x.T

    def among(regions: int, size: int) -> np.ndarray:
        i = np.arange(size)
        return (i < k) & bool(regions & 1) | (i == k) & bool(regions & 2) | (i > k) & bool(regions & 4)

    rows, columns = among(kept, len(matrix)), among(summed, len(y))
    return np.where(rows, (matrix[:, columns] @ y[columns]), 0).astype(x.dtype)


for axis, kept, summed in [(0, 7, 1), (1, 6, 1), (1, 4, 3), (0, 2, 7), (1, 1, 6)]:
    row(
        "part_product",
        lambda x, y, k, axis=axis, kept=kept, summed=summed: part.part_product(
            x, y, k, axis=axis, kept=kept, summed=summed
        ),
        lambda x, y, k, axis=axis, kept=kept, summed=summed: _part_reference(x, y, k, axis, kept, summed),
        (F32, F64, C64, C128),
        [
            lambda rng, dtype, axis=axis, k=k: (
                draw(rng, (3, 5), dtype),
                draw(rng, ((3, 5)[axis],), dtype),
                np.int64(k),
            )
            for k in (-(2**63), -1, 0, 2, 4, 2**63 - 1)
        ],
        f"{axis}{kept}{summed}",
        smooth=False,
        batches=False,
    )

# Operations that carry graphs

CURVES = [
    lambda rng, dtype, dims=dims: (draw(rng, dims, dtype), draw(rng, dims, dtype)) for dims in ((), (2, 3))
]


def _curve(x: Any, y: Any) -> list[Any]:
    return [e.mul(t.sin(x), y)]


def _curve_reference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.sin(x) * y


def _carry(prim: Any, *args: Any, **params: Any) -> Any:
    return prim.bind(*args, graph=build(_curve, list(map(type_of_value, args))), **params)[0]


def _custom_jvp(x: Any, y: Any) -> Any:
    types = [type_of_value(x), type_of_value(y)]

    def rule(x: Any, y: Any, x_dot: Any, y_dot: Any) -> list[Any]:
        return [*_curve(x, y), e.add(e.mul(e.mul(t.cos(x), x_dot), y), e.mul(t.sin(x), y_dot))]

    return _carry(control.custom_jvp_call_p, x, y, jvp=build(rule, types * 2), n_args=2, name="curve")


def _custom_vjp(x: Any, y: Any) -> Any:
    type = type_of_value(x)

    def backward(x: Any, y: Any, ct: Any) -> list[Any]:
        return [e.mul(e.mul(t.cos(x), y), ct), e.mul(t.sin(x), ct)]

    return _carry(
        control.custom_vjp_call_p,
        x,
        y,
        forward=build(lambda x, y: [*_curve(x, y), x, y], [type] * 2),
        backward=build(backward, [type] * 3),
        n_args=2,
        name="curve",
    )


def _custom_vmap(x: Any, y: Any) -> Any:
    def rule(size: int, mapped: Any, args: Any) -> Any:
        x, y = (v if own else to_front(v, None, size) for v, own in zip(args, mapped, strict=True))
        return tuple(_curve(x, y)), (0,)

    return _carry(control.custom_vmap_call_p, x, y, rule=rule, n_args=2, name="curve")


def _custom_linear(x: Any, y: Any) -> Any:
    backward = build(lambda x, ct: [e.mul(t.sin(x), ct)], [type_of_value(x)] * 2)
    return control.custom_linear_p.bind(x, y, backward=backward, n_known=1, name="curve")[0]


def _replay(x: Any, y: Any) -> Any:
    marked = build(lambda x, y: [e.mul(control.saved(t.sin(x)), y)], [type_of_value(x), type_of_value(y)])
    return replay(marked, x, y, t.sin(x))[0]


row(
    "call",
    lambda x, y: _carry(control.call_p, x, y, name="curve"),
    _curve_reference,
    (F32, F64, C128),
    CURVES,
)
row(
    "custom_vmap_call",
    _custom_vmap,
    _curve_reference,
    (F64, C128),
    CURVES,
)
row(
    "checkpoint",
    lambda x, y: _carry(control.checkpoint_p, x, y, name="curve"),
    _curve_reference,
    (F64, C128),
    CURVES,
)
row("replay", _replay, _curve_reference, (F64, C128), CURVES)
row("custom_jvp_call", _custom_jvp, _curve_reference, (F64, C128), CURVES)
row("custom_vjp_call", _custom_vjp, _curve_reference, (F64, C128), CURVES)
row("custom_linear", _custom_linear, _curve_reference, (F64, C128), CURVES)
row(
    "kernel",
    lambda x, y: _carry(kernel.kernel_p, x, y, kind="loop"),
    _curve_reference,
    (F32, F64),
    CURVES,
    smooth=False,
    batches=False,
)

row(
    "routine",
    lambda x, y: _carry(kernel.routine_p, x, y, kind="loop"),
    _curve_reference,
    (F32, F64),
    CURVES,
    smooth=False,
    batches=False,
)

# Collectives: their function takes one example and the size of the axis "i"; the reference all examples.


def _all(fold: Any) -> Any:
    return lambda x: np.broadcast_to(fold(x, axis=0), x.shape)


def _examples(dtypes: Any, name: str, fun: Any, reference: Any) -> OpRecord:
    makers = tuple(lambda rng, dtype, d=d: (draw(rng, d, dtype),) for d in ((3,), (4, 2), (1, 2, 3)))
    return OpRecord(name, fun, reference, dtypes, makers)


COLLECTIVES = [
    _examples(
        (F64, C128, I64), "psum", lambda x, n: e.mul(x, collective.psum(x, "i")), lambda x: x * np.sum(x, 0)
    ),
    _examples((F64, I64), "pmax", lambda x, n: collective.pmax(x, "i"), _all(np.max)),
    _examples((F64, I64), "pmin", lambda x, n: collective.pmin(x, "i"), _all(np.min)),
    _examples(
        (F64, C128),
        "all_gather",
        lambda x, n: collective.all_gather(x, "i", n),
        lambda x: np.stack([x] * len(x)),
    ),
    _examples(
        (F64, C128, I64),
        "ppermute",
        lambda x, n: e.add(x, collective.ppermute(x, "i", [(i, i - 1) for i in range(1, n)])),
        lambda x: x + np.concatenate([x[1:], np.zeros_like(x[:1])]),
    ),
    _examples(
        (F64, C128),
        "exchange",
        lambda x, n: collective.exchange(
            e.mul(s.broadcast(x, (2, n, *x.shape), range(2, 2 + len(x.shape))), 2), "i", 1
        ),
        lambda x: 2 * np.broadcast_to(x, (len(x), 2, *x.shape)),
    ),
    _examples(
        (F64, I64),
        "axis_index",
        lambda x, n: e.mul(x, e.cast(collective.axis_index("i", n), x.dtype)),
        lambda x: x * np.arange(len(x)).reshape(-1, *[1] * (x.ndim - 1)).astype(x.dtype),
    ),
]
