"""Kernels that write a result over an operand.

The one idea: it is right where each element of the operand is read by the very iteration that overwrites it, before it
does, and by no other but in loops that have ended by then. So operand and result become one buffer of the nest, and the
emitter need not know: buffers still never overlap.

That no other iteration writes the element follows from counting: a kernel writes all elements of its results, so if it
stores as often as there are elements, it writes each of them once. How often that is depends on the sizes at hand; the
nest that comes out is generic like all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from weft.ir.loops.arithmetic import INTEGERS, evaluate_index
from weft.ir.loops.nest import Call, If, Index, Load, Loop, Nest, Param, Store, While
from weft.ir.records import replace
from weft.kernels.schedule.index import names_in
from weft.kernels.schedule.schedule import Scheduled

_MOST_TILES = 1 << 20  # of which the sizes are looked at one by one


class _Access(NamedTuple):
    """A load or a store: the body it stands in, where, the loops around, and where in the nest's body all that is."""

    statement: Load | Store
    body: tuple[Any, ...]
    position: int
    loops: tuple[Loop, ...]
    root: int


def in_place(one: Scheduled, operand: int, result: int, size: int) -> Scheduled | None:
    """The kernel without its input buffer number ``operand``, which it finds in its output number ``result``.

    Args:
        one: a kernel, which writes every element of its results itself, with what it is called with.
        operand: counted among the input buffers of its nest.
        result: counted among the output buffers.
        size: the number of elements of that output.

    Returns:
        The same kernel with one buffer less; ``None`` if it would compute something else, or that cannot be seen.
    """
    read = [b for b in one.nest.buffers if b.kind == "in"][operand]
    written = [b for b in one.nest.buffers if b.kind == "out"][result]
    nests = [step.nest for step in one.chain()]
    if read.dtype != written.dtype or any(nest.buffers != one.nest.buffers for nest in nests):
        return None
    if not all(_is_plain(nest.body) for nest in nests):
        return None
    storing = [step for step in one.chain() if _accesses(step.nest, Store, written.name)]
    if len(storing) != 1:
        return None
    (last,) = storing
    stores = _accesses(last.nest, Store, written.name)
    loads = _accesses(last.nest, Load, read.name)
    if not all(_is_in_time(load, stores, last.nest) for load in loads):
        return None
    if any(_accesses(step.nest, Load, read.name) for step in list(last.chain())[1:]):
        return None
    counts = [_iterations(store.loops, last.params) for store in stores]
    if None in counts or not (
        sum(filter(None, counts)) == size or _writes_places(stores, loads, counts, size)
    ):
        return None
    return _without(one, read.name, written.name)


def _without(one: Scheduled, old: str, new: str) -> Scheduled:
    """The nests without the buffer ``old``, reading ``new`` for it."""
    nest = one.nest
    buffers = tuple(b for b in nest.buffers if b.name != old)
    return replace(
        one,
        nest=Nest(nest.n_params, buffers, _renamed(nest.body, old, new)),
        then=None if one.then is None else _without(one.then, old, new),
    )


def _is_in_time(load: _Access, stores: Sequence[_Access], nest: Nest) -> bool:
    """Whether what is loaded has not been overwritten yet, given that every element is stored once."""
    if nest.chunked is None and all(load.root < store.root for store in stores):
        return True
    return any(
        store.body is load.body
        and load.position < store.position
        and load.statement.index == store.statement.index
        for store in stores
    )


def _writes_places(
    stores: Sequence[_Access], loads: Sequence[_Access], counts: Sequence[int | None], size: int
) -> bool:
    """Whether a kernel writes all of a result, and then some places anew, each once (gaps.py).

    Those may be written with what they held, if the first time that was only copied.
    """
    if len(stores) != 2 or counts[0] != size:
        return False
    first, again = stores
    assert isinstance(first.statement, Store)
    copied = (first.statement.value, first.statement.index) in [
        (load.statement.name, load.statement.index) for load in loads if isinstance(load.statement, Load)
    ]
    return copied or all(load.body is not again.body for load in loads)


def _accesses(nest: Nest, kind: type[Load | Store], buffer: str) -> list[_Access]:
    """The loads from a buffer, or the stores to it."""
    found = (a for root, s in enumerate(nest.body) for a in _all_accesses((s,), (), root))
    return [a for a in found if isinstance(a.statement, kind) and a.statement.buffer == buffer]


def _all_accesses(body: tuple[Any, ...], loops: tuple[Loop, ...], root: int) -> Iterator[_Access]:
    for position, statement in enumerate(body):
        if isinstance(statement, Load | Store):
            yield _Access(statement, body, position, loops, root)
        elif isinstance(statement, Loop):
            yield from _all_accesses(statement.body, (*loops, statement), root)


def _is_plain(body: tuple[Any, ...]) -> bool:
    """Whether loops, loads and stores are all that touches memory: no routines, no loops without an extent."""
    return all(
        _is_plain(s.body) if isinstance(s, Loop) else not isinstance(s, Call | While | If) for s in body
    )


def _iterations(loops: Sequence[Loop], params: Sequence[int]) -> int | None:
    """How often what stands in nested loops is run; ``None`` where that takes too long to find out."""
    known: dict[str, np.ndarray] = {}  # the variables that extents depend on, for all their values together
    times = np.ones(1, np.int64)
    for depth, loop in enumerate(loops):
        if not set(names_in(loop.extent)) <= known.keys():  # a value that is computed
            return None
        extent = np.broadcast_to(np.maximum(_value(loop.extent, params, known), 0), times.shape)
        if not any(loop.var in names_in(inner.extent) for inner in loops[depth + 1 :]):
            times = times * extent
            continue
        if extent.sum() > _MOST_TILES:
            return None
        known = {name: np.repeat(values, extent) for name, values in known.items()}
        times = np.repeat(times, extent)
        starts = np.repeat(np.cumsum(extent) - extent, extent)
        known[loop.var] = np.arange(len(starts)) - starts
    return int(times.sum())


def _value(index: Index, params: Sequence[int], known: Mapping[str, np.ndarray]) -> Any:
    def leaf(index: Index) -> Any:
        if isinstance(index, Param):
            return params[index.k]
        return known[index] if isinstance(index, str) else index

    return evaluate_index(index, leaf, _ON_ARRAYS)


_ON_ARRAYS: Mapping[str, Any] = {
    **INTEGERS, "//": np.floor_divide, "%": np.remainder, "min": np.minimum, "max": np.maximum,
}  # fmt: skip


def _renamed(body: tuple[Any, ...], old: str, new: str) -> tuple[Any, ...]:
    """The statements, reading ``new`` for ``old``."""
    return tuple(
        replace(s, body=_renamed(s.body, old, new))
        if isinstance(s, Loop)
        else replace(s, buffer=new)
        if isinstance(s, Load) and s.buffer == old
        else s
        for s in body
    )
