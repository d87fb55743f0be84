"""Products of small matrices as loops: many of them, and those in kernels that have a loop around them.

The one idea: each element is the sum of one row times one column, in a nest like all others, so that it can stand in a nest.
One such product by itself is no faster than BLAS's, but where sizes are constants of the machine code LLVM writes it out. A
stack of them is written out here: the call of a library for each would take several times as long as its few sums.
"""

from __future__ import annotations

from itertools import product

from weft.ir.graph import Eqn, Literal
from weft.ir.ops.contract import DotPlan, dot_plan
from weft.ir.types import is_floating, is_inexact
from weft.kernels.schedule import Scheduled
from weft.kernels.schedule import index as ix
from weft.kernels.schedule.costs import estimate, grain_of
from weft.kernels.schedule.nest_builder import NestBuilder

SMALL = 2**9
"""Multiply-adds of the largest product that is written as loops."""
_TILE = 256  # products
_VECTORS = 4  # elements of the largest matrices that go in vectors of one element of each; of larger ones shuffling is dear
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


def multiply_stack(eqn: Eqn) -> Scheduled | None:
    """The loop over a stack of small matrices, each product of which is written out; none for other products."""
    a, b = eqn.ins
    (c,) = eqn.outs
    if isinstance(a, Literal) or isinstance(b, Literal):
        return None
    plan = dot_plan(a.type, b.type, eqn.params["dims"])
    if not plan.written_out:
        return None
    dtype, build = c.type.dtype, NestBuilder()
    in_a, in_b = (build.buffer(dtype, "in") for _ in range(2))
    out = build.buffer(dtype, "out")
    count, tiles = build.param("batch", plan.batch), -(-plan.batch // _TILE)
    m, n, k = (range(size) for size in (plan.m, plan.n, plan.k))
    apart = max(plan.stride_a, plan.stride_b, plan.m * plan.n)
    kind = "vector" if apart <= _VECTORS else "sequential"
    with build.loop(build.param("tiles", tiles), "parallel") as (tile, _):
        first = ix.mul(tile, _TILE)
        with build.loop(ix.minimum(_TILE, ix.sub(count, first)), kind) as (i, _):
            item = ix.add(first, i)

            def element(buffer: str, stride: int, ld: int, row: int, column: int) -> str:
                return build.load(dtype, buffer, ix.add(ix.mul(item, stride), row * ld + column))

            for row, column in product(m, n):
                total = ""
                for t in k:
                    x = element(in_a, plan.stride_a, plan.ld_a, *((t, row) if plan.trans_a else (row, t)))
                    y = element(
                        in_b, plan.stride_b, plan.ld_b, *((column, t) if plan.trans_b else (t, column))
                    )
                    term = build.op(dtype, "mul", x, y)
                    total = build.op(dtype, "add", total, term) if total else term
                build.store(out, ix.add(ix.mul(item, plan.m * plan.n), row * plan.n + column), total)
    nest, params = build.finish(), tuple(build.params)
    work = estimate(nest, params, sum(t.nbytes for t in (a.type, b.type, c.type)))
    return Scheduled(nest, params, tiles, (), grain=grain_of(tiles, work), work=work)


def _largest(eqn: Eqn, plan: DotPlan) -> int:
    """Multiply-adds up to which a product is written as loops."""
    along = (plan.m == 1 and not plan.trans_b) or (plan.n == 1 and plan.trans_a)
    real = is_floating(eqn.outs[0].type.dtype)
    return LONGEST**2 if along and real and max(plan.m, plan.n, plan.k) <= LONGEST else SMALL


def _place(base: ix.Index, where: tuple[ix.Index, ix.Index], ld: ix.Index) -> ix.Index:
    return ix.add(base, ix.add(ix.mul(where[0], ld), where[1]))
