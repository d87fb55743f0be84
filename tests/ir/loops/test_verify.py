"""Each rule of a loop nest, broken once: the message and where the caret points."""

from __future__ import annotations

import pytest

from tests.nest_parts import BOOL, C128, F32, F64, I64, Case, N, buffers, const
from tests.nests import CASES
from weft.ir.errors import VerificationError
from weft.ir.loops.nest import (
    Accumulate,
    Accumulator,
    Address,
    Call,
    Const,
    If,
    IndexOp,
    IndexValue,
    Letter,
    Load,
    Loop,
    Nest,
    Op,
    Param,
    ParamValue,
    Place,
    Store,
    Words,
)
from weft.ir.loops.verify import verify_nest

BUFFERS = buffers(("x", F64, "in"), ("out", F64, "out"))
ZERO = const("z", F64, 0)
SUM = (Accumulator("s", F64, "add", "z"),)


def loop(*body, carries=(), kind="sequential", var="i"):
    return Loop(var, N, kind, body, carries)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_good_nests_pass(case: Case) -> None:
    verify_nest(case.nest)


BROKEN = {
    "bound a second time": ((ZERO, ZERO), "z is bound a second time", "z"),
    "bound again in a later loop": (
        (loop(Load("a", F64, "x", "i")), loop(Load("a", F64, "x", "j"), var="j")),
        "a is bound a second time",
        "a",
    ),
    "not bound": ((Store("out", 0, "a"),), "a is not bound", "a"),
    "out of sight": (
        (loop(Load("a", F64, "x", "i")), Store("out", 0, "a")),
        "a is not visible here: the loop that binds it has ended",
        "a",
    ),
    "loop variable out of sight": (
        (ZERO, loop(), Store("out", "i", "z")),
        "i is not visible here",
        "i",
    ),
    "no buffer": ((Load("a", F64, "y", 0),), "the nest has no buffer y", "y"),
    "mask": ((ZERO, Load("a", F64, "x", 0, "z")), "the mask z is f64, not bool", "z"),
    "load of another dtype": ((Load("a", F32, "x", 0),), "a is f32, the buffer x holds f64", "a"),
    "store of another dtype": (
        (const("c", F32, 0), Store("out", 0, "c")),
        "c is f32, the buffer out holds f64",
        "c",
    ),
    "store to an input": ((ZERO, Store("x", 0, "z")), "x is an input, nothing is stored to it", "x"),
    "call of no parameter": ((Call("", "f", 2, ()),), "parameter 2 is out of range", "p2"),
    "call with two letters": ((Call("", "f", 0, (Letter("UL"),)),), "'UL' is not one letter", "UL"),
    "call with no buffer": ((Call("", "f", 0, (Place("y", 0),)),), "the nest has no buffer y", "y"),
    "call with a float": ((ZERO, Call("", "f", 0, (1, "z"))), "z is f64; an index is made of integers", "z"),
    "letter among words": (
        (Call("", "f", 0, (Words((1, Letter("U"))),)),),
        "a word is an index, a copy or a place",
        "'U'",
    ),
    "word in no buffer": ((Call("", "f", 0, (Words((Place("y", 0),)),)),), "the nest has no buffer y", "y"),
    "address that is no parameter": ((Call("", "f", 0, (Address(2),)),), "parameter 2 is out of range", "p2"),
    "result of a call used as another dtype": (
        (Call("info", "f", 0, ()), Store("out", 0, "info")),
        "info is i32, the buffer out holds f64",
        "info",
    ),
    "parameter out of range": (
        (Load("a", F64, "x", Param(2)),),
        "parameter 2 is out of range: the nest has 2",
        "p2",
    ),
    "two words of a complex number": ((ParamValue("c", C128, 1),), "parameter 2 is out of range", None),
    "float index": ((ZERO, Load("a", F64, "x", "z")), "z is f64; an index is made of integers", "z"),
    "index operator": ((Load("a", F64, "x", IndexOp("&", 1, 2)),), "& does not make an index", None),
    "divisor": ((Load("a", F64, "x", IndexOp("%", 1, 0)),), "the divisor 0 is not positive", "0"),
    "no index": ((IndexValue("k", I64, 1.5),), "1.5 is not an index", None),
    "constant of wrong size": ((Const("c", F64, b"1234"),), "a constant of f64 has 8 bytes, not 4", None),
    "no such operation": ((ZERO, Op("a", F64, "sine", ("z",))), "sine is not a scalar operation", "sine"),
    "too few operands": ((ZERO, Op("a", F64, "add", ("z",))), "add takes 2 operands, not 1", "add"),
    "operands of two dtypes": (
        (ZERO, const("c", F32, 0), Op("a", F64, "add", ("z", "c"))),
        "add wants operands and result of one dtype; got f64 f32 and the result f64",
        "add",
    ),
    "comparison": (
        (ZERO, Op("a", F64, "lt", ("z", "z"))),
        "lt wants operands of one dtype, and a bool result; got f64 f64 and the result f64",
        "lt",
    ),
    "select": (
        (ZERO, Op("a", F64, "select", ("z", "z", "z"))),
        "select wants a bool, and two operands",
        "select",
    ),
    "nothing carries it": (
        (ZERO, loop(Accumulate("s", "z"))),
        "no loop around carries an accumulator s",
        "s",
    ),
    "carried by a loop that ended": (
        (ZERO, loop(Accumulate("s", "z"), carries=SUM), Accumulate("s", "z")),
        "no loop around carries an accumulator s",
        "s",
    ),
    "accumulator of another dtype": (
        (ZERO, const("b", BOOL, True), loop(Accumulate("s", "b"), carries=SUM)),
        "b is bool, s is f64",
        "b",
    ),
    "start of another dtype": (
        (const("z", F32, 0), loop(carries=SUM)),
        "z is f32, not f64",
        "z",
    ),
    "fold": (
        (ZERO, loop(carries=(Accumulator("s", F64, "sub", "z"),))),
        "an accumulator folds with one of add, mul, max, min, and, or, xor, set, not sub",
        "sub",
    ),
    "kind of loop": (
        (loop(kind="fast"),),
        "a loop is parallel, vector, sequential or steps, not 'fast'",
        "fast",
    ),
    "chunked loop that carries": (
        (ZERO, loop(carries=SUM, kind="parallel")),
        "the chunked loop carries accumulators, but no chunk sees them all",
        "carry",
    ),
    "loop beside a chunked one": (
        (ZERO, loop(Load("a", F64, "x", 0), kind="parallel"), loop(Store("out", "j", "z"), var="j")),
        "beside the chunked loop stand only values: each chunk would run this",
        "for j in p0 {",
    ),
    "condition of a branch": ((ZERO, If("z", (), ())), "the condition z is f64, not bool", "z"),
    "bound in a branch": (
        (const("b", BOOL, True), If("b", (const("c", F64, 1),), ()), Store("out", 0, "c")),
        "c is not visible here",
        "c",
    ),
    "bound in both branches": (
        (const("b", BOOL, True), If("b", (const("c", F64, 1),), (const("c", F64, 2),))),
        "c is bound a second time",
        "c",
    ),
    "folded in a branch": (
        (ZERO, const("b", BOOL, True), loop(If("b", (Accumulate("s", "z"),), ()), carries=SUM)),
        "no loop around carries an accumulator s",
        "s",
    ),
    "branch beside a chunked loop": (
        (const("b", BOOL, True), loop(Load("a", F64, "x", 0), kind="parallel"), If("b", (), ())),
        "beside the chunked loop stand only values: each chunk would run this",
        "if b {",
    ),
    "no statement": (("z",), "str is not a statement", None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_nests_are_refused(name) -> None:
    body, message, culprit = BROKEN[name]
    with pytest.raises(VerificationError) as caught:
        verify_nest(Nest(2, BUFFERS, body))
    text = caught.value.message
    assert text.startswith(message), text
    lines = text.splitlines()
    (at,) = (k for k, line in enumerate(lines) if line.strip() and not line.strip(" ^"))
    column = lines[at].index("^")
    if culprit:
        assert lines[at - 1][column:].startswith(culprit)


def test_buffers_are_checked() -> None:
    with pytest.raises(VerificationError, match="two buffers are named x"):
        verify_nest(Nest(0, buffers(("x", F64, "in"), ("x", F32, "out")), ()))
    with pytest.raises(VerificationError, match="buffer x is of kind 'inout', not in, out or scratch"):
        verify_nest(Nest(0, buffers(("x", F64, "inout")), ()))
