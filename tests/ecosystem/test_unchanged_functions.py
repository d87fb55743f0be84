"""Functions written for NumPy run on arrays of Weft and trace, as they are."""

from __future__ import annotations

import numpy as np
import pytest

import weft
from tests.ecosystem.numpy_functions import FUNCTIONS
from tests.ecosystem.transformed import check_derivatives, check_values, leaves

# Where np.array(x) or a sum of a list is called on known elements, the result is an array of NumPy's.
OWN_ARRAYS = {
    "standardized",
    "ridge_by_gradient_descent",
    "weighted_logsumexp",
    "softmax",
    "accumulated",
    "haar_wavelet",
}
OWN_ARRAYS |= {
    "runge_kutta",
    "covariance_and_correlation",
    "power_iteration",
    "quaternion_rotation",
    "fitted_line",
}
OWN_ARRAYS |= {"bezier", "norms_and_angles"}


def test_there_are_many() -> None:
    assert len(FUNCTIONS) >= 40


@pytest.mark.parametrize("name", FUNCTIONS)
def test_values(name: str) -> None:
    fun, args = FUNCTIONS[name]
    check_values(fun, args, eager_arrays=name not in OWN_ARRAYS)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives(name: str) -> None:
    fun, args = FUNCTIONS[name]
    check_derivatives(fun, args)


@pytest.mark.parametrize(
    "name", ["softmax", "logistic_loss", "lennard_jones", "runge_kutta", "gaussian_log_density", "attention"]
)
def test_second_derivatives(name: str) -> None:
    fun, args = FUNCTIONS[name]
    x, rest = args[0], args[1:]

    def total(x):
        return np.sum(np.sin(leaves(fun(x, *rest))[0]))

    direction = np.cos(np.arange(x.size)).reshape(x.shape)
    h = 1e-5
    gradient = weft.jit(weft.grad(total))
    want = (np.asarray(gradient(x + h * direction)) - np.asarray(gradient(x - h * direction))) / (2 * h)
    got = weft.jit(lambda x, t: weft.jvp(weft.grad(total), (x,), (t,))[1])(x, direction)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6 * np.abs(want).max())


def test_gradients_of_a_batch() -> None:
    fun, (w, x, y) = FUNCTIONS["logistic_loss"]
    each = weft.vmap(weft.grad(fun), in_axes=(None, 0, 0))(w, x[:, None], y[:, None])
    np.testing.assert_allclose(np.mean(each, axis=0), weft.grad(fun)(w, x, y), rtol=1e-12)
