"""Functions of SciPy and scikit-learn that are written in Python on NumPy run on arrays of Weft and trace, as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import integrate, linalg, optimize, signal, special, stats
from scipy.spatial import distance

import weft
import weft.numpy as wnp
from tests.ecosystem.transformed import (
    AS_LISTED,
    agree,
    as_far_as_scipy_traces,
    check_derivatives,
    check_values,
    leaves,
)
from weft.ir.errors import WeftError

extmath = pytest.importorskip("sklearn.utils.extmath")
kernels = pytest.importorskip("sklearn.gaussian_process.kernels")

rng = np.random.default_rng(5)
U, V = rng.uniform(0.5, 1.5, (2, 6))
A, B = rng.uniform(0.5, 1.5, (2, 4, 6))
CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    **{f"distance.{f.__name__}": (f, (U, V)) for f in (
        distance.braycurtis, distance.canberra, distance.cityblock, distance.sqeuclidean)},
    "distance.mahalanobis": (lambda u, v: distance.mahalanobis(u, v, np.eye(6) + 0.1), (U, V)),
    "optimize.rosen": (optimize.rosen, (U,)),
    "optimize.rosen of many": (optimize.rosen, (A,)),
    "integrate.trapezoid": (integrate.trapezoid, (U,)),
    "integrate.simpson": (integrate.simpson, (U,)),
    "integrate.simpson of points": (lambda y: integrate.simpson(y, x=np.arange(6.0) ** 1.1), (U,)),
    "integrate.cumulative_trapezoid": (integrate.cumulative_trapezoid, (U,)),
    "integrate.romb": (integrate.romb, (U[:5],)),
    "special.softmax": (lambda x: special.softmax(x, axis=1), (A,)),
    "special.xlogy": (lambda x: special.xlogy(x, x), (U,)),
    **{f"stats.{f.__name__}": (f, (U,)) for f in (
        stats.skew, stats.kurtosis, stats.gmean, stats.sem, stats.circmean, stats.gstd, stats.differential_entropy,
        stats.median_abs_deviation)},
    "stats.moment": (lambda x: stats.moment(x, 3), (U,)),
    "stats.kstat": (lambda x: stats.kstat(x, 3), (U,)),
    "stats.trim_mean": (lambda x: stats.trim_mean(x, 0.2), (U,)),
    "stats.multivariate_normal": (lambda x: stats.multivariate_normal.logpdf(x, np.zeros(6), np.eye(6)), (U,)),
    "linalg.khatri_rao": (linalg.khatri_rao, (A, B)),
    "linalg.fiedler": (linalg.fiedler, (U,)),
    "signal.gausspulse": (signal.gausspulse, (U,)),
    "signal.vectorstrength": (lambda t: signal.vectorstrength(t, 2.0)[0], (U,)),
    "signal.sweep_poly": (lambda t: signal.sweep_poly(t, np.poly1d([1.0, 2.0])), (U,)),
    "extmath.row_norms": (extmath.row_norms, (A,)),
    "extmath.squared_norm": (extmath.squared_norm, (A,)),
    "extmath.safe_sparse_dot": (extmath.safe_sparse_dot, (A, B.T)),
    "kernels.DotProduct": (lambda x: kernels.DotProduct()(x), (A,)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    fun, args = CASES[name]
    with as_far_as_scipy_traces():
        check_values(fun, args, eager_arrays=False)


@pytest.mark.parametrize("name", CASES)
def test_derivatives(name: str) -> None:
    fun, args = CASES[name]
    with as_far_as_scipy_traces():
        check_derivatives(fun, args)


# Code in C, branches on values and writes in place do not trace. They say so: no gradient is wrong.
UNTRACEABLE: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "distance.euclidean": (distance.euclidean, (U, V)),
    "special.logsumexp": (special.logsumexp, (U,)),
    "stats.zscore": (stats.zscore, (U,)),
    "stats.norm.logpdf": (stats.norm.logpdf, (U,)),
    "signal.savgol_filter": (lambda x: signal.savgol_filter(x, 5, 2), (U,)),
    "optimize.rosen_der": (optimize.rosen_der, (U,)),
    "kernels.RBF": (lambda x: kernels.RBF(1.0)(x), (A,)),
}


@pytest.mark.parametrize("name", UNTRACEABLE)
def test_what_does_not_trace_says_so(name: str) -> None:
    fun, args = UNTRACEABLE[name]
    agree(fun(*map(wnp.asarray, args)), fun(*args), arrays=False)
    for check in (
        lambda: agree(weft.jit(fun)(*args), fun(*args)),
        lambda: check_derivatives(lambda x: leaves(fun(x, *args[1:]))[0], args[:1]),
    ):
        try:
            check()
        except WeftError as error:
            assert "At " in str(error)
        else:
            assert not AS_LISTED
