"""Loops that are cut where a comparison changes: they do what they did, and outside of a mask nothing."""

from __future__ import annotations

import ctypes
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nest_parts import BOOL, F64, I64, Case, M, N, buffers, clamp, const
from tests.nests import CASES
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    IndexOp,
    IndexValue,
    Load,
    Loop,
    Nest,
    Op,
    Store,
)
from weft.ir.loops.verify import verify_nest
from weft.kernels.backend import compile_nests
from weft.kernels.cpu.split import split

FLIPPED = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}
LIMITS = st.one_of(st.integers(-3, 12), st.sampled_from([-(2**63), 2**63 - 1, -(2**62), 2**62]))


def masked(op: str, flipped: bool = False, both: str = "", also: str = "lt") -> Nest:
    """Takes ``x * s`` from ``out`` where a comparison of the index with ``k`` (and with ``l``) holds, and sums that up."""
    compared = ("k", "i") if flipped else ("i", "k")
    flags = [IndexValue("i", I64, "j"), Op("a", BOOL, FLIPPED[op] if flipped else op, compared)]
    if both:
        flags += [Op("b", BOOL, also, ("i", "l")), Op("c", BOOL, both, ("a", "b"))]
    inner = (
        *flags,
        Load("x0", F64, "x", "j"),
        Load("y0", F64, "out", "j"),
        Op("m", F64, "mul", ("x0", "s")),
        Op("chosen", F64, "select", ("c" if both else "a", "m", "zero")),
        Op("y1", F64, "sub", ("y0", "chosen")),
        Store("out", "j", "y1"),
        Accumulate("total", "chosen"),
    )
    loop = Loop("j", N, "vector", inner, (Accumulator("total", F64, "add", "zero"),))
    limits = (Load("k", I64, "limits", 0), Load("l", I64, "limits", 1), Load("s", F64, "x", 0))
    steps = Loop("t", 1, "steps", (*limits, loop, Store("sum", 0, "total")))
    given = (("x", F64, "in"), ("limits", I64, "in"), ("out", F64, "out"), ("sum", F64, "out"))
    return Nest(1, buffers(*given), (const("zero", F64, 0), steps))


def in_chunks(op: str, clamped: bool = False) -> Nest:
    """Divides ``x[j]``, or what stands before ``x[k]``, by ``s`` where a comparison holds, in chunks."""
    place = clamp(IndexOp("-", "k", "j"), N) if clamped else "j"
    inner = (
        IndexValue("i", I64, "j"),
        Op("a", BOOL, op, ("i", "k")),
        Load("x0", F64, "x", place),
        Op("m", F64, "div", ("x0", "s")),
        Op("chosen", F64, "select", ("a", "m", "zero")),
        Store("out", "j", "chosen"),
    )
    given = (("x", F64, "in"), ("limits", I64, "in"), ("out", F64, "out"))
    before = (Load("k", I64, "limits", 0), Load("s", F64, "x", 0), const("zero", F64, 0))
    return Nest(1, buffers(*given), (*before, Loop("j", N, "parallel", inner)))


def machine(nest: Nest, params: list[int], arrays: list[np.ndarray], ends: tuple[int, ...] = (0, 1)) -> None:
    (kernel,) = compile_nests([nest])
    table = (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))
    signature = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
    for begin, end in pairwise(ends):
        signature(kernel.address)((ctypes.c_int64 * len(params))(*params), table, begin, end)


