"""Functions written for NumPy, which know nothing of Weft: the shapes of code that people have.

`FUNCTIONS` maps a name to a function and its arguments; the first argument is what gradients are taken by.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

rng = np.random.default_rng(11)
FUNCTIONS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}


def on(*args: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function with arguments for it."""

    def register(fun: Callable[..., Any]) -> Callable[..., Any]:
        FUNCTIONS[fun.__name__] = fun, args
        return fun

    return register


def uniform(*shape: int, low: float = 0.5, high: float = 1.5) -> np.ndarray:
    return rng.uniform(low, high, shape)


def spd(n: int) -> np.ndarray:
    a = rng.normal(size=(n, n))
    return a @ a.T + n * np.eye(n)


# Statistics and learning


@on(uniform(4, 5))
def softmax(x, axis=-1):
    x = np.asarray(x)
    shifted = x - np.max(x, axis=axis, keepdims=True)
    e = np.exp(shifted)
    return e / e.sum(axis=axis, keepdims=True)


@on(uniform(6), uniform(6))
def weighted_logsumexp(a, b):
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    a_max = np.amax(a)
    return np.log(np.sum(b * np.exp(a - a_max))) + a_max


@on(uniform(8, 3))
def standardized(x):
    x = np.array(x, dtype=np.float64, copy=True)
    x -= x.mean(axis=0)
    x /= np.std(x, axis=0, ddof=1)
    return x


@on(uniform(7, 3))
def covariance_and_correlation(x):
    x = np.asanyarray(x)
    return np.cov(x, rowvar=False), np.corrcoef(x.T)


@on(uniform(5, 3), uniform(6, 3))
def gaussian_kernel(x, y, length=0.7):
    squares = np.sum(x**2, axis=1)[:, None] + np.sum(y**2, axis=1)[None, :] - 2 * np.dot(x, y.T)
    np.testing.assert_equal(squares.shape, (x.shape[0], y.shape[0]))
    return np.exp(-0.5 * np.maximum(squares, 0.0) / length**2)


@on(uniform(3), uniform(10, 3), (np.arange(10) % 2).astype(float))
def logistic_loss(w, x, y):
    z = np.dot(x, w)
    return np.mean(np.logaddexp(0.0, z) - y * z) + 0.5e-2 * np.vdot(w, w)


@on(uniform(4), uniform(12, 4), uniform(12))
def ridge_by_gradient_descent(w, x, y, steps=5, rate=0.05):
    w = np.array(w)
    for _ in range(steps):
        residual = x @ w - y
        w -= rate * (x.T @ residual / len(y) + 0.1 * w)
    return w


@on(spd(4), uniform(4))
def gaussian_log_density(cov, x):
    cov = (cov + cov.T) / 2
    factor = np.linalg.cholesky(cov)
    white = np.linalg.solve(factor, x)
    return -0.5 * white @ white - np.log(np.diag(factor)).sum() - 0.5 * x.size * np.log(2 * np.pi)


@on(uniform(6, 4))
def explained_variance(x):
    x = x - np.mean(x, axis=0)
    s = np.linalg.svd(x, compute_uv=False)
    return s**2 / np.sum(s**2)


@on(uniform(10, 2), uniform(3, 2, low=-1.0))
def soft_k_means(x, centers):
    distances = np.linalg.norm(x[:, np.newaxis, :] - centers, axis=2)
    weights = np.exp(-distances) / np.exp(-distances).sum(axis=1)[:, None]
    return (weights.T @ x) / weights.sum(axis=0)[:, None]


@on(uniform(5, 4), np.array([0, 3, 1, 1, 2]))
def cross_entropy(logits, labels):
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return -np.mean(log_probabilities[np.arange(len(labels)), labels])


@on(uniform(2, 5, 8), uniform(8, 8), uniform(8, 8))
def attention(x, w, v):
    scores = np.einsum("bid,de,bje->bij", x, w, x) / np.sqrt(x.shape[-1])
    return np.matmul(softmax(scores), x @ v)


