"""Resampling of arrays along their axes: `resize` and `scale_and_translate`.

The one idea: along one axis, each element of the result is a weighted sum of elements of the image, so resampling is a product
with a matrix of weights an axis, and linear in the image. A method is a kernel: the weight as a function of the distance
between the two positions. Pixel ``i`` covers ``[i, i + 1]``, with its centre at ``i + 1/2``.

Sources: Keys (1981), doi:10.1109/TASSP.1981.1163711, for cubic interpolation; Duchon (1979),
doi:10.1175/1520-0450(1979)018<1016:LFIOAT>2.0.CO;2, for Lanczos's kernels.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.array import to_value, wrap_value
from weft.engine.dispatch import is_traced
from weft.ir.errors import ArgumentError, ShapeError
from weft.numpy.staging import axis_index, new_shape, to_inexact

_SMALL = 1000 * float(np.finfo(np.float32).eps)  # what weights must sum to, to be scaled to a sum of 1


class ResizeMethod(enum.Enum):
    """How values between pixels are found: `resize` says what each member does."""

    NEAREST = 0
    LINEAR = 1
    LANCZOS3 = 2
    LANCZOS5 = 3
    CUBIC = 4
    CUBIC_PYTORCH = 5
    AREA = 6

    @staticmethod
    def from_string(s: str) -> ResizeMethod:
        """The method of one of its names, such as "linear", "bilinear" or "triangle"."""
        if s not in _NAMES:
            raise ArgumentError(
                f"image.resize knows no method {s!r}; it knows {', '.join(map(repr, _NAMES))}."
            )
        return _NAMES[s]


_NAMES = {
    "nearest": ResizeMethod.NEAREST,
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), ResizeMethod.LINEAR),
    "lanczos3": ResizeMethod.LANCZOS3,
    "lanczos5": ResizeMethod.LANCZOS5,
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), ResizeMethod.CUBIC),
    **dict.fromkeys(("cubic-pytorch", "bicubic-pytorch"), ResizeMethod.CUBIC_PYTORCH),
    "area": ResizeMethod.AREA,
}


# Weights by distance. `xp` is NumPy where all numbers are known, else weft.numpy


def _triangle(xp: Any, x: Any) -> Any:
    return xp.maximum(1 - x, 0)


def _cubic(slope: float) -> Callable[[Any, Any], Any]:
    """Cubic convolution, whose derivative at distance 1 is ``slope``."""

    def kernel(xp: Any, x: Any) -> Any:
        near = ((slope + 2) * x - (slope + 3)) * x * x + 1
        far = ((slope * x - 5 * slope) * x + 8 * slope) * x - 4 * slope
        return xp.where(x < 1, near, xp.where(x < 2, far, 0))

    return kernel


def _lanczos(radius: int) -> Callable[[Any, Any], Any]:
    return lambda xp, x: xp.where(x < radius, xp.sinc(x) * xp.sinc(x / radius), 0)


_KERNELS: dict[ResizeMethod, Callable[[Any, Any], Any]] = {
    ResizeMethod.LINEAR: _triangle,
    ResizeMethod.LANCZOS3: _lanczos(3),
    ResizeMethod.LANCZOS5: _lanczos(5),
    ResizeMethod.CUBIC: _cubic(-0.5),
    ResizeMethod.CUBIC_PYTORCH: _cubic(-0.75),
}


def _weights(
    xp: Any, m: int, n: int, scale: Any, translation: Any, method: ResizeMethod, antialias: bool
) -> Any:
    """The matrix ``(m, n)`` whose columns are the weights of ``m`` pixels in each of ``n``."""
    inverse = 1 / scale
    centre = (xp.arange(n) + 0.5) * inverse - translation * inverse
    if method is ResizeMethod.AREA:
        left = xp.arange(n) * inverse - translation * inverse
        pixels = xp.arange(m)[:, None]
        overlap = xp.minimum(left + inverse, pixels + 1.0) - xp.maximum(left, pixels)
        return _within(xp, _to_unit_sum(xp, xp.maximum(overlap, 0)), centre, m)
    # Beyond the edges of the image, edge pixels are repeated: their weights are the edges' too.
    padding = 2 if method is ResizeMethod.CUBIC_PYTORCH and not antialias else 0
    distance = xp.abs(centre - (xp.arange(-padding, m + padding)[:, None] + 0.5))
    if antialias:  # shrinking takes a kernel as wide as the pixels of the result, or finer detail would alias
        distance = distance / xp.maximum(inverse, 1)
        if method is ResizeMethod.CUBIC_PYTORCH:
            method = ResizeMethod.CUBIC
    weights = _KERNELS[method](xp, distance)
    if not padding:
        return _within(xp, _to_unit_sum(xp, weights), centre, m)
    ends = padding + min(1, m - 1)
    first, last = (
        xp.sum(part, axis=0, keepdims=True) for part in (weights[:ends], weights[ends + max(m - 2, 0) :])
    )
    parts = [first, weights[ends : ends + m - 2], last] if m > 1 else [first + last]
    return _to_unit_sum(xp, xp.concatenate(parts))


def _to_unit_sum(xp: Any, weights: Any) -> Any:
    """Columns that sum to 1: at the edges a part of a kernel is outside of the image."""
    total = xp.sum(weights, axis=0)
    enough = xp.abs(total) > _SMALL
    return xp.where(enough, weights / xp.where(enough, total, 1), 0)


def _within(xp: Any, weights: Any, centre: Any, m: int) -> Any:
    """Weights of 0 for what lies outside of the image."""
    return xp.where((centre >= 0) & (centre <= m), weights, 0)


def _resampled(image: Any, matrices: dict[int, Any]) -> Any:
    """The product of an image with a matrix on each of some axes; first where it shrinks most."""
    for axis, weights in sorted(
        matrices.items(), key=lambda item: item[1].shape[1] / max(item[1].shape[0], 1)
    ):
        product = wnp.tensordot(image, wnp.asarray(weights).astype(image.dtype), (axis, 0))
        image = wnp.moveaxis(product, -1, axis)
    return image


def _image_and_shape(image: Any, shape: Sequence[int], name: str) -> tuple[Any, tuple[int, ...]]:
    image, lengths = wnp.asarray(image), new_shape(shape, f"image.{name}")
    if len(lengths) != image.ndim:
        raise ShapeError(
            f"image.{name} got shape={lengths} for an image of shape {tuple(image.shape)}: it needs a length for each axis, "
            "of batches and channels too."
        )
    return image, lengths


def _floating(image: Any) -> Any:
    return wrap_value(to_inexact(to_value(image)))


def _method(method: Any) -> ResizeMethod:
    if isinstance(method, ResizeMethod):
        return method
    if isinstance(method, str):
        return ResizeMethod.from_string(method)
    raise ArgumentError(f"image.resize takes method as a string or a ResizeMethod, got {method!r}.")


def resize(
    image: Any,
    shape: Sequence[int],
    method: str | ResizeMethod,
    antialias: bool = True,
    precision: Any = None,
) -> Any:
    """An image of another size.

    Args:
        image: array of any rank.
        shape: shape of the result: a length for each axis; axes of batches and channels keep theirs.
        method: a `ResizeMethod` or its name: "nearest"; "linear"; "cubic" (Keys's); "cubic-pytorch" (without ``antialias``
            another cubic kernel, and edge pixels are repeated outside); "lanczos3"; "lanczos5"; "area" (the mean over the
            area that a pixel covers).
        antialias: when shrinking, average over as much as a pixel of the result covers. Nothing changes when enlarging.
        precision: accepted for JAX's sake.

    Returns:
        Array of ``shape`` and of the dtype of ``image``; integers become the default float, but for "nearest".

    Raises:
        ShapeError: ``shape`` has another rank than ``image``, or an axis of length 0 is to be enlarged.
        ArgumentError: there is no such method.
    """
    image, shape = _image_and_shape(image, shape, "resize")
    method = _method(method)
    changed = [axis for axis in range(image.ndim) if image.shape[axis] != shape[axis]]
    if any(image.shape[axis] == 0 for axis in changed):
        raise ShapeError(
            f"image.resize cannot make {shape} of an image of shape {tuple(image.shape)}: it has no pixels on an axis."
        )
    if method is ResizeMethod.NEAREST:
        for axis in changed:
            m, n = image.shape[axis], shape[axis]
            image = wnp.take(image, (2 * np.arange(n) + 1) * m // (2 * max(n, 1)), axis=axis)
        return image
    scales = {axis: (shape[axis] or 1) / image.shape[axis] for axis in changed}
    matrices = {
        axis: _weights(np, image.shape[axis], shape[axis], scale, 0.0, method, antialias)
        for axis, scale in scales.items()
    }
    return _resampled(_floating(image), matrices)


def scale_and_translate(
    image: Any,
    shape: Sequence[int],
    spatial_dims: Sequence[int],
    scale: Any,
    translation: Any,
    method: str | ResizeMethod,
    antialias: bool = True,
    precision: Any = None,
) -> Any:
    """An image moved and scaled: what is at ``x`` on an axis comes to ``x * scale + translation``.

    Args:
        image: array of any rank.
        shape: shape of the result, which shows the part from 0 on; 0 where there is no image.
        spatial_dims: axes to scale and move.
        scale: a factor for each of ``spatial_dims``. It may be traced and has derivatives, as ``translation`` has.
        translation: a distance in pixels of the result for each of them.
        method: as of `resize`, but for "nearest".
        antialias: as of `resize`.
        precision: accepted for JAX's sake.

    Returns:
        Array of ``shape``, of the dtype of ``image`` or, for integers, the default float.
    """
    image, shape = _image_and_shape(image, shape, "scale_and_translate")
    method = _method(method)
    if method is ResizeMethod.NEAREST:
        raise ArgumentError(
            "image.scale_and_translate has no method 'nearest': take 'linear', or image.resize."
        )
    axes = [axis_index(axis, image.ndim, "image.scale_and_translate") for axis in spatial_dims]
    factors = [to_value(wnp.asarray(x)) for x in (scale, translation)]
    if any(x.shape != (len(axes),) for x in factors) or len(set(axes)) < len(axes):
        raise ShapeError(
            f"image.scale_and_translate needs different axes, and a scale and a translation for each of them; got "
            f"spatial_dims={tuple(spatial_dims)}, scale of shape {factors[0].shape}, translation of shape {factors[1].shape}."
        )
    xp = wnp if any(map(is_traced, factors)) else np
    scales, moves = (to_inexact(x) for x in factors) if xp is np else (_floating(x) for x in factors)
    matrices = {
        axis: _weights(xp, image.shape[axis], shape[axis], scales[i], moves[i], method, antialias)
        for i, axis in enumerate(axes)
    }
    kept = [i for i in range(image.ndim) if i not in axes and image.shape[i] != shape[i]]
    if kept:
        raise ShapeError(
            f"image.scale_and_translate got shape={shape} for an image of shape {tuple(image.shape)}, but axis {kept[0]} is "
            "not among spatial_dims: it keeps its length."
        )
    return _resampled(_floating(image), matrices)
