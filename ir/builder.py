"""Graphs under construction, and `bind`, the one way to apply a primitive.

A `Value` stands for a result that a `GraphBuilder` has recorded. `bind` looks at the arguments: with a `Value` among them
the equation goes to the *deepest* builder (the one made last), and values of other builders that it meets become captured
inputs of that graph; without one NumPy computes. This rule alone makes transformations nest, and does the partial
evaluation of linearization: what does not depend on a tangent is never recorded among the tangents.

A `Recorder` is a builder whose inputs also have values one level further out (NumPy arrays, or Values of an outer graph).
It can give the value of anything recorded, computed when it is first asked for: this is how `grad` without `jit` lets Python
branch on values.

Operations without array arguments (iota, full) go to the ambient builder, the innermost function being traced.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from weft.ir.errors import ConcretizationError, InternalError, LeakedTracerError
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.primitive import Primitive
from weft.ir.quiet import quietly
from weft.ir.source import at_source, user_source
from weft.ir.types import ArrayType, type_of

_depths = itertools.count(1)


class _State(threading.local):
    """The functions that a thread is tracing, innermost last."""

    def __init__(self) -> None:
        self.ambient: list[GraphBuilder] = []
        self.checks = False  # whether operations that run at once check the types of their operands


state = _State()

traces: list[GraphBuilder] = []
"""One for each function being traced in any thread: where there is none, a thread need not look into its own `state`."""


class Value:
    """A result recorded in a builder: what rules and traced functions hold in place of an array."""

    __slots__ = ("builder", "variable")

    # NumPy leaves operators with a Value to the Value.
    __array_ufunc__: Any = None

    def __init__(self, builder: GraphBuilder, var: Var):
        self.builder = builder
        self.variable = var

    @property
    def type(self) -> ArrayType:
        """Shape and dtype."""
        return self.variable.type

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape."""
        return self.variable.type.shape

    @property
    def dtype(self) -> np.dtype:
        """Dtype."""
        return self.variable.type.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.variable.type.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self.variable.type.size


_SMALL = 1024  # bytes


class GraphBuilder:
    """Collects equations. `finish` closes it and gives the graph and the values it captured from outside."""

    def __init__(self, *, value_class: type[Value] = Value, name: str = "", stage_all: bool = False) -> None:
        """Open a graph.

        Args:
            value_class: class of the values handed out.
            name: what errors call the function being traced.
            stage_all: while ambient, record also what depends on no `Value` (passes do; NumPy computes it otherwise).
        """
        self.depth = next(_depths)
        self.value_class = value_class
        self.name = name
        self.stage_all = stage_all
        self.makers: dict[Var, Eqn] = {}
        self.ins: list[Var] = []
        self.eqns: list[Eqn] = []
        self.captured: dict[int, tuple[Var, Any]] = {}
        # Small captured arrays by what they hold: equal ones (the unit vectors of every `jacfwd`) are one input, so
        # that what is computed from them is found to be equal too.
        self.small: dict[Any, Var] = {}
        self.closed = False
        self.argument_names: Sequence[str] | None = None
        # Arrays that can change, by id, with copies of what they held when they were used.
        self.snapshots: dict[int, tuple[Any, Any]] = {}

    def add_input(self, type: ArrayType) -> Value:
        """A new input of the graph."""
        var = Var(type)
        self.ins.append(var)
        return self.value_class(self, var)

    def atom(self, x: Any) -> Atom:
        """What an equation of this graph writes for ``x``: a variable of its own, a literal or a captured input."""
        if isinstance(x, Value):
            if x.builder is self:
                return x.variable
            check_alive(x)
            maker = x.builder.makers.get(x.variable)
            if (
                maker is not None
            ):  # iota, full, a broadcast scalar: making it again is cheaper than carrying it in
                ins = [read({}, a) if isinstance(a, Literal) else Value(x.builder, a) for a in maker.ins]
                return self.emit(maker.prim, ins, dict(maker.params))[0].variable
            key: Any = x.variable
        else:
            if not isinstance(x, np.ndarray):
                x = np.asarray(x)
            if x.ndim == 0:
                return Literal(x)
            key = x
        entry = self.captured.get(id(key))
        if entry is not None:
            return entry[0]
        bits = None
        if isinstance(x, np.ndarray) and x.nbytes <= _SMALL:
            bits = (x.shape, x.dtype, x.tobytes())
            if bits in self.small:
                return self.small[bits]
        var = Var(type_of_value(x))
        self.captured[id(key)] = (var, x)
        if bits is not None:
            self.small[bits] = var
        self.on_capture(var, x)
        return var

    def on_capture(self, var: Var, x: Any) -> None:
        """Called once for each captured value."""

    def emit(self, prim: Primitive, args: Sequence[Any], params: Mapping[str, Any]) -> tuple[Value, ...]:
        """Record ``prim[params] args`` and give its results."""
        ins = tuple([self.atom(a) for a in args])
        if prim.lower.kind == "scalar" and len(ins) > 1:
            ins = self._broadcast_scalars(ins)
        out_types = prim.out_types(tuple([a.type for a in ins]), params)
        outs = tuple([Var(t) for t in out_types])
        eqn = Eqn(prim, ins, outs, params, user_source())
        self.eqns.append(eqn)
        makes = all(isinstance(a, Literal) for a in ins) and prim.lower.kind != "callback"
        if outs and (makes or (prim.lower.rule == "reshape" and ins[0] in self.makers)):
            self.makers[outs[0]] = eqn
        return tuple([self.value_class(self, v) for v in outs])

    def _broadcast_scalars(self, ins: tuple[Atom, ...]) -> tuple[Atom, ...]:
        """Operands of an elementwise equation: variables of rank 0 beside arrays are broadcast, literals stay."""
        shape = next((a.type.shape for a in ins if a.type.shape), ())
        if not shape or all(a.type.shape or isinstance(a, Literal) for a in ins):
            return ins
        from weft.ir.ops.shape import broadcast_p  # the primitives are declared on top of this module

        def broadcast(atom: Atom) -> Atom:
            if atom.type.shape or isinstance(atom, Literal):
                return atom
            out = Var(atom.type.with_shape(shape))
            self.eqns.append(Eqn(broadcast_p, (atom,), (out,), {"shape": shape, "dims": ()}, user_source()))
            return out

        return tuple([broadcast(a) for a in ins])

    def finish(self, outs: Sequence[Any]) -> tuple[Graph, list[Any]]:
        """Close the graph. Captured values are its last inputs; they are returned in that order."""
        out_atoms = tuple([self.atom(x) for x in outs])
        self.closed = True
        captured = list(self.captured.values())
        graph = Graph(tuple(self.ins) + tuple(v for v, _ in captured), tuple(self.eqns), out_atoms)
        return graph, [x for _, x in captured]


