"""Algebra: replace equations by cheaper ones that give the same bits.

The one idea: only what is exact in IEEE arithmetic is done. ``x + 0.0`` is not ``x`` (where x is -0.0) and
``x * 0.0`` is not 0.0 (where x is negative, infinite or NaN), so both stay; on integers both go. Every rule
carries its equation. What a rule does never depends on how large a literal is: literals often hold lengths of axes (a mean
divides by one), and programs stay the same for all shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.graph import Atom, Eqn, Graph, Var
from weft.ir.match import Rewriter, Rules, constant, op, rewrite, scalar, variables
from weft.ir.ops import contract, elementwise, shape
from weft.ir.types import ArrayType, is_bool, is_floating, is_inexact, is_integer

x, y, c, d, p, q, low, frame = variables("x y c d p q low frame")
n = scalar("n", "integer")
ZERO = constant(0, "logical")  # of an integer or bool, where no zero has a sign
TRUE, FALSE = constant(True, "bool"), constant(False, "bool")


def simplify(graph: Graph) -> Graph:
    """Apply `RULES` to every equation, here and in carried graphs, until none fits.

    Keeps inputs, outputs, types and sources. Leaves equations that lost their readers to `dce`. Needs
    nothing; idempotent.
    """
    return rewrite(graph, lambda: _step)


def _step(eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
    for step in (RULES.step, _same_window, _inside_frame):
        if (found := step(eqn, rewriter)) is not None:
            return found
    return None


def _same_window(eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
    """What is read or written where an update was written: the update, or an update of what was before."""
    if eqn.prim.name not in ("dynamic_slice", "dynamic_update_slice") or not isinstance(eqn.ins[0], Var):
        return None
    before = rewriter.made_by.get(eqn.ins[0])
    if before is None or before.prim.name != "dynamic_update_slice":
        return None
    x, update, *starts = before.ins
    if eqn.prim.name == "dynamic_slice":  # dynamic_slice(dynamic_update_slice(x,y,i),i) -> y
        same = eqn.outs[0].type == update.type and list(eqn.ins[1:]) == starts
        return (rewriter.value(update),) if same else None
    # dynamic_update_slice(dynamic_update_slice(x,y,i),z,i) -> dynamic_update_slice(x,z,i)
    if eqn.ins[1].type != update.type or list(eqn.ins[2:]) != starts:
        return None
    return rewriter.emit(eqn.prim, [rewriter.value(a) for a in (x, *eqn.ins[1:])], eqn.params)


def _inside_frame(eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
    """The inside of what is framed, slice(select(pad(c),x,y)): what is chosen there by the condition inside.

    What was there before may be framed in turn, as often as a loop wrote to the inside of its array: a few frames are read
    through, lest each slice of a long program were written out for all frames before it.
    """
    if eqn.prim.name != "slice" or rewriter.nesting > _MOST_FRAMES:
        return None
    chosen = rewriter.made(eqn.ins[0], "select")
    framed = None if chosen is None else rewriter.made(chosen.ins[0], "pad")
    if chosen is None or framed is None:
        return None
    condition, start, limit = framed.ins[0], eqn.params["start"], eqn.params["limit"]
    same = framed.params["low"] == start and condition.type.shape == eqn.outs[0].type.shape
    strides = eqn.params["strides"]
    if not same or any(gap + 1 != step for gap, step in zip(framed.params["interior"], strides, strict=True)):
        return None

    def inside(atom: Atom) -> Any:
        value = rewriter.value(atom)
        return shape.slice_(value, start, limit, strides) if atom.type.shape else value

    always = rewriter.uniform(condition)
    if always is None:  # slice(select(pad(c),x,y)) -> select(c,slice(x),slice(y))
        return (elementwise.select(rewriter.value(condition), *map(inside, chosen.ins[1:])),)
    only = chosen.ins[1 if always else 2]  # one side of it is read alone
    return (inside(only),) if only.type.shape else None


_MOST_FRAMES = 4


def _zero(out: ArrayType) -> Any:
    return elementwise.full_like(out, 0)


ARITHMETIC = Rules(
    [
        (op.mul(x, constant(1, "ordered")), lambda x: x),  # x*1 -> x
        (op.mul(x, constant(-1, "real")), lambda x: elementwise.neg(x)),  # x*(-1) -> -x
        (op.mul(x, ZERO), lambda out: _zero(out)),  # x*0 -> 0
        (op.div(x, constant(1, "floating")), lambda x: x),  # x/1 -> x
        (op.sub(x, constant(0, "number")), lambda x: x),  # x-0 -> x
        (op.add(x, constant(-0.0, "floating")), lambda x: x),  # x+(-0.0) -> x
        (op.add(x, constant(complex(-0.0, -0.0), "complex")), lambda x: x),
        (op.add(x, ZERO), lambda x: x),  # x+0 -> x
        (op.add(x, op.neg(y)), lambda x, y: elementwise.sub(x, y)),  # x+(-y) -> x-y
        (op.sub(x, op.neg(y)), lambda x, y: elementwise.add(x, y)),  # x-(-y) -> x+y
        (op.neg(op.neg(x)), lambda x: x),  # -(-x) -> x
        (op.integer_pow(x, y=1), lambda x: x),  # x**1 -> x
        (op.max(x, x), lambda x: x),  # max(x,x) -> x
        (op.min(x, x), lambda x: x),  # min(x,x) -> x
    ]
)

LOGIC = Rules(
    [
        (op.lt(op.mod(x, n), ZERO), lambda n: np.False_ if n > 0 else None),  # x%n<0 -> False, if n>0
        (op.not_(op.not_(x)), lambda x: x),  # ~~x -> x
        (op.and_(x, x), lambda x: x),  # x&x -> x
        (op.or_(x, x), lambda x: x),  # x|x -> x
        (op.and_(x, ZERO), lambda out: _zero(out)),  # x&0 -> 0
        (op.or_(x, ZERO), lambda x: x),  # x|0 -> x
        (op.xor(x, ZERO), lambda x: x),  # x^0 -> x
        (op.and_(x, TRUE), lambda x: x),  # x&True -> x
        (op.or_(x, TRUE), lambda: np.True_),  # x|True -> True
        (op.select(constant(True), x, y), lambda x: x),  # select(True,x,y) -> x
        (op.select(constant(False), x, y), lambda y: y),  # select(False,x,y) -> y
        (op.select(c, x, x), lambda x: x),  # select(c,x,x) -> x
        (op.select(c, TRUE, FALSE), lambda c: c),  # select(c,True,False) -> c
        (op.select(c, FALSE, TRUE), lambda c: elementwise.not_(c)),  # select(c,False,True) -> ~c
        (
            op.select(op.not_(c), x, y),  # select(~c,x,y) -> select(c,y,x)
            lambda c, x, y: elementwise.select(c, y, x),
        ),
    ]
)


def _keeps_values(narrow: np.dtype, wide: np.dtype) -> bool:
    """Whether every value of ``narrow`` is one of ``wide``, and comes back from there."""
    if is_bool(narrow):
        return True
    if is_integer(narrow) and is_integer(wide):
        return bool(np.can_cast(narrow, wide, "safe"))
    if is_floating(narrow) and is_floating(wide):
        return narrow.itemsize < wide.itemsize
    return False


def _cast_twice(x: Any, p: np.dtype, q: np.dtype) -> Any:
    return elementwise.cast(x, q) if _keeps_values(x.dtype, p) and q == x.dtype else None


CONVERSION = Rules(
    [
        (op.cast(x, dtype=p), lambda x, p: x if x.dtype == p else None),  # cast to its own dtype
        (op.cast(op.cast(x, dtype=p), dtype=q), _cast_twice),  # to a wider dtype and back
    ]
)


def _slice_all(x: Any, out: ArrayType, d: tuple[int, ...]) -> Any:
    return x if x.shape == out.shape and all(step == 1 for step in d) else None


def _pad_nothing(x: Any, out: ArrayType) -> Any:
    return x if x.shape == out.shape else None


def _slice_twice(x: Any, p: Any, q: Any, c: Any, d: Any, out: ArrayType) -> Any:
    """Element i is element ``q + d*i`` of the slice, which is element ``p + c*(q + d*i)`` of x."""
    start = [a + s * b for a, s, b in zip(p, c, q, strict=True)]
    strides = [s * t for s, t in zip(c, d, strict=True)]
    limit = shape.limit_of(start, out.shape, strides)
    return None if 0 in out.shape else shape.slice_(x, start, limit, strides)


def _slice_padded(x: Any, p: Any, q: Any, c: Any, d: Any, out: ArrayType) -> Any:
    whole = p == q and x.shape == out.shape and not any(c) and all(step == 1 for step in d)
    return x if whole else None


MOVEMENT = Rules(
    [
        (op.transpose(x, perm=p), lambda x, p: x if p == tuple(range(len(p))) else None),  # in place
        (
            op.transpose(op.transpose(x, perm=p), perm=q),  # transpose(transpose(x,p),q) -> transpose(x,p∘q)
            lambda x, p, q: shape.transpose(x, [p[i] for i in q]),
        ),
        (op.reshape(x), lambda x, out: x if x.shape == out.shape else None),  # to its own shape
        (op.reshape(op.reshape(x)), lambda x, out: shape.reshape(x, out.shape)),  # the last shape counts
        (op.broadcast(x), lambda x, out: x if x.shape == out.shape else None),  # to its own shape
        (
            op.broadcast(op.broadcast(x, dims=p), dims=q),  # at once
            lambda x, p, q, out: shape.broadcast(x, out.shape, [q[i] for i in p]),
        ),
        (op.slice(x, strides=d), _slice_all),  # x[:] -> x
        (op.slice(op.slice(x, start=p, strides=c), start=q, strides=d), _slice_twice),  # at once
        (op.slice(op.pad(x, y, low=p, interior=c), start=q, strides=d), _slice_padded),  # what was padded
        (op.pad(x, y), _pad_nothing),  # pad by nothing
        (op.reverse(x, axes=()), lambda x: x),  # along no axes
        (
            op.reverse(op.reverse(x, axes=p), axes=q),  # an axis that is turned twice is not turned
            lambda x, p, q: shape.reverse(x, sorted(set(p) ^ set(q))),
        ),
        (op.concatenate(x), lambda x: x),  # of one array
    ]
)


def _before(perm: Any, *axes: Any) -> Any:
    """Where summed and batch axes were before a transposition; none where the axes that are left would change places."""
    free = [perm[i] for i in contract.free_axes(len(perm), *axes)]
    return [tuple([perm[i] for i in some]) for some in axes] if free == sorted(free) else None


def _fold_left(x: Any, y: Any, p: Any, d: Any) -> Any:
    (x_sum, y_sum), (x_batch, y_batch) = d
    if (axes := _before(p, x_sum, x_batch)) is None:
        return None
    dims = ((axes[0], y_sum), (axes[1], y_batch))
    return (
        contract.dot_general(x, y, dims) if contract.dot_plan(x.type, y.type, dims).copy_a is None else None
    )


def _fold_right(x: Any, y: Any, q: Any, d: Any) -> Any:
    (x_sum, y_sum), (x_batch, y_batch) = d
    if (axes := _before(q, y_sum, y_batch)) is None:
        return None
    dims = ((x_sum, axes[0]), (x_batch, axes[1]))
    return (
        contract.dot_general(x, y, dims) if contract.dot_plan(x.type, y.type, dims).copy_b is None else None
    )


PRODUCTS = Rules(
    [
        # A product of a transpose is another product of the array as it lies, where BLAS takes it so.
        (op.dot_general(op.transpose(x, perm=p), y, dims=d), _fold_left),
        (op.dot_general(x, op.transpose(y, perm=q), dims=d), _fold_right),
    ]
)


REDUCTION = Rules(
    [
        # reduce(x, axes=()) -> x; but a sum begins at 0.0, and 0.0+x is not x where x is -0.0
        (op.reduce_sum(x, axes=()), lambda x: None if is_inexact(x.dtype) else x),
        (op.reduce_prod(x, axes=()), lambda x: x),
        (op.reduce_max(x, axes=()), lambda x: x),
        (op.reduce_min(x, axes=()), lambda x: x),
        (op.reduce_and(x, axes=()), lambda x: x),
        (op.reduce_or(x, axes=()), lambda x: x),
    ]
)

RULES = ARITHMETIC + LOGIC + CONVERSION + MOVEMENT + PRODUCTS + REDUCTION
