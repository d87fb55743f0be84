"""Images of any number of axes: `weft.scipy.ndimage`: map_coordinates as `jax.scipy.ndimage`, and SciPy's linear filters.

The one idea: what lies outside an image is one of its elements, at a place that a mode says, or a constant; so each mode is a
function of indices for sampling, and a way of padding for filters.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine.transforms.custom import stop_gradient
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.types import is_complex, is_integer
from weft.numpy.staging import axis_index, axis_indices, static_int
from weft.scipy.arguments import array, compute_dtype, inexact, one_of, scalar, static_float, vector

__all__ = [
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "map_coordinates",
    "uniform_filter",
    "uniform_filter1d",
]


# Sampling


def _mirrored(i: Any, n: int) -> Any:
    """Around the first and the last element: 2 1 0 1 2."""
    period = max(2 * (n - 1), 1)
    inside = i % period
    return wnp.minimum(inside, (period - inside) % period if n > 1 else inside)


def _reflected(i: Any, n: int) -> Any:
    """Around the edges: 1 0 0 1 2."""
    inside = i % (2 * n)
    return wnp.minimum(inside, 2 * n - 1 - inside)


_PLACES: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda i, n: wnp.clip(i, 0, n - 1),
    "nearest": lambda i, n: wnp.clip(i, 0, n - 1),
    "wrap": lambda i, n: i % n,
    "mirror": _mirrored,
    "reflect": _reflected,
}


def map_coordinates(
    input: Any, coordinates: Sequence[Any], order: int, mode: str = "constant", cval: Any = 0.0
) -> Any:
    """Elements of an array at places between its elements.

    Args:
        input: array of any number of axes.
        coordinates: as many arrays, of one shape: where along each axis, counted in elements.
        order: 0 takes the nearest element, 1 interpolates linearly.
        mode: what is outside: "constant" (``cval``), "nearest" (the last element), "wrap" (the array again), "mirror" (around
            the last element), "reflect" (around its edge). "constant" and "wrap" are SciPy's "grid-constant" and "grid-wrap".
        cval: see ``mode``.

    Returns:
        Array of the shape of the coordinates and the dtype of ``input``; integers are rounded.

    Raises:
        ArgumentError: another order, or another mode.
        ShapeError: there are not as many coordinates as axes.
    """
    one_of("map_coordinates", "mode", mode, tuple(_PLACES))
    if static_int(order, "map_coordinates", "order") not in (0, 1):
        raise ArgumentError(f"map_coordinates got order={order!r}: it interpolates with order 0 or 1.")
    image = array("map_coordinates", input)
    if not isinstance(coordinates, list | tuple) and array("map_coordinates", coordinates).ndim == 0:
        raise ArgumentError(f"map_coordinates takes coordinates for each axis, got {coordinates!r}.")
    where = [array("map_coordinates", c) for c in coordinates]
    if len(where) != image.ndim:
        raise ShapeError(
            f"map_coordinates needs coordinates for each of {image.ndim} axes, got {len(where)} arrays of them."
        )
    if 0 in image.shape:
        raise ShapeError(f"map_coordinates takes an array with elements, got shape {image.shape}.")
    where = wnp.broadcast_arrays(*inexact("map_coordinates", *where)) if where else []
    dtype = compute_dtype(image.dtype)
    outside = wnp.asarray(cval).astype(dtype)
    corners = []  # for each axis pairs of places and weights
    for c in where:
        if order == 0:
            corners.append([(wnp.sign(c) * wnp.floor(wnp.abs(c) + 0.5), None)])
        else:
            low = stop_gradient(wnp.floor(c))
            share = c - low
            corners.append([(low, 1 - share), (low + 1, share)])
    total = wnp.zeros((), dtype)
    for corner in itertools.product(*corners):
        weight, valid, index = None, None, []
        for (place, share), n in zip(corner, image.shape, strict=True):
            i = wnp.asarray(place).astype(np.int64)
            index.append(_PLACES[mode](i, n))
            if mode == "constant":
                inside = (i >= 0) & (i < n)
                valid = inside if valid is None else valid & inside
            if share is not None:
                weight = share if weight is None else weight * share
        part = image[tuple(index)].astype(dtype)
        part = part if valid is None else wnp.where(valid, part, outside)
        total = total + (part if weight is None else part * weight.astype(dtype))
    if is_integer(image.dtype):
        total = wnp.sign(total) * wnp.floor(wnp.abs(total) + 0.5)
    return total.astype(image.dtype)


# Filters

_PADDINGS = {
    "reflect": "symmetric",
    "grid-mirror": "symmetric",
    "constant": "constant",
    "grid-constant": "constant",
    "nearest": "edge",
    "mirror": "reflect",
    "wrap": "wrap",
    "grid-wrap": "wrap",
}


def _padded(x: Any, around: list[tuple[int, int]], mode: str, cval: Any) -> Any:
    if _PADDINGS[mode] != "constant":
        return wnp.pad(x, around, mode=_PADDINGS[mode])
    inside = wnp.pad(wnp.ones(x.shape, bool), around)
    return wnp.where(inside, wnp.pad(x, around), wnp.asarray(cval).astype(x.dtype))


def _origins(name: str, origin: Any, shape: Sequence[int]) -> list[int]:
    given = list(origin) if isinstance(origin, Sequence) else [origin] * len(shape)
    found = [static_int(o, name, "origin") for o in given]
    if len(found) != len(shape) or any(
        not -(n // 2) <= o <= (n - 1) // 2 for o, n in zip(found, shape, strict=True)
    ):
        raise ArgumentError(
            f"{name} got origin={origin!r} for weights of shape {tuple(shape)}: it moves within them."
        )
    return found


def _filtered(name: str, x: Any, weights: Any, mode: str, cval: Any, centers: Sequence[int]) -> Any:
    """Products with a window at every element, summed; ``centers`` says which of its weights meets the element."""
    one_of(name, "mode", mode, tuple(_PADDINGS))
    if weights.ndim != x.ndim or 0 in weights.shape:
        raise ShapeError(
            f"{name} takes weights of as many axes as the array, got shapes {weights.shape} and {x.shape}."
        )
    around = [(c, n - 1 - c) for c, n in zip(centers, weights.shape, strict=True)]
    wide = _padded(x, around, mode, cval)
    return lax.conv_general_dilated(wide[None, None], weights[None, None], (1,) * x.ndim, [(0, 0)] * x.ndim)[
        0, 0
    ]


def _read(name: str, input: Any, weights: Any) -> tuple[Any, Any, np.dtype]:
    """Arrays in the dtype that sums are made in, and the dtype of the result, which is that of the input."""
    x = array(name, input)
    result = x.dtype
    x, w = inexact(name, x, weights)
    if is_complex(w.dtype) and not is_complex(result):
        result = x.dtype
    return x, w, result


def _as_input(out: Any, dtype: np.dtype) -> Any:
    return wnp.trunc(out).astype(dtype) if is_integer(dtype) else out.astype(dtype)


def correlate(input: Any, weights: Any, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
    """Sums of elements around each element, times weights.

    Args:
        input: array of any number of axes.
        weights: array of as many axes; its middle is at the element.
        mode: what is outside: "reflect", "mirror", "nearest", "wrap" or "constant"; see `map_coordinates`.
        cval: the constant.
        origin: by how much the window is moved, for all axes or for each.

    Returns:
        Array of the shape and dtype of ``input``.
    """
    x, w, dtype = _read("correlate", input, weights)
    moved = _origins("correlate", origin, w.shape)
    centers = [n // 2 + o for n, o in zip(w.shape, moved, strict=True)]
    return _as_input(_filtered("correlate", x, w, mode, cval, centers), dtype)


def convolve(input: Any, weights: Any, mode: str = "reflect", cval: Any = 0.0, origin: Any = 0) -> Any:
    """`correlate` with the weights turned round."""
    x, w, dtype = _read("convolve", input, weights)
    moved = _origins("convolve", origin, w.shape)
    centers = [n - 1 - (n // 2 + o) for n, o in zip(w.shape, moved, strict=True)]
    return _as_input(_filtered("convolve", x, wnp.flip(w), mode, cval, centers), dtype)


def _along(weights: Any, axis: int, ndim: int) -> Any:
    return weights.reshape([-1 if d == axis else 1 for d in range(ndim)])


def correlate1d(
    input: Any, weights: Any, axis: int = -1, mode: str = "reflect", cval: Any = 0.0, origin: int = 0
) -> Any:
    """`correlate` along one axis, with a vector of weights."""
    x, w, dtype = _read("correlate1d", input, weights)
    vector("correlate1d", "weights", w)
    d = axis_index(axis, x.ndim, "correlate1d")
    (moved,) = _origins("correlate1d", origin, w.shape)
    centers = [w.shape[0] // 2 + moved if i == d else 0 for i in range(x.ndim)]
    return _as_input(_filtered("correlate1d", x, _along(w, d, x.ndim), mode, cval, centers), dtype)


def convolve1d(
    input: Any, weights: Any, axis: int = -1, mode: str = "reflect", cval: Any = 0.0, origin: int = 0
) -> Any:
    """`convolve` along one axis, with a vector of weights."""
    w = vector("convolve1d", "weights", array("convolve1d", weights))
    origin = -static_int(origin, "convolve1d", "origin") - (w.shape[0] % 2 == 0)
    return correlate1d(input, wnp.flip(w), axis, mode, cval, origin)


def _gaussian_weights(sigma: Any, order: int, radius: int) -> Any:
    """A normal density at whole numbers, summed to 1, or its derivative: that times a polynomial."""
    x = np.arange(-radius, radius + 1)
    density = wnp.exp(-0.5 / (sigma * sigma) * x**2)
    density = density / wnp.sum(density)
    polynomial = [wnp.ones(())] + [wnp.zeros(())] * order
    for _ in range(order):  # q' - x q / sigma^2, by coefficients of powers of x
        steeper = [wnp.zeros(()), *polynomial[:-1]]
        change = [(i + 1) * c for i, c in enumerate(polynomial[1:])] + [wnp.zeros(())]
        polynomial = [d - s / (sigma * sigma) for d, s in zip(change, steeper, strict=True)]
    return density * sum(c * x**i for i, c in enumerate(polynomial))


def gaussian_filter1d(
    input: Any,
    sigma: Any,
    axis: int = -1,
    order: int = 0,
    mode: str = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: int | None = None,
) -> Any:
    """Smooth along an axis with a normal density, or with its derivative of some order.

    Args:
        input: array.
        sigma: the standard deviation, in elements; it may be traced where ``radius`` is given.
        axis: the axis.
        order: which derivative.
        mode: see `correlate`.
        cval: see `correlate`.
        truncate: where the density is cut off, in standard deviations.
        radius: where it is cut off, in elements.
    """
    order = static_int(order, "gaussian_filter1d", "order")
    if order < 0:
        raise ArgumentError(f"gaussian_filter1d got order={order}: it must not be negative.")
    scalar("gaussian_filter1d", "sigma", sigma)
    if radius is None:
        width = static_float("gaussian_filter1d", "sigma", sigma)
        radius = int(static_float("gaussian_filter1d", "truncate", truncate) * width + 0.5)
    radius = static_int(radius, "gaussian_filter1d", "radius")
    if radius < 0:
        raise ArgumentError(f"gaussian_filter1d got radius={radius}: it must not be negative.")
    weights = wnp.flip(_gaussian_weights(wnp.asarray(sigma) * 1.0, order, radius))
    return correlate1d(input, weights.astype(_weights_dtype(input)), axis, mode, cval)


def _weights_dtype(input: Any) -> Any:
    dtype = compute_dtype(array("a filter", input).dtype)
    return np.dtype(np.float32) if dtype in (np.float32, np.complex64) else np.dtype(np.float64)


def _for_each_axis(name: str, argument: str, given: Any, count: int) -> list[Any]:
    found = list(given) if isinstance(given, Sequence) and not isinstance(given, str) else [given] * count
    if len(found) != count:
        raise ArgumentError(f"{name} got {argument}={given!r} for {count} axes.")
    return found


def gaussian_filter(
    input: Any,
    sigma: Any,
    order: Any = 0,
    mode: Any = "reflect",
    cval: Any = 0.0,
    truncate: float = 4.0,
    *,
    radius: Any = None,
    axes: Any = None,
) -> Any:
    """`gaussian_filter1d` along several axes, all by default; ``sigma``, ``order``, ``mode``, ``radius`` may differ."""
    x = array("gaussian_filter", input)
    found = axis_indices(axes, x.ndim, "gaussian_filter")
    each = [
        _for_each_axis("gaussian_filter", argument, given, len(found))
        for argument, given in (("sigma", sigma), ("order", order), ("mode", mode), ("radius", radius))
    ]
    for axis, s, o, m, r in zip(found, *each, strict=True):
        if r is not None or static_float("gaussian_filter", "sigma", s) > 1e-15:
            x = gaussian_filter1d(x, s, axis, o, m, cval, truncate, radius=r)
    return x


def uniform_filter1d(
    input: Any, size: int, axis: int = -1, mode: str = "reflect", cval: Any = 0.0, origin: int = 0
) -> Any:
    """Means of ``size`` elements along an axis."""
    n = static_int(size, "uniform_filter1d", "size")
    if n < 1:
        raise ArgumentError(f"uniform_filter1d got size={n}: it is at least 1.")
    weights = wnp.full(n, 1 / n, dtype=_weights_dtype(input))
    return correlate1d(input, weights, axis, mode, cval, origin)


def uniform_filter(
    input: Any, size: Any = 3, mode: Any = "reflect", cval: Any = 0.0, axes: Any = None
) -> Any:
    """Means of elements around each element, along several axes, all by default; ``size`` and ``mode`` for all or for each."""
    x = array("uniform_filter", input)
    found = axis_indices(axes, x.ndim, "uniform_filter")
    sizes, modes = (
        _for_each_axis("uniform_filter", argument, given, len(found))
        for argument, given in (("size", size), ("mode", mode))
    )
    for axis, n, m in zip(found, sizes, modes, strict=True):
        x = uniform_filter1d(x, n, axis, m, cval)
    return x
