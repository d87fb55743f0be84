"""Programs of the sciences as people write them, against JAX: the same text runs with either package.

A program takes the package and gives a function and its arguments. JAX runs the function compiled; Weft runs it as it is
and compiled, and compiled it runs Python once.
"""

from __future__ import annotations

import functools
import math
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.flatten_util
import numpy as onp
import pytest

import weft

# JAX's results are wanted, not its speed.
FAST_TO_COMPILE = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}

PROGRAMS: list[Callable[[Any], tuple[Callable[..., Any], tuple[Any, ...]]]] = []


def program(make: Callable[..., Any]) -> Callable[..., Any]:
    """List a program: ``make(package)`` gives ``(function, arguments)``."""
    PROGRAMS.append(make)
    return make


def draw(*shape: int) -> onp.ndarray:
    """Numbers of no special value, the same every time."""
    return onp.random.default_rng(sum(shape)).normal(size=shape)


State = namedtuple("State", "u v t")
Belief = namedtuple("Belief", "mean cov")


@dataclass
class Reaction:
    """Rates of a reaction with diffusion; a node of trees in both packages."""

    feed: Any
    kill: Any

    @classmethod
    def register(cls, m: Any) -> None:
        """Make objects trees of their rates."""
        m.tree_util.register_pytree_node(
            cls, lambda r: ((r.feed, r.kill), None), lambda _, rates: cls(*rates)
        )


for _package in (jax, weft):
    Reaction.register(_package)


@program
def heat_with_walls(m: Any) -> Any:
    np = m.numpy

    @functools.partial(m.jit, static_argnames=("steps",))
    def run(u: Any, *, steps: int) -> Any:
        for _ in range(steps):
            lap = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2] - 4 * u[1:-1, 1:-1]
            u = u.at[1:-1, 1:-1].add(0.1 * lap)
            u = u.at[0].set(0.0).at[-1].set(1.0).at[:, 0].set(u[:, 1]).at[:, -1].set(u[:, -2])
        return u

    u = onp.linspace(0, 1, 63).reshape(9, 7) ** 2
    loss = m.value_and_grad(lambda u: (run(u, steps=2) ** 2).sum())
    padded = lambda u: [np.pad(u, ((1, 1), (0, 2)), mode=k) for k in ("edge", "reflect")]  # noqa: E731
    return lambda u: (loss(u), padded(u)), (u,)


@program
def waves_by_leapfrog(m: Any) -> Any:
    np = m.numpy

    def step(s: State, dt: float, c: Any) -> State:
        v = s.v + dt * c**2 * (np.roll(s.u, -1) - 2 * s.u + np.roll(s.u, 1))
        return s._replace(u=s.u + dt * v, v=v, t=s.t + dt)

    def run(s: State, c: Any) -> Any:
        energies = []
        for _ in range(3):
            s = step(s, 0.1, c)
            energies.append(0.5 * np.sum(s.v**2 + (np.roll(s.u, -1) - s.u) ** 2))
        return s, np.stack(energies)

    def both(s: State, c: Any) -> Any:
        return run(s, c), m.jacfwd(lambda c: run(s, c)[0].u)(c), m.grad(lambda s: run(s, c)[1][-1])(s)

    return both, (State(onp.sin(onp.arange(32.0)), onp.zeros(32), 0.0), 1.5)


@program
def reaction_and_diffusion_in_single_precision(m: Any) -> Any:
    np = m.numpy
    kernel = onp.array([[0.05, 0.2, 0.05], [0.2, -1, 0.2], [0.05, 0.2, 0.05]], onp.float32)

    def laplacian(a: Any) -> Any:
        out = 0
        for i in (-1, 0, 1):
            for j in (-1, 0, 1):
                out = out + kernel[i + 1, j + 1] * np.roll(a, (i, j), axis=(0, 1))
        return out

    def step(uv: Any, r: Reaction) -> Any:
        u, v = uv
        return np.stack(
            [u + laplacian(u) - u * v * v + r.feed * (1 - u), v + u * v * v - (r.feed + r.kill) * v]
        )

    uv = onp.abs(draw(2, 8, 8)).astype("float32")
    return lambda uv, r: (step(uv, r), m.grad(lambda r: step(uv, r)[1].sum())(r)), (
        uv,
        Reaction(onp.float32(0.06), onp.float32(0.062)),
    )


