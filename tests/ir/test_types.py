from __future__ import annotations

import itertools

import ml_dtypes
import numpy as np
import pytest

from weft.ir import types
from weft.ir.errors import DTypeError
from weft.ir.types import DTYPES, SHORT_NAMES, ArrayType, bfloat16, check_dtype, promote, type_of

F32 = np.dtype(np.float32)
F64 = np.dtype(np.float64)


def test_spelling() -> None:
    assert str(ArrayType((3, 4), F32)) == repr(ArrayType((3, 4), F32)) == "f32[3,4]"
    assert str(ArrayType((), bfloat16)) == "bf16[]"
    assert str(ArrayType((0,), np.dtype(bool))) == "bool[0]"


def test_short_names_are_one_to_one() -> None:
    assert len(DTYPES) == len(SHORT_NAMES) == 15
    assert all(SHORT_NAMES[dtype] == short for short, dtype in DTYPES.items())


def test_sizes() -> None:
    t = ArrayType((3, 4), F32)
    assert (t.ndim, t.size, t.nbytes) == (2, 12, 48)
    assert (ArrayType((), F64).size, ArrayType((2, 0), F64).size) == (1, 0)
    assert t.with_shape((2,)) == ArrayType((2,), F32)
    assert t.with_dtype(F64) == ArrayType((3, 4), F64)


def test_types_are_values() -> None:
    assert ArrayType((3,), F32) == ArrayType((3,), np.dtype("f4"))
    assert len({ArrayType((3,), F32), ArrayType((3,), np.dtype("f4")), ArrayType((3,), F64)}) == 2


@pytest.mark.parametrize("a", sorted(set(DTYPES) - {"bf16"}))
@pytest.mark.parametrize("b", sorted(set(DTYPES) - {"bf16"}))
def test_promotion_is_numpys(a: str, b: str) -> None:
    assert promote(DTYPES[a], DTYPES[b]) == np.result_type(DTYPES[a], DTYPES[b])


@pytest.mark.parametrize(
    ("other", "result"),
    [
        ("bool", "bf16"), ("bf16", "bf16"), ("i8", "bf16"), ("u8", "bf16"), ("i16", "f32"), ("i64", "f64"),
        ("f16", "f32"), ("f32", "f32"), ("f64", "f64"), ("c64", "c64"), ("c128", "c128"),
    ],
)  # fmt: skip
def test_promotion_of_bfloat16(other: str, result: str) -> None:
    assert promote(bfloat16, DTYPES[other]) == promote(DTYPES[other], bfloat16) == DTYPES[result]


def test_promotion_commutes() -> None:
    for a, b in itertools.combinations(DTYPES.values(), 2):
        assert promote(a, b) == promote(b, a)


@pytest.mark.parametrize("dtype", [float, "f4", np.int8, ml_dtypes.bfloat16, np.dtype(">f8")])
def test_check_dtype_accepts(dtype: object) -> None:
    assert check_dtype(dtype) in SHORT_NAMES


@pytest.mark.parametrize(
    ("dtype", "message"),
    [
        ("hello", "'hello' is not a dtype."),
        ("M8[s]", "Weft has no arrays of dtype datetime64[s]. Accepted dtypes are bool, int8,"),
        (object, "Weft has no arrays of dtype object."),
        (np.longdouble, "Weft has no arrays of dtype "),
    ],
)
def test_check_dtype_refuses(dtype: object, message: str) -> None:
    with pytest.raises(DTypeError) as error:
        check_dtype(dtype)
    assert str(error.value).startswith(message)


def test_kinds() -> None:
    def kinds(short: str) -> str:
        dtype = DTYPES[short]
        tests = {
            "bool": types.is_bool,
            "integer": types.is_integer,
            "floating": types.is_floating,
            "complex": types.is_complex,
            "inexact": types.is_inexact,
        }
        return " ".join(name for name, test in tests.items() if test(dtype))

    assert {short: kinds(short) for short in ("bool", "i8", "u64", "f16", "bf16", "f64", "c64")} == {
        "bool": "bool",
        "i8": "integer",
        "u64": "integer",
        "f16": "floating inexact",
        "bf16": "floating inexact",
        "f64": "floating inexact",
        "c64": "complex inexact",
    }


def test_real_and_complex_partners() -> None:
    assert types.real_dtype(np.dtype("c8")) == F32
    assert types.real_dtype(np.dtype("c16")) == F64
    assert types.real_dtype(F32) == F32
    assert types.complex_dtype(F32) == types.complex_dtype(bfloat16) == np.dtype("c8")
    assert types.complex_dtype(F64) == types.complex_dtype(np.dtype("i4")) == np.dtype("c16")
    assert types.complex_dtype(np.dtype("c8")) == np.dtype("c8")


def test_type_of() -> None:
    assert type_of(np.zeros((2, 3), F32)) == ArrayType((2, 3), F32)
    assert type_of(np.float32(1)) == ArrayType((), F32)
    assert type_of(1.5) == ArrayType((), F64)
    assert type_of(True) == ArrayType((), np.dtype(bool))
