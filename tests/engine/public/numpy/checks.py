"""How functions of `weft.numpy` are checked: against NumPy, eagerly and as a traced graph that is verified and evaluated."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

import weft.numpy as wnp
from weft.engine import tree
from weft.engine.array import Array, to_value, wrap
from weft.engine.trace import trace
from weft.ir.interpret import evaluate
from weft.ir.types import type_of
from weft.ir.verify import verify

TOLERANCES = {"bfloat16": 2e-2, "float16": 4e-3, "float32": 2e-5, "complex64": 2e-5}


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray)


def split(args: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The NumPy arrays in a tree of arguments, and the tree with other leaves in their places."""
    leaves, treedef = tree.flatten(args)
    places = [i for i, x in enumerate(leaves) if is_array(x)]

    def rebuild(arrays: list[Any]) -> Any:
        full = list(leaves)
        for i, x in zip(places, arrays, strict=True):
            full[i] = x
        return tree.unflatten(treedef, full)

    return [leaves[i] for i in places], rebuild


def staged(fun: Callable[..., Any], *args: Any) -> Any:
    """``fun(*args)`` with the NumPy arrays among the arguments traced: the graph is verified, then run on them."""
    arrays, rebuild = split(args)
    _, in_tree = tree.flatten((tuple(arrays), {}))
    traced = trace(lambda *xs: fun(*rebuild(list(xs))), [type_of(x) for x in arrays], in_tree, kind="jit")
    verify(traced.graph)
    return tree.unflatten(traced.out_tree, evaluate(traced.graph, *arrays, *traced.captured))


def eager(fun: Callable[..., Any], *args: Any) -> Any:
    """``fun(*args)`` with Arrays for the NumPy arrays among the arguments."""
    arrays, rebuild = split(args)
    return fun(*rebuild([wrap(x) for x in arrays]))


def reference(fun: Callable[..., Any], *args: Any) -> Any:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return fun(*args)


def same(got: Any, want: Any, how: str, rtol: float | None = None) -> None:
    """Assert that two trees of arrays agree in structure, shape, dtype and value."""
    if isinstance(want, list | tuple):
        assert isinstance(got, list | tuple) and len(got) == len(want), how
        for g, w in zip(got, want, strict=True):
            same(g, w, how, rtol)
        return
    want = np.asarray(want)
    got = np.asarray(to_value(got))
    assert got.shape == want.shape, f"{how}: shape {got.shape}, expected {want.shape}"
    assert got.dtype == want.dtype, f"{how}: dtype {got.dtype}, expected {want.dtype}"
    if rtol is None:
        rtol = TOLERANCES.get(want.dtype.name, 1e-12)
    if want.dtype.kind in "fcV":
        wide = np.complex128 if want.dtype.kind == "c" else np.float64
        np.testing.assert_allclose(got.astype(wide), want.astype(wide), rtol=rtol, atol=rtol, err_msg=how)
    else:
        np.testing.assert_array_equal(got, want, err_msg=how)


def agree(
    fun: Callable[[Any], Callable[..., Any]] | str,
    *args: Any,
    rtol: float | None = None,
    expected: Any = None,
    **kwargs: Any,
) -> None:
    """Assert that a function gives NumPy's result, eagerly and traced.

    ``fun`` is a name, or takes the module (``numpy`` or `weft.numpy`) and gives the function.
    """
    of = (lambda module: getattr(module, fun)) if isinstance(fun, str) else fun
    call = lambda module: lambda *xs: of(module)(*xs, **kwargs)  # noqa: E731
    want = reference(call(np), *args) if expected is None else expected
    result = eager(call(wnp), *args)
    for leaf in tree.leaves(result):
        assert isinstance(leaf, Array | int | bool | np.dtype), leaf
    same(result, want, f"eager {fun}", rtol)
    same(staged(call(wnp), *args), want, f"staged {fun}", rtol)


rng = np.random.default_rng(7)
DTYPES = [
    "bool",
    "int8",
    "int32",
    "int64",
    "uint8",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
]
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)


def sample(dtype: Any, shape: tuple[int, ...], low: float = -4, high: float = 4) -> np.ndarray:
    """Random numbers of any dtype."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) > 0.4
    if dtype.kind == "u":
        return rng.integers(0, max(int(high), 1) + 1, shape).astype(dtype)
    if dtype.kind == "i":
        return rng.integers(int(low), int(high) + 1, shape).astype(dtype)
    x = rng.uniform(low, high, shape)
    if dtype.kind == "c":
        x = x + 1j * rng.uniform(low, high, shape)
    return x.astype(dtype)
