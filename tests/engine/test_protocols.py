from __future__ import annotations

import numpy as np
import pytest
from scipy import special

import weft.numpy as wnp
from tests.engine.public.numpy.checks import same, staged
from weft.engine.array import Array
from weft.ir.errors import ArgumentError

X = np.arange(6.0).reshape(2, 3) + 1

CALLS = {
    "ufunc": np.sin,
    "two arguments": lambda x: np.add(x, np.ones(3)),
    "an array on the left": lambda x: np.ones(3) * x,
    "a scalar on the left": lambda x: np.float32(2) * x,
    "a comparison": lambda x: np.ones(3) < x,
    "keywords": lambda x: np.sum(x, axis=1, keepdims=True),
    "a method in disguise": lambda x: np.mean(x),
    "a list": lambda x: np.concatenate([x, np.zeros((1, 3))]),
    "where": lambda x: np.where(x > 2, x, 0.0),
    "reduce": lambda x: np.add.reduce(x),
    "reduce of an axis": lambda x: np.maximum.reduce(x, axis=1),
    "reduce with keywords": lambda x: np.multiply.reduce(x, axis=None, keepdims=True),
    "accumulate": lambda x: np.add.accumulate(x, axis=1),
    "outer": lambda x: np.multiply.outer(x, np.array([1.0, 2.0])),
    "clip": lambda x: np.clip(x, 2, 4),
    "einsum": lambda x: np.einsum("ij,kj->ik", x, x),
    "reshape": lambda x: np.reshape(x, (3, 2)),
    "keywords that say nothing": lambda x: np.add(x, x, casting="unsafe", order="C", subok=True, where=True),
    "a dtype": lambda x: np.add(x, x, dtype=np.float32, casting="same_kind"),
    "reduceat": lambda x: np.add.reduceat(x, [0, 2], axis=1),
    "any function's reduce": lambda x: np.subtract.reduce(x, axis=1),
    "accumulated minima": lambda x: np.minimum.accumulate(x, axis=1),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_functions_of_numpy(name: str) -> None:
    call = CALLS[name]
    want = call(X)
    got = call(wnp.asarray(X))
    assert isinstance(got, Array)
    same(got, want, "eager")
    same(staged(call, X), want, "staged")


def test_what_weft_does_not_have() -> None:
    x = wnp.asarray(X[0])
    assert isinstance(np.lib.scimath.logn(2, x), Array)
    with pytest.raises(ArgumentError, match=r"logn has no counterpart in Weft.*There is weft.numpy.log"):
        staged(lambda v: np.lib.scimath.logn(2, v), X[0])
    with pytest.raises(ArgumentError, match=r"scipy.special.huber has no counterpart for traced arrays"):
        staged(lambda v: special.huber(v, v), X[0])
    with pytest.raises(ArgumentError, match=r"scipy.special.huber.reduce has no counterpart"):
        staged(lambda v: special.huber.reduce(v), X[0])
    same(special.huber.reduce(x), special.huber.reduce(X[0]), "a method without counterpart")
    with pytest.raises(ArgumentError, match=r"numpy.copyto works in place: arrays are immutable"):
        np.copyto(x, 0)


def test_a_function_of_the_name_of_another() -> None:
    """Universal functions of users may be called ``add`` and mean what they like."""
    import numba

    @numba.vectorize(["float64(float64, float64)"])
    def add(a: float, b: float) -> float:
        return a * b

    x = wnp.asarray(X)
    assert isinstance(add(x, x), Array)
    same(add(x, x), X * X, "numba's")
    with pytest.raises(
        ArgumentError, match="the universal function add has no counterpart for traced arrays"
    ):
        staged(lambda v: add(v, v), X)
    doubled = np.frompyfunc(lambda v: 2 * v, 1, 1)
    with pytest.raises(ArgumentError, match="has no counterpart for traced arrays"):
        staged(doubled, X)


def test_functions_of_scipy_special() -> None:
    for function in (special.expit, special.gammaln, special.erf, special.xlogy):
        args = (X, X) if function.nin == 2 else (X,)
        same(function(*map(wnp.asarray, args)), function(*args), function.__name__)
        same(staged(function, *args), function(*args), function.__name__, rtol=1e-11)


def test_linalg_is_looked_up_by_module() -> None:
    pytest.importorskip("weft.numpy.linalg")
    a = np.eye(2) * 2
    assert isinstance(np.linalg.det(wnp.asarray(a)), Array)
    same(staged(np.linalg.det, a), np.linalg.det(a), "det")
