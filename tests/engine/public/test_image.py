"""`weft.image` against jax.image: values, dtypes, derivatives, transformations, errors."""

from __future__ import annotations

from typing import Any

import jax
import jax.image as ji
import numpy as np
import pytest

import weft
import weft.image as wi
from weft.errors import ArgumentError, ShapeError

METHODS = ("linear", "cubic", "cubic-pytorch", "lanczos3", "lanczos5", "area")
RNG = np.random.default_rng(0)
IMAGE = RNG.normal(size=(7, 11, 2))
SHAPES = [(7, 11, 2), (14, 22, 2), (3, 5, 2), (9, 4, 3), (1, 1, 2), (20, 11, 1)]
# As one program: by itself JAX compiles each operation in it.
resized_by_jax = jax.jit(ji.resize, static_argnums=(1, 2, 3))
TOLERANCES = {"float64": 1e-10, "float32": 3e-5, "float16": 5e-3}


def same(ours: Any, theirs: Any, tolerance: float = 1e-10) -> None:
    """Equal dtype, shape and, up to a tolerance, values."""
    a, b = np.asarray(ours), np.asarray(theirs)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_resize(method: str, antialias: bool) -> None:
    for shape in SHAPES:
        same(wi.resize(IMAGE, shape, method, antialias), resized_by_jax(IMAGE, shape, method, antialias))


@pytest.mark.parametrize("m", [1, 2, 3])
def test_few_pixels_whose_edges_are_repeated(m: int) -> None:
    for n in (1, 2, 5):
        ours = wi.resize(IMAGE[:m, 0, 0], (n,), "cubic-pytorch", False)
        same(ours, resized_by_jax(IMAGE[:m, 0, 0], (n,), "cubic-pytorch", False))


def test_nearest_keeps_the_dtype() -> None:
    for dtype in (np.int8, np.uint16, np.float32, np.float64, bool):
        image = (IMAGE * 50).astype(dtype)
        for shape in SHAPES:
            same(wi.resize(image, shape, "nearest"), resized_by_jax(image, shape, wi_to_jax("nearest")))


def wi_to_jax(name: str) -> ji.ResizeMethod:
    """JAX's method of a name."""
    return ji.ResizeMethod.from_string(name)


def test_nearest_is_exact_where_positions_are_halves() -> None:
    for m, n in ((3, 1), (5, 10), (10, 4), (1000, 999)):
        expected = [int(np.floor((i + 0.5) * m / n)) for i in range(n)]
        assert np.asarray(wi.resize(np.arange(m), (n,), "nearest")).tolist() == expected


@pytest.mark.parametrize("dtype", ["float16", "float32", "complex128", "int32", "uint8", "bool"])
def test_dtypes(dtype: str) -> None:
    image = np.abs(IMAGE * 40).astype(dtype)
    out = np.asarray(wi.resize(image, (5, 8, 2), "linear"))
    assert out.dtype == (dtype if image.dtype.kind in "fc" else np.float64)
    wide = image.astype(out.dtype if out.dtype.kind == "c" else np.float64)
    expected = np.asarray(resized_by_jax(wide, (5, 8, 2), "linear"))
    np.testing.assert_allclose(out, expected, rtol=2e-3 if dtype == "float16" else 1e-5)


@pytest.mark.parametrize(
    "name", ["linear", "bilinear", "trilinear", "triangle", "bicubic", "tricubic", "area", "nearest"]
)
def test_names_and_members(name: str) -> None:
    method = wi.ResizeMethod.from_string(name)
    assert method.name == wi_to_jax(name).name
    assert method.value == wi_to_jax(name).value
    same(wi.resize(IMAGE, (3, 30, 2), method), wi.resize(IMAGE, (3, 30, 2), name), 0)


