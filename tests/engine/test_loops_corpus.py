"""Every program with branches and loops under nestings of transformations, against JAX in forward mode.

JAX has no reverse mode through loops of unknown length, so all that is asked of it is put in terms of `jacfwd`.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import tests.branch_corpus  # noqa: F401  it lists its programs
import weft
import weft.numpy
from tests.corpus import Namespace, Program
from tests.engine.test_transforms_corpus import NESTINGS, QUANTITIES, Case, applies, assert_same, stacked
from tests.loop_corpus import LOOPS


class ForwardJax:
    """JAX, with its forward mode in place of its reverse mode."""

    jit, vmap, jvp, linearize, jacfwd = jax.jit, jax.vmap, jax.jvp, jax.linearize, jax.jacfwd
    checkpoint = jax.checkpoint

    @staticmethod
    def grad(fun: Any) -> Any:
        return jax.jacfwd(fun)

    @staticmethod
    def value_and_grad(fun: Any) -> Any:
        return lambda *args: (fun(*args), jax.jacfwd(fun)(*args))

    @staticmethod
    def hessian(fun: Any) -> Any:
        return jax.jacfwd(jax.jacfwd(fun))

    @staticmethod
    def vjp(fun: Any, x: Any) -> Any:
        slope = jax.jacfwd(fun)(x)
        return fun(x), lambda ct: (jax.tree.map(lambda s: jnp.asarray(ct) * s, slope),)


ASKED = [
    "plain", "jit", "jit_vmap", "jvp", "jit_jvp", "linearize", "vjp_jit", "grad", "jit_grad", "grad_checkpoint", "vmap_grad",
    "jit_vmap_grad", "grad_sum_vmap", "jit_hessian", "jit_jvp_grad",
]  # fmt: skip


@functools.cache
def expected(name: str) -> dict[str, Any]:
    """JAX's answers to all that is asked about a program."""
    (program,) = (p for p in LOOPS if p.name == name)
    asked = {NESTINGS[nesting][0] for nesting in ASKED}

    def answers(args: tuple[Any, ...], many: tuple[Any, ...]) -> dict[str, Any]:
        case = Case(ForwardJax, program.function(Namespace.of("jax")), args, many)
        return {key: ask(case) for key, ask in QUANTITIES.items() if key in asked and applies(key, program)}

    compiled = jax.jit(answers, compiler_options={"xla_backend_optimization_level": 0})
    return jax.tree.map(np.asarray, compiled(program.args, stacked(program.args)))


@pytest.mark.parametrize("program", LOOPS, ids=lambda p: p.name)
def test_nestings_agree_with_jax(program: Program) -> None:
    args, many = jax.tree.map(weft.numpy.asarray, (program.args, stacked(program.args)))
    case = Case(weft, program.function(Namespace.of("weft")), args, many)
    wanted = expected(program.name)
    for nesting in ASKED:
        quantity, ask = NESTINGS[nesting]
        if applies(quantity, program):
            try:
                assert_same(ask(case), wanted[quantity])
            except Exception as error:
                error.add_note(f"{program.name} under {nesting}")
                raise


def test_programs_are_worth_asking() -> None:
    """A gradient of zeros or NaN would make the comparison empty."""
    for program in LOOPS:
        for key, answer in expected(program.name).items():
            leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(answer)]
            assert all(np.isfinite(leaf).all() for leaf in leaves), (program.name, key)
            assert any(np.any(leaf != 0) for leaf in leaves), (program.name, key)
