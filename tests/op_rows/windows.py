"""Rows of operations with sliding windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.op_rows.record import BF16, BOOL, C128, F16, F32, F64, I64, arrays, draw, row
from weft.ir.ops import window
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


# Folds of windows, against a loop over windows


def _each_window(fold: Any, nothing: Any, options: dict[str, Any]) -> Any:
    """Fold the elements of each window, given as values and flat positions."""

    def reference(x: np.ndarray) -> np.ndarray:
        params = window.window_params(x.ndim, **options)
        count = [
            (max((n - 1) * base + 1, 0) + sum(pair) - ((k - 1) * apart + 1)) // stride + 1
            for n, k, stride, pair, base, apart in zip(
                x.shape,
                *(params[key] for key in ("window", "strides", "padding", "base_dilation", "dilation")),
                strict=True,
            )
        ]
        out = np.empty(count, np.int64 if nothing == -1 else x.dtype)
        for place in np.ndindex(out.shape):
            inside = []
            for k in np.ndindex(params["window"]):
                at = [
                    (p * s + i * d - low, base)
                    for p, s, i, d, (low, _), base in zip(
                        place, params["strides"], k, params["dilation"], params["padding"], params["base_dilation"],
                        strict=True,
                    )
                ]  # fmt: skip
                index = tuple(a // b for a, b in at)
                if all(a % b == 0 and 0 <= i < n for (a, b), i, n in zip(at, index, x.shape, strict=True)):
                    inside.append(np.ravel_multi_index(index, x.shape))
            values = x.reshape(-1)[np.array(inside, np.int64)]
            out[place] = fold(values, inside) if inside else nothing
        return out

    return reference


_WINDOWS: dict[str, tuple[Any, dict[str, Any]]] = {
    "": (arrays((3, 4), (2, 5)), {"window": (2, 2)}),
    "options": (
        arrays((5, 2), (4, 1)),
        {
            "window": (3, 1),
            "strides": (2, 1),
            "padding": ((2, 1), (0, 0)),
            "base_dilation": (2, 1),
            "dilation": (2, 1),
        },
    ),
    "padded": (
        arrays(
            (2, 4, 5),
        ),
        {"window": (1, 2, 3), "strides": (1, 1, 2), "padding": ((0, 0), (1, 0), (1, 1))},
    ),
}
for _variant, (_makers, _options) in _WINDOWS.items():
    for _op, _name, _ufunc, _nothing, _dtypes in [
        ("add", "window_sum", np.add, 0, (F32, F64, C128, I64)),
        ("mul", "window_prod", np.multiply, 1, (F64, C128, I64)),
        ("max", "window_max", np.maximum, float("-inf"), (F16, F32, F64)),
        ("min", "window_min", np.minimum, float("inf"), (BF16, F64)),
        ("and", "window_and", np.bitwise_and, True, (BOOL,)),
        ("or", "window_or", np.bitwise_or, 0, (I64, BOOL)),
    ]:
        row(
            _name,
            lambda x, op=_op, options=_options: window.reduce_window(op, x, **options),
            _each_window(lambda v, _, ufunc=_ufunc: ufunc.reduce(v), _nothing, _options),
            _dtypes,
            _makers,
            _variant,
        )
    for _find, _arg in ((window.window_argmax, np.argmax), (window.window_argmin, np.argmin)):
        row(
            _find.__name__,
            lambda x, find=_find, options=_options: find(x, **options),
            _each_window(lambda v, at, arg=_arg: at[arg(v)], -1, _options),
            (BF16, F32, F64, I64, BOOL),
            _makers,
            _variant,
        )
