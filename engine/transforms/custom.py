"""Functions with derivative rules of their own: `custom_jvp`, `custom_vjp`; and `checkpoint`, `stop_gradient`.

When such a function meets traced arrays, it and its rules are traced to graphs, and one structured equation carries them
(`weft.ir.ops.control`): every later pass knows the rule.
"""

from __future__ import annotations

import functools
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar, overload

from weft.engine import tree
from weft.engine.array import to_value, wrap_value
from weft.engine.trace import Traced, Tracer, function_name, trace
from weft.engine.transforms.policies import marked
from weft.ir.builder import Value, build, type_of_value
from weft.ir.errors import ArgumentError, GradientError, ShapeError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import control
from weft.ir.ops.elementwise import cast
from weft.ir.ops.elementwise import stop_gradient as stop_gradient_value
from weft.ir.rules import zeros_like
from weft.ir.types import ArrayType

P = ParamSpec("P")
R = TypeVar("R")


def is_weak(x: Any) -> bool:
    """Whether an argument is a Python number, or stands for one."""
    return type(x) in (bool, int, float, complex) or (isinstance(x, Tracer) and x.weak)


def _widen(graph: Graph, n_args: int, captured_types: Sequence[ArrayType], place: int) -> Graph:
    """A graph of ``args, captured`` that ignores captured values but the ones at ``place``, which are its own."""
    own = len(graph.ins) - n_args

    def fun(*args: Any) -> list[Any]:
        rest = args[n_args:]
        return evaluate(graph, *args[:n_args], *rest[place : place + own])

    return build(fun, [*graph.in_types[:n_args], *captured_types])


def resolve(fun: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, ...]:
    """Positional arguments of a call, keywords and defaults put in their places."""
    if not kwargs:
        try:
            bound = inspect.signature(fun).bind(*args)
        except (TypeError, ValueError):
            return tuple(args)
    else:
        bound = inspect.signature(fun).bind(*args, **kwargs)
    bound.apply_defaults()
    if bound.kwargs:
        raise ArgumentError(
            f"{function_name(fun)} has a derivative rule of its own: it cannot have keyword-only arguments."
        )
    return bound.args


def _places_of(fun: Callable[..., Any], names: Sequence[str] | str) -> tuple[int, ...]:
    """Positions of the arguments that are called ``names``."""
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names:
        return ()
    order = list(inspect.signature(fun).parameters)
    for name in names:
        if name not in order:
            raise ArgumentError(
                f"nondiff_argnames has {name!r}, but {function_name(fun)} has the arguments {', '.join(order)}."
            )
    return tuple(order.index(name) for name in names)


# Rules are traced when the function is called, and usually call the function itself: its derivatives of this order and below
# follow its rule, those above are derived from its definition.
_ORDER = 3


class _Level(threading.local):
    """How many rules of a function are being traced, one inside of the other."""

    depth = 0


class _Call(NamedTuple):
    """A call with traced arguments: the function's name, all arguments, those that are static, the others, and their leaves."""

    name: str
    arguments: Sequence[Any]
    static: list[Any]
    rest: list[Any]
    values: list[Any]
    weak: list[bool]


class _Custom(ABC, Generic[P, R]):
    """What the two kinds share: static arguments, and running as plain Python where nothing is traced."""

    __name__: str

    def __init__(
        self,
        fun: Callable[P, R],
        nondiff_argnums: Sequence[int] | int = (),
        nondiff_argnames: Sequence[str] | str = (),
    ):
        self.fun: Callable[..., Any] = fun
        numbers = (nondiff_argnums,) if isinstance(nondiff_argnums, int) else tuple(nondiff_argnums)
        self.nondiff = (*numbers, *_places_of(fun, nondiff_argnames))
        self._level = _Level()
        functools.update_wrapper(self, fun)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Apply the function; where arguments are traced, with its rule."""
        arguments = resolve(self.fun, args, kwargs)
        static, rest = self._split(arguments)
        leaves = tree.leaves(tuple(rest))
        name = function_name(self.fun)
        values = [to_value(x, f"an argument of {name}") for x in leaves]
        if self._is_plain(values, static):
            return self.fun(*arguments)
        return self._apply(_Call(name, arguments, static, rest, values, [is_weak(x) for x in leaves]))

    @abstractmethod
    def _apply(self, call: _Call) -> Any:
        """Record the call with its rule."""

    @contextmanager
    def _inside_rule(self) -> Iterator[None]:
        """While a rule is traced: calls of the function are one order of derivatives further."""
        self._level.depth += 1
        try:
            yield
        finally:
            self._level.depth -= 1

    def _is_plain(self, values: Sequence[Any], static: Sequence[Any]) -> bool:
        """Whether a call needs no rule: nothing is traced, or the order of derivatives is beyond `_ORDER`."""
        return self._level.depth >= _ORDER or not any(isinstance(x, Value) for x in (*values, *static))

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def _split(self, args: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Static arguments and differentiable ones."""
        positions = {i % len(args) for i in self.nondiff}
        return [args[i] for i in sorted(positions)], [x for i, x in enumerate(args) if i not in positions]

    def _bound(self, args: Sequence[Any]) -> Callable[..., Any]:
        """The function of the differentiable arguments alone."""
        positions = {i % len(args) for i in self.nondiff}

        @functools.wraps(self.fun)
        def bound(*rest: Any) -> Any:
            given = iter(rest)
            return self.fun(*[x if i in positions else next(given) for i, x in enumerate(args)])

        return bound


