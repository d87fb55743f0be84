"""Convolution of any rank, with strides, dilations and groups: one primitive, closed under its derivatives.

The one idea: ``out[n, o, p] = sum over i, k of lhs[n, i, p * stride + k * dilation - low] * rhs[o, i, k]`` is linear in each
operand, and both transposes are sums of the same form with other operands, strides for dilations and the roles of
axes exchanged. Which axis is which stands in ``dims``, so that exchanging roles moves no data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.ops.half import in_compute_dtype
from weft.ir.ops.shape import full, move_axis, reshape, reverse
from weft.ir.ops.windows import Pairs, dilated, spread_and_padded, window_count, windows_of
from weft.ir.primitive import NOT_MAPPED, Primitive, library
from weft.ir.rules import is_linear, per_input, zeros_like
from weft.ir.types import ArrayType, is_bool

Axes = tuple[int, ...]


class ConvDims(NamedTuple):
    """The axes of the operands and the result, each as (batch, feature, spatial ...).

    For ``rhs`` that is (output feature, input feature, spatial ...).
    """

    lhs: Axes
    rhs: Axes
    out: Axes


class Sizes(NamedTuple):
    """The sizes of a convolution by what they are: spatial ones as tuples, features by group."""

    batch: int
    groups: int
    in_features: int
    out_features: int
    space: Axes
    window: Axes
    counts: Axes


def conv_sizes(lhs: ArrayType, rhs: ArrayType, params: Any) -> Sizes:
    """The sizes that a convolution of these operands has; ``batch`` is the result's."""
    dims = ConvDims(*params["dims"])
    groups = params["feature_groups"] * params["batch_groups"]
    space = tuple(lhs.shape[d] for d in dims.lhs[2:])
    window = tuple(rhs.shape[d] for d in dims.rhs[2:])
    per_axis = zip(
        space,
        window,
        params["strides"],
        params["padding"],
        params["lhs_dilation"],
        params["rhs_dilation"],
        strict=True,
    )
    return Sizes(
        lhs.shape[dims.lhs[0]] // params["batch_groups"],
        groups,
        rhs.shape[dims.rhs[1]],
        rhs.shape[dims.rhs[0]] // groups,
        space,
        window,
        tuple(window_count(*axis) for axis in per_axis),
    )


def has_products(sizes: Sizes) -> bool:
    """Whether elements that are read are in so many products that a convolution had better be a product of matrices."""
    features, terms = sizes.out_features, sizes.in_features * math.prod(sizes.window)
    results = sizes.batch * sizes.groups * features * math.prod(sizes.counts)
    return features > 2 and features * terms > 16 and results * terms > 2**12


# Type


def _conv_type(lhs: ArrayType, rhs: ArrayType, **params: Any) -> ArrayType:
    dims = ConvDims(*params["dims"])
    both = f"lhs {lhs} and rhs {rhs}"
    if lhs.ndim != rhs.ndim or lhs.ndim < 2:
        raise ShapeError(
            f"a convolution needs operands of one rank, at least 2; got {both}. An image without a batch or a feature axis "
            "needs one of length 1."
        )
    every = list(range(lhs.ndim))
    if any(sorted(spec) != every for spec in dims):
        raise ShapeError(f"dimension_numbers {tuple(dims)} do not name each axis of {both} once.")
    lengths = {
        "window_strides": params["strides"],
        "padding": params["padding"],
        "lhs_dilation": params["lhs_dilation"],
        "rhs_dilation": params["rhs_dilation"],
    }
    for name, values in lengths.items():
        if len(values) != lhs.ndim - 2:
            raise ShapeError(
                f"{name} of a convolution of {both} needs {lhs.ndim - 2} items, one for each spatial axis; got {values}."
            )
        if name != "padding" and any(v < 1 for v in values):
            raise ShapeError(f"{name} of a convolution of {both} must be positive; got {values}.")
    if lhs.dtype != rhs.dtype or is_bool(lhs.dtype):
        raise DTypeError(f"a convolution needs operands of one dtype, and numbers; got {both}.")
    _check_groups(lhs, rhs, dims, params["feature_groups"], params["batch_groups"])
    sizes = conv_sizes(lhs, rhs, params)
    shape = dict(zip(dims.out, (sizes.batch, rhs.shape[dims.rhs[0]], *sizes.counts), strict=True))
    return ArrayType(tuple(shape[d] for d in every), lhs.dtype)


