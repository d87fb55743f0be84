"""Loops: `scan`, `while_loop`, `fori_loop`.

Where nothing is traced they are Python loops. Inside a traced function each is one equation, so that neither tracing nor
compiling takes longer for more steps. All have derivatives in both modes; those of `while_loop` and of `fori_loop` with traced
bounds run the loop once more, and keep what ``checkpoints`` allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from weft.engine import progress as shown
from weft.engine import tree
from weft.engine.array import to_value, wrap, wrap_value
from weft.engine.dispatch import common_dtype, is_weak
from weft.engine.progress import Progress, read_progress
from weft.engine.transforms.flow import (
    Body,
    EagerCarry,
    Leaves,
    check_carry,
    describe,
    fit_body,
    fits_carry,
    is_staged,
    read_leaves,
    settle_carry,
    structure,
    trace_body,
    tried_types,
)
from weft.ir.builder import Value, build, type_of_value
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.types import BOOL, INT64, ArrayType, is_integer
from weft.lax import unrolling
from weft.lax.arguments import whole_number

_NOTHING = Leaves([], tree.structure(()), [], [])


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    _split_transpose: bool = False,
    *,
    progress: bool | str | dict[str, Any] | None = None,
) -> tuple[Any, Any]:
    """Apply a function to the rows of arrays in turn, handing a carry from step to step.

    Means ``for x in xs: carry, y = f(carry, x)``, with all ``y`` stacked.

    Args:
        f: ``f(carry, x) -> (carry, y)``; the carry keeps its structure, shapes and dtypes.
        init: the first carry, a tree of arrays.
        xs: a tree of arrays of one length, whose rows ``f`` gets; ``None`` where there is nothing to scan over.
        length: the number of steps, needed where ``xs`` has no arrays.
        reverse: begin with the last row; results are in the order of the rows.
        unroll: steps that a compiled loop does in a turn, all of them if ``True``. It pays where steps are elementwise
            operations on large arrays, which then are read and written once a turn. A loop of small steps is one kernel in any
            case: it compiles longer, and may be slower. Without effect with ``progress``.
        _split_transpose: for programs written for JAX, without effect: what the backward pass computes outside of its loop is
            decided by what that saves.
        progress: show a bar that advances, in compiled programs too: True, a description, or a dict with ``desc`` and ``total``
            (of a loop whose number of steps is not known). It goes to the standard error, by tqdm where that is installed.

    Returns:
        The last carry, and the tree of the stacked ``y``.

    Raises:
        ArgumentError: ``f`` returns no pair, or changes the carry's structure, shapes or dtypes.
        ShapeError: lengths differ.
    """
    unroll = _read_unroll("scan", unroll)
    bar = read_progress("scan", progress)
    carry, rows = read_leaves(init, "carry"), read_leaves(xs, "xs")
    n = row_count("scan", rows, length)
    row_types = [t.with_shape(t.shape[1:]) for t in rows.types]
    if is_staged(carry.values, rows.values):
        return _staged_scan(f, carry, rows, row_types, n, reverse, bar, unroll)
    return _eager_scan(f, carry, rows, row_types, n, reverse, bar)


def _read_unroll(kind: str, unroll: int | bool | None) -> int | bool:
    """How many steps a turn does: ``True`` for all."""
    if isinstance(unroll, bool):
        return unroll or 1
    return whole_number(kind, "unroll is the number of steps in a row", 1 if unroll is None else unroll, 1)


def row_count(kind: str, rows: Leaves, length: int | None) -> int:
    """How many rows all arrays have, or how many ``length`` says."""
    lengths: dict[int, str] = {}
    if length is not None:
        given = whole_number(kind, "length is the number of steps", length, 0)
        lengths[given] = f"length={given}"
    for name, t in zip(rows.names, rows.types, strict=True):
        if not t.shape:
            raise ShapeError(f"{kind}: {name} is a scalar {t}, it has no rows to {kind} over.")
        lengths.setdefault(t.shape[0], f"{name} {t} has {t.shape[0]} rows")
    if len(lengths) > 1:
        raise ShapeError(f"{kind}: all must have the same length, but {'; '.join(lengths.values())}.")
    if not lengths:
        raise ArgumentError(f"{kind}: xs has no arrays that say how many steps there are; pass length.")
    return next(iter(lengths))


def _pair_trees(f: Callable[..., Any], out_tree: tree.TreeDef) -> tuple[tree.TreeDef, tree.TreeDef]:
    """The structures of the carry and of y in what the body of a scan returned."""
    parts, kind = out_tree.children(), out_tree.type
    if kind is None or not issubclass(kind, tuple | list) or len(parts) != 2:
        raise ArgumentError(
            f"scan: {describe(f)} must return a pair (carry, y), but returned {structure(out_tree)}."
        )
    return parts[0], parts[1]


def _staged_scan(
    f: Callable[..., Any],
    carry: Leaves,
    rows: Leaves,
    row_types: list[ArrayType],
    n: int,
    reverse: bool,
    bar: Progress | None,
    unroll: int | bool,
) -> tuple[Any, Any]:
    args = (tree.unflatten(carry.tree, carry.values), tree.unflatten(rows.tree, rows.values))

    def traced(values: list[Any], weak: list[bool]) -> Body:
        types = [*map(type_of_value, values), *row_types]
        return trace_body(f, args, types, [*weak, *[False] * len(row_types)], "scan")

    def attempt(values: list[Any], weak: list[bool]) -> tuple[list[ArrayType], list[bool]]:
        body = traced(values, weak)
        n_carry = _pair_trees(f, body.out_tree)[0].num_leaves
        return list(body.graph.out_types[:n_carry]), body.weak[:n_carry]

    carry = settle_carry(carry, rows, attempt)
    body = fit_body(traced(carry.values, carry.weak), carry.types)
    carry_tree, y_tree = _pair_trees(f, body.out_tree)
    check_carry("scan", f, carry, carry_tree, body.graph.out_types[: carry_tree.num_leaves])
    graph = body.consts_first()
    outs = unrolling.scan(
        bar, graph, body.captured, carry.values, rows.values, length=n, reverse=bool(reverse), unroll=unroll
    )
    wrapped = [wrap_value(x) for x in outs]
    n_carry = carry.tree.num_leaves
    return tree.unflatten(carry.tree, wrapped[:n_carry]), tree.unflatten(y_tree, wrapped[n_carry:])


def _eager_scan(
    f: Callable[..., Any],
    carry: Leaves,
    rows: Leaves,
    row_types: list[ArrayType],
    n: int,
    reverse: bool,
    bar: Progress | None,
) -> tuple[Any, Any]:
    if n == 0:  # what y would be is found by tracing
        return _staged_scan(f, carry, rows, row_types, n, reverse, bar, 1)

    def row(i: int) -> Any:
        return tree.unflatten(rows.tree, [wrap(x[i]) for x in rows.values])

    first = n - 1 if reverse else 0
    args = (tree.unflatten(carry.tree, carry.values), row(first))

    def attempt(values: list[Any], weak: list[bool]) -> tuple[list[ArrayType], list[bool]]:
        known = [*values, *[np.asarray(x[first]) for x in rows.values]]
        types, out_weak, out_tree = tried_types(f, args, known, [*weak, *[False] * len(row_types)], "scan")
        n_carry = _pair_trees(f, out_tree)[0].num_leaves
        return types[:n_carry], out_weak[:n_carry]

    state = EagerCarry("scan", f, settle_carry(carry, rows, attempt))
    stacked = _Stack(f, n)
    for i in shown.steps(bar, range(n - 1, -1, -1) if reverse else range(n), n):
        out = f(state.value, row(i))
        if not isinstance(out, tuple | list) or len(out) != 2:
            _pair_trees(f, tree.structure(out))
        state.update(out[0])
        stacked.put(i, out[1])
    return state.value, stacked.result()


class _Stack:
    """The results of the steps of a Python loop, stacked as they come."""

    def __init__(self, f: Callable[..., Any], n: int):
        self.f, self.n = f, n
        self.tree: tree.TreeDef | None = None
        self.arrays: list[np.ndarray] = []

    def put(self, i: int, y: Any) -> None:
        """Take the result of step ``i``."""
        leaves, treedef = tree.flatten(y)
        data = [to_value(leaf, "y") for leaf in leaves]
        if self.tree is None:
            self.tree = treedef
            self.arrays = [np.empty((self.n, *x.shape), x.dtype) for x in data]
        if treedef != self.tree:
            raise ArgumentError(
                f"scan: {describe(self.f)} returned a y of structure {structure(self.tree)}, "
                f"and {structure(treedef)} at step {i}."
            )
        for stacked, x in zip(self.arrays, data, strict=True):
            if stacked.shape[1:] != x.shape or stacked.dtype != x.dtype:
                before = ArrayType(stacked.shape[1:], stacked.dtype)
                raise ShapeError(
                    f"scan: {describe(self.f)} returned a y of {before}, and of {type_of_value(x)} at step {i}. "
                    f"All steps must return the same type, so that they can be stacked."
                )
            stacked[i] = x

    def result(self) -> Any:
        """The tree of stacked results."""
        assert self.tree is not None
        return tree.unflatten(self.tree, map(wrap, self.arrays))


def while_loop(
    cond_fun: Callable[[Any], Any],
    body_fun: Callable[[Any], Any],
    init_val: Any,
    *,
    checkpoints: int | None = None,
    progress: bool | str | dict[str, Any] | None = None,
) -> Any:
    """Repeat a function while a condition holds: ``while cond_fun(val): val = body_fun(val)``.

    It has derivatives in both modes, though how often it runs is not known beforehand: the backward pass runs the loop once
    more, keeping its carries, and goes back over them.

    Args:
        cond_fun: gives a bool scalar.
        body_fun: gives a tree of the structure, shapes and dtypes that it gets.
        init_val: the first value, a tree of arrays.
        checkpoints: how many carries the backward pass may keep at a time; the others it computes again. With k of them every
            step is repeated at most r times while there are no more than ``binomial(k + r, r)``. ``None`` keeps all: memory
            grows with the iterations done.
        progress: show a bar that advances, in compiled programs too: True, a description, or a dict with ``desc`` and ``total``
            (of a loop whose number of steps is not known). It goes to the standard error, by tqdm where that is installed.

    Returns:
        The value for which the condition first fails.

    Raises:
        ArgumentError: the condition is no bool scalar, or the body changes structure, shapes or dtypes.
    """
    _check_checkpoints("while_loop", checkpoints)
    bar = read_progress("while_loop", progress)
    carry = read_leaves(init_val, "carry")
    if is_staged(carry.values):
        return _staged_while(cond_fun, body_fun, carry, checkpoints, bar)

    args = (tree.unflatten(carry.tree, carry.values),)

    def attempt(values: list[Any], weak: list[bool]) -> tuple[list[ArrayType], list[bool]]:
        return tried_types(body_fun, args, values, weak, "while_loop")[:2]

    if any(carry.weak) and not _truth(cond_fun, cond_fun(carry.rebuilt(carry.values))):
        return _staged_while(cond_fun, body_fun, carry, checkpoints, bar)
    state = EagerCarry("while_loop", body_fun, settle_carry(carry, _NOTHING, attempt))
    going = iter(lambda: _truth(cond_fun, cond_fun(state.value)), False)
    for _ in shown.steps(bar, going):
        state.update(body_fun(state.value))
    return state.value


def _check_checkpoints(kind: str, checkpoints: int | None) -> None:
    if checkpoints is not None:
        whole_number(kind, "checkpoints is the number of carries to keep", checkpoints, 1)


def _truth(cond_fun: Callable[..., Any], result: Any) -> bool:
    if result is True or result is False:
        return result
    leaves, treedef = tree.flatten(result)
    values = [to_value(x, "the condition") for x in leaves]
    _check_condition(cond_fun, treedef, [type_of_value(v) for v in values])
    return bool(values[0])


def _check_condition(cond_fun: Callable[..., Any], out_tree: tree.TreeDef, types: Any) -> None:
    if not out_tree.is_leaf() or types[0] != ArrayType((), BOOL):
        found = ", ".join(map(str, types)) if out_tree.is_leaf() else structure(out_tree)
        raise ArgumentError(
            f"while_loop: {describe(cond_fun)} must return one bool, but returned {found}. "
            f"Compare (x > 0), or reduce with weft.numpy.any or weft.numpy.all."
        )


def _staged_while(
    cond_fun: Callable[..., Any],
    body_fun: Callable[..., Any],
    carry: Leaves,
    checkpoints: int | None,
    bar: Progress | None,
) -> Any:
    args = (tree.unflatten(carry.tree, carry.values),)

    def traced(values: list[Any], weak: list[bool]) -> Body:
        return trace_body(body_fun, args, list(map(type_of_value, values)), weak, "while_loop")

    def attempt(values: list[Any], weak: list[bool]) -> tuple[list[ArrayType], list[bool]]:
        body = traced(values, weak)
        return list(body.graph.out_types), body.weak

    carry = settle_carry(carry, _NOTHING, attempt)
    body = fit_body(traced(carry.values, carry.weak), carry.types)
    check_carry("while_loop", body_fun, carry, body.out_tree, body.graph.out_types)
    cond = trace_body(cond_fun, args, carry.types, carry.weak, "while_loop")
    _check_condition(cond_fun, cond.out_tree, cond.graph.out_types)
    outs = shown.while_loop(
        bar, cond.consts_first(), body.consts_first(), cond.captured, body.captured, carry.values, checkpoints
    )
    return carry.rebuilt(outs)


def fori_loop(
    lower: Any,
    upper: Any,
    body_fun: Callable[[Any, Any], Any],
    init_val: Any,
    *,
    unroll: int | bool | None = None,
    checkpoints: int | None = None,
    progress: bool | str | dict[str, Any] | None = None,
) -> Any:
    """Repeat a function for a range of integers: ``for i in range(lower, upper): val = body_fun(i, val)``.

    Args:
        lower: the first integer; it may be traced.
        upper: where to stop; it may be traced.
        body_fun: ``body_fun(i, val) -> val``, of the structure, shapes and dtypes that it gets. ``i`` is an integer array of
            the bounds' dtype. Where these are known, it is an int64 that gives way to other arrays as a Python integer does.
        init_val: the first value, a tree of arrays.
        unroll: as of `scan`, for bounds that are known.
        checkpoints: for traced bounds, as of `while_loop`.
        progress: show a bar that advances, in compiled programs too: True, a description, or a dict with ``desc`` and ``total``
            (of a loop whose number of steps is not known). It goes to the standard error, by tqdm where that is installed.

    Returns:
        The last value.

    Raises:
        ArgumentError: a bound is no integer, or the body changes structure, shapes or dtypes.
    """
    bounds = [to_value(x, f"fori_loop: {n}") for x, n in ((lower, "lower"), (upper, "upper"))]
    for bound, name in zip(bounds, ("lower", "upper"), strict=True):
        if not is_integer(bound.dtype) or bound.shape != ():
            raise ArgumentError(f"fori_loop: {name} must be one integer, got {type_of_value(bound)}.")
    numbers = [int(b) for b in bounds if not isinstance(b, Value)]
    known = len(numbers) == 2
    weak = known or (is_weak(lower) and is_weak(upper))
    dtype = np.dtype(np.int64) if known else common_dtype(lower, upper)
    if known and max(numbers) > np.iinfo(dtype).max:
        weak, dtype = False, np.dtype(np.uint64)
    elif not is_integer(dtype) or not all(np.iinfo(dtype).min <= b <= np.iinfo(dtype).max for b in numbers):
        dtype = np.dtype(np.int64)  # of uint64 and int64, or of uint8 and -1
    start, stop = (e.cast(b, dtype) for b in bounds)
    unroll = _read_unroll("fori_loop", unroll)
    _check_checkpoints("fori_loop", checkpoints)
    bar = read_progress("fori_loop", progress)
    carry = read_leaves(init_val, "carry")
    if known and not is_staged(carry.values):
        return _eager_fori(start, stop, weak, body_fun, carry, bar)
    return _staged_fori(start, stop, weak, body_fun, carry, known, checkpoints, bar, unroll)


def _eager_fori(
    start: Any,
    stop: Any,
    weak_counter: bool,
    body_fun: Callable[..., Any],
    carry: Leaves,
    bar: Progress | None,
) -> Any:
    steps = range(int(start), int(stop))
    dtype = start.dtype
    args = (start, tree.unflatten(carry.tree, carry.values))

    def attempt(values: list[Any], weak: list[bool]) -> tuple[list[ArrayType], list[bool]]:
        return tried_types(body_fun, args, [start, *values], [weak_counter, *weak], "fori_loop")[:2]

    if not steps:  # what dtypes scalars would get is found by tracing
        return _staged_fori(start, stop, weak_counter, body_fun, carry, True, None, bar, 1)
    settled = settle_carry(carry, _NOTHING, attempt)

    def fits() -> (
        bool
    ):  # with a number of the step that gives way, which in Python's loop is an array as any other
        return weak_counter and fits_carry(*attempt(settled.values, settled.weak), settled.types)

    state = EagerCarry("fori_loop", body_fun, settled, fits)
    for i in shown.steps(bar, steps, len(steps)):
        state.update(body_fun(wrap(np.asarray(i, dtype)), state.value))
    return state.value


def _staged_fori(
    start: Any,
    stop: Any,
    weak_counter: bool,
    body_fun: Callable[..., Any],
    carry: Leaves,
    known: bool,
    checkpoints: int | None,
    bar: Progress | None,
    unroll: int | bool,
) -> Any:
    args = (start, tree.unflatten(carry.tree, carry.values))
    counter = type_of_value(start)

    def traced(values: list[Any], weak: list[bool]) -> Body:
        types = [counter, *map(type_of_value, values)]
        return trace_body(body_fun, args, types, [weak_counter, *weak], "fori_loop")

    def attempt(values: list[Any], weak: list[bool]) -> tuple[list[ArrayType], list[bool]]:
        body = traced(values, weak)
        return list(body.graph.out_types), body.weak

    carry = settle_carry(carry, _NOTHING, attempt)
    body = fit_body(traced(carry.values, carry.weak), carry.types)
    check_carry("fori_loop", body_fun, carry, body.out_tree, body.graph.out_types)
    graph, n = body.consts_first(), len(body.captured)
    one = np.asarray(1, counter.dtype)

    def step(*args: Any) -> list[Any]:
        return [e.add(args[n], one), *evaluate(graph, *args)]

    counted = build(step, graph.in_types)
    first = [start, *carry.values]
    if known:
        length = max(0, int(stop) - int(start))
        outs = unrolling.scan(bar, counted, body.captured, first, [], length=length, unroll=unroll)
    else:
        below = build(lambda stop, i, *_: [e.lt(i, stop)], [counter, *counted.out_types])
        total = 0 if bar is None else e.sub(e.cast(stop, INT64), e.cast(start, INT64))
        outs = shown.while_loop(bar, below, counted, [stop], body.captured, first, checkpoints, total)
    return carry.rebuilt(outs[1:])
