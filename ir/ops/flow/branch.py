"""`cond`: run one of several graphs, chosen by an index.

The one idea: ``cond[branches=(g0, g1, ...)] i x ...`` is ``g_i(x ...)``, with ``i`` clamped to the branches there are. A
predicate is the index 0 or 1. Only the branch taken runs; where the index differs within a batch all run, and a select chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.ir.builder import build
from weft.ir.errors import DTypeError, GradientError, ShapeError
from weft.ir.graph import Graph, Literal, Var
from weft.ir.interpret import evaluate
from weft.ir.ops.control import prepared, with_token
from weft.ir.ops.flow.bodies import (
    active_outs,
    batched,
    check_types,
    forward,
    instantiated,
    pick,
    split,
    spread,
    tangents_apart,
    used,
    with_ins,
)
from weft.ir.primitive import HOST, NOT_MAPPED, Primitive
from weft.ir.rules import is_linear, to_front, zeros_like
from weft.ir.types import ArrayType, is_integer


def _types(index: ArrayType, *ins: ArrayType, branches: tuple[Graph, ...]) -> tuple[ArrayType, ...]:
    if not branches:
        raise ShapeError("cond has no branches.")
    if index.shape or not is_integer(index.dtype):
        raise DTypeError(f"cond chooses by one integer, got {index}.")
    for i, branch in enumerate(branches):
        check_types("cond", f"the operands of branch {i}", branch.in_types, ins)
        check_types("cond", f"the results of branch {i}", branches[0].out_types, branch.out_types)
    return branches[0].out_types


def _reference(index: Any, *args: Any, branches: tuple[Graph, ...]) -> Any:
    return prepared(branches[min(max(int(index), 0), len(branches) - 1)])(args)


# Derivatives


def _jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    (index, *xs), ts = primals, tangents[1:]
    active = tuple([t is not None for t in ts])
    found = [active_outs(branch, active) for branch in params["branches"]]
    out_active = tuple(map(any, zip(*found, strict=True)))
    known = [t for t in ts if t is not None]
    if not any(out_active):
        return answer(), (None,) * len(out_active)
    if not tangents_apart(primals, tangents):
        both = tuple([forward(branch, active, out_active) for branch in params["branches"]])
        outs, out_ts = split(cond(index, both, *xs, *known), len(out_active))
        return tuple(outs), tuple(spread(out_ts, out_active))
    primal, linear, reads = _linearized(params["branches"], active, out_active)
    outs, residuals = split(cond(index, primal, *xs), len(out_active))
    out_ts = list(cond(index, linear, *[xs[i] for i in reads], *residuals, *known))
    return tuple(outs), tuple(spread(out_ts, out_active))


def _linearized(
    branches: Sequence[Graph], active: tuple[bool, ...], out_active: tuple[bool, ...]
) -> tuple[tuple[Graph, ...], tuple[Graph, ...], list[int]]:
    """The two halves of the branches' derivatives.

    Branches share the places of residuals of one type: the one taken fills its own, zeros the others. A residual that is an
    operand is read from there.

    Returns:
        Graphs ``operands -> (outs, residuals)``, graphs ``(operands read, residuals, tangents) -> out tangents``, and which
        operands are read.
    """
    from weft.ir.passes.linearize import linearize

    splits = [linearize(branch, active) for branch in branches]
    n_outs = len(out_active)
    places: list[ArrayType] = []
    sources: list[list[tuple[str, int]]] = []
    for one in splits:
        taken: set[int] = set()
        found: list[tuple[str, int]] = []
        for atom in one.primal.outs[n_outs:]:
            if isinstance(atom, Var) and atom in one.primal.ins:
                found.append(("operand", one.primal.ins.index(atom)))
                continue
            free = (i for i, t in enumerate(places) if i not in taken and t == atom.type)
            place = next(free, len(places))
            if place == len(places):
                places.append(atom.type)
            taken.add(place)
            found.append(("place", place))
        sources.append(found)
    reads = sorted({i for found in sources for kind, i in found if kind == "operand"})
    in_types = branches[0].in_types

    def primal_of(one: Any, found: list[tuple[str, int]]) -> Graph:
        def fun(*args: Any) -> list[Any]:
            results = evaluate(one.primal, *args)
            filled = {i: r for (kind, i), r in zip(found, results[n_outs:], strict=True) if kind == "place"}
            return [
                *results[:n_outs],
                *(filled[i] if i in filled else zeros_like(t) for i, t in enumerate(places)),
            ]

        return build(fun, in_types)

    def linear_of(one: Any, found: list[tuple[str, int]]) -> Graph:
        def fun(*args: Any) -> list[Any]:
            operands, kept, ts = split(args, len(reads), len(places))
            residuals = [kept[i] if kind == "place" else operands[reads.index(i)] for kind, i in found]
            out_ts = spread(evaluate(one.linear, *ts, *residuals), one.out_active)
            return instantiated(pick(out_ts, out_active), pick(branches[0].out_types, out_active))

        return build(fun, [*(in_types[i] for i in reads), *places, *pick(in_types, active)])

    pairs = list(zip(splits, sources, strict=True))
    return tuple([primal_of(*p) for p in pairs]), tuple([linear_of(*p) for p in pairs]), reads


def _transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    from weft.ir.passes.transpose import transpose

    index, *operands = ins
    if is_linear(index):
        raise GradientError("cond is not linear in what chooses the branch.")
    mask = tuple(map(is_linear, operands))
    branches = params["branches"]
    cts = instantiated(cts, branches[0].out_types)
    turned = tuple([transpose(branch, mask) for branch in branches])
    found = cond(index, turned, *(x for x in operands if not is_linear(x)), *cts)
    return [None, *spread(found, mask)]


# Batching


def _batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    (index, *xs), (index_axis, *x_axes) = args, axes
    mapped = [a is not NOT_MAPPED for a in x_axes]
    xs = [to_front(x, a, size) if m else x for x, a, m in zip(xs, x_axes, mapped, strict=True)]
    branches = params["branches"]
    force = tuple(map(any, zip(*(batched(b, mapped, size)[1] for b in branches), strict=True)))
    if index_axis is NOT_MAPPED:
        many = tuple([batched(b, mapped, size, force)[0] for b in branches])
        return cond(index, many, *xs), [0 if f else NOT_MAPPED for f in force]
    force = (True,) * len(branches[0].outs)
    results = [evaluate(batched(b, mapped, size, force)[0], *xs) for b in branches]
    return tuple([_choose(index, outs) for outs in zip(*results, strict=True)]), (0,) * len(force)


def _choose(index: Any, choices: Sequence[Any]) -> Any:
    """For each example the choice that its index names."""
    from weft.ir.ops import elementwise as e
    from weft.ir.ops.shape import broadcast

    found = choices[0]
    for i, choice in enumerate(choices[1:], 1):
        taken = e.ge(index, np.asarray(i, index.dtype))
        found = e.select(broadcast(taken, choice.shape, (0,)), choice, found)
    return found


# Dead code


def cut_cond(
    params: dict[str, Any], needed: Sequence[bool], shared: Callable[[Graph, tuple[bool, ...]], Graph]
) -> tuple[dict[str, Any], list[bool], list[bool]]:
    """Params without unneeded results; which operands and which results stay."""
    cut = [shared(branch, tuple(needed)) for branch in params["branches"]]
    ins = list(map(any, zip(*map(used, cut), strict=True)))
    return {"branches": tuple([with_ins(b, ins) for b in cut])}, [True, *ins], list(needed)


cond_p = Primitive(
    "cond",
    type_rule=_types,
    reference=_reference,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    lower=HOST,
    multiple=True,
)


def cond(index: Any, branches: Sequence[Graph], *operands: Any) -> tuple[Any, ...]:
    """The results of the branch that ``index`` names (clamped) on ``operands``."""
    n_outs = len(branches[0].outs)
    if not n_outs:
        if not any(with_token(branch).outs for branch in branches):
            return ()
        branches = [branch.replace(outs=[Literal(True)]) for branch in branches]
    result: tuple[Any, ...] = cond_p.bind(index, *operands, branches=tuple(branches))
    return result[:n_outs]
