"""Run NumPy without its floating-point warnings, at the cost of a few nanoseconds.

NumPy keeps its error state in a context variable. A context of our own, with everything ignored, is entered for one call:
`numpy.errstate` would cost more than a small operation itself. A context can be in use once at a time, so there is one for
whoever comes first, and one a thread for all others.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable
from typing import Any

import numpy as np


def _new_run() -> Callable[..., Any]:
    """What runs a function in a new context, in which NumPy does not warn."""
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    return context.run


class _OfThread(threading.local):
    def __init__(self) -> None:
        self.run = _new_run()


of_thread = _OfThread()
"""``of_thread.run(fun, *args, **kwargs)`` runs in the thread's own context; RuntimeError inside of such a call."""

first_come = _new_run()

run = first_come
"""``run(fun, *args, **kwargs)`` is `quietly` for what does not come back here, where nobody else is running anything:
RuntimeError otherwise, which sends callers to `quietly`. Looking up a thread's own would cost a tenth of a small operation."""


def refuse(fun: Any, *args: Any, **kwargs: Any) -> Any:
    """A `run` that sends everybody to `quietly`."""
    raise RuntimeError("cannot enter context: every thread is to use its own.")


names: dict[Any, str] = {}
"""What messages call functions that are run so, where it is not by their own names."""


def quietly(fun: Any, *args: Any, **kwargs: Any) -> Any:
    """``fun(*args, **kwargs)`` without floating-point warnings."""
    try:
        return of_thread.run(fun, *args, **kwargs)
    except RuntimeError as error:
        if "cannot enter context" not in str(error):
            raise
    with np.errstate(all="ignore"):  # called from inside such a call
        return fun(*args, **kwargs)