@program
def molecules(m: Any) -> Any:
    np = m.numpy

    def energy(r: Any, box: Any) -> Any:
        d = r[:, None] - r[None]
        d = d - box * np.round(d / box)
        r2 = np.sum(d**2, -1)
        apart = ~np.eye(len(r), dtype=bool)
        s6 = np.where(apart, r2, 1.0) ** -3
        return 0.5 * np.where(apart & (r2 < 2.0), 4 * (s6**2 - s6), 0.0).sum()

    def verlet(r: Any, v: Any, box: Any, dt: float = 1e-3) -> Any:
        v = v - 0.5 * dt * m.grad(energy)(r, box)
        r = np.mod(r + dt * v, box)
        return r, v - 0.5 * dt * m.grad(energy)(r, box)

    lattice = onp.stack(onp.meshgrid(*[onp.arange(2)] * 3), -1).reshape(-1, 3) * 1.1 + 0.05 * draw(8, 3)
    virial = lambda r, box: m.grad(lambda s: energy(r * s, box * s))(1.0)  # noqa: E731
    return lambda r, v: (verlet(r, v, 2.5), virial(r, 2.5), m.hessian(energy)(r[:3], 2.5)), (
        lattice,
        onp.zeros((8, 3)),
    )


@program
def double_pendulum(m: Any) -> Any:
    np = m.numpy

    def lagrangian(q: Any, w: Any) -> Any:
        kinetic = 0.5 * w[0] ** 2 + 0.5 * (w[0] ** 2 + w[1] ** 2 + 2 * w[0] * w[1] * np.cos(q[0] - q[1]))
        return kinetic + 2 * 9.81 * np.cos(q[0]) + 9.81 * np.cos(q[1])

    def acceleration(q: Any, w: Any) -> Any:
        force = m.grad(lagrangian)(q, w) - m.jacfwd(m.grad(lagrangian, 1), 0)(q, w) @ w
        return np.linalg.solve(m.hessian(lagrangian, 1)(q, w), force)

    many = m.vmap(acceleration, in_axes=(0, None))
    return lambda q, w: (many(q, w), m.jacrev(acceleration)(q[0], w)), (draw(3, 2), onp.array([0.1, 0.7]))


@program
def symplectic_map(m: Any) -> Any:
    np = m.numpy

    def hamiltonian(q: Any, p: Any) -> Any:
        return 0.5 * p @ p + 0.5 * q @ q + q[0] ** 2 * q[1] - q[1] ** 3 / 3

    def flow(z: Any) -> Any:
        q, p = np.split(z, 2)
        for _ in range(2):
            p = p - 0.05 * m.grad(hamiltonian)(q, p)
            q = q + 0.1 * m.grad(hamiltonian, argnums=1)(q, p)
            p = p - 0.05 * m.grad(hamiltonian)(q, p)
        return np.concatenate([q, p])

    def check(z: Any) -> Any:
        jacobian = m.jacfwd(flow)(z)
        zero, one = np.zeros((2, 2)), np.eye(2)
        omega = np.block([[zero, one], [-one, zero]])
        return flow(z), jacobian.T @ omega @ jacobian, m.vmap(flow, 1, 1)(np.outer(z, np.arange(3)))

    return check, (onp.array([0.1, 0.2, 0.3, -0.1]),)


@program
def likelihood_of_a_kalman_filter(m: Any) -> Any:
    np = m.numpy

    def update(b: Belief, z: Any, h: Any, r: Any) -> Any:
        y, s = z - h @ b.mean, h @ b.cov @ h.T + r
        gain = np.linalg.solve(s, h @ b.cov).T
        log_likelihood = -0.5 * (y @ np.linalg.solve(s, y) + np.linalg.slogdet(s)[1])
        return Belief(b.mean + gain @ y, (np.eye(2) - gain @ h) @ b.cov), log_likelihood

    def filtered(parameters: Any, zs: Any) -> Any:
        f, h = np.array([[1, 0.1], [0, 1]]), np.array([[1.0, 0.0]])
        b, total = Belief(np.zeros(2), np.eye(2)), 0.0
        for z in zs:
            b = Belief(f @ b.mean, f @ b.cov @ f.T + np.diag(np.exp(parameters["q"])))
            b, one = update(b, z, h, np.exp(parameters["r"]) * np.eye(1))
            total += one
        return -total, b

    return m.value_and_grad(filtered, has_aux=True), ({"q": onp.array([-1.0, -2.0]), "r": 0.0}, draw(3, 1))


