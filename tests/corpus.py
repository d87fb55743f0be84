"""Small programs as people write them, run under every nesting of transformations.

A program is written once against a `Namespace` (`np`, `lax`, `nn`, `random`), so JAX runs the same text as
Weft does. Arguments are NumPy arrays in float64 (and integers where a program indexes); a program is
differentiated by its first argument, which may be a pytree, and the others are data.
"""

from __future__ import annotations

import importlib
import itertools
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy

Args = tuple[Any, ...]


@dataclass(frozen=True)
class Namespace:
    """The modules a program may use, those of JAX or those of Weft."""

    np: ModuleType
    lax: ModuleType
    nn: ModuleType
    random: ModuleType

    @classmethod
    def of(cls, package: str) -> Namespace:
        """The modules of `package`, which is "jax" or "weft"."""
        names = ("numpy", "lax", "nn", "random")
        return cls(*(importlib.import_module(f"{package}.{name}") for name in names))


@dataclass(frozen=True)
class Program:
    """One program: `fun(namespace, *args)`.

    `smooth` says that second derivatives exist at `args`, `scalar` that the output is one number.
    """

    name: str
    fun: Callable[..., Any]
    args: Args
    smooth: bool
    scalar: bool

    def function(self, namespace: Namespace) -> Callable[..., Any]:
        """The program as a function of its arguments alone."""

        def function(*args: Any) -> Any:
            return self.fun(namespace, *args)

        function.__name__ = self.name
        return function


PROGRAMS: list[Program] = []


def program(
    make_args: Callable[[numpy.random.Generator], Args], *, smooth: bool = True, scalar: bool = True
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """List the decorated function as a program whose arguments `make_args` draws, the same every time."""

    def add(fun: Callable[..., Any]) -> Callable[..., Any]:
        rng = numpy.random.default_rng(zlib.crc32(fun.__name__.encode()))
        PROGRAMS.append(Program(fun.__name__, fun, make_args(rng), smooth, scalar))
        return fun

    return add


# Elementwise.


@program(lambda rng: (rng.normal(size=5),), scalar=False)
def polynomial(ns, x):
    return 3 * x**3 - 2 * x**2 + x - 1


@program(lambda rng: (rng.normal(size=4),))
def rosenbrock(ns, x):
    return ns.np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


@program(lambda rng: (rng.uniform(0.2, 1.8, size=6), rng.uniform(0.5, 2.5, size=6)), scalar=False)
def special_functions(ns, x, p):
    growth = ns.np.power(x, p) + ns.np.sinh(x) * ns.np.expm1(-x)
    return growth + ns.lax.erf(x) - ns.np.log1p(x) * ns.np.arctan2(x, p) + ns.np.cbrt(x) / ns.np.sqrt(p)


@program(lambda rng: (numpy.array([-2.6, -0.7, -0.3, 0.4, 0.8, 3.1]),), smooth=False, scalar=False)
def clipped(ns, x):
    hinge = ns.np.where(x > 0, ns.np.sqrt(ns.np.where(x > 0, x, 1.0)), ns.np.abs(x))
    return hinge * ns.np.clip(x, -1.0, 2.0) + ns.np.maximum(x, 0.1) * ns.np.sign(x)


@program(lambda rng: ({"re": rng.normal(size=4), "im": rng.normal(size=4)},))
def complex_product(ns, z):
    z = ns.lax.complex(z["re"], z["im"])
    w = z * ns.np.exp(0.3j * z) + (2.0 - 1.0j)
    return ns.np.sum(ns.np.abs(w) + ns.np.real(z * ns.np.conj(w)))


@program(lambda rng: (rng.normal(size=(3, 4)),))
def dropout(ns, x):
    keep = ns.random.bernoulli(ns.random.key(3), 0.7, x.shape)
    return ns.np.sum(ns.np.where(keep, x / 0.7, 0.0) ** 2)


# Reductions and normalisations.


@program(lambda rng: (rng.normal(size=(3, 5)),), scalar=False)
def log_sum_exp(ns, x):
    top = ns.lax.stop_gradient(ns.np.max(x, axis=-1, keepdims=True))
    return ns.np.log(ns.np.sum(ns.np.exp(x - top), axis=-1)) + top[..., 0]


@program(lambda rng: (rng.normal(size=(3, 6)), rng.normal(size=6), rng.normal(size=6)), scalar=False)
def layer_norm(ns, x, scale, bias):
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) * ns.lax.rsqrt(variance + 1e-5) * scale + bias


@program(lambda rng: (rng.normal(size=(7, 3)),), scalar=False)
def standardise(ns, x):
    return (x - ns.np.mean(x, axis=0)) / ns.np.std(x, axis=0) + ns.np.var(x, axis=0, ddof=1)


@program(lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(5, 3))))
def pairwise_distances(ns, x, y):
    return ns.np.sum(ns.np.linalg.norm(x[:, None, :] - y[None, :, :], axis=-1))


@program(lambda rng: (rng.normal(size=9),), scalar=False)
def running_mean(ns, x):
    return ns.np.cumsum(x**2) / (1 + ns.np.arange(x.shape[0]))


@program(lambda rng: (rng.permutation(numpy.linspace(-2.0, 2.5, 10)),))
def trimmed_variance(ns, x):
    middle = ns.np.sort(x)[2:-2]
    return ns.np.sum((middle - middle.mean()) ** 2)


# Models and losses.


