"""Iterations that call a function of the user's many times: compiled, where that function can be.

The one idea: a loop outside of a traced function is a Python loop, which takes longer for each call than compiling the whole
does once. A function that asks for values (a Python ``if``) cannot be compiled; then it is a Python loop.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weft.engine.transforms.jit import jit
from weft.ir.errors import ConcretizationError


def run_compiled(fun: Callable[..., Any], *args: Any) -> Any:
    """``fun(*args)``, by one compiled program if possible."""
    try:
        return jit(fun)(*args)
    except ConcretizationError:
        return fun(*args)
