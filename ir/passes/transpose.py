"""Transposition: turn a linear graph round, from tangents of inputs to cotangents of outputs.

Equations that do not depend on a linear input are run forwards first (a rematerialised forward pass, where a graph has
one); the linear ones are then visited in reverse, each sending its outputs' cotangents to its inputs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from weft.ir.builder import bind_all, build, read
from weft.ir.errors import GradientError
from weft.ir.graph import Graph, Literal, Var
from weft.ir.ops.elementwise import add
from weft.ir.ops.flow.bodies import reached_outs
from weft.ir.passes.dce import cut_results
from weft.ir.primitive import Addition, Linear
from weft.ir.rules import zeros_like
from weft.ir.source import at_source


def pull_back(
    graph: Graph, args: Sequence[Any], cts: Sequence[Any], sums: Sequence[Any] | None = None
) -> list[Any]:
    """Cotangents of the inputs given as `Linear`, from those of the outputs (``None`` is zero, both ways).

    Args:
        graph: linear in the inputs that ``args`` gives as `Linear`.
        args: a value or a `Linear` for each input.
        cts: a cotangent or ``None`` for each output.
        sums: for each input given as `Linear` what its cotangent is added to, or ``None``.
    """
    env: dict[Var, Any] = {}
    linear: set[Var] = set()
    for var, arg in zip(graph.ins, args, strict=True):
        if isinstance(arg, Linear):
            linear.add(var)
        else:
            env[var] = arg
    backward = []
    for eqn in graph.eqns:
        marks = [isinstance(a, Var) and a in linear for a in eqn.ins]
        if any(marks):
            backward.append(eqn)
            turned = reached_outs(eqn, marks)
            linear.update(v for v, t in zip(eqn.outs, turned, strict=True) if t)
            if all(turned):
                continue
            eqn = cut_results(eqn, [not t for t in turned])  # what does not depend on linear inputs
        with at_source(eqn.source):
            outs = bind_all(eqn.prim, [read(env, a) for a in eqn.ins], dict(eqn.params))
        env.update(zip(eqn.outs, outs, strict=True))

    targets = [var for var, arg in zip(graph.ins, args, strict=True) if isinstance(arg, Linear)]
    found: dict[Var, Any] = {}

    def send(atom: Any, ct: Any) -> None:
        if ct is not None and isinstance(atom, Var) and atom in linear:
            found[atom] = _sum(found[atom], ct) if atom in found else ct

    for var, total in zip(targets, sums or (), strict=False):
        send(var, total)

    for atom, ct in zip(graph.outs, cts, strict=True):
        send(atom, ct)
    for eqn in reversed(backward):
        out_cts = [_whole(found.pop(v, None)) for v in eqn.outs]
        if all(ct is None for ct in out_cts):
            continue
        if eqn.prim.transpose is None:
            raise GradientError(f"{eqn.prim.name} at {eqn.source} is not linear, so it cannot be transposed.")
        ins = [
            a.value if isinstance(a, Literal) else Linear(a.type) if a in linear else env[a] for a in eqn.ins
        ]
        with at_source(eqn.source):
            try:
                in_cts = eqn.prim.transpose(eqn.prim, out_cts, ins, eqn.params)
            except TypeError as error:
                if sum(isinstance(x, Linear) for x in ins) < 2:
                    raise
                raise GradientError(
                    f"{eqn.prim.name} at {eqn.source} multiplies its operands, so it is not linear and cannot be transposed."
                ) from error
            for atom, ct in zip(eqn.ins, in_cts, strict=True):
                send(atom, ct)
    return [_whole(found.get(var)) for var in targets]


def _sum(x: Any, y: Any) -> Any:
    """The sum of two cotangents; parts are added in place."""
    if isinstance(y, Addition):
        return y.into(_whole(x))
    return x.into(y) if isinstance(x, Addition) else add(x, y)


def _whole(ct: Any) -> Any:
    """A cotangent written out."""
    return ct.into(zeros_like(Linear(ct.type))) if isinstance(ct, Addition) else ct


@functools.lru_cache(maxsize=512)
def transpose(graph: Graph, linear: tuple[bool, ...], summed: tuple[bool, ...] = ()) -> Graph:
    """The graph ``(non-linear inputs..., cotangents of outputs..., sums...) -> cotangents of the linear inputs``.

    Args:
        graph: linear in the inputs marked in ``linear``.
        linear: for each input, whether to turn it round.
        summed: for each linear input, whether its cotangent is added to a sum, which is one more input at the end.
    """
    others = [t for t, is_linear in zip(graph.in_types, linear, strict=True) if not is_linear]
    types = [t for t, is_linear in zip(graph.in_types, linear, strict=True) if is_linear]

    def fun(*args: Any) -> list[Any]:
        known = iter(args)
        full_args = [
            Linear(t) if is_linear else next(known)
            for t, is_linear in zip(graph.in_types, linear, strict=True)
        ]
        out_cts = [next(known) for _ in graph.outs]
        cts = pull_back(graph, full_args, out_cts, [next(known) if s else None for s in summed])
        return [zeros_like(Linear(t)) if ct is None else ct for ct, t in zip(cts, types, strict=True)]

    totals = [t for t, is_summed in zip(types, summed, strict=False) if is_summed]
    return build(fun, [*others, *graph.out_types, *totals])
