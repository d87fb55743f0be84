"""Arrays and numbers as text: NumPy's own functions, whose settings (`set_printoptions`) hold for arrays of Weft too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy import base_repr, binary_repr, get_printoptions, printoptions, set_printoptions

from weft.engine.dispatch import to_data
from weft.ir.builder import Value

__all__ = [
    "array2string", "array_repr", "array_str", "base_repr", "binary_repr", "format_float_positional",
    "format_float_scientific", "get_printoptions", "printoptions", "set_printoptions",
]  # fmt: skip


def _text(function: Callable[..., str], *, numbers: bool = False) -> Callable[..., str]:
    """NumPy's function; a traced array, which has no digits yet, is written as its type."""

    @functools.wraps(function)
    def run(x: Any, *args: Any, **kwargs: Any) -> str:
        if isinstance(x, Value):
            return repr(x)
        data = to_data(x)
        return function(data[()] if numbers and isinstance(data, np.ndarray) else data, *args, **kwargs)

    return run


array2string = _text(np.array2string)
array_repr = _text(np.array_repr)
array_str = _text(np.array_str)
format_float_positional = _text(np.format_float_positional, numbers=True)
format_float_scientific = _text(np.format_float_scientific, numbers=True)
