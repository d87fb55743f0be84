"""NumPy's conversions of traced arrays: they pass on what is traced, and nothing else changes."""

from __future__ import annotations

import pickle
import threading
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.engine.array import Array
from weft.engine.conversions import CONVERSIONS
from weft.engine.trace import Tracer
from weft.ir.errors import ConcretizationError

X = np.arange(6.0).reshape(2, 3) + 1
OURS = wnp.ones(2)
ORIGINALS = {name: getattr(np, name) for name in CONVERSIONS}

CALLS = {
    "asarray": lambda x: np.asarray(x) ** 2,
    "asarray of a dtype": lambda x: np.asarray(x, dtype=np.float32) ** 2,
    "asarray, a layout": lambda x: np.asarray(x, np.float64, "C") ** 2,
    "elements by columns": lambda x: np.ravel(x, order="F") ** 2 + np.reshape(x, (6, 1), order="F")[::-1],
    "by columns in a list": lambda x: np.ravel([x[0], x[1]], order="F") ** 2,
    "layouts": lambda x: (
        np.full((2, 3), x[0, 0], order="F") + np.zeros((2, 3), order="F") + np.array(x, order="F")
    ),
    "array": lambda x: np.array(x, copy=True, subok=True) * 3,
    "array of more axes": lambda x: np.array(x[0], ndmin=2) * x[1],
    "array of a list": lambda x: np.array([x[0, 0], 1.0, x[1, 2]]) ** 2,
    "array of lists": lambda x: np.array([[x[0, 0], x[0, 1]], [2.0, x[1, 1]]]) ** 2,
    "array of rows": lambda x: np.array([x[1], x[0], np.ones(3)]) ** 2,
    "asanyarray": lambda x: np.asanyarray(x) ** 2,
    "ascontiguousarray": lambda x: np.ascontiguousarray(x.T) ** 2,
    "ascontiguousarray of a scalar": lambda x: np.ascontiguousarray(x[0, 0]) ** 2,
    "asfortranarray": lambda x: np.asfortranarray(x) ** 2,
    "asarray_chkfinite": lambda x: np.asarray_chkfinite(x) ** 2,
    "require": lambda x: np.require(x, np.float64, ["C", "A"]) ** 2,
    "r_ and c_": lambda x: np.r_[x[0], 1.0, x[1]] @ np.c_[np.ones(7), np.r_[x[1], x[0], 2.0]],
    "lists": lambda x: np.sum([x[0], x[1]], axis=0) * np.max([x[0, 2], 1.0]) + np.reshape([x[0, 0], 1, 2], 3),
    "lists in lists": lambda x: np.transpose([[x[0, 0], x[0, 1]], [1.0, x[1, 2]]]) * np.mean((x[0], x[1])),
    "full": lambda x: np.full((2, 2), x[0, 1]) * x[0, 0],
    "what is not traced": lambda x: np.array([1.0, 2.0, 3.0]) * x + np.zeros(3) + np.eye(3)[0] + np.arange(3),
}


@pytest.mark.parametrize("name", sorted(CALLS))
def test_conversions_pass_traced_arrays_on(name: str) -> None:
    call = CALLS[name]
    want = call(X)
    got = weft.jit(call)(X)
    assert isinstance(got, Array)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(weft.vmap(call)(np.stack([X, X + 1]))[1], call(X + 1))
    step = 0.25  # of functions of degree 2 at most, differences are exact
    slope = (np.sum(call(X + step), dtype=float) - np.sum(call(X - step), dtype=float)) / (2 * step)
    for gradient in (weft.grad(lambda x: np.sum(call(x))), weft.jit(weft.grad(lambda x: np.sum(call(x))))):
        np.testing.assert_allclose(np.sum(gradient(X)), slope, rtol=1e-5)


def test_numpy_is_as_it_was_afterwards() -> None:
    inside = []

    def f(x: Any) -> Any:
        inside.append(np.asarray is ORIGINALS["asarray"])
        return weft.grad(lambda y: np.asarray(y) ** 2)(x)

    weft.jit(f)(2.0)
    with pytest.raises(ZeroDivisionError):
        weft.jit(lambda x: 1 / 0)(2.0)
    assert inside == [False]
    assert all(vars(np)[name] is original for name, original in ORIGINALS.items())


