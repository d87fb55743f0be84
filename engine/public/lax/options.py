"""Words of JAX's API that say how exactly, or by which hardware path, an operation is to be computed.

They are read so that code written for JAX runs. Weft computes a product in the dtype that it is asked for (float32 and up),
and a function of one number as exactly as it can, so none of these changes a result.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence
from typing import Any


class Precision(enum.Enum):
    """How exactly a product of float32 is computed where there is a choice; here it is always ``HIGHEST``."""

    DEFAULT = 0
    HIGH = 1
    HIGHEST = 2


class RoundingMethod(enum.IntEnum):
    """What `round` does to numbers halfway between two integers."""

    AWAY_FROM_ZERO = 0
    TO_NEAREST_EVEN = 1


class AccuracyMode(enum.Enum):
    """How exactly an elementary function is computed; here both are the same."""

    HIGHEST = 1
    DEFAULT = 2


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """How far an elementary function may be off; here it is never off by more than a few units in the last place."""

    atol: float = 0.0
    rtol: float = 0.0
    ulps: int = 0


DotDimensionNumbers = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]
PrecisionLike = str | Precision | tuple[str, str] | tuple[Precision, Precision] | None
ConvGeneralDilatedDimensionNumbers = Any  # None, three strings, or ConvDimensionNumbers
