"""Progress bars of loops, which advance inside compiled programs.

The one idea: a loop with a bar is a loop over pieces, each a loop without one. So what a step costs does not change, a piece is
compiled as any loop is (perhaps to one kernel), and Python is called between pieces: after every hundredth of the steps, or,
where their number is not known, each time a sixteenth more are done.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from weft.ir.builder import build
from weft.ir.errors import ArgumentError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops import flow
from weft.ir.ops.bits import shift_right
from weft.ir.ops.callback import debug_callback
from weft.ir.ops.flow.bodies import split
from weft.ir.ops.shape import concatenate, reshape, slice_axis
from weft.ir.records import dataclass
from weft.ir.types import BOOL, INT64, ArrayType

_PIECES = 100
_REDRAW = 0.1  # seconds
_WIDTH = 24
_COUNTER, _FLAG = ArrayType((), INT64), ArrayType((), BOOL)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a user asked for: a description, and the number of steps where it is known (0 where it is not)."""

    desc: str
    total: int = 0


def read_progress(kind: str, progress: Any) -> Progress | None:
    """The argument ``progress`` of a loop: a bool, a description, or a dict of both ``desc`` and ``total``."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return Progress(kind)
    if isinstance(progress, str):
        return Progress(progress)
    if isinstance(progress, dict) and progress.keys() <= {"desc", "total"}:
        return Progress(str(progress.get("desc", kind)), int(progress.get("total") or 0))
    raise ArgumentError(
        f"{kind}: progress is True, a description, or a dict with 'desc' and 'total', got {progress!r}."
    )


# Bars


class _Bar:
    """A line on the standard error that is written again and again; tqdm's where that is installed."""

    def __init__(self, desc: str, total: int) -> None:
        self.desc, self.total, self.done = desc, total, 0
        self.start = self.drawn = time.perf_counter()
        self.tqdm: Any = None
        try:
            from tqdm import tqdm  # type: ignore[import-untyped,import-not-found,unused-ignore]
        except ImportError:
            self.draw()
        else:
            self.tqdm = tqdm(total=total or None, desc=desc, file=sys.stderr)

    def advance(self, done: int) -> None:
        """``done`` steps are done."""
        if done <= self.done:  # of a batch, whose examples are done at different times
            return
        if self.tqdm is not None:
            self.tqdm.update(done - self.done)
        self.done = done
        if self.tqdm is None and time.perf_counter() - self.drawn >= _REDRAW:
            self.draw()

    def close(self) -> None:
        """The loop has ended."""
        if self.tqdm is not None:
            self.tqdm.close()
        else:
            self.draw()
            sys.stderr.write("\n")

    def draw(self) -> None:
        """Write the line."""
        self.drawn = time.perf_counter()
        spent = self.drawn - self.start
        rate = f"{self.done / spent:.4g} steps/s" if spent > 0 else ""
        if self.total:
            part = min(self.done / self.total, 1.0)
            bar = ("#" * round(part * _WIDTH)).ljust(_WIDTH, ".")
            text = f"{self.desc}: {part:4.0%} [{bar}] {self.done}/{self.total}, {_clock(spent)}, {rate}"
        else:
            text = f"{self.desc}: {self.done} steps, {_clock(spent)}, {rate}"
        sys.stderr.write(f"\r{text:<79}")
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02}:{int(seconds) % 60:02}"


class _Open(threading.local):
    """The bars that a thread shows."""

    def __init__(self) -> None:
        self.bars: dict[Progress, _Bar] = {}


_open = _Open()


@dataclass(frozen=True, slots=True)
class _Signal:
    """What a program calls: "start" with the number of steps, "advance" and "end" with how many are done."""

    kind: str
    bar: Progress

    def __call__(self, number: np.ndarray) -> tuple[()]:
        n = int(number)
        if self.kind == "start":
            _open.bars[self.bar] = _Bar(self.bar.desc, self.bar.total or n)
        elif (bar := _open.bars.get(self.bar)) is not None:
            bar.advance(n)
            if self.kind == "end":
                del _open.bars[self.bar]
                bar.close()
        return ()


def _signal(kind: str, bar: Progress, number: Any) -> None:
    debug_callback(_Signal(kind, bar), e.cast(number, np.dtype(INT64)))


# Loops in Python


def steps(bar: Progress | None, each: Iterable[Any], total: int = 0) -> Iterator[Any]:
    """``each`` as a Python loop goes through them, with a bar."""
    if bar is None:
        yield from each
        return
    done, line = 0, _Bar(bar.desc, bar.total or total)
    try:
        for done, step in enumerate(each):
            line.advance(done)
            yield step
        done += total > 0 or done > 0
        line.advance(done)
    finally:
        line.close()


# Loops in graphs


