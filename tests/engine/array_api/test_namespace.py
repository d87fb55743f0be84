"""The namespace and the array object of the array API standard: inspection, devices, dtypes, exchange of data, indexing."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.array_api import make_strategies_namespace

import weft
import weft.numpy as wnp
from weft.errors import ArgumentError, CopyError, DTypeError, IndexingError

xps = make_strategies_namespace(wnp, api_version="2024.12")
X = np.arange(6.0).reshape(2, 3)
INFO = wnp.__array_namespace_info__()
REAL, COMPLEX = [wnp.float32, wnp.float64], [wnp.complex64, wnp.complex128]


# The namespace


def test_arrays_know_their_namespace() -> None:
    x = wnp.asarray(X)
    assert wnp.__array_api_version__ == "2024.12"
    for version in (None, "2021.12", "2022.12", "2023.12", "2024.12"):
        assert x.__array_namespace__(api_version=version) is wnp
    assert weft.jit(lambda v: v * (v.__array_namespace__() is wnp))(x).tolist() == X.tolist()
    with pytest.raises(ArgumentError, match=r"api_version='1999.1': weft.numpy follows 2021.12, .*2024.12"):
        x.__array_namespace__(api_version="1999.1")


def test_inspection() -> None:
    found = INFO.capabilities()
    assert found == {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}
    assert wnp.zeros((1,) * found["max dimensions"]).ndim == 64
    assert (INFO.default_device(), INFO.devices()) == ("cpu", ["cpu"])
    defaults = INFO.default_dtypes(device="cpu")
    assert defaults == {
        "real floating": wnp.asarray(1.0).dtype,
        "complex floating": wnp.asarray(1j).dtype,
        "integral": wnp.asarray(1).dtype,
        "indexing": wnp.argmax(wnp.asarray(X)).dtype,
    }


def test_default_dtypes_follow_the_setting() -> None:
    weft.config.update(default_float="float32")
    try:
        assert INFO.default_dtypes()["real floating"] == wnp.fft.fftfreq(3).dtype == np.float32
        assert INFO.default_dtypes()["complex floating"] == wnp.asarray(1j).dtype == np.complex64
    finally:
        weft.config.update(default_float="float64")


KINDS = {
    "bool": ["bool"],
    "signed integer": ["int8", "int16", "int32", "int64"],
    "unsigned integer": ["uint8", "uint16", "uint32", "uint64"],
    "real floating": ["float32", "float64"],
    "complex floating": ["complex64", "complex128"],
}
KINDS["integral"] = KINDS["signed integer"] + KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] + KINDS["real floating"] + KINDS["complex floating"]


@pytest.mark.parametrize("kind", KINDS)
def test_dtypes_by_kind(kind: str) -> None:
    found = INFO.dtypes(kind=kind, device="cpu")
    assert sorted(found) == sorted(KINDS[kind])
    for name, dtype in INFO.dtypes().items():
        assert wnp.empty(1, dtype=dtype, device="cpu").dtype == getattr(wnp, name) == dtype
        assert wnp.isdtype(dtype, kind) is (name in found) is wnp.isdtype(getattr(wnp, name), kind)
        assert wnp.isdtype(dtype, (kind, dtype))
    assert INFO.dtypes(kind=(kind, "bool")) == {**found, "bool": np.dtype(bool)}
    assert INFO.dtypes(kind=()) == {}


@pytest.mark.parametrize("dtype", REAL + COMPLEX)
def test_limits_of_floats(dtype: Any) -> None:
    real = np.finfo(dtype)
    for given_as in (dtype, np.dtype(dtype), wnp.ones(2, dtype=dtype), np.ones(2, dtype)):
        info = wnp.finfo(given_as)
        assert type(info.bits) is int and info.bits == real.bits and info.dtype == real.dtype
        for name in ("eps", "max", "min", "smallest_normal"):
            assert type(getattr(info, name)) is float and getattr(info, name) == float(getattr(real, name))
    assert "float" in repr(wnp.finfo(dtype))


@pytest.mark.parametrize("name", KINDS["integral"])
def test_limits_of_integers(name: str) -> None:
    for given_as in (name, getattr(wnp, name), np.dtype(name), wnp.ones(2, dtype=name)):
        info, wanted = wnp.iinfo(given_as), np.iinfo(name)
        assert (info.bits, info.max, info.min, info.dtype) == (
            wanted.bits,
            wanted.max,
            wanted.min,
            np.dtype(name),
        )
        assert type(info.max) is int


def test_limits_of_other_dtypes() -> None:
    assert wnp.finfo(wnp.bfloat16).bits == 16 and type(wnp.finfo(wnp.bfloat16).eps) is float
    with pytest.raises(DTypeError, match="finfo needs a floating or complex dtype, got int32: see iinfo"):
        wnp.finfo(wnp.int32)
    with pytest.raises(DTypeError, match="iinfo needs an integer dtype, got float64: see finfo"):
        wnp.iinfo(wnp.ones(2))


PAIRS = [
    *itertools.combinations_with_replacement(KINDS["integral"], 2),
    *itertools.product(["float32", "float64"], repeat=2),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_promotion_within_a_kind_and_of_scalars(pair: tuple[str, str]) -> None:
    x, y = (wnp.ones(2, dtype=name) for name in pair)
    wanted = np.result_type(*pair)
    for found in (
        wnp.result_type(x, y),
        wnp.result_type(*pair),
        wnp.result_type(x, pair[1]),
        (x + y).dtype,
        (y * x).dtype,
    ):
        assert found == wanted
    assert wnp.result_type(x, 1) == (x + 1).dtype == (1 - x).dtype == x.dtype
    assert wnp.can_cast(x, wanted) and wnp.can_cast(np.dtype(pair[1]), wanted)


# Devices, and exchange of data


MAKERS: dict[str, Callable[[Any], Any]] = {
    "arange": lambda device: wnp.arange(3, device=device),
    "asarray": lambda device: wnp.asarray([1.0], device=device),
    "array": lambda device: wnp.array([1.0], device=device),
    "empty": lambda device: wnp.empty(3, device=device),
    "empty_like": lambda device: wnp.empty_like(wnp.ones(2), device=device),
    "eye": lambda device: wnp.eye(3, device=device),
    "from_dlpack": lambda device: wnp.from_dlpack(np.ones(3), device=device),
    "full": lambda device: wnp.full(3, 1.0, device=device),
    "full_like": lambda device: wnp.full_like(wnp.ones(2), 1.0, device=device),
    "linspace": lambda device: wnp.linspace(0, 1, 3, device=device),
    "ones": lambda device: wnp.ones(3, device=device),
    "ones_like": lambda device: wnp.ones_like(wnp.ones(2), device=device),
    "zeros": lambda device: wnp.zeros(3, device=device),
    "zeros_like": lambda device: wnp.zeros_like(wnp.ones(2), device=device),
    "astype": lambda device: wnp.astype(wnp.ones(2), wnp.float32, device=device),
    "fftfreq": lambda device: wnp.fft.fftfreq(3, device=device),
    "rfftfreq": lambda device: wnp.fft.rfftfreq(3, device=device),
    "to_device": lambda device: wnp.ones(3).to_device(device),
}


@pytest.mark.parametrize("name", MAKERS)
def test_devices(name: str) -> None:
    make = MAKERS[name]
    for device in (None, "cpu", wnp.zeros(1).device):
        assert make(device).device == "cpu"
        assert weft.jit(lambda device=device: make(device))().device == "cpu"
    called = name.replace("empty", "zeros")
    for run in (make, lambda device: weft.jit(lambda: make(device))()):
        with pytest.raises(
            ArgumentError, match=f"{called} got device='tpu': arrays live on the device 'cpu'"
        ):
            run("tpu")


def test_streams() -> None:
    with pytest.raises(ArgumentError, match="to_device got stream=1"):
        wnp.ones(3).to_device("cpu", stream=1)


def test_copies() -> None:
    data = np.arange(3.0)
    x = wnp.asarray(data)
    assert wnp.asarray(x) is x is wnp.asarray(x, copy=False) is wnp.asarray(x, dtype=x.dtype)
    assert wnp.asarray(x, copy=True) is not x
    assert wnp.astype(x, wnp.float64, copy=False) is x is x.astype(None, copy=False)
    for other in (wnp.astype(x, x.dtype), x.astype(float), wnp.astype(x, wnp.float32, copy=False)):
        assert other is not x and other.tolist() == x.tolist()
    assert weft.jit(lambda v: v * (wnp.astype(v, v.dtype, copy=False) is v))(x).tolist() == x.tolist()
    for needs in (
        lambda: wnp.asarray(x, dtype=wnp.float32, copy=False),
        lambda: wnp.asarray([1.0], copy=False),
    ):
        with pytest.raises(CopyError, match="asarray got copy=False") as error:
            needs()
        assert isinstance(error.value, ValueError)
    assert not np.shares_memory(np.asarray(wnp.asarray(x, copy=True)), np.asarray(x))


def test_dlpack() -> None:
    data = np.arange(3.0)
    x = wnp.from_dlpack(data)
    shared = wnp.from_dlpack(data, copy=False)
    assert wnp.from_dlpack(x) is x and wnp.from_dlpack(x, copy=True) is not x
    data[0] = 7
    assert (float(x[0]), float(shared[0])) == (0, 7)
    assert x.__dlpack_device__() == (1, 0)
    for asked in ({}, {"max_version": None}, {"max_version": (1, 0)}, {"copy": True}, {"dl_device": (1, 0)}):
        assert "dltensor" in repr(x.__dlpack__(**asked))
    with pytest.raises(BufferError):
        x.__dlpack__(dl_device=(2, 0))
    read = np.from_dlpack(x)
    assert np.shares_memory(read, np.asarray(x)) and not read.flags.writeable
    assert np.from_dlpack(x, copy=True).flags.writeable


# The array object


OPERATORS = "add sub mul truediv floordiv mod pow matmul and_ or_ xor lshift rshift".split()


@pytest.mark.parametrize("name", OPERATORS)
def test_operators_in_place(name: str) -> None:
    kind = float if name in ("truediv", "matmul") else int
    data, other = np.array([5, 7, 9]).astype(kind), np.array([1, 2, 3]).astype(kind)
    x = wnp.asarray(data)
    before = x
    plain, in_place = getattr(operator, name), getattr(operator, f"i{name.strip('_')}")
    for y in (wnp.asarray(other), other, 2) if name != "matmul" else (wnp.asarray(other), other):
        found = in_place(x, y)
        assert isinstance(found, weft.Array)
        np.testing.assert_array_equal(found, plain(data, np.asarray(y)))
        np.testing.assert_array_equal(weft.jit(in_place)(x, y), plain(data, np.asarray(y)))
    np.testing.assert_array_equal(before, data)  # x += y gives the name to another array


@pytest.mark.parametrize("dtype", INFO.dtypes())
def test_python_scalars(dtype: str) -> None:
    x = wnp.ones((), dtype=dtype)
    assert bool(x) is True and complex(x) == 1 and type(complex(x)) is complex
    if not dtype.startswith("complex"):
        assert (int(x), float(x)) == (1, 1.0) and type(float(x)) is float and type(int(x)) is int
    if "int" in dtype:
        assert operator.index(x) == 1 and list(range(5))[x] == 1
    else:
        with pytest.raises(TypeError):
            operator.index(wnp.ones((), dtype="float64"))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_basic_indices(data: st.DataObject) -> None:
    shape = data.draw(xps.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    index = data.draw(xps.indices(shape, allow_newaxis=True)) if 0 not in shape else ...
    np.testing.assert_array_equal(np.asarray(wnp.asarray(array)[index]), array[index])
    np.testing.assert_array_equal(np.asarray(weft.jit(lambda x: x[index])(array)), array[index])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_index_arrays_with_integers(data: st.DataObject) -> None:
    shape = data.draw(xps.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    both = data.draw(st.sampled_from([(), (2,), (3, 1), (0,)]))
    index = []
    for n in shape:
        positions = st.integers(-n, n - 1)
        if data.draw(st.booleans()):
            index.append(data.draw(positions))
        else:
            size = int(np.prod(both, dtype=int))
            found = data.draw(st.lists(positions, min_size=size, max_size=size))
            index.append(np.array(found, data.draw(st.sampled_from([np.int64, np.int8]))).reshape(both))
    ours = tuple(i if isinstance(i, int) else wnp.asarray(i) for i in index)
    np.testing.assert_array_equal(np.asarray(wnp.asarray(array)[ours]), array[tuple(index)])
    np.testing.assert_array_equal(np.asarray(weft.jit(lambda x, i: x[i])(array, ours)), array[tuple(index)])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_masks(data: st.DataObject) -> None:
    shape = data.draw(xps.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    axes = data.draw(st.integers(0, len(shape)))
    mask = np.asarray(data.draw(xps.arrays(wnp.bool, shape[:axes])))
    np.testing.assert_array_equal(np.asarray(wnp.asarray(array)[wnp.asarray(mask)]), array[mask])


def test_masks_that_do_not_fit() -> None:
    for shape in [(3, 2), (2, 3, 1), (3,)]:
        with pytest.raises(IndexingError) as error:
            wnp.asarray(X)[wnp.ones(shape, dtype=bool)]
        assert isinstance(error.value, IndexError)


# Other libraries


def test_array_api_compat() -> None:
    compat = pytest.importorskip("array_api_compat")
    x = wnp.asarray(X)

    def ask(v: Any) -> Any:
        assert compat.array_namespace(v, 2.0) is wnp
        assert compat.is_array_api_obj(v) and not compat.is_numpy_array(v)
        assert compat.device(v) == "cpu" and compat.size(v) == 6
        return compat.to_device(v, "cpu")

    assert ask(x) is x
    np.testing.assert_array_equal(weft.jit(ask)(x), X)


@settings(max_examples=100, deadline=None)
@given(xps.arrays(xps.scalar_dtypes(), xps.array_shapes(min_dims=0, min_side=0)))
def test_hypothesis_makes_our_arrays(x: Any) -> None:
    assert isinstance(x, weft.Array)
    np.testing.assert_array_equal(wnp.asarray(np.asarray(x)), x)
