"""``x[index] = value`` on arrays with known values, for code that is written against the array API standard.

The one idea: an Array is a name for elements that nobody changes, so assignment gives this name other elements: a copy of the
old ones with ``value`` among them, or the old ones themselves where nobody else can see them. Views, results and graphs that
were made of the array keep what they have. It is off by default (``weft.config.item_assignment``), since a program that relies
on it cannot be traced: there arrays have no elements yet, and `jit` would have to guess which names an assignment is for.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from weft.engine.array import Array, is_sole_owner
from weft.engine.config import settings
from weft.engine.dispatch import is_traced, to_data
from weft.engine.indexing import plain_index
from weft.engine.methods import ArrayMethods
from weft.ir.errors import ImmutableError, IndexingError, ShapeError
from weft.ir.quiet import quietly


def assign(x: Array, index: Any, value: Any) -> None:
    """Give ``x`` the elements of ``x.at[index].set(value)``, by NumPy's rules for what ``index`` and ``value`` may be.

    Raises:
        ImmutableError: the setting is off, or ``index`` or ``value`` is traced.
        IndexingError: a position is out of bounds, or the index is none.
        ShapeError: ``value`` cannot be broadcast to what the index takes.
    """
    if not settings.item_assignment:
        ArrayMethods.__setitem__(x, index, value)
    parts = index if isinstance(index, tuple) else (index,)
    if is_traced(value) or is_traced(tuple(parts)):
        raise ImmutableError(
            f"x[index] = value of an array {x.type} with known values got a traced one: its elements would be known only when "
            f"the program runs. Write x = x.at[index].set(value)."
        )
    data = _writable(x)
    try:
        quietly(data.__setitem__, plain_index(index), to_data(value))
    except IndexError as error:
        raise IndexingError(f"{error} (an array of shape {x.shape}, index {index!r})") from None
    except ValueError as error:
        raise ShapeError(f"assignment to x[{index!r}] of an array of shape {x.shape}: {error}") from None
    x._data = data


def _writable(x: Array) -> np.ndarray:
    """The elements of ``x``, if nobody else sees them, or else a copy."""
    if is_sole_owner(x):
        try:
            x._data.setflags(write=True)
        except ValueError:  # memory that was read-only from the first
            pass
        else:
            return x._data
    return x._data.copy()
