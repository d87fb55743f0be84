"""Convolutions of `weft.lax`: `conv_general_dilated`, its shorthands, and how axes are named."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from weft.engine.array import wrap_value
from weft.ir.errors import ShapeError
from weft.ir.ops import contract, convolution
from weft.ir.ops import elementwise as e
from weft.ir.ops import shape as s
from weft.ir.ops.convolution import ConvDims
from weft.ir.ops.windows import dilated, padding_for, window_count
from weft.ir.types import INT64, check_dtype
from weft.lax.arguments import one_value

Padding = str | Sequence[tuple[int, int]]


class ConvDimensionNumbers(NamedTuple):
    """Which axes of a convolution are which, as numbers.

    ``lhs_spec`` and ``out_spec`` are (batch, feature, spatial ...), ``rhs_spec`` is (output feature, input feature, spatial
    ...).
    """

    lhs_spec: Sequence[int]
    rhs_spec: Sequence[int]
    out_spec: Sequence[int]


def conv_dimension_numbers(
    lhs_shape: Sequence[int], rhs_shape: Sequence[int], dimension_numbers: Any
) -> ConvDimensionNumbers:
    """Read dimension numbers.

    Args:
        lhs_shape: shape of the images.
        rhs_shape: shape of the windows.
        dimension_numbers: three strings such as ``("NHWC", "HWIO", "NHWC")``, in which any other letters than these
            name the spatial axes; three tuples of axes; `ConvDimensionNumbers`; or ``None`` for ``("NCHW", "OIHW", "NCHW")``
            with as many spatial axes as there are.

    Raises:
        ShapeError: the ranks differ, or the names do not fit to them or to each other.
    """
    if len(lhs_shape) != len(rhs_shape):
        raise ShapeError(
            f"a convolution needs lhs and rhs of one rank, got shapes {tuple(lhs_shape)} and {tuple(rhs_shape)}."
        )
    if dimension_numbers is None:
        every = tuple(range(len(lhs_shape)))
        return ConvDimensionNumbers(every, every, every)
    specs = tuple(dimension_numbers)
    if len(specs) != 3:
        raise ShapeError(
            f"dimension_numbers are three, for lhs, rhs and the result; got {dimension_numbers!r}."
        )
    if not all(isinstance(spec, str) for spec in specs):
        return ConvDimensionNumbers(*(tuple(spec) for spec in specs))
    for name, spec, letters in zip(("lhs", "rhs", "the result"), specs, ("NC", "OI", "NC"), strict=True):
        if len(spec) != len(lhs_shape) or len(set(spec)) != len(spec) or not set(letters) <= set(spec):
            raise ShapeError(
                f"dimension_numbers {specs} name the axes of {name} by {spec!r}: {len(lhs_shape)} distinct letters are needed "
                f"(lhs has shape {tuple(lhs_shape)}, rhs {tuple(rhs_shape)}), {letters[0]} and {letters[1]} among them."
            )
    spatial = [c for c in specs[1] if c not in "OI"]
    if any(set(spec) - set("NC") != set(spatial) for spec in (specs[0], specs[2])):
        raise ShapeError(
            f"dimension_numbers {specs} name different spatial axes: {''.join(spatial)!r} in rhs."
        )
    return ConvDimensionNumbers(
        *(
            tuple(spec.index(c) for c in (*letters, *spatial))
            for spec, letters in zip(specs, ("NC", "OI", "NC"), strict=True)
        )
    )


def _pairs(
    padding: Padding,
    sizes: Sequence[int],
    window: Sequence[int],
    strides: Sequence[int],
    dilation: Sequence[int],
) -> list[tuple[int, int]]:
    """Padding as pairs."""
    if isinstance(padding, str):
        reach = [dilated(k, d) for k, d in zip(window, dilation, strict=True)]
        return padding_for(padding, sizes, reach, strides)
    pairs = [tuple(pair) for pair in padding]
    if len(pairs) != len(sizes) or any(len(pair) != 2 for pair in pairs):
        raise ShapeError(
            f"padding is a string or a pair (low, high) for each of {len(sizes)} spatial axes; got {padding!r}."
        )
    return [(int(low), int(high)) for low, high in pairs]


def _per_axis(name: str, values: Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """One positive integer for each spatial axis, ones where none are given."""
    found = (1,) * rank if values is None else tuple(int(v) for v in values)
    if len(found) != rank or any(v < 1 for v in found):
        raise ShapeError(
            f"{name} needs a positive integer for each of the {rank} spatial axes of the convolution; got {values!r}."
        )
    return found


def conv_general_dilated(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    feature_group_count: int = 1,
    batch_group_count: int = 1,
    precision: Any = None,
    preferred_element_type: Any = None,
    out_sharding: Any = None,
) -> Any:
    """Convolution of any rank, with strides, padding, dilations and groups.

    Args:
        lhs: the images.
        rhs: the windows, of the same dtype.
        window_strides: steps of the windows, for each spatial axis.
        padding: "SAME", "SAME_LOWER", "VALID", or a pair (low, high) for each spatial axis; negative ones cut off.
        lhs_dilation: distances of the elements of ``lhs``, with zeros between them (a transposed convolution).
        rhs_dilation: distances of the elements that a window takes (an "atrous" convolution).
        dimension_numbers: which axes are which; see `conv_dimension_numbers`.
        feature_group_count: groups of features that are convolved by themselves. As many as there are features makes it
            depthwise.
        batch_group_count: groups of the batch, each with its own output features.
        precision: accepted for compatibility.
        preferred_element_type: dtype of the result, in which it is computed.
        out_sharding: accepted for compatibility.

    Returns:
        Array of the axes that ``dimension_numbers`` names last.

    Raises:
        ShapeError, DTypeError: the operands do not go together.
    """
    x, w = one_value(lhs), one_value(rhs)
    if preferred_element_type is not None:
        x, w = (e.cast(v, check_dtype(preferred_element_type)) for v in (x, w))
    if len(x.shape) < 2:
        raise ShapeError(
            f"a convolution needs a batch and a feature axis: lhs has shape {x.shape}, rhs {w.shape}."
        )
    dims = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    rank = len(x.shape) - 2
    if any(sorted(spec) != list(range(rank + 2)) for spec in dims):
        raise ShapeError(
            f"dimension_numbers {tuple(dims)} do not name each axis once of lhs {x.shape} and rhs {w.shape}."
        )
    strides = _per_axis("window_strides", window_strides, rank)
    apart = _per_axis("rhs_dilation", rhs_dilation, rank)
    spread = _per_axis("lhs_dilation", lhs_dilation, rank)
    if isinstance(padding, str) and any(d != 1 for d in spread):
        raise ShapeError(
            f"padding {padding!r} with lhs_dilation {spread} could mean several things: give pairs, or use conv_transpose."
        )
    sizes = [x.shape[d] for d in dims.lhs_spec[2:]]
    pairs = _pairs(padding, sizes, [w.shape[d] for d in dims.rhs_spec[2:]], strides, apart)
    out = convolution.conv(
        x,
        w,
        strides,
        pairs,
        ConvDims(*map(tuple, dims)),
        lhs_dilation=spread,
        rhs_dilation=apart,
        feature_groups=feature_group_count,
        batch_groups=batch_group_count,
    )
    return wrap_value(out)


def conv(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Padding,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """`conv_general_dilated` of ``(batch, feature, spatial ...)`` by ``(output feature, input feature, spatial ...)``."""
    return conv_with_general_padding(
        lhs, rhs, window_strides, padding, None, None, precision, preferred_element_type
    )


def conv_with_general_padding(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """`conv` with dilations."""
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


_CHANNELS_LAST = ("", "H", "HW", "HWD")


def conv_transpose(
    lhs: Any,
    rhs: Any,
    strides: Sequence[int],
    padding: Padding,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
    use_consistent_padding: bool = False,
) -> Any:
    """A convolution that makes images larger by ``strides``: the transpose of one that makes them smaller.

    Args:
        lhs: the images.
        rhs: the windows.
        strides: by how much each spatial axis grows.
        padding: "SAME" or "VALID" of the convolution that this transposes, or pairs of zeros to add here.
        rhs_dilation: as in `conv_general_dilated`.
        dimension_numbers: as there; ``("NHWC", "HWIO", "NHWC")`` and its like by default.
        transpose_kernel: turn the windows round and exchange their features, as the gradient of a convolution has them.
        precision: accepted for compatibility.
        preferred_element_type: dtype of the result.
        use_consistent_padding: pairs too are those of the convolution that this transposes.
    """
    w = one_value(rhs)
    x = one_value(lhs)
    rank = len(x.shape) - 2
    if dimension_numbers is None:
        if not 0 <= rank < len(_CHANNELS_LAST):
            raise ShapeError(
                f"conv_transpose of shape {x.shape} needs dimension_numbers: there is no default for {rank} spatial axes."
            )
        space = _CHANNELS_LAST[rank]
        images = f"N{'HWDC'}" if rank == 3 else f"N{space}C"
        dimension_numbers = (images, f"{space}IO", images)
    dims = conv_dimension_numbers(x.shape, w.shape, dimension_numbers)
    apart = _per_axis("rhs_dilation", rhs_dilation, rank)
    steps = _per_axis("strides", strides, rank)
    by_name = isinstance(padding, str) and padding in ("SAME", "VALID")
    pads = padding
    if use_consistent_padding or by_name:
        given = [padding] * rank if isinstance(padding, str) else padding
        window = [dilated(w.shape[d], a) for d, a in zip(dims.rhs_spec[2:], apart, strict=True)]
        pads = [_transposed_padding(*axis) for axis in zip(window, steps, given, strict=True)]
    if transpose_kernel:
        w = s.reverse(w, tuple(sorted(dims.rhs_spec[2:])))
        order = list(range(rank + 2))
        out, into = dims.rhs_spec[:2]
        order[out], order[into] = into, out
        w = s.transpose(w, order)
    return conv_general_dilated(
        x,
        w,
        (1,) * rank,
        pads,
        steps,
        apart,
        dims,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


def _transposed_padding(k: int, stride: int, padding: Any) -> tuple[int, int]:
    """What to pad a transposed convolution with, by the padding of the convolution it transposes."""
    if not isinstance(padding, str):
        return k - 1 - padding[0], k - 1 - padding[1]
    if padding == "VALID":
        return k - 1, stride - 1 + max(k - stride, 0)
    if padding == "SAME":
        total = k + stride - 2
        low = k - 1 if stride > k - 1 else math.ceil(total / 2)
        return low, total - low
    raise ShapeError(f"conv_transpose knows the paddings 'SAME' and 'VALID', and pairs; got {padding!r}.")


def conv_general_dilated_patches(
    lhs: Any,
    filter_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Padding,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """What each window of a convolution sees: feature ``c * window + k`` of the result is element ``k`` of feature ``c``.

    Args:
        lhs: the images.
        filter_shape: sizes of the window on the spatial axes.
        window_strides: as in `conv_general_dilated`, like all that follows.
        padding: zeros around.
        lhs_dilation: distances of the elements of ``lhs``.
        rhs_dilation: distances of the elements that a window takes.
        dimension_numbers: which axes are which.
        precision: accepted for compatibility.
        preferred_element_type: dtype of the result.
    """
    x = one_value(lhs)
    window = tuple(int(k) for k in filter_shape)
    if len(window) != len(x.shape) - 2:
        raise ShapeError(
            f"filter_shape {window} needs a size for each of the {len(x.shape) - 2} spatial axes of {x.shape}."
        )
    size = math.prod(window)
    dims = conv_dimension_numbers(x.shape, (1, 1, *window), dimension_numbers)
    features = x.shape[dims.lhs_spec[1]]
    # Each window picks one of its elements: row k of the identity, for each feature.
    ones = e.cast(e.eq(*(s.iota(INT64, (size, size), axis) for axis in (0, 1))), x.dtype)
    picks = s.reshape(s.broadcast(ones, (features, size, size), (1, 2)), (features * size, 1, *window))
    order = [0] * len(x.shape)
    for axis, d in enumerate(dims.rhs_spec):
        order[d] = axis
    return conv_general_dilated(
        x,
        s.transpose(picks, order),
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        dims,
        features,
        preferred_element_type=preferred_element_type,
    )


def conv_general_dilated_local(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Padding,
    filter_shape: Sequence[int],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    precision: Any = None,
) -> Any:
    """A convolution with windows of their own at each place of the result.

    Args:
        lhs: the images.
        rhs: the windows: its spatial axes are those of the result, and its input features are all elements of a window of
            ``filter_shape`` for each feature of ``lhs``, as `conv_general_dilated_patches` gives them.
        window_strides: as in `conv_general_dilated`, like all that follows.
        padding: zeros around.
        filter_shape: sizes of the window on the spatial axes.
        lhs_dilation: distances of the elements of ``lhs``.
        rhs_dilation: distances of the elements that a window takes.
        dimension_numbers: which axes are which.
        precision: accepted for compatibility.
    """
    x, w = one_value(lhs), one_value(rhs)
    dims = conv_dimension_numbers(x.shape, (1, 1, *filter_shape), dimension_numbers)
    seen = one_value(
        conv_general_dilated_patches(
            lhs, filter_shape, window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers
        )
    )
    batch, feature, *space = dims.out_spec
    places = sorted(range(len(space)), key=space.__getitem__)  # in the order of the result's axes
    out = contract.dot_general(
        seen, w, (((feature,), (dims.rhs_spec[1],)), (sorted(space), [dims.rhs_spec[2:][i] for i in places]))
    )  # the spatial axes, the batch, the features
    found = dict(zip((*sorted(space), batch, feature), range(len(x.shape)), strict=True))
    return wrap_value(s.transpose(out, [found[d] for d in range(len(x.shape))]))


# Shapes


def padtype_to_pads(
    in_shape: Sequence[int], window_shape: Sequence[int], window_strides: Sequence[int], padding: str
) -> list[tuple[int, int]]:
    """The pairs (low, high) that "SAME", "SAME_LOWER" or "VALID" stands for."""
    return padding_for(padding, in_shape, window_shape, window_strides)


def conv_general_permutations(dimension_numbers: Sequence[str]) -> tuple[Any, Any, Any]:
    """Three strings of `conv_dimension_numbers` as the axes that they name."""
    rank = len(dimension_numbers[0])
    lhs, rhs, out = conv_dimension_numbers((1,) * rank, (1,) * rank, dimension_numbers)
    return tuple(lhs), tuple(rhs), tuple(out)


def conv_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    strides: Sequence[int],
    pads: Padding,
    batch_group_count: int = 1,
) -> tuple[int, ...]:
    """The shape of `conv`'s result."""
    batch, *rest = conv_general_shape_tuple(lhs_shape, rhs_shape, strides, pads, None)
    if batch % batch_group_count:
        raise ShapeError(f"a batch of {batch} cannot be cut into {batch_group_count} groups.")
    return (batch // batch_group_count, *rest)


def conv_transpose_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Padding,
    dimension_numbers: Any,
) -> tuple[int, ...]:
    """The shape of `conv_transpose`'s result, without dilation."""
    dims = conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers)
    rank = len(lhs_shape) - 2
    strides = _per_axis("window_strides", window_strides, rank)
    space, window = (
        [shape[d] for d in spec[2:]] for shape, spec in zip((lhs_shape, rhs_shape), dims, strict=False)
    )
    pairs: Sequence[Any] = [padding] * rank if isinstance(padding, str) else padding
    sizes = []
    for n, k, step, pair in zip(space, window, strides, pairs, strict=True):
        low, high = _transposed_padding(k, step, pair) if isinstance(pair, str) else pair
        sizes.append((n - 1) * step + 2 - k + low + high)
    return _placed((lhs_shape[dims.lhs_spec[0]], rhs_shape[dims.rhs_spec[0]], *sizes), dims)


def _placed(sizes: Sequence[int], dims: ConvDimensionNumbers) -> tuple[int, ...]:
    """Sizes (batch, feature, spatial ...) in the order of the result's axes."""
    found = dict(zip(dims.out_spec, sizes, strict=True))
    return tuple(found[d] for d in range(len(sizes)))


def conv_general_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Padding,
    dimension_numbers: Any,
) -> tuple[int, ...]:
    """The shape of `conv_general_dilated`'s result, without dilations and groups."""
    dims = conv_dimension_numbers(lhs_shape, rhs_shape, dimension_numbers)
    rank = len(lhs_shape) - 2
    strides = _per_axis("window_strides", window_strides, rank)
    space, window = (
        [shape[d] for d in spec[2:]] for shape, spec in zip((lhs_shape, rhs_shape), dims, strict=False)
    )
    pairs = _pairs(padding, space, window, strides, (1,) * rank)
    count = [
        window_count(n, k, step, pair, 1, 1)
        for n, k, step, pair in zip(space, window, strides, pairs, strict=True)
    ]
    return _placed((lhs_shape[dims.lhs_spec[0]], rhs_shape[dims.rhs_spec[0]], *count), dims)
