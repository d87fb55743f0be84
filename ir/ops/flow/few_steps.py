"""A `fold_back` of few steps as two loops of machine code.

The one idea: a buffer of fixed size holds the states of a loop of unknown length, as long as it is short and they are small; so
one loop can go forwards and fill it, and another one back.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from weft.ir.builder import build
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops.flow.bodies import rows_of, split
from weft.ir.ops.shape import full
from weft.ir.types import INT64, ArrayType

FEW = 63
"""Steps, at most."""

_SMALL = 2**14  # bytes of a state
_COUNTER = ArrayType((), INT64)
_ZERO, _ONE = np.zeros((), INT64), np.asarray(1, INT64)


def has_small_states(advance: Graph) -> bool:
    """Whether the states of a step may be kept in a buffer that is mostly empty."""
    return sum(t.nbytes for t in advance.out_types) <= _SMALL


@functools.lru_cache(maxsize=512)
def there_and_back(advance: Graph, backward: Graph, n_consts: int, rows: int) -> Graph:
    """``(steps, consts, x, s) -> s`` for up to as many steps as there are rows to keep states in."""
    from weft.ir.ops.flow.while_loop import while_loop
    from weft.ir.ops.index import dynamic_index, dynamic_update_index

    n_x = len(advance.out_types)
    consts_types, x_types, s_types = split(backward.in_types, n_consts, n_x)
    kept_types = [rows_of(t, rows) for t in x_types]

    def ahead(*args: Any) -> list[Any]:
        consts, (i,), x, kept = split(args, n_consts, 1, n_x)
        x = evaluate(advance, *consts, *x)
        return [e.add(i, _ONE), *x, *_set_rows(kept, x, i)]

    def back(*args: Any) -> list[Any]:
        consts, kept, (end,), s = split(args, n_consts, n_x, 1)
        i = e.sub(end, _ONE)
        return [i, *evaluate(backward, *consts, *[dynamic_index(k, i) for k in kept], *s)]

    def _set_rows(kept: Sequence[Any], x: Sequence[Any], i: Any) -> list[Any]:
        return [dynamic_update_index(k, v, i) for k, v in zip(kept, x, strict=True)]

    def fun(n: Any, *args: Any) -> list[Any]:
        consts, x, s = split(args, n_consts, n_x)
        kept = _set_rows([full(t.shape, 0, t.dtype) for t in kept_types], x, _ZERO)
        body = build(ahead, [*consts_types, _COUNTER, *x_types, *kept_types])
        more = build(lambda end, i, *_: [e.lt(i, end)], [_COUNTER, *body.out_types])
        _, *found = while_loop(more, body, [n], consts, [_ONE, *x, *kept])
        body = build(back, [*consts_types, *kept_types, _COUNTER, *s_types])
        rest = build(lambda end, *_: [e.lt(_ZERO, end)], body.out_types)
        return list(while_loop(rest, body, [], [*consts, *found[n_x:]], [n, *s])[1:])

    return build(fun, [_COUNTER, *consts_types, *x_types, *s_types])
