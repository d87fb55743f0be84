"""Every program of the corpus under every nesting of transformations that applies, against JAX.

Nestings that ask the same question (`grad`, `jit(grad)`, `grad(jit)`, ...) share one answer, so JAX computes
each `Quantity` of a program once, all of them in one compiled function. Written `outer_inner`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import pytest

import weft
import weft.numpy
from tests.corpus import PROGRAMS, Namespace, Program

TOLERANCE = 1e-10
BATCH = 3

Function = Callable[..., Any]


def wave(tree: Any, phase: float) -> Any:
    """Numbers of no special value in the shapes of a tree: a tangent or a cotangent."""
    return jax.tree.map(lambda leaf: np.cos(phase + np.arange(leaf.size)).reshape(leaf.shape), tree)


def stacked(tree: Any) -> Any:
    """Three variations of a tree, stacked: floats are scaled, integers are rolled."""

    def stack(leaf: np.ndarray) -> np.ndarray:
        if leaf.dtype.kind == "f":
            return np.stack([leaf, 1.03 * leaf, 0.98 * leaf])
        return np.stack([np.roll(leaf, k) for k in range(BATCH)])

    return jax.tree.map(stack, tree)


@dataclass(frozen=True)
class Case:
    """A program as a nesting sees it: the package under test, the function, one point and a batch of them."""

    api: Any
    fun: Function
    args: tuple[Any, ...]
    many: tuple[Any, ...]

    @property
    def x(self) -> Any:
        return self.args[0]

    @property
    def of_x(self) -> Function:
        """The program as a function of what it is differentiated by; the data are captured."""
        return lambda x: self.fun(x, *self.args[1:])

    @property
    def x_dot(self) -> Any:
        return wave(self.x, 0.5)

    def push(self, fun: Function) -> Function:
        """x -> (value, tangent) of fun along x_dot."""
        return lambda x: self.api.jvp(fun, (x,), (self.x_dot,))

    def pull(self, fun: Function) -> Function:
        """x -> cotangent of x, for the cotangent `wave` of fun's output."""

        def pulled(x: Any) -> Any:
            out, vjp = self.api.vjp(fun, x)
            return vjp(wave(out, 0.25))

        return pulled

    def linearized(self, x: Any) -> Any:
        out, push = self.api.linearize(self.of_x, x)
        return out, push(self.x_dot)

    def total(self, *many: Any) -> Any:
        return self.api.vmap(self.fun)(*many).sum()


# What is asked: the same question may be put in many ways.
QUANTITIES: dict[str, Callable[[Case], Any]] = {
    "value": lambda c: c.fun(*c.args),
    "values": lambda c: c.api.vmap(c.fun)(*c.many),
    "values by x": lambda c: c.api.vmap(c.of_x)(c.many[0]),
    "tangent": lambda c: c.push(c.of_x)(c.x),
    "tangents": lambda c: c.api.vmap(c.push(c.of_x))(c.many[0]),
    "cotangent": lambda c: c.pull(c.of_x)(c.x),
    "jacobian": lambda c: c.api.jacfwd(c.of_x)(c.x),
    "gradient": lambda c: c.api.grad(c.fun)(*c.args),
    "gradients": lambda c: c.api.vmap(c.api.grad(c.fun))(*c.many),
    "value and gradient": lambda c: c.api.value_and_grad(c.fun)(*c.args),
    "hessian": lambda c: c.api.hessian(c.of_x)(c.x),
    "hessian times x_dot": lambda c: c.push(c.api.grad(c.of_x))(c.x),
}
SCALAR = {"gradient", "gradients", "value and gradient", "hessian", "hessian times x_dot"}
SMOOTH = {"hessian", "hessian times x_dot"}