def test_what_others_have_put_there_is_called_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def theirs(x: Any, *args: Any) -> Any:
        asked.append(x)
        return ORIGINALS["asarray"](x, *args)

    monkeypatch.setattr(np, "asarray", theirs)

    def f(x: Any) -> Any:
        monkeypatch.setattr(np, "ones", len)
        return np.asarray(x) + np.asarray([1.0])

    assert float(weft.jit(f)(1.0)[0]) == 2.0
    assert np.asarray is theirs and np.ones is len
    assert [1.0] in asked and not any(isinstance(x, Tracer) for x in asked)


def test_untraced_arguments_get_numpys_result() -> None:
    seen: dict[str, Any] = {}

    def f(x: Any) -> Any:
        seen.update(
            list=np.asarray([1, 2]), own=np.asarray(X), weft=np.asarray(OURS), like=np.zeros(2, like=X),
            doc=np.array.__doc__, name=np.asarray.__name__, equal=np.asarray == ORIGINALS["asarray"],
            pickled=pickle.dumps(np.asarray), text=repr(np.asarray),
        )  # fmt: skip
        with pytest.raises(ValueError, match="inhomogeneous"):
            np.asarray([[1], [1, 2]])
        return x

    weft.jit(f)(1.0)
    assert seen["own"] is X
    assert all(type(seen[k]) is np.ndarray for k in ("list", "weft", "like"))
    assert (seen["doc"], seen["name"], seen["equal"]) == (np.array.__doc__, "asarray", True)
    assert pickle.loads(seen["pickled"]) is np.asarray
    assert seen["text"] == repr(np.asarray)


def test_numba_compiles_inside_of_a_traced_function() -> None:
    import numba

    @numba.njit
    def total(n: int) -> float:
        return np.asarray(np.array([1.0, 2.0])).sum() + np.zeros(n).size + np.full(2, 3.0).sum()

    assert float(weft.jit(lambda x: x + total(3))(1.0)) == 1 + 3 + 3 + 6


def test_other_threads_may_trace_and_convert() -> None:
    barrier, results = threading.Barrier(3, timeout=60), []

    def trace(k: int) -> None:
        def f(x: Any) -> Any:
            barrier.wait()
            return np.asarray(x) * k

        results.append(float(weft.jit(f)(2.0)))

    threads = [threading.Thread(target=trace, args=(k,)) for k in (3, 4)]
    for t in threads:
        t.start()
    barrier.wait()
    assert np.asarray([1.0]).tolist() == [1.0]
    for t in threads:
        t.join()
    assert sorted(results) == [6.0, 8.0]
    assert np.asarray is ORIGINALS["asarray"]


def into_numpy(x: Any) -> Any:
    y = np.zeros(3)
    y[:] = x
    return y.sum()


def test_no_derivative_is_lost() -> None:
    """Code in C asks for the elements: they are given where that cannot make a gradient wrong."""
    with pytest.raises(
        ConcretizationError, match=r"a derivative goes through f64\[3\], traced by grad\(\w+\), and would be"
    ):
        weft.grad(into_numpy)(X[0])
    with pytest.raises(ConcretizationError, match="a derivative goes through"):
        weft.grad(lambda x: weft.grad(lambda y: np.sum(y) * into_numpy(x))(X[0])[0])(X[1])
    kept = weft.grad(lambda x: np.sum(x**2) + into_numpy(weft.stop_gradient(x)))(X[0])
    np.testing.assert_array_equal(kept, 2 * X[0])
    picked = weft.grad(lambda x: X[0][np.argsort(x)] @ x)(X[0])  # integers have no derivative
    np.testing.assert_array_equal(picked, X[0])
    other = weft.grad(
        lambda x: weft.jvp(lambda y: np.sum(y) * into_numpy(wnp.floor(x)), (X[0],), (X[1],))[1] * x[0]
    )(X[0])
    assert np.isfinite(other).all()


def test_lengths_must_be_known() -> None:
    for name in ("zeros", "ones", "empty", "arange", "eye", "identity", "tri"):
        with pytest.raises(ConcretizationError, match=r"i64\[\] is traced by jit"):
            weft.jit(lambda n, name=name: getattr(np, name)(n))(3)
    with pytest.raises(ConcretizationError, match=r"i64\[\] is traced by jit"):
        weft.jit(lambda n: np.full(n, 1.0))(3)
