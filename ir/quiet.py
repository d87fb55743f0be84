"""Run NumPy without its floating-point warnings, at the cost of a few dozen nanoseconds.

NumPy keeps its error state in a context variable. A context of our own per thread, with everything ignored, is entered for
one call: `numpy.errstate` would cost more than a small operation itself.
"""

from __future__ import annotations

import contextvars
import threading
from typing import Any

import numpy as np


class _Quiet(threading.local):
    def __init__(self) -> None:
        context = contextvars.Context()
        context.run(np.seterr, all="ignore")
        self.run = context.run


quiet = _Quiet()
"""``quiet.run(fun, *args, **kwargs)`` is `quietly` for what does not come back here (RuntimeError if it does)."""


names: dict[Any, str] = {}
"""What messages call functions that are run so, where it is not by their own names."""


def quietly(fun: Any, *args: Any, **kwargs: Any) -> Any:
    """``fun(*args, **kwargs)`` without floating-point warnings."""
    try:
        return quiet.run(fun, *args, **kwargs)
    except RuntimeError as error:
        if "cannot enter context" not in str(error):
            raise
    with np.errstate(all="ignore"):  # called from inside such a call
        return fun(*args, **kwargs)
