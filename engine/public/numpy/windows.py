"""Windows: `hanning` and kin, vectors that taper a signal at its ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine.array import Array, wrap
from weft.engine.dispatch import as_dtype, broadcast_to
from weft.engine.promotion import covering, literal
from weft.ir.ops import elementwise as e
from weft.ir.ops.shape import full
from weft.numpy.elementwise import i0
from weft.numpy.staging import like_numpy, static_int, value

__all__ = ["bartlett", "blackman", "hamming", "hanning", "kaiser"]


def _window(reference: Any) -> Callable[..., Any]:
    def window(*args: Any) -> Array:
        return wrap(literal(reference(*args)))

    window.__name__ = reference.__name__
    window.__doc__ = f"NumPy's ``{reference.__name__}`` window. See `numpy.{reference.__name__}`."
    return window


bartlett, blackman, hamming, hanning = map(_window, (np.bartlett, np.blackman, np.hamming, np.hanning))


@like_numpy(lambda M, beta: literal(np.kaiser(M, beta)))
def kaiser(M: Any, beta: Any) -> Any:
    """NumPy's ``kaiser`` window of ``M`` numbers; its shape, ``beta``, may be traced.

    Source: Kaiser & Schafer, On the use of the I0-sinh window for spectrum analysis (1980).
    """
    n, beta = static_int(M, "kaiser", "M"), value(beta, "kaiser", "beta")
    beta = as_dtype(beta, covering(beta.dtype))
    if n <= 1:
        return full((max(n, 0),), 1, beta.dtype)
    half = (n - 1) / 2
    across = (np.arange(n) - half) / half
    arc = np.sqrt(1 - across * across).astype(beta.dtype)
    bulge = i0.staged(e.mul(broadcast_to(beta, (n,)), arc))
    return e.div(bulge, broadcast_to(i0.staged(beta), (n,)))
