from __future__ import annotations

import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, staged
from weft.engine import left_out
from weft.engine.array import Array
from weft.ir.errors import DTypeError


@pytest.mark.parametrize(
    "args",
    [
        (np.int8, np.uint8),
        (np.float32, 1.0),
        (np.int32, 2.5),
        (np.float16, np.int64),
        (np.float32, 1j),
        (bool, 1),
        (1, 2.0),
        ("float32", "int8"),
    ],
)
def test_result_type(args: tuple) -> None:
    assert wnp.result_type(*args) == np.result_type(*args)
    with_arrays = [wnp.zeros(2, a) if isinstance(a, type | str) else a for a in args]
    assert wnp.result_type(*with_arrays) == np.result_type(*args)


def test_bfloat16() -> None:
    assert wnp.result_type(wnp.bfloat16, 1.0) == BFLOAT16
    assert wnp.promote_types(wnp.bfloat16, np.float16) == np.float32
    assert wnp.promote_types(wnp.bfloat16, np.int8) == BFLOAT16
    for kind, expected in (
        (np.floating, True),
        (np.inexact, True),
        (np.number, True),
        (np.integer, False),
        (np.float32, False),
    ):
        assert wnp.issubdtype(wnp.bfloat16, kind) is expected
        assert wnp.issubdtype(BFLOAT16, kind) is expected
    assert wnp.issubdtype(BFLOAT16, wnp.bfloat16)
    assert wnp.isdtype(BFLOAT16, "real floating") and not wnp.isdtype(BFLOAT16, "integral")
    assert wnp.finfo(wnp.bfloat16).bits == 16 and float(wnp.finfo(np.float32).eps) == np.finfo(np.float32).eps


def test_types() -> None:
    for dtype, kind in (
        (np.float32, np.floating),
        (np.int8, np.integer),
        (complex, np.inexact),
        (bool, np.number),
    ):
        assert wnp.issubdtype(dtype, kind) == np.issubdtype(dtype, kind)
    assert wnp.issubdtype(np.floating, np.inexact)
    assert wnp.can_cast(np.int8, np.int16) and not wnp.can_cast(wnp.ones(2), np.int8)
    assert wnp.iinfo(np.int8).max == 127
    assert wnp.float32 == np.float32 and wnp.dtype("int8") == np.int8 and wnp.bool_ is wnp.bool
    assert wnp.ndarray is Array


def test_scalars() -> None:
    assert wnp.isscalar(2.0) and wnp.isscalar(wnp.array(1)) and not wnp.isscalar(wnp.ones(2))
    assert wnp.iterable(wnp.ones(2)) and not wnp.iterable(wnp.array(1)) and not wnp.iterable(3)
    assert wnp.newaxis is None and wnp.pi == np.pi and np.isnan(wnp.nan)
    assert staged(lambda x: wnp.ones(3) if wnp.isscalar(x) else x, np.array(1.0)).shape == (3,)


