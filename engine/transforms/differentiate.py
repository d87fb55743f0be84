"""The two modes of differentiation as functions of functions: `jvp`, `linearize`, `vjp`, `linear_transpose`.

A function is run once on recorded values (`weft.ir.builder.Recorder`): its equations are kept, and their values, one level
out, are computed when Python asks for them or when derivatives are taken. So Python branches on values work, and inside
another trace everything is staged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, TypeVar, overload

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.trace import Tracer, flat_outputs, float0, function_name, is_float0, run_on, trace
from weft.ir.builder import Recorder, read, type_of_value
from weft.ir.errors import ArgumentError, DTypeError, GradientError, ShapeError
from weft.ir.graph import Graph, Var
from weft.ir.interpret import evaluate
from weft.ir.passes.dce import dce
from weft.ir.passes.jvp import out_tangent, push_forward
from weft.ir.passes.linearize import Linearized, linearize_values
from weft.ir.passes.transpose import pull_back
from weft.ir.primitive import Linear
from weft.ir.rules import zeros_like
from weft.ir.types import ArrayType, is_inexact

R = TypeVar("R")
Aux = TypeVar("Aux")


class Recorded(NamedTuple):
    """A function that was run on known values: its graph, their values, its result's structure."""

    graph: Graph
    env: dict[Var, Any]
    ins: tuple[Var, ...]
    out_tree: tree.TreeDef


def record(
    fun: Callable[..., Any],
    values: Sequence[Any],
    in_tree: tree.TreeDef,
    kind: str,
    weak: Sequence[bool] = (),
) -> Recorded:
    """Run ``fun`` on recorded ``values``, the leaves of ``(args, kwargs)``."""
    name = function_name(fun)
    recorder = Recorder(value_class=Tracer, name=f"{kind}({name})")
    tracers: list[Any] = [recorder.add_known(v) for v in values]
    for tracer, is_weak in zip(tracers, weak, strict=False):
        tracer.weak = is_weak
    try:
        out = run_on(recorder, fun, tracers, in_tree)
        outs, out_tree = flat_outputs(out, name)
        graph, _ = recorder.finish(outs)
    finally:
        recorder.closed = True
    return Recorded(dce(graph), recorder.env, tuple(t.variable for t in tracers), out_tree)


def differentiable_inputs(recorded: Recorded) -> list[Var]:
    """Inputs of floating or complex dtype."""
    return [v for v in recorded.ins if is_inexact(v.type.dtype)]


def _is_weak(leaf: Any) -> bool:
    return type(leaf) in (bool, int, float, complex) or (isinstance(leaf, Tracer) and leaf.weak)


def flatten_arguments(args: Any, kwargs: Any, name: str) -> tuple[list[Any], tree.TreeDef, list[bool]]:
    """Values, structure and weakness of the arguments of ``name``."""
    leaves, in_tree = tree.flatten((args, kwargs))
    return [to_value(x, f"an argument of {name}") for x in leaves], in_tree, [_is_weak(x) for x in leaves]


def wrap_tree(out_tree: tree.TreeDef, values: Sequence[Any]) -> Any:
    """A user's tree of values of the IR."""
    return tree.unflatten(out_tree, [wrap_value(v) for v in values])


def check_tangents(
    kind: str,
    primals: Sequence[Any],
    tangents: Sequence[Any],
    names: tuple[str, str] = ("tangent", "primal"),
) -> list[Any]:
    """Tangents (``None`` for integer primals) that fit their primals; cotangents fit results alike."""
    tangent, primal = names
    result: list[Any] = []
    for i, (p, t) in enumerate(zip(primals, tangents, strict=True)):
        if not is_inexact(p.dtype):
            result.append(None)
            continue
        t = to_value(t, f"{tangent} {i} of {kind}")
        if t.shape != p.shape:
            raise ShapeError(
                f"{kind}: {tangent} {i} has shape {t.shape}, its {primal} {p.shape}. They must be equal."
            )
        if t.dtype != p.dtype:
            if isinstance(t, np.ndarray) and t.shape == () and np.can_cast(t.dtype, p.dtype, "same_kind"):
                t = t.astype(p.dtype)
            else:
                raise DTypeError(
                    f"{kind}: {tangent} {i} has dtype {t.dtype}, its {primal} {p.dtype}. They must be equal."
                )
        result.append(t)
    return result


def _zero(x: Any) -> Any:
    """The zero tangent that users see for an output: float0 where the output is not floating."""
    return zeros_like(x) if is_inexact(x.dtype) else np.zeros(x.shape, float0)


def wrap_tangent(x: Any) -> Any:
    """A user's tangent or cotangent; float0 arrays stay NumPy's."""
    return x if is_float0(x) else wrap_value(x)


