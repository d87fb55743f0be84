"""Patterns, and the one driver behind all passes that replace equations.

A pass lists its rewrites as data, `Rules` of pairs (pattern, function), joined by ``+``::

    x, p, q = variables("x p q")
    RULES = Rules([
        (op.mul(x, constant(1, "ordered")), lambda x: x),                       # x*1 -> x
        (op.transpose(op.transpose(x, perm=p), perm=q), lambda x, p, q: ...),
    ])

The function gets what the variables of its parameters' names stand for: operands as values, params as they
are, and ``out``, the type of the result. It computes the replacement by calling primitives, or gives
``None`` to decline. A scalar in place of an array is repeated; a replacement of another type is declined.

The one idea: `rewrite` visits equations once, in order, and whatever a function records is visited too
before it is recorded. So operands are in normal form when an equation is looked at, one visit is enough,
and the time is linear in the equations.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.ir.builder import GraphBuilder, Value, tracing
from weft.ir.errors import InternalError
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var
from weft.ir.params import map_graphs, param_key
from weft.ir.primitive import Primitive
from weft.ir.records import dataclass
from weft.ir.rules import KINDS
from weft.ir.source import at_source, current
from weft.ir.types import ArrayType

# Primitives of two operands that may be exchanged: a pattern is tried both ways round.
COMMUTATIVE = frozenset({"add", "mul", "max", "min", "and_", "or_", "xor", "eq", "ne"})

# Replacements within replacements: deeper than any table of rules that comes to an end.
_DEEPEST = 50

# Gives the values that replace the results of an equation, or None to leave it.
Step = Callable[[Eqn, "Rewriter"], "Sequence[Any] | None"]


# Patterns


@dataclass(frozen=True, slots=True)
class Variable:
    """Stands for any operand or param; in two places of a pattern, for the same one."""

    name: str


@dataclass(frozen=True, slots=True)
class Scalar:
    """Stands for a literal, or an array of one repeated scalar; ``value`` names a certain one, to the bit."""

    name: str
    kind: str
    value: Any = None

    def accepts(self, scalar: np.generic) -> bool:
        """Whether the dtype is of the kind, and the value the one that is asked for."""
        dtype = scalar.dtype
        if not KINDS[self.kind](dtype):
            return False
        return self.value is None or np.asarray(self.value).astype(dtype).tobytes() == scalar.tobytes()


@dataclass(frozen=True, slots=True)
class Apply:
    """Stands for the result of a primitive. Params that are not mentioned may be any."""

    prim: str
    ins: tuple[Pattern, ...]
    params: tuple[tuple[str, Any], ...]


Pattern = Variable | Scalar | Apply


class _Op:
    """``op.name(operands, param=...)`` is the pattern of an application of the primitive ``name``."""

    def __getattr__(self, name: str) -> Callable[..., Apply]:
        return lambda *ins, **params: Apply(name, ins, tuple(params.items()))


op = _Op()


def variables(names: str) -> list[Variable]:
    """Variables named in a string, ``variables("x y")``."""
    return [Variable(name) for name in names.split()]


def constant(value: Any, kind: str = "any") -> Scalar:
    """The scalar ``value``, with its sign of zero, of a dtype of ``kind`` (a key of `rules.KINDS`)."""
    return Scalar("", kind, value)


def scalar(name: str, kind: str = "any") -> Scalar:
    """Any scalar, bound to ``name`` as a NumPy scalar."""
    return Scalar(name, kind)


# Rules


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern, what to put in place of what it matches, and the names that this asks for."""

    pattern: Apply
    function: Callable[..., Any]
    names: tuple[str, ...]


