"""Rows of operations with sliding windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.op_rows.record import BF16, C128, F16, F32, F64, I64, draw, row
from weft.ir.ops.convolution import conv

# Convolution, against the sum that defines it


def _pairs(*shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> Any:
    """Makers of two operands, of each pair of shapes."""
    return [lambda rng, dtype, both=both: tuple(draw(rng, shape, dtype) for shape in both) for both in shapes]


def _defined(
    strides: Any,
    padding: Any,
    dims: Any,
    lhs_dilation: Any,
    rhs_dilation: Any,
    feature_groups: int,
    batch_groups: int,
) -> Any:
    """Convolution by its definition, term by term."""

    def reference(lhs: np.ndarray, rhs: np.ndarray) -> np.ndarray:
        x, w = np.transpose(lhs, dims[0]), np.transpose(rhs, dims[1])
        space, window = x.shape[2:], w.shape[2:]
        groups = feature_groups * batch_groups
        count = [
            ((n - 1) * spread + 1 + sum(pair) - ((k - 1) * apart + 1)) // stride + 1
            for n, k, stride, pair, spread, apart in zip(
                space, window, strides, padding, lhs_dilation, rhs_dilation, strict=True
            )
        ]
        batch, per_group = len(x) // batch_groups, len(w) // groups
        out = np.zeros((batch, len(w), *count), x.dtype)
        for n, o, *p in np.ndindex(out.shape):
            group = o // per_group
            example = group * batch + n if batch_groups > 1 else n
            for i, *k in np.ndindex(w.shape[1:]):
                feature = group * w.shape[1] + i if feature_groups > 1 else i
                spread_places = [
                    a * s + b * d - low
                    for a, s, b, d, (low, _) in zip(p, strides, k, rhs_dilation, padding, strict=True)
                ]
                places = [q // d for q, d in zip(spread_places, lhs_dilation, strict=True)]
                if all(
                    q % d == 0 and 0 <= q // d < size
                    for q, d, size in zip(spread_places, lhs_dilation, space, strict=True)
                ):
                    out[(n, o, *p)] += x[(example, feature, *places)] * w[(o, i, *k)]
        return np.transpose(out, np.argsort(dims[2]))

    return reference


def _conv_row(
    variant: str,
    makers: Any,
    strides: Any,
    padding: Any,
    dims: Any,
    lhs_dilation: Any = None,
    rhs_dilation: Any = None,
    feature_groups: int = 1,
    batch_groups: int = 1,
    dtypes: Any = (F64,),
) -> None:
    ones = (1,) * len(strides)
    spread, apart = lhs_dilation or ones, rhs_dilation or ones
    row(
        "conv",
        lambda x, w: conv(
            x,
            w,
            strides,
            padding,
            dims,
            lhs_dilation=spread,
            rhs_dilation=apart,
            feature_groups=feature_groups,
            batch_groups=batch_groups,
        ),
        _defined(strides, padding, dims, spread, apart, feature_groups, batch_groups),
        dtypes,
        makers,
        variant,
    )


_NHWC = ((0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2))
_NCW = ((0, 1, 2),) * 3
_conv_row(
    "images",
    _pairs(((1, 3, 3, 2), (2, 2, 2, 3))),
    (1, 1),
    ((1, 0), (1, 1)),
    _NHWC,
    dtypes=(F16, BF16, F32, F64, C128, I64),
)
_conv_row(
    "steps", _pairs(((1, 2, 6), (1, 2, 2)), ((1, 2, 0), (1, 2, 2))), (2,), ((1, 2),), _NCW, rhs_dilation=(2,)
)
_conv_row("spread", _pairs(((1, 2, 4), (2, 2, 3))), (2,), ((-1, 2),), _NCW, lhs_dilation=(3,))
_conv_row("groups", _pairs(((2, 4, 3), (4, 2, 2))), (1,), ((0, 0),), _NCW, feature_groups=2)
_conv_row("batches", _pairs(((4, 2, 3), (4, 2, 2))), (1,), ((1, 0),), _NCW, batch_groups=2)
_conv_row("no space", _pairs(((2, 3), (4, 3))), (), (), ((0, 1),) * 3)
