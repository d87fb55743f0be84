"""Activation functions: one formula each, elementwise.

The one idea: where a formula has two branches, the choice is by `select` on the input, so the derivative at the border is
that of the branch taken there (``relu'(0) == 0``, as JAX's). Integers become floats, where JAX does not keep them.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from weft.engine.dispatch import numpy_function, promote_values
from weft.ir.errors import ShapeError
from weft.ir.ops import elementwise as e
from weft.ir.ops import transcendental as t
from weft.ir.ops.shape import slice_axis
from weft.ir.rules import zeros_like
from weft.numpy.formulas import constant, logaddexp
from weft.numpy.staging import axis_index, mark_weak, to_inexact, value


def _activation(definition: Callable[[Any], Any], integers: bool = False) -> Callable[[Any], Any]:
    """A public function of one array from its formula, which takes floating values, or as they are with ``integers``."""

    @numpy_function(None)
    @functools.wraps(definition)
    def function(x: Any) -> Any:
        values = value(x, f"nn.{definition.__name__}", "x")
        return mark_weak(definition(values if integers else to_inexact(values)), (x,))

    return function


_keeping_integers = functools.partial(_activation, integers=True)


def _two(name: str, x: Any, parameter: Any) -> list[Any]:
    """An array and a parameter of floating dtype and one shape."""
    x = to_inexact(value(x, f"nn.{name}", "x"))
    return promote_values(f"nn.{name}", x, parameter)


def _positive(x: Any) -> Any:
    return e.gt(x, constant(x, 0))


@numpy_function(None)
def relu(x: Any) -> Any:
    """``max(x, 0)``; the derivative at 0 is 0. Integers stay integers."""
    x = value(x, "nn.relu", "x")
    return e.select(e.le(x, constant(x, 0)), constant(x, 0), x)


def _relu6(x: Any) -> Any:
    low = e.select(e.le(x, constant(x, 0)), constant(x, 0), x)
    return e.select(e.ge(x, constant(x, 6)), constant(x, 6), low)


@_activation
def relu6(x: Any) -> Any:
    """``min(max(x, 0), 6)``; the derivatives at 0 and 6 are 0."""
    return _relu6(x)


@_activation
def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``."""
    return t.logistic(x)


@_activation
def silu(x: Any) -> Any:
    """``x * sigmoid(x)``, also called swish."""
    return e.mul(x, t.logistic(x))


swish = silu


def _softplus(x: Any) -> Any:
    return logaddexp(x, zeros_like(x))


@_activation
def softplus(x: Any) -> Any:
    """``log(1 + exp(x))`` without overflow."""
    return _softplus(x)


@_activation
def log_sigmoid(x: Any) -> Any:
    """``log(sigmoid(x))`` without overflow: ``-softplus(-x)``."""
    return e.neg(_softplus(e.neg(x)))


@_activation
def soft_sign(x: Any) -> Any:
    """``x / (abs(x) + 1)``."""
    return e.div(x, e.add(e.abs_(x), constant(x, 1)))


@_activation
def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    return t.tanh(x)


@_keeping_integers
def hard_tanh(x: Any) -> Any:
    """``x`` kept between -1 and 1."""
    below = e.select(e.lt(x, constant(x, -1)), constant(x, -1), x)
    return e.select(e.gt(x, constant(x, 1)), constant(x, 1), below)


def _hard_sigmoid(x: Any) -> Any:
    return e.div(_relu6(e.add(x, constant(x, 3))), constant(x, 6))


@_activation
def hard_sigmoid(x: Any) -> Any:
    """``relu6(x + 3) / 6``: a sigmoid of straight lines."""
    return _hard_sigmoid(x)


@_activation
def hard_silu(x: Any) -> Any:
    """``x * hard_sigmoid(x)``, also called hard swish."""
    return e.mul(x, _hard_sigmoid(x))


hard_swish = hard_silu


@_activation
def mish(x: Any) -> Any:
    """``x * tanh(softplus(x))``."""
    return e.mul(x, t.tanh(_softplus(x)))


