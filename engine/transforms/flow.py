"""The functions that branches and loops are given, as graphs; and what is checked about them.

The one idea: where nothing is traced a loop is a Python loop that calls the user's functions on arrays, and no graph is made.
Otherwise each function is traced once. Either way what it returns is held against what it was given by the same rule: a carry
keeps its structure, shapes and dtypes, and Python scalars give way to arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from weft.engine import tree
from weft.engine.array import to_value, wrap, wrap_value
from weft.engine.dispatch import as_dtype, common_dtype, is_weak
from weft.engine.trace import Tracer, function_name, run_on
from weft.engine.tree_paths import flatten_with_path
from weft.ir.builder import GraphBuilder, Recorder, Value, state, type_of_value
from weft.ir.errors import ArgumentError
from weft.ir.graph import Graph, Var
from weft.ir.types import SHORT_NAMES, ArrayType


class Leaves(NamedTuple):
    """The leaves of a tree: values of the IR, what messages call them, and which of them are Python scalars."""

    values: list[Any]
    tree: tree.TreeDef
    names: list[str]
    weak: list[bool]

    @property
    def types(self) -> list[ArrayType]:
        """Types of the values."""
        return [type_of_value(v) for v in self.values]

    def rebuilt(self, values: Sequence[Any]) -> Any:
        """The user's tree with other values."""
        return tree.unflatten(self.tree, [wrap_value(v) for v in values])


def read_leaves(x: Any, name: str) -> Leaves:
    """The leaves of a user's tree, called by paths that begin with ``name``."""
    found, treedef = flatten_with_path(x)
    names = [f"{name}{path}" for path, _ in found]
    values = [to_value(leaf, n) for n, (_, leaf) in zip(names, found, strict=True)]
    return Leaves(values, treedef, names, [is_weak(leaf) for _, leaf in found])


def is_staged(*values: Sequence[Any]) -> bool:
    """Whether a call is to be recorded: inside a traced function, or on a traced array."""
    return bool(state.ambient) or any(isinstance(v, Value) for some in values for v in some)


class Body(NamedTuple):
    """A function as a graph: its inputs are the arguments' leaves, then ``captured``."""

    graph: Graph
    captured: list[Any]
    out_tree: tree.TreeDef
    weak: list[bool]

    def consts_first(self) -> Graph:
        """The graph with captured values as its first inputs."""
        n = len(self.graph.ins) - len(self.captured)
        return self.graph.replace(ins=(*self.graph.ins[n:], *self.graph.ins[:n]))


def trace_body(
    fun: Callable[..., Any], args: Sequence[Any], types: Sequence[ArrayType], weak: Sequence[bool], kind: str
) -> Body:
    """Trace ``fun(*args)``, where ``args`` are trees whose leaves have the given types."""
    name = function_name(fun)
    builder = GraphBuilder(value_class=Tracer, name=f"{kind}({name})")
    leaves: list[Any] = [builder.add_input(t) for t in types]
    for leaf, is_scalar in zip(leaves, weak, strict=True):
        leaf.weak = is_scalar
    try:
        out = run_on(builder, fun, leaves, tree.structure((tuple(args), {})))
        outs = read_leaves(out, f"the result of {name}")
        graph, captured = builder.finish(outs.values)
    finally:
        builder.closed = True
    return Body(graph, captured, outs.tree, outs.weak)


def tried_types(
    fun: Callable[..., Any], args: Sequence[Any], values: Sequence[Any], weak: Sequence[bool], kind: str
) -> tuple[list[ArrayType], list[bool], tree.TreeDef]:
    """Types, weakness and structure of ``fun(*args)``, called on values that are known, Python scalars among them."""
    recorder = Recorder(value_class=Tracer, name=f"{kind}({function_name(fun)})")
    leaves: list[Any] = [recorder.add_known(v) for v in values]
    for leaf, is_scalar in zip(leaves, weak, strict=True):
        leaf.weak = is_scalar
    try:
        out = run_on(recorder, fun, leaves, tree.structure((tuple(args), {})))
        outs = read_leaves(out, f"the result of {function_name(fun)}")
    finally:
        recorder.closed = True
    return outs.types, outs.weak, outs.tree


