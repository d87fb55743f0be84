"""Scans that sum: what is added up over all steps may be added up at once behind them.

The one idea: a sum over steps of products of rows is one product of the stacked rows, ``sum_t x_t^T y_t = X^T Y``. The
gradient of a matrix that every step multiplies by is such a sum: as one product it is computed faster, and the matrix of sums
is not read and written at every step. Rows that are not there already are stacked for it, where they are not larger than the
sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.ops.contract import dot_general, dot_general_p
from weft.ir.ops.elementwise import add_p
from weft.ir.ops.flow.bodies import pick, split
from weft.ir.ops.flow.scan import scan
from weft.ir.rules import add_all, zeros_like
from weft.ir.types import ArrayType

_FEW = 256
"""Elements of sums that stay in the loop: they stay in the cache, and small products are written out there."""


class _Product(NamedTuple):
    """One term of a sum: the product of two values of a step, then moved."""

    left: Var
    right: Var
    dims: Any
    moves: tuple[Eqn, ...]

    def of_rows(self, left: Any, right: Any) -> Any:
        """The sum of the products of all rows."""
        (x_sum, y_sum), (x_batch, y_batch) = self.dims
        sums = (0, *[d + 1 for d in x_sum]), (0, *[d + 1 for d in y_sum])
        batches = tuple([d + 1 for d in x_batch]), tuple([d + 1 for d in y_batch])
        value = dot_general(left, right, (sums, batches))
        for eqn in reversed(self.moves):
            value = eqn.prim.bind(value, **eqn.params)
        return value


def summing_scan(
    body: Graph,
    consts: Sequence[Any],
    carry: Sequence[Any],
    sums: Sequence[ArrayType],
    xs: Sequence[Any],
    *,
    length: int,
    reverse: bool,
) -> list[Any]:
    """A scan some of whose carries begin with zero, and are nothing but added to.

    Args:
        body: ``(consts, carry, sums, rows) -> (carry, sums, ys)``.
        consts: the same at every step.
        carry: where the first step begins.
        sums: types of the sums.
        xs: arrays with a row a step.
        length: the number of steps.
        reverse: begin with the last row.

    Returns:
        The last carry, the sums, and the stacked rows.
    """
    n_consts, n_carry, n_sums = len(consts), len(carry), len(sums)
    const_vars, carry_vars, sum_vars, x_vars = split(body.ins, n_consts, n_carry, n_sums)
    carry_outs, sum_outs, y_outs = split(body.outs, n_carry, n_sums)
    made_by = {v: eqn for eqn in body.eqns for v in eqn.outs}
    found: list[list[_Product] | None] = []
    stacked: dict[Var, None] = {}
    for total, out in zip(sum_vars, sum_outs, strict=True):
        terms = _products(out, total, made_by)
        needed = dict.fromkeys(v for t in terms or () for v in (t.left, t.right) if v not in x_vars)
        pays = total.type.size > _FEW and _size(needed) <= total.type.size
        if terms and pays and not any(v in const_vars for v in needed):
            stacked |= needed
            found.append(terms)
        else:
            found.append(None)
    stays = [terms is None for terms in found]
    ins = (*const_vars, *carry_vars, *pick(sum_vars, stays), *x_vars)
    outs: list[Atom] = [*carry_outs, *pick(sum_outs, stays), *y_outs, *stacked]
    inner = _without(body, ins, outs)
    start = [*carry, *map(zeros_like, pick(sums, stays))]
    results = scan(inner, consts, start, xs, length=length, reverse=reverse, linear=True)
    last, kept, ys, new = split(results, n_carry, sum(stays), len(y_outs))
    rows: dict[Var, Any] = {**dict(zip(x_vars, xs, strict=True)), **dict(zip(stacked, new, strict=True))}
    left_over = iter(kept)
    totals = [
        next(left_over) if terms is None else add_all([t.of_rows(rows[t.left], rows[t.right]) for t in terms])
        for terms in found
    ]
    return [*last, *totals, *ys]


def _products(out: Atom, total: Var, made_by: dict[Var, Eqn]) -> list[_Product] | None:
    """The products that ``out`` adds to ``total``; ``None`` where it adds anything else."""
    terms: list[_Product] = []
    while out is not total:
        eqn = made_by.get(out) if isinstance(out, Var) else None
        if eqn is None or eqn.prim is not add_p:
            return None
        out, term = eqn.ins
        product = _product(term, made_by)
        if product is None:
            return None
        terms.append(product)
    return terms


def _product(atom: Atom, made_by: dict[Var, Eqn]) -> _Product | None:
    moves: list[Eqn] = []
    while isinstance(atom, Var) and atom in made_by:
        eqn = made_by[atom]
        if eqn.prim is dot_general_p:
            left, right = eqn.ins
            if isinstance(left, Literal) or isinstance(right, Literal):
                return None
            return _Product(left, right, eqn.params["dims"], tuple(moves))
        if eqn.prim.name not in ("transpose", "reshape"):
            return None
        moves.append(eqn)
        (atom,) = eqn.ins
    return None


def _size(variables: dict[Var, None]) -> int:
    return sum(v.type.size for v in variables)


def _without(graph: Graph, ins: Sequence[Var], outs: Sequence[Atom]) -> Graph:
    """``graph`` with other outputs and fewer inputs, and without the equations that only the outputs left out need."""
    from weft.ir.passes.dce import dce

    return dce(graph.replace(outs=outs)).replace(ins=ins)