@on(uniform(4, 6))
def layer_norm(x, eps=1e-5):
    mu, var = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mu) / np.sqrt(var + eps)


@on(uniform(9, low=-2.0, high=2.0))
def huber(r, delta=1.0):
    a = np.abs(r)
    return np.where(a <= delta, 0.5 * np.square(r), delta * (a - 0.5 * delta)).sum()


# Signals and images


@on(uniform(16))
def low_pass(x, keep=4):
    spectrum = np.fft.rfft(x)
    mask = np.arange(spectrum.shape[-1]) < keep
    return np.fft.irfft(spectrum * mask, n=x.shape[-1])


@on(uniform(12))
def moving_average(x, n=3):
    c = np.cumsum(np.insert(x, 0, 0.0))
    return (c[n:] - c[:-n]) / n


@on(uniform(6, 7), uniform(3, 3))
def filtered_image(image, kernel):
    image = np.pad(image, 1, mode="reflect")
    windows = np.stack(
        [np.roll(np.roll(image, -i, 0), -j, 1)[:-2, :-2] for i in range(3) for j in range(3)], axis=-1
    )
    return np.tensordot(windows, kernel.ravel(), axes=1)


@on(uniform(8))
def haar_wavelet(x):
    x = np.asarray(x)
    parts = []
    while x.shape[0] > 1:
        even, odd = x[::2], x[1::2]
        parts.append((even - odd) / np.sqrt(2.0))
        x = (even + odd) / np.sqrt(2.0)
    return np.concatenate([x, *parts[::-1]])


@on(uniform(10), uniform(4))
def convolved(x, h):
    return np.convolve(x, h, mode="same") + np.correlate(x, h, mode="same")


# Numerical mathematics


@on(np.array([1.0, 0.5]))
def runge_kutta(y, steps=6, h=0.1):
    def slope(y):
        return np.array([y[1], -np.sin(y[0])])

    for _ in range(steps):
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


@on(uniform(11))
def heat_equation(u, steps=4, r=0.2):
    u = np.copy(u)
    for _ in range(steps):
        inner = u[1:-1] + r * np.diff(u, 2)
        u = np.hstack((u[:1], inner, u[-1:]))
    return u


@on(uniform(9))
def simpson(y, dx=0.25):
    return dx / 3 * (y[0] + y[-1] + 4 * np.sum(y[1:-1:2]) + 2 * np.sum(y[2:-1:2]))


@on(uniform(7, low=-0.9, high=0.9))
def legendre(x, degree=5):
    previous, current = np.ones_like(x), x
    for n in range(1, degree):
        previous, current = current, ((2 * n + 1) * x * current - n * previous) / (n + 1)
    return current


@on(uniform(5), np.linspace(-1.0, 1.0, 8))
def polynomial(c, x):
    return np.polyval(c, x) + np.polynomial.polynomial.polyval(x, c)


@on(uniform(8), np.linspace(0.0, 1.0, 8))
def fitted_line(y, x):
    design = np.vander(x, 2)
    solution, *_ = np.linalg.lstsq(design, y, rcond=None)
    return np.r_[solution, np.linalg.norm(y - design @ solution)]


@on(spd(3))
def power_iteration(a, steps=8):
    v = np.full(a.shape[0], 1.0 / np.sqrt(a.shape[0]))
    for _ in range(steps):
        v = a @ v
        v = v / np.linalg.norm(v)
    return np.array([v @ a @ v, np.trace(a), np.linalg.det(a)])


@on(uniform(4, 4))
def gram_schmidt(a):
    basis = []
    for column in np.transpose(a):
        w = column - np.sum([np.dot(column, b) * b for b in basis], axis=0) if basis else column
        basis.append(w / np.sqrt(np.dot(w, w)))
    return np.stack(basis, axis=1)