def settle_carry(
    carry: Leaves,
    rest: Leaves,
    attempt: Callable[[list[Any], list[bool]], tuple[list[ArrayType], list[bool]]],
) -> Leaves:
    """A carry whose Python scalars have the dtypes that the loop gives them.

    Args:
        carry: the initial carry.
        rest: the other arguments of the body, whose scalars are as weak as they are.
        attempt: the types and the weakness of the carry that the body returns for values and weakness of a carry.
    """
    values, weak = list(carry.values), list(carry.weak)
    while any(weak):
        types, out_weak = attempt(values, weak)
        if len(types) != len(values):  # an error, which is told by who checks the carry
            break
        done = True
        for i, (t, scalar) in enumerate(zip(types, out_weak, strict=True)):
            if weak[i]:
                dtype = t.dtype if scalar else _weak_common(values[i].dtype, t.dtype)
                dtype = _wider_kind(values[i].dtype, dtype) if scalar else dtype
                if dtype != values[i].dtype:
                    values[i] = as_dtype(values[i], dtype)
                    done = False
        if done:
            break
    return carry._replace(values=values, weak=[False] * len(values))


_SCALARS: dict[str, Any] = {"b": False, "i": 0, "u": 0, "f": 0.0, "c": 0j}


def _weak_common(scalar: np.dtype, other: np.dtype) -> np.dtype:
    """The dtype of a Python scalar beside an array of dtype ``other``."""
    return common_dtype(_SCALARS[scalar.kind], np.empty(0, other))


def _wider_kind(a: np.dtype, b: np.dtype) -> np.dtype:
    return np.result_type(a, b)


def fits_carry(types: Sequence[ArrayType], weak: Sequence[bool], carry: Sequence[ArrayType]) -> bool:
    """Whether what a function returned is of the types of a carry, or Python scalars that can have them."""
    return len(types) == len(carry) and all(
        t == c or (w and t.shape == c.shape and _weak_common(t.dtype, c.dtype) == c.dtype)
        for t, w, c in zip(types, weak, carry, strict=True)
    )


def fit_weak(value: Any, weak: bool, t: ArrayType) -> Any:
    """A Python scalar that a function returned, in the dtype of the carry that it is for, where it can have it."""
    if weak and value.dtype != t.dtype and _weak_common(value.dtype, t.dtype) == t.dtype:
        return as_dtype(value, t.dtype)
    return value


def fit_body(body: Body, carry: Sequence[ArrayType]) -> Body:
    """``body`` with the Python scalars among its first results in the dtypes of the carry."""
    types = body.graph.out_types
    if len(types) < len(carry) or all(
        t == c or not w for t, c, w in zip(types, carry, body.weak, strict=False)
    ):
        return body
    from weft.ir.builder import build
    from weft.ir.interpret import evaluate

    def fun(*args: Any) -> list[Any]:
        outs = evaluate(body.graph, *args)
        fitted = [fit_weak(x, w, t) for x, w, t in zip(outs, body.weak, carry, strict=False)]
        return [*fitted, *outs[len(carry) :]]

    return body._replace(graph=build(fun, body.graph.in_types))


def share_captured(bodies: Sequence[Body]) -> tuple[list[Graph], list[Any]]:
    """Graphs that take the same captured values after their arguments, and those values."""
    captured: dict[int, Any] = {}
    for body in bodies:
        captured.update((_identity(x), x) for x in body.captured)
    graphs = []
    for body in bodies:
        n = len(body.graph.ins) - len(body.captured)
        own = {_identity(x): var for x, var in zip(body.captured, body.graph.ins[n:], strict=True)}
        rest = [own.get(key) or Var(type_of_value(x)) for key, x in captured.items()]
        graphs.append(body.graph.replace(ins=(*body.graph.ins[:n], *rest)))
    return graphs, list(captured.values())