def check(nest: Nest, n: int, given: list[np.ndarray], results: int) -> None:
    """The nest, the nest cut, and machine code leave the same."""
    cut = split(nest)
    verify_nest(cut)
    found = []
    for run in (
        lambda arrays: run_nest(nest, [n], arrays),
        lambda arrays: run_nest(cut, [n], arrays),
        lambda arrays: machine(nest, [n], arrays),
    ):
        arrays = [*given, *(np.full(n, 3.0) for _ in range(results - 1)), np.full(1, 7.0)]
        run(arrays)
        found.append(arrays[len(given) :])
    for other in found[1:]:
        for a, b in zip(found[0][:-1], other[:-1], strict=True):
            np.testing.assert_array_equal(a.view(np.int64), b.view(np.int64))
        np.testing.assert_allclose(found[0][-1], other[-1], rtol=1e-14)


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(FLIPPED)),
    st.booleans(),
    st.sampled_from(["", "and", "or"]),
    st.sampled_from(sorted(FLIPPED)),
    st.tuples(LIMITS, LIMITS),
    st.sampled_from([1.0, -1.0, np.nan, np.inf]),
    st.integers(1, 9),
)
def test_parts_do_what_the_loop_did(
    op: str, flipped: bool, both: str, also: str, limits: tuple[int, int], odd: float, n: int
) -> None:
    x = np.linspace(1.0, 2.0, n)
    x[n // 2] = odd
    x[0] = 1.5
    check(masked(op, flipped, both, also), n, [x, np.array(limits)], 2)


@settings(max_examples=150)
@given(
    st.sampled_from(sorted(FLIPPED)),
    st.booleans(),
    LIMITS,
    st.integers(1, 40),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_chunks_do_what_the_whole_does(op: str, clamped: bool, k: int, n: int, ends: list[int]) -> None:
    nest, k = in_chunks(op, clamped), max(min(k, 2**40), -(2**40)) if clamped else k
    given = [np.linspace(1.5, 3.0, n), np.array([k])]
    wanted, found = np.full(n, 7.0), np.full(n, 7.0)
    run_nest(nest, [n], [*given, wanted])
    machine(nest, [n], [*given, found], (0, *sorted(min(end, n) for end in ends), n))
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("op", FLIPPED)
def test_a_chunk_is_cut_where_its_ends_have_names(op: str) -> None:
    assert split(in_chunks(op)) == in_chunks(op)
    *_, one, other = split(in_chunks(op), ("begin", "end")).body
    assert sorted(len(loop.body) for loop in (one, other)) == [1, 3]


def loops(nest: Nest) -> list[Loop]:
    (steps,) = (s for s in nest.body if isinstance(s, Loop))
    return [s for s in steps.body if isinstance(s, Loop)]


@pytest.mark.parametrize("op", FLIPPED)
def test_outside_of_a_mask_nothing_is_left(op: str) -> None:
    (loop,) = loops(split(masked(op)))
    assert not any(isinstance(s, Op) and (s.dtype == BOOL or s.op == "select") for s in loop.body)
    assert len(loop.body) == 6


def test_of_two_masks_the_part_where_both_hold_is_left() -> None:
    (loop,) = loops(split(masked("gt", both="and", also="le")))
    assert len(loop.body) == 6


def places(shift: str, wrap: bool, folded: bool) -> Nest:
    """Reads ``x`` at ``(k - i) % n``, or ``k + i``, clamped; a sum or a copy."""
    inner: tuple[Any, ...] = (
        IndexValue("i", I64, "j"),
        Op("at", I64, shift, ("k", "i")),
        *([Op("turned", I64, "mod", ("at", "size"))] if wrap else []),
        Load("v", F64, "x", clamp("turned" if wrap else "at", N)),
        Store("out", "j", "v"),
        *([Accumulate("total", "v")] if folded else []),
    )
    carries = (Accumulator("total", F64, "add", "zero"),) if folded else ()
    loop = Loop("j", N, "vector", inner, carries)
    before = (Load("k", I64, "limits", 0), IndexValue("size", I64, N))
    steps = Loop("t", 1, "steps", (*before, loop, Store("sum", 0, "total" if folded else "zero")))
    given = (("x", F64, "in"), ("limits", I64, "in"), ("out", F64, "out"), ("sum", F64, "out"))
    return Nest(1, buffers(*given), (const("zero", F64, 0), steps))


@settings(max_examples=100)
@given(st.sampled_from(["add", "sub"]), st.booleans(), st.booleans(), LIMITS, st.integers(1, 9))
def test_places_are_what_they_were(shift: str, wrap: bool, folded: bool, k: int, n: int) -> None:
    if abs(k) > 2**62:  # what overflows wraps in machine code, but not in Python
        arrays = [np.arange(1.0, n + 1), np.array([k]), np.zeros(n), np.zeros(1)]
        machine(places(shift, wrap, folded), [n], arrays)
        with np.errstate(over="ignore"):
            at = np.array(k) + np.arange(n) * (1 if shift == "add" else -1)
        wanted = arrays[0][np.clip(at % n if wrap else at, 0, n - 1)]
        np.testing.assert_array_equal(arrays[2], wanted)
        return
    check(places(shift, wrap, folded), n, [np.arange(1.0, n + 1), np.array([k])], 2)


@pytest.mark.parametrize("wrap", [True, False])
def test_in_the_middle_a_place_is_neither_divided_nor_clamped(wrap: bool) -> None:
    before, within, behind = loops(split(places("sub", wrap, folded=True)))
    assert (before.kind, within.kind, behind.kind) == ("sequential", "vector", "sequential")
    assert [type(s) for s in within.body] == [Load, Store, Accumulate]
    assert not any(isinstance(s, Op) and s.op == "mod" for s in within.body)
    place = within.body[0].index
    assert isinstance(place, IndexOp) and place.op == "-"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_else_stays(case: Case) -> None:
    nest = split(case.nest)
    verify_nest(nest)
    if nest is not case.nest:
        found, wanted = case.arrays(5, 4), case.arrays(5, 4)
        run_nest(nest, case.params(5, 4), found)
        run_nest(case.nest, case.params(5, 4), wanted)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_sum_that_may_be_negative_zero_is_not_cut_short() -> None:
    nest = masked("lt")
    (steps,) = (s for s in nest.body if isinstance(s, Loop))
    begins = const("minus", F64, -0.0)
    body = tuple(
        Loop(s.var, s.extent, s.kind, s.body, (Accumulator("total", F64, "add", "minus"),))
        if isinstance(s, Loop)
        else s
        for s in steps.body
    )
    changed = Nest(1, nest.buffers, (*nest.body[:-1], begins, Loop("t", 1, "steps", body)))
    assert len(loops(split(changed))) == 2
    x, out, total = np.array([-0.0, 1.0]), np.zeros(2), np.zeros(1)
    run_nest(split(changed), [2], [x, np.array([1, 0]), out, total])
    assert total[0] == 0 and not np.signbit(total[0])


def test_a_loop_of_constant_length_is_not_cut() -> None:
    nest = masked("lt")
    (steps,) = (s for s in nest.body if isinstance(s, Loop))
    body = tuple(Loop(s.var, 3, s.kind, s.body, s.carries) if isinstance(s, Loop) else s for s in steps.body)
    short = Nest(1, nest.buffers, (*nest.body[:-1], Loop("t", 1, "steps", body)))
    assert split(short) is short


def test_a_value_that_changes_in_the_loop_is_no_border() -> None:
    inner = (
        IndexValue("i", I64, "j"),
        Op("a", BOOL, "lt", ("i", "last")),
        Load("v", F64, "x", "j"),
        Op("w", F64, "mul", ("v", "v")),
        Op("u", F64, "select", ("a", "w", "zero")),
        Store("out", "j", "u"),
        Accumulate("last", "i"),
    )
    loop = Loop("j", N, "sequential", inner, (Accumulator("last", I64, "set", "k"),))
    body = (Load("k", I64, "limits", 0), loop)
    nest = Nest(
        2,
        buffers(("x", F64, "in"), ("limits", I64, "in"), ("out", F64, "out")),
        (const("zero", F64, 0), Loop("t", M, "parallel", body)),
    )
    assert split(nest) is nest
