"""Optimizers follow the formulas of their papers, those that jax has are jax's, and each runs under every transformation."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from jax.example_libraries import optimizers as jax_optimizers

import weft
import weft.numpy as wnp
from weft import optim, tree
from weft.errors import ArgumentError, DTypeError, ShapeError

RNG = np.random.default_rng(0)
PARAMS = {"w": RNG.normal(size=(3, 4)), "b": [RNG.normal(size=4), RNG.normal(size=())]}
GRADS = [tree.map(lambda p: RNG.normal(size=p.shape) * 2, PARAMS) for _ in range(6)]


def train(optimizer: optim.Optimizer, params: Any, grads: Any, wrap: Callable[..., Any] = lambda f: f) -> Any:
    state, step = optimizer.init(params), wrap(optimizer.step)
    for g in grads:
        params, state = step(params, state, g)
    return params


def assert_close(found: Any, expected: Any, rtol: float = 1e-12) -> None:
    assert tree.structure(found) == tree.structure(expected)
    for x, y in zip(tree.leaves(found), tree.leaves(expected), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=rtol, atol=1e-14)


# Formulas, as the papers have them: a leaf and its gradients, one after the other, give the leaf in the end.


def adam_directions(gradients: Any, b1: float, b2: float, eps: float) -> Any:
    m = v = 0.0
    for t, g in enumerate(gradients, 1):
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g**2
        yield m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + eps)


def sgd(x: Any, gradients: Any) -> Any:
    for g in gradients:
        x = x - 0.1 * g
    return x


def momentum(x: Any, gradients: Any) -> Any:
    v = 0.0
    for g in gradients:
        v = 0.8 * v + g
        x = x - 0.1 * v
    return x


def nesterov(x: Any, gradients: Any) -> Any:
    v = 0.0  # in Sutskever's form the gradient is taken at x + 0.8 * v: these are the points where it is
    for g in gradients:
        before, v = v, 0.8 * v - 0.1 * g
        x = x - 0.8 * before + (1 + 0.8) * v
    return x


def adagrad(x: Any, gradients: Any) -> Any:
    s = 0.0
    for g in gradients:
        s = s + g**2
        x = x - 0.1 * g / np.sqrt(s)
    return x


def rmsprop(x: Any, gradients: Any) -> Any:
    s = 0.0
    for g in gradients:
        s = 0.7 * s + 0.3 * g**2
        x = x - 0.1 * g / np.sqrt(s + 1e-4)
    return x


def adam(x: Any, gradients: Any) -> Any:
    for u in adam_directions(gradients, 0.8, 0.95, 1e-3):
        x = x - 0.1 * u
    return x


def adamw(x: Any, gradients: Any) -> Any:
    for u in adam_directions(gradients, 0.9, 0.999, 1e-8):
        x = x - 0.1 * (u + 0.3 * x)
    return x


def lamb(x: Any, gradients: Any) -> Any:
    for u in adam_directions(gradients, 0.9, 0.999, 1e-6):
        r = u + 0.3 * x
        x = x - 0.1 * np.linalg.norm(x) / np.linalg.norm(r) * r
    return x


FORMULAS: dict[str, tuple[optim.Optimizer, Callable[[Any, Any], Any]]] = {
    "sgd": (optim.sgd(0.1), sgd),
    "momentum": (optim.momentum(0.1, 0.8), momentum),
    "nesterov": (optim.nesterov(0.1, 0.8), nesterov),
    "adagrad": (optim.adagrad(0.1), adagrad),
    "rmsprop": (optim.rmsprop(0.1, 0.7, 1e-4), rmsprop),
    "adam": (optim.adam(0.1, 0.8, 0.95, 1e-3), adam),
    "adamw": (optim.adamw(0.1, weight_decay=0.3), adamw),
    "lamb": (optim.lamb(0.1, weight_decay=0.3), lamb),
}


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("wrap", [lambda f: f, weft.jit], ids=["eager", "jit"])
def test_formulas(name: str, wrap: Callable[..., Any]) -> None:
    optimizer, formula = FORMULAS[name]
    columns = zip(*[tree.leaves(g) for g in GRADS], strict=True)
    expected = [formula(p, g) for p, g in zip(tree.leaves(PARAMS), columns, strict=True)]
    found = train(optimizer, PARAMS, GRADS, wrap)
    assert_close(found, tree.unflatten(tree.structure(PARAMS), expected))


RATES = {
    "number": (0.1, 0.1),
    "schedule": (optim.cosine_decay(0.1, 9), lambda i: 0.05 * (1 + np.cos(np.pi * i / 9))),
}
JAX = {
    "sgd": (optim.sgd, jax_optimizers.sgd),
    "momentum": (lambda r: optim.momentum(r, 0.8), lambda r: jax_optimizers.momentum(r, 0.8)),
    "nesterov": (lambda r: optim.nesterov(r, 0.8), lambda r: jax_optimizers.nesterov(r, 0.8)),
    "adagrad": (lambda r: optim.adagrad(r, 0.9), jax_optimizers.adagrad),
    "rmsprop": (optim.rmsprop, jax_optimizers.rmsprop),
    "rmsprop_momentum": (lambda r: optim.rmsprop(r, momentum=0.9), jax_optimizers.rmsprop_momentum),
    "adam": (optim.adam, jax_optimizers.adam),
}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", JAX)
def test_jax_does_the_same(name: str, rate: str) -> None:
    ours, theirs = JAX[name]
    here, there = RATES[rate]
    init, update, params_of = theirs(there)
    state = init(PARAMS)
    for i, g in enumerate(GRADS):
        state = update(i, g, state)
    assert_close(train(ours(here), PARAMS, GRADS, weft.jit), params_of(state))


EVERY = {name: optimizer for name, (optimizer, _) in FORMULAS.items()} | {
    "schedule": optim.adam(optim.warmup_cosine_decay(0.1, 3, 20)),
    "chain": optim.chain(optim.clip_by_global_norm(1.0), optim.add_decayed_weights(0.1), optim.momentum(0.1)),
    "lbfgs": optim.lbfgs(0.1),
}


@pytest.mark.parametrize("name", EVERY)
def test_dtypes_stay(name: str) -> None:
    optimizer = EVERY[name]
    params = {"a": wnp.ones(3, wnp.float32), "b": wnp.ones(2), "c": wnp.ones((), wnp.float16)}
    if name == "lbfgs":
        del params["c"]
    for step in (optimizer.step, weft.jit(optimizer.step)):
        state = optimizer.init(params)
        after, new = step(params, state, params)
        assert [x.dtype for x in tree.leaves(after)] == [x.dtype for x in tree.leaves(params)]
        assert [x.dtype for x in tree.leaves(new)] == [x.dtype for x in tree.leaves(state)]
        assert tree.structure(new) == tree.structure(state)


@pytest.mark.parametrize("name", EVERY)
def test_scan_vmap_and_donation(name: str) -> None:
    optimizer = EVERY[name]
    expected = train(optimizer, PARAMS, GRADS)

    @weft.jit
    def scanned(params: Any, grads: Any) -> Any:
        def body(carry: Any, g: Any) -> Any:
            return optimizer.step(*carry, g), None

        return weft.lax.scan(body, (params, optimizer.init(params)), grads)[0][0]

    stacked = tree.map(lambda *g: np.stack(g), *GRADS)
    assert_close(scanned(PARAMS, stacked), expected, 1e-11)

    two = tree.map(lambda p: np.stack([p, 2 * p]), PARAMS)
    found = weft.vmap(scanned, in_axes=(0, None))(two, stacked)
    assert_close(tree.map(lambda x: x[0], found), expected, 1e-11)
    assert_close(
        tree.map(lambda x: x[1], found), train(optimizer, tree.map(lambda p: 2 * p, PARAMS), GRADS), 1e-11
    )

    params = tree.map(wnp.array, PARAMS)
    state, step = optimizer.init(params), weft.jit(optimizer.step, donate_argnums=(0, 1))
    first = params["w"]
    for g in GRADS:
        params, state = step(params, state, g)
    assert first.is_deleted()
    assert_close(params, expected, 1e-11)


@pytest.mark.parametrize("name", EVERY)
def test_a_pickled_state_goes_on(name: str) -> None:
    optimizer = EVERY[name]
    params, state = PARAMS, optimizer.init(PARAMS)
    for g in GRADS[:3]:
        params, state = optimizer.step(params, state, g)
    params, state = pickle.loads(pickle.dumps((params, state)))
    for g in GRADS[3:]:
        params, state = optimizer.step(params, state, g)
    assert_close(params, train(optimizer, PARAMS, GRADS))


SIZES = {
    "sgd": 0.2,
    "momentum": 0.1,
    "nesterov": 0.1,
    "adagrad": 0.5,
    "rmsprop": 0.05,
    "adam": 0.1,
    "lamb": 0.05,
}


@pytest.mark.parametrize("name", SIZES)
def test_a_quadratic_has_its_minimum(name: str) -> None:
    goal = np.array([1.0, -2.0, 3.0])
    optimizer = getattr(optim, name)(optim.exponential_decay(SIZES[name], 100, 0.5))

    def loss(p: Any) -> Any:
        return wnp.sum(wnp.array([1.0, 2.0, 4.0]) * (p["x"] - goal) ** 2)

    @weft.jit
    def run(params: Any) -> Any:
        def body(carry: Any, _: Any) -> Any:
            return optimizer.step(*carry, weft.grad(loss)(carry[0])), None

        return weft.lax.scan(body, (params, optimizer.init(params)), None, length=600)[0][0]

    found = np.asarray(run({"x": np.ones(3)})["x"])
    np.testing.assert_allclose(found, goal, rtol=0.02 if name == "lamb" else 1e-3)


def test_adam_is_one_kernel_a_leaf() -> None:
    optimizer = optim.adam(1e-3)
    params = [wnp.ones((30, 40), wnp.float32), {"b": wnp.ones(40)}]
    program = weft.jit(optimizer.step).lower(params, optimizer.init(params), params).program
    assert len(program.nests) == 3  # and one for what depends on the number of steps


def test_complex_parameters() -> None:
    def loss(z: Any) -> Any:
        return wnp.sum(wnp.abs(z - (1 + 2j)) ** 2)

    optimizer = optim.adam(0.1)
    z = np.zeros(3, complex)
    state = optimizer.init(z)
    step = weft.jit(lambda z, state: optimizer.step(z, state, wnp.conj(weft.grad(loss)(z))))
    for _ in range(500):
        z, state = step(z, state)
    np.testing.assert_allclose(np.asarray(z), 1 + 2j, rtol=1e-4)
    assert [x.dtype for x in tree.leaves(state)] == [np.dtype(int), np.dtype(complex), np.dtype(float)]


# Parts


def test_clipping() -> None:
    norm = np.sqrt(sum((g**2).sum() for g in tree.leaves(GRADS[0])))
    np.testing.assert_allclose(optim.l2_norm(GRADS[0]), norm)
    for bound in (0.5, 2 * norm):
        assert_close(optim.clip_grads(GRADS[0], bound), jax_optimizers.clip_grads(GRADS[0], bound))
        updates, _ = optim.clip_by_global_norm(bound).update(GRADS[0], ())
        assert_close(updates, tree.map(lambda g, bound=bound: min(1, bound / norm) * g, GRADS[0]))
    updates, _ = optim.clip_by_value(0.3).update(GRADS[0], ())
    assert_close(updates, tree.map(lambda g: np.clip(g, -0.3, 0.3), GRADS[0]))
    assert optim.clip_grads({"a": wnp.ones(3, wnp.float32)}, 0.1)["a"].dtype == np.float32
    assert_close(optim.clip_grads([np.zeros(3)], 1.0), [np.zeros(3)])


def test_decay_of_some() -> None:
    ones = tree.map(np.ones_like, PARAMS)
    for mask in (
        {"w": True, "b": False},
        {"w": True, "b": [False, False]},
        partial(tree.map, lambda p: np.ndim(p) > 1),
    ):
        updates, _ = optim.add_decayed_weights(0.5, mask).update(ones, (), PARAMS)
        assert_close(updates, {"w": 1 + 0.5 * PARAMS["w"], "b": ones["b"]})
    after = train(optim.adamw(0.1, weight_decay=0.3, mask={"w": False, "b": False}), PARAMS, GRADS)
    assert_close(after, train(optim.adam(0.1), PARAMS, GRADS))


def test_the_trust_ratio_of_zeros_is_one() -> None:
    part = optim.scale_by_trust_ratio()
    updates, _ = part.update([np.ones(2), np.zeros(2)], (), [np.zeros(2), np.ones(2)])
    assert_close(updates, [np.ones(2), np.zeros(2)])


def test_chains_go_in_order() -> None:
    part = optim.chain(
        optim.scale(3.0), optim.clip_by_value(1.0), optim.stateless(lambda g, p: tree.map(np.negative, g))
    )
    updates, state = part.update([np.array([0.1, 2.0])], part.init([np.zeros(2)]))
    assert_close(updates, [np.array([-0.3, -1.0])])
    assert state == ((), (), ())


def test_a_step_size_may_be_traced() -> None:
    def after(rate: Any) -> Any:
        return wnp.sum(train(optim.adam(rate), PARAMS["w"], [g["w"] for g in GRADS]))

    slope = (after(0.1 + 1e-6) - after(0.1 - 1e-6)) / 2e-6
    np.testing.assert_allclose(weft.jit(weft.grad(after))(0.1), slope, rtol=1e-6)
    np.testing.assert_allclose(weft.jit(after)(0.1), after(0.1))


# Schedules


def test_jax_has_the_same_schedules() -> None:
    cases = [
        (optim.constant, jax_optimizers.constant, (0.1,)),
        (optim.exponential_decay, jax_optimizers.exponential_decay, (0.1, 10, 0.5)),
        (optim.inverse_time_decay, jax_optimizers.inverse_time_decay, (0.1, 10, 0.5)),
        (optim.inverse_time_decay, jax_optimizers.inverse_time_decay, (0.1, 10, 0.5, True)),
        (optim.polynomial_decay, jax_optimizers.polynomial_decay, (0.1, 10, 0.02)),
        (optim.polynomial_decay, jax_optimizers.polynomial_decay, (0.1, 10, 0.02, 3.0)),
        (optim.piecewise_constant, jax_optimizers.piecewise_constant, ([5, 10], [0.1, 0.2, 0.3])),
        (optim.make_schedule, jax_optimizers.make_schedule, (0.1,)),
    ]
    for ours, theirs, args in cases:
        schedule = ours(*args)
        expected = [float(theirs(*args)(i)) for i in range(25)]
        np.testing.assert_allclose([float(schedule(i)) for i in range(25)], expected, rtol=1e-14)
        np.testing.assert_allclose(weft.vmap(schedule)(wnp.arange(25)) + np.zeros(25), expected, rtol=1e-14)
    assert optim.make_schedule(schedule) is schedule


def test_cosines() -> None:
    i = np.arange(30)
    expected = 0.01 + 0.045 * (1 + np.cos(np.pi * np.minimum(i, 20) / 20))
    np.testing.assert_allclose(weft.vmap(optim.cosine_decay(0.1, 20, 0.01))(i), expected)
    warm = np.asarray(weft.vmap(optim.warmup_cosine_decay(0.1, 5, 25, 0.01, 0.02))(i))
    np.testing.assert_allclose(warm[:6], np.linspace(0.02, 0.1, 6))
    np.testing.assert_allclose(warm[5:], expected[:25])
    np.testing.assert_allclose(weft.vmap(optim.warmup_cosine_decay(0.1, 0, 20, 0.01))(i), expected)


# Errors


def test_errors_say_what_to_do() -> None:
    optimizer = optim.adamw(0.1)
    state = optimizer.init(PARAMS)
    with pytest.raises(ArgumentError, match="params and grads have different structures"):
        optimizer.step(PARAMS, state, {"w": PARAMS["w"]})
    with pytest.raises(ShapeError, match=r"leaf 0 of params has shape \(4,\), that of updates \(2,\)"):
        optim.apply_updates([np.zeros(4)], [np.zeros(2)])
    with pytest.raises(
        ArgumentError, match=r"weight decay needs the parameters: call update\(grads, state, params\)"
    ):
        optimizer.update(GRADS[0], state)
    with pytest.raises(ArgumentError, match="a chain of 3 got a state of 2 parts"):
        optimizer.step(PARAMS, optim.adam(0.1).init(PARAMS), GRADS[0])
    with pytest.raises(DTypeError, match="a parameter of dtype int64"):
        optimizer.init({"n": np.arange(3)})
    with pytest.raises(ShapeError, match="one value more than there are"):
        optim.piecewise_constant([1, 2], [0.1, 0.2])
    with pytest.raises(ShapeError, match=r"step_size of shape \(3,\): it must be a number or a function"):
        optim.sgd(np.ones(3))
    with pytest.raises(ArgumentError, match="decay_steps=0: it must be positive"):
        optim.cosine_decay(0.1, 0)
    with pytest.raises(ArgumentError, match="it needs the function and its value"):
        optim.lbfgs().step([np.ones(2)], optim.lbfgs().init([np.ones(2)]), [np.ones(2)])
    with pytest.raises(ArgumentError, match="lbfgs takes real parameters"):
        optim.lbfgs().init(np.ones(2, complex))
    with pytest.raises(ArgumentError, match="memory=0"):
        optim.lbfgs(memory=0)


# L-BFGS


def rosenbrock(p: Any) -> Any:
    x = wnp.concatenate([p["x"], p["y"]])
    return wnp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def minimize(fun: Callable[[Any], Any], params: Any, optimizer: optim.Optimizer, steps: int) -> Any:
    @weft.jit
    def run(params: Any) -> Any:
        def body(carry: Any, _: Any) -> Any:
            value, grads = weft.value_and_grad(fun)(carry[0])
            return optimizer.step(*carry, grads, value=value, fun=fun), value

        (params, _), values = weft.lax.scan(body, (params, optimizer.init(params)), None, length=steps)
        return params, values

    return run(params)


def test_lbfgs_goes_through_the_valley() -> None:
    params, values = minimize(rosenbrock, {"x": np.full(6, -1.0), "y": np.zeros(4)}, optim.lbfgs(), 100)
    assert_close(params, {"x": np.ones(6), "y": np.ones(4)}, 1e-8)
    values = np.asarray(values)
    assert (np.diff(values) <= 0).all() and values[-1] < 1e-20


def test_lbfgs_knows_a_quadratic_after_as_many_steps_as_it_has_axes() -> None:
    a = RNG.normal(size=(5, 5))
    a = a @ a.T + np.eye(5)
    b = RNG.normal(size=5)

    def fun(x: Any) -> Any:
        return x @ (a @ x) / 2 - b @ x

    # With exact searches it would be a direct method: 5 steps. Inexact ones take somewhat longer.
    found, _ = minimize(fun, np.zeros(5), optim.lbfgs(), 25)
    np.testing.assert_allclose(np.asarray(found), np.linalg.solve(a, b), rtol=1e-6)


def test_lbfgs_two_loops_are_the_inverse_that_bfgs_has() -> None:
    """Algorithm 7.4 against the matrices of equation 7.16, written out."""
    points, slopes = RNG.normal(size=(2, 4, 6))
    slopes = slopes + 3 * points  # so that curvatures are positive
    optimizer = optim.lbfgs(1.0, memory=3)
    state = optimizer.init(points[0])
    for x, g in zip(points, slopes, strict=True):
        updates, state = optimizer.update(g, state, x)
    s, y = np.diff(points, axis=0), np.diff(slopes, axis=0)
    assert all(a @ b > 0 for a, b in zip(s, y, strict=True))
    h = np.eye(6) * (s[-1] @ y[-1]) / (y[-1] @ y[-1])
    for a, b in zip(s, y, strict=True):
        v = np.eye(6) - np.outer(b, a) / (a @ b)
        h = v.T @ h @ v + np.outer(a, a) / (a @ b)
    np.testing.assert_allclose(np.asarray(updates), -h @ slopes[-1], rtol=1e-12)


def test_lbfgs_stays_where_it_cannot_go_down() -> None:
    found, _ = minimize(
        lambda x: wnp.sum(wnp.log(x)) + wnp.sum(x**-1.0), np.array([0.5, 3.0]), optim.lbfgs(), 40
    )
    np.testing.assert_allclose(np.asarray(found), 1, rtol=1e-6)  # NaN behind 0, where first steps may lead
    found, _ = minimize(lambda x: wnp.sum(x**2), np.zeros(3), optim.lbfgs(), 3)
    assert_close(found, np.zeros(3))


def test_lbfgs_in_vmap() -> None:
    starts = RNG.normal(size=(3, 4))
    run = partial(minimize, lambda x: wnp.sum(wnp.cosh(x - 1)), optimizer=optim.lbfgs(), steps=20)
    found, _ = weft.vmap(run)(starts)
    np.testing.assert_allclose(np.asarray(found), 1, atol=1e-6)


def test_gradients_through_training() -> None:
    """The result of training, differentiated by its start, in both modes."""
    optimizer = optim.chain(optim.clip_by_global_norm(2.0), optim.adam(0.1))

    def after(x: Any) -> Any:
        state = optimizer.init(x)
        for _ in range(4):
            x, state = optimizer.step(x, state, weft.grad(lambda x: wnp.sum(wnp.cosh(x)))(x))
        return wnp.sum(x**2)

    start, along = PARAMS["w"], RNG.normal(size=(3, 4))
    slope = (after(start + 1e-5 * along) - after(start - 1e-5 * along)) / 2e-5
    np.testing.assert_allclose(np.vdot(weft.jit(weft.grad(after))(start), along), slope, rtol=1e-6)
    np.testing.assert_allclose(weft.jvp(after, (start,), (along,))[1], slope, rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: optim.adam("a"), "step_size='a': it must be a number or a function of the number of steps"),
        (lambda: optim.sgd(None), "step_size=None: it must be a number or a function"),
        (lambda: optim.adam(0.1, b1="x"), "Adam got b1='x': it must be a number"),
        (lambda: optim.lamb(0.1, weight_decay=[0.1]), r"weight decay got rate=\[0.1\]"),
        (lambda: optim.momentum(0.1, None), "trace got mass=None"),
        (lambda: optim.rmsprop(0.1, gamma="g"), "rmsprop got gamma='g'"),
        (lambda: optim.adagrad(0.1, momentum="m"), "adagrad got momentum='m'"),
        (lambda: optim.clip_by_global_norm("n"), "clip_by_global_norm got max_norm='n'"),
        (lambda: optim.clip_grads(PARAMS, (1.0,)), r"clip_grads got max_norm=\(1.0,\)"),
        (lambda: optim.clip_by_value(None), "clip_by_value got bound=None"),
        (lambda: optim.scale("s"), "scale got factor='s'"),
        (lambda: optim.cosine_decay(0.1, "n"), "cosine_decay got decay_steps='n'"),
        (lambda: optim.exponential_decay(0.1, 10, "r"), "exponential_decay got decay_rate='r'"),
        (lambda: optim.warmup_cosine_decay(0.1, None, 10), "warmup_cosine_decay got warmup_steps=None"),
        (lambda: optim.make_schedule("s"), "scalar_or_schedule='s': it must be a number or a function"),
        (lambda: optim.lbfgs("s"), "step_size='s': it must be None, a number or a function"),
        (lambda: optim.lbfgs(memory=2.5), "lbfgs got memory=2.5: it must be an integer"),
    ],
)
def test_hyperparameters_are_numbers(wrong: Any, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        wrong()


def test_hyperparameters_may_be_arrays_without_axes_and_traced() -> None:
    grads = {"w": np.ones(2)}

    def stepped(size: Any, b1: Any) -> Any:
        optimizer = optim.adam(size, b1=b1)
        return optimizer.step(grads, optimizer.init(grads), grads)[0]["w"]

    found = weft.vmap(stepped)(np.array([0.1, 0.2]), np.array([0.9, 0.8]))
    np.testing.assert_allclose(found, [[0.9, 0.9], [0.8, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(stepped(np.float32(0.1), np.asarray(0.9)), [0.9, 0.9], rtol=1e-6)
