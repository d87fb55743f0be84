from __future__ import annotations

import numpy as np
import pytest

import weft.numpy as wnp
from tests.engine.public.numpy.checks import agree, same, sample, staged
from weft.ir.errors import ArgumentError, AxisError, ShapeError

X = sample("float32", (2, 3, 4))
M = sample("float64", (3, 4))
V = sample("int8", (4,))

CASES = {
    "reshape": [
        (X, (4, 6)),
        (X, -1),
        (X, (2, -1, 2)),
        (V, (2, 2)),
        (X, [6, 4]),
        (np.zeros((0, 3)), (3, 0)),
        (np.array(1.0), (1, 1)),
    ],
    "ravel": [(X,), (X, "F"), (np.array(2.0),)],
    "transpose": [(X,), (X, (1, 0, 2)), (X, [2, -3, 1]), (V,)],
    "moveaxis": [(X, 0, -1), (X, (0, 1), (-1, 0)), (X, [2], [0])],
    "rollaxis": [(X, 2), (X, 0, 2), (X, 1, -1)],
    "swapaxes": [(X, 0, 2), (X, -1, 1)],
    "matrix_transpose": [(X,), (M,)],
    "expand_dims": [(X, 0), (X, -1), (X, (0, 2)), (V, (0, -1))],
    "squeeze": [(np.ones((1, 3, 1)),), (np.ones((1, 3, 1)), 0), (np.ones((1, 3, 1)), (0, -1))],
    "broadcast_to": [(V, (3, 4)), (V, (2, 1, 4)), (np.array(1.0), (2, 2)), (np.ones((3, 1)), (3, 0))],
    "flip": [(X,), (X, 1), (X, (0, -1))],
    "flipud": [(M,)],
    "fliplr": [(M,)],
    "rot90": [(M,), (M, 2), (M, 3), (M, -1), (X, 1, (1, 2)), (X, 1, (2, 0))],
    "roll": [
        (X, 1),
        (X, -3, 1),
        (X, (1, 2), (0, 2)),
        (X, 5, -1),
        (X, 2, (0, 1)),
        (np.zeros((0,)), 1),
        (X, 1, ()),
        (X, (), 1),
    ],
    "tril": [(M,), (M, 1), (X, -1), (V,)],
    "triu": [(M,), (M, 1), (X, -1), (V,)],
    "diagonal": [(M,), (M, 1), (M, -2), (X, 0, 1, 2), (X, 1, 2, 0), (M, 9)],
    "diag": [(V,), (V, 1), (V, -2), (M,), (M, 2), (np.zeros((0,)),)],
    "diagflat": [(M,), (V, 1)],
    "trace": [(M,), (X, 1, 1, 2)],
    "atleast_1d": [(np.array(1.0),), (V,), (V, np.array(2.0))],
    "atleast_2d": [(np.array(1.0),), (V,), (M,)],
    "atleast_3d": [(np.array(1.0),), (V,), (M,), (X,)],
    "resize": [(V, (2, 3)), (V, (3,)), (np.zeros(0), (2,))],
}


@pytest.mark.parametrize("name", sorted(CASES))
def test_against_numpy(name: str) -> None:
    for array, *rest in CASES[name]:
        if rest and isinstance(rest[0], np.ndarray):
            agree(name, array, *rest)
        else:
            agree(lambda m, r=rest: lambda v: getattr(m, name)(v, *r), array)


def test_orders() -> None:
    agree(lambda m: lambda v: m.reshape(v, (4, 6), order="F"), X)
    agree(lambda m: lambda v: v.reshape(6, 4).T.ravel(), X)
    agree(lambda m: lambda v: v.transpose(2, 0, 1), X)
    agree(lambda m: lambda v: v.flatten(), X)


def test_broadcasting() -> None:
    assert wnp.broadcast_shapes((2, 1), (3,), 1) == (2, 3)
    agree(lambda m: lambda *xs: list(m.broadcast_arrays(*xs)), V, M, np.array(1))
    with pytest.raises(
        ShapeError, match=r"broadcast_shapes got incompatible shapes for broadcasting: \(2,\), \(3,\)"
    ):
        wnp.broadcast_shapes((2,), (3,))