@pytest.mark.parametrize("antialias", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_scale_and_translate(method: str, antialias: bool) -> None:
    # No position comes to lie exactly on a border, where rounding decides what is outside.
    scale, translation = np.array([0.6, 1.7]), np.array([1.25, -4.2])
    for shape, axes in (((8, 12, 2), (0, 1)), ((12, 8, 2), (-2, 0))):
        args = (shape, axes, scale, translation, method, antialias)
        expected = jax.jit(lambda x, args=args: ji.scale_and_translate(x, *args))(IMAGE)
        same(wi.scale_and_translate(IMAGE, *args), expected)
        traced = weft.jit(lambda x, s, t, rest=args: wi.scale_and_translate(x, *rest[:2], s, t, *rest[4:]))
        same(traced(IMAGE, scale, translation), expected)


def test_far_away_is_nothing() -> None:
    moved = wi.scale_and_translate(IMAGE, (7, 11, 2), (0,), [1.0], [100.0], "linear")
    assert not np.asarray(moved).any()


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_by_the_image(method: str) -> None:
    weight = RNG.normal(size=(5, 13, 2))

    def loss(lib: Any, x: Any) -> Any:
        return (weight * lib.resize(x, (5, 13, 2), method) ** 2).sum()

    expected = jax.jit(jax.grad(lambda x: loss(ji, x)))(IMAGE)
    same(weft.grad(lambda x: loss(wi, x))(IMAGE), expected)
    same(weft.jit(weft.grad(lambda x: loss(wi, x)))(IMAGE), expected)
    v = RNG.normal(size=IMAGE.shape)
    ours = weft.jvp(weft.grad(lambda x: loss(wi, x)), (IMAGE,), (v,))[1]
    same(ours, jax.jvp(jax.jit(jax.grad(lambda x: loss(ji, x))), (IMAGE,), (v,))[1])


@pytest.mark.parametrize("method", ["linear", "cubic", "lanczos3", "area"])
def test_derivatives_by_scale_and_translation(method: str) -> None:
    def loss(lib: Any, s: Any, t: Any) -> Any:
        return (lib.scale_and_translate(IMAGE, (6, 11, 2), (0,), s, t, method) ** 2).sum()

    args = (np.array([0.83]), np.array([0.37]))
    expected = jax.jit(jax.grad(lambda s, t: loss(ji, s, t), (0, 1)))(*args)
    for ours, theirs in zip(weft.grad(lambda s, t: loss(wi, s, t), (0, 1))(*args), expected, strict=True):
        same(ours, theirs, 1e-8)


def test_vmap() -> None:
    images = RNG.normal(size=(3, 5, 6))
    each = np.stack([np.asarray(wi.resize(x, (4, 9), "cubic")) for x in images])
    same(weft.vmap(lambda x: wi.resize(x, (4, 9), "cubic"))(images), each)
    shifts = np.array([[0.0], [0.5], [2.0]])
    moved = np.stack(
        [np.asarray(wi.scale_and_translate(images[0], (5, 6), (1,), [1.0], t, "linear")) for t in shifts]
    )
    same(
        weft.vmap(lambda t: wi.scale_and_translate(images[0], (5, 6), (1,), np.ones(1), t, "linear"))(shifts),
        moved,
    )


def test_no_pixels_asked_for() -> None:
    assert wi.resize(IMAGE, (0, 11, 2), "linear").shape == (0, 11, 2)
    assert wi.resize(IMAGE, (0, 11, 2), "nearest").shape == (0, 11, 2)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wi.resize(IMAGE, (3, 4), "linear"), ShapeError, r"got shape=\(3, 4\) for an image of shape \(7, 11, 2\)"),
        (lambda: wi.resize(IMAGE, (3, -4, 2), "linear"), ShapeError, r"lengths must not be negative"),
        (lambda: wi.resize(IMAGE, (3, 4, 2), "bilinar"), ArgumentError, r"no method 'bilinar'; it knows 'nearest', 'linear'"),
        (lambda: wi.resize(IMAGE, (3, 4, 2), 3), ArgumentError, r"takes method as a string or a ResizeMethod, got 3"),
        (lambda: wi.resize(np.zeros((0, 2)), (3, 2), "linear"), ShapeError, r"it has no pixels on an axis"),
        (lambda: wi.scale_and_translate(IMAGE, (7, 11, 2), (0,), [1.0], [0.0], "nearest"), ArgumentError, r"no method 'near"),
        (lambda: wi.scale_and_translate(IMAGE, (7, 11, 2), (0, 0), [1.0, 1.0], [0.0, 0.0], "linear"), ShapeError, r"different"),
        (lambda: wi.scale_and_translate(IMAGE, (7, 11, 2), (0,), 1.0, [0.0], "linear"), ShapeError, r"scale of shape \(\)"),
        (lambda: wi.scale_and_translate(IMAGE, (7, 10, 2), (0,), [1.0], [0.0], "linear"), ShapeError, r"axis 1 is not among"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
