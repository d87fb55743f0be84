"""Products of which groups of rows, of terms, or of examples, have lengths that are computed.

The one idea: an array is given an axis of groups, along which it is zero but for its own group's part; then the product is an
ordinary one. That takes as many multiplications as there are groups times those of one product.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from weft.engine.array import wrap_value
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.ops import cumulative
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.types import INT64, is_integer
from weft.lax.arguments import one_value
from weft.lax.reductions import dot_general


@dataclass(frozen=True)
class RaggedDotDimensionNumbers:
    """Which axes of a ragged product are which.

    Attributes:
        dot_dimension_numbers: as of `dot_general`.
        lhs_ragged_dimensions: the axis of ``lhs`` that is cut into groups: one.
        rhs_group_dimensions: the axis of ``rhs`` with a matrix for each group, if the ragged axis is neither contracted nor a
            batch axis; else none.
    """

    dot_dimension_numbers: Any
    lhs_ragged_dimensions: Sequence[int]
    rhs_group_dimensions: Sequence[int]


def ragged_dot(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    precision: Any = None,
    preferred_element_type: Any = None,
    group_offset: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Rows of one matrix, in groups, each multiplied by the matrix of its group; rows behind the last group give zeros.

    Args:
        lhs: ``(m, k)``.
        rhs: ``(g, k, n)``.
        group_sizes: how many rows each group has, ``(g,)``, integers.
        precision: accepted for compatibility.
        preferred_element_type: dtype of the result.
        group_offset: not to be had, as in JAX on the CPU.
        out_sharding: accepted for compatibility.

    Returns:
        Array ``(m, n)``.
    """
    dims = RaggedDotDimensionNumbers((((1,), (1,)), ((), ())), (0,), (0,))
    return ragged_dot_general(lhs, rhs, group_sizes, dims, precision, preferred_element_type, group_offset)


def ragged_dot_general(
    lhs: Any,
    rhs: Any,
    group_sizes: Any,
    ragged_dot_dimension_numbers: RaggedDotDimensionNumbers,
    precision: Any = None,
    preferred_element_type: Any = None,
    group_offset: Any = None,
    out_sharding: Any = None,
) -> Any:
    """`dot_general` with an axis of ``lhs`` in groups.

    Args:
        lhs: array.
        rhs: array of the same dtype.
        group_sizes: integers, ``(g,)`` or of more axes: the batch axes, those of the ragged axis's kind that come before it in
            ``lhs``, and g.
        ragged_dot_dimension_numbers: which axes are which.
        precision: accepted for compatibility.
        preferred_element_type: dtype of the result.
        group_offset: not to be had, as in JAX on the CPU.
        out_sharding: accepted for compatibility.

    Returns:
        With a free ragged axis, the product of each row with its group's part of ``rhs``; with a contracted one, a product for
        each group, along a new first axis; with a batch axis, what `dot_general` gives.

    Raises:
        ShapeError, DTypeError, ArgumentError: the operands do not go together.
    """
    name = "lax.ragged_dot_general"
    if group_offset is not None:
        raise ArgumentError(f"{name} starts with the first group: leave out group_offset.")
    x, y, sizes = one_value(lhs), one_value(rhs), one_value(group_sizes)
    dims = ragged_dot_dimension_numbers
    (lc, rc), (lb, rb) = ((tuple(a), tuple(b)) for a, b in dims.dot_dimension_numbers)
    if len(dims.lhs_ragged_dimensions) != 1 or not 0 <= dims.lhs_ragged_dimensions[0] < len(x.shape):
        raise ShapeError(
            f"{name} needs one ragged axis of an array of shape {x.shape}, got {tuple(dims.lhs_ragged_dimensions)}."
        )
    if not is_integer(sizes.dtype) or not sizes.shape:
        raise DTypeError(f"{name} needs group_sizes as integers, got {sizes.dtype} of shape {sizes.shape}.")
    ragged = dims.lhs_ragged_dimensions[0]
    free = tuple(d for d in range(len(x.shape)) if d not in lc and d not in lb)
    kind = next(axes for axes in (lc, lb, free) if ragged in axes)
    before = kind[: kind.index(ragged)]
    wanted = int(kind is free)
    if len(dims.rhs_group_dimensions) != wanted:
        raise ShapeError(
            f"{name} needs {wanted} axes of rhs for the groups of axis {ragged} of lhs, got "
            f"{tuple(dims.rhs_group_dimensions)}."
        )

    def product(a: Any, b: Any, numbers: Any) -> Any:
        return dot_general(wrap_value(a), wrap_value(b), numbers, precision, preferred_element_type)

    if kind is lb:
        return product(x, y, ((lc, rc), (lb, rb)))
    grouped = _grouped(name, x, sizes, ragged, (*lb, *before))
    if kind is free:
        contracted = ((*_behind(lc), 0), (*rc, dims.rhs_group_dimensions[0]))
        return product(grouped, y, (contracted, (_behind(lb), rb)))
    others = _grouped(name, y, sizes, rc[len(before)], (*rb, *rc[: len(before)]))
    return product(grouped, others, ((_behind(lc), _behind(rc)), ((0, *_behind(lb)), (0, *_behind(rb)))))


def _behind(axes: Sequence[int]) -> tuple[int, ...]:
    """Axes with one more before them."""
    return tuple(d + 1 for d in axes)


def _grouped(name: str, x: Any, sizes: Any, axis: int, leading: Sequence[int]) -> Any:
    """``x`` along a new first axis of groups, each with its own part along ``axis`` and zeros elsewhere."""
    lead = tuple(x.shape[d] for d in leading)
    groups = sizes.shape[-1]
    if sizes.shape == (groups,):
        sizes = s.broadcast(sizes, (*lead, groups), (len(lead),))
    if sizes.shape != (*lead, groups):
        raise ShapeError(
            f"{name} needs group_sizes of shape ({groups},) or {(*lead, groups)}, got {sizes.shape}."
        )
    sizes = e.cast(sizes, INT64)
    ends = cumulative.cumsum(sizes, len(lead))
    order = [len(lead), *sorted(range(len(lead)), key=lambda i: leading[i])]
    shape, places = (groups, *x.shape), (0, *(d + 1 for d in sorted(leading)))
    ends, starts = (s.broadcast(s.transpose(v, order), shape, places) for v in (ends, e.sub(ends, sizes)))
    here = s.iota(INT64, shape, axis + 1)
    inside = e.and_(e.ge(here, starts), e.lt(here, ends))
    return e.select(inside, s.broadcast(x, shape, range(1, len(shape))), s.full(shape, 0, x.dtype))
