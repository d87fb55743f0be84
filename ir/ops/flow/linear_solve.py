"""`linear_solve`: the solution of a linear system by a method of the user's, with exact derivatives whatever the method is.

The one idea: the derivative of ``x`` in ``A x = b`` is the solution of ``A x' = b' - A' x`` and its transpose the solution of
``A^T b* = x*``: two more systems for the same methods, which are never differentiated themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.ir.builder import build
from weft.ir.errors import GradientError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops.control import prepared
from weft.ir.ops.elementwise import neg
from weft.ir.ops.flow.bodies import batched, check_types, instantiated, pick, split, spread
from weft.ir.primitive import NOT_MAPPED, Lowering, Primitive
from weft.ir.rules import add_all, is_linear, to_front
from weft.ir.types import ArrayType


def _sizes(params: Any) -> tuple[int, int, int]:
    return params["n_matvec"], params["n_solve"], params["n_back"]


def _types(
    *ins: ArrayType,
    matvec: Graph,
    solve: Graph,
    solve_back: Graph | None,
    n_matvec: int,
    n_solve: int,
    n_back: int,
) -> tuple[ArrayType, ...]:
    a, s, back, b = split(ins, n_matvec, n_solve, n_back)
    check_types("linear_solve", "the inputs of matvec", [*a, *b], matvec.in_types)
    check_types("linear_solve", "the results of matvec", b, matvec.out_types)
    check_types("linear_solve", "the inputs of solve", [*s, *b], solve.in_types)
    check_types("linear_solve", "the solution", b, solve.out_types[: len(b)])
    if solve_back is not None:
        check_types("linear_solve", "the inputs of the transposed solve", [*back, *b], solve_back.in_types)
        check_types("linear_solve", "the transposed solution", b, solve_back.out_types[: len(b)])
    return solve.out_types


def _reference(*args: Any, **params: Any) -> Any:
    _, s, _, b = split(args, *_sizes(params))
    return tuple(prepared(params["solve"])([*s, *b]))


def _jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    from weft.ir.passes.linearize import linearize

    outs = answer()
    a, _, _, b = split(primals, *_sizes(params))
    a_t, _, _, b_t = split(tangents, *_sizes(params))
    active = [t is not None for t in a_t]
    right = list(b_t)
    if any(active):
        matvec = params["matvec"]
        one = linearize(matvec, (*active, *[False] * len(b)))
        residuals = evaluate(one.primal, *a, *outs[: len(b)])[len(b) :]
        found = spread(evaluate(one.linear, *pick(a_t, active), *residuals), one.out_active)
        right = [add_all([t, None if f is None else neg(f)]) for t, f in zip(right, found, strict=True)]
    if all(t is None for t in right):
        return outs, (None,) * len(outs)
    x_t = prim.bind(
        *primals[: sum(_sizes(params))], *instantiated(right, params["matvec"].out_types), **params
    )
    return outs, (*x_t[: len(b)], *[None] * (len(outs) - len(b)))


def _transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    from weft.ir.passes.transpose import transpose

    a, s, back, b = split(ins, *_sizes(params))
    if any(map(is_linear, [*a, *s, *back])):
        raise GradientError("linear_solve is linear in the right-hand side alone.")
    if params["solve_back"] is None:
        raise GradientError(
            "custom_linear_solve has no transpose_solve, so it has no gradient in reverse mode. "
            "Pass transpose_solve, or symmetric=True where the matrix is symmetric."
        )
    turned = transpose(params["matvec"], (*[False] * len(a), *[True] * len(b)))
    swapped = {
        "matvec": turned,
        "solve": params["solve_back"],
        "solve_back": params["solve"],
        "n_matvec": len(a),
        "n_solve": len(back),
        "n_back": len(s),
    }
    found = prim.bind(*a, *back, *s, *instantiated(cts[: len(b)], params["matvec"].out_types), **swapped)
    return [*[None] * (len(ins) - len(b)), *found[: len(b)]]


def _batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    sizes = _sizes(params)
    n_b = len(args) - sum(sizes)
    on = [a is not NOT_MAPPED for a in axes]
    args = [
        to_front(x, a, size) if m or i >= sum(sizes) else x
        for i, (x, a, m) in enumerate(zip(args, axes, on, strict=True))
    ]
    changed = dict(params)
    for name, consts in zip(("matvec", "solve", "solve_back"), split(on, *sizes), strict=False):
        graph: Graph | None = params[name]
        if graph is not None:
            mapped = [*consts, *[True] * n_b]
            changed[name] = batched(graph, mapped, size, [True] * len(graph.outs))[0]
    outs = prim.bind(*args, **changed)
    return outs, (0,) * len(outs)


def _solution(params: Any) -> Graph:
    """The graph of an equation: the solve, on all operands."""
    solve, sizes = params["solve"], _sizes(params)
    types = params["matvec"].in_types
    back = () if params["solve_back"] is None else params["solve_back"].in_types
    before = [*types[: sizes[0]], *solve.in_types[: sizes[1]], *back[: sizes[2]]]

    def fun(*args: Any) -> list[Any]:
        _, s, _, b = split(args, *sizes)
        return evaluate(solve, *s, *b)

    return build(fun, [*before, *types[sizes[0] :]])


linear_solve_p = Primitive(
    "linear_solve",
    type_rule=_types,
    reference=_reference,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    lower=Lowering("inline", _solution),
    multiple=True,
)


def linear_solve(
    matvec: tuple[Graph, Sequence[Any]],
    solve: tuple[Graph, Sequence[Any]],
    solve_back: tuple[Graph, Sequence[Any]] | None,
    b: Sequence[Any],
) -> tuple[Any, ...]:
    """The solution of a linear system, and what the solve gives beside it.

    Args:
        matvec: ``(consts, x) -> A x``, linear in ``x``; and its constants.
        solve: ``(consts, b) -> (x, more)``; and its constants.
        solve_back: the same for the transposed system, or ``None`` where there is none.
        b: the right-hand side.
    """
    back_graph, back_consts = (None, ()) if solve_back is None else solve_back
    result: tuple[Any, ...] = linear_solve_p.bind(
        *matvec[1],
        *solve[1],
        *back_consts,
        *b,
        matvec=matvec[0],
        solve=solve[0],
        solve_back=back_graph,
        n_matvec=len(matvec[1]),
        n_solve=len(solve[1]),
        n_back=len(back_consts),
    )
    return result
