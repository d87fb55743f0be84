"""Derivatives: gradients of losses, a Hessian, gradients of single examples. NumPy has none."""

from __future__ import annotations

import numpy

from . import Programs, layers, network_loss, normal


def rosenbrock(backend, x):
    def fun(x):
        return backend.np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    return backend.api.value_and_grad(fun)(x)


def logistic(backend, weights, x, y):
    return backend.np.mean(backend.np.logaddexp(0.0, -y * (x @ weights)))


def logistic_gradient(backend, weights, x, y):
    return backend.api.value_and_grad(lambda w: logistic(backend, w, x, y))(weights)


def logistic_hessian(backend, weights, x, y):
    return backend.api.hessian(lambda w: logistic(backend, w, x, y))(weights)


def network_gradient(backend, params, x, y):
    return backend.api.value_and_grad(lambda p: network_loss(backend, p, x, y))(params)


def example_gradients(backend, params, x, y):
    gradient = backend.api.grad(lambda p, x, y: network_loss(backend, p, x, y))
    return backend.api.vmap(gradient, in_axes=(None, 0, 0))(params, x, y)


class Gradient(Programs):
    programs = (rosenbrock, logistic_gradient, logistic_hessian)
    sizes = (10, 1_000)
    transforms = True

    def data(self, program, n):
        if program == "rosenbrock":
            return (normal(n),)
        return normal(20), normal(n, 20), numpy.sign(normal(n))


class Network(Programs):
    """A network of 64-128-64-10 units on n examples."""

    programs = (network_gradient, example_gradients)
    sizes = (8, 128)
    transforms = True

    def data(self, program, n):
        return layers(64, 128, 64, 10), normal(n, 64), normal(n, 10)
