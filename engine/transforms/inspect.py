"""Look inside: graphs, stages of compilation, shapes without values."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, Literal, ParamSpec, overload

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value
from weft.engine.runtime.program import Program
from weft.engine.trace import Traced, function_name, trace
from weft.ir.builder import Value, type_of_value
from weft.ir.errors import ArgumentError
from weft.ir.graph import Eqn, Graph, sub_graphs
from weft.ir.ops.contract import dot_general_p, dot_plan
from weft.ir.records import dataclass
from weft.ir.types import ArrayType, check_dtype

STAGES = ("graph", "fused", "loops", "llvm", "asm", "tape")


@dataclass(frozen=True)
class ShapeDtypeStruct:
    """The shape and dtype of an array that is not there."""

    shape: tuple[int, ...]
    dtype: Any

    def __post_init__(self) -> None:
        """Normalise what was given."""
        object.__setattr__(self, "shape", tuple(self.shape))
        object.__setattr__(self, "dtype", check_dtype(self.dtype))

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


def _trace_types(fun: Callable[..., Any], args: Any, kwargs: Any, kind: str) -> Traced:
    leaves, in_tree = tree.flatten((args, kwargs))
    name = function_name(fun)
    types, weak = [], []
    for x in leaves:
        if hasattr(x, "shape") and hasattr(x, "dtype") and not isinstance(x, Value):
            types.append(ArrayType(tuple(x.shape), check_dtype(x.dtype)))
        else:
            types.append(type_of_value(to_value(x, f"an argument of {name}")))
        weak.append(type(x) in (bool, int, float, complex))
    return trace(fun, types, in_tree, kind=kind, weak=weak)


def _without_static(
    fun: Callable[..., Any], args: tuple[Any, ...], static: Any
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    positions = {static} if isinstance(static, int) else set(static)
    if not positions:
        return fun, args
    positions = {i % len(args) for i in positions}

    @functools.wraps(fun)
    def bound(*rest: Any, **kwargs: Any) -> Any:
        given = iter(rest)
        return fun(*[x if i in positions else next(given) for i, x in enumerate(args)], **kwargs)

    return bound, tuple(x for i, x in enumerate(args) if i not in positions)


P = ParamSpec("P")


@overload
def make_graph(
    fun: Callable[P, Any], static_argnums: Any = (), return_shape: Literal[False] = False
) -> Callable[P, Graph]: ...
@overload
def make_graph(
    fun: Callable[P, Any], static_argnums: Any = (), *, return_shape: Literal[True]
) -> Callable[P, tuple[Graph, Any]]: ...
def make_graph(
    fun: Callable[..., Any], static_argnums: Any = (), return_shape: bool = False
) -> Callable[..., Any]:
    """A function that gives the graph of ``fun`` for its arguments; print it. Values closed over are its last inputs.

    Args:
        fun: function of trees of arrays.
        static_argnums: positions of arguments that are Python values.
        return_shape: give ``(graph, shapes of the result)``.
    """

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        bound, dynamic = _without_static(fun, args, static_argnums)
        traced = _trace_types(bound, dynamic, kwargs, "make_graph")
        return (traced.graph, _shapes(traced)) if return_shape else traced.graph

    return wrapped


def _shapes(traced: Traced) -> Any:
    return tree.unflatten(
        traced.out_tree, [ShapeDtypeStruct(t.shape, t.dtype) for t in traced.graph.out_types]
    )


def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Shapes and dtypes of what ``fun`` would return, without computing it.

    Args:
        fun: function of trees of arrays.
        args: arrays, or anything with ``shape`` and ``dtype`` such as `ShapeDtypeStruct`.
        kwargs: the same by name.

    Returns:
        The result's tree with `ShapeDtypeStruct` for arrays.
    """
    return _shapes(_trace_types(fun, args, kwargs, "eval_shape"))