@program
def evidence_of_a_gaussian_process(m: Any) -> Any:
    np = m.numpy

    def kernel(a: Any, b: Any, *, length: Any, size: Any) -> Any:
        return size**2 * np.exp(-0.5 * np.sum(((a - b) / length) ** 2))

    def evidence(theta: Any, x: Any, y: Any) -> Any:
        k = functools.partial(kernel, length=np.exp(theta["length"]), size=np.exp(theta["size"]))
        gram = m.vmap(lambda a: m.vmap(lambda b: k(a, b))(x))(x) + 0.1 * np.eye(len(x))
        lower = np.linalg.cholesky(gram)
        white = np.linalg.solve(lower, y)
        return 0.5 * white @ white + np.sum(np.log(np.diag(lower)))

    x = draw(7, 2)
    theta = {"length": onp.log([0.3, 0.5]), "size": 0.2}
    both = lambda *a: (m.value_and_grad(evidence)(*a), m.jacfwd(m.grad(evidence))(*a))  # noqa: E731
    return both, (theta, x, onp.sin(x[:, 0]))


@program
def levenberg_and_marquardt(m: Any) -> Any:
    np = m.numpy
    t = onp.linspace(0, 3, 12)
    y = 2 * onp.exp(-1.3 * t) + 0.5

    def fit(start: Any, damping: Any) -> Any:
        x, unravel = m.flatten_util.ravel_pytree(start)

        def residual(x: Any) -> Any:
            p = unravel(x)
            return p["a"] * np.exp(-p["b"] * t) + p["c"] - y

        for _ in range(3):
            jacobian, r = m.jacrev(residual)(x), residual(x)
            normal = jacobian.T @ jacobian
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal)), -jacobian.T @ r)
            better = np.sum(residual(x + step) ** 2) < np.sum(r**2)
            x, damping = np.where(better, x + step, x), np.where(better, damping / 3, damping * 2)
        return unravel(x), damping

    return fit, ({"a": 1.0, "b": 1.0, "c": 0.0}, 1e-2)


@program
def phase_retrieval(m: Any) -> Any:
    np = m.numpy
    x = onp.linspace(-1, 1, 24)
    distance = onp.sqrt((onp.linspace(-2, 2, 16)[:, None] - x) ** 2 + 25.0)

    def intensity(phase: Any) -> Any:
        field = np.exp(1j * phase) * np.where(np.abs(x) < 0.5, 1, 0)
        return np.abs(np.exp(40j * distance) / distance @ field) ** 2

    def loss(phase: Any) -> Any:
        i = intensity(phase)
        return np.sum((i / np.sum(i) - np.zeros(16).at[8].set(1.0)) ** 2)

    return lambda p: (m.value_and_grad(loss)(p), m.jvp(m.grad(loss), (p,), (x,))[1]), (0.1 * onp.sin(3 * x),)


@program
def chain_of_spins(m: Any) -> Any:
    np = m.numpy
    one, flip, up = onp.eye(2), onp.array([[0, 1], [1, 0]], complex), onp.diag([1.0 + 0j, -1.0])

    def at(operator: Any, site: int) -> Any:
        return functools.reduce(np.kron, [operator if k == site else one for k in range(3)])

    def hamiltonian(g: Any) -> Any:
        bonds = sum(at(up, k) @ at(up, k + 1) for k in range(2))
        return -bonds - g * sum(at(flip, k) for k in range(3))

    def magnetization(g: Any, t: Any) -> Any:
        generator = -1j * t * hamiltonian(g)
        evolved = term = np.eye(8, dtype=complex)
        for k in range(1, 8):
            term = term @ generator / k
            evolved = evolved + term
        return np.real(np.vdot(evolved[:, 0], at(up, 1) @ evolved[:, 0]))

    def entropy(g: Any) -> Any:
        ground = np.linalg.eigh(hamiltonian(g))[1][:, 0]
        reduced = np.einsum("ajbj->ab", np.outer(ground, ground.conj()).reshape(2, 4, 2, 4))
        p = np.linalg.eigvalsh(reduced)
        return -np.sum(p * np.log(p))

    ground_energy = m.value_and_grad(lambda g: np.linalg.eigvalsh(hamiltonian(g))[0])
    return lambda g: (m.grad(magnetization, argnums=(0, 1))(g, 0.2), entropy(g), ground_energy(g)), (0.7,)