def scan(
    bar: Progress | None,
    body: Graph,
    consts: Sequence[Any],
    carry: Sequence[Any],
    xs: Sequence[Any],
    *,
    length: int,
    reverse: bool = False,
) -> tuple[Any, ...]:
    """`flow.scan`, with a bar if there is one."""
    if bar is None or not length:
        return flow.scan(body, consts, carry, xs, length=length, reverse=reverse)
    size = _piece(length)
    pieces = length // size
    whole, n_consts, n_carry = pieces * size, len(consts), len(carry)
    # The steps that are left over come last: with the first rows, where the last come first.
    first = length - whole if reverse else 0
    rest = 0 if reverse else whole

    def rows(x: Any, start: int, count: int) -> Any:
        return x if count == length else slice_axis(x, 0, start, start + count)

    def piece(*args: Any) -> list[Any]:
        fixed, (done,), now, parts = split(args, n_consts, 1, n_carry)
        if size == 1:
            outs = evaluate(body, *fixed, *now, *[reshape(x, x.shape[1:]) for x in parts])
            ys = [reshape(y, (1, *y.shape)) for y in outs[n_carry:]]
        else:
            outs = list(flow.scan(body, fixed, now, parts, length=size, reverse=reverse))
            ys = outs[n_carry:]
        done = e.add(done, np.asarray(size, INT64))
        _signal("advance", bar, done)
        return [done, *outs[:n_carry], *ys]

    in_pieces = [reshape(rows(x, first, whole), (pieces, size, *x.shape[1:])) for x in xs]
    fixed, now, parts = split(body.in_types, n_consts, n_carry)
    graph = build(piece, [*fixed, _COUNTER, *now, *[t.with_shape((size, *t.shape)) for t in parts]])
    _signal("start", bar, np.asarray(length, INT64))
    start = [np.zeros((), INT64), *carry]
    done, *outs = flow.scan(graph, consts, start, in_pieces, length=pieces, reverse=reverse)
    last, ys = outs[:n_carry], [reshape(y, (whole, *y.shape[2:])) for y in outs[n_carry:]]
    if whole < length:
        left = [rows(x, rest, length - whole) for x in xs]
        outs = list(flow.scan(body, consts, last, left, length=length - whole, reverse=reverse))
        last = outs[:n_carry]
        pairs = zip(ys, outs[n_carry:], strict=True)
        ys = [concatenate([b, a] if reverse else [a, b], 0) for a, b in pairs]
        done = e.add(done, np.asarray(length - whole, INT64))
    _signal("end", bar, done)
    return (*last, *ys)


def _piece(length: int) -> int:
    """How many steps a piece has: about a hundredth of all, and so that nothing is left over where that is possible."""
    near = [length // n for n in range(_PIECES // 2, 2 * _PIECES) if length % n == 0]
    return min(near, key=lambda size: abs(length // size - _PIECES), default=max(1, length // _PIECES))


def while_loop(
    bar: Progress | None,
    cond: Graph,
    body: Graph,
    cond_consts: Sequence[Any],
    body_consts: Sequence[Any],
    carry: Sequence[Any],
    checkpoints: int | None = None,
    total: Any = 0,
) -> tuple[Any, ...]:
    """`flow.while_loop`, with a bar if there is one; ``total`` is the number of steps where a value says it."""
    if bar is None:
        return flow.while_loop(cond, body, cond_consts, body_consts, carry, checkpoints)
    n_cond, n_body = len(cond_consts), len(body_consts)
    consts = [*cond_consts, *body_consts]

    def step(*args: Any) -> list[Any]:
        asked, fixed, (_, _, done), now = split(args, n_cond, n_body, 3)
        now = evaluate(body, *fixed, *now)
        return [args[n_cond + n_body], *evaluate(cond, *asked, *now), e.add(done, np.asarray(1, INT64)), *now]

    const_types = [*cond.in_types[:n_cond], *body.in_types[:n_body]]
    inner_types = [_COUNTER, _FLAG, _COUNTER, *body.out_types]
    inner = build(step, [*const_types, *inner_types])
    inner_cond = build(lambda limit, go_on, done, *_: [e.and_(go_on, e.lt(done, limit))], inner_types)

    def piece(*args: Any) -> list[Any]:
        fixed, (go_on, done), now = split(args, n_cond + n_body, 2)
        more = e.maximum(shift_right(done, np.asarray(4, INT64)), np.asarray(1, INT64))
        start = [e.add(done, more), go_on, done, *now]
        _, go_on, done, *now = flow.while_loop(inner_cond, inner, [], fixed, start, checkpoints)
        _signal("advance", bar, done)
        return [go_on, done, *now]

    outer_types = [_FLAG, _COUNTER, *body.out_types]
    outer = build(piece, [*const_types, *outer_types])
    _signal("start", bar, np.asarray(total) if isinstance(total, int) else total)
    first = [*evaluate(cond, *cond_consts, *carry), np.zeros((), INT64), *carry]
    going = build(lambda go_on, *_: [go_on], outer_types)
    _, done, *now = flow.while_loop(going, outer, [], consts, first, checkpoints)
    _signal("end", bar, done)
    return tuple(now)