class Recorder(GraphBuilder):
    """A builder whose variables also have values one level out, computed in order when one is first asked for."""

    def __init__(self, *, value_class: type[Value] = Value, name: str = "") -> None:
        """Open a graph of values that are known outside."""
        super().__init__(value_class=value_class, name=name)
        self.env: dict[Var, Any] = {}
        self.position = 0

    def add_known(self, x: Any) -> Value:
        """A new input that stands for ``x``."""
        value = self.add_input(type_of_value(x))
        self.env[value.variable] = x
        return value

    def on_capture(self, var: Var, x: Any) -> None:
        """A captured value is known."""
        self.env[var] = x

    def force(self, var: Var) -> Any:
        """The value of ``var`` one level out."""
        if var in self.env:
            return self.env[var]
        ambient = state.ambient
        state.ambient = [builder for builder in ambient if builder.depth < self.depth]
        try:
            while var not in self.env:
                eqn = self.eqns[self.position]
                with at_source(eqn.source):
                    outs = bind_all(eqn.prim, [read(self.env, a) for a in eqn.ins], eqn.params)
                self.env.update(zip(eqn.outs, outs, strict=True))
                self.position += 1
        finally:
            state.ambient = ambient
        return self.env[var]


def read(env: dict[Var, Any], atom: Atom) -> Any:
    """The value of an atom in an environment."""
    return atom.value if isinstance(atom, Literal) else env[atom]


def type_of_value(x: Any) -> ArrayType:
    """The type of an array, scalar or `Value`."""
    return x.variable.type if isinstance(x, Value) else type_of(x)


def check_alive(x: Value) -> None:
    """Raise `LeakedTracerError` when the function that made ``x`` has been traced to its end."""
    if x.builder.closed:
        where = f" of {x.builder.name}" if x.builder.name else ""
        made = next((e.source for e in x.builder.eqns if x.variable in e.outs), None)
        line = f", made at {made}," if made else ""
        raise LeakedTracerError(
            f"A traced value {x.type}{line} outlived the transformation{where} that made it. It was stored in a global, an "
            f"attribute or a container while the function was traced. Return it from the function instead."
        )


_BY_VALUE = (
    "Choose by value with weft.numpy.where or weft.lax.select, or make the argument static (static_argnums)."
)


def concrete(x: Any, what: str = "its value is needed", mend: str = _BY_VALUE) -> Any:
    """The NumPy array behind ``x``; raises `ConcretizationError` when only its type is known.

    The message says ``what`` the value is needed for, and how to ``mend`` the program.
    """
    while isinstance(x, Value):
        check_alive(x)
        builder = x.builder
        if not isinstance(builder, Recorder):
            raise ConcretizationError(_concretization_message(x, what, mend))
        x = builder.force(x.variable)
    return x