def _check_groups(lhs: ArrayType, rhs: ArrayType, dims: ConvDims, features: int, batches: int) -> None:
    batch, channels = lhs.shape[dims.lhs[0]], lhs.shape[dims.lhs[1]]
    out, taken = rhs.shape[dims.rhs[0]], rhs.shape[dims.rhs[1]]
    if features < 1 or batches < 1 or (features > 1 and batches > 1):
        raise ShapeError(
            f"feature_group_count and batch_group_count must be positive and one of them 1; got {features} and {batches}."
        )
    if channels != taken * features:
        raise ShapeError(
            f"lhs {lhs} has {channels} features (axis {dims.lhs[1]}); rhs {rhs} takes {taken} (axis {dims.rhs[1]}) for each of "
            f"{features} feature groups, {taken * features} in all."
        )
    if out % (features * batches):
        raise ShapeError(
            f"rhs {rhs} has {out} output features (axis {dims.rhs[0]}), which {features * batches} groups do not divide."
        )
    if batch % batches:
        raise ShapeError(
            f"lhs {lhs} has a batch of {batch} (axis {dims.lhs[0]}), which {batches} batch groups do not divide."
        )


# Meaning


@in_compute_dtype
def _conv_reference(lhs: np.ndarray, rhs: np.ndarray, **params: Any) -> np.ndarray:
    dims = ConvDims(*params["dims"])
    lhs_type, rhs_type = ArrayType(lhs.shape, lhs.dtype), ArrayType(rhs.shape, rhs.dtype)
    out = np.empty(_conv_type(lhs_type, rhs_type, **params).shape, lhs.dtype)
    sizes = conv_sizes(lhs_type, rhs_type, params)
    rank = len(sizes.window)
    x, w = np.transpose(lhs, dims.lhs), np.transpose(rhs, dims.rhs)
    x = spread_and_padded(
        x, np.zeros((), x.dtype), ((0, 0), (0, 0), *params["padding"]), (1, 1, *params["lhs_dilation"])
    )
    views = windows_of(x, (1, 1, *sizes.window), (1, 1, *params["strides"]), (1, 1, *params["rhs_dilation"]))
    views = views[(slice(None),) * (2 + rank) + (0, 0)]
    # Axes of the views: batch, feature, windows ..., inside of a window ...; a group comes first.
    inside = range(3 + rank, 3 + 2 * rank)
    if params["batch_groups"] > 1:
        views = views.reshape(sizes.groups, sizes.batch, *views.shape[1:])
        order = (0, 1, *range(3, 3 + rank), 2, *inside)
    else:
        views = views.reshape(sizes.batch, sizes.groups, sizes.in_features, *views.shape[2:])
        order = (1, 0, *range(3, 3 + rank), 2, *inside)
    terms = sizes.in_features * int(np.prod(sizes.window))
    places = sizes.batch * int(np.prod(sizes.counts))
    left = views.transpose(order).reshape(sizes.groups, places, terms)
    right = w.reshape(sizes.groups, sizes.out_features, terms)
    product = np.matmul(left, right.transpose(0, 2, 1))
    product = product.reshape(sizes.groups, sizes.batch, *sizes.counts, sizes.out_features)
    product = product.transpose(1, 0, 2 + rank, *range(2, 2 + rank))
    np.transpose(out, dims.out)[...] = product.reshape(
        sizes.batch, sizes.groups * sizes.out_features, *sizes.counts
    )
    return out


# Transposition


def _swapped(spec: Axes) -> Axes:
    return (spec[1], spec[0], *spec[2:])


def _merged(x: Any, source: int, target: int) -> Any:
    """``x`` with the axis ``source`` made the outer part of the axis ``target``, counted without it."""
    x = move_axis(x, source, target)
    return reshape(x, (*x.shape[:target], x.shape[target] * x.shape[target + 1], *x.shape[target + 2 :]))


