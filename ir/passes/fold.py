"""Constant folding: compute what is known before the program runs.

The one idea: a constant is a literal, or an array that repeats one (`full`). Equations of constants are
computed by the primitives' own references, and the result is a literal or a `full` again: never an array of
data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.graph import Eqn, Graph, Var
from weft.ir.match import Rewriter, rewrite
from weft.ir.ops.shape import full
from weft.ir.types import ArrayType

# Primitives that move elements of their one operand, and so repeat what it repeats.
_MOVES = frozenset({"broadcast", "reshape", "transpose", "slice", "reverse"})


def fold(graph: Graph) -> Graph:
    """Replace equations of constants by constants, here and in carried graphs.

    Elementwise equations fold on literals and on `full` arrays; beside other arrays a `full` is written as a
    literal; reductions fold on literals; broadcast, reshape, transpose, slice and reverse of a constant
    become `full`; a `full` of rank 0 becomes a literal. Keeps inputs, outputs, types and sources. Leaves
    equations that lost their readers to `dce`. Needs nothing; idempotent.
    """
    return rewrite(graph, lambda: fold_step)


def fold_step(eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
    """The constants that ``eqn`` gives, where it does: a step of `rewrite`."""
    if eqn.prim.name == "full":
        type = eqn.outs[0].type
        return None if type.shape else (np.asarray(eqn.params["value"]).astype(type.dtype)[()],)
    if not eqn.ins or eqn.prim.lower.kind not in ("scalar", "index", "reduce"):
        return None
    if eqn.prim.name == "optimization_barrier":
        return None
    scalars = [rewriter.uniform(atom) for atom in eqn.ins]
    if any(s is None for s in scalars):
        return _with_literals(eqn, scalars, rewriter)
    if eqn.prim.name in _MOVES:
        return (_constant(scalars[0], eqn.outs[0].type),)
    if eqn.prim.lower.kind != "scalar" and any(atom.type.shape for atom in eqn.ins):
        return None
    try:
        with np.errstate(all="ignore"):
            results = eqn.prim.reference(*scalars, **eqn.params)
    except (ArithmeticError, ValueError):  # a mistake of the user's, to be made when the program runs
        return None
    results = [np.asarray(r) for r in (results if eqn.prim.multiple else (results,))]
    if any(r.shape or r.dtype != t.dtype for r, t in zip(results, eqn.out_types, strict=True)):
        return None
    return [_constant(r[()], t) for r, t in zip(results, eqn.out_types, strict=True)]


def _constant(value: Any, type: ArrayType) -> Any:
    return full(type.shape, value.item(), type.dtype) if type.shape else value


def _with_literals(
    eqn: Eqn, scalars: Sequence[np.generic | None], rewriter: Rewriter
) -> Sequence[Any] | None:
    """An elementwise equation with literals for those of its operands that repeat a scalar."""
    shape = eqn.outs[0].type.shape
    if eqn.prim.lower.kind != "scalar" or not shape:
        return None
    repeats = [s is not None and isinstance(a, Var) for a, s in zip(eqn.ins, scalars, strict=True)]
    shapes = [a.type.shape for a, r in zip(eqn.ins, repeats, strict=True) if not r]
    if not any(repeats) or shape not in shapes:
        return None
    args = [s if r else rewriter.value(a) for a, s, r in zip(eqn.ins, scalars, repeats, strict=True)]
    return rewriter.emit(eqn.prim, args, dict(eqn.params))
