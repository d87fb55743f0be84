"""Contractions of views: the axes of a convolution by their strides in the operands and in the result.

The one idea: a convolution without padding is a contraction ``out[a] += x[a, s] * w[a, s]``, in which each axis (the batch,
groups, output features, windows; input features, elements of a window) has a stride in each of the three arrays, and
some are 0. Which axis is which says only how the strides come about.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from weft.ir.graph import Eqn
from weft.ir.ops.convolution import ConvDims, conv_sizes
from weft.ir.records import dataclass, replace


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis of a contraction: its length, and how far a step along it goes in ``x``, ``w`` and ``out``."""

    name: str
    count: int
    x: int
    w: int
    out: int


@dataclass(frozen=True, slots=True)
class Contraction:
    """The axes of the result in its order in memory, and those that are summed over, in their order in ``x``.

    Axes of length 1 are left out; neighbours that are one to all three arrays are joined.
    """

    kept: tuple[Axis, ...]
    summed: tuple[Axis, ...]

    @property
    def terms(self) -> int:
        """How many products make an element of the result."""
        return size_of(self.summed)


def size_of(axes: Sequence[Axis]) -> int:
    """The number of elements that axes span."""
    return math.prod(axis.count for axis in axes)


def contraction(eqn: Eqn) -> Contraction:
    """The axes of a ``conv`` equation that has neither padding nor spread elements."""
    x, w, out = eqn.ins[0].type, eqn.ins[1].type, eqn.outs[0].type
    dims, sizes = ConvDims(*eqn.params["dims"]), conv_sizes(x, w, eqn.params)
    of_x, of_w, of_out = ([math.prod(t.shape[axis + 1 :]) for axis in range(t.ndim)] for t in (x, w, out))
    batch, feature = (of_x[d] for d in dims.lhs[:2])
    out_feature, in_feature = (of_w[d] for d in dims.rhs[:2])
    of_group = sizes.batch * batch if eqn.params["batch_groups"] > 1 else sizes.in_features * feature
    result = of_out[dims.out[1]]
    kept = [
        Axis("batch", sizes.batch, batch, 0, of_out[dims.out[0]]),
        Axis("group", sizes.groups, of_group, sizes.out_features * out_feature, sizes.out_features * result),
        Axis("feature", sizes.out_features, 0, out_feature, result),
    ]
    summed = [Axis("input", sizes.in_features, feature, in_feature, 0)]
    for d, (count, k) in enumerate(zip(sizes.counts, sizes.window, strict=True)):
        at_x, at_w, at_out = of_x[dims.lhs[2 + d]], of_w[dims.rhs[2 + d]], of_out[dims.out[2 + d]]
        kept.append(Axis(f"window{d}", count, eqn.params["strides"][d] * at_x, 0, at_out))
        summed.append(Axis(f"inside{d}", k, eqn.params["rhs_dilation"][d] * at_x, at_w, 0))
    return Contraction(
        joined(sorted(kept, key=lambda axis: -axis.out)), joined(sorted(summed, key=lambda axis: -axis.x))
    )


def joined(axes: Sequence[Axis]) -> tuple[Axis, ...]:
    """Axes without those of length 1, neighbours that are one axis to all arrays made one."""
    result: list[Axis] = []
    for axis in axes:
        if axis.count == 1:
            continue
        last = result[-1] if result else None
        if last is not None and (last.x, last.w, last.out) == tuple(
            axis.count * step for step in (axis.x, axis.w, axis.out)
        ):
            result[-1] = replace(axis, count=last.count * axis.count)
        else:
            result.append(axis)
    return tuple(result)
