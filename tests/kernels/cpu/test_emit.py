"""Machine code of loop nests does what the interpreter does, and is vectorised."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nest_parts import (
    BOOL,
    F32,
    F64,
    I32,
    I64,
    U64,
    Case,
    M,
    N,
    add,
    buffers,
    call_kernel,
    clamp,
    const,
    mul,
    random_array,
)
from tests.nests import CASES, argmax, column_sum, elementwise, fold, softmax, total
from tests.nests_moving import concatenate, pad, strided
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
    Param,
    Store,
)
from weft.ir.loops.vocabulary import FOLDS, SCALAR_OPS
from weft.kernels.backend import Kernel, compile_nests
from weft.kernels.cpu.emit import BLOCK, emit_module, emit_nest
from weft.kernels.scalar_ops import names

SIZES = [(0, 0), (0, 3), (3, 0), (1, 1), (5, 7), (33, 17), (100, 3)]


@pytest.fixture(scope="module")
def kernels() -> dict[str, Kernel]:
    """All cases as one module."""
    return dict(zip((c.name for c in CASES), compile_nests([c.nest for c in CASES]), strict=True))


def assert_same(actual: np.ndarray, expected: np.ndarray, scale: float = 1.0) -> None:
    """Integers equal; floats within some units of their dtype: contraction and the order of sums are free."""
    if actual.dtype.kind in "biu":
        np.testing.assert_array_equal(actual, expected)
        return
    tolerance = (
        {2: 1e-2, 4: 2e-6, 8: 1e-14, 16: 1e-14}[actual.dtype.itemsize] if actual.dtype != "F" else 2e-6
    )
    np.testing.assert_allclose(
        actual.astype(np.complex128),
        expected.astype(np.complex128),
        rtol=tolerance * scale,
        atol=tolerance * scale,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cases(case: Case, kernels: dict[str, Kernel]) -> None:
    for n, m in SIZES:
        params = case.params(n, m)
        actual, expected = case.arrays(n, m), case.arrays(n, m)
        run_nest(case.nest, params, expected)
        call_kernel(kernels[case.name].address, params, actual)
        for a, e in zip(actual, expected, strict=True):
            assert_same(a, e, scale=max(n, 1))


def test_a_chunk_is_a_part_of_the_loop(kernels: dict[str, Kernel]) -> None:
    case = elementwise(F64)
    x, y, out = arrays = case.arrays(40, 0)
    call_kernel(kernels[case.name].address, [40], arrays, 3, 30)
    np.testing.assert_allclose(out[3:30], (x * y + x)[3:30])
    assert (out[:3] == 77).all()
    assert (out[30:] == 77).all()


@pytest.mark.parametrize(
    "case", [fold("max", F32, -np.inf, None), fold("min", F64, np.inf, None)], ids=lambda case: case.name
)
@pytest.mark.parametrize("at", [0, 40, 99])
def test_max_and_min_keep_nan(case: Case, at: int) -> None:
    (kernel,) = compile_nests([case.nest])
    x, out = case.arrays(100, 0)
    x[at] = np.nan
    call_kernel(kernel.address, [100], [x, out])
    assert np.isnan(out[0])


@pytest.mark.parametrize("n", [1, 2, 7, 31, 100, 257])
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
@pytest.mark.parametrize("op", ["max", "min"])
def test_extrema_of_special_numbers(op: str, dtype: np.dtype, n: int) -> None:
    """They are found as integers: the order of infinities, zeros, the smallest numbers and NaN of either sign is theirs."""
    info, rng = np.finfo(dtype), np.random.default_rng(n)
    numbers = [0.0, -0.0, np.inf, -np.inf, info.max, info.min, info.smallest_subnormal, -info.tiny, 1.0, -1.5]
    start = -np.inf if op == "max" else np.inf
    (kernel,) = compile_nests([fold(op, dtype, start, None).nest])
    for nan in (None, np.nan, -np.nan):
        for _ in range(30):
            x, out = rng.choice(numbers, n).astype(dtype), np.zeros(1, dtype)
            if nan is not None:
                x[rng.integers(n)] = np.copysign(dtype.type(np.nan), nan)
            call_kernel(kernel.address, [n], [x, out])
            expected = getattr(np, op)(x)
            np.testing.assert_array_equal(out[0], expected)
            if expected == 0:  # +0.0 is above -0.0
                signs = np.signbit(x[x == 0])
                assert np.signbit(out[0]) == (signs.all() if op == "max" else signs.any())


@pytest.mark.parametrize("dtype", [I64, U64], ids=str)
def test_indices_far_out_of_range_are_clamped(dtype: np.dtype) -> None:
    body = (Load("k", dtype, "at", "i"), Load("a", F64, "x", clamp("k", M)), Store("out", "i", "a"))
    nest = Nest(
        2,
        buffers(("x", F64, "in"), ("at", dtype, "in"), ("out", F64, "out")),
        (Loop("i", N, "parallel", body),),
    )
    limits = np.iinfo(dtype)
    x, at = np.arange(10.0), np.array([limits.min, limits.max, 3], dtype)
    actual, expected = ([x, at, np.zeros(3)] for _ in range(2))
    run_nest(nest, [3, 10], expected)
    (kernel,) = compile_nests([nest])
    call_kernel(kernel.address, [3, 10], actual)
    assert actual[2].tolist() == expected[2].tolist() == [0, 9, 3]


# What LLVM makes of it.


def vectors(kernel: Kernel) -> set[str]:
    return set(re.findall(r"<\d+ x (\w+)>", kernel.llvm()))


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (elementwise(F64), "double"),
        (elementwise(np.dtype("f2")), "half"),
        (strided(), "float"),
        (softmax(), "double"),
        (column_sum(), "double"),
        (pad(), "double"),
        (concatenate(), "float"),
        (total(), "float"),
        (fold("add", F64, 0, None), "double"),
        (fold("mul", F32, 1, None), "float"),
        (fold("max", F32, -np.inf, None), "i32"),  # of keys
        (fold("add", I32, 0, None), "i32"),
        (fold("or", BOOL, False, None), "i1"),
    ],
    ids=lambda x: getattr(x, "name", ""),
)
def test_loops_are_vectorised_without_checks(case: Case, kind: str) -> None:
    (kernel,) = compile_nests([case.nest])
    assert kind in vectors(kernel)
    assert "memcheck" not in kernel.llvm()
    assert "scev.check" not in kernel.llvm()


def test_divisions_are_before_loops_with_masked_reads() -> None:
    """LLVM (20 to 22) would divide behind the mask of the first lane, for all lanes."""
    at = add(mul(IndexOp("//", "i", Param(3)), M), "j")
    inner = (
        IndexValue("here", I64, "j"),
        IndexValue("middle", I64, Param(2)),
        Op("inside", BOOL, "ge", ("here", "middle")),
        Load("a", F64, "x", at, "inside"),
        Store("out", add(mul("i", M), "j"), "a"),
    )
    body = (Loop("i", N, "parallel", (Loop("j", M, "vector", inner),)),)
    nest = Nest(4, buffers(("x", F64, "in"), ("out", F64, "out")), body)
    (kernel,) = compile_nests([nest])
    assert "double" in vectors(kernel) and "masked.load" in kernel.llvm()
    assert "pred." not in kernel.llvm()
    x, params = np.arange(40.0), (6, 20, 1, 3)
    actual = [x, np.zeros(120)]
    call_kernel(kernel.address, params, actual)
    expected = np.repeat(x.reshape(2, 20), 3, axis=0)
    expected[:, 0] = 0
    np.testing.assert_array_equal(actual[1].reshape(6, 20), expected)


def test_masked_reads_are_no_gathers() -> None:
    (kernel,) = compile_nests([concatenate().nest])
    assert "gather" not in kernel.llvm()


def test_softmax_has_three_vector_loops() -> None:
    (kernel,) = compile_nests([softmax().nest])
    assert len(set(re.findall(r"^(vector\.body\d*):", kernel.llvm(), re.MULTILINE))) == 3


def test_assembly_is_of_one_kernel() -> None:
    kernel, other = compile_nests([elementwise(F64).nest, column_sum().nest])
    assert kernel.name in kernel.asm()
    assert other.name not in kernel.asm() + kernel.llvm()


def test_emitted_text(golden) -> None:
    golden(emit_nest(fold("add", F64, 0, None).nest, "total"))


def test_emission_is_linear() -> None:
    """Each statement adds about the same text, whatever stands around it."""

    def size(count: int) -> int:
        body = [Load("a0", F64, "x", "i")]
        body += [Op(f"a{k}", F64, "mul", (f"a{k - 1}", "a0")) for k in range(1, count)]
        body += [Store("out", "i", f"a{count - 1}")]
        nest = Nest(
            1, buffers(("x", F64, "in"), ("out", F64, "out")), (Loop("i", N, "parallel", tuple(body)),)
        )
        return len(emit_module([(nest, "kernel")]).splitlines())

    assert size(2000) - size(1000) == 1000


# Accuracy.


def test_long_float_sums_are_blocked() -> None:
    case = fold("add", F32, 0, None)
    (kernel,) = compile_nests([case.nest])
    x = np.random.default_rng(0).random(1_000_003, np.float32)
    out, again = np.zeros(1, np.float32), np.zeros(1, np.float32)
    call_kernel(kernel.address, [x.size], [x, out])
    exact = x.sum(dtype=np.float64)
    assert abs(out[0] - exact) <= 2e-7 * exact
    call_kernel(kernel.address, [x.size], [x.copy(), again])
    assert out[0] == again[0]


@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_block_borders(n: int) -> None:
    ones = np.ones(n)
    for case in (fold("add", F64, 0, None), fold("add", np.dtype("F"), 0, None)):
        (kernel,) = compile_nests([case.nest])
        out = np.zeros(1, case.nest.buffers[1].dtype)
        call_kernel(kernel.address, [n], [ones.astype(out.dtype), out])
        assert out[0] == n


def test_two_loops_blocked_at_once() -> None:
    (kernel,) = compile_nests([total().nest])
    x = np.random.default_rng(0).random((5000, 3), np.float32)
    out, count = np.zeros(1, np.float32), np.zeros(1, np.int64)
    call_kernel(kernel.address, x.shape, [x, out, count])
    assert abs(out[0] - x.sum(dtype=np.float64)) <= 1e-6 * out[0]
    assert count[0] == x.size


def test_an_accumulator_as_index_is_read_anew() -> None:
    """Compact: the place to write is the number of elements kept so far."""
    place = IndexOp("+", "kept", 1)
    body = (
        Load("a", F64, "x", "i"),
        Op("yes", BOOL, "gt", ("a", "one")),
        Op("more", I64, "cast", ("yes",)),
        Store("out", place, "a"),
        Accumulate("kept", "more"),
        Store("count", add(place, -1), "kept"),
    )
    nest = Nest(
        1,
        buffers(("x", F64, "in"), ("out", F64, "out"), ("count", I64, "out")),
        (
            const("one", F64, 1),
            const("none", I64, 0),
            Loop("i", N, "sequential", body, (Accumulator("kept", I64, "add", "none"),)),
            Store("count", IndexOp("+", "kept", 1), "kept"),
        ),
    )
    x = random_array(np.random.default_rng(0), 50, F64)
    actual, expected = ([x, np.zeros(52), np.zeros(52, np.int64)] for _ in range(2))
    run_nest(nest, [50], expected)
    (kernel,) = compile_nests([nest])
    call_kernel(kernel.address, [50], actual)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(a, e)


# Random nests.

INTEGER_OPS = (
    "add",
    "sub",
    "mul",
    "max",
    "min",
    "and",
    "or",
    "xor",
    "floor_div",
    "mod",
    "floor_div_by",
    "int_div_by",
    "mod_by",
    "rem_by",
    "shift_left",
    "neg",
    "abs",
)
FLOAT_OPS = ("add", "sub", "mul", "max", "min", "neg", "abs", "floor", "sign")


@st.composite
def nests(draw: st.DrawFn) -> Nest:
    """Rows of random operations on values of one dtype, a fold, its result used after, and random places."""
    dtype = draw(st.sampled_from([I32, I64, np.dtype("u2"), F64]))
    ops = INTEGER_OPS if dtype.kind in "iu" else FLOAT_OPS
    folds = [
        f for f in FOLDS if f not in ("set", "mul") and (dtype.kind in "iu" or f in ("add", "max", "min"))
    ]
    count = 0

    def steps(seed: list[str], most: int) -> tuple[list[Op], list[str]]:
        nonlocal count
        known, body = list(seed), []
        for _ in range(draw(st.integers(1, most))):
            op = draw(st.sampled_from(ops))
            args = tuple(draw(st.sampled_from(known)) for _ in range(SCALAR_OPS[op].arity))
            count += 1
            body.append(Op(f"v{count}", dtype, op, args))
            known.append(f"v{count}")
        return body, known

    row, at = mul("i", M), draw(st.sampled_from(["j", IndexOp("-", IndexOp("-", M, 1), "j"), 0]))
    inner, known = steps(["a", "b"], 5)
    outer, after = steps(["acc", "b"], 3)
    loop = Loop(
        "j",
        M,
        draw(st.sampled_from(["vector", "sequential"])),
        (
            Load("a", dtype, "x", add(row, at)),
            *inner,
            Store("out", add(row, "j"), known[-1]),
            Accumulate("acc", draw(st.sampled_from(known))),
        ),
        (Accumulator("acc", dtype, draw(st.sampled_from(folds)), "b"),),
    )
    return Nest(
        2,
        buffers(("x", dtype, "in"), ("y", dtype, "in"), ("out", dtype, "out"), ("rows", dtype, "out")),
        (
            Loop(
                "i",
                N,
                draw(st.sampled_from(["parallel", "sequential"])),
                (Load("b", dtype, "y", "i"), loop, *outer, Store("rows", "i", after[-1])),
            ),
        ),
    )


@settings(max_examples=30)
@given(nests(), st.integers(0, 4), st.integers(0, 40))
def test_random_nests(nest: Nest, n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    dtype = nest.buffers[0].dtype
    x, y = (rng.integers(0, 5, size).astype(dtype) for size in (n * m, n))  # exact in floats: no tolerance
    actual, expected = ([x, y, np.zeros(n * m, dtype), np.zeros(n, dtype)] for _ in range(2))
    run_nest(nest, [n, m], expected)
    (kernel,) = compile_nests([nest])
    call_kernel(kernel.address, [n, m], actual)
    for a, e in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, e, rtol=1e-12 if dtype == F64 else 0)


def test_both_vocabularies_have_the_same_names() -> None:
    assert names() == set(SCALAR_OPS)


def test_argmax_is_one_pass() -> None:
    (kernel,) = compile_nests([argmax().nest])
    x, out = argmax().arrays(1000, 0)
    x[500] = x[700] = 99
    call_kernel(kernel.address, [1000], [x, out])
    assert out[0] == 500
