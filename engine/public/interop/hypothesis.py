"""Hypothesis strategies for arrays of Weft: `arrays` and `dtypes`. The package hypothesis must be installed.

The one idea: NumPy's strategies make the elements, so that examples shrink as NumPy's do; those of bfloat16 are rounded from
float32. For tests by the array API standard,
``hypothesis.extra.array_api.make_strategies_namespace(weft.numpy)`` works as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as extra
from hypothesis.extra.numpy import array_shapes, broadcastable_shapes, mutually_broadcastable_shapes

import weft.numpy as wnp
from weft.ir.errors import ArgumentError
from weft.ir.types import DTYPES, bfloat16, check_dtype

__all__ = ["array_shapes", "arrays", "broadcastable_shapes", "dtypes", "mutually_broadcastable_shapes"]

KINDS = (
    "bool",
    "signed integer",
    "unsigned integer",
    "integral",
    "real floating",
    "complex floating",
    "numeric",
)


def dtypes(kind: str | tuple[str, ...] | None = None) -> st.SearchStrategy[np.dtype]:
    """Dtypes of Weft, bfloat16 among them.

    Args:
        kind: a kind of `weft.numpy.isdtype`, such as ``"real floating"``, or several of them; ``None`` means all dtypes.

    Raises:
        ArgumentError: there is no such kind.
    """
    kinds = (kind,) if isinstance(kind, str) else kind
    if unknown := [k for k in kinds or () if k not in KINDS]:
        raise ArgumentError(f"dtypes got the kind {unknown[0]!r}; there are {', '.join(KINDS)}.")
    return st.sampled_from([d for d in DTYPES.values() if kinds is None or wnp.isdtype(d, kinds)])


def arrays(
    dtype: Any = None,
    shape: int | tuple[int, ...] | st.SearchStrategy[tuple[int, ...]] | None = None,
    *,
    elements: st.SearchStrategy[Any] | dict[str, Any] | None = None,
    fill: st.SearchStrategy[Any] | None = None,
    unique: bool = False,
) -> st.SearchStrategy[Any]:
    """Arrays of Weft.

    Args:
        dtype: a dtype or a strategy of them; by default all that Weft has.
        shape: a shape or a strategy of them; by default any of a few axes.
        elements: a strategy of the elements, or keywords for the one that fits the dtype: ``{"min_value": 0}``.
        fill: a strategy of what elements are that are not drawn one by one.
        unique: whether no element comes up twice (of bfloat16, before it is rounded).

    Example:
        ``@given(x=arrays(dtypes("real floating"), (3, 4), elements={"min_value": -1, "max_value": 1}))``
    """
    dtype = dtypes() if dtype is None else dtype
    shape = array_shapes() if shape is None else shape

    def of(d: Any) -> st.SearchStrategy[Any]:
        d = check_dtype(d)
        drawn = np.dtype(np.float32) if d == bfloat16 else d
        made = extra.arrays(drawn, shape, elements=elements, fill=fill, unique=unique)
        return made.map(lambda x: wnp.asarray(x.astype(d)))

    return dtype.flatmap(of) if isinstance(dtype, st.SearchStrategy) else of(dtype)