class Rules:
    """Rewrites as data: pairs of a pattern and a function. Earlier ones are tried first."""

    def __init__(self, pairs: Iterable[tuple[Apply, Callable[..., Any]]] = ()):
        self.by_primitive: dict[str, list[Rule]] = {}
        for pattern, function in pairs:
            self._add(Rule(pattern, function, tuple(inspect.signature(function).parameters)))

    def _add(self, rule: Rule) -> None:
        self.by_primitive.setdefault(rule.pattern.prim, []).append(rule)

    def __add__(self, other: Rules) -> Rules:
        result = Rules()
        for rules in (self, other):
            for rule in [rule for group in rules.by_primitive.values() for rule in group]:
                result._add(rule)
        return result

    def step(self, eqn: Eqn, rewriter: Rewriter) -> Sequence[Any] | None:
        """Apply the first rule that fits ``eqn``: a `Step`."""
        for rule in self.by_primitive.get(eqn.prim.name, ()):
            found = _match_eqn(rule.pattern, eqn, {}, rewriter)
            if found is None:
                continue
            found["out"] = eqn.outs[0].type
            result = rule.function(*[_argument(found[name], rewriter) for name in rule.names])
            if result is not None:
                result = rewriter.fit(result, eqn.outs[0].type)
            if result is not None:
                return (result,)
        return None


# What variables stand for: atoms for operands, NumPy scalars for `scalar`, params as they are.
Found = dict[str, Any]


def _argument(found: Any, rewriter: Rewriter) -> Any:
    """What a rule's function gets for what a variable stands for."""
    return rewriter.value(found) if isinstance(found, Atom) else found


def _match_eqn(pattern: Apply, eqn: Eqn, found: Found, rewriter: Rewriter) -> Found | None:
    """What the variables of ``pattern`` stand for in ``eqn``, beside what is ``found`` already."""
    if eqn.prim.name != pattern.prim or len(eqn.ins) != len(pattern.ins) or len(eqn.outs) != 1:
        return None
    for name, wanted in pattern.params:
        if name not in eqn.params:
            return None
        value = eqn.params[name]
        if not isinstance(wanted, Variable):
            if param_key(wanted) != param_key(value):
                return None
        elif wanted.name not in found:
            found = {**found, wanted.name: value}
        elif param_key(found[wanted.name]) != param_key(value):
            return None
    result = _match_all(pattern.ins, eqn.ins, found, rewriter)
    if result is None and eqn.prim.name in COMMUTATIVE:
        result = _match_all(pattern.ins, eqn.ins[::-1], found, rewriter)
    return result


def _match_all(
    patterns: Sequence[Pattern], atoms: Sequence[Atom], found: Found, rewriter: Rewriter
) -> Found | None:
    for pattern, atom in zip(patterns, atoms, strict=True):
        more = _match_atom(pattern, atom, found, rewriter)
        if more is None:
            return None
        found = more
    return found


def _match_atom(pattern: Pattern, atom: Atom, found: Found, rewriter: Rewriter) -> Found | None:
    if isinstance(pattern, Variable):
        if pattern.name not in found:
            return {**found, pattern.name: atom}
        return found if found[pattern.name] == atom else None
    if isinstance(pattern, Scalar):
        uniform = rewriter.uniform(atom)
        if uniform is None or not pattern.accepts(uniform):
            return None
        return {**found, pattern.name: uniform} if pattern.name else found
    eqn = rewriter.made_by.get(atom) if isinstance(atom, Var) else None
    return None if eqn is None else _match_eqn(pattern, eqn, found, rewriter)


# The driver


def rewrite(graph: Graph, new_step: Callable[[], Step]) -> Graph:
    """Replace equations of ``graph`` and of those it carries; without any, the graph itself comes back.

    Args:
        graph: any verified graph.
        new_step: makes the step for one graph, so that a step may keep what it has seen.
    """
    done: dict[int, Graph] = {}

    def visit(graph: Graph) -> Graph:
        if id(graph) not in done:
            done[id(graph)] = Rewriter(new_step()).run(graph, visit)
        return done[id(graph)]

    return visit(graph)