class custom_jvp(_Custom[P, R]):
    """Give a function its own forward-mode rule; reverse mode follows by transposition.

    ``@f.defjvp`` takes ``rule(primals, tangents) -> (out, out_tangent)`` (static arguments, those of ``nondiff_argnums`` and
    ``nondiff_argnames``, first, in the order of the function's);
    ``f.defjvps`` one function ``(tangent, out, *primals) -> out_tangent`` an argument, or ``None``.

    Example::

        @weft.custom_jvp
        def log1pexp(x):
            return wnp.log(1 + wnp.exp(x))

        @log1pexp.defjvp
        def log1pexp_jvp(primals, tangents):
            (x,), (t,) = primals, tangents
            return log1pexp(x), t * weft.nn.sigmoid(x)
    """

    rule: Callable[..., Any] | None = None

    def defjvp(self, rule: Callable[..., Any], symbolic_zeros: bool = False) -> Callable[..., Any]:
        """Set the rule; works as a decorator."""
        self.rule = rule
        return rule

    def defjvps(self, *terms: Callable[..., Any] | None) -> None:
        """Set the rule by one term an argument."""

        def rule(primals: Any, tangents: Any) -> Any:
            out = self.__call__(*primals)  # type: ignore[call-arg] # as many as P has
            parts = [
                term(t, out, *primals) for term, t in zip(terms, tangents, strict=True) if term is not None
            ]
            total = functools.reduce(lambda a, b: a + b, parts) if parts else tree.map(lambda y: y * 0, out)
            return out, total

        self.rule = rule

    def _apply(self, call: _Call) -> Any:
        name, arguments, static, rest, values, weak = call
        if self.rule is None:
            raise GradientError(
                f"{name} is a custom_jvp function without a rule: give it one with {name}.defjvp."
            )
        types = [type_of_value(v) for v in values]
        n = len(values)
        primal = trace(
            self._bound(arguments), types, tree.structure((tuple(rest), {})), kind="custom_jvp", weak=weak
        )
        rule = self.rule

        def both(primals: Any, tangents: Any) -> Any:
            out, out_tangent = rule(*static, primals, tangents)
            return self._checked(name, primal, out, out_tangent)

        pair_tree = tree.structure(((tuple(rest), tuple(rest)), {}))
        with self._inside_rule():
            traced = trace(both, types + types, pair_tree, kind="custom_jvp", weak=weak + weak)
        captured = [*primal.captured, *traced.captured]
        captured_types = [type_of_value(c) for c in captured]
        graph = _widen(primal.graph, n, captured_types, 0)
        k, own = len(primal.captured), traced.graph

        def operands_then_tangents(*xs: Any) -> list[Any]:
            primals, extra, tangents = xs[:n], xs[n : n + len(captured)], xs[n + len(captured) :]
            return evaluate(own, *primals, *tangents, *extra[k:])

        jvp_graph = build(operands_then_tangents, [*types, *captured_types, *types])
        outs = control.custom_jvp_call_p.bind(
            *values, *captured, graph=graph, jvp=jvp_graph, n_args=n, name=name
        )
        return tree.unflatten(primal.out_tree, [wrap_value(x) for x in outs])

    @staticmethod
    def _checked(name: str, primal: Traced, out: Any, out_tangent: Any) -> Any:
        outs, out_tree = tree.flatten(out)
        tangents, tangent_tree = tree.flatten(out_tangent)
        if out_tree != primal.out_tree or tangent_tree != primal.out_tree:
            raise GradientError(
                f"the jvp rule of {name} must return (out, out_tangent) of the structure of its result {primal.out_tree}, "
                f"but returned {out_tree} and {tangent_tree}."
            )
        for what, given in (("out", outs), ("out_tangent", tangents)):
            for wanted, x in zip(primal.graph.out_types, given, strict=True):
                x = to_value(x)
                if x.shape != wanted.shape:
                    raise ShapeError(
                        f"the jvp rule of {name} returned {what} of shape {x.shape} where the result has {wanted.shape}."
                    )
        cast_to = [
            wrap_value(cast(to_value(x), t.dtype))
            for x, t in zip([*outs, *tangents], [*primal.graph.out_types] * 2, strict=True)
        ]
        return cast_to


