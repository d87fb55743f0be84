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
from weft.errors import DTypeError, ShapeError

rng = np.random.default_rng(7)


def close(ours: Any, theirs: Any, tolerance: float = 1e-11) -> None:
    """Equal dtypes, shapes and, up to a tolerance, values; in trees."""
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.max(np.abs(b), initial=0)))


def check(fun: Callable[..., Any], *args: Any, tolerance: float = 1e-11, gradient: bool = True) -> None:
    """``fun(lax, *args)`` eagerly and under jit, and its gradient, against JAX."""
    wanted = fun(jl, *args)
    close(fun(wl, *args), wanted, tolerance)
    close(weft.jit(lambda *xs: fun(wl, *xs))(*args), wanted, tolerance)
    if gradient:
        weights = np.cos(np.arange(np.size(wanted))).reshape(np.shape(wanted)).astype(wanted.dtype)
        every = tuple(range(len(args)))
        theirs = jax.grad(lambda *xs: jnp.sum(weights * jnp.sin(fun(jl, *xs))), every)(*args)
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


@settings(max_examples=25, deadline=None)
@given(convolutions())
def test_convolution_is_jax(case: Any) -> None:
    lhs, rhs, options = case
    x, w = rng.standard_normal(lhs), rng.standard_normal(rhs)
    check(lambda lax, x, w: lax.conv_general_dilated(x, w, **options), x, w)


@settings(max_examples=10, deadline=None)
@given(convolutions(), st.sampled_from([(0, None), (None, 0), (1, 0), (0, 1)]))
def test_convolution_of_batches(case: Any, axes: Any) -> None:
    lhs, rhs, options = case
    args = [
        rng.standard_normal(shape if axis is None else (*shape[:axis], 2, *shape[axis:]))
        for shape, axis in zip((lhs, rhs), axes, strict=True)
    ]
    ours = weft.vmap(lambda x, w: wl.conv_general_dilated(x, w, **options), axes)
    theirs = jax.vmap(lambda x, w: jl.conv_general_dilated(x, w, **options), axes)
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


def test_dimension_numbers() -> None:
    for given_ in (None, ("NHWC", "HWIO", "NHWC"), ("CWNH", "OHIW", "HNCW")):
        ours = wl.conv_dimension_numbers((1, 2, 3, 4), (1, 2, 3, 4), given_)
        assert tuple(ours) == tuple(jl.conv_dimension_numbers((1, 2, 3, 4), (1, 2, 3, 4), given_))
    assert wl.conv_dimension_numbers((1, 2), (1, 2), ours) == ours
    args = ((2, 5, 6, 3), (3, 2, 3, 4), (2, 1), "SAME", ("NHWC", "HWIO", "NHWC"))
    assert wl.conv_general_shape_tuple(*args) == tuple(jl.conv_general_shape_tuple(*args))


def test_second_derivative_of_convolution() -> None:
    x, w = rng.standard_normal((1, 2, 5)), rng.standard_normal((2, 2, 3))

    def loss(lax: Any, sin: Any, w: Any) -> Any:
        return sin(lax.conv(x, w, (2,), "SAME")).sum()

    close(weft.hessian(lambda w: loss(wl, wnp.sin, w))(w), jax.hessian(lambda w: loss(jl, jnp.sin, w))(w))


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