class Rewriter(GraphBuilder):
    """A graph that is built out of another: variables and equations that stay are those of the old graph."""

    def __init__(self, step: Step) -> None:
        super().__init__(name="rewrite")
        self.step = step
        self.made_by: dict[Var, Eqn] = {}
        self.nesting = 0

    def run(self, graph: Graph, visit: Callable[[Graph], Graph]) -> Graph:
        """The graph that the step makes of ``graph``; ``visit`` does the carried ones."""
        replaced: dict[Var, Atom] = {}
        with tracing(self), at_source(None):
            for old in graph.eqns:
                eqn = _with_ins(old, _substitute(old.ins, replaced))
                if eqn.params:
                    eqn = map_graphs(eqn, visit)
                current.source = eqn.source
                outs = self.step(eqn, self)
                if outs is None:
                    self._append(eqn)
                else:
                    replaced.update(zip(eqn.outs, map(self.atom, outs), strict=True))
        self.closed = True
        outs = _substitute(graph.outs, replaced)
        same = (
            len(self.eqns) == len(graph.eqns) and all(map(_is, self.eqns, graph.eqns)) and outs is graph.outs
        )
        return graph if same else Graph(graph.ins, tuple(self.eqns), outs)

    def emit(self, prim: Primitive, args: Sequence[Any], params: Mapping[str, Any]) -> tuple[Any, ...]:
        """Record an equation of a replacement, unless the step replaces it in turn."""
        ins = tuple([self.atom(a) for a in args])
        if prim.lower.kind == "scalar":
            ins = self._broadcast_scalars(ins)
        out_types = prim.out_types(tuple([a.type for a in ins]), params)
        eqn = Eqn(prim, ins, tuple([Var(t) for t in out_types]), params, current.source)
        if self.nesting == _DEEPEST:
            raise InternalError(f"rewrites of {prim.name} lead to rewrites without end.")
        self.nesting += 1
        outs = self.step(eqn, self)
        self.nesting -= 1
        if outs is not None:
            return tuple(outs)
        self._append(eqn)
        return tuple([Value(self, v) for v in eqn.outs])

    def on_capture(self, var: Var, x: Any) -> None:
        """Refuse: a graph has no place for an array."""
        raise InternalError(
            f"a rewrite wrote the array {x.shape} of {x.dtype} into a graph; use full or an operand."
        )

    def value(self, atom: Atom) -> Any:
        """What a rewrite's function gets for an atom."""
        return atom.value if isinstance(atom, Literal) else Value(self, atom)

    def made(self, atom: Atom, name: str) -> Eqn | None:
        """The equation that makes ``atom``, if it applies the primitive ``name``."""
        eqn = self.made_by.get(atom) if isinstance(atom, Var) else None
        return eqn if eqn is not None and eqn.prim.name == name else None

    def uniform(self, atom: Atom) -> Any:
        """The scalar that ``atom`` is, or repeats; ``None`` where it is not known to be one."""
        if isinstance(atom, Literal):
            return atom.value
        eqn = self.made_by.get(atom)
        if eqn is None:
            return None
        if eqn.prim.name == "full":
            return np.asarray(eqn.params["value"]).astype(atom.type.dtype)[()]
        if eqn.prim.name == "broadcast" and isinstance(eqn.ins[0], Literal):
            return eqn.ins[0].value
        return None

    def fit(self, value: Any, type: ArrayType) -> Any:
        """``value`` as a replacement of type ``type``: itself, a scalar repeated, ``None`` if it is none."""
        from weft.ir.ops.shape import full

        atom = self.atom(value)
        if atom.type == type:
            return value
        if isinstance(atom, Literal) and atom.type.dtype == type.dtype:
            return full(type.shape, atom.value.item(), type.dtype)
        return None

    def _append(self, eqn: Eqn) -> None:
        self.eqns.append(eqn)
        for var in eqn.outs:
            self.made_by[var] = eqn


def _is(a: object, b: object) -> bool:
    return a is b


def _substitute(atoms: tuple[Atom, ...], replaced: dict[Var, Atom]) -> tuple[Atom, ...]:
    """``atoms`` with replaced variables exchanged; the same tuple where there are none."""
    if replaced:
        for atom in atoms:
            if type(atom) is Var and atom in replaced:
                return tuple([replaced.get(a, a) if type(a) is Var else a for a in atoms])
    return atoms


def _with_ins(eqn: Eqn, ins: tuple[Atom, ...]) -> Eqn:
    return eqn if ins is eqn.ins else Eqn(eqn.prim, ins, eqn.outs, eqn.params, eqn.source)