class custom_vjp(_Custom[P, R]):
    """Give a function its own reverse-mode rule.

    ``f.defvjp(forward, backward)``: ``forward(*args) -> (out, residuals)``; ``backward(*static, residuals, ct)`` gives a tuple
    of cotangents, one a differentiable argument (``None`` is zero). Where the backward function is linear in the cotangent,
    forward mode works as well, as its transpose.
    """

    forward: Callable[..., Any] | None = None
    backward: Callable[..., Any] | None = None

    def defvjp(
        self, forward: Callable[..., Any], backward: Callable[..., Any], symbolic_zeros: bool = False
    ) -> None:
        """Set the rule."""
        self.forward, self.backward = forward, backward

    def _apply(self, call: _Call) -> Any:
        name, arguments, static, rest, values, weak = call
        forward, backward = self.forward, self.backward
        if forward is None or backward is None:
            raise GradientError(
                f"{name} is a custom_vjp function without a rule: give it one with {name}.defvjp."
            )
        types = [type_of_value(v) for v in values]
        n = len(values)
        call_tree = tree.structure((tuple(rest), {}))
        primal = trace(self._bound(arguments), types, call_tree, kind="custom_vjp", weak=weak)
        positions = {i % len(arguments) for i in self.nondiff}

        def run_forward(*chosen: Any) -> Any:
            given = iter(chosen)
            result = forward(*[x if i in positions else next(given) for i, x in enumerate(arguments)])
            if not isinstance(result, tuple) or len(result) != 2:
                raise GradientError(f"the forward function of {name} must return a pair (out, residuals).")
            return result

        run_forward.__name__ = name
        with self._inside_rule():
            fwd = trace(run_forward, types, call_tree, kind="custom_vjp", weak=weak)
        out_tree, residual_tree = fwd.out_tree.children()
        if (
            out_tree != primal.out_tree
            or fwd.graph.out_types[: out_tree.num_leaves] != primal.graph.out_types
        ):
            raise GradientError(
                f"the forward function of {name} must return (out, residuals) with out like the result of {name}: "
                f"{', '.join(map(str, primal.graph.out_types))} in {primal.out_tree}, got {out_tree} in {fwd.out_tree}."
            )
        n_outs = out_tree.num_leaves
        residual_types = list(fwd.graph.out_types[n_outs:])

        def run_backward(residuals: Any, ct: Any) -> Any:
            result = backward(*static, residuals, ct)
            return self._cotangents(name, result, tuple(rest), types)

        bwd_tree = tree.structure(
            (
                (
                    tree.unflatten(residual_tree, residual_types),
                    tree.unflatten(out_tree, primal.graph.out_types),
                ),
                {},
            )
        )
        with self._inside_rule():
            bwd = trace(run_backward, [*residual_types, *primal.graph.out_types], bwd_tree, kind="custom_vjp")
        captured = [*primal.captured, *fwd.captured, *bwd.captured]
        captured_types = [type_of_value(c) for c in captured]
        graph = _widen(primal.graph, n, captured_types, 0)
        forward_graph = _widen(fwd.graph, n, captured_types, len(primal.captured))
        skip, n_res, own = len(primal.captured) + len(fwd.captured), len(residual_types), bwd.graph

        def residuals_captured_cts(*xs: Any) -> list[Any]:
            residuals, extra, cts = xs[:n_res], xs[n_res : n_res + len(captured)], xs[n_res + len(captured) :]
            return evaluate(own, *residuals, *cts, *extra[skip:])

        backward_graph = build(
            residuals_captured_cts, [*residual_types, *captured_types, *primal.graph.out_types]
        )
        outs = control.custom_vjp_call_p.bind(
            *values,
            *captured,
            graph=graph,
            forward=forward_graph,
            backward=backward_graph,
            n_args=n,
            name=name,
        )
        return tree.unflatten(primal.out_tree, [wrap_value(x) for x in outs])

    @staticmethod
    def _cotangents(name: str, result: Any, rest: tuple[Any, ...], types: Sequence[ArrayType]) -> list[Any]:
        if isinstance(result, list):
            result = tuple(result)
        if not isinstance(result, tuple) or len(result) != len(rest):
            raise GradientError(
                f"the backward function of {name} must return a tuple of {len(rest)} cotangents, one an argument, "
                f"got {result!r}."
            )
        found: list[Any] = []
        for argument, ct in zip(rest, result, strict=True):
            n = len(tree.leaves(argument))
            cts = [None] * n if ct is None else tree.leaves(ct)
            if len(cts) != n:
                raise GradientError(
                    f"the backward function of {name} returned {len(cts)} arrays for an argument of {n}."
                )
            found.extend(cts)
        full = []
        for ct, t in zip(found, types, strict=True):
            if ct is None or (getattr(ct, "dtype", None) is not None and ct.dtype.kind == "V"):
                full.append(wrap_value(zeros_like(t)))
                continue
            value = to_value(ct)
            if value.shape != t.shape:
                raise ShapeError(
                    f"the backward function of {name} returned a cotangent of shape {value.shape} for an argument {t}."
                )
            full.append(wrap_value(cast(value, t.dtype)))
        return full


