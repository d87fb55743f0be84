"""Branches and loops, on the tape and rolled into kernels: the same results as step by step in Python, and no copies but
the planned ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weft.engine.runtime import blocks
from weft.engine.runtime.program import Program, compile_graph
from weft.ir.builder import build, type_of_value
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops import elementwise as e
from weft.ir.ops.contract import dot_general
from weft.ir.ops.flow import cond, scan, while_loop
from weft.ir.ops.index import dynamic_slice, dynamic_update_slice
from weft.ir.ops.shape import full, pad, reshape, slice_axis
from weft.ir.types import FLOAT64, INT64, ArrayType

V, N = ArrayType((3,), FLOAT64), ArrayType((), INT64)
C = np.array([0.3, 0.7, 1.1])
ONE = np.asarray(1)


@pytest.fixture(autouse=True, params=["on the tape", "rolled"])
def way(request: pytest.FixtureRequest) -> Any:
    """Every loop twice: as instructions, and as one kernel where its steps are small."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "on the tape":
            patch.setattr(blocks, "roll", lambda eqn, bodies: None)
        yield request.param


def check(fun: Callable[..., Any], *args: Any) -> Program:
    """Compile ``fun``, compare with its meaning, twice; inputs stay as they are."""
    args = tuple(map(np.asarray, args))
    graph = build(lambda *v: list(fun(*v)), [type_of_value(a) for a in args])
    wanted = evaluate(graph, *args)
    program = compile_graph.__wrapped__(graph)
    given = [np.array(a) for a in args]
    for _ in range(2):
        for got, want in zip(program.run(given), wanted, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-13)
            assert got.dtype == want.dtype
    for before, after in zip(args, given, strict=True):
        np.testing.assert_array_equal(before, after)
    return program


def instructions(program: Program, name: str) -> int:
    return sum(line.split()[1] == name for line in program.tape.disassemble().split("\n"))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_scan(length: int, reverse: bool) -> None:
    body = build(lambda k, h, x: [e.add(e.mul(h, k), x), e.neg(h), x], [V, V, V])
    rows = np.arange(3.0 * length).reshape(length, 3)
    program = check(lambda c, h, x: scan(body, [c], [h], [x], length=length, reverse=reverse), C, C, rows)
    assert not program.host_calls


BODIES: dict[str, Graph] = {
    "leapfrog": build(lambda a, b: [e.sub(e.mul(a, a), b), a], [V, V]),
    "swap": build(lambda a, b: [b, a], [V, V]),
    "one goes to both": build(lambda a, b: [b, b], [V, V]),
    "unchanged": build(lambda a, b: [a, e.add(a, b)], [V, V]),
    "a new value twice": build(lambda a, b: (lambda c: [c, c])(e.add(a, b)), [V, V]),
    "a literal": build(
        lambda a, b: [e.mul(a, b), np.float64(2.0) * np.ones(())], [V, ArrayType((), FLOAT64)]
    ),
    "turned three": build(lambda a, b, c: [b, c, a], [V, V, V]),
    "turned and new": build(lambda a, b, c, d: [b, c, a, e.add(a, d)], [V, V, V, V]),
    "a chain": build(lambda a, b, c: [e.add(a, c), a, b], [V, V, V]),
    "reshaped": build(lambda a, b: [reshape(reshape(b, (3, 1)), (3,)), e.neg(a)], [V, V]),
}


