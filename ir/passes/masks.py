"""Masks of cotangents: where a choice took the other branch, a cotangent is zero, and stays zero on its way back.

``where(x > 0, sqrt(x), 0)`` sends a zero to the root at 0, whose derivative is infinite there: ``0 * inf`` is NaN. The idea:
`pull_back` hands on with a cotangent the *mask* of the elements that a choice let through. What multiplies or divides such a
cotangent (a residual) is replaced, where the mask is false, by 0 or 1. That is linear, so every derivative of it is right too,
and nothing is done for cotangents that meet no choice, or that nothing is multiplied with afterwards.

A mask is computed when it is read; ``None`` lets everything through. It goes through elementwise operations as it is, and
through those that move or sum elements as a cotangent of ones and zeros would. Products of matrices end it. Masks that go into
a loop or a branch, or come out of one that chooses, are read off the cotangent there: what is zero was not chosen, or is zero
by chance, so that only residuals that are not finite are replaced by it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var, sub_graphs
from weft.ir.ops import elementwise as e
from weft.ir.ops.shape import broadcast
from weft.ir.passes.cotangents import whole
from weft.ir.primitive import Addition, Linear
from weft.ir.types import is_inexact


class _Mask(NamedTuple):
    """Which elements of a cotangent a choice let through; ``certain`` unless that was read off the cotangent."""

    value: Callable[[], Any]
    certain: bool = True


Mask = _Mask | None

enabled = True
"""Whether masks are followed; `weft.ir.passes.transpose.set_nan_safe` sets it."""

_NEUTRAL = {"mul": 0, "div": 1}
_MOVES = frozenset(
    "broadcast concatenate dynamic_slice gather optimization_barrier pad reduce_sum reshape".split()
)
_MOVES |= frozenset("reverse slice transpose".split())


def has_choice(graph: Graph) -> bool:
    """Whether masks can arise in a graph that is transposed: it chooses, here or in a graph that it carries."""
    return any(map(_chooses, graph.eqns))


def _chooses(eqn: Eqn) -> bool:
    return eqn.prim.name in ("select", "cond") or any(has_choice(graph) for _, graph in sub_graphs(eqn))


def readers(eqns: Iterable[Eqn], linear: Sequence[Var], wanted: Sequence[bool]) -> set[Var]:
    """The variables whose cotangent's mask is read: what is multiplied by a residual was computed on the way to them.

    Args:
        eqns: those that depend on linear inputs, in order.
        linear: the linear inputs.
        wanted: for each, whether somebody else reads the mask of its cotangent.
    """
    found = {v for v, w in zip(linear, wanted, strict=True) if w}
    for eqn in eqns:
        if _multiplies(eqn) or any(isinstance(a, Var) and a in found for a in eqn.ins):
            found.update(eqn.outs)
    return found


def _multiplies(eqn: Eqn) -> bool:
    if eqn.prim.name in _NEUTRAL:
        return not any(_harmless(eqn, a) for a in eqn.ins)
    return any(_multiplies(inner) for _, graph in sub_graphs(eqn) for inner in graph.eqns)


def _harmless(eqn: Eqn, residual: Atom) -> bool:
    """Whether it is known that zero times the residual (divided by it) is zero."""
    if not isinstance(residual, Literal):
        return False
    return bool(np.isfinite(residual.value)) and (eqn.prim.name == "mul" or residual.value != 0)


def either(x: Mask, y: Mask) -> Mask:
    """The mask of the sum of two cotangents."""
    if x is None or y is None or x is y:
        return x if x is y else None
    return _mask(lambda: e.or_(x.value(), y.value()), certain=x.certain and y.certain)


def _mask(value: Callable[[], Any], *, certain: bool = True) -> _Mask:
    return _Mask(functools.cache(value), certain)


def known(mask: Any, certain: bool) -> Mask:
    """The mask that a value is."""
    return _Mask(lambda: mask, certain)


def guarded(eqn: Eqn, ins: Sequence[Any], mask: Mask) -> list[Any]:
    """The operands of a linear equation: residuals are harmless where the mask of its result's cotangent is false."""
    if mask is None or eqn.prim.name not in _NEUTRAL:
        return list(ins)
    neutral = _NEUTRAL[eqn.prim.name]

    def guard(x: Any) -> Any:
        keep = mask.value() if mask.certain else e.or_(mask.value(), e.is_finite(x))
        if not mask.certain and neutral:
            keep = e.and_(keep, e.or_(mask.value(), e.ne(x, e.full_like(x, 0))))
        return e.select(keep, x, e.full_like(x, neutral))

    return [
        x if isinstance(x, Linear) or _harmless(eqn, a) else guard(x)
        for x, a in zip(ins, eqn.ins, strict=True)
    ]


def behind(eqn: Eqn, ins: Sequence[Any], mask: Mask) -> list[Mask]:
    """The masks of the cotangents that an equation sends to its operands, from the one of its result's."""
    name = eqn.prim.name
    if name == "select":
        return [None, _chosen(ins[0], mask), _chosen(ins[0], mask, other=True)]
    if mask is None:
        return [None] * len(ins)
    if eqn.prim.lower.kind == "scalar":
        return [mask] * len(ins)
    if name in _MOVES and is_inexact(eqn.outs[0].type.dtype):
        return _moved(eqn, ins, mask)
    return [None] * len(ins)


def seen(eqn: Eqn, cts: Sequence[Any], *, masked: bool) -> list[Mask]:
    """The masks read off the cotangents that a loop or a branch sends to its operands, where it chooses or is given some."""
    if not any(sub_graphs(eqn)) or not (masked or _chooses(eqn)):
        return [None] * len(cts)
    return nonzero(cts)


def nonzero(cts: Sequence[Any]) -> list[Mask]:
    """The masks read off cotangents."""

    def mask(ct: Any) -> Mask:
        return _mask(lambda: e.ne(ct, e.full_like(ct, 0)), certain=False)

    return [None if ct is None or isinstance(ct, Addition) else mask(ct) for ct in cts]


class _Outside(threading.local):
    """Whether cotangents of a loop's or a branch's results have masks, while its rule turns round what it carries."""

    masked = False


outside = _Outside()


@contextmanager
def turning(*, masked: bool) -> Iterator[None]:
    """Set `outside`: the rule's graphs are given masks that are read off the cotangents."""
    before, outside.masked = outside.masked, masked
    try:
        yield
    finally:
        outside.masked = before


def _chosen(condition: Any, mask: Mask, *, other: bool = False) -> Mask:
    def value() -> Any:
        chosen = e.not_(condition) if other else condition
        return chosen if mask is None else e.and_(chosen, mask.value())

    return _mask(value, certain=mask is None or mask.certain)


def _moved(eqn: Eqn, ins: Sequence[Any], mask: _Mask) -> list[Mask]:
    """A cotangent of ones and zeros is sent the same way, when one of its parts is asked for."""

    @functools.cache
    def parts() -> list[Any]:
        assert eqn.prim.transpose is not None
        out = eqn.outs[0].type
        ones = e.cast(mask.value(), out.dtype)
        if ones.shape != out.shape:  # one condition chose for all elements
            ones = broadcast(ones, out.shape, ())
        return list(eqn.prim.transpose(eqn.prim, [ones], ins, eqn.params))

    def part(i: int) -> _Mask:
        def value() -> Any:
            ct = whole(parts()[i])
            return e.ne(ct, e.full_like(ct, 0))

        return _mask(value, certain=mask.certain)

    return [part(i) if isinstance(x, Linear) else None for i, x in enumerate(ins)]