def _split(x: Any, axis: int, outer: int) -> Any:
    """``x`` with an axis made two, of which the first has length ``outer``."""
    inner = x.shape[axis] // outer
    return reshape(x, (*x.shape[:axis], outer, inner, *x.shape[axis + 1 :]))


def _per_axis(ct: Any, lhs: Any, rhs: Any, params: dict[str, Any]) -> Iterable[tuple[Any, ...]]:
    """For each spatial axis: sizes of ``lhs``, ``rhs`` and ``ct``, stride, padding, and the two dilations."""
    dims = ConvDims(*params["dims"])
    sizes = ([x.shape[d] for d in at[2:]] for x, at in ((lhs, dims.lhs), (rhs, dims.rhs), (ct, dims.out)))
    given = (params[name] for name in ("strides", "padding", "lhs_dilation", "rhs_dilation"))
    return zip(*sizes, *given, strict=True)


def _to_lhs(ct: Any, lhs: Any, rhs: Any, params: dict[str, Any]) -> Any:
    """What the cotangent ``ct`` means for the left operand: ``ct`` spread by the strides, with the windows turned round."""
    dims = ConvDims(*params["dims"])
    groups = params["feature_groups"] * params["batch_groups"]
    if groups > 1:
        rhs = _merged(_split(rhs, dims.rhs[0], groups), dims.rhs[0], dims.rhs[1])
    padding = []
    for n, k, count, stride, (low, _), spread, apart in _per_axis(ct, lhs, rhs, params):
        before = dilated(k, apart) - 1 - low
        padding.append((before, dilated(n, spread) - 1 + dilated(k, apart) - dilated(count, stride) - before))
    out = conv_p.bind(
        ct,
        reverse(rhs, dims.rhs[2:]),
        strides=params["lhs_dilation"],
        padding=tuple(padding),
        lhs_dilation=params["strides"],
        rhs_dilation=params["rhs_dilation"],
        dims=(dims.out, _swapped(dims.rhs), dims.lhs),
        feature_groups=groups,
        batch_groups=1,
    )
    if params["batch_groups"] > 1:
        batch, feature = dims.lhs[:2]
        out = _split(out, feature, groups)
        out = _merged(out, feature, batch)
    return out


def _to_rhs(ct: Any, lhs: Any, rhs: Any, params: dict[str, Any]) -> Any:
    """What the cotangent means for the right operand: windows of ``lhs`` as large as ``ct``, one for each place in a window."""
    dims = ConvDims(*params["dims"])
    padding = []
    for n, k, count, stride, (low, _), spread, apart in _per_axis(ct, lhs, rhs, params):
        padding.append((low, dilated(k, apart) - 1 + dilated(count, stride) - dilated(n, spread) - low))
    return conv_p.bind(
        lhs,
        ct,
        strides=params["rhs_dilation"],
        padding=tuple(padding),
        lhs_dilation=params["lhs_dilation"],
        rhs_dilation=params["strides"],
        dims=(_swapped(dims.lhs), _swapped(dims.out), _swapped(dims.rhs)),
        feature_groups=params["batch_groups"],
        batch_groups=params["feature_groups"],
    )


def _conv_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    ct, (lhs, rhs) = cts[0], ins
    to = _to_lhs if is_linear(lhs) else _to_rhs
    linear, other = (lhs, rhs) if is_linear(lhs) else (rhs, lhs)
    empty = 0 in ct.shape or 0 in lhs.shape or 0 in rhs.shape
    found = zeros_like(linear) if empty else to(ct, lhs, rhs, params)
    assert not is_linear(other)
    return [found, None] if is_linear(lhs) else [None, found]


# Batching


