"""Turned matrices: a small matrix by which every step of a loop multiplies a vector lies so that its columns are side by side.

The one idea: a product of a matrix and a vector is the sum of the matrix's columns, each by a number. Where columns lie side by
side that takes whole vectors of the CPU; where rows do, each element of the result is a sum over a row, whose parts have to be
added up across a vector. The matrix is the same in all steps, so it is transposed once, before the loop.
"""

from __future__ import annotations

from weft.ir.graph import Eqn, Graph, Var
from weft.ir.ops.contract import dot_general_p
from weft.ir.ops.flow.scan import scan_p
from weft.ir.ops.shape import transpose_p
from weft.ir.types import ArrayType, is_floating

SIZES = range(4, 33)
"""Rows and columns of such a matrix: fewer are written out, and of more BLAS takes care."""


def turn_matrices(graph: Graph) -> Graph:
    """Transpose small constant matrices of the `scan`s of a graph; not those in carried graphs, whose own turn comes.

    Keeps inputs, outputs and types; leaves what lost its readers to `dce`. Needs an inlined graph; idempotent.
    """
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        if eqn.prim is scan_p and (turned := _turned(eqn)):
            eqns += turned
        else:
            eqns.append(eqn)
    return graph if len(eqns) == len(graph.eqns) else graph.replace(eqns=eqns)


def _turned(loop: Eqn) -> list[Eqn]:
    """Transpositions, and the loop that reads their results; nothing where there are none."""
    body, n_consts = loop.params["body"], loop.params["n_consts"]
    consts = dict(zip(body.ins[:n_consts], loop.ins, strict=False))
    before: list[Eqn] = []
    new: dict[Var, Var] = {}
    eqns: list[Eqn] = []
    for eqn in body.eqns:
        at = _matrix(eqn, consts)
        if at is not None:
            matrix = eqn.ins[at]
            if matrix not in new:
                rows, columns = matrix.type.shape
                type_ = ArrayType((columns, rows), matrix.type.dtype)
                outside, new[matrix] = Var(type_), Var(type_)
                before.append(Eqn(transpose_p, (consts[matrix],), (outside,), {"perm": (1, 0)}, eqn.source))
            ins = tuple([new[matrix] if k == at else atom for k, atom in enumerate(eqn.ins)])
            eqn = Eqn(
                dot_general_p, ins, eqn.outs, {**eqn.params, "dims": (((0,), (0,)), ((), ()))}, eqn.source
            )
        eqns.append(eqn)
    if not before:
        return []
    inside = Graph((*body.ins[:n_consts], *new.values(), *body.ins[n_consts:]), tuple(eqns), body.outs)
    ins = (*loop.ins[:n_consts], *[one.outs[0] for one in before], *loop.ins[n_consts:])
    params = {**loop.params, "body": inside, "n_consts": n_consts + len(new)}
    return [*before, Eqn(scan_p, ins, loop.outs, params, loop.source)]


def _matrix(eqn: Eqn, consts: dict[Var, Var]) -> int | None:
    """Which operand of a product is a small constant matrix whose rows a vector is multiplied by; none if there is none."""
    if eqn.prim is not dot_general_p:
        return None
    (sums, (batch, _)) = eqn.params["dims"]
    for at in (0, 1):
        matrix, vector = eqn.ins[at], eqn.ins[1 - at]
        if not isinstance(matrix, Var) or matrix not in consts or batch or sums[at] != (1,):
            continue
        small = matrix.type.ndim == 2 and all(size in SIZES for size in matrix.type.shape)
        if (
            small
            and vector.type.ndim == 1
            and matrix.type.dtype.itemsize > 2
            and is_floating(matrix.type.dtype)
        ):
            return at
    return None
