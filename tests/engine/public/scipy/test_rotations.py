"""`weft.scipy.spatial.transform` against SciPy: all conversions, arithmetic, means, interpolation; derivatives."""

from __future__ import annotations

import itertools
from typing import Any

import jax.scipy.spatial.transform as jt
import numpy as np
import pytest
import scipy.spatial.transform as st

import weft
import weft.numpy as wnp
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, ShapeError
from weft.scipy.spatial.transform import Rotation, Slerp

rng = np.random.default_rng(10)
QUAT = rng.normal(size=(6, 4))
QUAT[4], QUAT[5] = [0, 0, 0, 1], [1e-5, 0, -2e-5, -1]
OURS, THEIRS = Rotation.from_quat(QUAT), st.Rotation.from_quat(QUAT)
VECTORS = rng.normal(size=(6, 3))
SEQUENCES = ["".join(s) for s in itertools.product("xyz", repeat=3) if s[0] != s[1] != s[2]]


def same(ours: Rotation, theirs: Any) -> None:
    """Equal rotations: quaternions up to their sign."""
    a, b = np.asarray(ours.quat), theirs.as_quat()
    assert a.shape == b.shape
    np.testing.assert_allclose(np.abs(np.sum(a * b, axis=-1)), 1, atol=1e-12)
    np.testing.assert_allclose(ours.as_matrix(), theirs.as_matrix(), atol=1e-12)


def test_conversions() -> None:
    for ours, theirs in ((OURS, THEIRS), (OURS[2], THEIRS[2])):
        close(ours.as_quat(), theirs.as_quat(), 1e-12)
        close(ours.as_quat(canonical=True), theirs.as_quat(canonical=True), 1e-12)
        close(ours.as_quat(scalar_first=True), theirs.as_quat(scalar_first=True), 1e-12)
        for name in ("as_matrix", "as_rotvec", "as_mrp", "magnitude"):
            close(getattr(ours, name)(), getattr(theirs, name)(), 1e-9, name)
            close(
                weft.jit(lambda r, name=name: getattr(r, name)())(ours), getattr(theirs, name)(), 1e-9, name
            )
        close(ours.as_rotvec(degrees=True), theirs.as_rotvec(degrees=True), 1e-9)
        same(Rotation.from_matrix(theirs.as_matrix()), theirs)
        same(Rotation.from_rotvec(theirs.as_rotvec()), theirs)
        same(Rotation.from_rotvec(theirs.as_rotvec(degrees=True), degrees=True), theirs)
        same(Rotation.from_mrp(theirs.as_mrp()), theirs)
        same(Rotation.from_quat(theirs.as_quat(scalar_first=True), scalar_first=True), theirs)
        same(ours.inv(), theirs.inv())
    for turn in np.eye(3):  # half a turn, where each of the components is the largest
        same(
            Rotation.from_matrix(st.Rotation.from_rotvec(np.pi * turn).as_matrix()),
            st.Rotation.from_rotvec(np.pi * turn),
        )


@pytest.mark.parametrize("seq", [*SEQUENCES, *[s.upper() for s in SEQUENCES]])
def test_angles(seq: str) -> None:
    angles = rng.uniform(-3, 3, (5, 3))
    wanted = st.Rotation.from_euler(seq, angles)
    same(Rotation.from_euler(seq, angles), wanted)
    same(Rotation.from_euler(seq, np.rad2deg(angles), degrees=True), wanted)
    same(Rotation.from_euler(seq[:2], angles[:, :2]), st.Rotation.from_euler(seq[:2], angles[:, :2]))
    close(OURS[:4].as_euler(seq), THEIRS[:4].as_euler(seq), 1e-9)
    close(OURS[1].as_euler(seq, degrees=True), THEIRS[1].as_euler(seq, degrees=True), 1e-9)
    # Where two axes coincide the sum of two angles is all that is known.
    middle = 0.0 if seq[0] == seq[2] else np.pi / 2
    for m in (middle, middle - np.pi if middle else np.pi):
        locked = st.Rotation.from_euler(seq, [0.4, m, 0.3])
        found = Rotation.from_quat(locked.as_quat()).as_euler(seq)
        assert found[2] == 0
        np.testing.assert_allclose(Rotation.from_euler(seq, found).as_matrix(), locked.as_matrix(), atol=1e-6)


def test_one_axis() -> None:
    same(Rotation.from_euler("z", 90, degrees=True), st.Rotation.from_euler("z", 90, degrees=True))
    same(Rotation.from_euler("Y", [0.1, 0.2]), st.Rotation.from_euler("Y", [[0.1], [0.2]]))
    same(Rotation.from_euler("x", [[0.1], [0.2]]), st.Rotation.from_euler("x", [[0.1], [0.2]]))


