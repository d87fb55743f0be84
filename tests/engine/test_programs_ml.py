"""Programs of machine learning, written as their users write them, against JAX.

A program takes a namespace (`jax` or `weft`) and gives a function and its arguments. JAX's compiled result is the judge of
Weft's, compiled and run eagerly.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.flatten_util
import numpy as np
import pytest

import weft

Program = Callable[[Any], tuple[Callable[..., Any], tuple[Any, ...]]]
PROGRAMS: dict[str, Program] = {}
FAST_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}


def program(make: Program) -> Program:
    PROGRAMS[make.__name__] = make
    return make


def normal(m: Any, *shape: int, seed: int = 0, dtype: str = "float64") -> Any:
    return m.numpy.asarray(np.random.default_rng(seed).normal(size=shape).astype(dtype))


def labels(m: Any, classes: int, *shape: int) -> Any:
    return m.numpy.asarray(np.random.default_rng(1).integers(0, classes, shape))


@program
def mlp_with_adam(m: Any) -> Any:
    class State(NamedTuple):
        count: Any
        mean: Any
        square: Any

    def loss(params: Any, x: Any, y: Any) -> Any:
        *hidden, last = params
        for p in hidden:
            x = m.nn.relu(x @ p["w"] + p["b"])
        logits = x @ last["w"] + last["b"]
        picked = m.numpy.take_along_axis(m.nn.log_softmax(logits), y[:, None], axis=-1)
        return -picked.mean(), (logits.argmax(-1) == y).sum()

    def step(params: Any, state: State, x: Any, y: Any) -> Any:
        (value, hits), grads = m.value_and_grad(loss, has_aux=True)(params, x, y)
        n = state.count + 1
        mean = m.tree.map(lambda a, g: 0.9 * a + 0.1 * g, state.mean, grads)
        square = m.tree.map(lambda a, g: 0.99 * a + 0.01 * g**2, state.square, grads)

        def move(p: Any, a: Any, b: Any) -> Any:
            return p - 0.01 * (a / (1 - 0.9**n)) / (m.numpy.sqrt(b / (1 - 0.99**n)) + 1e-8)

        return m.tree.map(move, params, mean, square), State(n, mean, square), value, hits

    sizes = [5, 8, 3]
    params = [{"w": normal(m, i, o, seed=i), "b": m.numpy.zeros(o)} for i, o in itertools.pairwise(sizes)]
    zeros = m.tree.map(m.numpy.zeros_like, params)
    return step, (params, State(0, zeros, zeros), normal(m, 20, 5), labels(m, 3, 20))


@program
def convolutions_by_slices(m: Any) -> Any:
    def conv(x: Any, w: Any) -> Any:
        x = m.numpy.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        size = x.shape[1] - 2
        parts = [
            m.numpy.einsum("bhwc,cd->bhwd", x[:, i : i + size, j : j + size], w[i, j])
            for i in range(3)
            for j in range(3)
        ]
        return sum(parts)

    def loss(w: Any, x: Any) -> Any:
        y = m.nn.relu(conv(x, w["first"]))
        mean, var = y.mean((0, 1, 2)), y.var((0, 1, 2))
        y = w["scale"] * (y - mean) * m.lax.rsqrt(var + 1e-5)
        b, h, _, c = y.shape
        return m.numpy.sum(y.reshape(b, h // 2, 2, h // 2, 2, c).max((2, 4)) ** 2)

    w = {"first": normal(m, 3, 3, 2, 4), "scale": m.numpy.ones(4)}
    return m.value_and_grad(loss, argnums=(0, 1)), (w, normal(m, 3, 4, 4, 2, seed=2))


@program
def causal_transformer(m: Any) -> Any:
    width, heads = 8, 2

    def norm(x: Any) -> Any:
        return (x - x.mean(-1, keepdims=True)) / m.numpy.sqrt(x.var(-1, keepdims=True) + 1e-5)

    def loss(p: Any, tokens: Any) -> Any:
        x = p["embedding"][tokens[:, :-1]]
        b, t, _ = x.shape
        q, k, v = (
            a.reshape(b, t, heads, -1).transpose(0, 2, 1, 3) for a in m.numpy.split(norm(x) @ p["qkv"], 3, -1)
        )
        scores = m.numpy.einsum("bhqd,bhkd->bhqk", q, k) / math.sqrt(width // heads)
        scores = m.numpy.where(m.numpy.tril(m.numpy.ones((t, t), bool)), scores, -1e30)
        mixed = m.numpy.einsum("bhqk,bhkd->bqhd", m.nn.softmax(scores), v).reshape(b, t, width)
        x = x + mixed
        x = x + m.nn.gelu(norm(x) @ p["up"]) @ p["down"]
        log_p = m.nn.log_softmax(x @ p["embedding"].T)
        return -m.numpy.take_along_axis(log_p, tokens[:, 1:, None], -1).mean()

    p = {
        "embedding": normal(m, 11, width),
        "qkv": normal(m, width, 3 * width, seed=1),
        "up": normal(m, width, 16, seed=2),
        "down": normal(m, 16, width, seed=3),
    }
    return m.value_and_grad(loss), (p, labels(m, 11, 3, 7))


@program
def gru_with_lengths(m: Any) -> Any:
    def cell(p: Any, h: Any, x: Any) -> Any:
        a, b = x @ p["in"], h @ p["hidden"]
        r, z = m.numpy.split(m.nn.sigmoid(a[..., :8] + b[..., :8]), 2, axis=-1)
        return (1 - z) * m.numpy.tanh(a[..., 8:] + r * b[..., 8:]) + z * h

    def loss(p: Any, xs: Any, lengths: Any) -> Any:
        h, seen = m.numpy.zeros((xs.shape[0], 4)), []
        for t in range(xs.shape[1]):
            h = m.numpy.where((t < lengths)[:, None], cell(p, h, xs[:, t]), h)
            seen.append(h)
        return (m.numpy.stack(seen, 1) ** 2).sum() + h[:, 0].sum()

    p = {"in": normal(m, 3, 12), "hidden": normal(m, 4, 12, seed=1)}
    return m.grad(loss), (p, normal(m, 4, 3, 3, seed=2), m.numpy.asarray([3, 1, 2, 3]))


@program
def variational_autoencoder(m: Any) -> Any:
    def bound(p: Any, key: Any, x: Any) -> Any:
        h = m.numpy.tanh(x @ p["encoder"])
        mean, log_var = m.numpy.split(h, 2, -1)
        z = mean + m.numpy.exp(0.5 * log_var) * m.random.normal(key, mean.shape)
        logits = z @ p["decoder"]
        likelihood = (x * m.nn.log_sigmoid(logits) + (1 - x) * m.nn.log_sigmoid(-logits)).sum(-1)
        return likelihood + 0.5 * (1 + log_var - mean**2 - m.numpy.exp(log_var)).sum(-1)

    def importance_weighted(p: Any, key: Any, x: Any) -> Any:
        bounds = m.vmap(bound, in_axes=(None, 0, None))(p, m.random.split(key, 3), x)
        return (m.nn.logsumexp(bounds, axis=0) - math.log(3)).mean()

    p = {"encoder": normal(m, 6, 4), "decoder": normal(m, 2, 6, seed=1)}
    return m.value_and_grad(importance_weighted), (p, m.random.key(0), labels(m, 2, 5, 6).astype(float))


@program
def adversarial_pair_with_gradient_penalty(m: Any) -> Any:
    def critic(d: Any, x: Any) -> Any:
        return (m.nn.leaky_relu(x @ d[0], 0.2) @ d[1]).squeeze(-1)

    def loss(d: Any, g: Any, real: Any, z: Any) -> Any:
        fake = m.lax.stop_gradient(m.numpy.tanh(z @ g))
        slope = m.vmap(m.grad(critic, argnums=1), (None, 0))(d, real)
        wrong = m.nn.softplus(-critic(d, real)).mean() + m.nn.softplus(critic(d, fake)).mean()
        return wrong + 0.5 * m.numpy.sum(slope**2, -1).mean()

    d = [normal(m, 3, 8), normal(m, 8, 1, seed=1)]
    return m.grad(loss), (d, normal(m, 2, 3, seed=2), normal(m, 9, 3, seed=3), normal(m, 9, 2, seed=4))


@program
def coupling_flow(m: Any) -> Any:
    @m.tree_util.register_pytree_node_class
    class Coupling:
        def __init__(self, w: Any, even: bool):
            self.w, self.even = w, even

        def tree_flatten(self) -> Any:
            return (self.w,), self.even

        @classmethod
        def tree_unflatten(cls, even: bool, children: Any) -> Any:
            return cls(*children, even)

        def __call__(self, x: Any) -> Any:
            mask = (m.numpy.arange(4) % 2 == int(self.even)).astype(x.dtype)
            s, t = m.numpy.split(m.numpy.tanh((x * mask) @ self.w) * m.numpy.tile(1 - mask, 2), 2, -1)
            return x * m.numpy.exp(s) + t, s.sum(-1)

    def run(layers: Any, x: Any) -> Any:
        total = 0.0
        for layer in layers:
            x, log_det = layer(x)
            total += log_det
        return x, total

    def quantities(layers: Any, x: Any) -> Any:
        def loss(layers: Any) -> Any:
            z, log_det = run(layers, x)
            return (0.5 * (z**2).sum(-1) - log_det).mean()

        slopes = [layer.w for layer in m.grad(loss)(layers)]
        jacobians = m.vmap(m.jacfwd(lambda x: run(layers, x)[0]))(x)
        return slopes, m.numpy.linalg.slogdet(jacobians)[1], run(layers, x)[1]

    return quantities, ([Coupling(normal(m, 4, 8, seed=i), i % 2 == 0) for i in range(2)], normal(m, 5, 4))


@program
def gaussian_mixture_step(m: Any) -> Any:
    def log_density(x: Any, mean: Any, cov: Any) -> Any:
        lower = m.numpy.linalg.cholesky(cov)
        s = m.numpy.linalg.solve(lower, x - mean)
        return -0.5 * s @ s - m.numpy.log(m.numpy.diag(lower)).sum()

    every = m.vmap(m.vmap(log_density, (None, 0, 0)), (0, None, None))

    def step(weights: Any, means: Any, covs: Any, x: Any) -> Any:
        log_p = every(x, means, covs) + m.numpy.log(weights)
        total = m.nn.logsumexp(log_p, 1)
        share = m.numpy.exp(log_p - total[:, None])
        n = share.sum(0)
        means = share.T @ x / n[:, None]
        d = x[:, None] - means
        covs = m.numpy.einsum("nk,nki,nkj->kij", share, d, d) / n[:, None, None] + 1e-6 * m.numpy.eye(2)
        return n / n.sum(), means, covs, total.sum()

    x = m.numpy.concatenate([normal(m, 20, 2) + 3, normal(m, 20, 2, seed=1) - 2])
    start = m.numpy.array([[1.0, 1.0], [-1.0, -1.0]])
    return step, (m.numpy.ones(2) / 2, start, m.numpy.tile(m.numpy.eye(2), (2, 1, 1)), x)


@program
def newton_for_poisson_regression(m: Any) -> Any:
    def loss(w: Any, x: Any, counts: Any) -> Any:
        rate = x @ w["slope"] + w["offset"]
        return m.numpy.mean(m.numpy.exp(rate) - counts * rate + m.lax.lgamma(counts + 1.0))

    def step(w: Any, x: Any, counts: Any) -> Any:
        flat, unravel = m.flatten_util.ravel_pytree(w)
        fun = lambda v: loss(unravel(v), x, counts)  # noqa: E731
        hessian, slope = m.hessian(fun)(flat), m.grad(fun)(flat)
        errors = m.numpy.sqrt(m.numpy.diag(m.numpy.linalg.inv(hessian)))
        return unravel(flat - m.numpy.linalg.solve(hessian, slope)), errors

    return step, ({"slope": normal(m, 3) * 0.1, "offset": 0.2}, normal(m, 30, 3, seed=1), labels(m, 5, 30))


@program
def skip_gram_in_float32(m: Any) -> Any:
    def loss(tables: Any, key: Any, words: Any, contexts: Any) -> Any:
        into, out = tables
        noise = m.random.randint(key, (words.shape[0], 5), 0, into.shape[0])
        h = into[words]
        right = m.numpy.einsum("bd,bcd->bc", h, out[contexts])
        wrong = m.numpy.einsum("bd,bkd->bk", h, out[noise])
        return -(m.nn.log_sigmoid(right).sum(-1) + m.nn.log_sigmoid(-wrong).sum(-1)).mean()

    tables = (normal(m, 20, 6, dtype="float32"), normal(m, 20, 6, seed=1, dtype="float32"))
    return m.value_and_grad(loss), (tables, m.random.key(3), labels(m, 20, 12), labels(m, 20, 12, 4))


@program
def policy_gradient(m: Any) -> Any:
    def rollout(w: Any, key: Any, s: Any) -> Any:
        states, actions, rewards = [], [], []
        for _ in range(3):
            key, sub = m.random.split(key)
            a = m.random.categorical(sub, s @ w)
            states.append(s)
            actions.append(a)
            s = m.numpy.tanh(0.9 * s + m.numpy.where(a == 0, 0.1, -0.1))
            rewards.append(-m.numpy.abs(s).sum())
        return tuple(map(m.numpy.stack, (states, actions, rewards)))

    def loss(w: Any, states: Any, actions: Any, returns: Any) -> Any:
        log_p = m.nn.log_softmax(states @ w)
        chosen = m.numpy.take_along_axis(log_p, actions[..., None], -1).squeeze(-1)
        advantage = (returns - returns.mean()) / (returns.std() + 1e-8)
        return -(chosen * m.lax.stop_gradient(advantage)).mean() - 0.01 * (log_p * m.numpy.exp(log_p)).sum()

    def update(w: Any, key: Any) -> Any:
        runs = m.vmap(partial(rollout, w))(m.random.split(key, 6), m.numpy.ones((6, 3)) * 0.5)
        states, actions, rewards = runs
        discount = 0.9 ** m.numpy.arange(rewards.shape[-1])
        returns = m.numpy.cumsum((rewards * discount)[:, ::-1], -1)[:, ::-1] / discount
        return w - 0.1 * m.grad(loss)(w, states, actions, returns), actions, returns

    return update, (normal(m, 3, 2) * 0.1, m.random.key(5))


@program
def neural_ode_with_exact_trace(m: Any) -> Any:
    def field(p: Any, t: Any, y: Any) -> Any:
        return m.numpy.tanh(m.numpy.append(y, t) @ p["in"]) @ p["out"]

    def flow(p: Any, y: Any) -> Any:
        def rate(t: Any, s: Any) -> Any:
            trace = m.numpy.trace(m.jacfwd(lambda y: field(p, t, y))(s[:2]))
            return m.numpy.concatenate([field(p, t, s[:2]), -trace[None]])

        s, h = m.numpy.append(y, 0.0), 0.5
        a = rate(0.0, s)
        b = rate(h / 2, s + h / 2 * a)
        c = rate(h / 2, s + h / 2 * b)
        return s + h / 6 * (a + 2 * b + 2 * c + rate(h, s + h * c))

    def loss(p: Any, ys: Any) -> Any:
        s = m.vmap(flow, (None, 0))(p, ys)
        return ((s[:, :2] - 1.0) ** 2).mean() + s[:, 2].mean()

    p = {"in": normal(m, 3, 5), "out": normal(m, 5, 2, seed=1)}
    return m.value_and_grad(m.checkpoint(loss)), (p, normal(m, 4, 2, seed=2))


@program
def gradient_through_gradient_steps(m: Any) -> Any:
    def loss(p: Any, x: Any, y: Any) -> Any:
        return m.numpy.mean((m.numpy.sin(x @ p["a"] + p["b"]) @ p["c"] - y) ** 2)

    def task(p: Any, log_rate: Any, task: Any) -> Any:
        for _ in range(2):
            slope = m.grad(loss)(p, task["x"], task["y"])
            p = m.tree.map(lambda w, g: w - m.numpy.exp(log_rate) * g, p, slope)
        return loss(p, task["x_new"], task["y_new"])

    def total(p: Any, log_rate: Any, tasks: Any) -> Any:
        return m.vmap(task, in_axes=(None, None, 0))(p, log_rate, tasks).mean()

    p = {"a": normal(m, 1, 6), "b": m.numpy.zeros(6), "c": normal(m, 6, 1, seed=1)}
    tasks = {k: normal(m, 3, 5, 1, seed=i) for i, k in enumerate(("x", "y", "x_new", "y_new"))}
    return m.value_and_grad(total, argnums=(0, 1)), (p, -3.0, tasks)


@program
def clipped_gradients_of_examples(m: Any) -> Any:
    @m.tree_util.register_dataclass
    @dataclasses.dataclass
    class Model:
        w: Any
        b: Any
        activation: str = dataclasses.field(default="silu", metadata={"static": True})

        def __call__(self, x: Any) -> Any:
            return getattr(m.nn, self.activation)(x @ self.w) @ self.b

    def loss(model: Model, x: Any, y: Any) -> Any:
        return m.numpy.logaddexp(0.0, -(2 * y - 1) * model(x))

    def private(model: Model, key: Any, x: Any, y: Any) -> Any:
        slopes = m.vmap(m.grad(loss), (None, 0, 0))(model, x, y)
        flat = m.vmap(lambda g: m.flatten_util.ravel_pytree(g)[0])(slopes)
        norms = m.numpy.linalg.norm(flat, axis=1, keepdims=True)
        clipped = (flat * m.numpy.minimum(1, 1 / norms)).sum(0)
        fisher = m.numpy.einsum("ni,nj->ij", flat, flat) / len(x)
        return clipped + 0.5 * m.random.normal(key, clipped.shape), m.numpy.linalg.eigvalsh(fisher)

    model = Model(normal(m, 4, 3), normal(m, 3, seed=1))
    return private, (model, m.random.key(1), normal(m, 20, 4, seed=2), labels(m, 2, 20))


@program
def implicit_layer_with_own_derivative(m: Any) -> Any:
    @partial(m.custom_vjp, nondiff_argnums=(0,))
    def fixed_point(f: Any, p: Any, x: Any) -> Any:
        for _ in range(20):
            x = f(p, x)
        return x

    def forward(f: Any, p: Any, x: Any) -> Any:
        x = fixed_point(f, p, x)
        return x, (p, x)

    def backward(f: Any, kept: Any, ct: Any) -> Any:
        p, x = kept
        _, pull_x = m.vjp(partial(f, p), x)
        _, pull_p = m.vjp(lambda p: f(p, x), p)
        u = ct
        for _ in range(20):
            u = ct + pull_x(u)[0]
        return pull_p(u)[0], m.numpy.zeros_like(x)

    fixed_point.defvjp(forward, backward)

    def loss(p: Any) -> Any:
        return m.numpy.sum(
            fixed_point(lambda p, x: m.numpy.tanh(p["w"] @ x + p["b"]), p, m.numpy.zeros(3)) ** 2
        )

    return m.value_and_grad(loss), ({"w": normal(m, 3, 3) * 0.2, "b": normal(m, 3, seed=1)},)


@program
def ensemble_of_augmented_views(m: Any) -> Any:
    def view(key: Any, image: Any) -> Any:
        flip, crop, light = m.random.split(key, 3)
        image = m.numpy.where(m.random.bernoulli(flip), image[:, ::-1], image)
        corner = m.random.randint(crop, (2,), 0, 3)
        image = m.lax.dynamic_slice(image, (corner[0], corner[1]), (4, 4))
        return m.numpy.clip(image * m.random.uniform(light, (), minval=0.8, maxval=1.2), 0, 255)

    def scores(members: Any, key: Any, images: Any) -> Any:
        views = m.vmap(view)(m.random.split(key, images.shape[0]), images.astype(float))
        flat = views.reshape(len(views), -1) / 255
        out = m.vmap(lambda p, x: m.numpy.tanh(x @ p["w"]) + p["b"], in_axes=({"w": 0, "b": None}, None))(
            members, flat
        )
        best = out.mean(0).argmax(-1)
        confusion = m.numpy.zeros((3, 3), int).at[best, m.numpy.arange(len(best)) % 3].add(1)
        return out.mean(0), out.std(0, ddof=1), confusion

    members = {"w": normal(m, 5, 16, 3), "b": m.numpy.arange(3.0)}
    return scores, (members, m.random.key(2), labels(m, 255, 6, 6, 6).astype("uint8"))


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    fun, args = PROGRAMS[name](jax)
    want = jax.tree.leaves(jax.jit(fun, compiler_options=FAST_TO_COMPILE)(*args))
    fun, args = PROGRAMS[name](weft)
    jitted = weft.jit(fun)
    for got in (jitted(*args), jitted(*args), fun(*args)):
        leaves = weft.tree.leaves(got)
        assert len(leaves) == len(want)
        for x, y in zip(leaves, want, strict=True):
            assert np.asarray(x).dtype == y.dtype
            assert np.shape(x) == y.shape
            tolerance = 1e-5 if y.dtype == np.float32 else 1e-9
            scale = float(np.abs(y).max())
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance * scale)
    assert jitted.compiles == 1


def test_one_compile_serves_batches_of_all_sizes() -> None:
    step, (params, state, *_) = PROGRAMS["mlp_with_adam"](weft)
    jitted = weft.jit(step)
    for batch in (17, 40, 64):
        jitted(params, state, normal(weft, batch, 5), labels(weft, 3, batch))
    assert jitted.compiles == 1
