"""Structured primitives: those that carry graphs. Calls, functions with derivative rules of their own, checkpoints.

The one idea: their rules are the passes applied to the graphs they carry, so a transformation reaches inside. They are
inlined before fusion (`Lowering("inline")`). Loops and branches belong here too.

Captured values of the carried functions are operands after the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft.ir.builder import build
from weft.ir.errors import ArgumentError, GradientError, ShapeError
from weft.ir.graph import Graph, Literal
from weft.ir.interpret import evaluate
from weft.ir.primitive import INLINE, NOT_MAPPED, Lowering, Primitive, index
from weft.ir.rules import instantiate, is_linear, linear, pointwise, to_front, transposed, zeros_like
from weft.ir.types import ArrayType

# How a call runs on arrays. The engine puts its compiler here; by itself the IR interprets.
_runner: Callable[..., Sequence[Any]] = evaluate


def set_runner(runner: Callable[..., Sequence[Any]]) -> None:
    """Let ``runner(graph, *arrays) -> arrays`` run calls on NumPy arrays."""
    global _runner
    _runner = runner


def compiles() -> bool:
    """Whether carried graphs are compiled, loops in them too, so that a loop is best run as a graph of its own."""
    return _runner is not evaluate


def prepared(graph: Graph) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """A function that runs ``graph`` on a list of arrays, for what runs it many times."""
    runner = _runner
    return lambda args: runner(graph, *args)


def with_token(graph: Graph) -> Graph:
    """``graph``, with a result where it has none but has an effect: what gives no results is not recorded."""
    if graph.outs:
        return graph
    from weft.ir.passes.dce import Effects

    return graph.replace(outs=[Literal(True)]) if Effects().inside(graph) else graph


def _graph_types(name: str, graph: Graph, ins: Sequence[ArrayType]) -> tuple[ArrayType, ...]:
    if graph.in_types != tuple(ins):
        raise ShapeError(
            f"{name} of a graph of {', '.join(map(str, graph.in_types))} got {', '.join(map(str, ins))}."
        )
    return graph.out_types


# call


def _call_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    from weft.ir.passes.linearize import linearize

    graph = params["graph"]
    split = linearize(graph, tuple(t is not None for t in tangents))
    results = call(split.primal, *primals, name=params["name"])
    outs, residuals = results[: len(graph.outs)], results[len(graph.outs) :]
    found = iter(call(split.linear, *(t for t in tangents if t is not None), *residuals, name=params["name"]))
    return outs, tuple(next(found) if active else None for active in split.out_active)


def _call_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    from weft.ir.passes.transpose import transpose

    graph = params["graph"]
    mask = tuple(is_linear(x) for x in ins)
    cts = [zeros_like(a) if ct is None else ct for ct, a in zip(cts, graph.out_types, strict=True)]
    found = iter(
        call(transpose(graph, mask), *(x for x in ins if not is_linear(x)), *cts, name=params["name"])
    )
    return [next(found) if linear_in else None for linear_in in mask]


def _call_batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    from weft.ir.passes.batch import batch

    graph, out_axes = batch(params["graph"], axes, size)
    return prim.bind(*args, graph=graph, name=params["name"]), out_axes


call_p = Primitive(
    "call",
    type_rule=lambda *ins, graph, name: _graph_types("call", graph, ins),
    reference=lambda *args, graph, name: _runner(graph, *args),
    jvp=_call_jvp,
    transpose=_call_transpose,
    batch=_call_batch,
    lower=INLINE,
    multiple=True,
)


def call(graph: Graph, *args: Any, name: str = "") -> tuple[Any, ...]:
    """Apply a graph as one equation (nothing is recorded for a graph without results and effects)."""
    whole = with_token(graph)
    return call_p.bind(*args, graph=whole, name=name)[: len(graph.outs)] if whole.outs else ()


# custom_jvp: (operands..., tangents of the n_args arguments...) -> (outs..., tangents...) is given


def _custom_jvp_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    n = params["n_args"]
    _refuse_captured_tangents(tangents[n:], params["name"], "custom_jvp")
    results = evaluate(params["jvp"], *primals, *instantiate(tangents[:n], primals[:n]))
    half = len(results) // 2
    return tuple(results[:half]), tuple(results[half:])


def _refuse_captured_tangents(tangents: Sequence[Any], name: str, kind: str) -> None:
    if any(t is not None for t in tangents):
        raise GradientError(
            f"{name} has a derivative rule of its own ({kind}) and closes over a value that is being differentiated. "
            f"Pass that value as an argument of {name}."
        )


def _custom_jvp_batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    from weft.ir.passes.batch import batch

    graph, out_axes = batch(params["graph"], axes, size, to_axis_0=True)
    rule, _ = batch(params["jvp"], (*axes, *axes[: params["n_args"]]), size, to_axis_0=True)
    return prim.bind(*args, **{**params, "graph": graph, "jvp": rule}), out_axes


custom_jvp_call_p = Primitive(
    "custom_jvp_call",
    type_rule=lambda *ins, graph, jvp, n_args, name: _graph_types("custom_jvp_call", graph, ins),
    reference=lambda *args, graph, jvp, n_args, name: _runner(graph, *args),
    jvp=_custom_jvp_jvp,
    transpose=None,
    batch=_custom_jvp_batch,
    lower=INLINE,
    multiple=True,
)


# custom_vmap: rule(size, which arguments are mapped, arguments with the batch in front) -> (outs, their axes) is given


def _custom_vmap_batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    n = params["n_args"]
    if any(axis is not NOT_MAPPED for axis in axes[n:]):
        raise ArgumentError(
            f"{params['name']} has a rule of its own for vmap (custom_vmap) and closes over a value that is being mapped. "
            f"Pass that value as an argument of {params['name']}."
        )
    mapped = tuple(axis is not NOT_MAPPED for axis in axes[:n])
    fronts = [to_front(x, axis, size) if own else x for x, axis, own in zip(args, axes, mapped, strict=False)]
    return params["rule"](int(size), mapped, fronts)


custom_vmap_call_p = Primitive(
    "custom_vmap_call",
    type_rule=lambda *ins, graph, rule, n_args, name: _graph_types("custom_vmap_call", graph, ins),
    reference=lambda *args, graph, rule, n_args, name: _runner(graph, *args),
    jvp=lambda prim, primals, tangents, params, answer: _call_jvp(
        call_p, primals, tangents, {"graph": params["graph"], "name": params["name"]}, answer
    ),
    transpose=None,
    batch=_custom_vmap_batch,
    lower=INLINE,
    multiple=True,
)


# custom_vjp: forward(operands...) -> (outs..., residuals...), backward(residuals..., captured..., cts...) -> cts of arguments


def _custom_vjp_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    n, n_outs = params["n_args"], len(params["graph"].outs)
    _refuse_captured_tangents(tangents[n:], params["name"], "custom_vjp")
    results = evaluate(params["forward"], *primals)
    outs, residuals = results[:n_outs], results[n_outs:]
    known = [*residuals, *primals[n:]]
    ts = instantiate(tangents[:n], primals[:n])
    out_tangents = custom_linear_p.bind(
        *known, *ts, backward=params["backward"], n_known=len(known), name=params["name"]
    )
    return tuple(outs), out_tangents


def _custom_vjp_batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    from weft.ir.passes.batch import batch

    graph, out_axes = batch(params["graph"], axes, size, to_axis_0=True)
    forward, _ = batch(params["forward"], axes, size, to_axis_0=True)
    n, n_outs = params["n_args"], len(params["graph"].outs)
    n_residuals = len(params["forward"].outs) - n_outs
    backward = _batch_backward(
        params["backward"], ([0] * n_residuals + list(axes[n:]), [0] * n_outs), axes[:n], size
    )
    return prim.bind(*args, **{**params, "graph": graph, "forward": forward, "backward": backward}), out_axes


def _batch_backward(backward: Graph, axes: Any, arg_axes: Sequence[int | None], size: Any) -> Graph:
    """Batch a backward graph; the cotangent of an argument common to all examples is the sum of theirs."""
    from weft.ir.ops.reduce import reduce_sum
    from weft.ir.ops.shape import move_axis
    from weft.ir.passes.batch import batch

    batched, _ = batch(backward, (*axes[0], *axes[1]), size, to_axis_0=True)

    def fun(*args: Any) -> list[Any]:
        cts = evaluate(batched, *args)
        return [
            reduce_sum(ct, (0,)) if a is NOT_MAPPED else move_axis(ct, 0, a)
            for ct, a in zip(cts, arg_axes, strict=True)
        ]

    return build(fun, batched.in_types)


custom_vjp_call_p = Primitive(
    "custom_vjp_call",
    type_rule=lambda *ins, graph, forward, backward, n_args, name: _graph_types(
        "custom_vjp_call", graph, ins
    ),
    reference=lambda *args, graph, forward, backward, n_args, name: _runner(graph, *args),
    jvp=_custom_vjp_jvp,
    transpose=None,
    batch=_custom_vjp_batch,
    lower=INLINE,
    multiple=True,
)


# custom_linear: the derivative of a custom_vjp function. Its transpose is the given backward graph; it runs, in forward mode,
# as the transpose of that.


def _custom_linear_types(*ins: ArrayType, backward: Graph, n_known: int, name: str) -> tuple[ArrayType, ...]:
    return backward.in_types[n_known:]


def forward_of_backward(params: Any) -> Graph:
    """The graph of a `custom_linear` equation: the transpose of its backward graph."""
    from weft.ir.passes.transpose import transpose

    backward, n_known = params["backward"], params["n_known"]
    mask = (False,) * n_known + (True,) * (len(backward.ins) - n_known)
    try:
        return transpose(backward, mask)
    except GradientError as error:
        raise GradientError(
            f"forward-mode derivative of {params['name']}, which has a custom_vjp: its backward function is not linear in "
            f"the cotangents, so it cannot be turned round ({error.message}). Use custom_jvp to define both modes."
        ) from None


def _custom_linear_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    n = params["n_known"]
    outs = answer()
    if all(t is None for t in tangents[:n]):
        return outs, prim.bind(*primals[:n], *instantiate(tangents[n:], primals[n:]), **params)
    return _call_jvp(
        call_p, primals, tangents, {"graph": forward_of_backward(params), "name": params["name"]}, answer
    )


def _custom_linear_transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    n = params["n_known"]
    cts = [
        zeros_like(t) if ct is None else ct
        for ct, t in zip(cts, params["backward"].in_types[n:], strict=True)
    ]
    return [None] * n + list(call(params["backward"], *ins[:n], *cts, name=params["name"]))


def _custom_linear_batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    n = params["n_known"]
    n_outs = len(params["backward"].ins) - n
    backward = _batch_backward(params["backward"], (list(axes[:n]), [0] * n_outs), axes[n:], size)
    return prim.bind(*args, **{**params, "backward": backward}), (0,) * n_outs


custom_linear_p = Primitive(
    "custom_linear",
    type_rule=_custom_linear_types,
    reference=lambda *args, backward, n_known, name: _runner(
        forward_of_backward({"backward": backward, "n_known": n_known, "name": name}), *args
    ),
    jvp=_custom_linear_jvp,
    transpose=_custom_linear_transpose,
    batch=_custom_linear_batch,
    lower=Lowering("inline", forward_of_backward),
    multiple=True,
)


# checkpoint: keep the inputs, and what is marked, for the backward pass, and compute again what else it reads


def _checkpoint_jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    from weft.ir.ops.replay import known_values, marks_of, replayed, with_stacks
    from weft.ir.passes.dce import dce
    from weft.ir.passes.jvp import out_tangent, push_forward

    graph, n = with_stacks(params["graph"]), len(primals)
    marks = marks_of(graph)
    if marks:
        keeping = graph.replace(outs=[*graph.outs, *(eqn.outs[0] for eqn in marks)])
        results = call(keeping, *primals, name=params["name"])
        outs, kept = results[: len(graph.outs)], results[len(graph.outs) :]
    else:
        outs, kept = answer(), ()
    active = [v for v, t in zip(graph.ins, tangents, strict=True) if t is not None]

    def fun(*args: Any) -> list[Any]:
        known = [
            optimization_barrier(x) for x in args[: n + len(marks)]
        ]  # or it would be found to be computed already
        env = known_values(graph, known[:n], known[n:])
        found = dict(zip(active, args[n + len(marks) :], strict=True))
        push_forward(replayed(graph.eqns, env), env, found)
        ts = [out_tangent(a, found) for a in graph.outs]
        return [zeros_like(a.type) if t is None else t for a, t in zip(graph.outs, ts, strict=True)]

    kept_types = [eqn.outs[0].type for eqn in marks]
    again = dce(build(fun, [*graph.in_types, *kept_types, *(v.type for v in active)]), effects=False)
    return outs, call(again, *primals, *kept, *(t for t in tangents if t is not None), name=params["name"])


checkpoint_p = Primitive(
    "checkpoint",
    type_rule=lambda *ins, graph, name: _graph_types("checkpoint", graph, ins),
    reference=lambda *args, graph, name: _runner(graph, *args),
    jvp=_checkpoint_jvp,
    transpose=_call_transpose,
    batch=_call_batch,
    lower=INLINE,
    multiple=True,
)


# named, saved: identities that say what a value is called, and that a checkpoint keeps it


def _mark(name: str, type_rule: Any) -> Primitive:
    return Primitive(
        name,
        type_rule=type_rule,
        reference=lambda x, **params: x,
        jvp=lambda prim, primals, tangents, params, answer: (answer(), (tangents[0],)),
        transpose=transposed(lambda ct, x, **params: ct),
        batch=pointwise,
        lower=index("copy"),
    )


named_p = _mark("named", lambda x, *, name: x)
saved_p = _mark("saved", lambda x: x)


def named(x: Any, name: str) -> Any:
    """``x``, under a name that a checkpoint's policy may know."""
    return named_p.bind(x, name=name)


def saved(x: Any) -> Any:
    """``x``, which a checkpoint around it keeps for the backward pass."""
    return saved_p.bind(x)


# optimization_barrier: the identity, which common-subexpression elimination does not look through


optimization_barrier_p = Primitive(
    "optimization_barrier",
    type_rule=lambda x: x,
    reference=lambda x: x,
    jvp=linear,
    transpose=transposed(lambda ct, x: ct),
    batch=pointwise,
    lower=index("copy"),
)


def optimization_barrier(x: Any) -> Any:
    """``x``, kept apart from equal values."""
    return optimization_barrier_p.bind(x)