def test_arithmetic() -> None:
    same(OURS * OURS[1], THEIRS * THEIRS[1])
    same(OURS[0] * OURS[1], THEIRS[0] * THEIRS[1])
    same(OURS**0.3, THEIRS**0.3)
    same(OURS[0] ** -2, THEIRS[0] ** -2)
    for inverse in (False, True):
        close(OURS.apply(VECTORS, inverse), THEIRS.apply(VECTORS, inverse), 1e-12)
        close(OURS[0].apply(VECTORS, inverse), THEIRS[0].apply(VECTORS, inverse), 1e-12)
        close(OURS.apply(VECTORS[0], inverse), THEIRS.apply(VECTORS[0], inverse), 1e-12)
        close(OURS[0].apply(VECTORS[0], inverse), THEIRS[0].apply(VECTORS[0], inverse), 1e-12)
    same(OURS.mean(), THEIRS.mean())
    weights = np.arange(1.0, 7)
    same(OURS.mean(weights), THEIRS.mean(weights))
    same(Rotation.concatenate([OURS[:2], OURS[3]]), st.Rotation.concatenate([THEIRS[:2], THEIRS[3]]))
    same(Rotation.identity(), st.Rotation.identity())
    same(Rotation.identity(3), st.Rotation.identity(3))
    assert (len(OURS), OURS.single, OURS[0].single, OURS.shape) == (6, False, True, (6,))


def test_random_rotations() -> None:
    found = Rotation.random(weft.random.key(0), 2000).as_matrix()
    assert Rotation.random(weft.random.key(0)).single
    np.testing.assert_allclose(np.mean(np.asarray(found), axis=0), 0, atol=0.06)


def test_interpolation() -> None:
    times = np.array([0.0, 1, 2.5, 3, 4, 7])
    ours, theirs = Slerp(times, OURS), st.Slerp(times, THEIRS)
    wanted = np.array([0.0, 0.3, 1, 2.7, 6.9, 7])
    same(ours(wanted), theirs(wanted))
    same(ours(2.0), theirs(2.0))
    same(weft.jit(lambda s, t: s(t))(Slerp.init(times, OURS), wanted), theirs(wanted))


def test_trees_and_batches() -> None:
    found = weft.jit(lambda r, v: (r * r).apply(v))(OURS, VECTORS)
    close(found, (THEIRS * THEIRS).apply(VECTORS), 1e-12)
    close(weft.vmap(lambda r, v: r.apply(v))(OURS, VECTORS), THEIRS.apply(VECTORS), 1e-12)


LAWS = {
    "as_matrix": (lambda m, v: m.from_rotvec(v).as_matrix(), VECTORS),
    "back and forth": (lambda m, v: m.from_rotvec(v).as_rotvec(), VECTORS),
    "mrp": (lambda m, v: m.from_mrp(v).as_quat(), VECTORS),
    "euler": (lambda m, v: m.from_euler("xyz", v).as_euler("ZXZ"), VECTORS / 2),
    "quat": (lambda m, q: m.from_quat(q).as_mrp(), QUAT[:4]),
    "magnitude": (lambda m, v: m.from_rotvec(v).magnitude(), VECTORS / 2),
}


@pytest.mark.parametrize("name", LAWS)
def test_laws(name: str) -> None:
    call, arg = LAWS[name]
    known = None if name == "magnitude" else lambda x: call(jt.Rotation, x)
    # SciPy has no stacks of arrays of rotations.
    check(
        Case(
            lambda x: call(Rotation, x),
            lambda x: call(st.Rotation, x),
            (arg,),
            jax=known if name != "euler" else None,
        )
    )


def test_derivatives_at_the_identity() -> None:
    at_rest = np.zeros(3)
    close(weft.jacobian(lambda v: Rotation.from_rotvec(v).as_rotvec())(at_rest), np.eye(3), 1e-12)
    turn = weft.jacobian(lambda v: Rotation.from_rotvec(v).apply(np.array([1.0, 2, 3])))(at_rest)
    close(turn, np.array([[0, 3, -2], [-3, 0, 1], [2.0, -1, 0]]), 1e-12)
    second = weft.hessian(lambda v: wnp.sum(Rotation.from_rotvec(v).as_matrix() ** 2))(at_rest)
    close(second, np.zeros((3, 3)), 1e-10)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: Rotation.from_quat(np.ones(3)), ShapeError, r"takes an array \(..., 4\), got shape \(3,\)"),
        (lambda: Rotation.from_euler("xx", np.ones(2)), ArgumentError, "neighbours must differ"),
        (lambda: Rotation.from_euler("xY", np.ones(2)), ArgumentError, "all of one case"),
        (lambda: OURS.as_euler("xy"), ArgumentError, "takes axes such as"),
        (lambda: OURS[0][0], ArgumentError, "has no items"),
        (lambda: len(OURS[0]), ArgumentError, "has no length"),
        (lambda: OURS[0].mean(), ShapeError, r"an array \(n,\) of rotations"),
        (lambda: OURS.mean(np.ones(2)), ShapeError, "for 6 rotations"),
        (lambda: Slerp(np.arange(5.0), OURS), ShapeError, "for 6 rotations"),
        (lambda: Slerp(np.zeros(6), OURS), ArgumentError, "times must rise"),
        (lambda: Slerp(np.arange(2.0), OURS[0]), ArgumentError, "an array of two rotations"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    with pytest.raises(error, match=says):
        call()
