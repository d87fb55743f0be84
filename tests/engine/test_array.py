"""Arrays: what they are made of, what they refuse, and how they meet Python and NumPy."""

import copy
import pickle

import ml_dtypes
import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.engine.array import Array
from weft.errors import ArgumentError, ImmutableError, ShapeError

DTYPES = [
    np.bool_, np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64,
    np.float16, ml_dtypes.bfloat16, np.float32, np.float64, np.complex64, np.complex128,
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_keep_dtype_shape_and_bits(dtype: object) -> None:
    data = np.arange(6).reshape(2, 3).astype(dtype)
    x = wnp.array(data)
    assert isinstance(x, weft.Array)
    assert (x.shape, x.dtype, x.ndim, x.size) == ((2, 3), data.dtype, 2, 6)
    assert x.nbytes == data.nbytes and x.itemsize == data.itemsize
    np.testing.assert_array_equal(np.asarray(x), data)
    for again in (pickle.loads(pickle.dumps(x)), copy.copy(x), copy.deepcopy(x)):
        assert isinstance(again, Array) and again.dtype == x.dtype
        np.testing.assert_array_equal(np.asarray(again), data)


def test_numpy_sees_the_memory_and_cannot_write_to_it() -> None:
    x = wnp.arange(5.0)
    view = np.asarray(x)
    assert np.shares_memory(view, np.asarray(x))
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    changed = np.array(x)
    changed[0] = 7
    assert float(x[0]) == 0


def test_the_users_array_and_ours_do_not_share() -> None:
    data = np.arange(3.0)
    for x in (wnp.asarray(data), wnp.array(data), weft.device_put(data)):
        data[0] = 9
        assert float(x[0]) == 0
        data[0] = 0


def test_assignment_says_how_it_is_written() -> None:
    x = wnp.zeros(3)
    with pytest.raises(ImmutableError) as error:
        x[0] = 1
    text = str(error.value)
    assert "x = x.at[index].set(value)" in text and "(3,)" in text and __file__ in text
    np.testing.assert_array_equal(x.at[0].set(1), [1, 0, 0])
    x += 1  # a new array by the old name
    np.testing.assert_array_equal(x, [1, 1, 1])


def test_arrays_are_not_made_by_calling_the_class() -> None:
    with pytest.raises(ArgumentError, match=r"weft\.numpy\.array"):
        Array()


@pytest.mark.parametrize(
    "dtype", [np.int8, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64, np.complex64]
)
@pytest.mark.parametrize("scalar", [2, 2.5, True, 1j])
def test_operators_promote_as_numpy(dtype: object, scalar: object) -> None:
    data = np.array([1, 2, 3], dtype)
    x = wnp.asarray(data)
    for name in (
        "__add__",
        "__radd__",
        "__sub__",
        "__rsub__",
        "__mul__",
        "__truediv__",
        "__rtruediv__",
        "__pow__",
        "__eq__",
    ):
        expected = getattr(data, name)(scalar)
        found = getattr(x, name)(scalar)
        assert found.dtype == expected.dtype, name
        np.testing.assert_array_equal(np.asarray(found), expected)


@pytest.mark.parametrize("scalar", [2, 2.5, True])
def test_scalars_are_weak_beside_bfloat16(scalar: object) -> None:
    x = wnp.ones(3, ml_dtypes.bfloat16)
    for found in (x + scalar, scalar + x, x * scalar, x - scalar, x / 2, 2 / x):
        assert found.dtype == ml_dtypes.bfloat16


def test_operators_of_two_arrays() -> None:
    a, b = np.array([[5, -7], [2, 3]]), np.array([[2, 3], [-4, 1]])
    x, y = wnp.asarray(a), wnp.asarray(b)
    names = "add sub mul truediv floordiv mod matmul and or xor lt le gt ge eq ne"
    for name in names.split():
        expected = getattr(a, f"__{name}__")(b)
        for found in (getattr(x, f"__{name}__")(y), getattr(x, f"__{name}__")(b)):
            assert isinstance(found, Array) and found.dtype == expected.dtype
            np.testing.assert_array_equal(np.asarray(found), expected)
    np.testing.assert_array_equal(np.asarray(a + y), a + b)  # NumPy's operators leave it to ours
    assert isinstance(a + y, Array)
    for found, expected in zip(divmod(x, y), divmod(a, b), strict=True):
        np.testing.assert_array_equal(np.asarray(found), expected)
    np.testing.assert_array_equal(-x, -a)
    np.testing.assert_array_equal(abs(x), abs(a))
    np.testing.assert_array_equal(~x, ~a)
    np.testing.assert_array_equal(x << 1, a << 1)


def test_operators_name_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"add got incompatible shapes for broadcasting: \(2, 3\), \(4, 3\)"):
        wnp.zeros((2, 3)) + wnp.zeros((4, 3))