@on(uniform(6))
def accumulated(x):
    total = np.zeros(3)
    for i in range(4):
        total += x[i : i + 3] ** 2
    total *= 0.5
    return total


@on(uniform(6, low=0.1, high=2.0), uniform(6, low=0.1, high=2.0))
def safe_ratio(a, b):
    return np.divide(a, b, out=np.zeros_like(a), where=b > 1.0)


@on(uniform(6), np.linspace(0.0, 1.0, 6), uniform(5, low=0.05, high=0.95))
def interpolated(values, grid, x):
    return np.interp(x, grid, values)


# Geometry, finance, physics


@on(uniform(4), uniform(3))
def quaternion_rotation(q, v):
    w, x, y, z = q / np.linalg.norm(q)
    matrix = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    return matrix.dot(v)


@on(uniform(5, 2), uniform(4, 2))
def haversine(a, b):
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    half = (a[:, None, :] - b[None, :, :]) / 2
    h = np.sin(half[..., 0]) ** 2 + np.outer(np.cos(a[:, 0]), np.cos(b[:, 0])) * np.sin(half[..., 1]) ** 2
    return 2 * np.arcsin(np.sqrt(np.clip(h, 0, 1)))


@on(uniform(6, 3))
def lennard_jones(positions):
    i, j = np.triu_indices(len(positions), k=1)
    r2 = np.sum((positions[i] - positions[j]) ** 2, axis=-1) + 0.5
    return np.sum(4 * (r2**-6 - r2**-3))


@on(uniform(3), uniform(3))
def cross_products(a, b):
    return np.cross(a, b) + np.cross(b, np.roll(a, 1)), np.inner(a, b)


@on(np.float64(100.0), np.linspace(90.0, 110.0, 5))
def option_price(spot, strikes, rate=0.02, sigma=0.2, steps=16):
    dt = 1.0 / steps
    up = np.exp(sigma * np.sqrt(dt))
    p = (np.exp(rate * dt) - 1 / up) / (up - 1 / up)
    prices = spot * up ** (2.0 * np.arange(steps + 1) - steps)
    values = np.maximum(strikes[:, None] - prices, 0.0)
    for _ in range(steps):
        values = np.exp(-rate * dt) * (p * values[:, 1:] + (1 - p) * values[:, :-1])
    return values[:, 0]


@on(uniform(4, 3))
def bezier(controls, samples=6):
    t = np.linspace(0.0, 1.0, samples)[:, None]
    return np.sum([c * (1, 3, 3, 1)[k] * t**k * (1 - t) ** (3 - k) for k, c in enumerate(controls)], axis=0)


@on(uniform(5), uniform(5))
def norms_and_angles(a, b):
    cosine = np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return np.arccos(cosine), np.linalg.norm(a - b, ord=1), np.max([np.abs(a - b).max(), cosine])


@on(uniform(5, 2))
def polygon_area(points):
    x, y = np.split(np.vstack((points, points[:1])), 2, axis=1)
    return 0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])


@on(uniform(3, 4))
def along_axes(x):
    a = np.apply_along_axis(lambda row: row / np.sqrt(np.sum(row**2)), 1, x)
    return (
        np.swapaxes(a, 0, 1),
        np.moveaxis(np.expand_dims(x, 0), 0, -1).squeeze(),
        np.take(x, [2, 0], axis=0),
    )


@on(uniform(6))
def order_statistics(x):
    return np.sort(x), np.median(x), np.percentile(x, [25, 75]), np.quantile(x, 0.3), np.ptp(x)


@on(uniform(4, 4))
def pieces(x):
    lower, upper = np.tril(x), np.triu(x, 1)
    blocks = np.block([[lower, upper], [upper.T, np.kron(np.eye(2), x[:2, :2])]])
    return np.flip(blocks, 0), np.repeat(x, 2, axis=1), np.tile(x, (1, 2)), np.diagonal(blocks)
