"""Sums of cotangents: what the equations that read a value send to it.

The one idea: parts wait for one another. A step of an ODE reads its state component by component, and a cell its gates as
parts of one product: the cotangents of such slices, each zero but for its box, are one concatenation where their boxes tile the
array, with no zeros to add to anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from weft.ir.ops.elementwise import add
from weft.ir.ops.shape import concatenate, pad
from weft.ir.primitive import Addition, Boxed, Linear
from weft.ir.records import dataclass
from weft.ir.rules import zeros_like

_Box = tuple[
    tuple[int, ...], tuple[int, ...]
]  # the first elements of a slice, and what is behind the last ones


@dataclass(frozen=True, slots=True)
class _Parts:
    """Boxes, and a cotangent of any other kind that is added to them."""

    boxes: dict[_Box, Any]
    shape: tuple[int, ...]
    rest: Any = None


def sum_of(x: Any, y: Any) -> Any:
    """The sum of two cotangents: of values, of those that rules give, and of such sums."""
    if isinstance(x, _Parts) or isinstance(x, Boxed) or isinstance(y, Boxed):
        return _with_boxes(x, y)
    if isinstance(y, Addition):
        return y.into(whole(x))
    return x.into(y) if isinstance(x, Addition) else add(x, y)


def whole(ct: Any) -> Any:
    """A cotangent written out; ``None`` stays."""
    if isinstance(ct, Boxed):
        return _padded((ct.start, ct.limit), ct.value, ct.type.shape)
    if isinstance(ct, Addition):
        return ct.into(zeros_like(Linear(ct.type)))
    if not isinstance(ct, _Parts):
        return ct
    joined = _joined(ct.boxes, ct.shape)
    if joined is not None:
        return joined if ct.rest is None else sum_of(ct.rest, joined)
    total = ct.rest
    for box, value in ct.boxes.items():
        # What is added to something is padded with -0.0, by which nothing changes.
        padded = _padded(box, value, ct.shape, -0.0 if total is not None else 0.0)
        total = padded if total is None else sum_of(total, padded)
    return total


def _with_boxes(x: Any, y: Any) -> _Parts:
    if isinstance(x, _Parts):
        boxes, shape, rest = dict(x.boxes), x.shape, x.rest
        others: Iterable[Any] = (y,)
    else:
        boxes, shape, rest = {}, (x if isinstance(x, Boxed) else y).type.shape, None
        others = (x, y)
    for other in others:
        if isinstance(other, Boxed):
            box = other.start, other.limit
            boxes[box] = add(boxes[box], other.value) if box in boxes else other.value
        else:
            rest = other if rest is None else sum_of(rest, other)
    return _Parts(boxes, shape, rest)


def _joined(boxes: dict[_Box, Any], shape: tuple[int, ...]) -> Any:
    """The boxes behind one another, where they tile the array along one axis; else ``None``."""
    axes = {a for start, limit in boxes for a, n in enumerate(shape) if (start[a], limit[a]) != (0, n)}
    if len(boxes) < 2 or len(axes) != 1:
        return None
    (axis,) = axes
    ordered = sorted(boxes, key=lambda box: (box[0][axis], box[1][axis]))
    borders = [0, *(limit[axis] for _, limit in ordered)]
    if [start[axis] for start, _ in ordered] != borders[:-1] or borders[-1] != shape[axis]:
        return None
    return concatenate([boxes[box] for box in ordered], axis)


def _padded(box: _Box, value: Any, shape: tuple[int, ...], zero: float = 0.0) -> Any:
    start, limit = box
    behind = tuple([n - end for n, end in zip(shape, limit, strict=True)])
    return pad(value, np.asarray(zero, value.dtype), start, behind)
