from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, DTYPES, sample
from weft.engine.array import Array
from weft.ir.errors import DTypeError

X = np.array([[1.5, -2.25, 1e10], [0.1, np.nan, np.inf]])


@pytest.mark.parametrize("name", ["array2string", "array_repr", "array_str"])
def test_arrays_as_text(name: str) -> None:
    for x in (X, np.arange(3), np.array(1j), np.ones(2000)):
        assert getattr(wnp, name)(wnp.asarray(x)) == getattr(np, name)(x)
    assert getattr(wnp, name)(wnp.asarray(X), precision=1) == getattr(np, name)(X, precision=1)
    found = []
    weft.jit(lambda x: found.append(getattr(wnp, name)(x)) or x)(X)
    assert "f64[2,3]" in found[0]


def test_numbers_as_text() -> None:
    x = wnp.asarray(np.float32(1 / 3))
    assert wnp.format_float_positional(x) == np.format_float_positional(np.float32(1 / 3))
    assert wnp.format_float_scientific(x, precision=2) == "3.33e-01"
    assert wnp.binary_repr(5, 8) == "00000101" and wnp.base_repr(35, 36) == "Z"


def test_settings_of_printing() -> None:
    with wnp.printoptions(precision=2):
        assert repr(wnp.asarray(X[0, :2] / 3)) == "Array([ 0.5 , -0.75], dtype=float64)"
        assert wnp.get_printoptions()["precision"] == 2
    assert wnp.get_printoptions()["precision"] == np.get_printoptions()["precision"] != 2


@pytest.mark.parametrize("dtype", [*DTYPES, BFLOAT16])
def test_files(dtype: str, tmp_path: Path) -> None:
    x = wnp.asarray(sample(dtype, (3, 2)))
    wnp.save(tmp_path / "x.npy", x)
    back = wnp.load(tmp_path / "x.npy")
    assert isinstance(back, Array) and back.dtype == x.dtype and bool((back == x).all())
    np.asarray(x).tofile(tmp_path / "raw")
    back = wnp.fromfile(tmp_path / "raw", dtype)
    assert isinstance(back, Array) and back.dtype == x.dtype and back.tolist() == x.ravel().tolist()


def test_several_arrays_in_a_file() -> None:
    for write in (wnp.savez, wnp.savez_compressed):
        file = io.BytesIO()
        write(file, wnp.arange(3), named=wnp.asarray(X))
        file.seek(0)
        found = wnp.load(file)
        assert found["arr_0"].tolist() == [0, 1, 2]
        np.testing.assert_array_equal(found["named"], X)


def test_text_files() -> None:
    file = io.StringIO()
    wnp.savetxt(file, wnp.asarray([[1.0, 2], [3, 4]]), fmt="%.1f")
    for read in (wnp.loadtxt, wnp.genfromtxt):
        file.seek(0)
        found = read(file)
        assert isinstance(found, Array) and found.tolist() == [[1, 2], [3, 4]]


def test_text_and_iterators() -> None:
    assert wnp.fromstring("1, 2, 3", sep=",").tolist() == [1, 2, 3]
    assert wnp.fromiter((i * i for i in range(4)), int).tolist() == [0, 1, 4, 9]
    with pytest.raises(DTypeError, match="Weft has no arrays of dtype object"):
        wnp.fromiter([1], object)
