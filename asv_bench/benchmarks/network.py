"""Training a dense network of four layers of 128 units: its gradient, and a step of Adam written by hand."""

from __future__ import annotations

from . import Programs, layers, network_loss, normal

SIZES = (128, 128, 128, 128, 128)


def gradient(backend, params, x, y):
    return backend.api.value_and_grad(lambda p: network_loss(backend, p, x, y))(params)


def adam_step(backend, params, mean, square, step, x, y):
    """Kingma and Ba's step, with decay rates 0.9 and 0.999."""
    tree_map = backend.api.tree.map
    loss, gradient = backend.api.value_and_grad(lambda p: network_loss(backend, p, x, y))(params)
    step = step + 1.0
    mean = tree_map(lambda m, g: 0.9 * m + 0.1 * g, mean, gradient)
    square = tree_map(lambda s, g: 0.999 * s + 0.001 * g * g, square, gradient)
    rate = 1e-3 * backend.np.sqrt(1.0 - 0.999**step) / (1.0 - 0.9**step)
    params = tree_map(lambda p, m, s: p - rate * m / (backend.np.sqrt(s) + 1e-8), params, mean, square)
    return params, mean, square, step, loss


def network_data(n):
    """Parameters, inputs and targets for `n` examples."""
    return layers(*SIZES), normal(n, SIZES[0]), normal(n, SIZES[-1])


class Network(Programs):
    programs = (gradient, adam_step)
    sizes = (64,)
    transforms = True

    def data(self, program, n):
        params, x, y = network_data(n)
        if program == "gradient":
            return params, x, y
        mean = [{name: 0.01 * array for name, array in layer.items()} for layer in params]
        square = [{name: array * array for name, array in layer.items()} for layer in params]
        return params, mean, square, normal(1)[0] * 0.0 + 3.0, x, y
