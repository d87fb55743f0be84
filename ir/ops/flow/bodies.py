"""What the rules of branches and loops share: questions about the graphs they carry, and graphs made of them.

The one idea: a loop's rule needs to know which carries a property reaches (a tangent, a batch axis, linearity). One step of
the body spreads the property; `closure` repeats that until nothing is added.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any, TypeVar

from weft.ir.builder import Value, build
from weft.ir.errors import ShapeError
from weft.ir.graph import Eqn, Graph, Var
from weft.ir.interpret import evaluate
from weft.ir.rules import to_front, zeros_like
from weft.ir.types import ArrayType

_T = TypeVar("_T")
Mask = tuple[bool, ...]

CHEAP = frozenset(
    "add sub mul neg abs max min eq ne lt le gt ge and_ or_ xor not_ select cast bitcast floor ceil rint trunc sign is_finite "
    "real imag conj complex shift_left shift_right shift_right_logical".split()
)
"""Elementwise operations that cost no more than reading their result from memory."""
MOVES = frozenset("broadcast concatenate full iota pad reshape reverse slice transpose".split())
"""Operations that move elements to places that are known beforehand."""


def pick(items: Iterable[_T], keep: Iterable[bool]) -> list[_T]:
    """The items whose mark is set."""
    return list(compress(items, keep))


def spread(items: Iterable[Any], mask: Iterable[bool]) -> list[Any]:
    """The inverse of `pick`: items at the marked places, ``None`` at the others."""
    found = iter(items)
    return [next(found) if m else None for m in mask]


def split(items: Sequence[_T], *lengths: int) -> list[list[_T]]:
    """``items`` in parts of the given lengths, and what is left."""
    parts, at = [], 0
    for n in lengths:
        parts.append(list(items[at : at + n]))
        at += n
    return [*parts, list(items[at:])]


def closure(first: Iterable[bool], step: Callable[[Mask], Iterable[bool]]) -> Mask:
    """The smallest mask that contains ``first`` and what ``step`` makes of it."""
    mask = tuple(first)
    while True:
        wider = tuple([a or b for a, b in zip(mask, step(mask), strict=True)])
        if wider == mask:
            return mask
        mask = wider


def reached(graph: Graph, marked: Iterable[bool]) -> Mask:
    """Which outputs depend on the marked inputs."""
    seen = {v for v, m in zip(graph.ins, marked, strict=True) if m}
    for eqn in graph.eqns:
        marks = [isinstance(a, Var) and a in seen for a in eqn.ins]
        if any(marks):
            seen.update(pick(eqn.outs, reached_outs(eqn, marks)))
    return tuple([isinstance(a, Var) and a in seen for a in graph.outs])


def reached_outs(eqn: Eqn, marks: Sequence[bool]) -> Mask:
    """Which results of an equation depend on the marked operands: of calls, branches and loops perhaps not all."""
    params = eqn.params
    match eqn.prim.name:
        case "call" | "checkpoint":
            return reached(params["graph"], marks)
        case "cond" if not marks[0]:
            return tuple(map(any, zip(*[reached(b, marks[1:]) for b in params["branches"]], strict=True)))
        case "scan":
            n = params["n_carry"]
            consts, first, xs = split(marks, params["n_consts"], n)
            carry = closure(first, lambda c: reached(params["body"], (*consts, *c, *xs))[:n])
            return (*carry, *reached(params["body"], (*consts, *carry, *xs))[n:])
        case "while_loop":
            asked, consts, first = split(marks, params["n_cond"], params["n_body"])
            carry = closure(first, lambda c: reached(params["body"], (*consts, *c)))
            return (True,) * len(carry) if any(reached(params["cond"], (*asked, *carry))) else carry
    return (True,) * len(eqn.outs)


def read_by(graph: Graph, wanted: Iterable[bool]) -> Mask:
    """Which inputs the wanted outputs depend on."""
    from weft.ir.passes.dce import dce

    return used(dce(graph.replace(outs=pick(graph.outs, wanted)), effects=False))


def used(graph: Graph) -> Mask:
    """Which inputs an equation reads or the graph gives back."""
    read = {a for eqn in graph.eqns for a in eqn.ins} | set(graph.outs)
    return tuple([v in read for v in graph.ins])


def narrowed(graph: Graph, ins: Iterable[bool], outs: Iterable[bool]) -> Graph:
    """``graph`` with some inputs and outputs alone, and no effects; the outputs kept must not need the inputs dropped."""
    from weft.ir.passes.dce import dce

    cut = dce(graph.replace(outs=pick(graph.outs, outs)), effects=False)
    return cut.replace(ins=pick(graph.ins, ins))


def with_ins(graph: Graph, keep: Sequence[bool]) -> Graph:
    """``graph`` without inputs that it does not read."""
    return graph if all(keep) else graph.replace(ins=pick(graph.ins, keep))


def active_outs(graph: Graph, active: Iterable[bool]) -> Mask:
    """Which outputs have a tangent when the ``active`` inputs have."""
    from weft.ir.passes.linearize import linearize

    return linearize(graph, tuple(active)).out_active


def forward(graph: Graph, active: Iterable[bool], outs: Iterable[bool]) -> Graph:
    """``(ins, tangents of the active ins) -> (outs, tangents of the marked outs)``."""
    from weft.ir.passes.dce import dce
    from weft.ir.passes.jvp import jvp

    both = jvp(graph, tuple(active))
    n = len(graph.outs)
    return dce(both.replace(outs=[*both.outs[:n], *pick(both.outs[n:], outs)]))


def forward_apart(graph: Graph, active: Iterable[bool], outs: Iterable[bool]) -> Graph:
    """`forward`, with a linear part of its own: what is linear in tangents gives nothing else, so that it can be transposed."""
    from weft.ir.passes.dce import dce
    from weft.ir.passes.linearize import linearize

    one = linearize(
        dce(graph, effects=False), tuple(active)
    )  # effects belong to the loop that gives the value
    n_ins, n_outs = len(graph.ins), len(graph.outs)
    marks = tuple(outs)

    def fun(*args: Any) -> list[Any]:
        results = evaluate(one.primal, *args[:n_ins])
        found = spread(evaluate(one.linear, *args[n_ins:], *results[n_outs:]), one.out_active)
        return [*results[:n_outs], *instantiated(pick(found, marks), pick(graph.out_types, marks))]

    return build(fun, [*graph.in_types, *pick(graph.in_types, active)])


def tangents_apart(primals: Sequence[Any], tangents: Sequence[Any]) -> bool:
    """Whether tangents are recorded in a deeper graph than primals: then a derivative is split in two (linearize.py)."""

    def depth(xs: Sequence[Any]) -> int:
        return max((x.builder.depth for x in xs if isinstance(x, Value)), default=0)

    return depth(tangents) > depth(primals)


def batched(
    graph: Graph, mapped: Sequence[bool], size: int, force: Sequence[bool] | None = None
) -> tuple[Graph, Mask]:
    """The graph of many examples, and which outputs have the batch axis. It is axis 0 of all that have it.

    Args:
        graph: the program of one example.
        mapped: which inputs have the batch axis.
        size: the number of examples.
        force: outputs that get the axis even where they do not depend on the batch.
    """
    from weft.ir.passes.batch import batch

    many, axes = batch(graph, [0 if m else None for m in mapped], size)
    force = force or (False,) * len(axes)
    on = tuple([f or a is not None for a, f in zip(axes, force, strict=True)])
    if all(a == 0 or not m for a, m in zip(axes, on, strict=True)):
        return many, on

    def fun(*args: Any) -> list[Any]:
        outs = evaluate(many, *args)
        return [to_front(x, a, size) if m else x for x, a, m in zip(outs, axes, on, strict=True)]

    return build(fun, many.in_types), on


def alone(name: str, types: Sequence[ArrayType], params: Mapping[str, Any]) -> Graph:
    """The graph of one equation."""
    return _alone(name, tuple(types), tuple(sorted(params.items())))


@functools.lru_cache(maxsize=512)
def _alone(name: str, types: tuple[ArrayType, ...], params: tuple[tuple[str, Any], ...]) -> Graph:
    from weft.ir.primitive import REGISTRY

    return build(lambda *args: REGISTRY[name].bind(*args, **dict(params)), types)


def instantiated(xs: Iterable[Any], types: Iterable[ArrayType]) -> list[Any]:
    """Values with zeros for ``None``."""
    return [zeros_like(t) if x is None else x for x, t in zip(xs, types, strict=True)]


def rows_of(t: ArrayType, length: int) -> ArrayType:
    """The type of ``length`` values of type ``t``, stacked."""
    return t.with_shape((length, *t.shape))


def row_of(t: ArrayType) -> ArrayType:
    """The type of one row of an array."""
    return t.with_shape(t.shape[1:])


def check_types(name: str, what: str, expected: Sequence[ArrayType], found: Sequence[ArrayType]) -> None:
    """Raise `ShapeError` unless the types agree."""
    if tuple(expected) != tuple(found):
        raise ShapeError(
            f"{name}: {what} should be {_listed(expected)}, but {'it is' if len(found) == 1 else 'they are'} {_listed(found)}."
        )


def _listed(types: Sequence[ArrayType]) -> str:
    return ", ".join(map(str, types)) or "nothing"