def _concretization_message(x: Value, what: str, mend: str) -> str:
    builder = x.builder
    origin = next((e for e in builder.eqns if x.variable in e.outs), None)
    if origin is not None:
        made = f"It is the result of {origin.prim.name} at {origin.source}."
    else:
        position = builder.ins.index(x.variable) if x.variable in builder.ins else None
        names = builder.argument_names
        name = names[position] if names and position is not None and position < len(names) else None
        made = f"It is the argument {name}." if name else "It is an argument of the traced function."
    return (
        f"{what}, but {x.type} is traced by {builder.name or 'a transformation'}: only its shape and dtype are known.\n"
        f"{made}\n{mend}"
    )


_PYTHON_SCALARS = (bool, int, float, complex)


def _scalars_to_dtype(args: Sequence[Any]) -> list[Any]:
    """Python scalars take the dtype of the last array argument."""
    if not any(type(a) in _PYTHON_SCALARS for a in args):
        return list(args)
    dtype = next((a.dtype for a in reversed(args) if type(a) not in _PYTHON_SCALARS), None)
    return [np.asarray(a, dtype)[()] if type(a) in _PYTHON_SCALARS else a for a in args]


def bind_all(prim: Primitive, args: Sequence[Any], params: Mapping[str, Any]) -> tuple[Any, ...]:
    """Apply ``prim`` to values and give all its results as a tuple."""
    args = _scalars_to_dtype(args)
    deepest: GraphBuilder | None = None
    for a in args:
        if isinstance(a, Value) and (deepest is None or a.builder.depth > deepest.depth):
            deepest = a.builder
    innermost = state.ambient[-1] if state.ambient else None
    if innermost and (deepest is None or deepest.depth < innermost.depth) and calls_back(prim, params):
        deepest = innermost  # when it is called is up to the function being traced
    elif deepest is None and state.ambient:
        # What makes an array out of scalars or nothing (full, iota, broadcast) is recorded: arrays are not baked in.
        makes = prim.lower.kind == "index" and all(np.ndim(a) == 0 for a in args)
        # A collective of a constant is one too: the axis is that of a function being traced.
        if makes or not args or prim.lower.kind == "collective" or state.ambient[-1].stage_all:
            deepest = state.ambient[-1]
    if deepest is not None:
        if deepest.closed:
            for a in args:
                if isinstance(a, Value):
                    check_alive(a)
        return deepest.emit(prim, args, params)
    if state.checks:
        prim.type_rule(*map(type_of_value, args), **params)
    result = run_reference(prim, args, params)
    return tuple(result) if prim.multiple else (result,)


def run_reference(prim: Primitive, args: Sequence[Any], params: Mapping[str, Any]) -> Any:
    """Apply the reference of ``prim`` to arrays, without NumPy's warnings.

    Where functions of the user's may be called, they are called in the user's own context.
    """
    if prim.lower.kind == "callback" or any(True for _ in _graphs(params)):
        return prim.reference(*args, **params)
    return quietly(prim.reference, *args, **params)


def calls_back(prim: Primitive, params: Mapping[str, Any]) -> bool:
    """Whether a primitive is, or carries, a call of a function of the user's."""
    if prim.lower.kind == "callback":
        return True
    return any(calls_back(eqn.prim, eqn.params) for graph in _graphs(params) for eqn in graph.eqns)


def _graphs(params: Mapping[str, Any]) -> Iterator[Graph]:
    for param in params.values():
        if type(param) is Graph:
            yield param
        elif type(param) is tuple and param and type(param[0]) is Graph:
            yield from param


def bind(prim: Primitive, args: Sequence[Any], params: dict[str, Any]) -> Any:
    """Apply ``prim`` to values: one result, or a tuple where the primitive gives several."""
    outs = bind_all(prim, args, params)
    return outs if prim.multiple else outs[0]


@contextmanager
def evaluating() -> Iterator[None]:
    """No function is being traced meanwhile: what depends on no traced value is computed at once."""
    ambient, state.ambient = state.ambient, []
    try:
        yield
    finally:
        state.ambient = ambient


@contextmanager
def tracing(builder: GraphBuilder) -> Iterator[GraphBuilder]:
    """Make ``builder`` the ambient one: the innermost function being traced."""
    state.ambient.append(builder)
    traces.append(builder)
    try:
        yield builder
    finally:
        state.ambient.pop()
        traces.pop()


def build(fun: Callable[..., Sequence[Any]], in_types: Sequence[ArrayType]) -> Graph:
    """The graph of a function of values: how passes that interpret a graph give a graph.

    ``fun`` must not use arrays or values from outside.
    """
    builder = GraphBuilder(stage_all=True)
    with tracing(builder), at_source(None):
        outs = fun(*[builder.add_input(t) for t in in_types])
    graph, captured = builder.finish(outs)
    if captured:
        raise InternalError(
            f"a graph built from types alone captured {[str(type_of_value(x)) for x in captured]}."
        )
    return graph
