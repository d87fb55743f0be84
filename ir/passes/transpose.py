"""Transposition: turn a linear graph round, from tangents of inputs to cotangents of outputs.

Equations that do not depend on a linear input are run forwards first (a rematerialised forward pass, where a graph has
one); the linear ones are then visited in reverse, each sending its outputs' cotangents to its inputs. Where the graph chooses
by `select`, cotangents carry masks (masks.py), so that the zeros of the branch that was not taken stay zeros.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

from weft.ir.builder import bind_all, build, read
from weft.ir.errors import GradientError
from weft.ir.graph import Eqn, Graph, Literal, Var
from weft.ir.ops.flow.bodies import reached_outs
from weft.ir.passes import masks
from weft.ir.passes.cotangents import sum_of, whole
from weft.ir.passes.dce import cut_results
from weft.ir.primitive import Linear
from weft.ir.rules import zeros_like
from weft.ir.source import at_source
from weft.ir.types import BOOL


class Request(NamedTuple):
    """What is known, and asked, of masks where a graph is a part of a larger one."""

    given: Sequence[masks.Mask]  # of the outputs' cotangents
    wanted: Sequence[bool]  # for each linear input, whether the mask of its cotangent is read


def pull_back(
    graph: Graph, args: Sequence[Any], cts: Sequence[Any], sums: Sequence[Any] | None = None
) -> list[Any]:
    """Cotangents of the inputs given as `Linear`, from those of the outputs (``None`` is zero, both ways).

    Args:
        graph: linear in the inputs that ``args`` gives as `Linear`.
        args: a value or a `Linear` for each input.
        cts: a cotangent or ``None`` for each output.
        sums: for each input given as `Linear` what its cotangent is added to, or ``None``.
    """
    if not masks.outside.masked:
        return _pull_back(graph, args, cts, sums, None)[0]
    with masks.turning(masked=False):
        request = Request(masks.nonzero(cts), [False] * sum(isinstance(x, Linear) for x in args))
        return _pull_back(graph, args, cts, sums, request)[0]


def _pull_back(
    graph: Graph,
    args: Sequence[Any],
    cts: Sequence[Any],
    sums: Sequence[Any] | None,
    request: Request | None,
) -> tuple[list[Any], list[masks.Mask]]:
    """`pull_back`, and the masks of the cotangents that it gives."""
    env: dict[Var, Any] = {}
    linear: set[Var] = set()
    for var, arg in zip(graph.ins, args, strict=True):
        if isinstance(arg, Linear):
            linear.add(var)
        else:
            env[var] = arg
    backward = []
    for eqn in graph.eqns:
        marks = [isinstance(a, Var) and a in linear for a in eqn.ins]
        if any(marks):
            backward.append(eqn)
            turned = reached_outs(eqn, marks)
            linear.update(v for v, t in zip(eqn.outs, turned, strict=True) if t)
            if all(turned):
                continue
            eqn = cut_results(eqn, [not t for t in turned])  # what does not depend on linear inputs
        with at_source(eqn.source):
            outs = bind_all(eqn.prim, [read(env, a) for a in eqn.ins], dict(eqn.params))
        env.update(zip(eqn.outs, outs, strict=True))

    targets = [var for var, arg in zip(graph.ins, args, strict=True) if isinstance(arg, Linear)]
    found: dict[Var, Any] = {}
    alive: dict[Var, masks.Mask] = {}
    read_masks: set[Var] = set()
    if masks.enabled and (request or masks.has_choice(graph)):
        read_masks = masks.readers(backward, targets, request.wanted if request else [False] * len(targets))

    def send(atom: Any, ct: Any, mask: masks.Mask = None) -> None:
        if ct is not None and isinstance(atom, Var) and atom in linear:
            if atom in read_masks:
                alive[atom] = masks.either(alive[atom], mask) if atom in found else mask
            found[atom] = sum_of(found[atom], ct) if atom in found else ct

    for var, total in zip(targets, sums or (), strict=False):
        send(var, total)

    for atom, ct, mask in zip(graph.outs, cts, request.given if request else [None] * len(cts), strict=True):
        send(atom, ct, mask)
    for eqn in reversed(backward):
        out_cts = [whole(found.pop(v, None)) for v in eqn.outs]
        if all(ct is None for ct in out_cts):
            continue
        if eqn.prim.transpose is None:
            raise GradientError(f"{eqn.prim.name} at {eqn.source} is not linear, so it cannot be transposed.")
        ins = [
            a.value if isinstance(a, Literal) else Linear(a.type) if a in linear else env[a] for a in eqn.ins
        ]
        with at_source(eqn.source):
            try:
                in_cts, in_masks = _turn(
                    eqn, out_cts, ins, [alive.pop(v, None) for v in eqn.outs], read_masks
                )
            except TypeError as error:
                if sum(isinstance(x, Linear) for x in ins) < 2:
                    raise
                raise GradientError(
                    f"{eqn.prim.name} at {eqn.source} multiplies its operands, so it is not linear and cannot be transposed."
                ) from error
            for atom, ct, mask in zip(eqn.ins, in_cts, in_masks, strict=True):
                send(atom, ct, mask)
    return [whole(found.get(var)) for var in targets], [alive.get(var) for var in targets]


def _turn(
    eqn: Eqn, cts: Sequence[Any], ins: Sequence[Any], given: Sequence[masks.Mask], read: set[Var]
) -> tuple[Sequence[Any], Sequence[masks.Mask]]:
    """Cotangents of an equation's operands, and their masks, from those of its results."""
    assert eqn.prim.transpose is not None
    wanted = [isinstance(a, Var) and a in read for a in eqn.ins]
    if any(m is not None for m in given) or any(wanted):
        if eqn.prim.name == "call":
            return _turn_call(eqn, cts, ins, given, wanted)
        mask = given[0] if len(given) == 1 else None
        masked = any(m is not None for m in given)
        with masks.turning(masked=masked):
            found = eqn.prim.transpose(eqn.prim, cts, masks.guarded(eqn, ins, mask), eqn.params)
        if not any(wanted):
            return found, [None] * len(ins)
        by_value = masks.seen(eqn, found, masked=masked)
        return found, [m or v for m, v in zip(masks.behind(eqn, ins, mask), by_value, strict=True)]
    return eqn.prim.transpose(eqn.prim, cts, ins, eqn.params), [None] * len(ins)


