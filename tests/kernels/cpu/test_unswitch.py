"""Loops that are asked once: they do what they did, and where all conditions hold, no more than that takes."""

from __future__ import annotations

import numpy as np
import pytest

from tests.nest_parts import BOOL, F64, Case, M, N, buffers, const
from tests.nests import CASES
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import If, IndexOp, Load, Loop, Nest, Op, Store
from weft.ir.loops.verify import verify_nest
from weft.kernels.cpu.unswitch import unswitch


def update(*limits: str) -> Nest:
    """Rows of ``x`` plus ``y`` where the row's number is above all limits of ``z``, elsewhere ``x``."""
    at = IndexOp("+", IndexOp("*", "i", M), "j")
    flags = [
        s
        for k, limit in enumerate(limits)
        for s in (Load(limit, F64, "z", IndexOp("+", "i", k)), Op(f"f{k}", BOOL, "gt", (limit, "zero")))
    ]
    selects, last = [], "sum"
    for k in range(len(limits)):
        selects.append(Op(f"s{k}", F64, "select", (f"f{k}", last, "a")))
        last = f"s{k}"
    inner = (
        Load("a", F64, "x", at),
        Load("b", F64, "y", at),
        Op("sum", F64, "add", ("a", "b")),
        *selects,
        Store("out", at, last),
    )
    rows = Loop("i", N, "parallel", (*flags, Loop("j", M, "vector", inner)))
    given = (("x", F64, "in"), ("y", F64, "in"), ("z", F64, "in"), ("out", F64, "out"))
    return Nest(2, buffers(*given), (const("zero", F64, 0), rows))


@pytest.mark.parametrize("limits", [("l",), ("l", "m"), ("l", "m", "n")], ids=len)
def test_both_sides_do_what_the_loop_did(limits: tuple[str, ...]) -> None:
    nest, n, m = update(*limits), 7, 5
    split = unswitch(nest)
    verify_nest(split)
    rng = np.random.default_rng(len(limits))
    x, y = rng.normal(size=(2, n * m))
    z = np.where(np.arange(n + 3) == 4, -1.0, 1.0)
    results = []
    for one in (nest, split):
        out = np.full(n * m, np.nan)
        run_nest(one, (n, m), [x, y, z, out])
        results.append(out)
    np.testing.assert_array_equal(*results)
    assert 0 < (results[0] == x).sum() < n * m


def test_where_all_hold_nothing_is_asked() -> None:
    for nest, sides in ((update("l"), 3), (update("l", "m"), 6)):
        (rows,) = (s for s in unswitch(nest).body if isinstance(s, Loop))
        branch = rows.body[-1]
        assert isinstance(branch, If)
        (holds,), (fails,) = branch.then, branch.other
        assert [type(s) for s in holds.body] == [Load, Load, Op, Store]
        assert len(fails.body) == (2 if sides == 3 else sides)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_else_stays(case: Case) -> None:
    verify_nest(unswitch(case.nest))
    (n, m), nest = (5, 4), unswitch(case.nest)
    if nest is not case.nest:
        found, wanted = case.arrays(n, m), case.arrays(n, m)
        run_nest(nest, case.params(n, m), found)
        run_nest(case.nest, case.params(n, m), wanted)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_loop_that_runs_in_chunks_is_not_split() -> None:
    body = (Load("a", F64, "x", "i"), Op("s", F64, "select", ("yes", "a", "zero")), Store("out", "i", "s"))
    nest = Nest(
        1,
        buffers(("x", F64, "in"), ("out", F64, "out")),
        (const("zero", F64, 0), const("yes", BOOL, True), Loop("i", N, "parallel", body)),
    )
    assert unswitch(nest) is nest
