"""Layers: what has parameters of its own, what reduces windows, and what takes elements one by one.

The one idea: a layer is a pair of pure functions. ``init(key, input_shape)`` gives the shape of the result and first
parameters, ``apply(params, inputs)`` the result; so a network is data to every transformation. Names in capitals make
layers, or are layers where there is nothing to choose. The batch axis of a shape may be -1: nothing depends on its length.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import weft.numpy as wnp
from weft import lax, nn, random
from weft.engine.transforms.inspect import ShapeDtypeStruct, eval_shape
from weft.ir.errors import ArgumentError, ShapeError
from weft.nn.initializers import Initializer, glorot_normal, normal, ones, zeros

Shape: TypeAlias = Any
"""A tuple of lengths, or a list of shapes where a layer has several inputs."""
Padding: TypeAlias = str | Sequence[tuple[int, int]]


class Layer(NamedTuple):
    """A pair of pure functions: ``init_fun, apply_fun = Dense(10)``.

    Attributes:
        init: ``init(key, input_shape) -> (output_shape, params)``.
        apply: ``apply(params, inputs, rng=None) -> outputs``; `Dropout` needs the key ``rng``.
    """

    init: Callable[..., tuple[Shape, Any]]
    apply: Callable[..., Any]


def without_parameters(
    fun: Callable[..., Any], shape: Callable[[Shape], Shape] = lambda shape: shape
) -> Layer:
    """A layer of a function of arrays, and of what it does to shapes."""
    return Layer(
        lambda key, input_shape: (shape(input_shape), ()), lambda params, inputs, **context: fun(inputs)
    )


def elementwise(fun: Callable[..., Any], **options: Any) -> Layer:
    """A layer of a function that keeps shapes; ``options`` are passed on to it."""
    return without_parameters(lambda x: fun(x, **options))


Elu = elementwise(nn.elu)
Exp = elementwise(wnp.exp)
Gelu = elementwise(nn.gelu)
Identity = elementwise(lambda x: x)
LeakyRelu = elementwise(nn.leaky_relu)
LogSoftmax = elementwise(nn.log_softmax, axis=-1)
Relu = elementwise(nn.relu)
Selu = elementwise(nn.selu)
Sigmoid = elementwise(nn.sigmoid)
Silu = elementwise(nn.silu)
Softmax = elementwise(nn.softmax, axis=-1)
Softplus = elementwise(nn.softplus)
Tanh = elementwise(wnp.tanh)

Flatten = without_parameters(
    lambda x: wnp.reshape(x, (x.shape[0], math.prod(x.shape[1:]))),
    lambda shape: (shape[0], math.prod(shape[1:])),
)
"""All axes but the first become one."""


# Products


def Dense(out_dim: int, W_init: Initializer = glorot_normal(), b_init: Initializer = normal()) -> Layer:  # noqa: B008
    """``inputs @ W + b`` along the last axis.

    Args:
        out_dim: length of the last axis of the result.
        W_init: initializer of weights of shape ``(in_dim, out_dim)``.
        b_init: initializer of the ``out_dim`` offsets.
    """

    def init(key: Any, input_shape: Shape) -> tuple[Shape, Any]:
        first, second = random.split(key)
        weights = W_init(first, (input_shape[-1], out_dim))
        return (*input_shape[:-1], out_dim), (weights, b_init(second, (out_dim,)))

    def apply(params: Any, inputs: Any, **context: Any) -> Any:
        weights, offset = params
        return wnp.dot(inputs, weights) + offset

    return Layer(init, apply)


def Embedding(count: int, dim: int, init: Initializer = normal(1.0)) -> Layer:  # noqa: B008
    """Rows of a table, for integers ``0 <= i < count``: a new last axis of length ``dim``.

    Args:
        count: how many rows there are.
        dim: their length.
        init: initializer of the table, of shape ``(count, dim)``.
    """
    return Layer(
        lambda key, input_shape: ((*input_shape, dim), init(key, (count, dim))),
        lambda table, inputs, **context: table[inputs],
    )


def Positions(init: Initializer = normal(0.02)) -> Layer:  # noqa: B008
    """Add a learned vector for each place to inputs ``(..., places, features)``; shorter inputs take the first of them.

    Args:
        init: initializer of the vectors, ``(places, features)``.
    """

    def apply(table: Any, inputs: Any, **context: Any) -> Any:
        if inputs.shape[-2] > table.shape[0]:
            raise ShapeError(
                f"stax.Positions was made for {table.shape[0]} places, and got {inputs.shape[-2]} (shape {inputs.shape})."
            )
        return inputs + table[: inputs.shape[-2]]

    return Layer(lambda key, input_shape: (input_shape, init(key, input_shape[-2:])), apply)


def MultiHeadAttention(
    num_heads: int,
    causal: bool = False,
    W_init: Initializer = glorot_normal(),  # noqa: B008
) -> Layer:
    """Attention of several heads, between the places of inputs ``(batch ..., places, features)``.

    Each place gathers from all others what its query finds by their keys, a share of the features for each head.

    Args:
        num_heads: how many; it divides the number of features.
        causal: places see themselves and those before them.
        W_init: initializer of the weights, ``(features, 3 * features)`` and ``(features, features)``.

    Raises:
        ShapeError: ``num_heads`` does not divide the number of features (in ``init``).

    Source: Vaswani et al. (2017), arXiv:1706.03762, section 3.2.
    """

    def init(key: Any, input_shape: Shape) -> tuple[Shape, Any]:
        dim = input_shape[-1]
        if dim % num_heads:
            raise ShapeError(
                f"stax.MultiHeadAttention of {num_heads} heads got {dim} features: heads divide them."
            )
        first, second = random.split(key)
        return input_shape, (W_init(first, (dim, 3 * dim)), W_init(second, (dim, dim)))

    def apply(params: Any, inputs: Any, **context: Any) -> Any:
        mixed, out = params
        *batch, places, dim = inputs.shape
        heads = wnp.reshape(inputs @ mixed, (math.prod(batch), places, 3, num_heads, dim // num_heads))
        query, key, value = (heads[:, :, i] for i in range(3))
        found = nn.dot_product_attention(query, key, value, is_causal=causal)
        return wnp.reshape(found, inputs.shape) @ out

    return Layer(init, apply)


# Convolutions


def _convolution(convolve: Callable[..., Any], one_rank: str) -> Callable[..., Layer]:
    def general(
        dimension_numbers: tuple[str, str, str],
        out_chan: int,
        filter_shape: Sequence[int],
        strides: Sequence[int] | None = None,
        padding: Padding = "VALID",
        W_init: Initializer | None = None,
        b_init: Initializer = normal(1e-6),  # noqa: B008
    ) -> Layer:
        lhs, rhs, out = dimension_numbers
        steps = (1,) * len(filter_shape) if strides is None else tuple(strides)
        make = W_init or glorot_normal(rhs.index("I"), rhs.index("O"))

        def run(weights: Any, inputs: Any) -> Any:
            return convolve(inputs, weights, steps, padding, dimension_numbers=dimension_numbers)

        def init(key: Any, input_shape: Shape) -> tuple[Shape, Any]:
            window = iter(filter_shape)
            sizes = {"O": out_chan, "I": input_shape[lhs.index("C")]}
            first, second = random.split(key)
            weights = make(first, [sizes[c] if c in sizes else next(window) for c in rhs])
            offset = b_init(second, [out_chan if c == "C" else 1 for c in out])
            shape = _result_shape(lambda x: run(weights, x), input_shape, weights.dtype, lhs.index("N"))
            return (*shape[: (n := out.index("N"))], input_shape[lhs.index("N")], *shape[n + 1 :]), (
                weights,
                offset,
            )

        def apply(params: Any, inputs: Any, **context: Any) -> Any:
            weights, offset = params
            return run(weights, inputs) + offset

        return Layer(init, apply)

    general.__doc__ = f"""{one_rank} with weights and offsets to learn.

    Args:
        dimension_numbers: what the axes are, such as ``("NHWC", "HWIO", "NHWC")``.
        out_chan: how many features the result has.
        filter_shape: lengths of the window, one a spatial axis.
        strides: of the window; ones by default.
        padding: "SAME", "VALID", or a pair (low, high) for each spatial axis.
        W_init: initializer of weights; ``glorot_normal`` by default.
        b_init: initializer of offsets.
    """
    return general


def _result_shape(fun: Callable[[Any], Any], input_shape: Shape, dtype: Any, batch: int) -> tuple[int, ...]:
    """The shape that a function gives, its batch one example long."""
    shape = (*input_shape[:batch], 1, *input_shape[batch + 1 :])
    return tuple(eval_shape(fun, ShapeDtypeStruct(shape, dtype)).shape)


GeneralConv = _convolution(lax.conv_general_dilated, "A convolution")
GeneralConvTranspose = _convolution(
    lax.conv_transpose, "A transposed convolution, which makes images larger,"
)


def Conv(out_chan: int, filter_shape: Sequence[int], *args: Any, **kwargs: Any) -> Layer:
    """`GeneralConv` of images ``(batch, height, width, features)``."""
    return GeneralConv(("NHWC", "HWIO", "NHWC"), out_chan, filter_shape, *args, **kwargs)


def ConvTranspose(out_chan: int, filter_shape: Sequence[int], *args: Any, **kwargs: Any) -> Layer:
    """`GeneralConvTranspose` of images ``(batch, height, width, features)``."""
    return GeneralConvTranspose(("NHWC", "HWIO", "NHWC"), out_chan, filter_shape, *args, **kwargs)


def Conv1DTranspose(out_chan: int, filter_shape: Sequence[int], *args: Any, **kwargs: Any) -> Layer:
    """`GeneralConvTranspose` of signals ``(batch, length, features)``."""
    return GeneralConvTranspose(("NHC", "HIO", "NHC"), out_chan, filter_shape, *args, **kwargs)


# Normalisation


def BatchNorm(
    axis: int | Sequence[int] = (0, 1, 2),
    epsilon: float = 1e-5,
    center: bool = True,
    scale: bool = True,
    beta_init: Initializer = zeros,
    gamma_init: Initializer = ones,
) -> Layer:
    """Features of mean 0 and variance 1 over a batch, then times ``gamma`` and plus ``beta``.

    The mean is that of the batch at hand always, as in jax: nothing is kept from training.

    Args:
        axis: over which axes one averages; all but the features by default.
        epsilon: is added to variances.
        center: whether there is a ``beta``.
        scale: whether there is a ``gamma``.
        beta_init: initializer of offsets.
        gamma_init: initializer of factors.

    Source: Ioffe & Szegedy (2015), arXiv:1502.03167.
    """
    over = (axis,) if isinstance(axis, int) else tuple(axis)

    def init(key: Any, input_shape: Shape) -> tuple[Shape, Any]:
        averaged = {a % len(input_shape) for a in over}
        shape = tuple(n for i, n in enumerate(input_shape) if i not in averaged)
        first, second = random.split(key)
        return input_shape, (
            beta_init(first, shape) if center else (),
            gamma_init(second, shape) if scale else (),
        )

    def apply(params: Any, inputs: Any, **context: Any) -> Any:
        beta, gamma = params
        averaged = {a % inputs.ndim for a in over}
        spread = tuple(None if i in averaged else slice(None) for i in range(inputs.ndim))
        out = nn.standardize(inputs, over, epsilon=epsilon)
        out = gamma[spread] * out if scale else out
        return out + beta[spread] if center else out

    return Layer(init, apply)


def LayerNorm(epsilon: float = 1e-5, center: bool = True, scale: bool = True) -> Layer:
    """Each example of mean 0 and variance 1 over its features, the last axis; then times ``gamma`` and plus ``beta``.

    Args:
        epsilon: is added to variances.
        center: whether there is a ``beta``, zeros at first.
        scale: whether there is a ``gamma``, ones at first.

    Source: Ba, Kiros & Hinton (2016), arXiv:1607.06450.
    """

    def init(key: Any, input_shape: Shape) -> tuple[Shape, Any]:
        shape = input_shape[-1:]
        return input_shape, (zeros(key, shape) if center else (), ones(key, shape) if scale else ())

    def apply(params: Any, inputs: Any, **context: Any) -> Any:
        beta, gamma = params
        out = nn.standardize(inputs, -1, epsilon=epsilon)
        out = gamma * out if scale else out
        return out + beta if center else out

    return Layer(init, apply)


# Windows


def _pooling(name: str, reduce: Callable[..., Any]) -> Callable[..., Layer]:
    def layer(
        window_shape: Sequence[int],
        strides: Sequence[int] | None = None,
        padding: Padding = "VALID",
        spec: str | None = None,
    ) -> Layer:
        steps = (1,) * len(window_shape) if strides is None else tuple(strides)
        rank = len(window_shape) + 2
        others = sorted((0, rank - 1) if spec is None else (spec.index("N"), spec.index("C")))
        batch = 0 if spec is None else spec.index("N")

        def around(sizes: Sequence[Any], other: Any) -> tuple[Any, ...]:
            """One size an axis, of sizes of spatial axes."""
            rest = iter(sizes)
            return tuple(other if i in others else next(rest) for i in range(rank))

        pairs = padding if isinstance(padding, str) else around(padding, (0, 0))
        options = around(window_shape, 1), around(steps, 1), pairs

        def run(inputs: Any) -> Any:
            return reduce(inputs, options, others)

        def init(key: Any, input_shape: Shape) -> tuple[Shape, Any]:
            shape = _result_shape(run, input_shape, float, batch)
            return (*shape[:batch], input_shape[batch], *shape[batch + 1 :]), ()

        return Layer(init, lambda params, inputs, **context: run(inputs))

    layer.__name__ = layer.__qualname__ = f"{name.capitalize()}Pool"
    layer.__doc__ = f"""The {name} of each window.

    Args:
        window_shape: lengths of a window, one a spatial axis.
        strides: of windows; ones by default.
        padding: "SAME", "VALID", or a pair (low, high) for each spatial axis. What is padded does not count.
        spec: what the axes are, such as "NCHW"; features are last by default.
    """
    return layer


_Options = tuple[tuple[int, ...], tuple[int, ...], Any]


def _max(x: Any, options: _Options, others: Sequence[int]) -> Any:
    return lax.reduce_window(x, -wnp.inf, lax.max, *options)


def _sum(x: Any, options: _Options, others: Sequence[int]) -> Any:
    return lax.reduce_window(x, 0.0, lax.add, *options)


def _mean(x: Any, options: _Options, others: Sequence[int]) -> Any:
    # How many elements a window has depends on neither batch nor features.
    one_example = wnp.ones([1 if i in others else n for i, n in enumerate(x.shape)], x.dtype)
    return _sum(x, options, others) / _sum(one_example, options, others)


MaxPool = _pooling("max", _max)
SumPool = _pooling("sum", _sum)
AvgPool = _pooling("avg", _mean)


# Noise


def Dropout(rate: float, mode: str = "train") -> Layer:
    """Set random elements to 0, and divide the others by ``rate``, so that means stay; its ``apply`` needs a key ``rng=``.

    Args:
        rate: which part is kept, as in jax.
        mode: "train"; in any other mode nothing happens.

    Raises:
        ArgumentError: ``apply`` is called without a key.

    Source: Srivastava et al. (2014), https://jmlr.org/papers/v15/srivastava14a.html.
    """

    def apply(params: Any, inputs: Any, *, rng: Any = None, **context: Any) -> Any:
        if mode != "train":
            return inputs
        if rng is None:
            raise ArgumentError(
                "stax.Dropout needs a key: call apply(params, inputs, rng=key), with another key each time; or make the "
                "network for use with Dropout(rate, mode='test')."
            )
        return wnp.where(random.bernoulli(rng, rate, inputs.shape), inputs / rate, 0)

    return Layer(lambda key, input_shape: (input_shape, ()), apply)
