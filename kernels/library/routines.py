"""Routines: operations that are neither maps nor reductions, and have loops of their own.

The one idea: a routine writes a loop nest for an equation, so it is compiled, cached, printed and called like
every kernel, and it is generic in its sizes like them. Where it gives ``None``, the equation runs its
reference; so do operations that have no routine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.ir.graph import Eqn
from weft.ir.ops.contract import dot_plan
from weft.ir.primitive import Primitive
from weft.kernels.library.frame import library_equation
from weft.kernels.schedule import Scheduled

HostRoutine = Callable[[Sequence[np.ndarray], Sequence[np.ndarray], Mapping[str, Any], int], None]
"""A function of arrays, of arrays for the results, of params and of how many threads it may use."""


def schedule_routine(eqn: Eqn) -> Scheduled | None:
    """The loops of an equation that a routine computes; ``None`` when there is no routine for it.

    Args:
        eqn: an equation, or a `routine` around one with what computes its operands.
    """
    lower = library_equation(eqn).prim.lower
    if lower.kind != "library":
        return None
    if lower.rule == "dot_general":
        a, b = eqn.ins
        if not dot_plan(a.type, b.type, eqn.params["dims"]).written_out:  # it is an instruction of the tape
            return None
        from weft.kernels.library.small_products import multiply_stack

        return multiply_stack(eqn)
    from weft.kernels.library.tables import ROUTINES

    routine = ROUTINES.get(lower.rule)
    return routine(eqn) if routine is not None else None


def host_routine(prim: Primitive) -> HostRoutine | None:
    """The routine that computes a primitive in Python's place, if there is one."""
    if prim.lower.kind != "library":
        return None
    from weft.kernels.library.tables import HOST_ROUTINES

    return HOST_ROUTINES.get(prim.lower.rule)