def test_sizes() -> None:
    assert (
        wnp.shape(wnp.asarray(X)),
        wnp.ndim([1, 2]),
        wnp.size(X),
        wnp.size(X, 1),
        wnp.size(X, (0, 2)),
    ) == ((2, 3, 4), 1, 24, 3, 8)


def test_roll_by_traced_shift() -> None:
    for shift in (0, 1, -2, 7):
        same(staged(lambda v, k: wnp.roll(v, k, 1), M, np.array(shift)), np.roll(M, shift, 1), "roll")


def test_roll_by_an_array_of_shifts() -> None:
    shifts = np.array([1, -2])
    same(staged(lambda v, k: wnp.roll(v, k, (0, 1)), M, shifts), np.roll(M, shifts, (0, 1)), "roll")
    same(staged(lambda v: wnp.roll(v, shifts, (0, 1)), M), np.roll(M, shifts, (0, 1)), "roll")


def test_triangles_of_traced_diagonal() -> None:
    same(staged(lambda v, k: wnp.tril(v, k), M, np.array(1)), np.tril(M, 1), "tril")


def test_indices() -> None:
    for name in ("diag_indices", "tril_indices", "triu_indices"):
        same(getattr(wnp, name)(3), getattr(np, name)(3), name)
    agree(lambda m: lambda v: m.unravel_index(v, (3, 4, 5)), np.array([[7, 59], [0, 31]]))
    agree(
        lambda m: lambda a, b: m.ravel_multi_index((a, b), (3, 4), mode="clip"),
        np.array([1, 5]),
        np.array([-1, 2]),
    )
    agree(
        lambda m: lambda a, b: m.ravel_multi_index((a, b), (3, 4), mode="wrap"),
        np.array([1, 5]),
        np.array([-1, 2]),
    )


@pytest.mark.parametrize(
    ("error", "message", "call"),
    [
        (
            ShapeError,
            r"reshape cannot turn an array of shape \(3, 4\) \(12 elements\) into shape \(5, -1\)",
            lambda v: wnp.reshape(v, (5, -1)),
        ),
        (
            ShapeError,
            r"squeeze got axis 0 of an array of shape \(3, 4\): only axes of length 1",
            lambda v: wnp.squeeze(v, 0),
        ),
        (
            AxisError,
            r"transpose got axes \(0, 0\) for an array of 2 axes",
            lambda v: wnp.transpose(v, (0, 0)),
        ),
        (AxisError, "moveaxis got axis 5", lambda v: wnp.moveaxis(v, 5, 0)),
        (
            ShapeError,
            r"broadcast_to cannot repeat an array of shape \(3, 4\) to shape \(3, 5\)",
            lambda v: wnp.broadcast_to(v, (3, 5)),
        ),
        (AxisError, "diagonal got axis1 and axis2 both 0", lambda v: wnp.diagonal(v, 0, 0, 0)),
        (ArgumentError, "reshape got shape='ab': it must be an integer", lambda v: wnp.reshape(v, "ab")),
    ],
)
def test_errors_are_the_same_eagerly_and_staged(error, message, call) -> None:
    with pytest.raises(error, match=message):
        staged(call, M)
    with pytest.raises(error, match=message):
        call(wnp.asarray(M))


def test_indices_of_a_shape() -> None:
    square = X[0, :, :3]
    for name in ("diag_indices_from", "tril_indices_from", "triu_indices_from"):
        agree(name, square)
    agree(lambda m: lambda a, b: m.ix_(a, b), np.array([0, 2]), np.array([1, 3, 0]))
    same(
        staged(lambda v: v[wnp.ix_([0, 2], np.array([True, False, True, True]))], M),
        M[np.ix_([0, 2], [0, 2, 3])],
        "mesh",
    )
    same(staged(lambda v: v[wnp.s_[1:, ::2]], M), M[1:, ::2], "s_")