def _conv_batch(prim: Primitive, args: Any, axes: Any, size: int, params: Any) -> Any:
    """Examples become batch (of ``lhs`` alone), output features (of ``rhs`` alone), or groups (of both)."""
    (lhs, rhs), (lhs_axis, rhs_axis) = args, axes
    dims = ConvDims(*params["dims"])
    features, batches = params["feature_groups"], params["batch_groups"]
    if size == 0:
        one = [
            ArrayType(tuple(n for d, n in enumerate(x.shape) if d != axis), x.dtype)
            for x, axis in zip(args, axes, strict=True)
        ]
        result = _conv_type(*one, **params)
        return (full((0, *result.shape), 0, result.dtype),), (0,)
    if lhs_axis is not NOT_MAPPED and rhs_axis is not NOT_MAPPED:
        kind = "batch_groups" if batches > 1 else "feature_groups"
        lhs = _merged(lhs, lhs_axis, dims.lhs[0] if batches > 1 else dims.lhs[1])
        rhs = _merged(rhs, rhs_axis, dims.rhs[0])
        out = prim.bind(lhs, rhs, **{**params, kind: params[kind] * size})
        return (_split(out, dims.out[1], size),), (dims.out[1],)
    if lhs_axis is not NOT_MAPPED:
        lhs = _merged_inside(lhs, lhs_axis, dims.lhs[0], batches)
        out = prim.bind(lhs, rhs, **params)
        return (_split(out, dims.out[0], size),), (dims.out[0],)
    groups = features * batches
    rhs = _merged_inside(rhs, rhs_axis, dims.rhs[0], groups)
    out = prim.bind(lhs, rhs, **params)
    feature = dims.out[1]
    if groups == 1:
        return (_split(out, feature, size),), (feature,)
    out = _split(_split(out, feature, groups), feature + 1, size)  # group, example, feature of the group
    return (_merged(out, feature, feature + 1),), (feature,)


def _merged_inside(x: Any, source: int, target: int, groups: int) -> Any:
    """``x`` with the axis ``source`` merged into ``target``, inside of the groups that this axis is made of."""
    if groups == 1:
        return _merged(x, source, target)
    x = move_axis(x, source, target)
    shape = x.shape
    x = reshape(x, (*shape[: target + 1], groups, shape[target + 1] // groups, *shape[target + 2 :]))
    x = move_axis(x, target, target + 1)
    return reshape(x, (*shape[:target], shape[target] * shape[target + 1], *shape[target + 2 :]))


conv_p: Primitive = Primitive(
    "conv",
    type_rule=_conv_type,
    reference=_conv_reference,
    jvp=per_input(
        lambda t, out, lhs, rhs, **params: conv_p.bind(t, rhs, **params),
        lambda t, out, lhs, rhs, **params: conv_p.bind(lhs, t, **params),
    ),
    transpose=_conv_transpose,
    batch=_conv_batch,
    lower=library("conv"),
)


def conv(
    lhs: Any,
    rhs: Any,
    strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    dims: Any,
    *,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    feature_groups: int = 1,
    batch_groups: int = 1,
) -> Any:
    """Convolve, as neural networks have it: windows are not turned round.

    Args:
        lhs: the images.
        rhs: the windows, of the same dtype. 16-bit floats are summed in float32.
        strides: steps from window to window, for each spatial axis.
        padding: pairs (low, high) of zeros to add on each spatial axis; negative ones cut off.
        dims: `ConvDims`, or three such tuples.
        lhs_dilation: distances between elements of ``lhs``, zeros being put between them.
        rhs_dilation: distances between the elements of ``lhs`` that a window takes.
        feature_groups: group g of the features of ``lhs`` makes group g of the output features alone.
        batch_groups: group g of the batch makes group g of the output features, and the batch is smaller by that.

    Returns:
        Array whose axes stand as ``dims.out`` says.

    Raises:
        ShapeError, DTypeError: the operands do not go together.
    """
    rank = len(tuple(strides))
    pairs: Pairs = tuple((int(low), int(high)) for low, high in padding)
    return conv_p.bind(
        lhs,
        rhs,
        strides=tuple(map(int, strides)),
        padding=pairs,
        lhs_dilation=(1,) * rank if lhs_dilation is None else tuple(map(int, lhs_dilation)),
        rhs_dilation=(1,) * rank if rhs_dilation is None else tuple(map(int, rhs_dilation)),
        dims=tuple(tuple(map(int, spec)) for spec in dims),
        feature_groups=int(feature_groups),
        batch_groups=int(batch_groups),
    )