def test_what_is_no_array_gets_its_turn() -> None:
    class Right:
        def __radd__(self, other: object) -> str:
            return "right"

    assert wnp.ones(2) + Right() == "right"
    with pytest.raises(TypeError):
        wnp.ones(2) + "text"
    with pytest.raises(TypeError):
        hash(wnp.ones(2))


def test_scalars_of_python() -> None:
    x = wnp.asarray(3)
    assert (int(x), float(x), complex(x), bool(x), [10, 20, 30, 40][x]) == (3, 3.0, 3 + 0j, True, 40)
    assert x.item() == 3 and wnp.arange(3).tolist() == [0, 1, 2]
    assert f"{wnp.asarray(2.5):.2f}" == "2.50"
    assert len(wnp.zeros((4, 2))) == 4 and [float(v) for v in wnp.arange(3.0)] == [0, 1, 2]
    with pytest.raises(TypeError, match="without axes"):
        len(x)
    with pytest.raises(ValueError, match="ambiguous"):
        bool(wnp.zeros(2))
    assert 2 in wnp.arange(3) and 5 not in wnp.arange(3)


def test_repr_is_numpys() -> None:
    assert repr(wnp.array([[1, 2], [3, 4]])) == "Array([[1, 2],\n       [3, 4]], dtype=int64)"
    assert str(wnp.array([1.5, 2])) == "[1.5 2. ]"
    assert repr(wnp.asarray(2, np.float32)) == "Array(2., dtype=float32)"


def test_dlpack_and_the_array_namespace() -> None:
    x = wnp.arange(4.0)
    np.testing.assert_array_equal(np.from_dlpack(x), [0, 1, 2, 3])
    assert x.__array_namespace__() is wnp
    assert x.device == "cpu" and x.to_device("cpu") is x
    with pytest.raises(ArgumentError, match="'cpu'"):
        x.to_device("gpu")


def test_results_carry_no_warning() -> None:
    x = wnp.array([0.0, -1.0, np.inf])
    np.testing.assert_array_equal(np.asarray(1 / x), [np.inf, -1, 0])  # warnings are errors in this suite
    np.testing.assert_array_equal(np.asarray(x - x), [0, 0, np.nan])
    assert np.isnan(float(wnp.log(x)[1]))


def test_a_type_is_one_object_and_makes_the_data_contiguous() -> None:
    x = wnp.arange(6.0).reshape(2, 3).T
    np.testing.assert_array_equal(np.asarray(x), np.arange(6.0).reshape(2, 3).T)
    assert x.type is wnp.zeros((3, 2)).type
    assert np.asarray(x).flags.c_contiguous
    assert x.block_until_ready() is x


@pytest.mark.parametrize(
    "write",
    [
        lambda x: wnp.sin(x, out=x),
        lambda x: wnp.add(x, x, x),
        lambda x: wnp.cumsum(x, 0, None, x),
        lambda x: wnp.clip(x, 1, 2, out=x),
        lambda x: wnp.concatenate([x[2:], x[:2]], out=x),
        lambda x: np.copyto(x, 1.0),
        lambda x: np.put(x, 0, 1.0),
        lambda x: np.putmask(x, np.ones(4, bool), 1.0),
    ],
)
def test_no_function_writes_to_an_array(write: object) -> None:
    x = wnp.array([3.0, np.nan, 1.0, 2.0])
    with pytest.raises(ArgumentError):
        write(x)
    np.testing.assert_array_equal(x, [3.0, np.nan, 1.0, 2.0])


@pytest.mark.parametrize(
    "function",
    [
        lambda x: wnp.median(x, overwrite_input=True),
        lambda x: wnp.percentile(x, 50, overwrite_input=True),
        lambda x: wnp.nan_to_num(x, copy=False),
    ],
)
def test_leave_to_overwrite_is_not_taken(function: object) -> None:
    x = wnp.array([3.0, np.nan, 1.0, 2.0])
    np.testing.assert_array_equal(function(x), function(np.array(x)))
    np.testing.assert_array_equal(x, [3.0, np.nan, 1.0, 2.0])


def test_where_leaves_no_element_without_a_value() -> None:
    x = wnp.arange(4.0)
    with pytest.raises(ArgumentError, match=r"exp got where=.*weft.numpy.where"):
        wnp.exp(x, where=x > 1)
    assert float(wnp.sum(x, where=x > 1)) == 5
