"""The back end by which einops works on arrays of Weft, eager and traced. Imported with einops; there is nothing to call."""

from __future__ import annotations

from typing import Any

import numpy as np
from einops._backends import NumpyBackend

import weft.numpy as wnp
from weft.engine.array import Array


class WeftBackend(NumpyBackend):
    """einops looks for subclasses of its back ends, and takes the one that knows the type of an array."""

    framework_name = "weft"

    def __init__(self) -> None:
        super().__init__()
        self.np = wnp

    def is_appropriate_type(self, tensor: Any) -> bool:
        """Whether ``tensor`` is an array of Weft."""
        return isinstance(tensor, Array)

    def from_numpy(self, x: Any) -> Any:
        """An array of Weft from one of NumPy's."""
        return wnp.asarray(x)

    def to_numpy(self, x: Any) -> Any:
        """The other way round."""
        return np.asarray(x)

    def is_float_type(self, x: Any) -> bool:
        """Whether einops may take means of ``x``."""
        return bool(wnp.issubdtype(x.dtype, wnp.floating))
