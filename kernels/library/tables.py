"""Which routine computes what: the tables that `weft.kernels.library.routines` looks things up in.

They stand apart because they import all routines, and most programs have none.
"""

from __future__ import annotations

from collections.abc import Callable

from weft.ir.graph import Eqn
from weft.kernels.library.convolution import ROUTINES as CONVOLUTION
from weft.kernels.library.fourier import transform
from weft.kernels.library.lapack_factors import ROUTINES as FACTORS
from weft.kernels.library.lapack_forms import ROUTINES as FORMS
from weft.kernels.library.lapack_spectral import ROUTINES as SPECTRAL
from weft.kernels.library.lapack_systems import ROUTINES as SYSTEMS
from weft.kernels.library.part_products import ROUTINES as PARTS
from weft.kernels.library.pooling import ROUTINES as POOLING
from weft.kernels.library.routines import HostRoutine
from weft.kernels.library.running import ROUTINES as RUNNING
from weft.kernels.library.searching import ROUTINES as SEARCHING
from weft.kernels.library.sorting import ROUTINES as SORTING
from weft.kernels.library.transforms import ROUTINES as TRANSFORMS
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
    **FORMS,
    **PARTS,
    **TRANSFORMS,
}
"""By the name that a primitive's `library` lowering gives."""

HOST_ROUTINES: dict[str, HostRoutine] = {"fft": transform}
"""By the same name: what runs in Python's place."""