@program
def hamiltonian_monte_carlo(m: Any) -> Any:
    np = m.numpy

    def log_density(q: Any) -> Any:
        return -0.5 * np.sum(q**2 * np.array([1.0, 4.0])) - 0.1 * np.sum(q) ** 4

    @functools.partial(m.jit, static_argnums=2)
    def step(q: Any, key: Any, leaps: int, size: float = 0.1) -> Any:
        first, second = m.random.split(key)
        p = start = m.random.normal(first, q.shape, q.dtype)
        new = q
        for _ in range(leaps):
            p = p + 0.5 * size * m.grad(log_density)(new)
            new = new + size * p
            p = p + 0.5 * size * m.grad(log_density)(new)
        gain = log_density(new) - log_density(q) - 0.5 * p @ p + 0.5 * start @ start
        accepted = np.log(m.random.uniform(second)) < gain
        return np.where(accepted, new, q), accepted

    def chains(q: Any) -> Any:
        return m.vmap(lambda q, key: step(q, key, 2))(q, m.random.split(m.random.key(42), len(q)))

    return chains, (draw(4, 2),)


@program
def implicit_derivative_of_a_fixed_point(m: Any) -> Any:
    np = m.numpy

    @functools.partial(m.custom_vjp, nondiff_argnums=(0,))
    def fixed_point(f: Any, a: Any) -> Any:
        x = np.ones_like(a)
        for _ in range(8):
            x = f(a, x)
        return x

    def forward(f: Any, a: Any) -> Any:
        x = fixed_point(f, a)
        return x, (a, x)

    def backward(f: Any, residuals: Any, x_bar: Any) -> Any:
        a, x = residuals
        _, pull = m.vjp(functools.partial(f, a), x)
        w = x_bar
        for _ in range(8):
            w = x_bar + pull(w)[0]
        return m.vjp(lambda a: f(a, x), a)[1](w)

    fixed_point.defvjp(forward, backward)
    root = functools.partial(fixed_point, lambda a, x: 0.5 * (x + a / x))
    each = m.vmap(m.value_and_grad(lambda a: root(a).sum()))
    return each, (onp.array([[2.0, 9.0], [4.0, 5.0]]),)


@program
def permeability_from_pressures(m: Any) -> Any:
    np = m.numpy
    n, seen = 10, onp.arange(2, 10, 3)
    inner = onp.arange(1, n - 1)

    def pressures(log_k: Any) -> Any:
        k = np.exp(log_k)
        k = 0.5 * (k[1:] + k[:-1])
        a = np.eye(n).at[inner, inner].set(k[1:] + k[:-1])
        a = a.at[inner, inner - 1].set(-k[:-1]).at[inner, inner + 1].add(-k[1:])
        return np.linalg.solve(a, np.ones(n).at[np.array([0, -1])].set(0.0))[seen]

    def look(log_k: Any, direction: Any) -> Any:
        seen, push = m.linearize(pressures, log_k)
        _, pull = m.vjp(pressures, log_k)
        product = pull(push(direction))[0]
        return seen, product, m.vmap(push)(np.eye(n)), m.vmap(pull)(np.eye(3))[0]

    return look, (0.1 * draw(n), onp.cos(onp.arange(n)))