def _identity(x: Any) -> int:
    return id(x.variable) if isinstance(x, Value) else id(x)


# What a carry must be


def check_carry(
    kind: str, fun: Callable[..., Any], carry: Leaves, out_tree: tree.TreeDef, types: Sequence[ArrayType]
) -> None:
    """Raise `ArgumentError` unless a body gave its carry back with the structure, shapes and dtypes that it came in with."""
    if out_tree != carry.tree:
        raise ArgumentError(
            f"{kind}: {describe(fun)} must return its carry in the structure that it came in with.\n"
            f"  came in:  {structure(carry.tree)}\n  returned: {structure(out_tree)}"
        )
    given = carry.types
    wrong = [i for i, (a, b) in enumerate(zip(given, types, strict=True)) if a != b]
    if not wrong:
        return
    lines = [f"  {carry.names[i]} came in as {given[i]} and was returned as {types[i]}." for i in wrong]
    if any(given[i].shape != types[i].shape for i in wrong):
        mend = "Begin with an array of the shape that the body returns, or keep the shape in the body."
    else:
        i = wrong[0]
        mend = (
            f"Convert what the body returns with .astype({_spelled(given[i].dtype)}), "
            f"or begin with {carry.names[i]} of dtype {types[i].dtype}."
        )
    listed = "\n".join(lines)
    raise ArgumentError(
        f"{kind}: {describe(fun)} must return its carry with the shapes and dtypes that it came in with.\n{listed}\n{mend}"
    )


def _spelled(dtype: np.dtype) -> str:
    return str(dtype) if dtype not in SHORT_NAMES else f"'{dtype}'"


def describe(fun: Callable[..., Any]) -> str:
    """A function, and where it was defined."""
    code = getattr(fun, "__code__", None)
    name = function_name(fun)
    if code is None:
        return name
    return f"{name} ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno})"


def structure(treedef: tree.TreeDef) -> str:
    """The structure of a tree as a user wrote it, with ``*`` for arrays."""
    text = str(treedef)
    return text[text.index("(") + 1 : -1].partition(", namespace=")[0]


class EagerCarry:
    """The carry of a loop that runs in Python, held against its first type at every step.

    ``fits`` says, where the dtypes that the body returns are others, whether they are the carry's all the same as the loop is
    traced: then they are converted.
    """

    def __init__(
        self, kind: str, fun: Callable[..., Any], carry: Leaves, fits: Callable[[], bool] = lambda: False
    ):
        self.kind, self.fun, self.carry = kind, fun, carry
        self.types = carry.types
        self.value = carry.rebuilt(carry.values)
        self._fits = fits
        self._converts = False

    def update(self, value: Any) -> None:
        """Take what the body returned."""
        leaves, treedef = tree.flatten(value)
        if treedef == self.carry.tree:
            for i, (leaf, t) in enumerate(zip(leaves, self.types, strict=True)):
                data = getattr(leaf, "_data", None)
                if data is None:
                    data = fit_weak(to_value(leaf, self.carry.names[i]), is_weak(leaf), t)
                    leaves[i] = wrap(data)
                if data.dtype != t.dtype and data.shape == t.shape and self._may_convert():
                    leaves[i] = data = wrap(as_dtype(data, t.dtype))
                if data.dtype != t.dtype or data.shape != t.shape:
                    break
            else:
                self.value = tree.unflatten(treedef, leaves)
                return
        found = read_leaves(value, "the carry")
        check_carry(self.kind, self.fun, self.carry, found.tree, found.types)

    def _may_convert(self) -> bool:
        self._converts = self._converts or self._fits()
        return self._converts
