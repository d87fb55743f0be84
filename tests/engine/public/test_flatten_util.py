"""`weft.flatten_util.ravel_pytree`: dtypes, structure, transformations, errors."""

from __future__ import annotations

import numpy as np
import pytest

import weft
from weft.errors import DTypeError, ShapeError
from weft.flatten_util import ravel_pytree

TREE = {
    "w": np.arange(6.0).reshape(2, 3),
    "b": (np.float32(7.0), None, [np.arange(2)]),
    "e": np.zeros((0, 4)),
}


def test_there_and_back() -> None:
    vector, unravel = ravel_pytree(TREE)
    assert vector.dtype == np.float64
    assert vector.tolist() == [7.0, 0.0, 1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0]  # keys in order: b, e, w
    back = unravel(vector)
    assert weft.tree.structure(back) == weft.tree.structure(TREE)
    for a, b in zip(weft.tree.leaves(back), weft.tree.leaves(TREE), strict=True):
        assert (a.dtype, a.shape) == (np.asarray(b).dtype, np.shape(b))
        np.testing.assert_array_equal(np.asarray(a), b)


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32", "complex64"])
def test_one_dtype_is_kept(dtype: str) -> None:
    vector, unravel = ravel_pytree([np.ones(3, dtype), np.ones((), dtype)])
    assert vector.dtype == dtype
    assert [x.dtype for x in unravel(vector)] == [np.dtype(dtype)] * 2


def test_real_leaves_beside_complex_ones() -> None:
    vector, unravel = ravel_pytree((np.array([1 + 2j]), np.array([3.0])))
    assert vector.dtype == np.complex128
    assert unravel(vector)[1].tolist() == [3.0]


def test_empty_tree() -> None:
    vector, unravel = ravel_pytree({})
    assert vector.shape == (0,)
    assert unravel(vector) == {}


def test_under_transformations() -> None:
    def loss(tree: dict[str, np.ndarray]) -> object:
        vector, unravel = ravel_pytree(tree)
        return (unravel(vector * vector)["w"]).sum()

    tree = {"w": np.arange(3.0), "b": np.ones(2)}
    for gradient in (weft.grad(loss)(tree), weft.jit(weft.grad(loss))(tree)):
        assert gradient["w"].tolist() == [0.0, 2.0, 4.0]
        assert gradient["b"].tolist() == [0.0, 0.0]
    vectors = weft.vmap(lambda x: ravel_pytree({"a": x, "b": 2 * x})[0])(np.arange(4.0).reshape(2, 2))
    assert vectors.tolist() == [[0.0, 1.0, 0.0, 2.0], [2.0, 3.0, 4.0, 6.0]]


def test_errors() -> None:
    _, unravel = ravel_pytree([np.ones(3, np.float32)])
    with pytest.raises(
        ShapeError, match=r"unravel takes a vector of shape \(3,\), got an array of shape \(4,\)\."
    ):
        unravel(np.ones(4, np.float32))
    with pytest.raises(
        DTypeError, match=r"unravel takes a vector of float32, as ravel_pytree gave, got float64\."
    ):
        unravel(np.ones(3))
