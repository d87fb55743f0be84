"""Reading the arguments of a call: arrays that a program runs on, and a key that tells signatures apart.

The one idea: plain containers are walked here, in the order they are in, and no tree is made. The key is what the walk met
before its leaves, in that order: for a dict its keys, for a list or tuple its length, for an object of a registered class what
is static in it, for an array the number of its type, for a Python scalar its class. Anything else ends the walk, and the slower
way of `weft.engine.tree` is taken.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from weft.engine import tree
from weft.engine.array import Array, contiguous, number_of, type_numbers
from weft.engine.promotion import on_change, rules

_ndarray, _array = np.ndarray, np.array
_NUMBERS = {float: np.dtype(np.float64), complex: np.dtype(np.complex128), bool: np.dtype(bool)}


def _choose_numbers() -> None:
    _NUMBERS[float], _NUMBERS[complex] = rules.float, rules.complex


on_change.append(_choose_numbers)
_IN_ORDER = 0x101  # the bits of `flags.num` that say C-contiguous and aligned

SCALARS = frozenset((bool, int, float, complex))
"""The classes whose values are arguments of no fixed type."""


def read(xs: Iterable[Any], key: list[Any], values: list[np.ndarray]) -> bool:
    """Append to ``key`` and ``values`` what ``xs`` are; False if one is no array, scalar or plain container of them.

    Values are contiguous. Those of NumPy arrays are read during the call, so they are not copied.
    """
    for x in xs:
        kind = type(x)
        if kind is Array:
            key.append(x._number or number_of(x))
            values.append(x._data)
        elif kind is dict:
            key.append(dict)
            key.append(tuple(x))
            if not read(x.values(), key, values):
                return False
        elif kind is list or kind is tuple:
            key.append(kind)
            key.append(len(x))
            if not read(x, key, values):
                return False
        elif kind is _ndarray or kind in _GENERIC:
            if kind is not _ndarray:
                x = np.asarray(x)
            number = type_numbers.get((x.shape, x.dtype))
            if number is None:  # a type that Weft does not have, or the first of its type
                return False
            key.append(number)
            values.append(x if x.flags.num & _IN_ORDER == _IN_ORDER else contiguous(x))
        elif kind in _NUMBERS:
            key.append(kind)
            values.append(_array(x, _NUMBERS[kind]))
        elif kind is int and -(2**63) <= x < 2**63:
            key.append(kind)
            values.append(_array(x, np.int64))
        elif x is None:
            key.append(None)
        elif (take := tree.taking_apart(x)) is not None:
            parts = take(x)
            children = tuple(parts[0])
            key += (kind, len(children), parts[1])
            if not read(children, key, values):
                return False
        else:
            return False
    return True


_GENERIC = frozenset(np.dtype(kind).type for kind in "?bhilqBHILQefdFD")


def reading_order(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Callable[[list[Any]], Sequence[Any]] | None:
    """What puts values as `read` finds them into the order of the leaves of ``(args, kwargs)``; None if it is the same."""
    order = tree.leaves(_places((args, kwargs), itertools.count()))
    return None if order == sorted(order) else operator.itemgetter(*order)


def _places(x: Any, places: Iterator[int]) -> Any:
    """``x`` with its leaves numbered as `read` finds them."""
    kind = x.__class__
    if kind is dict:
        return {name: _places(part, places) for name, part in x.items()}
    if kind is list or kind is tuple:
        return kind(_places(part, places) for part in x)
    if x is not None and (take := tree.taking_apart(x)) is not None:
        return [_places(part, places) for part in take(x)[0]]
    return None if x is None else next(places)