@pytest.mark.parametrize("length", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("name", BODIES)
def test_carries_that_move(name: str, length: int) -> None:
    body = BODIES[name]
    carry = [np.asarray(C + i)[: t.size].reshape(t.shape) for i, t in enumerate(body.in_types)]
    check(lambda *h: scan(body, [], h, [], length=length), *carry)
    check(lambda *h: scan(body, [], [e.neg(x) for x in h], [], length=length), *carry)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_random_bodies(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    sources = data.draw(st.lists(st.integers(-3, n - 1), min_size=n, max_size=n))
    length = data.draw(st.integers(0, 5))

    def body(*h: Any) -> list[Any]:
        new = e.add(h[0], h[-1])
        made = {-1: new, -2: e.neg(h[n // 2]), -3: new}
        return [made[s] if s < 0 else h[s] for s in sources]

    graph = build(body, [V] * n)
    check(lambda *h: scan(graph, [], h, [], length=length), *[C * (i + 1) for i in range(n)])


@pytest.mark.parametrize("start", [0, 3, 10, 20])
def test_while_loop(start: int) -> None:
    cond_graph = build(lambda i, h: [e.lt(i, np.asarray(10))], [N, V])
    body = build(lambda k, i, h: [e.add(i, ONE), e.mul(h, k)], [V, N, V])
    program = check(
        lambda i, k, h: while_loop(cond_graph, body, [], [k], [i, h]), np.asarray(start), C, C + 1
    )
    assert not program.host_calls


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
@pytest.mark.parametrize("index", [-5, 0, 1, 2, 100, 2**63])
def test_cond(dtype: str, index: int) -> None:
    info = np.iinfo(dtype)
    branches = (
        build(lambda a, b: [a, e.mul(a, b)], [V, V]),
        build(lambda a, b: [b, b], [V, V]),
        build(lambda a, b: [e.sub(a, b), a], [V, V]),
    )
    chosen = np.array(min(max(index, info.min), info.max), dtype)
    check(lambda i, a, b: cond(i, branches, a, b), chosen, C, C + 1)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
def test_branches_in_steps(dtype: str, way: str) -> None:
    branches = (
        build(lambda a, b: [a, e.mul(a, b)], [V, V]),
        build(lambda a, b: [b, b], [V, V]),
        build(lambda a, b: [e.sub(a, b), a], [V, V]),
    )
    body = build(lambda a, b, i: list(cond(i, branches, a, b)), [V, V, ArrayType((), np.dtype(dtype))])
    rows = np.array([2, 0, 100, 1, 1, 127, 0, 2]).astype(dtype)
    if rows.dtype.kind == "i":
        rows[1] = -5
    if dtype == "uint64":
        rows[2] = 2**63
    program = check(lambda a, b, i: scan(body, [], [a, b], [i], length=8), C, C + 1, rows)
    assert instructions(program, "switch") == (way == "on the tape")


def test_more_branches_than_an_index_can_name() -> None:
    branches = [build(lambda a, i=i: [e.add(a, np.asarray(i))], [N]) for i in range(140)]
    body = build(lambda a, i: list(cond(i, branches, a)), [N, ArrayType((), np.dtype(np.int8))])
    check(lambda a, i: scan(body, [], [a], [i], length=3), ONE, np.array([127, -3, 66], np.int8))


def test_branches_in_branches_and_conditions() -> None:
    low = build(lambda a: [e.add(a, ONE)], [N])
    high = build(lambda a: [e.mul(a, a)], [N])
    some = build(lambda a: list(cond(e.rem(a, np.asarray(3)), (low, high), a)), [N])
    body = build(lambda a: list(cond(e.sub(e.rem(a, np.asarray(4)), ONE), (low, some, low), a)), [N])
    limit = build(lambda a: [full((), 1000, np.dtype(np.int64))], [N])
    other = build(lambda a: [e.add(a, a)], [N])
    test = build(lambda a: [e.lt(a, cond(e.rem(a, np.asarray(2)), (limit, other), a)[0])], [N])
    check(lambda a: while_loop(test, body, [], [], [a]), ONE)


def test_a_branch_that_updates_copies_nothing(way: str) -> None:
    """An array that each branch changes where it is, or leaves alone, stays where it is."""
    kept = build(lambda a, i: [a], [V, N])
    changed = build(lambda a, i: [dynamic_update_slice(a, full((1,), 7.0, FLOAT64), [i])], [V, N])
    body = build(lambda a, i: list(cond(i, (kept, changed), a, i)), [V, N])
    program = check(lambda a, i: scan(body, [], [a], [i], length=4), C, np.array([0, 2, 1, 0]))
    if way == "rolled":
        (loop,) = [nest for nest in program.nests if nest.chunked and nest.chunked.kind == "steps"]
        assert [buffer.kind for buffer in loop.buffers].count("scratch") == 0


def _window(x: Any, low: int, high: int) -> Any:
    return slice_axis(x, 0, low, high)


def _updated(x: Any, new: Any, low: int, high: int) -> Any:
    """``x`` with what stands from ``low`` to before ``high`` replaced, as indexed updates write it."""
    ends = ((low,), (x.shape[0] - high,))
    inside = pad(full((high - low,), True, np.dtype(bool)), False, *ends)
    return e.select(inside, pad(new, 0.0, *ends), x)


LONG = 20_000  # beyond what is rolled

STEPS: dict[str, tuple[Callable[[Any, Any], list[Any]], int]] = {
    "pointwise": (lambda a, b: [e.mul(a, b), b], 0),
    "both": (lambda a, b: [e.add(a, b), e.neg(b)], 0),
    "window": (
        lambda a, b: [_updated(a, e.add(_window(a, 1, LONG), _window(b, 0, LONG - 1)), 1, LONG), b],
        0,
    ),
    "window of what was written": (
        lambda a, b: [
            (c := _updated(a, e.add(_window(a, 1, LONG), _window(b, 0, LONG - 1)), 1, LONG)),
            _updated(b, e.sub(_window(b, 0, LONG - 1), _window(c, 1, LONG)), 0, LONG - 1),
        ],
        1,  # one kernel makes both, and reads what it updates a place further
    ),
    "neighbours": (
        lambda a, b: [_updated(a, e.add(_window(a, 0, LONG - 2), _window(a, 2, LONG)), 1, LONG - 1), b],
        1,
    ),
    "window put elsewhere": (lambda a, b: [_updated(a, _window(a, 5, LONG), 0, LONG - 5), b], 1),
    "each of both": (lambda a, b: [e.mul(a, b), e.add(b, a)], 0),
}


@pytest.mark.parametrize("length", [1, 2, 5])
@pytest.mark.parametrize("name", STEPS)
def test_a_carry_is_written_where_it_is(name: str, length: int) -> None:
    step, buffers = STEPS[name]
    wide = ArrayType((LONG,), FLOAT64)
    body = build(step, [wide, wide])
    x, y = np.linspace(-1, 1, LONG), np.cos(np.arange(LONG))
    program = check(lambda a, b: scan(body, [], [a, b], [], length=length), x, y)
    assert program.buffers.temporary_bytes == buffers * x.nbytes


@pytest.mark.parametrize(("size", "rolled"), [(50, True), (4000, False)])
def test_large_carries_that_change_places_are_addresses_on_the_tape(
    size: int, rolled: bool, way: str
) -> None:
    """As one kernel, steps would copy them; small ones are copied in less time than it takes to call kernels."""
    wide = ArrayType((size,), FLOAT64)
    body = build(lambda a, b: [e.add(e.mul(a, np.float64(0.5)), b), a, slice_axis(a, 0, 3, 4)], [wide, wide])
    x, y = np.linspace(-1, 1, size), np.cos(np.arange(size))
    program = check(lambda a, b: scan(body, [], [a, b], [], length=20), x, y)
    assert instructions(program, "steps") == (rolled and way == "rolled")


def test_large_carries_that_are_written_where_they_are_stay_in_one_kernel(way: str) -> None:
    wide = ArrayType((4000,), FLOAT64)
    body = build(lambda a: (lambda new: [new, slice_axis(new, 0, 3, 4)])(e.mul(a, np.float64(0.5))), [wide])
    program = check(lambda a: scan(body, [], [a], [], length=20), np.linspace(-1, 1, 4000))
    assert instructions(program, "steps") == (way == "rolled")


def test_an_update_in_a_loop_copies_nothing_but_the_argument() -> None:
    x = np.arange(12.0).reshape(4, 3)
    body = build(
        lambda i, h: [e.add(i, ONE), dynamic_update_slice(h, full((1, 3), 7.0, FLOAT64), [i, np.asarray(0)])],
        [N, ArrayType((4, 3), FLOAT64)],
    )
    program = check(lambda i, h: scan(body, [], [i, h], [], length=3), np.asarray(0), x)
    lines = [line for line in program.tape.disassemble().split("\n") if " copy " in line]
    assert sum("96 bytes" in line for line in lines) == 1
    inside = check(lambda i, h: scan(body, [], [i, e.add(h, h)], [], length=3), np.asarray(0), x)
    assert "96 bytes" not in inside.tape.disassemble()


def test_what_a_carry_began_as_is_read_where_it_is() -> None:
    wide, zero = ArrayType((4, 3), FLOAT64), np.asarray(0)

    def step(y: Any, i: Any, x: Any) -> list[Any]:
        row = e.mul(dynamic_slice(y, [i, zero], (1, 3)), 2.0)
        return [e.add(i, ONE), dynamic_update_slice(x, row, [i, zero])]

    def loop(h: Any) -> Any:
        y = e.add(h, h)
        return scan(build(step, [wide, N, wide]), [y], [zero, y], [], length=4)

    program = check(loop, np.arange(12.0).reshape(4, 3))
    assert "96 bytes" not in program.tape.disassemble()


def test_loops_in_loops_and_branches() -> None:
    inner = build(lambda k, h: [e.add(h, k)], [V, V])

    def step(i: Any, h: Any) -> list[Any]:
        grown = build(lambda h: list(scan(inner, [h], [h], [], length=3)), [V])
        shrunk = build(lambda h: [e.mul(h, h)], [V])
        return [e.add(i, ONE), *cond(e.rem(i, np.asarray(2)), (grown, shrunk), h)]

    body = build(step, [N, V])
    below = build(lambda i, h: [e.lt(i, np.asarray(5))], [N, V])
    program = check(lambda h: while_loop(below, body, [], [], [np.asarray(0), h]), C)
    assert not program.host_calls


def test_products_in_loops_leave_blas_as_it_was(way: str) -> None:
    from weft.kernels.library.blas import threads_addresses

    dims = (((1,), (0,)), ((), ()))
    body = build(lambda a, h: [dot_general(a, h, dims)], [ArrayType((9, 9), FLOAT64)] * 2)
    a = np.linspace(0, 0.1, 81).reshape(9, 9)
    program = check(lambda a, h: scan(body, [a], [h], [], length=4), a, a)
    if threads_addresses()[0] and way == "on the tape":
        assert instructions(program, "one_thread") == instructions(program, "own_threads") == 1


@pytest.mark.parametrize("steps", [0, 1, 5, 1023, 1024, 5000])
def test_long_loops_run_in_slices(steps: int) -> None:
    body = build(
        lambda i, x: [e.add(i, ONE), e.add(e.mul(x, np.float64(0.999) * np.ones(())), e.cast(i, FLOAT64))],
        [N, ArrayType((), FLOAT64)],
    )
    check(lambda i, x: scan(body, [], [i, x], [], length=steps), np.asarray(0), np.asarray(1.0))
    below = build(lambda n, i, x: [e.lt(i, n)], [N, N, ArrayType((), FLOAT64)])
    check(
        lambda n, i, x: while_loop(below, body, [n], [], [i, x]),
        np.asarray(steps),
        np.asarray(0),
        np.asarray(1.0),
    )


def test_literals_are_operands_like_others() -> None:
    body = build(lambda k, h, x: [e.add(e.mul(h, k), x), h], [ArrayType((), FLOAT64)] * 3)
    two = np.float64(2.0) * np.ones(())
    check(lambda x: scan(body, [two], [two], [x], length=4), np.arange(4.0))


@pytest.mark.skipif(sys.platform == "win32", reason="signals are those of POSIX")
def test_control_c_stops_a_loop_and_leaves_all_well(way: str) -> None:
    script = f"""
import ctypes, signal, threading, time, os
import numpy as np, weft, weft.numpy as wnp
from weft.engine.runtime import blocks
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have it ignored in the background
if {way!r} == "on the tape":
    blocks.roll = lambda eqn, bodies: None
@weft.jit
def forever(x):
    a = wnp.eye(4) * 0.5
    return weft.lax.while_loop(lambda s: s[0] >= 0, lambda s: (s[0] + 1, a @ s[1]), (x, wnp.ones((4, 4))))[0]
small = weft.jit(lambda x: wnp.sin(x) + wnp.sum(wnp.ones((30, 30)) @ wnp.ones((30, 30))))
before = small(1.0)
from weft.kernels.library.blas import threads_addresses
address = threads_addresses()[1]
count = ctypes.CFUNCTYPE(ctypes.c_int)(address) if address else int
threads = count()
weft.jit(forever).lower(0).compile()
late = []
for _ in range(2):
    sent = []
    timer = threading.Timer(0.3, lambda: (sent.append(time.perf_counter()), os.kill(os.getpid(), signal.SIGINT)))
    timer.start()
    try:
        forever(0)
    except KeyboardInterrupt:
        late.append(time.perf_counter() - sent[0])
assert len(late) == 2, late
assert small(1.0) == before
assert threads == count()
print("well", max(late))
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert result.stdout.startswith("well"), result.stderr
