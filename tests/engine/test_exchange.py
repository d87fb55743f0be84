"""Arrays of Weft in the hands of others: buffers, NumPy's interface, DLPack, pickle, Python's own protocols."""

from __future__ import annotations

import copy
import hashlib
import io
import math
import pickle
import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.engine.array import Array, own, wrap
from weft.engine.exchange import exporter
from weft.ir.errors import ConcretizationError, DeletedError
from weft.ir.types import DTYPES

X = np.arange(6.0).reshape(2, 3) + 1
BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
every_dtype = pytest.mark.parametrize("dtype", DTYPES.values(), ids=str)
numpys_dtypes = pytest.mark.parametrize("dtype", [d for d in DTYPES.values() if d != BFLOAT16], ids=str)
has_buffers = pytest.mark.skipif(
    sys.version_info < (3, 12), reason="classes written in Python have buffers from 3.12 on"
)


def ours(dtype: Any) -> Any:
    return wnp.asarray(np.array([[0, 1, 2], [3, 1, 0]]).astype(dtype))


def address(x: Any) -> int:
    return np.asarray(x).__array_interface__["data"][0]


# Buffers


@has_buffers
@numpys_dtypes
def test_a_memoryview_is_the_memory_read_only(dtype: np.dtype) -> None:
    x = ours(dtype)
    view, numpys = memoryview(x), memoryview(np.asarray(x))
    assert (view.format, view.shape, view.strides, view.readonly) == (
        numpys.format,
        (2, 3),
        numpys.strides,
        True,
    )
    assert view.tobytes() == numpys.tobytes()
    assert np.shares_memory(np.asarray(view), np.asarray(x))
    part = memoryview(x.T[1:])
    assert part.shape == (2, 2) and part.tobytes() == np.asarray(x).T[1:].tobytes()


@has_buffers
@every_dtype
def test_those_who_want_bytes_get_them_without_a_copy(dtype: np.dtype) -> None:
    x = ours(dtype)
    data = np.asarray(x).tobytes()
    flat = np.frombuffer(x, dtype)
    assert flat.tobytes() == data and np.shares_memory(flat, np.asarray(x)) and not flat.flags.writeable
    file = io.BytesIO()
    assert file.write(x) == len(data) and file.getvalue() == data
    assert hashlib.sha256(x).digest() == hashlib.sha256(data).digest()


@has_buffers
def test_nobody_may_write_through_a_buffer() -> None:
    x = ours(np.uint8)
    with pytest.raises((TypeError, BufferError)):
        io.BytesIO(b"123456").readinto(x)
    with pytest.raises(TypeError):
        memoryview(x)[0, 0] = 1
    assert np.asarray(x).tolist() == [[0, 1, 2], [3, 1, 0]]


@has_buffers
def test_a_buffer_keeps_the_memory_alive() -> None:
    view = memoryview(wnp.arange(100_000) * 2)
    others = [wnp.arange(100_000) * 3 for _ in range(4)]
    assert view[99_999] == 199_998 and len(others) == 4


@has_buffers
def test_arrays_without_a_buffer_say_so() -> None:
    bits = ours(BFLOAT16)
    with pytest.raises(BufferError, match="bfloat16 has no format code"):
        exporter(np.asarray(bits), 0x0004)
    with pytest.raises(BufferError, match="bfloat16 has no format code"):
        memoryview(bits)
    deleted = wnp.zeros(3) + 1
    deleted.delete()
    with pytest.raises(DeletedError):
        memoryview(deleted)
    with pytest.raises(DeletedError):
        np.asarray(deleted)


def test_numpy_shows_the_memory_on_every_python() -> None:
    x = ours(np.int32)
    view = memoryview(np.asarray(x))
    assert (view.format, view.shape, view.readonly) == ("i", (2, 3), True)
    assert np.frombuffer(np.asarray(x), np.int32).tolist() == [0, 1, 2, 3, 1, 0]


def test_an_array_that_went_through_numpy_is_not_copied() -> None:
    x = wnp.asarray(X)
    assert address(own(np.asarray(x))) == address(x)
    written = bytearray(X.tobytes())
    shown = np.frombuffer(memoryview(written).toreadonly())
    assert own(shown) is not shown  # whose owner may still write
    y = X.copy()
    part = y[:]
    part.flags.writeable = False
    through = np.asarray(memoryview(part))
    assert not np.shares_memory(own(through), y)


