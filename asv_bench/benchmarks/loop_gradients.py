"""Gradients through loops: of those of `loops`, of a recurrent network, of an ODE, of a solver that runs until it is done."""

from __future__ import annotations

import numpy

from . import Programs, normal
from .loops import STEPS, jacobi, lu, positive_definite, scan_matrix, thomas, uniform


def matrix_gradient(backend, rotation, h):
    def total(rotation, h):
        return backend.np.sum(scan_matrix(backend, rotation, h))

    return backend.api.grad(total, argnums=(0, 1))(rotation, h)


def jacobi_gradient(backend, u):
    return backend.api.grad(lambda u: backend.np.sum(jacobi(backend, u) ** 2))(u)


def thomas_gradient(backend, b, d):
    def loss(b, d):
        return backend.np.sum(thomas(backend, b, d) ** 2)

    return backend.api.grad(loss, argnums=(0, 1))(b, d)


def lu_gradient(backend, a):
    """Of the logarithm of the determinant."""
    np = backend.np
    return backend.api.grad(lambda a: np.sum(np.log(np.abs(np.diag(lu(backend, a))))))(a)


def runge_kutta(backend, f, start):
    """Where a system is after ten thousand steps of Runge and Kutta's method."""
    h = 1e-3

    def step(y, _):
        k1 = f(y)
        k2 = f(y + h / 2 * k1)
        k3 = f(y + h / 2 * k2)
        k4 = f(y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    return backend.api.lax.scan(step, backend.np.array(start), None, length=10_000)[0]


def rk4(backend, stiffness):
    """The place of an oscillator."""

    def f(y):
        return backend.np.stack([y[1], -stiffness * y[0]])

    return runge_kutta(backend, f, [1.0, 0.0])[0]


def lorenz(backend, rho):
    """The height of a particle in Lorenz's convection."""

    def f(y):
        return backend.np.stack(
            [10.0 * (y[1] - y[0]), y[0] * (rho - y[2]) - y[1], y[0] * y[1] - 8.0 / 3.0 * y[2]]
        )

    return runge_kutta(backend, f, [1.0, 1.0, 1.0])[2]


def rk4_gradient(backend, stiffness):
    return backend.api.value_and_grad(lambda p: rk4(backend, p))(stiffness)


def lorenz_gradient(backend, rho):
    return backend.api.value_and_grad(lambda p: lorenz(backend, p))(rho)


def lstm_gradient(backend, weights, xs):
    """Long short-term memory over the first axis of `xs`, then batch, then features."""
    np, units = backend.np, weights.shape[1] // 4

    def sigmoid(z):
        return 1.0 / (1.0 + np.exp(-z))

    def loss(weights):
        def step(carry, x):
            h, c = carry
            i, f, o, g = np.split(np.concatenate([x, h], 1) @ weights, 4, 1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            return (h, c), h

        zero = np.zeros((xs.shape[1], units))
        return np.sum(backend.api.lax.scan(step, (zero, zero), xs)[1] ** 2)

    return backend.api.value_and_grad(loss)(weights)


class Matrices(Programs):
    programs = (matrix_gradient,)
    sizes = (STEPS,)
    transforms = True

    def data(self, program, n):
        return numpy.linalg.qr(uniform(3, 3))[0], numpy.eye(3)


class Stencil(Programs):
    programs = (jacobi_gradient,)
    sizes = (300,)
    transforms = True

    def data(self, program, n):
        return (uniform(n, n),)


class Solver(Programs):
    programs = (thomas_gradient,)
    sizes = (64,)
    transforms = True

    def data(self, program, n):
        u = uniform(n, n, n)
        return 3.0 + u, u[::-1].copy()


class Factorisation(Programs):
    programs = (lu_gradient,)
    sizes = (200,)
    transforms = True

    def data(self, program, n):
        return (positive_definite(n),)


class Equation(Programs):
    """ODEs."""

    programs = (rk4, rk4_gradient, lorenz, lorenz_gradient)
    sizes = (10_000,)
    transforms = True

    def data(self, program, n):
        return (numpy.array(2.0),)


class Recurrent(Programs):
    """A recurrent network of 64 units over 200 steps of 32 features."""

    programs = (lstm_gradient,)
    sizes = (32,)
    transforms = True

    def data(self, program, n):
        return 0.1 * normal(96, 256), normal(200, n, 32)
