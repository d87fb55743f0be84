"""`while_loop`: repeat a graph while another says so.

The one idea: ``while_loop[cond=c, body=g, ...] cond_consts body_consts carry`` is ``while c(carry): carry = g(carry)``. How
often it runs is known only afterwards, so no residual can be stacked. The derivative is the same loop once more, with tangents
beside the carry: ``for i < n: x, t = g(x), g'(x) t``. It is linear in ``t``, and its transpose visits the ``x`` backwards
(fold_back.py). So the backward pass of a loop needs its inputs and how often it ran, and computes everything else again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.ir.builder import build, type_of_value
from weft.ir.errors import GradientError, ShapeError
from weft.ir.graph import Graph, Literal
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops.control import compiles, prepared
from weft.ir.ops.flow.bodies import (
    active_outs,
    alone,
    batched,
    check_types,
    closure,
    forward,
    forward_apart,
    instantiated,
    narrowed,
    pick,
    reached,
    read_by,
    split,
    spread,
    tangents_apart,
    used,
    with_ins,
)
from weft.ir.ops.flow.fold_back import fold_back
from weft.ir.primitive import HOST, NOT_MAPPED, Primitive
from weft.ir.rules import is_linear, to_front, zeros_like
from weft.ir.types import BOOL, INT64, ArrayType

_COUNTER = ArrayType((), INT64)
_ONE = np.asarray(1, INT64)


def _types(
    *ins: ArrayType, cond: Graph, body: Graph, n_cond: int, n_body: int, checkpoints: int | None
) -> tuple[ArrayType, ...]:
    cond_consts, body_consts, carry = split(ins, n_cond, n_body)
    check_types("while_loop", "the inputs of the condition", [*cond_consts, *carry], cond.in_types)
    check_types("while_loop", "the inputs of the body", [*body_consts, *carry], body.in_types)
    check_types("while_loop", "the carry that the body returns", carry, body.out_types)
    check_types("while_loop", "the condition", [ArrayType((), BOOL)], cond.out_types)
    if checkpoints is not None and checkpoints < 1:
        raise ShapeError(f"while_loop keeps at least one checkpoint, not {checkpoints}.")
    return tuple(carry)


@functools.lru_cache(maxsize=512)
def _step(cond: Graph, body: Graph, n_cond: int, n_body: int) -> Graph:
    """Body and condition as one graph: ``(cond_consts, body_consts, carry) -> (carry, go on)``."""

    def fun(*args: Any) -> list[Any]:
        cond_consts, body_consts, carry = split(args, n_cond, n_body)
        carry = evaluate(body, *body_consts, *carry)
        return [*carry, *evaluate(cond, *cond_consts, *carry)]

    return build(fun, [*cond.in_types[:n_cond], *body.in_types])


def _reference(*args: Any, cond: Graph, body: Graph, n_cond: int, n_body: int, checkpoints: Any) -> Any:
    if compiles():
        params = {"n_cond": n_cond, "n_body": n_body, "checkpoints": checkpoints}
        graph = alone("while_loop", list(map(type_of_value, args)), {"cond": cond, "body": body, **params})
        return tuple(prepared(graph)(args))
    consts, carry = split(args, n_cond + n_body)
    (go_on,) = prepared(cond)([*consts[:n_cond], *carry])
    if go_on:
        run = prepared(_step(cond, body, n_cond, n_body))
        while go_on:
            *carry, go_on = run([*consts, *carry])
    return tuple(carry)


# Derivatives


def _jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    cond, body, n_cond, n_body = (params[k] for k in ("cond", "body", "n_cond", "n_body"))
    cond_consts, consts, carry = split(primals, n_cond, n_body)
    _, consts_t, carry_t = split(tangents, n_cond, n_body)
    consts_on = [t is not None for t in consts_t]
    carry_on = closure([t is not None for t in carry_t], lambda c: active_outs(body, (*consts_on, *c)))
    if not any(carry_on):
        return answer(), (None,) * len(carry)
    consts_t = pick(consts_t, consts_on)
    carry_t = instantiated(pick(carry_t, carry_on), pick(body.out_types, carry_on))
    apart = tangents_apart(primals, tangents)
    both = (forward_apart if apart else forward)(body, [*consts_on, *carry_on], carry_on)
    n_carry = len(carry)

    # The joint loop, with a counter in front where it runs a known number of times.
    def joint(*args: Any) -> list[Any]:
        c, ct, count, h, ht = split(args, n_body, len(consts_t), int(apart), n_carry)
        return [*[e.add(i, _ONE) for i in count], *evaluate(both, *c, *h, *ct, *ht)]

    types = split(both.in_types, n_body, n_carry, len(consts_t))
    count_type = [_COUNTER] * apart
    joint_body = build(joint, [*types[0], *types[2], *count_type, *types[1], *types[3]])
    if apart:
        n, *outs = _counted(cond_consts, consts, carry, params)
        below = build(lambda n, i, *_: [e.lt(i, n)], [_COUNTER, *joint_body.out_types])
        start = [np.zeros((), INT64), *carry, *carry_t]
        _, *results = _loop(below, joint_body, [n], [*consts, *consts_t], start, params["checkpoints"])
        return tuple(outs), tuple(spread(results[n_carry:], carry_on))
    joint_cond = build(lambda *args: evaluate(cond, *args[: n_cond + n_carry]), [*cond.in_types, *types[3]])
    start = [*carry, *carry_t]
    results = list(
        _loop(joint_cond, joint_body, cond_consts, [*consts, *consts_t], start, params["checkpoints"])
    )
    return tuple(results[:n_carry]), tuple(spread(results[n_carry:], carry_on))


def _counted(cond_consts: Sequence[Any], consts: Sequence[Any], carry: Sequence[Any], params: Any) -> Any:
    """How often the loop runs, and its results."""
    n_cond, n_body = len(cond_consts), len(consts)
    cond, body = params["cond"], params["body"]

    def more(*args: Any) -> list[Any]:
        return evaluate(cond, *args[:n_cond], *args[n_cond + 1 :])

    def step(*args: Any) -> list[Any]:
        return [e.add(args[n_body], _ONE), *evaluate(body, *args[:n_body], *args[n_body + 1 :])]

    types = [_COUNTER, *body.out_types]
    return _loop(
        build(more, [*cond.in_types[:n_cond], *types]),
        build(step, [*body.in_types[:n_body], *types]),
        cond_consts,
        consts,
        [np.zeros((), INT64), *carry],
        params["checkpoints"],
    )


def _transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    from weft.ir.passes.transpose import transpose

    cond, body, n_cond, n_body = (params[k] for k in ("cond", "body", "n_cond", "n_body"))
    cond_consts, consts, carry = split(ins, n_cond, n_body)
    c_lin = [is_linear(x) for x in consts]
    h_given = [is_linear(x) for x in carry]
    h_lin = closure(h_given, lambda c: reached(body, (*c_lin, *c)))
    asked = read_by(cond, (True,))
    if any(map(is_linear, pick(cond_consts, asked))) or any(pick(h_lin, asked[n_cond:])):
        raise GradientError("while_loop is not linear in what decides how often it runs.")
    fixed = pick(consts, [not m for m in c_lin])
    n = _trips(cond_consts, fixed, carry, params, c_lin, h_lin)
    # The carries that the linear part reads, and those that they are computed from.
    reads = read_by(body, h_lin)[n_body:]
    known = [r and not m for r, m in zip(reads, h_lin, strict=True)]
    known = list(closure(known, lambda k: read_by(body, k)[n_body:]))
    advance = narrowed(body, [*[not m for m in c_lin], *known], known)
    linear_ins = [*c_lin, *h_lin]
    kept = [*[True] * n_body, *[k or m for k, m in zip(known, h_lin, strict=True)]]
    summed = (*[True] * sum(c_lin), *[False] * sum(h_lin))
    turned = transpose(narrowed(body, kept, h_lin), tuple(pick(linear_ins, kept)), summed)
    n_known = len(fixed) + sum(known)
    h_types, c_types = pick(body.out_types, h_lin), pick(body.in_types[:n_body], c_lin)

    def back(*args: Any) -> list[Any]:
        before, h_ct, c_sum = split(args, n_known, len(h_types))
        c_new, h_new = split(evaluate(turned, *before, *h_ct, *c_sum), len(c_types))
        return [*h_new, *c_new]

    backward = build(back, [*advance.in_types, *h_types, *c_types])
    start = [*instantiated(pick(cts, h_lin), h_types), *map(zeros_like, c_types)]
    found = fold_back(n, advance, backward, fixed, pick(carry, known), start, params["checkpoints"])
    h_cts = spread(found[: len(h_types)], h_lin)
    given = [ct if g else None for ct, g in zip(h_cts, h_given, strict=True)]
    return [*[None] * n_cond, *spread(found[len(h_types) :], c_lin), *given]


def _trips(
    cond_consts: Sequence[Any],
    fixed: Sequence[Any],
    carry: Sequence[Any],
    params: Any,
    c_lin: Sequence[bool],
    h_lin: Sequence[bool],
) -> Any:
    """How often a loop runs that is linear in some of its inputs."""
    cond, body, n_cond, n_body = (params[k] for k in ("cond", "body", "n_cond", "n_body"))
    if (counter := _counter(cond, body, n_cond, n_body)) is not None:
        at, end = counter
        start, stop = carry[at], cond_consts[end]
        return e.maximum(e.sub(e.cast(stop, INT64), e.cast(start, INT64)), np.zeros((), INT64))
    asked = read_by(cond, (True,))
    known = closure(asked[n_cond:], lambda k: read_by(body, k)[n_body:])
    none_lin = [not m for m in c_lin]
    parts = {
        "cond": narrowed(cond, [*[True] * n_cond, *known], (True,)),
        "body": narrowed(body, [*none_lin, *known], known),
        "checkpoints": params["checkpoints"],
    }
    return _counted(cond_consts, fixed, pick(carry, known), parts)[0]


def _counter(cond: Graph, body: Graph, n_cond: int, n_body: int) -> tuple[int, int] | None:
    """For ``while i < n: i += 1``: which carry is i, and which constant of the condition n."""
    if len(cond.eqns) != 1 or cond.eqns[0].prim is not e.lt_p or cond.outs[0] is not cond.eqns[0].outs[0]:
        return None
    left, right = cond.eqns[0].ins
    if left not in cond.ins[n_cond:] or right not in cond.ins[:n_cond]:
        return None
    at, end = cond.ins.index(left) - n_cond, cond.ins.index(right)
    made = next((eqn for eqn in body.eqns if body.outs[at] in eqn.outs), None)
    if made is None or made.prim is not e.add_p:
        return None
    before, by = made.ins
    if isinstance(before, Literal):
        before, by = by, before
    if before is not body.ins[n_body + at] or not isinstance(by, Literal) or by.value != 1:
        return None
    return (at, end) if cond.eqns[0].in_types[0].dtype.kind == "i" else None


# Batching


def _batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    cond, body, n_cond, n_body = (params[k] for k in ("cond", "body", "n_cond", "n_body"))
    args = [x if a is NOT_MAPPED else to_front(x, a, size) for x, a in zip(args, axes, strict=True)]
    cond_on, consts_on, carry_on = split([a is not NOT_MAPPED for a in axes], n_cond, n_body)
    cond_consts, consts, carry = split(args, n_cond, n_body)

    def step(c: Sequence[bool]) -> Sequence[bool]:
        if batched(cond, (*cond_on, *c), size)[1][0]:
            return (True,) * len(c)
        return batched(body, (*consts_on, *c), size)[1]

    carry_on = list(closure(carry_on, step))
    out_axes = [0 if on else NOT_MAPPED for on in carry_on]
    asks, (differs,) = batched(cond, (*cond_on, *carry_on), size)
    carry = [x if a or not on else to_front(x, None, size) for x, a, on in _marks(carry, axes, carry_on)]
    if not differs:
        many = batched(body, (*consts_on, *carry_on), size, carry_on)[0]
        return _loop(asks, many, cond_consts, consts, carry, params["checkpoints"]), out_axes

    # The condition differs within the batch: the loop runs until it is false for all, and leaves alone who is done.
    def masked(*args: Any) -> list[Any]:
        cond_c, body_c, (go_on, *before) = split(args, n_cond, n_body)
        after = evaluate(body, *body_c, *before)
        (more,) = evaluate(cond, *cond_c, *after)
        return [e.and_(go_on, more), *[e.select(go_on, y, x) for x, y in zip(before, after, strict=True)]]

    flag = ArrayType((), BOOL)
    one = build(masked, [*cond.in_types[:n_cond], *body.in_types[:n_body], flag, *body.out_types])
    many = batched(one, (*cond_on, *consts_on, True, *carry_on), size, (True, *carry_on))[0]
    start = evaluate(asks, *cond_consts, *carry)
    results = _loop(
        _any_of(many.out_types), many, [], [*cond_consts, *consts], [*start, *carry], params["checkpoints"]
    )
    return results[1:], out_axes


def _marks(carry: Sequence[Any], axes: Sequence[Any], on: Sequence[bool]) -> Any:
    had = [a is not NOT_MAPPED for a in axes[len(axes) - len(carry) :]]
    return zip(carry, had, on, strict=True)


def _any_of(types: Sequence[ArrayType]) -> Graph:
    """A condition: whether the first carry is true anywhere."""
    from weft.ir.ops.reduce import reduce_or

    return build(lambda go_on, *_: [reduce_or(go_on, (0,))], list(types))


# Dead code


def cut_while(
    params: dict[str, Any], needed: Sequence[bool], shared: Callable[[Graph, tuple[bool, ...]], Graph]
) -> tuple[dict[str, Any], list[bool], list[bool]]:
    """Params without carries that neither a result nor the condition needs; which operands and which results stay."""
    cond, body, n_cond, n_body = (params[k] for k in ("cond", "body", "n_cond", "n_body"))
    cond = shared(cond, (True,))
    asked = used(cond)
    first = [a or b for a, b in zip(needed, asked[n_cond:], strict=True)]
    carry = closure(first, lambda c: used(shared(body, c))[n_body:])
    inner = shared(body, carry)
    consts = used(inner)[:n_body]
    changed = {
        "cond": with_ins(cond, [*asked[:n_cond], *carry]),
        "body": with_ins(inner, [*consts, *carry]),
        "n_cond": sum(asked[:n_cond]),
        "n_body": sum(consts),
    }
    return {**params, **changed}, [*asked[:n_cond], *consts, *carry], list(carry)


while_loop_p = Primitive(
    "while_loop",
    type_rule=_types,
    reference=_reference,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    lower=HOST,
    multiple=True,
)


def while_loop(
    cond: Graph,
    body: Graph,
    cond_consts: Sequence[Any],
    body_consts: Sequence[Any],
    carry: Sequence[Any],
    checkpoints: int | None = None,
) -> tuple[Any, ...]:
    """The carry when the condition first fails.

    Args:
        cond: ``(cond_consts, carry) -> bool``.
        body: ``(body_consts, carry) -> carry``.
        cond_consts: what the condition reads beside the carry.
        body_consts: what the body reads beside the carry.
        carry: where the loop begins.
        checkpoints: how many carries the backward pass may keep at a time; ``None`` keeps one an iteration.
    """
    result: tuple[Any, ...] = while_loop_p.bind(
        *cond_consts,
        *body_consts,
        *carry,
        cond=cond,
        body=body,
        n_cond=len(cond_consts),
        n_body=len(body_consts),
        checkpoints=checkpoints,
    )
    return result


_loop = while_loop