@program
def greeks(m: Any) -> Any:
    np = m.numpy

    def cdf(x: Any) -> Any:
        return 0.5 * (1 + m.lax.erf(x / math.sqrt(2)))

    def call(s: Any, k: Any, t: Any, r: Any, sigma: Any) -> Any:
        d = (np.log(s / k) + (r + sigma**2 / 2) * t) / (sigma * np.sqrt(t))
        return s * cdf(d) - k * np.exp(-r * t) * cdf(d - sigma * np.sqrt(t))

    def implied(price: Any) -> Any:
        sigma = 0.3
        for _ in range(3):
            value, vega = m.value_and_grad(call, argnums=4)(100.0, 110.0, 1.0, 0.05, sigma)
            sigma = sigma - (value - price) / vega
        return sigma

    def american(s: Any, n: int = 4) -> Any:
        u = np.exp(0.2 * np.sqrt(1 / n))
        p = (np.exp(0.05 / n) - 1 / u) / (u - 1 / u)
        v = np.maximum(100 - s * u ** np.arange(n, -n - 1, -2), 0)
        for i in range(n, 0, -1):
            v = np.exp(-0.05 / n) * (p * v[:-1] + (1 - p) * v[1:])
            v = np.maximum(v, 100 - s * u ** np.arange(i - 1, -i, -2))
        return v[0]

    def all_of_them(s: Any, k: Any) -> Any:
        rest = (1.0, 0.05, 0.2)
        across = m.vmap(m.vmap(m.grad(call, argnums=(0, 4)), (None, 0, None, None, None)), (0,) + (None,) * 4)
        gamma = m.vmap(m.grad(m.grad(call)), (0, *[None] * 4))(s, 100.0, *rest)
        return across(s, k, *rest), gamma, m.value_and_grad(implied)(6.0), m.vmap(m.grad(american))(s)

    return all_of_them, (onp.array([93.0, 101.0]), onp.array([90.0, 100.0, 110.0]))


@program
def symbols_of_a_sphere(m: Any) -> Any:
    np = m.numpy

    def point(x: Any) -> Any:
        (s, t), (c, d) = np.sin(x), np.cos(x)
        return np.stack([s * d, s * t, c])

    def metric(x: Any) -> Any:
        j = m.jacfwd(point)(x)
        return j.T @ j

    def symbols(x: Any) -> Any:
        change = m.jacfwd(metric)(x)
        lowered = change + np.swapaxes(change, 1, 2) - np.moveaxis(change, 2, 0)
        return 0.5 * np.einsum("im,mjk->ijk", np.linalg.inv(metric(x)), lowered)

    return lambda x: (symbols(x), m.jacrev(symbols)(x)), (onp.array([0.7, 0.3]),)


@program
def resampling(m: Any) -> Any:
    np = m.numpy

    def statistics(x: Any) -> Any:
        return {"median": np.median(x), "std": np.std(x, ddof=1), "q": np.quantile(x, 0.9), "max": x.max()}

    def bootstrap(x: Any) -> Any:
        one = lambda key: statistics(x[m.random.randint(key, x.shape, 0, x.size)])  # noqa: E731
        many = m.vmap(one)(m.random.split(m.random.key(3), 20))
        interval = m.tree.map(lambda b: np.percentile(b, np.array([2.5, 97.5])), many)
        return interval, m.grad(lambda x: np.median(x) + np.quantile(x, 0.3))(x), np.corrcoef(x, x**2)

    return bootstrap, (np.asarray(draw(21)),)


def agree(ours: Any, theirs: Any) -> None:
    """Equal trees, dtypes, shapes and, for its dtype, values."""
    assert str(jax.tree.structure(jax.tree.map(onp.asarray, ours))) == str(jax.tree.structure(theirs))
    for a, b in zip(weft.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        a, b = onp.asarray(a), onp.asarray(b)
        assert (a.dtype, a.shape) == (b.dtype, b.shape)
        tolerance = 1e-4 if a.dtype == onp.float32 else 1e-9
        scale = max(1e-3, float(onp.max(onp.abs(b), initial=0)))
        onp.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("make", PROGRAMS, ids=lambda make: make.__name__)
def test_program(make: Callable[..., Any]) -> None:
    function, args = make(jax)
    expected = jax.jit(function, compiler_options=FAST_TO_COMPILE)(*args)

    function, args = make(weft)
    agree(function(*args), expected)
    runs = []

    def counted(*args: Any) -> Any:
        runs.append(args)
        return function(*args)

    compiled = weft.jit(counted)
    for _ in range(2):
        agree(compiled(*args), expected)
    assert len(runs) == 1 and compiled.compiles == 1
