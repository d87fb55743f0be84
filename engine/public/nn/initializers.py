"""First weights of layers: each function makes an initializer ``(key, shape, dtype) -> array``.

The one idea: variances are scaled by the number of inputs and outputs of a layer (`variance_scaling`), of which the named
schemes are special cases. Numbers are those of `jax.nn.initializers` for the same keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft import random
from weft.engine.promotion import rules
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.types import check_dtype, is_complex, real_dtype
from weft.numpy.staging import static_shape

__all__ = [
    "constant",
    "delta_orthogonal",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "kaiming_normal",
    "kaiming_uniform",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "ones",
    "orthogonal",
    "truncated_normal",
    "uniform",
    "variance_scaling",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]

Initializer = Callable[..., Any]


def _dtype(dtype: Any, default: Any) -> np.dtype:
    chosen = default if dtype is None else dtype
    return rules.float if chosen is None else check_dtype(chosen)


def zeros(key: Any, shape: Any, dtype: Any = None) -> Any:
    """Zeros; the key is not used."""
    return wnp.zeros(shape, _dtype(dtype, None))


def ones(key: Any, shape: Any, dtype: Any = None) -> Any:
    """Ones; the key is not used."""
    return wnp.ones(shape, _dtype(dtype, None))


def constant(value: Any, dtype: Any = None) -> Initializer:
    """An initializer of one value."""
    default = dtype

    def init(key: Any, shape: Any, dtype: Any = None) -> Any:
        return wnp.full(shape, value, _dtype(dtype, default))

    return init


def _scaled(draw: Callable[[Any, Any, np.dtype], Any], scale: Any, default: Any) -> Initializer:
    def init(key: Any, shape: Any, dtype: Any = None) -> Any:
        kind = _dtype(dtype, default)
        return draw(key, shape, kind) * np.asarray(scale, kind)

    return init


def uniform(scale: float = 1e-2, dtype: Any = None) -> Initializer:
    """Uniform numbers from 0 to ``scale``."""
    return _scaled(random.uniform, scale, dtype)


def normal(stddev: float = 1e-2, dtype: Any = None) -> Initializer:
    """Normal numbers of mean 0."""
    return _scaled(random.normal, stddev, dtype)


def truncated_normal(
    stddev: float = 1e-2, dtype: Any = None, lower: float = -2.0, upper: float = 2.0
) -> Initializer:
    """Normal numbers between ``lower`` and ``upper``, then times ``stddev``."""
    return _scaled(
        lambda key, shape, kind: random.truncated_normal(key, lower, upper, shape, kind), stddev, dtype
    )


# Variance scaling


def _fans(shape: Sequence[int], in_axis: Any, out_axis: Any, batch_axis: Any) -> tuple[float, float]:
    """Numbers of inputs and outputs that a weight array connects; axes that are neither are windows."""
    if len(shape) < 2 and in_axis == -2:
        raise ShapeError(
            f"variance_scaling needs weights of two axes at least, got shape {tuple(shape)}. Say in_axis for others."
        )

    def size(axes: Any) -> int:
        return math.prod(shape[i] for i in ((axes,) if isinstance(axes, int) else axes))

    n_in, n_out = size(in_axis), size(out_axis)
    window = math.prod(shape) / n_in / n_out / size(batch_axis)
    return n_in * window, n_out * window


_DENOMINATORS: dict[str, Callable[[float, float], float]] = {
    "fan_in": lambda i, o: i,
    "fan_out": lambda i, o: o,
    "fan_avg": lambda i, o: (i + o) / 2,
    "fan_geo_avg": lambda i, o: (i * o) ** 0.5,
}
# Standard deviations of normal numbers cut at 2: real ones, and complex ones by their length.
_TRUNCATED = 0.87962566103423978
_COMPLEX_TRUNCATED = 0.95311164380491208


def _polar(key: Any, shape: Any, kind: np.dtype, length: Callable[[Any], Any]) -> Any:
    """Complex numbers of random angle; ``length`` of uniform numbers gives their lengths."""
    first, second = random.split(key)
    real = real_dtype(kind)
    angle = random.uniform(second, shape, real) * np.asarray(2 * np.pi, real)
    radius = length(random.uniform(first, shape, real))
    return (radius * wnp.cos(angle) + 1j * (radius * wnp.sin(angle))).astype(kind)


def _draw(distribution: str, key: Any, shape: Any, kind: np.dtype, variance: float) -> Any:
    real = real_dtype(kind)
    variance_there = np.asarray(variance, real)
    if distribution == "normal":
        return random.normal(key, shape, kind) * np.sqrt(variance_there)
    if distribution == "uniform":
        if not is_complex(kind):
            return random.uniform(key, shape, kind, -1.0) * np.sqrt(3 * variance_there).astype(real)
        return _polar(key, shape, kind, lambda u: wnp.sqrt(2 * u)) * np.sqrt(variance_there)
    if is_complex(kind):
        cut = np.asarray(1 - np.exp(-4.0), real)
        numbers = _polar(key, shape, kind, lambda u: wnp.sqrt(-wnp.log1p(-(cut * u))))
        return numbers * (np.sqrt(variance_there) / np.asarray(_COMPLEX_TRUNCATED, real))
    stddev = np.sqrt(variance_there) / np.asarray(_TRUNCATED, real)
    return random.truncated_normal(key, -2.0, 2.0, shape, kind) * stddev


def variance_scaling(
    scale: float,
    mode: str,
    distribution: str,
    in_axis: int | Sequence[int] = -2,
    out_axis: int | Sequence[int] = -1,
    batch_axis: int | Sequence[int] = (),
    dtype: Any = None,
) -> Initializer:
    """Numbers of variance ``scale / n``, where n counts inputs or outputs.

    Args:
        scale: the variance of the sum over n inputs of variance 1.
        mode: what n is: "fan_in", "fan_out", their mean "fan_avg" or geometric mean "fan_geo_avg".
        distribution: "truncated_normal", "normal" or "uniform".
        in_axis: axis or axes of inputs.
        out_axis: axis or axes of outputs.
        batch_axis: axis or axes that neither share weights nor connect.
        dtype: of the weights where the initializer is called without one; float64 by default.
    """
    if mode not in _DENOMINATORS:
        raise ArgumentError(f"variance_scaling knows the modes {', '.join(_DENOMINATORS)}; got {mode!r}.")
    if distribution not in ("truncated_normal", "normal", "uniform"):
        raise ArgumentError(
            f"variance_scaling knows the distributions truncated_normal, normal, uniform; got {distribution!r}."
        )
    default = dtype

    def init(key: Any, shape: Any, dtype: Any = None) -> Any:
        shape = static_shape(shape, "variance_scaling")
        n = _DENOMINATORS[mode](*_fans(shape, in_axis, out_axis, batch_axis))
        return _draw(distribution, key, shape, _dtype(dtype, default), scale / n if n else 0.0)

    return init


def _scheme(name: str, scale: float, mode: str, distribution: str, doc: str) -> Callable[..., Initializer]:
    def make(in_axis: Any = -2, out_axis: Any = -1, batch_axis: Any = (), dtype: Any = None) -> Initializer:
        return variance_scaling(scale, mode, distribution, in_axis, out_axis, batch_axis, dtype)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = doc
    return make


_CUT = "truncated_normal"
glorot_uniform = _scheme(
    "glorot_uniform",
    1.0,
    "fan_avg",
    "uniform",
    "Uniform numbers of variance ``2 / (inputs + outputs)`` (Glorot & Bengio, 2010).",
)
glorot_normal = _scheme(
    "glorot_normal", 1.0, "fan_avg", _CUT, "Cut normal numbers of variance ``2 / (inputs + outputs)``."
)
lecun_uniform = _scheme(
    "lecun_uniform", 1.0, "fan_in", "uniform", "Uniform numbers of variance ``1 / inputs`` (LeCun, 1998)."
)
lecun_normal = _scheme("lecun_normal", 1.0, "fan_in", _CUT, "Cut normal numbers of variance ``1 / inputs``.")
he_uniform = _scheme(
    "he_uniform", 2.0, "fan_in", "uniform", "Uniform numbers of variance ``2 / inputs`` (He et al., 2015)."
)
he_normal = _scheme(
    "he_normal", 2.0, "fan_in", _CUT, "Cut normal numbers of variance ``2 / inputs``, for relu."
)
xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal


# Orthogonal weights


def orthogonal(scale: float = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """Orthonormal rows or columns times ``scale``, evenly distributed (Saxe et al. (2013), arXiv:1312.6120).

    Args:
        scale: factor.
        column_axis: the axis of columns; the others together are the rows.
        dtype: floating or complex; float64 by default.
    """
    default = dtype

    def init(key: Any, shape: Any, dtype: Any = None) -> Any:
        kind = _dtype(dtype, default)
        shape = static_shape(shape, "orthogonal")
        if len(shape) < 2:
            raise ShapeError(f"orthogonal weights have two axes at least, got shape {shape}.")
        if 0 in shape:
            return wnp.zeros(shape, kind)
        columns = shape[column_axis]
        q = random.orthogonal(key, math.prod(shape) // columns, (), kind, columns)
        axis = column_axis % len(shape)
        lead = tuple(n for i, n in enumerate(shape) if i != axis)
        return np.asarray(scale, kind) * wnp.moveaxis(wnp.reshape(q, (*lead, columns)), -1, axis)

    return init


def delta_orthogonal(scale: float = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """Orthogonal weights in the middle of a convolution's window and zeros around (Xiao et al. (2018), arXiv:1806.05393).

    Shapes are ``(*window, inputs, outputs)`` with one to three axes of window and no more inputs than outputs.
    """
    default = dtype

    def init(key: Any, shape: Any, dtype: Any = None) -> Any:
        kind = _dtype(dtype, default)
        shape = static_shape(shape, "delta_orthogonal")
        if len(shape) not in (3, 4, 5) or shape[-1] < shape[-2]:
            raise ShapeError(
                f"delta_orthogonal weights are (*window, inputs, outputs) with 1 to 3 axes of window and no more inputs than "
                f"outputs, got shape {shape}."
            )
        middle = orthogonal(scale, column_axis, kind)(key, shape[-2:])
        around = [((n - 1) // 2, n - 1 - (n - 1) // 2) for n in shape[:-2]]
        return wnp.pad(wnp.reshape(middle, (*[1] * len(around), *shape[-2:])), [*around, (0, 0), (0, 0)])

    return init