# NumPy's interface


@every_dtype
def test_numpy_shares_the_memory(dtype: np.dtype) -> None:
    x = ours(dtype)
    seen = np.asarray(x)
    assert seen.dtype == dtype and not seen.flags.writeable
    assert np.shares_memory(seen, np.asarray(x))
    assert np.shares_memory(np.array(x, copy=False), seen)
    copied = np.array(x)
    assert copied.flags.writeable and not np.shares_memory(copied, seen)
    assert x.__array__().dtype == dtype and x.__array__(copy=True).flags.writeable
    other = np.dtype(np.float32 if dtype != np.float32 else np.float64)
    if dtype.kind != "c":
        assert np.asarray(x, other).dtype == other
        assert np.asarray(x, other).tolist() == np.asarray(x).astype(other).tolist()
    with pytest.raises(ValueError, match="copy"):
        np.array(x, dtype=np.complex128 if dtype != np.complex128 else np.complex64, copy=False)


@numpys_dtypes
def test_the_array_interface_shows_a_buffer(dtype: np.dtype) -> None:
    for x in (ours(dtype), ours(dtype).T, ours(dtype)[1, 2], ours(dtype)[:, :0]):
        interface = x.__array_interface__
        numpys = np.ascontiguousarray(np.asarray(x)).__array_interface__
        assert (interface["typestr"], interface["version"]) == (numpys["typestr"], 3)
        assert interface["data"].readonly

        class Shown:
            __array_interface__ = interface

        shown = np.asarray(Shown())
        assert shown.shape == x.shape and shown.tolist() == x.tolist() and not shown.flags.writeable
        assert np.shares_memory(shown, np.asarray(x)) or not x.size
    assert not hasattr(ours(BFLOAT16), "__array_interface__")


def test_what_numpy_holds_is_not_given_up() -> None:
    """Not to a jitted function that may overwrite the array, and not by deleting it."""
    x = wnp.arange(1000.0) + 0.0
    seen = np.asarray(x)
    weft.jit(lambda v: v * 2, donate_argnums=0)(x)
    assert seen.tolist() == list(range(1000))
    y = wnp.arange(1000.0) + 0.0
    shown = np.asarray(y)
    y.delete()
    others = [wnp.zeros(1000) + k for k in range(4)]
    assert shown.tolist() == list(range(1000)) and len(others) == 4