def _flatten_pair(
    kind: str, primals: Any, tangents: Any, names: tuple[str, str]
) -> tuple[list[Any], tree.TreeDef, list[Any]]:
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise ArgumentError(
            f"{kind} takes {names[0]} and {names[1]} as tuples or lists, one item an argument of the function."
        )
    leaves, in_tree = tree.flatten(tuple(primals))
    tangent_leaves, tangent_tree = tree.flatten(tuple(tangents))
    if in_tree != tangent_tree:
        raise ArgumentError(
            f"{kind}: {names[0]} and {names[1]} differ in structure: {in_tree} and {tangent_tree}."
        )
    return leaves, in_tree, tangent_leaves


@overload
def jvp(
    fun: Callable[..., tuple[R, Aux]], primals: Any, tangents: Any, has_aux: Literal[True]
) -> tuple[R, R, Aux]: ...
@overload
def jvp(
    fun: Callable[..., R], primals: Any, tangents: Any, has_aux: Literal[False] = False
) -> tuple[R, R]: ...
def jvp(fun: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> Any:
    """Value of ``fun`` at ``primals`` and its derivative in the direction ``tangents`` (forward mode).

    Args:
        fun: function of arrays; with ``has_aux`` it returns ``(out, aux)``.
        primals: tuple of arguments.
        tangents: tuple of the same structure, shapes and dtypes (float0 for integers, or anything: it is not read).
        has_aux: whether to pass ``aux`` through.

    Returns:
        ``(out, out_tangent)``, or ``(out, out_tangent, aux)``.

    Raises:
        ArgumentError: the two tuples differ in structure.
        ShapeError: a tangent's shape is not its primal's.
        DTypeError: a tangent's dtype is not its primal's.
    """
    leaves, _, tangent_leaves = _flatten_pair("jvp", primals, tangents, ("primals", "tangents"))
    values = [to_value(x, f"primal {i} of jvp") for i, x in enumerate(leaves)]
    ts = check_tangents("jvp", values, tangent_leaves)
    call_tree = tree.structure((tuple(primals), {}))
    recorded = record(fun, values, call_tree, "jvp", [_is_weak(x) for x in leaves])
    env = recorded.env
    by_var = {v: t for v, t in zip(recorded.ins, ts, strict=True) if t is not None}
    push_forward(recorded.graph.eqns, env, by_var)
    outs = [read(env, a) for a in recorded.graph.outs]
    found = [out_tangent(a, by_var) for a in recorded.graph.outs]
    full = [_zero(o) if t is None else t for o, t in zip(outs, found, strict=True)]
    out = wrap_tree(recorded.out_tree, outs)
    tangent = tree.unflatten(recorded.out_tree, [wrap_tangent(t) for t in full])
    if has_aux:
        return out[0], tangent[0], out[1]
    return out, tangent


def linearized(recorded: Recorded, active: Sequence[Var]) -> Linearized:
    """Linearize a recorded function with respect to some of its inputs."""
    return linearize_values(recorded.graph.eqns, recorded.graph.outs, recorded.env, active)


@overload
def linearize(
    fun: Callable[..., tuple[R, Aux]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Callable[..., R], Aux]: ...
@overload
def linearize(
    fun: Callable[..., R], *primals: Any, has_aux: Literal[False] = False
) -> tuple[R, Callable[..., R]]: ...
@overload
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool) -> Any: ...
def linearize(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Value of ``fun`` and its derivative at ``primals`` as a linear function of tangents.

    Returns:
        ``(out, f_lin)``, or ``(out, f_lin, aux)`` with ``has_aux``; ``f_lin(*tangents)`` evaluates the derivative without
        running ``fun`` again.
    """
    values, in_tree, weak = flatten_arguments(primals, {}, "linearize")
    recorded = record(fun, values, in_tree, "linearize", weak)
    lin = linearized(recorded, differentiable_inputs(recorded))
    primal_tree = tree.structure(tuple(primals))
    out = wrap_tree(recorded.out_tree, lin.outs)

    def f_lin(*tangents: Any) -> Any:
        leaves, tangent_tree = tree.flatten(tuple(tangents))
        if tangent_tree != primal_tree:
            raise ArgumentError(
                f"the linearized function takes tangents of structure {primal_tree}, got {tangent_tree}."
            )
        ts = [t for t in check_tangents("linearize", values, leaves) if t is not None]
        found = iter(evaluate(lin.linear, *ts, *lin.residuals))
        full = [next(found) if a else _zero(o) for a, o in zip(lin.out_active, lin.outs, strict=True)]
        result = tree.unflatten(recorded.out_tree, [wrap_tangent(t) for t in full])
        return result[0] if has_aux else result

    return (out[0], f_lin, out[1]) if has_aux else (out, f_lin)


def pull_back_linearized(lin: Linearized, n_active: int, cts: Sequence[Any]) -> list[Any]:
    """Cotangents of the active inputs, zeros written out, from a cotangent (or ``None``) for each output."""
    ins = [Linear(t) for t in lin.linear.in_types[:n_active]]
    active_cts = [ct for ct, a in zip(cts, lin.out_active, strict=True) if a]
    found = pull_back(lin.linear, [*ins, *lin.residuals], active_cts)
    return [zeros_like(x) if ct is None else ct for x, ct in zip(ins, found, strict=True)]


@overload
def vjp(
    fun: Callable[..., tuple[R, Aux]], *primals: Any, has_aux: Literal[True]
) -> tuple[R, Callable[[Any], tuple[Any, ...]], Aux]: ...
@overload
def vjp(
    fun: Callable[..., R], *primals: Any, has_aux: Literal[False] = False
) -> tuple[R, Callable[[Any], tuple[Any, ...]]]: ...
@overload
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool) -> Any: ...
def vjp(fun: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Value of ``fun`` and the function from cotangents of its result to cotangents of its arguments (reverse mode).

    Returns:
        ``(out, f_vjp)``, or ``(out, f_vjp, aux)`` with ``has_aux``. ``f_vjp(ct)`` gives a tuple, one item an argument; it can
        be called again.
    """
    values, in_tree, weak = flatten_arguments(primals, {}, "vjp")
    recorded = record(fun, values, in_tree, "vjp", weak)
    active = differentiable_inputs(recorded)
    lin = linearized(recorded, active)
    primal_tree = tree.structure(tuple(primals))
    out = wrap_tree(recorded.out_tree, lin.outs)
    shown, ct_tree = tree.flatten(out[0] if has_aux else out)
    has_value = [not is_float0(x) for x in shown]  # float0 results are structure, and take any cotangent
    n_cts = sum(has_value)

    def f_vjp(ct: Any) -> Any:
        leaves, given = tree.flatten(ct)
        if given != ct_tree:
            raise ArgumentError(
                f"the cotangent given to a vjp function has structure {given}, the result {ct_tree}."
            )
        leaves = [x for x, kept in zip(leaves, has_value, strict=True) if kept]
        cts = check_tangents("vjp", lin.outs[:n_cts], leaves, ("cotangent", "result")) + [None] * (
            len(lin.outs) - n_cts
        )
        found = iter(pull_back_linearized(lin, len(active), cts))
        result = [next(found) if is_inexact(v.dtype) else np.zeros(v.shape, float0) for v in values]
        return tree.unflatten(primal_tree, [wrap_tangent(x) for x in result])

    return (out[0], f_vjp, out[1]) if has_aux else (out, f_vjp)


def linear_transpose(fun: Callable[..., Any], *primals: Any) -> Callable[[Any], tuple[Any, ...]]:
    """The transpose of a linear function.

    Args:
        fun: linear in all its arguments.
        primals: arrays, or anything with ``shape`` and ``dtype``, that say the arguments' types.

    Returns:
        A function from a cotangent of the result to a tuple of cotangents of the arguments.
    """
    leaves, in_tree = tree.flatten((primals, {}))
    types = [
        ArrayType(tuple(x.shape), np.dtype(x.dtype)) if hasattr(x, "dtype") else type_of_value(to_value(x))
        for x in leaves
    ]
    traced = trace(fun, types, in_tree, kind="linear_transpose")

    def transposed(ct: Any) -> tuple[Any, ...]:
        ct_leaves, given = tree.flatten(ct)
        if given != traced.out_tree:
            raise ArgumentError(
                f"linear_transpose: the cotangent has structure {given}, the result {traced.out_tree}."
            )
        ins = [Linear(t) for t in types]
        given_cts = check_tangents(
            "linear_transpose", traced.graph.out_types, ct_leaves, ("cotangent", "result")
        )
        cts = pull_back(traced.graph, [*ins, *traced.captured], given_cts)
        full = [zeros_like(x) if c is None else c for x, c in zip(ins, cts, strict=True)]
        return tree.unflatten(tree.structure(primals), [wrap_value(c) for c in full])

    return transposed


def check_output_is_scalar(kind: str, name: str, out: ArrayType, *, holomorphic: bool) -> None:
    """`grad` needs one real number (or, holomorphic, one complex number)."""
    if out.shape != ():
        raise GradientError(
            f"{kind} needs a function with one scalar as its result, but {name} returned {out}. "
            f"Sum or average it, or use weft.jacrev or weft.vmap(weft.grad(...))."
        )
    if holomorphic and out.dtype.kind != "c":
        raise GradientError(
            f"{kind} with holomorphic=True needs a complex result, but {name} returned {out}."
        )
    if not holomorphic and (out.dtype.kind == "c" or not is_inexact(out.dtype)):
        way = "Use holomorphic=True, or take the real part." if out.dtype.kind == "c" else "Make it floating."
        raise GradientError(f"{kind} needs a real floating result, but {name} returned {out}. {way}")