@program(lambda rng: (rng.normal(size=3), rng.normal(size=(8, 3)), numpy.sign(rng.normal(size=8))))
def logistic_loss(ns, w, x, y):
    return ns.np.mean(ns.np.logaddexp(0.0, -y * (x @ w))) + 0.05 * ns.np.dot(w, w)


def _layers(rng: numpy.random.Generator, *sizes: int) -> list[dict[str, numpy.ndarray]]:
    return [
        {"b": 0.1 * rng.normal(size=n), "w": rng.normal(size=(m, n)) / numpy.sqrt(m)}
        for m, n in itertools.pairwise(sizes)
    ]


@program(lambda rng: (_layers(rng, 3, 4, 2), rng.normal(size=(5, 3)), rng.normal(size=(5, 2))))
def mlp_loss(ns, layers, x, y):
    *hidden, last = layers
    for layer in hidden:
        x = ns.np.tanh(x @ layer["w"] + layer["b"])
    return ns.np.mean((x @ last["w"] + last["b"] - y) ** 2)


@program(lambda rng: (rng.normal(size=(4, 5)), rng.integers(0, 5, size=4)))
def softmax_cross_entropy(ns, logits, labels):
    scores = ns.np.take_along_axis(ns.nn.log_softmax(logits, axis=-1), labels[:, None], axis=-1)
    return -ns.np.mean(scores)


@program(lambda rng: ({name: rng.normal(size=(2, 4, 3)) for name in "qkv"},), scalar=False)
def causal_attention(ns, heads):
    q, k, v = heads["q"], heads["k"], heads["v"]
    scores = ns.np.einsum("hid,hjd->hij", q, k) / ns.np.sqrt(q.shape[-1])
    past = ns.np.tril(ns.np.ones((q.shape[1], k.shape[1]), dtype=bool))
    return ns.nn.softmax(ns.np.where(past, scores, -1e30), axis=-1) @ v


@program(lambda rng: ((rng.normal(size=(4, 2)), rng.normal(size=(2, 5))), rng.normal(size=(4, 5))))
def matrix_factorisation(ns, factors, target):
    u, v = factors
    return ns.np.sum((u @ v - target) ** 2) + 0.1 * (ns.np.sum(u * u) + ns.np.sum(v * v))


@program(lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=(4, 2))))
def einsum_chain(ns, a, b, c):
    return ns.np.einsum("ij,jk,kl,il->", a, b, c, a @ b @ c)


# Arrays in pieces: slices, gathers, scatters.


@program(lambda rng: (rng.normal(size=3), rng.normal(size=9)), scalar=False)
def convolution(ns, kernel, signal):
    n = signal.shape[0] - kernel.shape[0] + 1
    return sum(kernel[k] * signal[k : k + n] for k in range(kernel.shape[0]))


@program(lambda rng: (rng.normal(size=(5, 6)),), scalar=False)
def heat_steps(ns, u):
    for _ in range(3):
        flow = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
        u = u.at[1:-1, 1:-1].add(0.1 * flow * (1 + u[1:-1, 1:-1]))
    return ns.np.pad(u, 1)


@program(lambda rng: (rng.normal(size=(6, 3)), rng.integers(0, 6, size=(2, 4))))
def embedding(ns, table, tokens):
    rows = ns.np.take(table, tokens, axis=0)
    return ns.np.sum(ns.np.tanh(rows.sum(axis=1)) * table[tokens[:, 0]])


@program(lambda rng: (rng.normal(size=8), rng.integers(0, 4, size=8)))
def scatter_add(ns, x, bins):
    totals = ns.np.zeros(4).at[bins].add(x)
    return ns.np.sum(totals**3)


@program(lambda rng: (rng.normal(size=(8, 2)), rng.integers(0, 3, size=8)), scalar=False)
def segment_means(ns, x, segments):
    members = ns.nn.one_hot(segments, 3, dtype=x.dtype)
    return (members.T @ x**2) / (1 + members.sum(axis=0))[:, None]


@program(lambda rng: (rng.normal(size=(2, 3)), rng.normal(size=(2, 3))), scalar=False)
def shuffled(ns, x, y):
    both = ns.np.concatenate([x, y[::-1]], axis=1).reshape(3, 4)
    return ns.np.stack([both.T[1:3, ::2], ns.np.flip(both, 0)[:2, :2]]) * ns.np.tile(x[0, :2], (2, 2, 1))


# Linear algebra.


@program(lambda rng: (numpy.array([0.1, -0.3, -1.2]), rng.normal(size=(6, 2)), rng.normal(size=6)))
def gp_marginal_likelihood(ns, theta, x, y):
    amplitude, length, noise = ns.np.exp(theta)
    squares = ns.np.sum((x[:, None, :] - x[None, :, :]) ** 2, axis=-1)
    cov = amplitude * ns.np.exp(-0.5 * squares / length**2) + (noise + 1e-3) * ns.np.eye(x.shape[0])
    chol = ns.np.linalg.cholesky(cov)
    fit = 0.5 * ns.np.dot(y, ns.np.linalg.solve(cov, y))
    return fit + ns.np.sum(ns.np.log(ns.np.diagonal(chol))) + 0.5 * y.shape[0] * ns.np.log(2 * ns.np.pi)


@program(lambda rng: (rng.normal(size=(3, 3)) + 3 * numpy.eye(3), rng.normal(size=3)), scalar=False)
def implicit_solve(ns, a, b):
    return ns.np.linalg.solve(a, b) * ns.np.linalg.det(a) + ns.np.linalg.inv(a) @ b
