"""The verifier: whether a graph keeps the rules of the IR. Every pass gives back what verifies.

The rules:

* each variable is bound once, before it is used, in the graph that uses it: graphs are closed;
* the results of an equation have the types that the primitive's type rule gives, and their number;
* elementwise operands have one shape; beside arrays, rank 0 is for literals only (a variable of rank 0 is
  broadcast first, so that its cotangent has its shape);
* params are of the kinds that params may have (params.py), and graphs among them verify.

The one idea: a broken rule is shown, not told. The message has the equation's line with a caret under the
culprit, and the line of the user's program that it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn

from weft.ir.errors import InternalError, VerificationError, WeftError
from weft.ir.graph import Atom, Eqn, Graph, Literal, Var, sub_graphs
from weft.ir.params import param_key
from weft.ir.printer import eqn_text, names_of
from weft.ir.types import SHORT_NAMES, ArrayType


def verify(graph: Graph) -> None:
    """Raise `VerificationError` where ``graph`` breaks a rule of the IR."""
    _verify(graph, set())


def _verify(graph: Graph, done: set[int]) -> None:
    """Verify ``graph`` unless it is among ``done``: equations may share a graph."""
    if id(graph) in done:
        return
    names = names_of(graph)
    bound: set[Var] = set()
    for i, var in enumerate(graph.ins):
        if var in bound:
            raise VerificationError(f"input {i} of the graph, {names[var]}: {var.type}, is bound twice.")
        if problem := _malformed(var.type):
            raise VerificationError(f"input {i} of the graph, {names[var]}, {problem}.")
        bound.add(var)
    for eqn in graph.eqns:
        _verify_eqn(eqn, names, bound, done)
        bound.update(eqn.outs)
    for i, atom in enumerate(graph.outs):
        if isinstance(atom, Var) and atom not in bound:
            name = names.get(atom)
            found = f"{name} is bound in no equation before it" if name else "a variable of another graph"
            raise VerificationError(f"output {i} of the graph is not bound: {found}.")
    done.add(id(graph))


def _verify_eqn(eqn: Eqn, names: Mapping[Var, str], bound: set[Var], done: set[int]) -> None:
    for i, atom in enumerate(eqn.ins):
        if isinstance(atom, Var) and atom not in bound:
            if atom in names:
                _fail(eqn, names, "ins", i, f"{names[atom]} is used before it is bound")
            _fail(eqn, names, "ins", i, "the operand is a variable of another graph")
        if not isinstance(atom, Var | Literal):
            _fail(eqn, names, "ins", i, f"the operand is neither Var nor Literal but {type(atom).__name__}")
    for i, var in enumerate(eqn.outs):
        if var in bound or var in eqn.outs[:i]:
            _fail(eqn, names, "outs", i, f"{names[var]} is bound twice")
        if problem := _malformed(var.type):
            _fail(eqn, names, "outs", i, problem)
    for i, name in enumerate(sorted(eqn.params)):
        try:
            param_key(eqn.params[name])
        except InternalError as error:
            _fail(eqn, names, "params", i, error.message.removesuffix("."))
    for where, graph in sub_graphs(eqn):
        try:
            _verify(graph, done)
        except VerificationError as error:
            position = sorted(eqn.params).index(where.partition(".")[0])
            _fail(eqn, names, "params", position, f"the graph in {where} does not verify", error)
    _verify_types(eqn, names)


def _verify_types(eqn: Eqn, names: Mapping[Var, str]) -> None:
    shape = next((t.shape for t in eqn.in_types if t.shape), ())
    if eqn.prim.lower.kind == "scalar" and shape:
        for i, atom in enumerate(eqn.ins):
            if not _may_stand_beside(atom, shape):
                why = f"an operand of {atom.type} beside one of shape {shape}: broadcast it first"
                _fail(eqn, names, "ins", i, why)
    try:
        expected = eqn.prim.out_types(eqn.in_types, dict(eqn.params))
    except WeftError as error:
        _fail(eqn, names, "prim", 0, error.message.removesuffix("."), error)
    except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
        _fail(eqn, names, "prim", 0, f"{eqn.prim} does not take these operands and params: {error}", error)
    if len(expected) != len(eqn.outs):
        _fail(eqn, names, "prim", 0, f"{eqn.prim} gives {len(expected)} results, not {len(eqn.outs)}")
    for i, (var, type) in enumerate(zip(eqn.outs, expected, strict=True)):
        if var.type != type:
            _fail(eqn, names, "outs", i, f"{eqn.prim} gives {type} here, not {var.type}")


def _may_stand_beside(atom: Atom, shape: tuple[int, ...]) -> bool:
    return isinstance(atom, Literal) or atom.type.shape == shape


def _malformed(type: ArrayType) -> str | None:
    """What is wrong with a type, if anything."""
    if type.dtype not in SHORT_NAMES:
        return f"has dtype {type.dtype}, which no array may have"
    if not all(isinstance(n, int) and n >= 0 for n in type.shape):
        return f"has shape {type.shape}, which is not of sizes"
    return None


def _fail(
    eqn: Eqn, names: Mapping[Var, str], part: str, i: int, why: str, cause: BaseException | None = None
) -> NoReturn:
    try:
        text = eqn_text(eqn, names)
    except (InternalError, KeyError):  # the culprit itself has no text form
        text = eqn_text(Eqn(eqn.prim, eqn.ins, eqn.outs, {}, eqn.source), names)
        part, i = "prim", 0
    line, caret = str(text), text.caret(part, i)
    where = f"\n  from {eqn.source}" if eqn.source else ""
    inner = f"\nIn that graph: {cause.message}" if isinstance(cause, VerificationError) else ""
    raise VerificationError(f"{why}.\n  {line}\n  {caret}{where}{inner}") from cause
