from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.engine.public.numpy.checks import BFLOAT16, agree, same, sample, staged
from weft.engine.array import Array
from weft.ir.errors import ArgumentError, ConcretizationError, CopyError, DTypeError, ShapeError


def made(fun) -> None:
    """A maker gives NumPy's array, eagerly and inside of a traced function."""
    want = fun(np)
    same(fun(wnp), want, "eager")
    same(staged(lambda _: fun(wnp), np.ones(1)), want, "staged")


@pytest.mark.parametrize("dtype", [None, bool, np.int8, "float32", complex])
@pytest.mark.parametrize("shape", [(), 3, (2, 0), (2, 3), [1, 2]])
def test_full_of_one_number(shape, dtype) -> None:
    made(lambda m: m.zeros(shape, dtype))
    made(lambda m: m.ones(shape, dtype=dtype))
    made(lambda m: m.full(shape, 3, dtype))
    made(lambda m: m.full(shape, 2.5))


def test_full_of_arrays() -> None:
    agree(lambda m: lambda v: m.full((2, 3), v), sample("float32", (3,)))
    agree(lambda m: lambda v: m.full_like(v, 7), sample("int8", (3,)))
    agree(lambda m: lambda v: m.full_like(v, 1.5, dtype=float), sample("int8", (3,)))


def test_like() -> None:
    for dtype in ("bool", "int8", "float32", "complex64"):
        for name in ("zeros_like", "ones_like"):
            agree(name, sample(dtype, (2, 3)))
            agree(
                lambda m, name=name: lambda v: getattr(m, name)(v, dtype=np.int16, shape=(4,)),
                sample(dtype, (2, 3)),
            )
    assert wnp.zeros_like(wnp.ones(2, BFLOAT16)).dtype == BFLOAT16


@pytest.mark.parametrize(
    "args",
    [
        (5,),
        (2, 7),
        (1, 10, 3),
        (10, 1, -2),
        (0,),
        (5, 2),
        (2.5,),
        (0.0, 1.0, 0.1),
        (1, 2, 0.25),
        (-3.5, 4, 1),
        (3.0, 0, -0.7),
        (0.1, 1.2, 0.3),
    ],
)
def test_arange(args: tuple) -> None:
    made(lambda m: m.arange(*args))
    made(lambda m: m.arange(*args, dtype=np.float32))
    made(lambda m: m.arange(*args, dtype=np.int16) if all(isinstance(a, int) for a in args) else m.arange(4))


@pytest.mark.parametrize(
    "keywords",
    [{}, {"endpoint": False}, {"retstep": True}, {"dtype": np.int32}, {"dtype": np.float32}, {"axis": -1}],
)
@pytest.mark.parametrize("args", [(0, 1, 5), (2.0, -3.0, 4), (1, 5, 1), (0, 1, 0), (0, 10, 11)])
def test_linspace(args: tuple, keywords: dict) -> None:
    if keywords.get("retstep") and args[2] < 2:
        keywords = {}
    made(lambda m: m.linspace(*args, **keywords))


def test_linspace_of_arrays() -> None:
    agree(lambda m: lambda a, b: m.linspace(a, b, 5), sample("float32", (3,)), sample("float32", (2, 1)))
    agree(lambda m: lambda a: m.linspace(a, 4, 5, axis=1, endpoint=False), sample("float64", (3,)))
    agree(lambda m: lambda a: m.logspace(a, 2.0, 4), sample("float64", (3,)), rtol=1e-10)
    agree(lambda m: lambda a: m.geomspace(a, 100.0, 4), sample("float64", (3,), 1, 3), rtol=1e-10)


def test_matrices() -> None:
    made(lambda m: m.eye(3))
    made(lambda m: m.eye(3, 4, k=1, dtype=np.int8))
    made(lambda m: m.eye(4, 2, -1, bool))
    made(lambda m: m.identity(2))
    made(lambda m: m.tri(3, 5, 1))
    made(lambda m: m.tri(3, k=-1, dtype=bool))
    made(lambda m: m.indices((2, 3)))
    made(lambda m: m.indices((2, 3), sparse=True))
    agree("vander", sample("float64", (4,)))
    agree(lambda m: lambda v: m.vander(v, 3, increasing=True), sample("int8", (4,)))


@pytest.mark.parametrize("keywords", [{}, {"indexing": "ij"}, {"sparse": True}])
def test_grids(keywords: dict) -> None:
    agree(
        lambda m: lambda *xs: list(m.meshgrid(*xs, **keywords)),
        sample("float32", (3,)),
        sample("int8", (2,)),
        sample("bool", (4,)),
    )
    agree(lambda m: lambda x: list(m.meshgrid(x, **keywords)), sample("float32", (3,)))
    grid = lambda *xs: wnp.meshgrid(*xs, **keywords)  # noqa: E731
    for result in (grid([1.0], [2]), grid(), weft.jit(grid)([1.0], [2])):
        assert type(result) is list  # as of `broadcast_arrays`: the array API standard's, not NumPy's tuple


