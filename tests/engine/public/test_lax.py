"""`weft.lax` against `jax.lax`: each function eagerly and under jit; collectives; errors."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from jax import lax as jl

import weft
from weft import lax as wl
from weft.errors import ArgumentError, AxisError, DTypeError, ShapeError, UserError

_rng = np.random.RandomState(5)
X, Y = _rng.randn(3, 4), _rng.randn(3, 4)
UNIT = _rng.rand(3, 4) * 0.9 + 0.05  # inside (0, 1)
Z = X + 1j * Y
I, J = _rng.randint(-9, 9, (3, 4)), _rng.randint(1, 9, (3, 4))  # noqa: E741
U = _rng.randint(0, 2**32, (3, 4), np.uint32)
B = X > 0
CUBE = _rng.randn(2, 3, 4)


def close(ours: Any, theirs: Any, tolerance: float = 1e-11) -> None:
    """Equal structure, dtypes, shapes and, up to a tolerance, values."""
    ours, theirs = jax.tree.leaves(jax.tree.map(np.asarray, ours)), jax.tree.leaves(theirs)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, map(np.asarray, theirs), strict=True):
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def check(fun: Callable[..., Any], args: tuple[Any, ...], tolerance: float = 1e-11) -> None:
    """Eager, jitted and JAX's results of ``fun(lax, *args)`` agree."""
    wanted = jax.jit(lambda *xs: fun(jl, *xs))(*args)
    close(fun(wl, *args), wanted, tolerance)
    close(weft.jit(lambda *xs: fun(wl, *xs))(*args), wanted, tolerance)


FLOAT_UNARY = (
    "neg abs sign floor ceil sqrt rsqrt cbrt exp exp2 expm1 log log1p logistic sin cos tan asin acos atan sinh cosh tanh asinh "
    "atanh erf erfc erf_inv lgamma digamma is_finite square reciprocal bessel_i0e bessel_i1e"
).split()
ELEMENTWISE: dict[str, tuple[Any, ...]] = {
    **{name: (UNIT,) for name in FLOAT_UNARY},
    "acosh": (1 + UNIT,),
    **{name: (X, Y) for name in ("add", "sub", "mul", "div", "rem", "max", "min", "atan2", "nextafter")},
    **{name: (I, J) for name in ("eq", "ne", "lt", "le", "gt", "ge", "shift_left", "shift_right_arithmetic")},
    **{name: (I, J) for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "shift_right_logical")},
    "bitwise_not": (I,), "population_count": (U,), "clz": (U,),
    "pow": (UNIT, X), "igamma": (UNIT, J + UNIT), "igammac": (UNIT, J + UNIT), "betainc": (UNIT, J + UNIT, 1 - UNIT),
    "zeta": (1 + UNIT, J + UNIT), "real": (Z,), "imag": (Z,), "conj": (Z,), "complex": (X, Y),
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name: str) -> None:
    check(lambda lax, *xs: getattr(lax, name)(*xs), ELEMENTWISE[name], 1e-9)


def test_every_elementwise_function_is_tested() -> None:
    from weft.lax import elementwise

    made = {
        n for n, f in vars(elementwise).items() if getattr(f, "__qualname__", None) == n and n in wl.__all__
    }
    others = {
        "bitcast_convert_type",
        "clamp",
        "convert_element_type",
        "integer_pow",
        "optimization_barrier",
        "polygamma",
        *("igamma_grad_a", "mulhi", "random_gamma_grad", "reduce_precision"),
    }
    assert made - set(ELEMENTWISE) - others == {"round", "select", "select_n"}


def _whole(dtype: str, seed: int) -> np.ndarray:
    """Integers over the whole range of a dtype, its ends among them."""
    info = np.iinfo(dtype)
    some = np.random.default_rng(seed).integers(info.min, info.max, 30, dtype, endpoint=True)
    return np.concatenate([some, np.roll(np.array([info.min, info.max, 1], dtype), seed)])