def test_numpys_operators_leave_the_work_to_ours() -> None:
    x = wnp.asarray(X)
    assert x.__array_priority__ > X.__array_priority__
    for result in (X + x, x + X, X @ x.T, np.float64(2) * x, X < x, divmod(X, x)[1], X // x):
        assert isinstance(result, Array)


# DLPack


@every_dtype
@pytest.mark.parametrize("version", [None, (0, 8), (1, 0), (2, 3)])
def test_dlpack_there_and_back(dtype: np.dtype, version: Any) -> None:
    x = ours(dtype)
    asked = {} if version is None else {"max_version": version}

    class Producer:
        def __dlpack__(self, **kwargs: Any) -> Any:
            return x.__dlpack__(**asked)

        def __dlpack_device__(self) -> Any:
            return x.__dlpack_device__()

    assert x.__dlpack_device__() == (1, 0)
    back = wnp.from_dlpack(Producer(), copy=False)
    assert back.dtype == dtype and back.tolist() == x.tolist()
    apart = wnp.from_dlpack(Producer(), copy=True)
    assert apart.tolist() == x.tolist() and address(apart) != address(x)


@numpys_dtypes
def test_dlpack_with_numpy_copies_nothing(dtype: np.dtype) -> None:
    x = ours(dtype)
    seen = np.from_dlpack(x)
    assert seen.dtype == dtype and np.shares_memory(seen, np.asarray(x)) and not seen.flags.writeable
    theirs = np.array([[0, 1], [3, 1]]).astype(dtype)
    assert address(wnp.from_dlpack(theirs, copy=False)) == address(theirs)
    copied = wnp.from_dlpack(theirs)
    before = copied.tolist()
    theirs[...] = 0
    assert copied.tolist() == before


@every_dtype
@pytest.mark.parametrize("version", [None, (0, 8), (1, 0)])
def test_dlpack_without_a_copy_whatever_the_version(dtype: np.dtype, version: Any) -> None:
    x = ours(dtype)
    for seen in (False, True):  # by others, so that the memory is marked as read-only
        if seen:
            np.asarray(x)

        class Producer:
            def __dlpack__(self, **kwargs: Any) -> Any:
                return x.__dlpack__(max_version=version, copy=False, dl_device=(1, 0))

            def __dlpack_device__(self) -> Any:
                return (1, 0)

        there = wnp.from_dlpack(Producer(), copy=False)
        assert there.tolist() == x.tolist() and address(there) == address(x)
        assert not seen or not x.__array__().flags.writeable


def test_dlpack_without_a_copy_of_a_view() -> None:
    x = wnp.arange(6.0)
    part = wrap(x.__array__()[1:])
    assert not part.__array__().flags.writeable
    assert part.__dlpack__(copy=False)
    assert not part.__array__().flags.writeable and not x.__array__().flags.writeable


def test_dlpack_of_memory_that_is_read_only() -> None:
    x = wnp.from_dlpack(np.frombuffer(bytes(16)), copy=False)
    assert "versioned" in repr(x.__dlpack__(max_version=(1, 0), copy=False))
    assert x.__dlpack__() and x.__dlpack__(copy=True)
    with pytest.raises(
        BufferError, match=r"this memory is read-only.*ask for max_version=\(1, 0\), or for a copy"
    ):
        x.__dlpack__(copy=False)


def test_dlpack_of_a_producer_without_versions() -> None:
    class Old:
        def __dlpack__(self, stream: Any = None) -> Any:
            return X.__dlpack__()

        def __dlpack_device__(self) -> Any:
            return (1, 0)

    assert wnp.from_dlpack(Old()).tolist() == X.tolist()


def test_dlpack_that_cannot_be() -> None:
    class Far:
        def __dlpack__(self, **kwargs: Any) -> Any:
            raise AssertionError("asked before its device was looked at")

        def __dlpack_device__(self) -> Any:
            return (2, 0)

    with pytest.raises(BufferError, match="memory that the CPU does not read"):
        wnp.from_dlpack(Far())
    with pytest.raises(ConcretizationError, match="NumPy needs the values of an array"):
        weft.jit(np.from_dlpack)(X)
    with pytest.raises((BufferError, ValueError, TypeError)):
        wnp.from_dlpack(np.zeros(2, "M8[s]"))


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    x = ours(np.float32)
    there = torch.from_dlpack(x)
    assert there.tolist() == x.tolist() and there.data_ptr() == address(x)
    copied = torch.utils.dlpack.from_dlpack(
        x.__dlpack__()
    )  # without a version nothing says that it is read-only
    assert copied.tolist() == x.tolist() and copied.data_ptr() != address(x)
    for dtype in (torch.float32, torch.bfloat16, torch.int64, torch.complex64, torch.bool):
        tensor = torch.tensor([[1, 0], [0, 3]]).to(dtype)
        here = wnp.from_dlpack(tensor, copy=False)
        assert str(here.dtype) == str(dtype).removeprefix("torch.")
        assert here.tolist() == tensor.tolist() and address(here) == tensor.data_ptr()
        assert torch.from_dlpack(here).dtype == dtype
    assert wnp.asarray(torch.ones(3)).tolist() == [1, 1, 1]


# Pickle and copies


@every_dtype
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(dtype: np.dtype, protocol: int) -> None:
    for x in (ours(dtype), ours(dtype)[0, 1], ours(dtype)[:0], ours(dtype).T):
        back = pickle.loads(pickle.dumps(x, protocol))
        assert (type(back), back.dtype, back.shape, back.tolist()) == (Array, dtype, x.shape, x.tolist())


@every_dtype
def test_pickle_out_of_band_copies_nothing(dtype: np.dtype) -> None:
    x = ours(dtype)
    buffers: list[pickle.PickleBuffer] = []
    text = pickle.dumps(x, protocol=5, buffer_callback=buffers.append)
    assert len(buffers) == 1
    assert buffers[0].raw().readonly and x.nbytes not in (0, len(text))
    back = pickle.loads(text, buffers=buffers)
    assert back.dtype == dtype and back.tolist() == x.tolist()
    assert address(back) == address(x)


@every_dtype
def test_copies(dtype: np.dtype) -> None:
    x = ours(dtype)
    assert copy.copy(x) is x
    deep = copy.deepcopy({"x": x})["x"]
    assert deep.dtype == dtype and deep.tolist() == x.tolist() and address(deep) != address(x)


def test_a_pickle_is_read_by_another_process() -> None:
    text = pickle.dumps({"x": wnp.asarray(X), "y": ours(BFLOAT16)})
    program = f"import pickle; d = pickle.loads({text!r}); print(float(d['x'].sum()), d['y'].dtype, d['y'].tolist())"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout == "21.0 bfloat16 [[0.0, 1.0, 2.0], [3.0, 1.0, 0.0]]\n"


# Python


def test_python_scalars() -> None:
    assert (bool(wnp.asarray(2)), int(wnp.asarray(2.9)), float(wnp.asarray(3)), complex(wnp.asarray(1.5))) == (
        True, 2, 3.0, 1.5 + 0j,
    )  # fmt: skip
    assert ["a", "b", "c"][wnp.asarray(1)] == "b" and list(range(wnp.asarray(3))) == [0, 1, 2]
    assert math.floor(wnp.asarray(2.5)) == 2 and math.isclose(math.sin(wnp.asarray(1.0)), math.sin(1.0))
    assert float(round(wnp.asarray(1.26), 1)) == 1.3 and float(round(wnp.asarray(1.6))) == 2.0
    for wrong in (
        lambda x: bool(x),
        lambda x: int(x),
        lambda x: float(x),
        lambda x: complex(x),
        lambda x: range(x),
    ):
        with pytest.raises((TypeError, ValueError)):
            wrong(wnp.asarray(X))
    with pytest.raises(TypeError):
        [1, 2][wnp.asarray(1.0)]
    with pytest.raises(TypeError, match="unhashable"):
        hash(wnp.asarray(X))


def test_sequences() -> None:
    x = wnp.asarray(X)
    assert len(x) == 2 and [row.tolist() for row in x] == X.tolist()
    assert [row.tolist() for row in reversed(x)] == X[::-1].tolist()
    assert 6.0 in x and 7.0 not in x
    _, second = x
    assert second.tolist() == X[1].tolist()
    assert sum(x).tolist() == X.sum(axis=0).tolist() and float(max(x[0])) == 3.0
    for wrong in (len, iter, lambda y: list(reversed(y))):
        with pytest.raises(TypeError):
            wrong(wnp.asarray(1.0))


def test_format() -> None:
    assert f"{wnp.asarray(1.25):.1f} {wnp.asarray(7):04d} {wnp.asarray(255):x}" == "1.2 0007 ff"
    assert f"{wnp.asarray(X)}" == str(X) == str(wnp.asarray(X))
    with pytest.raises(TypeError):
        f"{wnp.asarray(X):.2f}"


@every_dtype
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3,), (2, 3), (40,), (2000,), (60, 50)])
def test_repr_is_as_numpys(dtype: np.dtype, shape: tuple[int, ...]) -> None:
    """But for the name of the class, and that the dtype is always said."""
    data = np.resize(np.array([0, 1, 2, 7]), shape).astype(dtype)
    plain = repr(data).replace("array", "Array", 1)
    if "dtype" in plain:
        assert repr(wnp.asarray(data)) == plain
    else:
        text = repr(wnp.asarray(data))
        assert "".join(text.split()) == "".join(plain[:-1].split()) + f",dtype={dtype})"
        assert max(map(len, text.split("\n"))) <= np.get_printoptions()["linewidth"]


# numpy.testing


def test_numpys_assertions_take_our_arrays() -> None:
    x, near, far = wnp.asarray(X), wnp.asarray(X * (1 + 1e-12)), wnp.asarray(X + 1)
    for check in (
        np.testing.assert_array_equal, np.testing.assert_allclose, np.testing.assert_array_almost_equal,
    ):  # fmt: skip
        check(x, X), check(X, x), check(x, x)
        with pytest.raises(AssertionError):
            check(x, far)
    np.testing.assert_allclose(x, near)
    np.testing.assert_array_less(x, far)
    with pytest.raises(AssertionError):
        np.testing.assert_array_less(far, x)
    np.testing.assert_equal(x, X)
    np.testing.assert_equal({"a": [wnp.asarray(1.0), X]}, {"a": [np.array(1.0), x]})
    np.testing.assert_array_almost_equal_nulp(x, x)
    np.testing.assert_array_max_ulp(x, x)
    np.testing.assert_almost_equal(x[0, 0], 1.0)
    np.testing.assert_allclose(ours(BFLOAT16), ours(np.float32))
