"""Convolutions and window reductions of `weft.lax` against `jax.lax`: values, gradients, batches, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax as jl

import weft
from weft import lax as wl
from weft import numpy as wnp
from weft.errors import ArgumentError, DTypeError, ShapeError

rng = np.random.default_rng(7)


def close(ours: Any, theirs: Any, tolerance: float = 1e-11) -> None:
    """Equal dtypes, shapes and, up to a tolerance, values; in trees."""
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        largest = np.max(np.abs(b), initial=1, where=np.isfinite(b))
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * largest)


def check(fun: Callable[..., Any], *args: Any, tolerance: float = 1e-11, gradient: bool = True) -> None:
    """``fun(lax, *args)`` eagerly and under jit, and its gradient, against JAX."""
    wanted = jax.jit(lambda *xs: fun(jl, *xs))(*args)
    close(fun(wl, *args), wanted, tolerance)
    close(weft.jit(lambda *xs: fun(wl, *xs))(*args), wanted, tolerance)
    if gradient:
        weights = np.cos(np.arange(np.size(wanted))).reshape(np.shape(wanted)).astype(wanted.dtype)
        every = tuple(range(len(args)))
        theirs = jax.jit(jax.grad(lambda *xs: jnp.sum(weights * jnp.sin(fun(jl, *xs))), every))(*args)
        ours = weft.grad(lambda *xs: wnp.sum(weights * wnp.sin(fun(wl, *xs))), every)
        close(ours(*args), theirs, tolerance)
        close(weft.jit(ours)(*args), theirs, tolerance)


# Convolution


@st.composite
def convolutions(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]:
    """Shapes and options of a convolution that has a result."""
    rank = draw(st.integers(0, 3))
    groups = draw(st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2)]))
    per_axis = st.integers(1, 3)
    strides, lhs_dilation, rhs_dilation, window = ([draw(per_axis) for _ in range(rank)] for _ in range(4))
    space = [draw(st.integers(1, 6)) for _ in range(rank)]
    names = st.permutations("012"[:rank] + "ab").map(
        lambda p: "".join({"0": "X", "1": "Y", "2": "Z"}.get(c, c) for c in p)
    )
    specs = [draw(names).translate(str.maketrans("ab", letters)) for letters in ("NC", "OI", "NC")]
    n, i, o = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    sizes = [
        {"N": n * groups[1], "C": i * groups[0], **dict(zip("XYZ", space, strict=False))},
        {"I": i, "O": o * groups[0] * groups[1], **dict(zip("XYZ", window, strict=False))},
    ]
    spatial = [c for c in specs[1] if c not in "OI"]
    by_name = {c: k for c, k in zip("XYZ", range(rank), strict=False)}
    order = [by_name[c] for c in spatial]
    padding = []
    for axis in order:
        low = draw(st.integers(-1, 2))
        length = (space[axis] - 1) * lhs_dilation[axis] + 1
        reach = (window[axis] - 1) * rhs_dilation[axis] + 1
        padding.append((low, max(draw(st.integers(-1, 2)), reach - length - low)))
    options = {
        "window_strides": [strides[a] for a in order],
        "padding": padding,
        "lhs_dilation": [lhs_dilation[a] for a in order],
        "rhs_dilation": [rhs_dilation[a] for a in order],
        "dimension_numbers": tuple(specs),
        "feature_group_count": groups[0],
        "batch_group_count": groups[1],
    }
    lhs, rhs = (tuple(s[c] for c in spec) for s, spec in zip(sizes, specs, strict=False))
    return lhs, rhs, options


@settings(max_examples=10, deadline=None)
@given(convolutions())
def test_convolution_is_jax(case: Any) -> None:
    lhs, rhs, options = case
    x, w = rng.standard_normal(lhs), rng.standard_normal(rhs)
    check(lambda lax, x, w: lax.conv_general_dilated(x, w, **options), x, w)


@settings(max_examples=6, deadline=None)
@given(convolutions(), st.sampled_from([(0, None), (None, 0), (1, 0), (0, 1)]))
def test_convolution_of_batches(case: Any, axes: Any) -> None:
    lhs, rhs, options = case
    args = [
        rng.standard_normal(shape if axis is None else (*shape[:axis], 2, *shape[axis:]))
        for shape, axis in zip((lhs, rhs), axes, strict=True)
    ]
    ours = weft.vmap(lambda x, w: wl.conv_general_dilated(x, w, **options), axes)
    theirs = jax.jit(jax.vmap(lambda x, w: jl.conv_general_dilated(x, w, **options), axes))
    close(ours(*args), theirs(*args))
    close(weft.jit(ours)(*args), theirs(*args))


@pytest.mark.parametrize("padding", ["SAME", "VALID", "SAME_LOWER", "same"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 3)])
def test_padding_by_name(padding: str, strides: tuple[int, int]) -> None:
    x, w = rng.standard_normal((2, 3, 7, 6)), rng.standard_normal((4, 3, 3, 2))
    check(lambda lax, x, w: lax.conv(x, w, strides, padding), x, w)
    check(
        lambda lax, x, w: lax.conv_with_general_padding(x, w, strides, padding, None, (2, 1)),
        x,
        w,
        gradient=False,
    )


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16, np.float32, np.complex64, np.int32])
def test_dtypes_of_convolution(dtype: Any) -> None:
    x = (4 * rng.standard_normal((2, 5, 5, 3))).astype(dtype)
    w = (4 * rng.standard_normal((3, 3, 3, 4))).astype(dtype)
    tolerance = {2: 2e-2, 4: 1e-5, 8: 1e-5}[np.dtype(dtype).itemsize]
    names = ("NHWC", "HWIO", "NHWC")

    def fun(lax: Any, x: Any, w: Any) -> Any:
        return lax.conv_general_dilated(x, w, (1, 2), "SAME", dimension_numbers=names)

    wanted = np.asarray(fun(jl, x, w)).astype(np.complex64)
    for found in (fun(wl, x, w), weft.jit(lambda x, w: fun(wl, x, w))(x, w)):
        assert found.dtype == dtype
        scale = np.max(np.abs(wanted))
        np.testing.assert_allclose(np.asarray(found).astype(np.complex64), wanted, atol=tolerance * scale)


def test_preferred_element_type() -> None:
    x, w = np.full((1, 1, 4), 300, np.float16), np.full((1, 1, 4), 300, np.float16)
    out = wl.conv_general_dilated(x, w, (1,), "VALID", preferred_element_type=np.float32)
    assert out.dtype == np.float32
    assert out.item() == 360000  # more than float16 holds


@pytest.mark.parametrize("padding", ["SAME", "VALID", [(1, 2), (0, 1)]])
@pytest.mark.parametrize(("strides", "transpose_kernel"), [((2, 3), False), ((1, 2), True), ((4, 1), True)])
def test_conv_transpose(padding: Any, strides: Any, transpose_kernel: bool) -> None:
    x = rng.standard_normal((2, 4, 3, 3))
    w = rng.standard_normal((3, 2, 3, 5) if not transpose_kernel else (3, 2, 5, 3))
    check(
        lambda lax, x, w: lax.conv_transpose(x, w, strides, padding, transpose_kernel=transpose_kernel), x, w
    )
    check(
        lambda lax, x, w: lax.conv_transpose(
            x, w, strides, padding, (1, 2), transpose_kernel=transpose_kernel, use_consistent_padding=True
        ),
        x,
        w,
        gradient=False,
    )


def test_conv_transpose_of_any_rank() -> None:
    for rank in (0, 1, 3):
        x, w = rng.standard_normal((2, *[3] * rank, 4)), rng.standard_normal((*[2] * rank, 4, 5))
        check(lambda lax, x, w, rank=rank: lax.conv_transpose(x, w, (2,) * rank, "SAME"), x, w)
    with pytest.raises(ShapeError, match="needs dimension_numbers: there is no default for 4"):
        wl.conv_transpose(np.ones((1,) * 6), np.ones((1,) * 6), (1,) * 4, "SAME")


def test_patches() -> None:
    x = rng.standard_normal((2, 5, 6, 3))
    names = ("NHWC", "HWIO", "NHWC")
    check(
        lambda lax, x: lax.conv_general_dilated_patches(
            x, (2, 3), (1, 2), "SAME", rhs_dilation=(2, 1), dimension_numbers=names
        ),
        x,
    )


@pytest.mark.parametrize("names", [None, ("NHWC", "HWIO", "NHWC"), ("WNCH", "OHIW", "CWHN")])
def test_windows_of_their_own_at_each_place(names: Any) -> None:
    """`conv_general_dilated_local`, with its derivatives."""
    x = (
        rng.normal(size=(2, 3, 5, 6))
        if names is None
        else rng.normal(size=[{"N": 2, "C": 3, "H": 5, "W": 6}[c] for c in names[0]])
    )
    options = {"filter_shape": (2, 3), "rhs_dilation": (2, 1), "dimension_numbers": names}
    place = {"O": 4, "I": 18, "H": 3, "W": 3}
    w = rng.normal(size=[place[c] for c in (names[1] if names else "OIHW")])
    check(lambda lax, x, w: lax.conv_general_dilated_local(x, w, (1, 2), ((0, 0), (1, 0)), **options), x, w)


def test_shapes_of_results() -> None:
    for names in (("NCHW", "OIHW", "NCHW"), ("NHWC", "HWIO", "WNHC")):
        assert wl.conv_general_permutations(names) == tuple(map(tuple, jl.conv_general_permutations(names)))
        for padding in ("SAME", "VALID", ((1, 2), (0, 1))):
            args = ((2, 7, 9, 7), (3, 2, 7, 4), (2, 3), padding, names)
            assert wl.conv_transpose_shape_tuple(*args) == jl.conv_transpose_shape_tuple(*args)
            assert wl.conv_general_shape_tuple(*args) == jl.conv_general_shape_tuple(*args)
            args = ((4, 3, 7, 9), (6, 3, 2, 2), (2, 1), padding)
            assert wl.conv_shape_tuple(*args, 2) == jl.conv_shape_tuple(*args, 2)
    for padding in ("SAME", "SAME_LOWER", "VALID"):
        args = ((7, 9), (3, 2), (2, 3))
        assert list(wl.padtype_to_pads(*args, padding)) == jl.padtype_to_pads(*map(np.array, args), padding)


def test_dimension_numbers() -> None:
    for given_ in (None, ("NHWC", "HWIO", "NHWC"), ("CWNH", "OHIW", "HNCW")):
        ours = wl.conv_dimension_numbers((1, 2, 3, 4), (1, 2, 3, 4), given_)
        assert ours == wl.ConvDimensionNumbers(*jl.conv_dimension_numbers((1, 2, 3, 4), (1, 2, 3, 4), given_))
    assert wl.conv_dimension_numbers((1, 2), (1, 2), ours) == ours
    args = ((2, 5, 6, 3), (3, 2, 3, 4), (2, 1), "SAME", ("NHWC", "HWIO", "NHWC"))
    assert wl.conv_general_shape_tuple(*args) == tuple(jl.conv_general_shape_tuple(*args))


def test_second_derivative_of_convolution() -> None:
    x, w = rng.standard_normal((1, 2, 5)), rng.standard_normal((2, 2, 3))

    def loss(lax: Any, sin: Any, w: Any) -> Any:
        return sin(lax.conv(x, w, (2,), "SAME")).sum()

    close(
        weft.hessian(lambda w: loss(wl, wnp.sin, w))(w),
        jax.jit(jax.hessian(lambda w: loss(jl, jnp.sin, w)))(w),
    )


X, W = np.ones((2, 5, 5, 3)), np.ones((3, 3, 3, 4))
NHWC = ("NHWC", "HWIO", "NHWC")


@pytest.mark.parametrize(
    ("args", "options", "error", "says"),
    [
        ((X, np.ones((3, 3, 2, 4)), (1, 1), "SAME"), {}, ShapeError, r"lhs f64\[2,5,5,3\] has 3 features \(axis 3\)"),
        ((X, np.ones((3, 3)), (1, 1), "SAME"), {}, ShapeError, "lhs and rhs of one rank"),
        ((X, W.astype(np.float32), (1, 1), "SAME"), {}, DTypeError, "operands of one dtype"),
        ((X, W, (1,), "SAME"), {}, ShapeError, "window_strides needs a positive integer for each of the 2"),
        ((X, W, (1, 0), "SAME"), {}, ShapeError, "window_strides needs a positive integer"),
        ((X, W, (1, 1), "VALDI"), {}, ShapeError, "'SAME', 'SAME_LOWER' and 'VALID'.*'VALDI'"),
        ((X, W, (1, 1), [(1, 1)]), {}, ShapeError, r"a pair \(low, high\) for each of 2 spatial axes"),
        ((X, W, (1, 1), [(-4, -4), (0, 0)]), {}, ShapeError, "cuts off more than there is"),
        ((X, W, (1, 1), "SAME"), {"lhs_dilation": (2, 1)}, ShapeError, "give pairs, or use conv_transpose"),
        ((X, W, (1, 1), "SAME"), {"feature_group_count": 3}, ShapeError, "takes 3 .* for each of 3 feature groups"),
        ((X, W, (1, 1), "SAME"), {"batch_group_count": 3}, ShapeError, "which 3 groups do not divide"),
        (
            (X, np.ones((3, 3, 1, 6)), (1, 1), "SAME"),
            {"feature_group_count": 3, "batch_group_count": 2},
            ShapeError,
            "one of them 1",
        ),
        ((X, W, (1, 1), "SAME"), {"dimension_numbers": ("NHWC", "HWIO", "NHW")}, ShapeError, "the result by 'NHW'"),
        ((X, W, (1, 1), "SAME"), {"dimension_numbers": ("NHWC", "HWIO", "NXWC")}, ShapeError, "different spatial"),
        ((X, W, (1, 1), "SAME"), {"dimension_numbers": ("NHWC", "HWIO")}, ShapeError, "are three"),
        ((X[0, 0, 0], W, (), "SAME"), {"dimension_numbers": None}, ShapeError, "a batch and a feature axis"),
    ],
)  # fmt: skip
def test_errors_of_convolution(args: Any, options: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        wl.conv_general_dilated(*args, **{"dimension_numbers": NHWC, **options})


# Window reductions


@st.composite
def windows(draw: Any) -> tuple[tuple[int, ...], dict[str, Any]]:
    """A shape, and the options of windows that fit into it."""
    rank = draw(st.integers(1, 4))
    shape, padding, options = [], [], {}
    for name in ("window_dimensions", "window_strides", "window_dilation", "base_dilation"):
        options[name] = [draw(st.integers(1, 3)) for _ in range(rank)]
    for k, apart, spread in zip(
        options["window_dimensions"], options["window_dilation"], options["base_dilation"], strict=True
    ):
        n, low = draw(st.integers(1, 6)), draw(st.integers(0, 2))
        shape.append(n)
        padding.append((low, max(draw(st.integers(0, 2)), (k - 1) * apart - (n - 1) * spread - low)))
    options["padding"] = draw(st.sampled_from(["SAME", "VALID", padding]))
    if options["padding"] != padding:
        options["base_dilation"] = [1] * rank
    return tuple(shape), options


MONOIDS = {"add": 0.0, "max": -np.inf, "min": np.inf, "mul": 1.0}


@settings(max_examples=10, deadline=None)
@given(windows(), st.sampled_from(["add", "max", "min"]))
def test_reduce_window_is_jax(case: Any, op: str) -> None:
    shape, options = case
    x = rng.standard_normal(shape)
    smooth = op == "add" or set(options["base_dilation"]) == set(options["window_dilation"]) == {1}
    check(lambda lax, x: lax.reduce_window(x, MONOIDS[op], getattr(lax, op), **options), x, gradient=smooth)
    ours = weft.vmap(lambda x: wl.reduce_window(x, MONOIDS[op], getattr(wl, op), **options), 1)
    theirs = jax.jit(jax.vmap(lambda x: jl.reduce_window(x, MONOIDS[op], getattr(jl, op), **options), 1))
    xs = rng.standard_normal((*shape[:1], 3, *shape[1:]))
    close(ours(xs), theirs(xs))
    close(weft.jit(ours)(xs), theirs(xs))


@settings(max_examples=5, deadline=None)
@given(windows())
def test_reduce_window_by_any_function(case: Any) -> None:
    shape, options = case
    x = rng.standard_normal(shape)

    def folded(lax: Any, x: Any) -> Any:
        return lax.reduce_window(x, 0.5, lambda a, b: a + b + a * b, **options)

    close(folded(wl, x), folded(jl, x), 1e-9)
    close(weft.jit(lambda x: folded(wl, x))(x), folded(jl, x), 1e-9)


@pytest.mark.parametrize(
    "dtype", [np.float16, jnp.bfloat16, np.float32, np.complex64, np.int32, np.uint8, bool]
)
def test_dtypes_of_reduce_window(dtype: Any) -> None:
    x = (4 * rng.standard_normal((2, 6, 7, 3))).astype(dtype)
    window = ((1, 3, 2, 1), (1, 2, 2, 1), "SAME")
    cases = [("add", np.zeros((), dtype))] if dtype is not bool else []
    if np.dtype(dtype).kind != "c":
        integer = np.dtype(dtype).kind in "iu"
        low, high = (np.iinfo(dtype).min, np.iinfo(dtype).max) if integer else (-np.inf, np.inf)
        low, high = (False, True) if dtype is bool else (low, high)
        cases += [("max", np.asarray(low).astype(dtype)), ("min", np.asarray(high).astype(dtype))]
    if np.dtype(dtype).kind in "iub":
        cases += [("bitwise_and", np.asarray(True if dtype is bool else ~np.zeros((), dtype)))]
        cases += [("bitwise_or", np.zeros((), dtype))]
    for name, init in cases:
        wanted = jl.reduce_window(x, init, getattr(jl, name), *window)
        ours = lambda x, name=name, init=init: wl.reduce_window(x, init, getattr(wl, name), *window)  # noqa: E731
        for found in (ours(x), weft.jit(ours)(x)):
            assert found.dtype == dtype
            tolerance = 2e-2 if np.dtype(dtype).itemsize == 2 else 1e-6
            np.testing.assert_allclose(
                np.asarray(found).astype(complex), np.asarray(wanted).astype(complex), atol=tolerance * 40
            )


@pytest.mark.parametrize(("shape", "window"), [((200,), (100,)), ((40, 40), (12, 9)), ((3, 50), (1, 40))])
def test_large_windows(shape: Any, window: Any) -> None:
    x = rng.standard_normal(shape)
    for op, init in MONOIDS.items():
        check(lambda lax, x, op=op, init=init: lax.reduce_window(x, init, getattr(lax, op), window), x,
              gradient=op in ("add", "max"))  # fmt: skip


@pytest.mark.parametrize("channels", [2, 7, 300])
@pytest.mark.parametrize(
    ("window", "padding", "dilation"),
    [
        ((1, 3, 1), ((0, 0), (1, 1), (0, 0)), (1, 1, 1)),
        ((1, 4, 1), ((0, 0), (0, 0), (0, 0)), (1, 2, 1)),
        ((2, 3, 1), ((1, 0), (2, 3), (0, 0)), (1, 3, 1)),
        ((1, 2, 1), ((0, 0), (-1, 1), (0, 0)), (1, 1, 1)),
        ((2, 2, 1), ((0, 0), (-2, -1), (0, 0)), (1, 1, 1)),
        ((1, 3, 1), ((0, 0), (1, 1), (1, 1)), (1, 1, 1)),
        ((1, 1, 1), ((0, 0), (2, 0), (0, 0)), (1, 1, 1)),
    ],
)
def test_windows_at_every_place_before_channels(
    window: Any, padding: Any, dilation: Any, channels: int
) -> None:
    """Along such an axis and the channels together everything lies side by side, padding at both ends."""
    x = rng.normal(size=(3, 11, channels))
    for op, init in (("add", 0.0), ("max", -np.inf)):

        def fun(lax: Any, x: Any, op: str = op, init: float = init) -> Any:
            return lax.reduce_window(x, init, getattr(lax, op), window, (1, 1, 1), padding, None, dilation)

        plain = op == "add" or (min(map(min, padding)) >= 0 and set(dilation) == {1})
        check(fun, x, gradient=plain and channels < 300)


def test_equal_extrema_give_their_gradient_to_the_first() -> None:
    x = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [2.0, 2.0, np.nan]])
    for op in ("max", "min"):

        def pooled(lax: Any, x: Any, op: str = op) -> Any:
            return lax.reduce_window(x, MONOIDS[op], getattr(lax, op), (2, 2)).sum()

        ours, theirs = weft.grad(lambda x: pooled(wl, x)), jax.jit(jax.grad(lambda x: pooled(jl, x)))
        close(ours(x[:2]), theirs(x[:2]))
        close(weft.jit(ours)(x[:2]), theirs(x[:2]))


def test_windows_of_nan_and_of_nothing() -> None:
    x = np.array([1.0, np.nan, 3.0, -np.inf])
    ours = lambda x: wl.reduce_window(x, -np.inf, wl.max, (2,), padding=[(2, 1)])  # noqa: E731
    wanted = np.array([-np.inf, 1, np.nan, np.nan, 3, -np.inf])
    for found in (ours(x), weft.jit(ours)(x)):
        np.testing.assert_array_equal(found, wanted)
    slope = weft.jit(weft.grad(lambda x: wnp.nansum(ours(x)[:2])))(x)
    np.testing.assert_array_equal(slope, [1, 0, 0, 0])
    for f in (ours, weft.jit(ours)):
        np.testing.assert_array_equal(f(np.zeros(0)), [-np.inf, -np.inf])


def test_second_derivative_of_pooling() -> None:
    x = rng.standard_normal((5, 4))

    def loss(lax: Any, square: Any, x: Any) -> Any:
        pooled = lax.reduce_window(x, -np.inf, lax.max, (2, 2), (1, 2), "SAME")
        return square(lax.reduce_window(pooled, 0.0, lax.add, (2, 1))).sum()

    ours = weft.hessian(lambda x: loss(wl, wnp.square, x))
    close(ours(x), jax.jit(jax.hessian(lambda x: loss(jl, jnp.square, x)))(x))


def test_product_of_windows_has_a_derivative_at_zeros() -> None:
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    slope = weft.grad(lambda x: wl.reduce_window(x, 1.0, wl.mul, (3,)).sum())
    wanted = jax.jit(jax.grad(lambda x: jnp.sum(x[:-2] * x[1:-1] * x[2:])))(x)
    close(slope(x), wanted)
    close(weft.jit(slope)(x), wanted)


def test_fold_of_several_arrays() -> None:
    x = rng.standard_normal(20)
    position = np.arange(20)

    def larger(a: Any, b: Any) -> Any:
        keep = a[0] >= b[0]
        return wnp.where(keep, a[0], b[0]), wnp.where(keep, a[1], b[1])

    fold = lambda x, i: wl.reduce_window((x, i), (-np.inf, -1), larger, (4,), (3,))  # noqa: E731
    for f in (fold, weft.jit(fold)):
        value, place = f(x, position)
        np.testing.assert_array_equal(value, x[np.asarray(place)])
        np.testing.assert_array_equal(place, [np.argmax(x[i : i + 4]) + i for i in range(0, 17, 3)])


def test_select_and_scatter_add() -> None:
    x = rng.standard_normal((1, 6, 6, 2))
    pooled, pull = jax.vjp(
        jax.jit(lambda x: jl.reduce_window(x, -np.inf, jl.max, (1, 3, 2, 1), (1, 2, 2, 1), "SAME")), x
    )
    source = rng.standard_normal(pooled.shape)
    ours = lambda y, x: wl.select_and_scatter_add(y, x, wl.ge, (1, 3, 2, 1), (1, 2, 2, 1), "SAME")  # noqa: E731
    close(ours(source, x), pull(source)[0])
    close(weft.jit(ours)(source, x), pull(source)[0])
    close(weft.jit(weft.grad(lambda y: (ours(y, x) * x).sum()))(source), pooled)


def test_reduce_window_shape() -> None:
    args = ((7, 8), (3, 2), (2, 1), [(1, 2), (0, 3)], (2, 1), (1, 3))
    assert wl.reduce_window_shape_tuple(*args) == tuple(jl.reduce_window_shape_tuple(*args))


@pytest.mark.parametrize(
    ("args", "error", "says"),
    [
        ((np.ones(4), 0.0, wl.add, (2, 2)), ShapeError, r"needs window_dimensions .* of its 1 axes; got \(2, 2\)"),
        ((np.ones(4), 0.0, wl.add, (2,), (0,)), ShapeError, "needs window_strides with an integer of at least 1"),
        ((np.ones(4), 0.0, wl.add, (2,), (1,), "SMAE"), ShapeError, "'SMAE'"),
        ((np.ones(4), 0.0, wl.add, (2,), (1,), [(1,)]), ShapeError, r"a pair \(low, high\) for each"),
        ((np.ones(4), 0.0, wl.add, (2,), (1,), [(-3, -2)]), ShapeError, "cuts off more than there is"),
        ((np.ones(4), np.zeros(2), wl.add, (2,)), ShapeError, "needs scalars as init_value"),
        (((np.ones(4), np.ones(3)), (0.0, 0.0), wl.add, (2,)), ShapeError, "arrays of one shape"),
        (((np.ones(4), np.ones(4)), 0.0, wl.add, (2,)), ArgumentError, "an init_value for each array"),
        ((1j * np.ones(4), 0.0, lambda a, b: abs(a), (2,)), DTypeError, "a fold keeps its dtype"),
        ((np.ones(4), 0.5, lambda a, b: (a, b), (2,)), ArgumentError, "gives 2 values for 1 arrays"),
    ],
)  # fmt: skip
def test_errors_of_reduce_window(args: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        wl.reduce_window(*args)


def test_new_shapes_compile_nothing() -> None:
    def loss(lax: Any, x: Any) -> Any:
        return lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME").sum()

    pool = weft.jit(weft.value_and_grad(lambda x: loss(wl, x)))
    for rows in (8, 9):  # windows that end with the array are boxes, others go over its edge
        pool(rng.standard_normal((3, rows, 8, 3)))
    before = pool.compiles
    for n in range(4, 12):
        x = rng.standard_normal((2, n + 1, 2 * n, 3))
        close(pool(x)[0], loss(jl, x))
    assert pool.compiles == before


@pytest.mark.parametrize("length", [3, 6, 7, 8, 17, 40])
def test_padded_rows_of_images_with_features_first(length: int) -> None:
    """What the first of several lanes reads may be padding, where the others read the row."""
    x = np.random.default_rng(0).normal(size=(2, 3, length))
    around = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    expected = around[:, :-1, :-1] + around[:, 1:, :-1] + around[:, :-1, 1:] + around[:, 1:, 1:]

    def sums(x):
        return wl.reduce_window(x, 0.0, wl.add, (1, 2, 2), (1, 1, 1), ((0, 0), (0, 0), (1, 1)))

    np.testing.assert_allclose(sums(x), expected, atol=1e-14)
    np.testing.assert_allclose(weft.jit(sums)(x), expected, atol=1e-14)
