"""SciPy and scikit-learn by their array API dispatch: run by test_array_api_dispatch.py, in a process of its own.

SciPy reads ``SCIPY_ARRAY_API`` when it is imported. Both packages write into arrays that they have made, as the standard has
it (``weft.config.item_assignment``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import scipy
import sklearn
from scipy import cluster, differentiate, fft, integrate, ndimage, optimize, signal, special, stats
from scipy.optimize import elementwise
from sklearn import metrics
from sklearn.datasets import load_iris
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge, RidgeClassifier, RidgeCV
from sklearn.metrics import pairwise
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KernelCenterer,
    LabelEncoder,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    PolynomialFeatures,
    StandardScaler,
)

import weft
import weft.numpy as wnp
from tests.ecosystem.transformed import agree, as_far_as_scipy_traces, check_derivatives, leaves
from weft.engine.array import Array

rng = np.random.default_rng(3)
P = rng.uniform(0.1, 0.9, (4, 5))
SIGNAL = rng.normal(size=64)


@pytest.fixture(autouse=True)
def _settings() -> Iterator[None]:
    weft.config.update(item_assignment=True)
    with sklearn.config_context(array_api_dispatch=True):
        yield
    weft.config.update(item_assignment=False)


# SciPy

# Functions that trace as well: nothing in them asks for values or writes into arrays.
TRACEABLE: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "special.softmax": (lambda x: special.softmax(x, axis=1), (P,)),
    "special.xlogy": (lambda x: special.xlogy(x + 1, x), (P,)),
    "fft.rfft": (lambda x: wnp.abs(fft.rfft(x)), (P,)),
    "fft.ifft": (lambda x: wnp.real(fft.ifft(x)), (P,)),
    "fft.fft2": (lambda x: wnp.abs(fft.fft2(x)), (P,)),
    "fft.fftshift": (fft.fftshift, (P,)),
    **{f"stats.{f.__name__}": (f, (P,)) for f in (
        stats.skew, stats.kurtosis, stats.gmean, stats.moment, stats.sem, stats.circmean, stats.circvar)},
    "stats.kstat": (lambda x: stats.kstat(x, 3), (SIGNAL,)),
    "stats.directional_stats": (lambda x: stats.directional_stats(x).mean_direction, (P,)),
    "signal.fftconvolve": (lambda x: signal.fftconvolve(x, x[:5]), (SIGNAL,)),
    "integrate.trapezoid": (integrate.trapezoid, (SIGNAL,)),
    "integrate.simpson": (integrate.simpson, (SIGNAL,)),
    "optimize.rosen": (optimize.rosen, (SIGNAL,)),
}  # fmt: skip

# With values that are known.
EAGER: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "special.logsumexp": (lambda x: special.logsumexp(x, axis=1), (P,)),
    "special.log_softmax": (lambda x: special.log_softmax(x, axis=0), (P,)),
    **{f"special.{name}": (getattr(special, name), (P,)) for name in (
        "expit", "logit", "erf", "erfc", "gammaln", "ndtr", "ndtri", "log_ndtr", "i0", "i1e", "entr")},
    "special.betainc": (special.betainc, (P, P + 1, P)),
    "special.gammainc": (special.gammainc, (P + 1, P)),
    **{f"stats.{f.__name__}": (f, (P,)) for f in (
        stats.zscore, stats.hmean, stats.variation, stats.entropy, stats.iqr, stats.tmean, stats.tvar, stats.rankdata)},
    "stats.ttest_ind": (lambda x, y: tuple(stats.ttest_ind(x, y)), (P, P**2)),
    "stats.ttest_rel": (lambda x, y: tuple(stats.ttest_rel(x, y)), (P, P**2)),
    "stats.pearsonr": (lambda x, y: tuple(stats.pearsonr(x, y)), (P[0], P[1])),
    "stats.chisquare": (lambda x: tuple(stats.chisquare(x)), (P,)),
    "stats.skewtest": (lambda x: tuple(stats.skewtest(x)), (SIGNAL,)),
    "stats.jarque_bera": (lambda x: tuple(stats.jarque_bera(x)), (SIGNAL,)),
    "signal.detrend": (signal.detrend, (SIGNAL,)),
    "signal.hilbert": (signal.hilbert, (SIGNAL,)),
    "signal.convolve": (signal.convolve, (SIGNAL, SIGNAL[:5])),
    "ndimage.gaussian_filter": (lambda x: ndimage.gaussian_filter(x, 1.0), (P,)),
    "ndimage.uniform_filter": (lambda x: ndimage.uniform_filter(x, 3), (P,)),
    "cluster.whiten": (cluster.vq.whiten, (P,)),
    "cluster.vq": (lambda x: tuple(cluster.vq.vq(x, x[:2])), (P,)),
    "cluster.kmeans": (lambda x: tuple(cluster.vq.kmeans(x, x[:2])), (P,)),
    "cluster.linkage": (cluster.hierarchy.linkage, (P,)),
    "integrate.cumulative_simpson": (integrate.cumulative_simpson, (SIGNAL,)),
    "integrate.tanhsinh": (lambda a, b: integrate.tanhsinh(lambda x: x**2, a, b).integral, (P[0], P[0] + 1)),
    "differentiate.derivative": (lambda x: differentiate.derivative(lambda z: z**3, x).df, (P[0],)),
    "optimize.rosen_der": (optimize.rosen_der, (SIGNAL,)),
    "optimize.find_root": (lambda a, b: elementwise.find_root(lambda x: x**2 - 2, (a, b)).x, (P[0], P[0] + 2)),
}  # fmt: skip


@pytest.mark.parametrize("name", [*TRACEABLE, *EAGER])
def test_scipy(name: str) -> None:
    fun, args = (TRACEABLE | EAGER)[name]
    got = fun(*map(wnp.asarray, args))
    assert all(isinstance(x, Array) for x in leaves(got) if np.ndim(x)), type(got)
    agree(got, fun(*args), rtol=1e-8, arrays=False)


@pytest.mark.parametrize("name", TRACEABLE)
def test_scipy_in_traced_functions(name: str) -> None:
    fun, args = TRACEABLE[name]
    with as_far_as_scipy_traces():
        agree(weft.jit(fun)(*args), fun(*args))
        check_derivatives(fun, args)


# scikit-learn

X, Y = load_iris(return_X_y=True)
ESTIMATORS: dict[str, Callable[[Callable[..., Any]], Any]] = {
    "PCA": lambda a: PCA(2, svd_solver="full").fit(a(X)).transform(a(X)),
    "PCA of covariances": lambda a: PCA(2, svd_solver="covariance_eigh").fit_transform(a(X)),
    "Ridge": lambda a: Ridge(solver="svd").fit(a(X), a(Y * 1.0)).predict(a(X)),
    "RidgeCV": lambda a: RidgeCV().fit(a(X), a(Y * 1.0)).predict(a(X)),
    "RidgeClassifier": lambda a: RidgeClassifier(solver="svd").fit(a(X), a(Y)).predict(a(X)),
    "LinearDiscriminantAnalysis": lambda a: LinearDiscriminantAnalysis().fit(a(X), a(Y)).predict_proba(a(X)),
    "GaussianNB": lambda a: GaussianNB().fit(a(X), a(Y)).predict_proba(a(X)),
    "Nystroem": lambda a: Nystroem(n_components=5, random_state=0).fit_transform(a(X)),
    **{
        scaler.__name__: lambda a, scaler=scaler: scaler().fit_transform(a(X))
        for scaler in (StandardScaler, MinMaxScaler, MaxAbsScaler, Normalizer, PolynomialFeatures)
    },
    "KernelCenterer": lambda a: KernelCenterer().fit_transform(a(X @ X.T)),
    "LabelEncoder": lambda a: LabelEncoder().fit_transform(a(Y)),
    "a pipeline": lambda a: make_pipeline(StandardScaler(), PCA(2, svd_solver="full"), Ridge(solver="svd")).fit(
        a(X), a(Y * 1.0)).predict(a(X)),
    "train_test_split": lambda a: train_test_split(a(X), a(Y), random_state=0),
}  # fmt: skip


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators(name: str) -> None:
    run = ESTIMATORS[name]
    agree(run(wnp.asarray), run(np.asarray), rtol=1e-6)


def test_what_an_estimator_keeps_are_arrays_of_weft() -> None:
    fitted = PCA(2, svd_solver="full").fit(wnp.asarray(X))
    assert isinstance(fitted.components_, Array) and isinstance(fitted.mean_, Array)
    scores = cross_val_score(Ridge(solver="svd"), wnp.asarray(X), wnp.asarray(Y * 1.0))
    np.testing.assert_allclose(scores, cross_val_score(Ridge(solver="svd"), X, Y * 1.0))


REGRESSION = (
    metrics.r2_score, metrics.mean_squared_error, metrics.mean_absolute_error, metrics.explained_variance_score,
    metrics.max_error, metrics.mean_tweedie_deviance, metrics.mean_absolute_percentage_error,
)  # fmt: skip
CLASSES = (metrics.accuracy_score, metrics.zero_one_loss, metrics.hamming_loss, metrics.confusion_matrix)
KERNELS = (
    pairwise.euclidean_distances, pairwise.cosine_similarity, pairwise.rbf_kernel, pairwise.polynomial_kernel,
    pairwise.sigmoid_kernel, pairwise.laplacian_kernel,
)  # fmt: skip


@pytest.mark.parametrize("fun", REGRESSION + CLASSES + KERNELS, ids=lambda f: f.__name__)
def test_metrics(fun: Callable[..., Any]) -> None:
    args = (
        (X[:5], X[5:9])
        if fun in KERNELS
        else (Y + 1.0, np.roll(Y, 3) + 1.5)
        if fun in REGRESSION
        else (Y, np.roll(Y, 3))
    )
    agree(fun(*map(wnp.asarray, args)), fun(*args), rtol=1e-7, arrays=False)


def test_the_mode_is_on() -> None:
    assert scipy.__version__ and type(special.softmax(wnp.ones(3))) is Array
