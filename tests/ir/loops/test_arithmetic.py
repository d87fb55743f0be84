"""Indices evaluated in numbers of several kinds, and what ends the walk."""

from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from weft.ir.loops.arithmetic import INTEGERS, evaluate_index
from weft.ir.loops.nest import IndexOp, Param
from weft.ir.loops.printer import print_index

LEAVES = st.integers(-9, 9) | st.sampled_from(["i", "j", Param(0), Param(1)])


def grown(inner):
    return st.builds(IndexOp, st.sampled_from(["+", "-", "*", "min", "max"]), inner, inner) | st.builds(
        IndexOp, st.sampled_from(["//", "%"]), inner, st.integers(1, 5)
    )


INDICES = st.recursive(LEAVES, grown, max_leaves=12)
KNOWN = {"i": 3, "j": -4, "p0": 7, "p1": 1}


@given(INDICES)
def test_integers_mean_what_the_text_says(index):
    def leaf(one):
        return one if isinstance(one, int) else KNOWN[print_index(one)]

    assert evaluate_index(index, leaf, INTEGERS) == eval(print_index(index), dict(KNOWN))


@given(INDICES)
def test_numbers_of_another_kind(index):
    """Texts, which must say what the printer says, but for brackets that it leaves out."""
    infix = {op: (lambda x, y, op=op: f"({x} {op} {y})") for op in INTEGERS if op not in ("min", "max")}
    text = evaluate_index(
        index, print_index, infix | {op: (lambda x, y, op=op: f"{op}({x}, {y})") for op in ("min", "max")}
    )
    assert eval(text, dict(KNOWN)) == eval(print_index(index), dict(KNOWN))


def test_all_values_of_a_variable_together():
    index = IndexOp("%", IndexOp("+", IndexOp("*", "i", 5), Param(0)), 7)
    found = evaluate_index(
        index,
        lambda leaf: {"i": np.arange(6), Param(0): 2}[leaf] if not isinstance(leaf, int) else leaf,
        INTEGERS,
    )
    assert found.tolist() == [(i * 5 + 2) % 7 for i in range(6)]


def test_what_a_leaf_raises_ends_the_walk():
    seen = []

    def leaf(one):
        seen.append(one)
        if isinstance(one, str):
            raise KeyError(one)
        return one

    with pytest.raises(KeyError, match="i"):
        evaluate_index(IndexOp("+", IndexOp("*", 2, "i"), 3), leaf, INTEGERS)
    assert seen == [2, "i"]