@overload
def checkpoint(
    fun: Callable[P, R],
    *,
    static_argnums: int | Sequence[int] = (),
    prevent_cse: bool = True,
    policy: Any = None,
) -> Callable[P, R]: ...
@overload
def checkpoint(
    fun: None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    prevent_cse: bool = True,
    policy: Any = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def checkpoint(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    prevent_cse: bool = True,
    policy: Any = None,
) -> Any:
    """A function whose intermediate values are not kept for the backward pass, but computed again there.

    Args:
        fun: function of trees of arrays.
        static_argnums: positions of arguments that are Python values.
        prevent_cse: accepted for compatibility; the second computation is always kept apart from the first.
        policy: says which values are kept all the same, such as one of `weft.checkpoint_policies`; called as
            ``policy(primitive, *types, **params)`` for each operation. By default none is.
    """
    if fun is None:
        return functools.partial(
            checkpoint, static_argnums=static_argnums, prevent_cse=prevent_cse, policy=policy
        )
    static = (static_argnums,) if isinstance(static_argnums, int) else tuple(static_argnums)
    name = function_name(fun)

    @functools.wraps(fun)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        positions = {i % len(args) for i in static}
        dynamic = tuple(x for i, x in enumerate(args) if i not in positions)
        leaves, in_tree = tree.flatten((dynamic, kwargs))
        values = [to_value(x, f"an argument of {name}") for x in leaves]
        if not any(isinstance(v, Value) for v in values):
            return fun(*args, **kwargs)

        @functools.wraps(fun)
        def bound(*chosen: Any, **named: Any) -> Any:
            given = iter(chosen)
            return fun(*[x if i in positions else next(given) for i, x in enumerate(args)], **named)

        traced = trace(
            bound,
            [type_of_value(v) for v in values],
            in_tree,
            kind="checkpoint",
            weak=[is_weak(x) for x in leaves],
        )
        operands = [*values, *traced.captured]
        graph = traced.graph if policy is None else marked(traced.graph, policy)
        outs = control.checkpoint_p.bind(*operands, graph=graph, name=name) if graph.outs else ()
        return tree.unflatten(traced.out_tree, [wrap_value(x) for x in outs])

    return wrapped


remat = checkpoint


def stop_gradient(x: Any) -> Any:
    """``x``, a tree of arrays, taken as a constant by differentiation."""
    return tree.map(lambda leaf: wrap_value(stop_gradient_value(to_value(leaf))), x)
