"""`scan`: apply a graph to the rows of arrays in turn, handing a carry from step to step.

The one idea: ``scan[body=g, ...] consts carry xs`` runs ``(carry, y) = g(consts, carry, x)`` for each row ``x`` of ``xs`` and
gives the last carry and all ``y`` stacked. Its derivative is two scans: the first, non-linear, also stacks what the second
reads (the residuals); the second is linear in tangents, and its transpose is a scan in the other direction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.ir.builder import bind_all, build, type_of_value
from weft.ir.errors import ShapeError
from weft.ir.graph import Graph, Literal, Var
from weft.ir.interpret import evaluate
from weft.ir.ops.control import compiles, prepared, with_token
from weft.ir.ops.flow.bodies import (
    CHEAP,
    MOVES,
    active_outs,
    alone,
    batched,
    check_types,
    closure,
    forward,
    instantiated,
    narrowed,
    pick,
    reached,
    row_of,
    rows_of,
    split,
    spread,
    tangents_apart,
    used,
    with_ins,
)
from weft.ir.primitive import HOST, NOT_MAPPED, Primitive
from weft.ir.rules import is_linear, to_front
from weft.ir.types import ArrayType, is_integer


def _types(
    *ins: ArrayType,
    body: Graph,
    n_consts: int,
    n_carry: int,
    length: int,
    reverse: bool,
    linear: bool = False,
) -> tuple[ArrayType, ...]:
    consts, carry, xs = split(ins, n_consts, n_carry)
    for x in xs:
        if not x.shape or x.shape[0] != length:
            raise ShapeError(f"scan of length {length} got an array {x} to scan over.")
    check_types("scan", "the inputs of the body", [*consts, *carry, *map(row_of, xs)], body.in_types)
    check_types("scan", "the carry that the body returns", carry, body.out_types[:n_carry])
    return (*carry, *[rows_of(t, length) for t in body.out_types[n_carry:]])


_LONG = (
    256  # steps from which compiling the loop, for its length, is sooner done than running the body so often
)


def _reference(
    *args: Any, body: Graph, n_consts: int, n_carry: int, length: int, reverse: bool, linear: bool = False
) -> Any:
    if length >= _LONG and compiles():
        params = {"n_consts": n_consts, "n_carry": n_carry, "length": length, "reverse": reverse}
        graph = alone("scan", list(map(type_of_value, args)), {"body": body, **params, **_mark(linear)})
        return tuple(prepared(graph)(args))
    consts, carry, xs = split(args, n_consts, n_carry)
    xs = [np.ascontiguousarray(x) for x in xs]
    ys = [np.empty((length, *t.shape), t.dtype) for t in body.out_types[n_carry:]]
    run = prepared(body)
    for i in reversed(range(length)) if reverse else range(length):
        outs = run([*consts, *carry, *[x[i, ...] for x in xs]])
        carry = list(outs[:n_carry])
        for y, row in zip(ys, outs[n_carry:], strict=True):
            y[i] = row
    return (*carry, *ys)


def _how(params: Mapping[str, Any]) -> dict[str, Any]:
    """What a loop says of its steps, but for their body."""
    return {name: params[name] for name in ("length", "reverse", "linear") if name in params}


def _mark(linear: bool) -> dict[str, bool]:
    """The param that says so where a loop belongs to a derivative: its carry is linear, and may be rounded as is best."""
    return {"linear": True} if linear else {}


# Derivatives


def _jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    body, n_carry, n_outs = params["body"], params["n_carry"], len(params["body"].outs)
    sizes = params["n_consts"], n_carry
    consts_on, carry_on, xs_on = split([t is not None for t in tangents], *sizes)

    def step(carry: Sequence[bool]) -> Sequence[bool]:
        return active_outs(body, (*consts_on, *carry, *xs_on))[:n_carry]

    carry_on = list(closure(carry_on, step))
    ins_on = [*consts_on, *carry_on, *xs_on]
    outs_on = [*carry_on, *active_outs(body, ins_on)[n_carry:]]
    if not any(outs_on):
        return answer(), (None,) * n_outs
    consts, carry, xs = split(primals, *sizes)
    consts_t, carry_t, xs_t = split(tangents, *sizes)
    consts_t, xs_t = pick(consts_t, consts_on), pick(xs_t, xs_on)
    carry_t = instantiated(pick(carry_t, carry_on), pick(body.out_types, carry_on))
    known = _how(params)
    if tangents_apart(primals, tangents):
        primal, linear = _linearized(body, sizes, ins_on, outs_on)
        results = scan(primal.body, consts, carry, xs, **known)
        outs, stacked = results[:n_outs], results[n_outs:]
        fixed, rows = primal.residuals(consts, xs, outs, stacked)
        out_ts = scan(linear, [*fixed, *consts_t], carry_t, [*rows, *xs_t], **{**known, "linear": True})
        return tuple(outs), tuple(spread(out_ts, outs_on))

    both = forward(body, ins_on, outs_on)
    parts = [*sizes, len(xs), len(consts_t), len(carry_t)]
    n_on = len(carry_t)

    def fun(*args: Any) -> list[Any]:
        c, ct, h, ht, x, xt = split(args, sizes[0], len(consts_t), n_carry, n_on, len(xs))
        results = evaluate(both, *c, *h, *x, *ct, *ht, *xt)
        h, y, ht, yt = split(results, n_carry, n_outs - n_carry, n_on)
        return [*h, *ht, *y, *yt]

    types = split(both.in_types, *parts)  # of consts, carry, xs and their tangents
    joint = build(fun, [t for i in (0, 3, 1, 4, 2, 5) for t in types[i]])
    results = scan(joint, [*consts, *consts_t], [*carry, *carry_t], [*xs, *xs_t], **known)
    h, ht, y, yt = split(results, n_carry, n_on, n_outs - n_carry)
    return (*h, *y), tuple(spread([*ht, *yt], outs_on))


class _Primal:
    """The first scan of a derivative, and where the residuals of the second come from.

    ``kinds`` says for each residual: a value that the constants alone decide ("fixed"), rows that are there already ("xs",
    "ys"), or rows that ``body`` stacks for it ("new").
    """

    def __init__(self, graph: Graph, sizes: tuple[int, int], n_outs: int):
        n_consts, n_carry = sizes
        outs, residuals = graph.outs[:n_outs], graph.outs[n_outs:]
        varies = reached(graph, [i >= n_consts for i in range(len(graph.ins))])[n_outs:]
        xs, ys = graph.ins[n_consts + n_carry :], outs[n_carry:]
        self.kinds: list[tuple[str, int]] = []
        new: list[Any] = []
        fixed: list[Any] = []
        for atom, moves in zip(residuals, varies, strict=True):
            if not moves:
                self.kinds.append(("fixed", len(fixed)))
                fixed.append(atom)
            elif atom in xs:
                self.kinds.append(("xs", xs.index(atom)))
            elif atom in ys:
                self.kinds.append(("ys", ys.index(atom)))
            else:
                self.kinds.append(("new", len(new)))
                new.append(atom)
        from weft.ir.passes.dce import dce

        self.body = dce(graph.replace(outs=[*outs, *new]))
        self.fixed = dce(graph.replace(outs=fixed), effects=False)
        self.fixed = self.fixed.replace(ins=self.fixed.ins[:n_consts])
        self.n_carry = n_carry

    def residuals(
        self, consts: Sequence[Any], xs: Sequence[Any], outs: Sequence[Any], new: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """The residuals that stay the same, and those with a row a step."""
        fixed = evaluate(self.fixed, *consts)
        sources = {"xs": xs, "ys": outs[self.n_carry :], "new": new}
        return fixed, [sources[kind][i] for kind, i in self.kinds if kind != "fixed"]


def _linearized(
    body: Graph, sizes: tuple[int, int], ins_on: Sequence[bool], outs_on: Sequence[bool]
) -> tuple[_Primal, Graph]:
    """The bodies of the two scans. The second takes (fixed residuals, tangents of consts, of the carry, rows, of xs)."""
    from weft.ir.passes.linearize import linearize

    one = linearize(body, tuple(ins_on))
    shrunk = _with_few_residuals(one.primal, one.linear, sizes, len(body.outs))
    primal = _Primal(shrunk[0], sizes, len(body.outs))
    linear = shrunk[1]
    on = split([*ins_on], *sizes)
    types = split(pick(body.in_types, ins_on), sum(on[0]), sum(on[1]))
    residual_types = linear.in_types[len(linear.ins) - len(primal.kinds) :]
    is_fixed = [kind == "fixed" for kind, _ in primal.kinds]
    fixed = pick(residual_types, is_fixed)
    rows = pick(residual_types, [not f for f in is_fixed])

    def fun(*args: Any) -> list[Any]:
        f, ct, ht, r, xt = split(args, len(fixed), len(types[0]), len(types[1]), len(rows))
        f_next, r_next = iter(f), iter(r)
        residuals = [next(f_next) if same else next(r_next) for same in is_fixed]
        outs = spread(evaluate(linear, *ct, *ht, *xt, *residuals), one.out_active)
        return instantiated(pick(outs, outs_on), pick(body.out_types, outs_on))

    return primal, build(fun, [*fixed, *types[0], *types[1], *rows, *types[2]])


def _with_few_residuals(
    primal: Graph, linear: Graph, sizes: tuple[int, int], n_outs: int
) -> tuple[Graph, Graph]:
    """Residuals that are cheaply made from others, or only move smaller values, are made again in the linear graph.

    So are those that take no more than integers, such as the number of the step: masks, and places.
    """
    makers = {v: eqn for eqn in primal.eqns if eqn.prim.name in CHEAP | MOVES for v in eqn.outs}
    position = {v: i for i, eqn in enumerate(primal.eqns) for v in eqn.outs}
    residuals = primal.outs[n_outs:]
    free = {*primal.ins[: sizes[0]], *primal.ins[sum(sizes) :]}  # need not be stacked
    kept: dict[Any, None] = {}
    for residual in sorted(residuals, key=lambda r: position.get(r, -1) if isinstance(r, Var) else -1):
        below = _made_from(residual, makers, {*kept, *free}) if residual in makers else None
        if below is not None and all(v in kept or v in free or _is_number(v) for v in below):
            kept.update(dict.fromkeys(below))
            continue
        moved = {v: eqn for v, eqn in makers.items() if eqn.prim.name in MOVES}
        below = _made_from(residual, moved, set(kept))
        smaller = below is not None and sum(v.type.size for v in below) < residual.type.size
        kept.update(dict.fromkeys(below if smaller and below is not None else [residual]))
    if list(kept) == list(residuals):
        return primal, linear
    n = len(linear.ins) - len(residuals)

    def fun(*args: Any) -> list[Any]:
        env = dict(zip(kept, args[n:], strict=True))

        def value(atom: Any) -> Any:
            if isinstance(atom, Literal):
                return atom.value
            if atom not in env:
                eqn = makers[atom]
                env.update(
                    zip(eqn.outs, bind_all(eqn.prim, list(map(value, eqn.ins)), eqn.params), strict=True)
                )
            return env[atom]

        return evaluate(linear, *args[:n], *map(value, residuals))

    return (
        primal.replace(outs=[*primal.outs[:n_outs], *kept]),
        build(fun, [*linear.in_types[:n], *[a.type for a in kept]]),
    )


def _is_number(v: Var) -> bool:
    return not v.type.shape and is_integer(v.type.dtype)


_LONGEST = 12  # equations that a residual may take to be made again


def _made_from(atom: Any, makers: dict[Any, Any], known: set[Any]) -> list[Any] | None:
    """The variables that ``atom`` is made from by ``makers``, down to ``known`` ones; ``None`` where that is too long."""
    found: dict[Any, None] = {}
    seen: set[int] = set()
    waiting = [atom]
    while waiting:
        v = waiting.pop()
        if isinstance(v, Literal) or v in found:
            continue
        if v in known or v not in makers:
            found[v] = None
        elif id(makers[v]) not in seen:
            seen.add(id(makers[v]))
            waiting.extend(makers[v].ins)
    return list(found) if len(seen) <= _LONGEST else None


def _transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    from weft.ir.ops.flow.sums import summing_scan
    from weft.ir.passes.transpose import transpose

    body, n_carry = params["body"], params["n_carry"]
    sizes = params["n_consts"], n_carry
    known = {"length": params["length"], "reverse": params["reverse"]}
    c_lin, h_given, x_lin = split([is_linear(x) for x in ins], *sizes)
    h_lin = closure(h_given, lambda carry: reached(body, (*c_lin, *carry, *x_lin))[:n_carry])
    lin = (*c_lin, *h_lin, *x_lin)
    consts, _, xs = split(ins, *sizes)
    fixed = [c for c, m in zip(consts, c_lin, strict=True) if not m]
    rows = [x for x, m in zip(xs, x_lin, strict=True) if not m]
    out_lin = (*h_lin, *reached(body, lin)[n_carry:])
    if not all(h_lin):  # known carries are rows for the linear part: run the known part again, stacking them
        rows = [*_known_carries(body, sizes, ins, lin, known), *rows]
    h_types = pick(body.in_types[sizes[0] : sum(sizes)], h_lin)
    c_types = pick(body.in_types[: sizes[0]], c_lin)
    y_types = pick(body.out_types[n_carry:], out_lin[n_carry:])
    summed = (*[True] * sum(c_lin), *[False] * (sum(h_lin) + sum(x_lin)))
    turned = transpose(narrowed(body, (True,) * len(body.ins), out_lin), lin, summed)
    known_types = [t for t, m in zip(body.in_types, lin, strict=True) if not m]
    n_fixed = len(fixed)

    def fun(*args: Any) -> list[Any]:
        # consts: fixed; carry: cotangents of the carry, sums of those of consts; xs: rows, cotangents of ys
        f, h_ct, c_sum, r, y_ct = split(args, n_fixed, len(h_types), len(c_types), len(rows))
        found = evaluate(turned, *f, *r, *h_ct, *y_ct, *c_sum)
        c_new, h_new, x_new = split(found, len(c_types), len(h_types))
        return [*h_new, *c_new, *x_new]

    back = build(fun, [*known_types[:n_fixed], *h_types, *c_types, *known_types[n_fixed:], *y_types])
    h_cts, y_cts = split(cts, n_carry)
    start = instantiated(pick(h_cts, h_lin), h_types)
    y_cts = instantiated(pick(y_cts, out_lin[n_carry:]), [rows_of(t, params["length"]) for t in y_types])
    results = summing_scan(
        back, fixed, start, c_types, [*rows, *y_cts], length=params["length"], reverse=not params["reverse"]
    )
    h_found, c_found, x_found = split(results, len(h_types), len(c_types))
    h_all = [ct if given else None for ct, given in zip(spread(h_found, h_lin), h_given, strict=True)]
    return [*spread(c_found, c_lin), *h_all, *spread(x_found, x_lin)]


def _known_carries(
    body: Graph, sizes: tuple[int, int], ins: Sequence[Any], lin: Sequence[bool], known: Any
) -> list[Any]:
    """The carries that do not depend on linear inputs, at the beginning of each step."""
    consts, carry, xs = split(ins, *sizes)
    c_lin, h_lin, x_lin = split(list(lin), *sizes)
    h_known = [not m for m in h_lin]
    part = narrowed(body, [not m for m in lin], [*h_known, *[False] * (len(body.outs) - sizes[1])])
    n_consts = len(c_lin) - sum(c_lin)

    def fun(*args: Any) -> list[Any]:
        before = args[n_consts : n_consts + sum(h_known)]
        return [*evaluate(part, *args), *before]

    both = build(fun, part.in_types)
    results = scan(
        both,
        pick(consts, [not m for m in c_lin]),
        pick(carry, h_known),
        pick(xs, [not m for m in x_lin]),
        **known,
    )
    return list(results[sum(h_known) :])


# Batching


def _batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    body, n_carry = params["body"], params["n_carry"]
    sizes = params["n_consts"], n_carry
    c_on, h_on, x_on = split([a is not NOT_MAPPED for a in axes], *sizes)
    h_on = list(closure(h_on, lambda carry: batched(body, (*c_on, *carry, *x_on), size)[1][:n_carry]))
    n_ys = len(body.outs) - n_carry
    many, out_on = batched(body, (*c_on, *h_on, *x_on), size, (*h_on, *[False] * n_ys))
    consts, carry, xs = split([*zip(args, axes, strict=True)], *sizes)
    consts_ = [to_front(x, a, size) if on else x for (x, a), on in zip(consts, c_on, strict=True)]
    carry_ = [to_front(x, a, size) if on else x for (x, a), on in zip(carry, h_on, strict=True)]
    xs_ = [_axis_1(x, a) if on else x for (x, a), on in zip(xs, x_on, strict=True)]
    outs = scan(many, consts_, carry_, xs_, **_how(params))
    return outs, [(0 if i < n_carry else 1) if on else NOT_MAPPED for i, on in enumerate(out_on)]


def _axis_1(x: Any, axis: int) -> Any:
    from weft.ir.ops.shape import move_axis

    return move_axis(x, axis, 1)


# Dead code


def cut_scan(
    params: dict[str, Any], needed: Sequence[bool], shared: Callable[[Graph, tuple[bool, ...]], Graph]
) -> tuple[dict[str, Any], list[bool], list[bool]]:
    """Params without unneeded carries, rows and constants; which operands and which results stay."""
    body, n_consts, n_carry = params["body"], params["n_consts"], params["n_carry"]
    ys = needed[n_carry:]
    carry = closure(
        needed[:n_carry], lambda carry: used(shared(body, (*carry, *ys)))[n_consts : n_consts + n_carry]
    )
    inner = shared(body, (*carry, *ys))
    ins = list(used(inner))
    ins[n_consts : n_consts + n_carry] = carry
    changed = {"body": with_ins(inner, ins), "n_consts": sum(ins[:n_consts]), "n_carry": sum(carry)}
    return {**params, **changed}, ins, [*carry, *ys]


scan_p = Primitive(
    "scan",
    type_rule=_types,
    reference=_reference,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    lower=HOST,
    multiple=True,
)


def scan(
    body: Graph,
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    *,
    length: int,
    reverse: bool = False,
    linear: bool = False,
) -> tuple[Any, ...]:
    """The last carry, and the rows that ``body`` gave, stacked.

    Args:
        body: ``(consts, carry, a row of each of xs) -> (carry, a row of each result)``.
        consts: the same at every step.
        carry: where the first step begins.
        xs: arrays with a row a step.
        length: the number of steps.
        reverse: begin with the last row.
        linear: the loop belongs to a derivative, and is linear in its carry (`weft.ir.passes.condense`).
    """
    n_outs = len(body.outs)
    if not (body := with_token(body)).outs:
        return ()
    result: tuple[Any, ...] = scan_p.bind(
        *consts,
        *carry,
        *xs,
        body=body,
        n_consts=len(consts),
        n_carry=len(carry),
        length=length,
        reverse=reverse,
        **_mark(linear),
    )
    return result[:n_outs]