# How it is asked: name -> (the quantity, the nesting).
NESTINGS: dict[str, tuple[str, Callable[[Case], Any]]] = {
    "plain": ("value", QUANTITIES["value"]),
    "jit": ("value", lambda c: c.api.jit(c.fun)(*c.args)),
    "jit_jit": ("value", lambda c: c.api.jit(c.api.jit(c.fun))(*c.args)),
    "checkpoint": ("value", lambda c: c.api.checkpoint(c.fun)(*c.args)),
    "vmap": ("values", QUANTITIES["values"]),
    "jit_vmap": ("values", lambda c: c.api.jit(c.api.vmap(c.fun))(*c.many)),
    "vmap_jit": ("values", lambda c: c.api.vmap(c.api.jit(c.fun))(*c.many)),
    "vmap_captured": ("values by x", QUANTITIES["values by x"]),
    "vmap_in_axes": (
        "values by x",
        lambda c: c.api.vmap(c.fun, in_axes=(0, *[None] * (len(c.args) - 1)))(c.many[0], *c.args[1:]),
    ),
    "jvp": ("tangent", QUANTITIES["tangent"]),
    "jit_jvp": ("tangent", lambda c: c.api.jit(c.push(c.of_x))(c.x)),
    "jvp_jit": ("tangent", lambda c: c.push(c.api.jit(c.of_x))(c.x)),
    "linearize": ("tangent", lambda c: c.linearized(c.x)),
    "jit_linearize": ("tangent", lambda c: c.api.jit(c.linearized)(c.x)),
    "vmap_jvp": ("tangents", QUANTITIES["tangents"]),
    "jit_vmap_jvp": ("tangents", lambda c: c.api.jit(c.api.vmap(c.push(c.of_x)))(c.many[0])),
    "vjp": ("cotangent", QUANTITIES["cotangent"]),
    "jit_vjp": ("cotangent", lambda c: c.api.jit(c.pull(c.of_x))(c.x)),
    "vjp_jit": ("cotangent", lambda c: c.pull(c.api.jit(c.of_x))(c.x)),
    "vjp_checkpoint": ("cotangent", lambda c: c.pull(c.api.checkpoint(c.of_x))(c.x)),
    "jacfwd": ("jacobian", QUANTITIES["jacobian"]),
    "jacrev": ("jacobian", lambda c: c.api.jacrev(c.of_x)(c.x)),
    "jit_jacrev": ("jacobian", lambda c: c.api.jit(c.api.jacrev(c.of_x))(c.x)),
    "grad": ("gradient", QUANTITIES["gradient"]),
    "jit_grad": ("gradient", lambda c: c.api.jit(c.api.grad(c.fun))(*c.args)),
    "grad_jit": ("gradient", lambda c: c.api.grad(c.api.jit(c.fun))(*c.args)),
    "grad_checkpoint": ("gradient", lambda c: c.api.grad(c.api.checkpoint(c.fun))(*c.args)),
    "value_and_grad": ("value and gradient", QUANTITIES["value and gradient"]),
    "jit_value_and_grad": ("value and gradient", lambda c: c.api.jit(c.api.value_and_grad(c.fun))(*c.args)),
    "vmap_grad": ("gradients", QUANTITIES["gradients"]),
    "jit_vmap_grad": ("gradients", lambda c: c.api.jit(c.api.vmap(c.api.grad(c.fun)))(*c.many)),
    "vmap_jit_grad": ("gradients", lambda c: c.api.vmap(c.api.jit(c.api.grad(c.fun)))(*c.many)),
    "grad_sum_vmap": ("gradients", lambda c: c.api.grad(c.total)(*c.many)),
    "hessian": ("hessian", QUANTITIES["hessian"]),
    "jit_hessian": ("hessian", lambda c: c.api.jit(c.api.hessian(c.of_x))(c.x)),
    "jacrev_jacrev": ("hessian", lambda c: c.api.jacrev(c.api.jacrev(c.of_x))(c.x)),
    "jvp_grad": ("hessian times x_dot", QUANTITIES["hessian times x_dot"]),
    "jit_jvp_grad": ("hessian times x_dot", lambda c: c.api.jit(c.push(c.api.grad(c.of_x)))(c.x)),
}


def applies(quantity: str, program: Program) -> bool:
    return (program.scalar or quantity not in SCALAR) and (program.smooth or quantity not in SMOOTH)


@functools.cache
def expected(name: str) -> dict[str, Any]:
    """JAX's answers to all that may be asked about a program."""
    (program,) = (p for p in PROGRAMS if p.name == name)

    def answers(args: tuple[Any, ...], many: tuple[Any, ...]) -> dict[str, Any]:
        case = Case(jax, program.function(Namespace.of("jax")), args, many)
        return {key: ask(case) for key, ask in QUANTITIES.items() if applies(key, program)}

    # The judge need not be fast: without optimisation it compiles several times sooner.
    compiled = jax.jit(answers, compiler_options={"xla_backend_optimization_level": 0})
    return jax.tree.map(np.asarray, compiled(program.args, stacked(program.args)))


def assert_same(actual: Any, wanted: Any) -> None:
    """Same structure, shapes and dtypes; entries equal up to rounding at the scale of their array."""
    actual = jax.tree.map(np.asarray, actual)
    assert jax.tree.structure(actual) == jax.tree.structure(wanted)
    for a, w in zip(jax.tree.leaves(actual), jax.tree.leaves(wanted), strict=True):
        assert (a.shape, a.dtype) == (w.shape, w.dtype)
        scale = max(np.abs(w).max(), 1e-2)
        np.testing.assert_allclose(a, w, rtol=TOLERANCE, atol=TOLERANCE * scale)


@pytest.mark.parametrize(
    ("program", "nesting"),
    [
        pytest.param(program, nesting, id=f"{program.name}-{nesting}")
        for program in PROGRAMS
        for nesting, (quantity, _) in NESTINGS.items()
        if applies(quantity, program)
    ],
)
def test_nesting_agrees_with_jax(program: Program, nesting: str) -> None:
    quantity, ask = NESTINGS[nesting]
    args, many = jax.tree.map(weft.numpy.asarray, (program.args, stacked(program.args)))
    case = Case(weft, program.function(Namespace.of("weft")), args, many)
    assert_same(ask(case), expected(program.name)[quantity])


def test_programs_are_worth_asking() -> None:
    """A gradient of zeros or NaN would make the comparison empty."""
    for program in PROGRAMS:
        for key, answer in expected(program.name).items():
            leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(answer)]
            assert all(np.isfinite(leaf).all() for leaf in leaves), (program.name, key)
            assert any(np.any(leaf != 0) for leaf in leaves), (program.name, key)
