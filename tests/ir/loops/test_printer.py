"""Loop nests as text."""

from __future__ import annotations

import numpy as np
import pytest

from tests.nest_parts import BF16, C64, F32, const
from tests.nests import argmax, branches, calls, softmax
from tests.nests_moving import tiles
from weft.ir.loops.nest import IndexOp, Param
from weft.ir.loops.printer import print_constant, print_index, print_nest


def test_softmax(golden) -> None:
    golden(print_nest(softmax().nest))


def test_argmax_sets_its_accumulators(golden) -> None:
    golden(str(argmax().nest))


def test_calls_show_how_arguments_are_handed_over() -> None:
    text = str(calls().nest)
    assert "\n    call zaxpy@p2(p1, &scale, &x[0], 1, &out[i*p1], 1)\n" in text
    assert "\n    info: i32 = call dpotrf@p3('L', 1, &square[i], 1)\n" in text


def test_branches_show_what_either_does() -> None:
    text = str(branches().nest)
    assert "\n    if positive {\n      twice: f64 = add sum sum\n" in text
    assert "\n    } else {\n      for j in p0 vector carry all: f64 = add from zero {\n" in text


def test_equal_nests_print_equal_text() -> None:
    assert tiles().nest == tiles().nest
    assert print_nest(tiles().nest) == print_nest(tiles().nest)


@pytest.mark.parametrize(
    ("index", "text"),
    [
        (3, "3"),
        (Param(2), "p2"),
        (IndexOp("+", IndexOp("*", "i", Param(0)), "j"), "i*p0 + j"),
        (IndexOp("*", IndexOp("+", "i", 1), Param(0)), "(i + 1)*p0"),
        (IndexOp("-", "i", IndexOp("-", "j", 1)), "i - (j - 1)"),
        (IndexOp("-", IndexOp("-", "i", "j"), 1), "i - j - 1"),
        (IndexOp("%", IndexOp("//", "i", Param(0)), 3), "i//p0%3"),
        (IndexOp("*", "i", IndexOp("//", "j", 2)), "i*(j//2)"),
        (IndexOp("+", "i", -1), "i + (-1)"),
        (IndexOp("min", IndexOp("+", "i", 1), Param(0)), "min(i + 1, p0)"),
    ],
)
def test_index(index, text) -> None:
    assert print_index(index) == text


@pytest.mark.parametrize(
    ("dtype", "value", "text"),
    [
        (F32, 0.1, "0.10000000149011612"),
        (F32, -0.0, "-0.0"),
        (BF16, 1.5, "1.5"),
        (F32, np.nan, "nan"),
        (F32, -np.inf, "-inf"),
        (C64, 1 - 2j, "(1-2j)"),
        (np.dtype(bool), True, "true"),
        (np.dtype("u1"), 255, "255"),
    ],
)
def test_constant(dtype, value, text) -> None:
    assert print_constant(const("c", dtype, value)) == text