def _turn_call(
    eqn: Eqn, cts: Sequence[Any], ins: Sequence[Any], given: Sequence[masks.Mask], wanted: Sequence[bool]
) -> tuple[Sequence[Any], Sequence[masks.Mask]]:
    """`_turn` of a call: masks go into its graph and come out of it as values."""
    from weft.ir.ops.control import call

    graph = eqn.params["graph"]
    linear = tuple(isinstance(x, Linear) for x in ins)
    chosen = tuple(w for w, is_linear in zip(wanted, linear, strict=True) if is_linear)
    turned, kinds = _transpose_masked(graph, linear, tuple(m and m.certain for m in given), chosen)
    full = [zeros_like(a) if ct is None else ct for ct, a in zip(cts, graph.out_types, strict=True)]
    known = [x for x in ins if not isinstance(x, Linear)]
    results = call(
        turned, *known, *full, *(m.value() for m in given if m is not None), name=eqn.params["name"]
    )
    found, values = iter(results), iter(results[len(kinds) :])
    in_masks = iter([None if kind is None else masks.known(next(values), kind) for kind in kinds])
    return [next(found) if x else None for x in linear], [next(in_masks) if x else None for x in linear]


@functools.lru_cache(maxsize=512)
def _transpose_masked(
    graph: Graph, linear: tuple[bool, ...], given: tuple[bool | None, ...], wanted: tuple[bool, ...]
) -> tuple[Graph, tuple[bool | None, ...]]:
    """`transpose` with masks: of the outputs marked in ``given`` as last inputs, of linear inputs as last outputs.

    ``given`` says for each output whether its mask is certain, ``None`` where it has none; so does the second result for
    the linear inputs, of which those have one that are marked in ``wanted``.
    """
    types = [t for t, is_linear in zip(graph.in_types, linear, strict=True) if is_linear]
    others = [t for t, is_linear in zip(graph.in_types, linear, strict=True) if not is_linear]
    booleans = [t.with_dtype(BOOL) for t, m in zip(graph.out_types, given, strict=True) if m is not None]
    kinds: list[bool | None] = []

    def fun(*args: Any) -> list[Any]:
        known = iter(args)
        full = [Linear(t) if x else next(known) for t, x in zip(graph.in_types, linear, strict=True)]
        cts = [next(known) for _ in graph.outs]
        out_masks: list[masks.Mask] = [None if m is None else masks.known(next(known), m) for m in given]
        found, in_masks = _pull_back(graph, full, cts, None, Request(out_masks, wanted))
        kinds.extend(m and m.certain for m in in_masks)
        whole = [zeros_like(Linear(t)) if ct is None else ct for ct, t in zip(found, types, strict=True)]
        return [*whole, *(m.value() for m in in_masks if m is not None)]

    turned = build(fun, [*others, *graph.out_types, *booleans])
    return turned, tuple(kinds)


def set_nan_safe(on: bool) -> None:
    """Whether the zero cotangent of a branch that is not taken stays zero; derivatives derived so far are forgotten."""
    from weft.ir.passes.linearize import linearize

    if on != masks.enabled:
        masks.enabled = on
        _transpose.cache_clear()
        _transpose_masked.cache_clear()
        linearize.cache_clear()  # a loop of unknown length is turned round when it is linearized


def transpose(graph: Graph, linear: tuple[bool, ...], summed: tuple[bool, ...] = ()) -> Graph:
    """The graph ``(non-linear inputs..., cotangents of outputs..., sums...) -> cotangents of the linear inputs``.

    Args:
        graph: linear in the inputs marked in ``linear``.
        linear: for each input, whether to turn it round.
        summed: for each linear input, whether its cotangent is added to a sum, which is one more input at the end.
    """
    return _transpose(graph, linear, summed, masks.outside.masked)


@functools.lru_cache(maxsize=512)
def _transpose(
    graph: Graph, linear: tuple[bool, ...], summed: tuple[bool, ...], masked: bool
) -> Graph:  # ``masked`` is read by `pull_back`; here it is a part of the key
    others = [t for t, is_linear in zip(graph.in_types, linear, strict=True) if not is_linear]
    types = [t for t, is_linear in zip(graph.in_types, linear, strict=True) if is_linear]

    def fun(*args: Any) -> list[Any]:
        known = iter(args)
        full_args = [
            Linear(t) if is_linear else next(known)
            for t, is_linear in zip(graph.in_types, linear, strict=True)
        ]
        out_cts = [next(known) for _ in graph.outs]
        cts = pull_back(graph, full_args, out_cts, [next(known) if s else None for s in summed])
        return [zeros_like(Linear(t)) if ct is None else ct for ct, t in zip(cts, types, strict=True)]

    totals = [t for t, is_summed in zip(types, summed, strict=False) if is_summed]
    return build(fun, [*others, *graph.out_types, *totals])
