"""Products of small matrices as plain loops, for kernels that have a loop around them.

The one idea: each element is the sum of one row times one column, in a nest like all others, so that it can stand in a nest.
By itself such a nest is no faster than BLAS, but where sizes are constants of the machine code LLVM writes it out.
"""

from __future__ import annotations

from weft.ir.graph import Eqn, Literal
from weft.ir.ops.contract import DotPlan, dot_plan
from weft.ir.types import is_floating, is_inexact
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.costs import estimate, grain_of
from weft.kernels.schedule.nest_builder import NestBuilder

SMALL = 2**9
"""Multiply-adds of the largest product that is written as loops."""
LONGEST = 32
"""Elements of the longest vectors in a product of a vector and a matrix whose result's elements lie side by side in it."""


def multiply_small(eqn: Eqn) -> Scheduled | None:
    """The loops of a `dot_general` of small matrices whose operands are read as they lie; none for others."""
    a, b = eqn.ins
    (c,) = eqn.outs
    if isinstance(a, Literal) or isinstance(b, Literal) or not is_inexact(c.type.dtype):
        return None
    plan = dot_plan(a.type, b.type, eqn.params["dims"])
    if plan.copy_a is not None or plan.copy_b is not None or plan.m * plan.n * plan.k > _largest(eqn, plan):
        return None
    dtype, build = c.type.dtype, NestBuilder()
    in_a, in_b = (build.buffer(dtype, "in") for _ in range(2))
    out = build.buffer(dtype, "out")
    m, n, k = (build.param(name, getattr(plan, name)) for name in "mnk")
    ld_a, ld_b = build.param("ld a", plan.ld_a), build.param("ld b", plan.ld_b)
    stride_a, stride_b = build.param("stride a", plan.stride_a), build.param("stride b", plan.stride_b)
    # A sum that starts from -0.0 is its first term, with no addition that others would wait for.
    zero = build.const(dtype, (-complex(0.0, 0.0) if dtype.kind == "c" else -0.0) if plan.k else 0)
    with build.loop(build.param("batch", plan.batch), "parallel") as (item, _):
        with build.loop(m, "sequential") as (i, _), build.loop(n, "vector") as (j, _):
            with build.loop(k, "sequential", [(dtype, "add", zero)]) as (t, (total,)):
                row, column = ((t, i) if plan.trans_a else (i, t)), ((j, t) if plan.trans_b else (t, j))
                x = build.load(dtype, in_a, _place(ix.mul(item, stride_a), row, ld_a))
                y = build.load(dtype, in_b, _place(ix.mul(item, stride_b), column, ld_b))
                build.accumulate(total, build.op(dtype, "mul", x, y))
            at = ix.add(ix.mul(ix.add(ix.mul(item, m), i), n), j)
            build.store(out, at, total)
    nest, params = build.finish(), tuple(build.params)
    work = estimate(nest, params, sum(t.nbytes for t in (a.type, b.type, c.type)))
    return Scheduled(nest, params, plan.batch, (), grain=grain_of(plan.batch, work), work=work)


def _largest(eqn: Eqn, plan: DotPlan) -> int:
    """Multiply-adds up to which a product is written as loops."""
    along = (plan.m == 1 and not plan.trans_b) or (plan.n == 1 and plan.trans_a)
    real = is_floating(eqn.outs[0].type.dtype)
    return LONGEST**2 if along and real and max(plan.m, plan.n, plan.k) <= LONGEST else SMALL


def _place(base: ix.Index, where: tuple[ix.Index, ix.Index], ld: ix.Index) -> ix.Index:
    return ix.add(base, ix.add(ix.mul(where[0], ld), where[1]))
