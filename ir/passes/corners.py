"""Corners: what is added to a part of an array that a loop has made is added there, in its place.

The one idea: the derivative of a loop whose carry began as ``zeros.at[0].set(x)`` sends the carry's cotangent on with something
added to a row of it. As a sum with a padded array that is another whole array; as an update it is a row, and the array is that
which the loop has left. A sum with -0.0 changes no number, not even the sign of a zero, so the padding must be that.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.ops.elementwise import add_p
from weft.ir.ops.flow import scan_p, while_loop_p
from weft.ir.ops.index import dynamic_slice_p, dynamic_update_slice_p
from weft.ir.ops.shape import pad_p
from weft.ir.types import INT64

_PART = 4  # of so many elements one, at most, is worth a kernel of its own


def add_corners(graph: Graph) -> Graph:
    """Make ``add x (pad y)`` an update of a part of ``x`` where a loop made that, for nobody else. Idempotent.

    Leaves the padding, which may have other readers, to `dce`.
    """
    makers = {var: eqn for eqn in graph.eqns for var in eqn.outs}
    readers = Counter(a for eqn in graph.eqns for a in eqn.ins if isinstance(a, Var))
    readers.update(a for a in graph.outs if isinstance(a, Var))
    eqns: list[Eqn] = []
    for eqn in graph.eqns:
        found = None
        if eqn.prim is add_p:
            x, y = eqn.ins
            found = _update(eqn, x, y, makers, readers) or _update(eqn, y, x, makers, readers)
            if found:
                makers[eqn.outs[0]] = makers[found[0].ins[0]]  # type: ignore[index]
        eqns += found or [eqn]
    return graph if len(eqns) == len(graph.eqns) else graph.replace(eqns=eqns)


def _update(
    eqn: Eqn, x: Atom, padded: Atom, makers: dict[Var, Eqn], readers: Counter[Var]
) -> list[Eqn] | None:
    """The equations that add to a part of ``x``; none if ``padded`` is something else than a small padded part."""
    if not isinstance(x, Var) or not isinstance(padded, Var) or readers[x] != 1:
        return None
    loop, pad = makers.get(x), makers.get(padded)
    if loop is None or loop.prim not in (scan_p, while_loop_p) or pad is None or pad.prim is not pad_p:
        return None
    part, value = pad.ins
    if any(pad.params["interior"]) or part.type.size * _PART > x.type.size or x.type != padded.type:
        return None
    if not isinstance(value, Literal) or value.value != 0 or not np.all(np.signbit(value.value)):
        return None
    starts = tuple([Literal(n, INT64) for n in pad.params["low"]])
    old, new = Var(part.type), Var(part.type)
    sizes = {"sizes": part.type.shape}
    return [
        Eqn(dynamic_slice_p, (x, *starts), (old,), sizes, eqn.source),
        Eqn(add_p, (old, part), (new,), {}, eqn.source),
        Eqn(dynamic_update_slice_p, (x, new, *starts), eqn.outs, {}, eqn.source),
    ]
