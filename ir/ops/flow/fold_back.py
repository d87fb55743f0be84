"""`fold_back`: visit the states of a loop from the last to the first.

The one idea: ``fold_back[advance=f, backward=b, ...] n consts x s`` runs ``x_(i+1) = f(x_i)`` from ``x_0 = x`` and folds
``s = b(x_i, s)`` for ``i = n-1, ..., 0``: the backward pass of a loop that ran n times. States are computed forwards but read
backwards, so as many as ``checkpoints`` allows are kept, and others are computed again, where binomial spacing does best:
with k kept states and r repetitions ``binomial(k + r, k)`` steps are reached (Griewank & Walther, 2000,
doi:10.1145/347837.347846).

``b`` is linear in ``s``: the transpose of `fold_back` is a loop that goes forwards again. ``at_least`` is what n is known to
reach, where something is known (`weft.ir.passes.few_steps`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from weft.ir.builder import build
from weft.ir.errors import DTypeError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops.control import call_p, prepared
from weft.ir.ops.flow.bodies import (
    active_outs,
    batched,
    check_types,
    closure,
    forward,
    instantiated,
    pick,
    rows_of,
    split,
    spread,
    tangents_apart,
    used,
    with_ins,
)
from weft.ir.ops.flow.few_steps import FEW, has_small_states, there_and_back
from weft.ir.ops.flow.scan import scan
from weft.ir.ops.shape import full
from weft.ir.primitive import HOST, NOT_MAPPED, Primitive
from weft.ir.rules import is_linear, to_front
from weft.ir.types import INT64, ArrayType

_COUNTER = ArrayType((), INT64)
_ZERO, _ONE = np.zeros((), INT64), np.asarray(1, INT64)


def _types(
    n: ArrayType,
    *ins: ArrayType,
    advance: Graph,
    backward: Graph,
    n_consts: int,
    checkpoints: int | None,
    at_least: int = 0,
) -> tuple[ArrayType, ...]:
    if n != _COUNTER:
        raise DTypeError(f"fold_back takes the number of steps as {_COUNTER}, got {n}.")
    consts, x, s = split(ins, n_consts, len(advance.outs))
    check_types("fold_back", "the inputs of advance", [*consts, *x], advance.in_types)
    check_types("fold_back", "the state that advance returns", x, advance.out_types)
    check_types("fold_back", "the inputs of backward", ins, backward.in_types)
    check_types("fold_back", "what backward returns", s, backward.out_types)
    return tuple(s)


def _reference(
    n: Any,
    *args: Any,
    advance: Graph,
    backward: Graph,
    n_consts: int,
    checkpoints: int | None,
    at_least: int = 0,
) -> Any:
    consts, x, s = split(args, n_consts, len(advance.outs))
    is_small = has_small_states(advance)
    for first, steps in _segments(advance, consts, x, int(n), checkpoints):
        state, recorded = first, []
        sizes = list(_pieces(steps))
        left = sizes.count(1) if is_small else 0
        for size in sizes[: len(sizes) - left]:
            results = list(_ahead(advance, n_consts, size, keep=True)([*consts, *state])) if x else []
            recorded.append((size, state if size == 1 else results[len(x) :]))
            state = results[: len(x)]
        if left:
            run = prepared(there_and_back(advance, backward, n_consts, FEW))
            s = list(run([np.asarray(left, INT64), *consts, *state, *s]))
        for size, rows in reversed(recorded):
            s = list(_folded(backward, n_consts, len(x), size)([*consts, *rows, *s]))
    return tuple(s)


def _segments(
    advance: Graph, consts: Sequence[Any], first: Sequence[Any], n: int, keep: int | None
) -> Iterator[tuple[Sequence[Any], int]]:
    """Stretches of steps whose states may be held all at once, from the last to the first: its first state, and its length.

    No more than ``keep`` states are held at a time, with those of the stretch.
    """
    kept = [(0, first)]
    end = n
    while end > 0:
        at, state = kept[-1]
        length = end - at
        free = length if keep is None else keep - len(kept)
        if length <= free + 1:
            yield state, length
            kept.pop()
            end = at
        elif free == 0:
            yield _after(advance, consts, state, length - 1), 1
            end -= 1
        else:
            stride = _stride(length - 1, free)
            kept.append((at + stride, _after(advance, consts, state, stride)))


def _stride(ahead: int, free: int) -> int:
    """How far to go before the next state is kept, with ``free`` places for the states of ``ahead`` steps."""
    repeats = 1
    while math.comb(free + repeats, free) <= ahead:
        repeats += 1
    return min(math.comb(free + repeats - 1, free), ahead)


def _after(advance: Graph, consts: Sequence[Any], state: Sequence[Any], steps: int) -> Sequence[Any]:
    for size in _pieces(steps) if state else ():
        state = _ahead(advance, len(consts), size, keep=False)([*consts, *state])
    return state


# Steps are run many at a time, so that they are loops of machine code; what is left over is run one by one, or, where states
# are small, by `there_and_back`.
_PIECES = ((1024, 1024), (32, FEW + 1))


def _pieces(steps: int) -> Iterator[int]:
    """Sizes of runs that add up to ``steps``."""
    for size, least in _PIECES:
        while steps >= least:
            yield size
            steps -= size
    yield from [1] * steps


@functools.lru_cache(maxsize=512)
def _run_ahead(advance: Graph, n_consts: int, size: int, keep: bool) -> Graph:
    """``(consts, x) -> (x after size steps, the states on the way, stacked, if they are kept)``."""

    def step(*args: Any) -> list[Any]:
        return [*evaluate(advance, *args), *(args[n_consts:] if keep else [])]

    body = build(step, advance.in_types)

    def fun(*args: Any) -> list[Any]:
        return list(scan(body, args[:n_consts], args[n_consts:], [], length=size))

    return build(fun, advance.in_types)


def _ahead(advance: Graph, n_consts: int, size: int, *, keep: bool) -> Callable[[Sequence[Any]], Any]:
    return prepared(advance if size == 1 else _run_ahead(advance, n_consts, size, keep))


@functools.lru_cache(maxsize=512)
def _run_back(backward: Graph, n_consts: int, n_x: int, size: int) -> Graph:
    """``(consts, stacked states, s) -> s`` after the states were visited from the last to the first."""
    consts, x, s = split(backward.in_types, n_consts, n_x)

    def step(*args: Any) -> list[Any]:
        c, s_now, x_now = split(args, n_consts, len(s))
        return evaluate(backward, *c, *x_now, *s_now)

    body = build(step, [*consts, *s, *x])

    def fun(*args: Any) -> list[Any]:
        c, rows, s_now = split(args, n_consts, n_x)
        return list(scan(body, c, s_now, rows, length=size, reverse=True))

    return build(fun, [*consts, *[rows_of(t, size) for t in x], *s])


def _folded(backward: Graph, n_consts: int, n_x: int, size: int) -> Callable[[Sequence[Any]], Any]:
    return prepared(backward if size == 1 else _run_back(backward, n_consts, n_x, size))


# The same as loops, whose rules say what has no rule here


def _as_loops(params: Any, types: Sequence[ArrayType]) -> Graph:
    """The graph ``(n, consts, x, s) -> s`` of other loops: states are kept evenly spaced in buffers of static size."""
    from weft.ir.ops.flow.while_loop import while_loop
    from weft.ir.ops.index import dynamic_index, dynamic_update_index

    advance, backward, n_consts = params["advance"], params["backward"], params["n_consts"]
    slots = params["checkpoints"] or _SLOTS
    x_types = advance.out_types
    n_x = len(x_types)
    consts_types, s_types = types[1 : 1 + n_consts], types[1 + n_consts + n_x :]
    buffer_types = [rows_of(t, slots) for t in x_types]
    below = build(lambda end, i, *_: [e.lt(i, end)], [_COUNTER, _COUNTER, *x_types])

    def record(*args: Any) -> list[Any]:
        consts, (stride,), (i,), x, buffers = split(args, n_consts, 1, 1, n_x)
        slot, is_first = e.floor_div(i, stride), e.eq(e.mod(i, stride), _ZERO)
        kept = [
            dynamic_update_index(b, e.select(is_first, v, dynamic_index(b, slot)), slot)
            for v, b in zip(x, buffers, strict=True)
        ]
        return [e.add(i, _ONE), *evaluate(advance, *consts, *x), *kept]

    def replay(*args: Any) -> list[Any]:
        consts, (i,), x = split(args, n_consts, 1)
        return [e.add(i, _ONE), *evaluate(advance, *consts, *x)]

    replay_body = build(replay, [*consts_types, _COUNTER, *x_types])

    def visit(*args: Any) -> list[Any]:
        consts, (stride,), buffers, (end,), s = split(args, n_consts, 1, n_x, 1)
        i = e.sub(end, _ONE)
        slot = e.floor_div(i, stride)
        start = [e.mul(slot, stride), *[dynamic_index(b, slot) for b in buffers]]
        _, *x = while_loop(below, replay_body, [i], consts, start)
        return [i, *evaluate(backward, *consts, *x, *s)]

    def fun(n: Any, *args: Any) -> list[Any]:
        consts, x, s = split(args, n_consts, n_x)
        stride = e.maximum(
            e.floor_div(e.add(n, np.asarray(slots - 1, INT64)), np.asarray(slots, INT64)), _ONE
        )
        buffers = [full(t.shape, 0, t.dtype) for t in buffer_types]
        record_body = build(record, [*consts_types, _COUNTER, _COUNTER, *x_types, *buffer_types])
        more = build(lambda end, i, *_: [e.lt(i, end)], [_COUNTER, *record_body.out_types])
        results = while_loop(more, record_body, [n], [*consts, stride], [_ZERO, *x, *buffers])
        visit_body = build(visit, [*consts_types, _COUNTER, *buffer_types, _COUNTER, *s_types])
        rest = build(lambda end, *_: [e.lt(_ZERO, end)], visit_body.out_types)
        return list(while_loop(rest, visit_body, [], [*consts, stride, *results[1 + n_x :]], [n, *s])[1:])

    return build(fun, list(types))


_SLOTS = 64


# Derivatives


def _jvp(prim: Primitive, primals: Any, tangents: Any, params: Any, answer: Any) -> Any:
    advance, backward, n_consts = params["advance"], params["backward"], params["n_consts"]
    n_x = len(advance.outs)
    _, consts_t, x_t, s_t = split(tangents, 1, n_consts, n_x)
    consts_on, x_given = [t is not None for t in consts_t], [t is not None for t in x_t]
    x_on = closure(x_given, lambda x: active_outs(advance, (*consts_on, *x)))
    s_on = closure([t is not None for t in s_t], lambda s: active_outs(backward, (*consts_on, *x_on, *s)))
    if not any(s_on):
        return answer(), (None,) * len(s_on)
    n, consts, x, s = split(primals, 1, n_consts, n_x)
    if not any(consts_on) and not any(x_on):  # linear in s
        return answer(), prim.bind(*n, *consts, *x, *instantiated(s_t, backward.out_types), **params)
    if tangents_apart(primals, tangents):
        graph = _as_loops(params, [_COUNTER, *backward.in_types])
        return call_p.jvp(call_p, primals, tangents, {"graph": graph, "name": "fold_back"}, answer)  # type: ignore[misc]
    ct = pick(consts_t, consts_on)
    xt = instantiated(pick(x_t, x_on), pick(advance.out_types, x_on))
    st = instantiated(pick(s_t, s_on), pick(backward.out_types, s_on))
    ahead = forward(advance, [*consts_on, *x_on], x_on)
    back = forward(backward, [*consts_on, *x_on, *s_on], s_on)
    lengths = n_consts, len(ct), n_x, len(xt), len(s)

    def ahead_fun(*args: Any) -> list[Any]:
        c, ct, x, xt = split(args, *lengths[:3])
        return evaluate(ahead, *c, *x, *ct, *xt)

    def back_fun(*args: Any) -> list[Any]:
        c, ct, x, xt, s, st = split(args, *lengths)
        return evaluate(back, *c, *x, *s, *ct, *xt, *st)

    before = [*backward.in_types[:n_consts], *pick(backward.in_types[:n_consts], consts_on), *ahead.out_types]
    results = fold_back(
        n[0],
        build(ahead_fun, before),
        build(back_fun, [*before, *back.out_types]),
        [*consts, *ct],
        [*x, *xt],
        [*s, *st],
        params["checkpoints"],
    )
    return tuple(results[: len(s)]), tuple(spread(results[len(s) :], s_on))


def _transpose(prim: Primitive, cts: Any, ins: Any, params: Any) -> list[Any]:
    from weft.ir.ops.flow.while_loop import while_loop
    from weft.ir.passes.transpose import pull_back, transpose

    advance, backward, n_consts = params["advance"], params["backward"], params["n_consts"]
    n_x = len(advance.outs)
    (n,), consts, x, s = split(ins, 1, n_consts, n_x)
    if any(map(is_linear, [*consts, *x])):
        return _in_order(pull_back(_as_loops(params, [_COUNTER, *backward.in_types]), ins, cts), ins)
    mask = (*[False] * (n_consts + n_x), *[True] * len(s))
    turned = transpose(backward, mask)

    def step(*args: Any) -> list[Any]:
        c, (i,), x, s_ct = split(args, n_consts, 1, n_x)
        return [e.add(i, _ONE), *evaluate(advance, *c, *x), *evaluate(turned, *c, *x, *s_ct)]

    types = [_COUNTER, *advance.out_types, *backward.out_types]
    below = build(lambda n, i, *_: [e.lt(i, n)], [_COUNTER, *types])
    body = build(step, [*backward.in_types[:n_consts], *types])
    start = [_ZERO, *x, *instantiated(cts, backward.out_types)]
    results = while_loop(below, body, [n], consts, start, params["checkpoints"])
    s_cts = [ct if is_linear(given) else None for ct, given in zip(results[1 + n_x :], s, strict=True)]
    return [*[None] * (1 + n_consts + n_x), *s_cts]


def _in_order(found: Sequence[Any], ins: Sequence[Any]) -> list[Any]:
    return spread(found, [is_linear(x) for x in ins])


# Batching


def _batch(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    if axes[0] is not NOT_MAPPED:
        return _batch_steps(prim, args, axes, size, params)
    advance, backward, n_consts = params["advance"], params["backward"], params["n_consts"]
    n_x = len(advance.outs)
    args = [x if a is NOT_MAPPED else to_front(x, a, size) for x, a in zip(args, axes, strict=True)]
    mapped = [a is not NOT_MAPPED for a in axes]
    _, consts_on, x_given, s_given = split(mapped, 1, n_consts, n_x)
    x_on = closure(x_given, lambda x: batched(advance, (*consts_on, *x), size)[1])
    s_on = closure(s_given, lambda s: batched(backward, (*consts_on, *x_on, *s), size)[1])
    on = [False, *consts_on, *x_on, *s_on]
    args = [to_front(v, None, size) if o and not m else v for v, o, m in zip(args, on, mapped, strict=True)]
    (n,), consts, x, s = split(args, 1, n_consts, n_x)
    outs = fold_back(
        n,
        batched(advance, (*consts_on, *x_on), size, x_on)[0],
        batched(backward, (*consts_on, *x_on, *s_on), size, s_on)[0],
        consts,
        x,
        s,
        params["checkpoints"],
    )
    return outs, [0 if o else NOT_MAPPED for o in s_on]


def _batch_steps(prim: Primitive, args: Any, axes: Any, size: Any, params: Any) -> Any:
    """Numbers of steps that differ within the batch: run the most, and leave alone who is done."""
    from weft.ir.ops.reduce import reduce_max

    advance, backward, n_consts = params["advance"], params["backward"], params["n_consts"]
    n_x = len(advance.outs)
    n, rest = args[0], args[1:]

    def ahead(*args: Any) -> list[Any]:
        (end,), c, (i,), x = split(args, 1, n_consts, 1)
        after = evaluate(advance, *c, *x)
        return [e.add(i, _ONE), *_where(e.lt(i, end), after, x)]

    def back(*args: Any) -> list[Any]:
        (end,), c, (i,), x, s = split(args, 1, n_consts, 1, n_x)
        return _where(e.lt(i, end), evaluate(backward, *c, *x, *s), s)

    consts_types = [_COUNTER, *backward.in_types[:n_consts]]
    x_types = [_COUNTER, *advance.out_types]
    most = reduce_max(n, (0,)) if size else _ZERO
    masked = {
        **params,
        "advance": build(ahead, [*consts_types, *x_types]),
        "backward": build(back, [*consts_types, *x_types, *backward.out_types]),
        "n_consts": n_consts + 1,
    }
    at = n_consts
    args = [most, n, *rest[:at], _ZERO, *rest[at:]]
    axes = [NOT_MAPPED, *axes[: 1 + at], NOT_MAPPED, *axes[1 + at :]]
    return _batch(prim, args, axes, size, masked)


def _where(condition: Any, yes: Sequence[Any], no: Sequence[Any]) -> list[Any]:
    return [e.select(condition, y, x) for y, x in zip(yes, no, strict=True)]


# Dead code


def cut_fold_back(
    params: dict[str, Any], needed: Sequence[bool], shared: Callable[[Graph, tuple[bool, ...]], Graph]
) -> tuple[dict[str, Any], list[bool], list[bool]]:
    """Params without what no needed result reads; which operands and which results stay."""
    advance, backward, n_consts = params["advance"], params["backward"], params["n_consts"]
    n_x = len(advance.outs)
    s = closure(needed, lambda s: used(shared(backward, s))[n_consts + n_x :])
    back = shared(backward, s)
    reads = used(back)
    x = closure(reads[n_consts : n_consts + n_x], lambda x: used(shared(advance, x))[n_consts:])
    ahead = shared(advance, x)
    consts = [a or b for a, b in zip(reads[:n_consts], used(ahead)[:n_consts], strict=True)]
    changed = {
        "advance": with_ins(ahead, [*consts, *x]),
        "backward": with_ins(back, [*consts, *x, *s]),
        "n_consts": sum(consts),
    }
    return {**params, **changed}, [True, *consts, *x, *s], list(s)


fold_back_p = Primitive(
    "fold_back",
    type_rule=_types,
    reference=_reference,
    jvp=_jvp,
    transpose=_transpose,
    batch=_batch,
    lower=HOST,
    multiple=True,
)


def fold_back(
    n: Any,
    advance: Graph,
    backward: Graph,
    consts: Sequence[Any],
    x: Sequence[Any],
    s: Sequence[Any],
    checkpoints: int | None = None,
) -> tuple[Any, ...]:
    """``s`` after it was folded with the states of a loop, from the last to the first.

    Args:
        n: the number of steps, an int64 scalar.
        advance: ``(consts, x) -> x``.
        backward: ``(consts, x, s) -> s``, linear in ``s``.
        consts: the same at every step.
        x: the first state.
        s: what the last state is folded with.
        checkpoints: how many states may be kept at a time; ``None`` keeps all.
    """
    if not s:
        return ()
    result: tuple[Any, ...] = fold_back_p.bind(
        n,
        *consts,
        *x,
        *s,
        advance=advance,
        backward=backward,
        n_consts=len(consts),
        checkpoints=checkpoints,
    )
    return result
