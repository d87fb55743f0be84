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
from weft.kernels.library.convolution import ROUTINES as CONVOLUTION
from weft.kernels.library.fourier import transform
from weft.kernels.library.frame import library_equation
from weft.kernels.library.lapack_factors import ROUTINES as FACTORS
from weft.kernels.library.lapack_spectral import ROUTINES as SPECTRAL
from weft.kernels.library.lapack_systems import ROUTINES as SYSTEMS
from weft.kernels.library.pooling import ROUTINES as POOLING
from weft.kernels.library.running import ROUTINES as RUNNING
from weft.kernels.library.searching import ROUTINES as SEARCHING
from weft.kernels.library.sorting import ROUTINES as SORTING
from weft.kernels.library.writing import ROUTINES as WRITING
from weft.kernels.schedule import Scheduled

ROUTINES: dict[str, Callable[[Eqn], Scheduled | None]] = {
    **CONVOLUTION,
    **POOLING,
    **RUNNING,
    **WRITING,
    **SORTING,
    **SEARCHING,
    **FACTORS,
    **SYSTEMS,
    **SPECTRAL,
}
"""By the name that a primitive's `library` lowering gives."""

HOST_ROUTINES: dict[
    str, Callable[[Sequence[np.ndarray], Sequence[np.ndarray], Mapping[str, Any], int], None]
] = {"fft": transform}
"""Functions of arrays, of arrays for the results, of params and of how many threads they may use."""


def schedule_routine(eqn: Eqn) -> Scheduled | None:
    """The loops of an equation that a routine computes; ``None`` when there is no routine for it.

    Args:
        eqn: an equation, or a `routine` around one with what computes its operands.
    """
    lower = library_equation(eqn).prim.lower
    routine = ROUTINES.get(lower.rule) if lower.kind == "library" else None
    return routine(eqn) if routine is not None else None
