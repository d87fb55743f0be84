"""Every scalar op against NumPy, over all dtypes it takes, with the operands that are easy to get wrong."""

from __future__ import annotations

import ctypes
import threading

import ml_dtypes
import numpy as np
import pytest

from tests.kernels.harness import compile_op, run_op
from weft.kernels import scalar_ops
from weft.kernels.cpu.compile import compile_module
from weft.kernels.scalar import Module, Writer, add_incoming, constant, load, phi, store

INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, -2.5, 3.0, np.inf, -np.inf, np.nan]


def dtype_of(name: str) -> np.dtype:
    return BFLOAT16 if name == "bfloat16" else np.dtype(name)


def integer_pairs(name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    info = np.iinfo(name)
    edges = np.array([info.min, info.min + 1, info.max, 0, 1, 2, 7, (-1 if info.min else 3)], name)
    x = np.concatenate(
        [np.repeat(edges, edges.size), rng.integers(info.min, info.max, 60, name, endpoint=True)]
    )
    y = np.concatenate(
        [
            np.tile(edges, edges.size),
            rng.integers(0, 9, 30).astype(name),
            rng.integers(info.min, info.max, 30, name),
        ]
    )
    return x, y


def float_pairs(name: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x = np.concatenate(
        [np.repeat(SPECIAL, len(SPECIAL)), rng.normal(size=60) * 10.0 ** rng.integers(-3, 4, 60)]
    )
    y = np.concatenate(
        [np.tile(SPECIAL, len(SPECIAL)), rng.normal(size=60) * 10.0 ** rng.integers(-3, 4, 60)]
    )
    return x.astype(dtype_of(name)), y.astype(dtype_of(name))


def assert_same(got: np.ndarray, want: np.ndarray) -> None:
    """Equal, with NaN equal to NaN."""
    assert got.dtype == want.dtype
    wide = [a.astype(np.float64) if a.dtype == BFLOAT16 else a for a in (got, want)]
    np.testing.assert_array_equal(*wide)


def in_float32(f, x: np.ndarray, *more: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """A NumPy function on small floats as the kernels mean it: computed in float32, rounded once."""
    if x.dtype.itemsize > 2:
        return f(x, *more)
    out = f(*(a.astype(np.float32) for a in (x, *more)))
    return out.astype(x.dtype) if out.dtype.kind == "f" else out


BINARY_INTEGER = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "floor_div": np.floor_divide,
    "mod": np.remainder,
    "rem": np.fmod,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "shift_left": np.left_shift,
    "shift_right": np.right_shift,
}
BINARY_FLOAT = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "floor_div": np.floor_divide,
    "mod": np.remainder,
    "rem": np.fmod,
    "max": np.maximum,
    "min": np.minimum,
    "copysign": np.copysign,
}
COMPARE = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
UNARY_FLOAT = {
    "neg": np.negative,
    "abs": np.abs,
    "sign": np.sign,
    "floor": np.floor,
    "ceil": np.ceil,
    "rint": np.rint,
    "trunc": np.trunc,
    "sqrt": np.sqrt,
    "real": np.real,
    "imag": np.imag,
    "conj": np.conj,
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_arithmetic(name: str) -> None:
    x, y = integer_pairs(name)
    with np.errstate(all="ignore"):
        for op, f in BINARY_INTEGER.items():
            np.testing.assert_array_equal(run_op(op, x, y, out=name), f(x, y), err_msg=op)
        for op, f in {"neg": np.negative, "abs": np.abs, "sign": np.sign, "not": np.invert}.items():
            np.testing.assert_array_equal(run_op(op, x, out=name), f(x), err_msg=op)
        for op, f in COMPARE.items():
            np.testing.assert_array_equal(run_op(op, x, y, out=bool), f(x, y), err_msg=op)
    counts = run_op("population_count", x, out=name)
    np.testing.assert_array_equal(
        counts, np.bitwise_count(x if x.dtype.kind == "u" else x.view(f"u{x.itemsize}"))
    )


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_ops_without_a_numpy_name(name: str) -> None:
    x, y = integer_pairs(name)
    bits = 8 * x.itemsize
    unsigned = [int(v) & ((1 << bits) - 1) for v in x]

    def wrapped(values: list[int]) -> np.ndarray:
        return np.array([v & ((1 << bits) - 1) for v in values], np.dtype(f"u{x.itemsize}")).view(name)

    truncated = [
        0 if b == 0 else abs(int(a)) // abs(int(b)) * (1 if (a < 0) == (b < 0) else -1)
        for a, b in zip(x, y, strict=True)
    ]
    np.testing.assert_array_equal(run_op("int_div", x, y, out=name), wrapped(truncated))
    np.testing.assert_array_equal(run_op("clz", x, out=name), [bits - u.bit_length() for u in unsigned])
    shifted = [u >> int(n) if 0 <= n < bits else 0 for u, n in zip(unsigned, y, strict=True)]
    np.testing.assert_array_equal(run_op("shift_right_logical", x, y, out=name), wrapped(shifted))
    exponents = np.abs(y) % 100
    powers = [int(a) ** int(n) for a, n in zip(x, exponents, strict=True)]
    np.testing.assert_array_equal(run_op("pow", x, exponents.astype(name), out=name), wrapped(powers))
    np.testing.assert_array_equal(
        run_op("integer_pow", x, out=name, exponent=5), wrapped([int(a) ** 5 for a in x])
    )


def test_integer_power_of_negative_exponents_truncates() -> None:
    x, y = np.array([1, -1, -1, 2, 0, -3]), np.array([-3, -3, -4, -1, -1, -2])
    np.testing.assert_array_equal(run_op("pow", x, y, out="int64"), [1, -1, 1, 0, 0, 0])


@pytest.mark.parametrize("name", FLOATS)
def test_float_arithmetic(name: str) -> None:
    x, y = float_pairs(name)
    with np.errstate(all="ignore"):
        for op, f in BINARY_FLOAT.items():
            assert_same(run_op(op, x, y, out=x.dtype), in_float32(f, x, y))
        for op, f in UNARY_FLOAT.items():
            assert_same(run_op(op, x, out=x.dtype), in_float32(f, x))
        for op, f in COMPARE.items():
            assert_same(run_op(op, x, y, out=bool), in_float32(f, x, y))
        for op, f in {
            "is_nan": np.isnan,
            "is_inf": np.isinf,
            "is_finite": np.isfinite,
            "sign_bit": np.signbit,
        }.items():
            assert_same(run_op(op, x, out=bool), in_float32(f, x))
    got, bits = run_op("nextafter", x, y, out=x.dtype), f"u{x.dtype.itemsize}"
    want = np.where(x == y, y, np.nextafter(x, y))  # NumPy alone keeps x, but only for float16
    same_bits = got.view(bits) == want.view(bits)
    assert np.all(same_bits | (np.isnan(got.astype(float)) & np.isnan(want.astype(float))))


@pytest.mark.parametrize("op", ["mod", "rem", "floor_div"])
@pytest.mark.parametrize("name", ["float32", "float64"])
def test_float_remainders_of_any_quotient(op: str, name: str) -> None:
    rng = np.random.default_rng(3)
    top = 35 if name == "float32" else 300
    x = (rng.choice([-1, 1], 300) * 10.0 ** rng.uniform(-top, top, 300)).astype(name)
    y = (rng.choice([-1, 1], 300) * 10.0 ** rng.uniform(-top, top, 300)).astype(name)
    y[::3] = x[::3] * rng.uniform(0.01, 3, 100).astype(name)
    with np.errstate(all="ignore"):
        assert_same(run_op(op, x, y, out=name), BINARY_FLOAT[op](x, y))


def test_signs_of_zero_survive() -> None:
    x = np.array([-0.0, 0.0])
    for op in (
        "abs",
        "neg",
        "floor",
        "trunc",
        "rint",
        "sqrt",
        "sin",
        "tan",
        "asin",
        "atan",
        "sinh",
        "tanh",
        "asinh",
    ):
        reference = {"asin": np.arcsin, "atan": np.arctan, "asinh": np.arcsinh, "neg": np.negative}.get(
            op
        ) or getattr(np, op)
        np.testing.assert_array_equal(
            np.signbit(run_op(op, x, out="f8")), np.signbit(reference(x)), err_msg=op
        )


@pytest.mark.parametrize("source", ["bool", *INTEGERS, *FLOATS, "complex64", "complex128"])
def test_casts(source: str) -> None:
    rng = np.random.default_rng(4)
    values = np.concatenate(
        [
            rng.normal(size=150) * 10.0 ** rng.uniform(-9, 12, 150),
            [
                0,
                -0.0,
                127.5,
                128,
                255.9,
                -128.9,
                65519.99,
                65520,
                2.9e-8,
                3e-8,
                2.0**31,
                2.0**63,
                2.0**64,
                -1e300,
                1e300,
            ],
            [np.inf, -np.inf, np.nan],
        ]
    )
    with np.errstate(all="ignore"):
        x = values.astype(dtype_of(source))
        for target in ("bool", *FLOATS, "complex64", "complex128"):
            if x.dtype.kind == "c" and not target.startswith("complex"):
                want = x != 0 if target == "bool" else x.real.astype(dtype_of(target))
            else:
                want = x.astype(dtype_of(target))
            assert_same(run_op("cast", x, out=dtype_of(target)), want)
        for target in INTEGERS:
            if source in ("bool", *INTEGERS):
                want = x.astype(target)
            else:
                info = np.iinfo(target)
                exact = x.real.astype(np.float64) if x.dtype.kind == "c" else x.astype(np.float64)
                want = np.array([0 if np.isnan(v) else int(min(max(v, -1e30), 1e30)) for v in exact], object)
                want = np.clip(want, info.min, info.max).astype(target)
            assert_same(run_op("cast", x, out=target), want)


def test_double_to_half_rounds_once() -> None:
    # Just above a tie of float16 that float32 cannot tell from the tie.
    x = np.array([1 + 2**-11 + 2**-40, 1 + 2**-11 - 2**-40, 1 + 2**-11, 1 + 2**-8 + 2**-50])
    assert_same(run_op("cast", x, out="float16"), x.astype("float16"))
    above = run_op("cast", x, out=BFLOAT16).astype(np.float64)
    np.testing.assert_array_equal(above, [1, 1, 1, 1 + 2**-7])


def test_bitcasts() -> None:
    for a, b in (
        ("float32", "int32"),
        ("float64", "uint64"),
        ("float16", "uint16"),
        ("int16", "float16"),
        ("uint8", "int8"),
    ):
        x = np.arange(-50, 50).astype(a)
        assert_same(run_op("bitcast", x, out=b), x.view(b))
    x = np.linspace(-3, 3, 50).astype(BFLOAT16)
    assert_same(run_op("bitcast", x, out="uint16"), x.view("uint16"))
    with pytest.raises(TypeError, match="bitcast needs real dtypes of equal size, got float64 and int32"):
        run_op("bitcast", np.ones(2), out="int32")


def test_bools() -> None:
    a, b = np.array([True, True, False, False]), np.array([True, False, True, False])
    for op, f in {
        "add": np.add,
        "mul": np.multiply,
        "max": np.maximum,
        "and": np.logical_and,
        "xor": np.logical_xor,
    }.items():
        assert_same(run_op(op, a, b, out=bool), f(a, b))
    for op, f in COMPARE.items():
        assert_same(run_op(op, a, b, out=bool), f(a, b))
    assert_same(run_op("not", a, out=bool), ~a)
    x, y = np.arange(4.0), -np.arange(4.0) * 1j
    assert_same(run_op("select", a, x, x + 10, out="f8"), np.where(a, x, x + 10))
    assert_same(run_op("select", a, x + 0j, y, out="c16"), np.where(a, x + 0j, y))
    assert_same(run_op("fma", x, x, x, out="f8"), x * x + x)


def test_complex_arithmetic() -> None:
    rng = np.random.default_rng(5)
    z, w = (rng.normal(size=200) + 1j * rng.normal(size=200) for _ in range(2))
    for name in ("complex64", "complex128"):
        a, b = z.astype(name), w.astype(name)
        close = {"rtol": 4 * np.finfo(name).eps, "atol": 4 * np.finfo(name).eps}
        for op, f in {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}.items():
            np.testing.assert_allclose(run_op(op, a, b, out=name), f(a, b), **close)
        np.testing.assert_array_equal(run_op("mul", a, a.conj(), out=name).imag, 0)
        for op in ("eq", "ne", "lt", "ge"):
            assert_same(
                run_op(op, a, np.where(a.imag > 0, a, b), out=bool),
                COMPARE[op](a, np.where(a.imag > 0, a, b)),
            )
        part = a.real.dtype
        assert_same(run_op("complex", a.real, b.real, out=name), (a.real + 1j * b.real).astype(name))
        np.testing.assert_allclose(run_op("abs", a, out=part), np.abs(a), **close)
        np.testing.assert_allclose(run_op("angle", a, out=part), np.angle(a), **close)
        np.testing.assert_allclose(run_op("integer_pow", a, out=name, exponent=3), a * a * a, **close)
        assert_same(run_op("imag", a, out=part), a.imag)
        assert_same(run_op("conj", a, out=name), a.conj())
    huge = np.array([1e300 + 1e300j, 1e-300 + 1e-300j, 1e308 + 1j, 1 + 0j])
    tiny = np.array([1e300 + 1e300j, 1e-300 - 1e-300j, 1e308 - 1e308j, 0j])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(run_op("div", huge, tiny, out="c16"), huge / tiny, rtol=1e-15)


def test_unknown_ops_say_so() -> None:
    with pytest.raises(TypeError, match="scalar op and is not defined for dtype float64"):
        run_op("and", np.ones(1), np.ones(1), out="f8")
    with pytest.raises(TypeError, match="kernels do not know dtype"):
        run_op("add", np.ones(1, "m8[s]"), np.ones(1, "m8[s]"), out="m8[s]")


def test_every_name_is_tested_somewhere() -> None:
    from tests.kernels.test_maths import DOMAINS, TWO_ARGUMENTS
    from tests.kernels.test_special_maths import CASES

    here = {*BINARY_INTEGER, *BINARY_FLOAT, *COMPARE, *UNARY_FLOAT, *DOMAINS, *TWO_ARGUMENTS, *CASES}
    here |= {"int_div", "clz", "shift_right_logical", "population_count", "pow", "integer_pow", "not", "cast"}
    here |= {
        "bitcast",
        "select",
        "fma",
        "complex",
        "angle",
        "nextafter",
        "is_nan",
        "is_inf",
        "is_finite",
        "sign_bit",
    }
    here |= {"floor_div_by", "int_div_by", "mod_by", "rem_by"}  # test_literals
    assert scalar_ops.names() == here


def test_constants_and_accumulators() -> None:
    """A reduction loop through phi, with a constant of every dtype as the step."""
    for dtype, step in (
        (np.dtype("c16"), 1 + 2j),
        (np.dtype("i8"), -3),
        (BFLOAT16, 0.5),
        (np.dtype("u1"), 255),
    ):
        module = Module()
        writer = Writer(module)
        writer.br("loop")
        writer.place("loop")
        index = writer.phi("i64", [(writer.const("i64", 0), "entry")])
        total = phi(writer, dtype, [(constant(writer, dtype, 0), "entry")])
        following = scalar_ops.apply(writer, "add", [total, constant(writer, dtype, step)], dtype)
        after = index + 1
        writer.add_incoming(index, after, "loop")
        add_incoming(total, following, "loop")
        writer.cond_br(after < 10, "loop", "done")
        writer.place("done")
        store(writer, following, dtype, "%out")
        writer.do("ret void")
        writer.define("total", "define void @total(ptr %out)")
        out = np.zeros(1, dtype)
        code = compile_module(module.text())
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("total"))(out.ctypes.data)
        assert out[0] == np.array(np.array(step, dtype) * 10 if dtype.kind != "u" else 2550 % 256).astype(
            dtype
        )


def test_compile_is_thread_safe_and_names_mistakes() -> None:
    module = Module()
    writer = Writer(module)
    x = load(writer, np.dtype("f4"), "%p")
    store(writer, scalar_ops.apply(writer, "mul", [x, x], x.dtype), x.dtype, "%p")
    writer.do("ret void")
    writer.define("square", "define void @square(ptr %p)")
    results = np.arange(8, dtype="f4")
    codes = []

    def work(k: int) -> None:
        code = compile_module(module.text(), f"square{k}")
        codes.append(code)
        ctypes.CFUNCTYPE(None, ctypes.c_void_p)(code.address("square"))(results[k : k + 1].ctypes.data)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    np.testing.assert_array_equal(results, np.arange(8, dtype="f4") ** 2)
    assert "define void @square" in codes[0].llvm and "square" in codes[0].asm
    with pytest.raises(KeyError, match="no function named cube"):
        codes[0].address("cube")
    with pytest.raises(RuntimeError, match="parsing error"):
        compile_module("define void @broken( {")


def test_arithmetic_is_vectorised_and_not_contracted() -> None:
    code = compile_op("add", ("float64", "float64"), "float64")
    assert "fadd <" in code.llvm
