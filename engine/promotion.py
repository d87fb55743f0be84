"""Which dtype operations have: NumPy 2's promotion or JAX's, and the float that numbers are without a dtype of their own.

The one idea: this module alone decides, and `rules` holds what was chosen. NumPy's own promotion with float64 is the plain
case, in which functions outside of traces are NumPy's; in any other they run their definitions, which ask here.

JAX's promotion is a lattice: dtypes, and among them the kinds of numbers without a width (Python's scalars), which give way to
all dtypes above them. What meets is the least that is above both. See JAX's documentation, "Type promotion semantics".
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from weft.ir import types
from weft.ir.errors import ArgumentError
from weft.ir.types import FLOAT64, bfloat16, check_dtype, is_complex, is_inexact

_INT, _FLOAT, _COMPLEX = "int", "float", "complex"  # numbers without a width
_KINDS = {"b": "bool", "i": _INT, "u": _INT, "f": _FLOAT, "V": _FLOAT, "c": _COMPLEX}
_SCALARS: dict[str, Any] = {"b": False, "i": 0, "u": 0, "f": 0.0, "V": 0.0, "c": 0j}

# What is next above each node of JAX's lattice.
_ABOVE: dict[str, tuple[str, ...]] = {
    "bool": (_INT,),
    _INT: ("uint8", "int8"),
    "uint8": ("int16", "uint16"), "uint16": ("int32", "uint32"), "uint32": ("int64", "uint64"), "uint64": (_FLOAT,),
    "int8": ("int16",), "int16": ("int32",), "int32": ("int64",), "int64": (_FLOAT,),
    _FLOAT: ("bfloat16", "float16", _COMPLEX),
    "bfloat16": ("float32",), "float16": ("float32",), "float32": ("float64", "complex64"), "float64": ("complex128",),
    _COMPLEX: ("complex64",), "complex64": ("complex128",), "complex128": (),
}  # fmt: skip


@functools.cache
def _upward(node: str) -> frozenset[str]:
    """A node and all above it."""
    return frozenset((node,)).union(*[_upward(above) for above in _ABOVE[node]])


def _least(nodes: frozenset[str]) -> str:
    """The least node that is above all the given ones."""
    bounds = frozenset.intersection(*map(_upward, nodes))
    (least,) = [n for n in bounds if bounds <= _upward(n)]
    return least


class _Rules:
    """What was chosen: ``jax``, whose promotion it is; ``float``, the default; ``plain``, whether both are NumPy's."""

    def __init__(self) -> None:
        self.jax, self.float, self.plain = False, FLOAT64, True

    @property
    def complex(self) -> np.dtype:
        """The complex dtype of parts of the default float."""
        return types.complex_dtype(self.float)


rules = _Rules()
on_change: list[Callable[[], None]] = []
"""Called when the rules have changed: what was traced or looked up by the old ones is to be forgotten."""


def choose(promotion: str | None = None, default_float: Any = None) -> None:
    """Choose the promotion, "numpy" or "jax", or the default float.

    Raises:
        ArgumentError: there is no such promotion, or the default is not float32 or float64.
    """
    if promotion not in (None, "numpy", "jax"):
        raise ArgumentError(f"promotion is 'numpy' or 'jax', got {promotion!r}.")
    if default_float is not None:
        chosen = check_dtype(default_float)
        if chosen not in (np.dtype(np.float32), FLOAT64):
            raise ArgumentError(f"default_float is float32 or float64, got {chosen}.")
        rules.float = chosen
    if promotion is not None:
        rules.jax = promotion == "jax"
    rules.plain = not rules.jax and rules.float == FLOAT64
    common.cache_clear()
    for forget in on_change:
        forget()


def promote(*dtypes: np.dtype) -> np.dtype:
    """The dtype in which arrays of the given ones meet."""
    return common(dtypes, "")[0] if rules.jax else types.promote(*dtypes)


@functools.lru_cache(maxsize=4096)
def common(strong: tuple[np.dtype, ...], weak: str) -> tuple[np.dtype, bool]:
    """The dtype of an operation, and whether its result gives way to arrays as a Python scalar does.

    Args:
        strong: dtypes of arrays.
        weak: kinds of Python scalars (``"bifc"``).
    """
    if "O" in weak:
        raise ArgumentError("an integer among the arguments does not fit into 64 bits.")
    if rules.jax:
        node = _least(frozenset([d.name for d in strong] + [_KINDS[k] for k in weak]))
        numbers = {_INT: np.dtype(np.int64), _FLOAT: rules.float, _COMPLEX: rules.complex}
        return (numbers[node], True) if node in numbers else (np.dtype(node), not strong)
    if not strong:
        dtype = np.result_type(*[np.asarray(_SCALARS[k]).dtype for k in weak])
        return settled(dtype, ()), True
    dtype = types.promote(*strong)
    if dtype == bfloat16:
        return (np.dtype(np.complex64) if "c" in weak else dtype), False
    return settled(np.result_type(dtype, *[_SCALARS[k] for k in sorted(set(weak))]), strong), False


def settled(dtype: np.dtype, strong: tuple[np.dtype, ...]) -> np.dtype:
    """``dtype``, or the default float or complex where NumPy chose 64 bits for no array of floating numbers."""
    if rules.float == FLOAT64 or dtype not in (FLOAT64, np.complex128) or any(map(is_inexact, strong)):
        return dtype
    return rules.complex if is_complex(dtype) else rules.float


def floating(dtype: np.dtype) -> np.dtype:
    """The floating or complex dtype that functions such as `sin` compute ``dtype`` in."""
    if is_inexact(dtype):
        return dtype
    if rules.jax:
        return np.dtype(np.float32) if dtype.itemsize <= 4 else rules.float
    if dtype.kind == "b" or dtype.itemsize == 1:
        return np.dtype(np.float16)
    return np.dtype(np.float32) if dtype.itemsize == 2 else rules.float


def averaging(dtype: np.dtype) -> np.dtype:
    """The dtype that means and transforms compute ``dtype`` in: for NumPy, the default float for integers and bool."""
    return floating(dtype) if rules.jax or is_inexact(dtype) else rules.float


def covering(dtype: np.dtype) -> np.dtype:
    """The dtype of functions that NumPy computes in 64 bits at least (covariances)."""
    return averaging(dtype) if rules.jax else types.promote(averaging(dtype), rules.float)


def literal(x: np.ndarray) -> np.ndarray:
    """An array of Python's numbers as NumPy reads them, in the default float where it has 64 bits."""
    return x if rules.float == FLOAT64 else x.astype(settled(x.dtype, ()), copy=False)


def is_literal(x: Any) -> bool:
    """Whether ``x`` is a number of Python's, or nested lists of them."""
    if isinstance(x, list | tuple):
        return all(map(is_literal, x))
    return x.__class__ in (bool, int, float, complex)
