"""Which operation made the first NaN, or the first infinity.

The one idea: an operation is to blame that makes one out of operands that have none. Outside of compiled programs every
operation of NumPy's is looked at as it is done. A compiled program is looked at when it is done: if a result has a NaN, the
graph is run again operation by operation, and where that is a loop or a branch, what it carries is, step by step.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from weft.engine.config import local
from weft.ir import quiet
from weft.ir.builder import read, run_reference, type_of_value
from weft.ir.graph import Eqn, Graph, Var
from weft.ir.ops.control import prepared
from weft.ir.ops.flow.bodies import split
from weft.ir.passes.dce import dce
from weft.ir.primitive import REGISTRY
from weft.ir.quiet import names
from weft.ir.source import at_source, user_source

_NUMBERS = (np.ndarray, np.generic, bool, int, float, complex)


def _bad(x: Any) -> str | None:
    """What is wrong with a value: "NaN", "infinity" or nothing, of what is looked for."""
    if isinstance(x, tuple | list):
        return next(filter(None, map(_bad, x)), None)
    if isinstance(x, float | complex) and not isinstance(x, np.generic):
        x = np.asarray(x)
    if not isinstance(x, np.ndarray | np.generic):
        return None
    if x.dtype.kind in "biuSUOMm" or not x.size:
        return None
    try:
        if local.nans and np.isnan(x).any():
            return "NaN"
        if local.infs and np.isinf(x).any():
            return "infinity"
    except TypeError:  # a dtype that has neither
        return None
    return None


def _blame(name: str, kind: str, ins: Sequence[Any], outs: Sequence[Any], step: str = "") -> None:
    source = user_source()
    where = "" if source is None else f"\nAt {source}, in {source.function}."
    taken, given = (
        ", ".join(str(type_of_value(np.asarray(x))) for x in values if isinstance(x, _NUMBERS))
        for values in (ins, outs)
    )
    raise FloatingPointError(
        f"{name} made the first {kind}, out of operands without one: {name}({taken}) -> {given}{step}.{where}"
    )


# Operations outside of compiled programs


def _names() -> dict[Any, str]:
    return {prim.reference: name for name, prim in REGISTRY.items()}


def _watched(run: Callable[..., Any]) -> Callable[..., Any]:
    """``run``, looking at what comes out."""

    def watched(fun: Any, *args: Any, **kwargs: Any) -> Any:
        result = run(fun, *args, **kwargs)
        kind = _bad(result)
        if kind and args and not _bad(args) and not _bad(tuple(kwargs.values())):
            name = _names().get(fun) or names.get(fun) or str(getattr(fun, "__name__", fun))
            _blame(name, kind, args, result if isinstance(result, tuple | list) else (result,))
        return result

    return watched


_watching: set[int] = set()  # the threads that do


def watch(*, nans: bool | None = None, infs: bool | None = None) -> None:
    """Look for NaNs, infinities, or no longer, in the thread at hand."""
    given = {"nans": nans, "infs": infs}
    local.change(**{name: on for name, on in given.items() if on is not None})
    of_thread = quiet.of_thread
    context_run = getattr(of_thread.run, "__wrapped__", of_thread.run)
    if local.nans or local.infs:
        of_thread.run = functools.update_wrapper(_watched(context_run), context_run, updated=())
        _watching.add(threading.get_ident())
    else:
        of_thread.run = context_run
        _watching.discard(threading.get_ident())
    quiet.run = quiet.refuse if _watching else quiet.first_come


class Watch:
    """A switch: call it to turn watching on or off from here on, or use what it returns as a context."""

    def __init__(self, what: str) -> None:
        self.what = what

    def __call__(self, on: bool = True) -> Any:
        """Turn it on or off; as a context, until its end."""
        before = getattr(local, self.what)
        watch(**{self.what: on})
        return _until_end(self.what, before)


@contextmanager
def _until_end(what: str, before: bool) -> Iterator[None]:
    try:
        yield
    finally:
        watch(**{what: before})


@contextmanager
def _unwatched() -> Iterator[None]:
    nans, infs = local.nans, local.infs
    watch(nans=False, infs=False)
    try:
        yield
    finally:
        watch(nans=nans, infs=infs)


# Compiled programs


def check(graph: Graph, args: Sequence[Any], outs: Sequence[Any]) -> None:
    """Raise `FloatingPointError` where a program made a NaN (an infinity), naming the operation that did."""
    kind = _bad(list(outs))
    if kind is None:
        return
    if not _bad(_search(dce(graph, effects=False), args)):
        raise FloatingPointError(
            f"a compiled program made {kind}, but its operations, one by one, do not: rounding differs between the two."
        )


def _search(graph: Graph, args: Sequence[Any], step: str = "") -> list[Any]:
    """Run a graph operation by operation, and raise at the first to blame; its results, if none is."""
    env: dict[Var, Any] = dict(zip(graph.ins, args, strict=True))
    for eqn in graph.eqns:
        ins = [read(env, a) for a in eqn.ins]
        with _unwatched():
            result = run_reference(eqn.prim, ins, eqn.params)
        outs = [np.asarray(x) for x in (result if eqn.prim.multiple else (result,))]
        kind = _bad(outs)
        if kind and not _bad(ins) and not _bad(tuple(eqn.params.values())):
            with at_source(eqn.source):
                if not _inside(eqn, ins, step) and ins:
                    _blame(eqn.prim.name, kind, ins, outs, step)
        env.update(zip(eqn.outs, outs, strict=True))
    return [read(env, a) for a in graph.outs]


def _inside(eqn: Eqn, ins: Sequence[Any], step: str) -> bool:
    """Search in what an equation carries: whether it is a call, a branch or a loop."""
    params = eqn.params
    match eqn.prim.name:
        case "scan":
            _in_scan(params, ins)
        case "while_loop":
            _in_while(params, ins)
        case "cond":
            branches = params["branches"]
            _search(branches[min(max(int(ins[0]), 0), len(branches) - 1)], ins[1:], step)
        case _ if eqn.prim.lower.kind == "inline":
            rule = eqn.prim.lower.rule
            _search(rule(params) if rule is not None else params["graph"], ins, step)
        case _:
            return False
    return True


def _in_scan(params: Any, ins: Sequence[Any]) -> None:
    body, length = params["body"], params["length"]
    consts, carry, xs = split(ins, params["n_consts"], params["n_carry"])
    for i in reversed(range(length)) if params["reverse"] else range(length):
        args = [*consts, *carry, *[np.ascontiguousarray(x[i, ...]) for x in xs]]
        outs = _outs(body, args)
        if _bad(outs):
            _search(body, args, f", in step {i} of {length}")
        carry = outs[: len(carry)]


def _in_while(params: Any, ins: Sequence[Any]) -> None:
    cond, body = params["cond"], params["body"]
    asked, consts, carry = split(ins, params["n_cond"], params["n_body"])
    i = 0
    while _outs(cond, [*asked, *carry])[0]:
        args = [*consts, *carry]
        outs = _outs(body, args)
        if _bad(outs):
            _search(body, args, f", in step {i}")
        carry, i = outs, i + 1


def _outs(graph: Graph, args: Sequence[Any]) -> list[Any]:
    with _unwatched():
        return list(prepared(graph)(args))