def test_module() -> None:
    assert all(hasattr(wnp, name) for name in wnp.__all__ if name not in ("linalg", "fft"))
    with pytest.raises(AttributeError, match=r"module 'weft.numpy' has no attribute 'nonsense'"):
        _ = wnp.nonsense
    done = subprocess.run(
        [sys.executable, "-c", "import weft.numpy; weft.numpy.ones(2)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_names_of_scalar_types() -> None:
    names = "byte short intc intp long longlong ubyte ushort uintc uintp ulong ulonglong half character flexible object_"
    assert all(getattr(wnp, name) == getattr(np, name) for name in names.split())
    assert wnp.asarray(3, wnp.half).dtype == np.float16 and wnp.zeros(2, wnp.longlong).dtype == np.int64
    assert wnp.True_ is np.True_ and wnp.typename("d") == "double precision" and wnp.mintypecode("fd") == "d"


@pytest.mark.parametrize("dtypes", [("f4", "i2"), ("f2",), ("c8", "f8"), ("f2", "f4"), ("i8",), ()])
def test_common_type(dtypes: tuple[str, ...]) -> None:
    arrays = [np.ones(2, d) for d in dtypes]
    assert wnp.common_type(*map(wnp.asarray, arrays)) is np.common_type(*arrays)
    found = []
    staged(lambda *xs: found.append(wnp.common_type(*xs)) or 0, *arrays)
    assert found == [np.common_type(*arrays)]


def test_smallest_dtypes() -> None:
    for number in (1, -1, 300, 2.5, 1e300, 1j, True, np.ones(2, "i4")):
        assert wnp.min_scalar_type(number) == np.min_scalar_type(number)
    assert wnp.min_scalar_type(wnp.asarray(3)) == np.uint8
    with pytest.raises(DTypeError, match="common_type takes arrays of numbers, got bool"):
        wnp.common_type(wnp.ones(2, bool))


@pytest.mark.parametrize("name", ["nditer", "matrix", "errstate", "poly1d", "datetime64", "longdouble"])
def test_what_is_left_out_says_why(name: str) -> None:
    why = left_out.FUNCTIONS[name]
    with pytest.raises(
        AttributeError, match=rf"no attribute '{name}'\. {re.escape(why[0].upper() + why[1:])}"
    ):
        getattr(wnp, name)


def test_a_slip_of_the_pen_is_answered() -> None:
    with pytest.raises(AttributeError, match=r"no attribute 'concatnate'. There is weft.numpy.concatenate"):
        _ = wnp.concatnate
    with pytest.raises(AttributeError, match=r"'fill': arrays are immutable: write x = x.at"):
        wnp.ones(2).fill(3)
    with pytest.raises(AttributeError, match=r"no attribute 'flll'"):
        weft.jit(lambda x: x.flll)(1.0)


SCALARS = (
    "bool",
    "int8",
    "int32",
    "uint64",
    "float16",
    "float32",
    "float64",
    "complex64",
    "complex128",
    "bfloat16",
)


@pytest.mark.parametrize("name", SCALARS)
def test_scalar_types_stand_for_their_dtype(name: str) -> None:
    kind, dtype = getattr(wnp, name), wnp.dtype(getattr(wnp, name))
    assert dtype.name == name and kind == dtype == kind and kind == dtype.type and dtype.type == kind
    assert kind != np.int16 and kind != wnp.int16 and {dtype.type: 1}[kind] == 1
    assert np.zeros(2, kind).dtype == wnp.zeros(2, kind).dtype == wnp.ones(2).astype(kind).dtype == dtype
    assert isinstance(dtype.type(1), kind) and issubclass(dtype.type, kind) and wnp.isdtype(dtype, kind)
    assert not isinstance(np.int16(1), kind) and not wnp.isdtype(np.dtype(np.int16), kind)
    assert wnp.issubdtype(kind, kind) and pickle.loads(pickle.dumps(kind)) is kind


@pytest.mark.parametrize("name", SCALARS)
def test_scalar_types_cast_arrays(name: str) -> None:
    kind, x = getattr(wnp, name), np.array([0.0, 1.5, 3.0])
    for given in (x, wnp.asarray(x), [0.0, wnp.asarray(1.5), 3.0]):
        cast = kind(given)
        assert isinstance(cast, Array) and cast.dtype == kind
        np.testing.assert_array_equal(cast, x.astype(wnp.dtype(kind)))
    np.testing.assert_array_equal(staged(lambda x: kind(x[1] * 2), x), wnp.dtype(kind).type(3))
    np.testing.assert_array_equal(weft.vmap(kind)(x), x.astype(wnp.dtype(kind)))
    assert type(kind(1)) is type(kind()) is wnp.dtype(kind).type


def test_scalar_types_keep_derivatives() -> None:
    x = np.array([0.5, 2.0])
    np.testing.assert_allclose(weft.grad(lambda x: (wnp.float32(x) ** 2).sum())(x), 2 * x)
    assert float(wnp.float64("1.5")) == 1.5
