"""The interpreter gives what NumPy gives, and refuses what machine code would do in silence."""

from __future__ import annotations

import numpy as np
import pytest

from tests.nest_parts import F64, Case, buffers
from tests.nests import CASES, elementwise
from tests.nests_moving import broadcast
from weft.ir.errors import InternalError
from weft.ir.loops.interpret import run_nest
from weft.ir.loops.nest import Load, Loop, Nest, Param, Store
from weft.ir.loops.verify import verify_nest


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_meaning(case: Case) -> None:
    verify_nest(case.nest)
    for n, m in [(0, 0), (0, 3), (1, 1), (3, 5), (7, 2)]:
        arrays = case.arrays(n, m)
        inputs = [a.copy() for a, b in zip(arrays, case.nest.buffers, strict=True) if b.kind == "in"]
        run_nest(case.nest, case.params(n, m), arrays)
        first = next(a for a, b in zip(arrays, case.nest.buffers, strict=True) if b.kind == "out")
        expected = case.expected(n, m, *inputs)
        assert first.dtype == expected.dtype
        exact = first.dtype.kind in "biu"
        tolerance = 0 if exact else 1e-6 if first.dtype.itemsize >= 4 else 1e-2
        np.testing.assert_allclose(
            first.astype(np.complex128), expected.astype(np.complex128), rtol=tolerance, atol=tolerance
        )


def test_a_chunk_is_a_part_of_the_loop() -> None:
    case = elementwise(F64)
    arrays = case.arrays(6, 0)
    run_nest(case.nest, [6], arrays, begin=2, end=4)
    x, y, out = arrays
    assert (out[2:4] == (x * y + x)[2:4]).all()
    assert (out[[0, 1, 4, 5]] == 77).all()


def test_a_load_outside_of_its_buffer_raises() -> None:
    nest = Nest(
        1,
        buffers(("x", F64, "in"), ("out", F64, "out")),
        (Loop("i", Param(0), "parallel", (Load("a", F64, "x", "i"), Store("out", "i", "a"))),),
    )
    with pytest.raises(InternalError, match=r"x\[i\] is x\[3\], but x has 3 elements"):
        run_nest(nest, [4], [np.zeros(3), np.zeros(4)])
    with pytest.raises(InternalError, match=r"out\[i\] is out\[2\], but out has 2 elements"):
        run_nest(nest, [3], [np.zeros(3), np.zeros(2)])


def test_arguments_that_do_not_fit_raise() -> None:
    case = broadcast()
    with pytest.raises(InternalError, match="takes 3 parameters and 3 buffers, got 1 and 3"):
        run_nest(case.nest, [1], case.arrays(1, 1))
    x, row, out = case.arrays(2, 2)
    with pytest.raises(InternalError, match="buffer row is a flat array of float64, got 1-d float32"):
        run_nest(case.nest, case.params(2, 2), [x, row.astype(np.float32), out])