@_activation
def log1mexp(x: Any) -> Any:
    """``log(1 - exp(-x))`` for positive ``x``, accurate for small and large ones.

    Source: Mächler (2012), "Accurately computing log(1 - exp(-|a|))".
    """
    small = e.lt(x, constant(x, math.log(2)))
    near = e.select(small, x, constant(x, 1))
    far = e.select(small, constant(x, 1), x)
    return e.select(small, t.log(e.neg(t.expm1(e.neg(near)))), t.log1p(e.neg(t.exp(e.neg(far)))))


@_activation
def sparse_plus(x: Any) -> Any:
    """0 up to -1, ``x`` from 1 on, ``(x + 1)**2 / 4`` between."""
    middle = e.div(e.integer_pow(e.add(x, constant(x, 1)), 2), constant(x, 4))
    low = e.select(e.le(x, constant(x, -1)), constant(x, 0), middle)
    return e.select(e.ge(x, constant(x, 1)), x, low)


@_activation
def sparse_sigmoid(x: Any) -> Any:
    """``(x + 1) / 2`` kept between 0 and 1: the derivative of `sparse_plus`."""
    half = e.mul(e.add(x, constant(x, 1)), constant(x, 0.5))
    return e.minimum(e.maximum(half, constant(x, 0)), constant(x, 1))


@_keeping_integers
def identity(x: Any) -> Any:
    """``x``."""
    return x


@numpy_function(None)
def gelu(x: Any, approximate: bool = True) -> Any:
    """``x`` times the normal distribution function of ``x``.

    Args:
        x: array.
        approximate: by tanh, which is faster; else exactly, by erfc.
    """
    given, x = x, to_inexact(value(x, "nn.gelu", "x"))
    if approximate:
        inner = e.add(x, e.mul(e.integer_pow(x, 3), constant(x, 0.044715)))
        cdf = e.mul(
            e.add(t.tanh(e.mul(inner, constant(x, math.sqrt(2 / math.pi)))), constant(x, 1)), constant(x, 0.5)
        )
    else:
        cdf = e.mul(t.erfc(e.div(e.neg(x), constant(x, math.sqrt(2)))), constant(x, 0.5))
    return mark_weak(e.mul(x, cdf), (given,))


@numpy_function(None)
def leaky_relu(x: Any, negative_slope: Any = 1e-2) -> Any:
    """``x`` from 0 on, ``negative_slope * x`` below."""
    x, slope = _two("leaky_relu", x, negative_slope)
    return e.select(e.ge(x, constant(x, 0)), x, e.mul(slope, x))


def _elu(x: Any, alpha: Any) -> Any:
    below = t.expm1(e.select(_positive(x), constant(x, 0), x))
    return e.select(_positive(x), x, e.mul(alpha, below))


@numpy_function(None)
def elu(x: Any, alpha: Any = 1.0) -> Any:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below."""
    return _elu(*_two("elu", x, alpha))


@numpy_function(None)
def celu(x: Any, alpha: Any = 1.0) -> Any:
    """``max(x, 0) + alpha * (exp(min(x, 0) / alpha) - 1)``, smooth for every ``alpha``."""
    x, alpha = _two("celu", x, alpha)
    below = t.expm1(e.div(e.minimum(x, constant(x, 0)), alpha))
    return e.add(e.maximum(x, constant(x, 0)), e.mul(alpha, below))


@_activation
def selu(x: Any) -> Any:
    """`elu` with the constants that keep mean 0 and variance 1 (Klambauer et al. (2017), arXiv:1706.02515)."""
    return e.mul(_elu(x, constant(x, 1.6732632423543772)), constant(x, 1.0507009873554805))


@numpy_function(None)
def squareplus(x: Any, b: Any = 4) -> Any:
    """``(x + sqrt(x**2 + b)) / 2``."""
    x, b = _two("squareplus", x, b)
    return e.mul(e.add(x, t.sqrt(e.add(e.integer_pow(x, 2), b))), constant(x, 0.5))


@numpy_function(None)
def glu(x: Any, axis: int = -1) -> Any:
    """The first half of ``x`` along ``axis`` times the sigmoid of the second."""
    x = to_inexact(value(x, "nn.glu", "x"))
    axis = axis_index(axis, len(x.shape), "nn.glu")
    n = x.shape[axis]
    if n % 2:
        raise ShapeError(f"nn.glu halves axis {axis} of shape {x.shape}: its length must be even.")
    return e.mul(slice_axis(x, axis, 0, n // 2), t.logistic(slice_axis(x, axis, n // 2, n)))
