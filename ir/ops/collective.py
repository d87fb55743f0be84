"""Collectives: operations over the named axis of an enclosing `vmap`.

They mean something only inside a batched function. Batching over their own axis replaces them (`Lowering("collective")`
holds that rule); batching over another axis leaves them as they are.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from weft.ir.errors import ArgumentError
from weft.ir.ops import reduce, shape
from weft.ir.ops.elementwise import mul
from weft.ir.primitive import NOT_MAPPED, Lowering, Primitive
from weft.ir.rules import linear, no_tangent, pointwise, to_front
from weft.ir.types import INT64, ArrayType


def _outside(*args: Any, axis_name: Hashable, **params: Any) -> Any:
    raise ArgumentError(
        f"the axis name {axis_name!r} is not bound: collectives work inside vmap(..., axis_name={axis_name!r})."
    )


def _collective(name: str, own_axis: Any, jvp: Any, transpose: Any) -> Primitive:
    return Primitive(
        name,
        type_rule=lambda x, *, axis_name: x,
        reference=_outside,
        jvp=jvp,
        transpose=transpose,
        batch=pointwise,
        lower=Lowering("collective", own_axis),
    )


def _own_sum(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    x = args[0]
    total = mul(x, int(size)) if axes[0] is NOT_MAPPED else reduce.reduce_sum(x, (axes[0],))
    return (total,), (NOT_MAPPED,)


def _own_fold(fold: Any) -> Any:
    def own(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
        return (args[0] if axes[0] is NOT_MAPPED else fold(args[0], (axes[0],)),), (NOT_MAPPED,)

    return own


def _psum_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> Any:
    return [psum(cts[0], **params)]


def _winner_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    """The tangent of the largest (smallest): that of the examples which attain it, shared equally."""
    from weft.ir.ops.elementwise import cast, div, eq

    outs = answer()
    wins = cast(eq(primals[0], outs[0]), primals[0].dtype)
    share = div(wins, psum(wins, **params))
    return outs, (psum(mul(tangents[0], share), **params),)


psum_p = _collective("psum", _own_sum, linear, _psum_transpose)
pmax_p = _collective("pmax", _own_fold(lambda x, axes: reduce.reduce_max(x, axes)), _winner_jvp, None)
pmin_p = _collective("pmin", _own_fold(lambda x, axes: reduce.reduce_min(x, axes)), _winner_jvp, None)


def psum(x: Any, axis_name: Hashable) -> Any:
    """Sum over the named axis."""
    return psum_p.bind(x, axis_name=axis_name)


def pmax(x: Any, axis_name: Hashable) -> Any:
    """Maximum over the named axis."""
    return pmax_p.bind(x, axis_name=axis_name)


def pmin(x: Any, axis_name: Hashable) -> Any:
    """Minimum over the named axis."""
    return pmin_p.bind(x, axis_name=axis_name)


def _own_gather(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    return (to_front(args[0], axes[0], size),), (NOT_MAPPED,)


def _gather_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    return (prim.bind(args[0], **params),), (axes[0] + 1,)


def _gather_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> Any:
    from weft.ir.ops.index import dynamic_index

    total = psum(cts[0], params["axis_name"])
    return [dynamic_index(total, axis_index(params["axis_name"], params["size"]))]


all_gather_p = Primitive(
    "all_gather",
    type_rule=lambda x, *, axis_name, size: x.with_shape((size, *x.shape)),
    reference=_outside,
    jvp=linear,
    transpose=_gather_transpose,
    batch=_gather_batch,
    lower=Lowering("collective", _own_gather),
)


def all_gather(x: Any, axis_name: Hashable, size: int) -> Any:
    """The values of all examples, stacked in front."""
    return all_gather_p.bind(x, axis_name=axis_name, size=size)


def _own_index(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    return (shape.iota(INT64, (int(size),)),), (0,)


axis_index_p = Primitive(
    "axis_index",
    type_rule=lambda *, axis_name, size: ArrayType((), INT64),
    reference=_outside,
    jvp=no_tangent,
    transpose=None,
    batch=lambda prim, args, axes, size, params: ((prim.bind(**params),), (NOT_MAPPED,)),
    lower=Lowering("collective", _own_index),
)


def axis_index(axis_name: Hashable, size: int) -> Any:
    """The position of the example along the named axis."""
    return axis_index_p.bind(axis_name=axis_name, size=size)


# Exchanges: each example gets what others have


def _own_permutation(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    x = to_front(args[0], axes[0], size)
    sources = [-1] * int(size)  # -1: none
    for source, destination in params["perm"]:
        sources[destination] = source
    parts, start = [], 0
    for i in range(1, int(size) + 1):
        first = sources[start]
        if i < size and sources[i] == (first if first < 0 else first + i - start):
            continue  # a run of neighbours that stay neighbours, or get nothing
        if first < 0:
            parts.append(shape.full((i - start, *x.shape[1:]), 0, x.dtype))
        else:
            parts.append(shape.slice_axis(x, 0, first, first + i - start))
        start = i
    return (shape.concatenate(parts, 0),), (0,)


def _permute_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> Any:
    back = tuple((destination, source) for source, destination in params["perm"])
    return [ppermute(cts[0], params["axis_name"], back)]


ppermute_p = Primitive(
    "ppermute",
    type_rule=lambda x, *, axis_name, perm: x,
    reference=_outside,
    jvp=linear,
    transpose=_permute_transpose,
    batch=pointwise,
    lower=Lowering("collective", _own_permutation),
)


def ppermute(x: Any, axis_name: Hashable, perm: Sequence[tuple[int, int]]) -> Any:
    """``x`` of example ``source`` for example ``destination``, for each pair of ``perm``; zeros for those that none is for."""
    return ppermute_p.bind(x, axis_name=axis_name, perm=tuple((int(a), int(b)) for a, b in perm))


def _own_exchange(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    # The batch axis takes the place of the axis that is taken apart, and that axis is the new batch axis.
    x = shape.move_axis(to_front(args[0], axes[0], size), 1 + params["axis"], 0)
    return (shape.move_axis(x, 1, 1 + params["axis"]),), (0,)


def _exchange_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    x = shape.move_axis(args[0], axes[0], 0)
    return (exchange(x, params["axis_name"], params["axis"] + 1),), (0,)


exchange_p = Primitive(
    "exchange",
    type_rule=lambda x, *, axis_name, axis: x,
    reference=_outside,
    jvp=linear,
    transpose=lambda prim, cts, ins, params: [exchange(cts[0], **params)],
    batch=_exchange_batch,
    lower=Lowering("collective", _own_exchange),
)


def exchange(x: Any, axis_name: Hashable, axis: int) -> Any:
    """``axis``, which is as long as the named axis, in its place: element ``j`` of example ``i`` is element ``i`` of ``j``."""
    return exchange_p.bind(x, axis_name=axis_name, axis=axis)