def test_grids_as_slices() -> None:
    same(wnp.mgrid[0:3, 1:2:4j], np.mgrid[0:3, 1:2:4j], "mgrid")
    same(wnp.ogrid[0:3, 1:5:2], np.ogrid[0:3, 1:5:2], "ogrid")
    same(wnp.mgrid[:4], np.mgrid[:4], "mgrid")
    same(
        wnp.fromfunction(lambda i, j: i * 2 + j, (2, 3)),
        np.fromfunction(lambda i, j: i * 2 + j, (2, 3)),
        "fromfunction",
    )
    same(wnp.hanning(5), np.hanning(5), "hanning")
    same(wnp.kaiser(5, 2.0), np.kaiser(5, 2.0), "kaiser")


def test_array_copies_and_asarray_does_not_share() -> None:
    data = np.arange(3.0)
    x, y = wnp.array(data), wnp.asarray(data)
    data[0] = 9
    assert float(x[0]) == 0 and float(y[0]) == 0
    assert wnp.asarray(x) is x
    assert wnp.array(x) is not x
    with pytest.raises(CopyError, match="asarray got copy=False"):
        wnp.asarray(data, copy=False)


@pytest.mark.parametrize(
    "data",
    [
        3,
        2.5,
        1j,
        True,
        [1, 2],
        [[1, 2.5], [3, 4]],
        [],
        (1, (2)),
        np.float32(2),
        [np.int8(1), np.int8(2)],
        range(3),
    ],
)
def test_array_of_data(data) -> None:
    same(wnp.array(data), np.array(data), "array")
    same(wnp.array(data, dtype=complex), np.array(data, dtype=complex), "array")
    same(wnp.array(data, ndmin=3), np.array(data, ndmin=3), "array")


def test_lists_of_traced_arrays() -> None:
    agree(
        lambda m: lambda x, y: m.array([[x, 1.0], [y, 2]]),
        np.array(1.5, np.float32),
        np.array(2.0, np.float32),
    )
    agree(lambda m: lambda x: m.array([x, x * 2], dtype=np.float32), sample("float64", (3,)))
    with pytest.raises(ArgumentError, match=r"array got a list of arrays of different shapes: \(2,\), \(\)"):
        staged(lambda x: wnp.array([x, 1.0]), np.ones(2))


def test_dtypes_that_no_array_has() -> None:
    with pytest.raises(DTypeError, match="Weft has no arrays of dtype <U1"):
        wnp.array(["a"])
    with pytest.raises(DTypeError, match="no arrays of dtype object"):
        wnp.asarray(np.array([None]))
    with pytest.raises(DTypeError, match="'nonsense' is not a dtype"):
        wnp.zeros(2, "nonsense")
    with pytest.raises(ArgumentError, match=r"zeros got shape=2.5: it must be an integer"):
        wnp.zeros(2.5)


def test_copy_and_buffers() -> None:
    agree("copy", sample("float32", (2,)))
    same(wnp.frombuffer(b"\x01\x02", np.uint8), np.array([1, 2], np.uint8), "frombuffer")
    assert isinstance(wnp.asarray(memoryview(b"ab")), Array)
    same(wnp.from_dlpack(np.arange(3)), np.arange(3), "from_dlpack")


@pytest.mark.parametrize(
    "make",
    [
        lambda: wnp.zeros((2, -1)),
        lambda: wnp.full(-1, 2.0),
        lambda: wnp.ones_like(wnp.ones(2), shape=(-1,)),
        lambda: weft.random.normal(weft.random.key(0), (-1,)),
    ],
)
@pytest.mark.parametrize("way", [weft.jit, lambda make: make])
def test_negative_lengths(way, make) -> None:
    with pytest.raises(ShapeError, match=r"got shape=\(.*-1,?\): lengths must not be negative"):
        way(make)()


def test_traced_bounds_have_no_shape() -> None:
    with pytest.raises(ConcretizationError, match=r"arange needs its arguments.*\s+It is the argument n"):
        weft.jit(lambda n: wnp.arange(n))(3)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8])
def test_kaiser_windows_of_traced_shape(n: int) -> None:
    for beta in (0.0, 2.5, 8.6):
        agree(lambda m: lambda b: m.kaiser(n, b), np.asarray(beta), rtol=1e-12)
    slope = weft.grad(lambda b: (wnp.kaiser(7, b) ** 2).sum())(2.5)
    step = 1e-5
    ends = [(np.kaiser(7, 2.5 + s) ** 2).sum() for s in (-step, step)]
    np.testing.assert_allclose(slope, (ends[1] - ends[0]) / (2 * step), rtol=1e-6)