def _wide_range(dtype: str) -> np.ndarray:
    """Floats of all sizes, halves between neighbours of few bits, subnormal and special ones."""
    info = np.finfo(dtype)
    sizes = np.ldexp(1.0, np.random.RandomState(3).randint(info.minexp - info.nmant, info.maxexp, 200))
    x = np.concatenate(
        [
            sizes * (1 + np.arange(200) / 64),
            1 + np.arange(64) / 32,
            [0.0, np.inf, np.nan, info.max, info.tiny],
        ]
    )
    with np.errstate(over="ignore"):
        return np.concatenate([x, -x]).astype(dtype)


NUMBERS = ("sum", "prod", "max", "min")
RUNNING = ("cumsum", "cumprod", "cummax", "cummin", "cumlogsumexp")
F32 = X.astype(np.float32)
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "integers divide towards zero": (lambda lax, x, y: lax.div(x, y), (I, J)),
    "remainders of integers": (lambda lax, x, y: lax.rem(x, y), (I, J)),
    "scalars take the dtype": (lambda lax, x: lax.mul(x, 2.0), (X,)),
    "integer_pow": (lambda lax, x: lax.integer_pow(x, -3), (X,)),
    "round away": (lambda lax, x: lax.round(x), (np.array([-2.5, -0.5, 0.5, 1.4, 1.5, 2.5, 0.49999999999999994, np.inf]),)),
    "round even": (lambda lax, x: lax.round(x, lax.RoundingMethod.TO_NEAREST_EVEN), (np.array([-2.5, -0.5, 0.5, 1.5, 2.5]),)),
    "clamp": (lambda lax, x: lax.clamp(-0.5, x, 0.5), (X,)),
    "clamp by arrays": (lambda lax, x, low, high: lax.clamp(low, x, high), (X, -UNIT, UNIT)),
    "select": (lambda lax, c, x, y: lax.select(c, x, y), (B, X, Y)),
    "select_n of bool": (lambda lax, c, x, y: lax.select_n(c, x, y), (B, X, Y)),
    "select_n": (lambda lax, c, x, y: lax.select_n(c, x, y, x), ((J % 3).astype(np.int32), X, Y)),
    "convert_element_type": (lambda lax, x: lax.convert_element_type(x, np.int32), (9 * X,)),
    "bitcast_convert_type": (lambda lax, x: lax.bitcast_convert_type(x, np.int64), (X,)),
    **{
        f"bitcast_convert_type of {old} to {new}": (
            lambda lax, x, new=new: lax.bitcast_convert_type(x, new), (_whole("uint64", 1)[:32].view(old).reshape(4, -1, 2),))
        for old, new in (("float64", "uint32"), ("uint8", "int16"), ("int32", "float64"), ("int64", "uint16"))
    },
    "bitcast_convert_type of four to one": (lambda lax, x: lax.bitcast_convert_type(x, np.int32), (J.astype(np.int8),)),
    "bitcast_convert_type of two halves": (
        lambda lax, x: lax.bitcast_convert_type(x, np.float32), (F32.view(np.float16).reshape(3, 4, 2),)),
    "polygamma": (lambda lax, x: lax.polygamma(2.0, x), (UNIT,)),
    "polygamma of several orders": (lambda lax, m, x: lax.polygamma(m, x), (np.arange(12.0).reshape(3, 4) % 5, UNIT + 1)),
    "optimization_barrier": (lambda lax, x: lax.optimization_barrier({"a": x, "b": (x,)}), (X,)),
    "broadcast": (lambda lax, x: lax.broadcast(x, (2, 1)), (X,)),
    "broadcast_in_dim": (lambda lax, x: lax.broadcast_in_dim(x, (3, 2, 4), (0, 2)), (X,)),
    "broadcast_in_dim of ones": (lambda lax, x: lax.broadcast_in_dim(x, (3, 2, 4), (0, 2)), (X[:1],)),
    "reshape": (lambda lax, x: lax.reshape(x, (2, 6)), (X,)),
    "reshape turned": (lambda lax, x: lax.reshape(x, (2, 6), (1, 0)), (X,)),
    "transpose": (lambda lax, x: lax.transpose(x, (2, 0, 1)), (CUBE,)),
    "squeeze": (lambda lax, x: lax.squeeze(x, (0, -1)), (X.reshape(1, 3, 4, 1),)),
    "expand_dims": (lambda lax, x: lax.expand_dims(x, (0, -1)), (X,)),
    "rev": (lambda lax, x: lax.rev(x, (0, 2)), (CUBE,)),
    "collapse": (lambda lax, x: lax.collapse(x, 0, 2), (CUBE,)),
    "collapse to the end": (lambda lax, x: lax.collapse(x, 1), (CUBE,)),
    "pad": (lambda lax, x: lax.pad(x, 7.0, ((1, 2, 0), (-1, 0, 2))), (X,)),
    "concatenate": (lambda lax, x, y: lax.concatenate([x, y, x], 1), (X, Y)),
    "iota": (lambda lax: lax.iota(np.int32, 5), ()),
    "broadcasted_iota": (lambda lax: lax.broadcasted_iota(np.float32, (2, 3), 1), ()),
    "full": (lambda lax: lax.full((2, 3), 7, np.float32), ()),
    "full of a float": (lambda lax: lax.full((2,), 1.5), ()),
    "full_like": (lambda lax, x: lax.full_like(x, 7, shape=(2,)), (X.astype(np.float32),)),
    "slice": (lambda lax, x: lax.slice(x, (0, 1), (3, 4), (2, 1)), (X,)),
    "slice_in_dim": (lambda lax, x: lax.slice_in_dim(x, -3, None, 2, axis=1), (X,)),
    "index_in_dim": (lambda lax, x: lax.index_in_dim(x, -1, 1, keepdims=False), (X,)),
    "dynamic_slice": (lambda lax, x, i: lax.dynamic_slice(x, (i, 1), (2, 2)), (X, np.int64(1))),
    "dynamic_slice beyond": (lambda lax, x, i: lax.dynamic_slice(x, (i, -1), (2, 2)), (X, np.int64(9))),
    "dynamic_slice of a vector of starts": (lambda lax, x, i: lax.dynamic_slice(x, i, (2, 2)), (X, np.array([-2, 1]))),
    "dynamic_slice without negative indices": (
        lambda lax, x, i: (
            lax.dynamic_slice(x, (i, i), (2, 2), allow_negative_indices=(False, True)),
            lax.dynamic_index_in_dim(x, i, 1, allow_negative_indices=False),
            lax.dynamic_update_index_in_dim(x, x[0], i, 0, allow_negative_indices=False),
            lax.dynamic_slice_in_dim(x, i, 2, allow_negative_indices=False),
        ), (X, np.int64(-2))),
    "dynamic_slice_in_dim": (lambda lax, x, i: lax.dynamic_slice_in_dim(x, i, 2, axis=1), (X, np.int64(1))),
    "dynamic_index_in_dim": (lambda lax, x, i: lax.dynamic_index_in_dim(x, i, 0, keepdims=False), (X, np.int64(-1))),
    "dynamic_update_slice": (lambda lax, x, y, i: lax.dynamic_update_slice(x, y[:2, :2], (i, 0)), (X, Y, np.int64(2))),
    "dynamic_update_slice_in_dim": (lambda lax, x, i: lax.dynamic_update_slice_in_dim(x, Y[:1], i, 0), (X, np.int64(1))),
    "dynamic_update_index_in_dim": (lambda lax, x, y, i: lax.dynamic_update_index_in_dim(x, y[0], i, 0), (X, Y, np.int64(1))),
    **{f"reduce_{n}": (lambda lax, x, n=n: getattr(lax, f"reduce_{n}")(x, (0, 2)), (CUBE,)) for n in NUMBERS},
    **{f"reduce_{n}": (lambda lax, x, n=n: getattr(lax, f"reduce_{n}")(x, (1,)), (B,)) for n in ("and", "or")},
    "argmax": (lambda lax, x: lax.argmax(x, 1, np.int32), (X,)),
    "argmin": (lambda lax, x: lax.argmin(x, 0, np.int64), (X,)),
    **{n: (lambda lax, x, n=n: getattr(lax, n)(x, 1, reverse=True), (X,)) for n in RUNNING},
    "cumlogsumexp of complex": (lambda lax, x: lax.cumlogsumexp(9 * x, 1), (Z,)),
    "cumlogsumexp of complex back": (lambda lax, x: lax.cumlogsumexp(x, 0, reverse=True), (Z,)),
    "sort": (lambda lax, x: lax.sort(x), (X,)),
    "sort an axis": (lambda lax, x: lax.sort(x, dimension=0), (X,)),
    "sort several": (lambda lax, x, y: lax.sort((x, y, x), num_keys=2), (J, X)),
    "sort_key_val": (lambda lax, x, y: lax.sort_key_val(x, y), (X, Y)),
    "dot_general": (lambda lax, x, y: lax.dot_general(x, y, (((2,), (1,)), ((0,), (0,)))), (CUBE, CUBE.transpose(0, 2, 1))),
    "dot": (lambda lax, x, y: lax.dot(x, y), (X, Y.T)),
    "dot of vectors": (lambda lax, x, y: lax.dot(x, y), (X[0], Y[0])),
    "dot in another dtype": (lambda lax, x: lax.dot(x, x.T, preferred_element_type=np.float64), (F32,)),
    "batch_matmul": (lambda lax, x, y: lax.batch_matmul(x, y), (CUBE, CUBE.transpose(0, 2, 1))),
    "dot by dimension numbers": (lambda lax, x, y: lax.dot(x, y, dimension_numbers=(((0,), (0,)), ((1,), (1,)))), (X, Y)),
    "dot_general of small integers": (
        lambda lax, x: lax.dot_general(x, x, (((1,), (1,)), ((), ())), preferred_element_type=np.int32), (I.astype(np.int8),)
    ),
    "top_k": (lambda lax, x: lax.top_k(x, 2), (X,)),
    "top_k along an axis": (lambda lax, x: lax.top_k(x, 2, axis=0), (X,)),
    "approx_max_k": (lambda lax, x: lax.approx_max_k(x, 2), (X,)),
    "approx_min_k": (lambda lax, x: lax.approx_min_k(x, 2, reduction_dimension=0), (X,)),
    "reduce_xor": (lambda lax, x: lax.reduce_xor(x, (1,)), (I,)),
    "reduce_xor of bools": (lambda lax, x: lax.reduce_xor(x, (0, 1)), (B,)),
    "broadcast_like": (lambda lax, x, y: lax.broadcast_like(x, y), (X[:1], CUBE[:, :3])),
    "broadcast_to_rank": (lambda lax, x: lax.broadcast_to_rank(x, 4), (X,)),
    "stack": (lambda lax, x, y: lax.stack([x, y, x], axis=-1), (X, Y)),
    "unstack": (lambda lax, x: lax.unstack(x, axis=1), (X,)),
    "split": (lambda lax, x: lax.split(x, (1, 0, 3), axis=1), (X,)),
    "tile": (lambda lax, x: lax.tile(x, (2, 3)), (X,)),
    "shape_as_value": (lambda lax, x: lax.shape_as_value(x.shape), (X,)),
    "empty": (lambda lax: 0 * lax.empty((2, 3), np.float32), ()),
    "stage": (lambda lax, x: lax.stage(x), (X,)),
    "composite": (lambda lax, x: lax.composite(lambda x, *, n: x**n, "my.power")(x, n=3), (X,)),
    "platform_dependent": (lambda lax, x: lax.platform_dependent(x, cpu=lambda x: 2 * x, cuda=lambda x: 3 * x), (X,)),
    "platform_dependent by default": (lambda lax, x: lax.platform_dependent(x, cuda=lambda x: x, default=lambda x: -x), (X,)),
    "index_take": (lambda lax, x, i: lax.index_take(x, (i, -i), (0, 2)), (CUBE, np.array([1, 0, 1, 3]))),
    **{
        f"mulhi of {dtype}": (lambda lax, x, y: lax.mulhi(x, y), (_whole(dtype, 1), _whole(dtype, 2)))
        for dtype in ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
    },
    **{
        f"reduce_precision of {dtype} to {bits}": (
            lambda lax, x, bits=bits: lax.reduce_precision(x, *bits), (_wide_range(dtype),)
        )
        for dtype in ("float16", "float32", "float64")
        for bits in ((5, 10), (8, 7), (4, 3), (2, 1), (11, 30), (5, 2), (8, 0), (11, 52))
        if dtype != "float16" or bits[0] <= 5
    },
    "precision and accuracy": (
        lambda lax, x, y: lax.dot(lax.exp(x, accuracy=lax.AccuracyMode.HIGHEST), y, precision=lax.Precision.HIGHEST), (X, Y.T)
    ),
    "igamma_grad_a": (lambda lax, a, x: lax.igamma_grad_a(a, x), (J + UNIT, 9 * UNIT)),
    "random_gamma_grad": (lambda lax, a, x: lax.random_gamma_grad(a, x), (J + UNIT, J - UNIT)),
    "stop_gradient": (lambda lax, x: lax.stop_gradient({"a": x}), (X,)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_functions(name: str) -> None:
    fun, args = CASES[name]
    check(fun, args, 1e-6 if name == "dot in another dtype" else 1e-10)


def test_every_function_is_tested() -> None:
    folder = Path(__file__).parent
    files = [*folder.glob("test_lax*.py"), folder / "test_loops.py", folder / "numpy" / "test_fft.py"]
    named = " ".join([*CASES, *ELEMENTWISE])
    used = set(re.findall(r"\w+", named)) | {
        n for file in files for n in re.findall(r"(?:(?:lax|wl|jl)\.|\")(\w+)", file.read_text())
    }
    assert set(wl.__all__) - used == set()


def test_scalars_take_the_dtype() -> None:
    assert wl.mul(X.astype(np.float32), 2.0).dtype == np.float32
    assert weft.jit(lambda x: wl.add(1, x))(X.astype(np.float16)).dtype == np.float16


def test_dtypes_and_other_words() -> None:
    for x in ("float32", np.int8, X, 1, F32, True):
        assert wl.dtype(x) == jl.dtype(x)
    named = [n for n in ("Precision", "RoundingMethod", "AccuracyMode") for _ in getattr(jl, n)]
    assert all([m.name for m in getattr(wl, n)] == [m.name for m in getattr(jl, n)] for n in named)
    assert wl.Tolerance(ulps=2).ulps == 2
    assert wl.DotDimensionNumbers == jl.DotDimensionNumbers
    assert wl.PrecisionLike is not None
    assert wl.ConvGeneralDilatedDimensionNumbers is not None


def test_small_negative_starts_of_long_arrays() -> None:
    x = np.arange(300.0)
    np.testing.assert_array_equal(np.asarray(wl.dynamic_slice(x, (np.int8(-3),), (2,))), [297, 298])
    np.testing.assert_array_equal(
        np.asarray(weft.jit(lambda i: wl.dynamic_slice(x, (i,), (2,)))(np.int8(-3))), [297, 298]
    )


def test_broadcast_shapes() -> None:
    assert wl.broadcast_shapes((2, 1), (3,), ()) == (2, 3)


def test_stop_gradient_stops() -> None:
    assert float(weft.grad(lambda x: x * wl.stop_gradient(x))(3.0)) == 3.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wl.add(X, X[0]), ShapeError, r"lax\.add got arguments of different shapes: \(3, 4\), \(4,\)\."),
        (lambda: wl.add(X, I), DTypeError, r"lax\.add needs arguments of one dtype, got float64, int64\. Convert them"),
        (lambda: wl.add("a", X), ArgumentError, r"an argument of lax\.add is 'a'"),
        (lambda: wl.cumsum(X, 2), AxisError, r"lax\.cumsum got axis 2 for an array of 2 axes"),
        (lambda: wl.reduce_sum(X, (5,)), AxisError, r"lax\.reduce_sum got axis 5 for an array of 2 axes"),
        (lambda: wl.broadcast_in_dim(X, (3, 5), (0, 1)), ShapeError, r"cannot put \(3, 4\) at axes \(0, 1\)"),
        (lambda: wl.dynamic_slice(X, (0,), (2, 2)), ShapeError, r"starts at 2 indices; got 1\."),
        (lambda: wl.dynamic_slice(X, (0, 0), (2, 2), allow_negative_indices=(True,)), ShapeError, r"indices for 1\."),
        (lambda: wl.dot(CUBE, X), ShapeError, r"lax\.dot takes vectors and matrices, got shapes \(2, 3, 4\) and \(3, 4\)"),
        (lambda: wl.split(X, (1, 1)), ShapeError, r"lax\.split got sizes \(1, 1\) for axis 0 of shape \(3, 4\): they sum"),
        (lambda: wl.tile(X, (1,)), ShapeError, r"lax\.tile needs a count for each axis of shape \(3, 4\), got \(1,\)"),
        (lambda: wl.stack([X, X[0]]), ShapeError, r"arrays of one shape, at least one of them; got shapes \(3, 4\), \(4,\)"),
        (lambda: wl.broadcast_to_rank(X, 1), ShapeError, r"cannot give an array of shape \(3, 4\) 1 axes: it has more"),
        (lambda: wl.bitcast_convert_type(X, bool), DTypeError, r"cannot read float64 as bool: of different widths"),
        (lambda: wl.bitcast_convert_type(F32[:, :3], float), ShapeError, r"needs a last axis of length 2"),
        (lambda: wl.mulhi(X, Y), DTypeError, r"mulhi does not accept dtype float64"),
        (lambda: wl.reduce_and(X), DTypeError, r"lax\.reduce_and does not accept dtype float64: its arguments must be logical"),
        (lambda: wl.cumsum(B), DTypeError, r"lax\.cumsum does not accept dtype bool: its arguments must be number"),
        (lambda: wl.cumlogsumexp(I), DTypeError, r"lax\.cumlogsumexp does not accept dtype int64"),
        (lambda: wl.top_k(Z, 1), DTypeError, r"lax\.top_k does not accept dtype complex128"),
        (lambda: wl.approx_min_k(I, 1), DTypeError, r"lax\.approx_min_k does not accept dtype int64"),
        (lambda: wl.reduce_precision(I, 5, 3), DTypeError, r"lax\.reduce_precision does not accept dtype int64"),
        (lambda: wl.integer_pow(B, 3), DTypeError, r"lax\.integer_pow does not accept dtype bool"),
        (lambda: wl.reduce_precision(X, 0, 3), ArgumentError, r"at least 1 bit of exponent and 0 of mantissa, got 0 and 3"),
        (lambda: wl.platform_dependent(X, cuda=abs), ArgumentError, r"got functions for cuda: give cpu= or default="),
        (lambda: wl.broadcast_shapes((2,), (3,)), ShapeError, r"got incompatible shapes .*: \(2,\), \(3,\)"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


SQUARE = np.ones((2, 2))
WRONG: dict[str, Callable[[Any, Any], Any]] = {
    "an axis twice": lambda x, y: wl.transpose(x, (0, 0)),
    "an axis too few": lambda x, y: wl.transpose(x, (0,)),
    "another size": lambda x, y: wl.reshape(x, (5,)),
    "reversed twice": lambda x, y: wl.rev(x, (0, 0)),
    "shapes that do not join": lambda x, y: wl.concatenate([x, y], 0),
    "dtypes that do not join": lambda x, y: wl.concatenate([x, x.astype(np.float32)], 0),
    "nothing to join": lambda x, y: wl.concatenate([], 0),
    "padding of one axis": lambda x, y: wl.pad(x, 0.0, [(1, 1, 0)]),
    "negative interior": lambda x, y: wl.pad(x, 0.0, [(0, 1, -1), (0, 0, 0)]),
    "padding by an array": lambda x, y: wl.pad(x, x, [(0, 0, 0)] * 2),
    "a slice beyond": lambda x, y: wl.slice(x, (0, 0), (9, 4)),
    "a slice of one axis": lambda x, y: wl.slice(x, (0,), (2,)),
    "a slice without steps": lambda x, y: wl.slice(x, (0, 0), (2, 2), (0, 1)),
    "a slice backwards": lambda x, y: wl.slice(x, (2, 0), (1, 2)),
    "an index beyond": lambda x, y: wl.index_in_dim(x, 9),
    "a window beyond": lambda x, y: wl.dynamic_slice(x, (0, 0), (9, 1)),
    "starts of floats": lambda x, y: wl.dynamic_slice(x, (0.5, 0), (1, 1)),
    "an update beyond": lambda x, y: wl.dynamic_update_slice(x, np.ones((9, 9)), (0, 0)),
    "one start": lambda x, y: wl.dynamic_slice(x, (0,), (1, 1)),
    "lengths of products": lambda x, y: wl.dot_general(x, x, (((1,), (0,)), ((), ()))),
    "axes of products": lambda x, y: wl.dot_general(x, x, (((5,), (0,)), ((), ()))),
    "dtypes of products": lambda x, y: wl.dot_general(x, x.T.astype(np.float32), (((1,), (0,)), ((), ()))),
    "stacks of products": lambda x, y: wl.batch_matmul(x, y),
    "shapes to sort": lambda x, y: wl.sort((x, y)),
    "keys to sort": lambda x, y: wl.sort((x, x), num_keys=3),
    "too many": lambda x, y: wl.top_k(x, 9),
    "positions of floats": lambda x, y: wl.argmax(x, 0, np.float32),
    "a condition of floats": lambda x, y: wl.select(x, x, x),
    "a condition of another shape": lambda x, y: wl.select(y > 0, x, x),
    "cases of two dtypes": lambda x, y: wl.select(x > 0, x, x.astype(np.float32)),
    "three cases of a bool": lambda x, y: wl.select_n(x > 0, x, x, x),
    "no case": lambda x, y: wl.select_n(x > 0),
    "bounds of another shape": lambda x, y: wl.clamp(y, x, 1.0),
    "a new axis twice": lambda x, y: wl.expand_dims(x, (0, 0)),
    "an axis that is longer": lambda x, y: wl.squeeze(x, (0,)),
    "a negative length": lambda x, y: wl.iota(np.int32, -1),
    "no such axis": lambda x, y: wl.broadcasted_iota(np.int32, (2,), 1),
    "a negative new axis": lambda x, y: wl.broadcast(x, (-1,)),
    "axes too few": lambda x, y: wl.broadcast_in_dim(x, (3, 4), (0,)),
    "axes out of order": lambda x, y: wl.broadcast_in_dim(x, (4, 3), (1, 0)),
    "a negative full one": lambda x, y: wl.full((-1,), 0),
    "full of arrays": lambda x, y: wl.full((2,), x),
    "axes backwards": lambda x, y: wl.collapse(x, 1, 0),
    "no such axis to take": lambda x, y: wl.index_take(x, (I[0],), (7,)),
    "positions to take of floats": lambda x, y: wl.index_take(x, (x[0],), (0,)),
    "a power of half": lambda x, y: wl.integer_pow(x, 1.5),
    "no such rounding": lambda x, y: wl.round(x, 7),
    "a negative order": lambda x, y: wl.polygamma(-1, x),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_eagerly_and_traced(name: str) -> None:
    call = WRONG[name]
    with pytest.raises(UserError):
        call(X, SQUARE)
    with pytest.raises(UserError):
        weft.make_graph(call)(X, SQUARE)


@pytest.mark.parametrize("dtype", [np.float32, np.int8, np.uint16, bool])
def test_extrema_of_nothing_are_the_limits_of_the_dtype(dtype):
    nothing = np.zeros((0, 2), dtype)
    for fun, theirs in ((wl.reduce_max, jl.reduce_max), (wl.reduce_min, jl.reduce_min)):
        wanted = theirs(nothing, (0,))
        for found in (fun(nothing, (0,)), weft.jit(lambda x, f=fun: f(x, (0,)))(nothing)):
            np.testing.assert_array_equal(found, wanted)
            assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(wl.reduce(np.zeros((0, 2)), 3.0, wl.max, (0,)), [3.0, 3.0])


def test_the_gamma_function_at_minus_infinity():
    for fun in (wl.lgamma, weft.jit(wl.lgamma), jl.lgamma):
        np.testing.assert_array_equal(
            fun(np.array([-np.inf, np.inf, -1.0, 1.0])), [np.inf, np.inf, np.inf, 0.0]
        )
    assert wl.lgamma(np.float64(-np.inf)) == np.inf


def test_arguments_have_the_names_of_jax() -> None:
    fractions = {name: UNIT for name in ("a", "b", "x", "q", "x1", "x2")} | {"y": UNIT * 0.5}
    taken = 0
    for name, fun in vars(importlib.import_module("weft.lax.elementwise")).items():
        theirs = getattr(jl, name, None)
        if name.startswith("_") or not hasattr(fun, "__signature__") or name == "random_gamma_grad":
            continue
        names = [n for n in inspect.signature(theirs).parameters if n != "accuracy"]
        values = [I if "bit" in name or "shift" in name else fractions[n] for n in names]
        if name in ("population_count", "clz", "mulhi"):
            values = [I for _ in names]
        given = dict(zip(reversed(names), reversed(values), strict=True))
        np.testing.assert_array_equal(fun(**given), fun(*values), err_msg=name)
        taken += 1
    assert taken > 60


def test_a_product_in_another_dtype() -> None:
    small = np.array([100, -100], np.int8)
    check(lambda lax, x: lax.mul(x=x, y=x, out_dtype="int32"), (small,))
    check(lambda lax, x: lax.mul(x, 3, out_dtype=np.float32), (small,))
    with pytest.raises(DTypeError, match=r"lax\.mul needs arguments of one dtype, got int8, int64"):
        wl.mul(small, small.astype(np.int64), out_dtype=np.int64)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: wl.cumsum(x, 0.5), "cumsum takes an axis, which is an integer, got 0.5"),
        (lambda x: wl.argmax(x, None), "argmax takes an axis, which is an integer, got None"),
        (lambda x: wl.reduce_sum(x, "rows"), "reduce_sum takes an axis, which is an integer, got 'r'"),
        (lambda x: wl.exp(), r"lax.exp\(x\): missing a required argument: 'x'"),
        (lambda x: wl.add(x, z=x), r"lax.add\(x, y\): missing a required argument: 'y'"),
        (lambda x: wl.iota(np.int32, 2.5), "takes a shape, which is a tuple of integers"),
        (lambda x: wl.add(1, 2**70), "does not fit into 64 bits"),
        (lambda x: weft.scipy.linalg.logm(-(2**70)), "does not fit into 64 bits"),
    ],
)
def test_what_is_no_axis_shape_or_number_is_named(call: Callable[..., Any], message: str) -> None:
    for run in (call, weft.jit(call)):
        with pytest.raises(ArgumentError, match=message):
            run(np.ones((2, 3)))
