"""Scans of which a turn does several steps: ``unroll=``.

The one idea: a turn's body is the steps of the body, one after the other, on rows that lie next to each other; steps that do
not fill a turn are written out behind the loop. Results agree but for the last bits of sums and products, which may be taken
in another order. What it is good for: operations of neighbouring steps share a kernel, so steps on large arrays, which wait
for memory, pass them fewer times. A loop of small steps is one kernel in any case, and nothing is gained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from weft.engine import progress as shown
from weft.engine.progress import Progress
from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import flow
from weft.ir.ops import shape as s
from weft.ir.ops.flow.bodies import split


def scan(
    bar: Progress | None,
    body: Graph,
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    *,
    length: int,
    reverse: bool = False,
    unroll: int | bool | None = 1,
) -> tuple[Any, ...]:
    """`flow.scan` with ``unroll`` steps a turn: all of them for ``True``. With a bar there is one step a turn."""
    count = length if unroll is True else min(int(unroll or 1), length)
    if bar is not None or count <= 1:
        return shown.scan(bar, body, consts, carry, xs, length=length, reverse=reverse)
    turns, n_consts, n_carry = length // count, len(consts), len(carry)
    whole = turns * count
    # The steps that are left over come last: with the first rows, where the last come first.
    first, rest = (length - whole, 0) if reverse else (0, whole)

    def steps(m: int, fixed: Sequence[Any], now: Sequence[Any], rows: Sequence[Any]) -> list[Any]:
        """The carry after ``m`` steps, and their results stacked."""
        results: list[Any] = [None] * m
        for i in reversed(range(m)) if reverse else range(m):
            row = [s.reshape(s.slice_axis(x, 0, i, i + 1), x.shape[1:]) for x in rows]
            outs = evaluate(body, *fixed, *now, *row)
            now, results[i] = outs[:n_carry], [s.expand_dims(y, (0,)) for y in outs[n_carry:]]
        return [*now, *(s.concatenate(ys, 0) for ys in zip(*results, strict=True))]

    parts = [s.slice_axis(x, 0, first, first + whole) for x in xs]
    if turns == 1:
        now, ys = _cut(steps(count, consts, carry, parts), n_carry)
    else:
        fixed, state, rows = split(body.in_types, n_consts, n_carry)
        turn = build(
            lambda *args: steps(count, *split(args, n_consts, n_carry)),
            [*fixed, *state, *(t.with_shape((count, *t.shape)) for t in rows)],
        )
        parts = [s.reshape(x, (turns, count, *x.shape[1:])) for x in parts]
        now, ys = _cut(flow.scan(turn, consts, carry, parts, length=turns, reverse=reverse), n_carry)
        ys = [s.reshape(y, (whole, *y.shape[2:])) for y in ys]
    if whole == length:
        return (*now, *ys)
    left = length - whole
    last = [s.slice_axis(x, 0, rest, rest + left) for x in xs]
    now, others = _cut(steps(left, consts, now, last), n_carry)
    pairs = zip(others, ys, strict=True) if reverse else zip(ys, others, strict=True)
    return (*now, *(s.concatenate(pair, 0) for pair in pairs))


def _cut(outs: Sequence[Any], n: int) -> tuple[list[Any], list[Any]]:
    return list(outs[:n]), list(outs[n:])