class Lowered:
    """A jitted function for given types, on its way to machine code."""

    def __init__(self, entry: Any, name: str):
        self._entry = entry
        self._name = name

    @property
    def graph(self) -> Graph:
        """The graph as it was traced."""
        return self._entry.traced.graph

    @property
    def program(self) -> Program:
        """The compiled program, compiled when first asked for."""
        return self._entry.program

    @property
    def out_tree(self) -> Any:
        """The structure of the result."""
        return self._entry.out_tree

    def as_text(self, stage: str = "graph") -> str:
        """What a stage of the compiler made.

        Args:
            stage: "graph" as traced; "fused" the kernels and library calls; "loops" the loop nests; "llvm" optimised LLVM IR;
                "asm" assembly; "tape" the instructions of the run-time.
        """
        if stage == "graph":
            return str(self.graph)
        if stage == "fused":
            return str(self.program.fused)
        if stage == "tape":
            return self.program.tape.disassemble()
        kernels = self.program.kernels
        if stage == "loops":
            return "\n".join(f"# {k.name}\n{k.nest}" for k in kernels)
        if stage in ("llvm", "asm"):
            return "\n".join(getattr(k, stage)() for k in {k.name: k for k in kernels}.values())
        raise ArgumentError(f"as_text knows the stages {', '.join(STAGES)}; got {stage!r}.")

    def compile(self) -> Compiled:
        """Compile to machine code."""
        _ = self.program
        return Compiled(self._entry, self._name)

    def cost_analysis(self) -> dict[str, float]:
        """Estimates for one call: ``flops`` (floating operations) and ``bytes accessed`` (by kernels and library calls)."""
        fused = self.program.fused
        return {
            "flops": float(sum(map(_flops, fused.eqns))),
            "bytes accessed": float(sum(sum(a.type.nbytes for a in (*e.ins, *e.outs)) for e in fused.eqns)),
            "kernels": float(len(self.program.kernels)),
        }

    def memory_analysis(self) -> dict[str, Any]:
        """Bytes of one call: arguments, outputs, temporaries as planned, temporaries if none were shared; and copies.

        ``copies`` is how many places of the program copy a value, and ``copied`` says of each how many bytes, and why.
        """
        program = self.program
        copied = program.tape.copies
        return {
            "argument_size_in_bytes": sum(t.nbytes for t in program.fused.in_types),
            "output_size_in_bytes": sum(t.nbytes for t in program.fused.out_types),
            "temp_size_in_bytes": program.buffers.arena_bytes,
            "unshared_temp_size_in_bytes": program.buffers.temporary_bytes,
            "copies": len(copied),
            "copied": [f"{nbytes} bytes: {why}" for nbytes, why in copied],
        }


class Compiled(Lowered):
    """A jitted function compiled for given types; call it with arguments of these types."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run on arrays of the types that it was compiled for."""
        leaves, _ = tree.flatten((args, kwargs))
        values = [np.ascontiguousarray(to_value(x)).reshape(np.shape(x)) for x in leaves]
        wanted = self.graph.in_types[: len(values)]
        given = tuple(ArrayType(v.shape, v.dtype) for v in values)
        if given != wanted or len(values) + len(self._entry.traced.captured) != len(self.graph.ins):
            raise ArgumentError(
                f"{self._name} was compiled for {', '.join(map(str, wanted))} and called with {', '.join(map(str, given))}. "
                f"Call the jitted function itself for other types."
            )
        return self._entry.run(values)


def _flops(eqn: Eqn) -> int:
    inner = [sum(map(_flops, graph.eqns)) for _, graph in sub_graphs(eqn)]
    if inner:
        return sum(inner)
    kind = eqn.prim.lower.kind
    if kind == "scalar":
        return max(t.size for t in eqn.out_types)
    if kind in ("reduce", "argreduce"):
        return eqn.ins[0].type.size
    if eqn.prim is dot_general_p:
        x, y = eqn.in_types
        return 2 * dot_plan(x, y, eqn.params["dims"]).k * eqn.outs[0].type.size
    return 0
