"""Rotations of space: Rotation and Slerp, as `jax.scipy.spatial.transform` and `scipy.spatial.transform`.

The one idea: a rotation is a quaternion ``(x, y, z, w)`` of length 1, and all else is computed from it or makes one. Where a
formula would divide by a vanishing angle its series is taken, so that derivatives exist at the identity.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.dispatch import is_traced
from weft.engine.transforms.custom import stop_gradient
from weft.ir.errors import ArgumentError, ShapeError
from weft.scipy.arguments import floating
from weft.tree_util import register_pytree_node_class

__all__ = ["Rotation", "Slerp"]

_SMALL = 1e-6  # of a squared length: what a series of three terms leaves out is below rounding


# Quaternions


def _last(name: str, x: Any, *shape: int) -> Any:
    """A floating array whose last axes have these lengths."""
    (found,) = floating(name, x)
    if found.shape[found.ndim - len(shape) :] != shape or found.ndim < len(shape):
        wanted = ", ".join(map(str, shape))
        raise ShapeError(f"{name} takes an array (..., {wanted}), got shape {found.shape}.")
    return found


def _product(p: Any, q: Any) -> Any:
    a, b, v, w = p[..., 3:], q[..., 3:], p[..., :3], q[..., :3]
    vector = a * w + b * v + wnp.cross(v, w)
    return wnp.concatenate([vector, a * b - wnp.sum(v * w, axis=-1, keepdims=True)], axis=-1)


def _squared(v: Any) -> Any:
    return wnp.sum(v * v, axis=-1, keepdims=True)


def _unit(q: Any) -> Any:
    return q / wnp.sqrt(_squared(q))


def _axes(name: str, seq: str, lengths: tuple[int, ...]) -> tuple[list[int], bool]:
    """Numbers of axes, and whether they turn with the rotations (capital letters)."""
    if not isinstance(seq, str) or len(seq) not in lengths or not re.fullmatch("[xyz]+|[XYZ]+", seq):
        raise ArgumentError(f"{name} takes axes such as 'xyz' or 'ZYX', all of one case, got {seq!r}.")
    if any(a == b for a, b in itertools.pairwise(seq)):
        raise ArgumentError(f"{name} got axes {seq!r}: neighbours must differ.")
    return ["xyz".index(c) for c in seq.lower()], seq.isupper()


def _elementary(angle: Any, axis: int) -> Any:
    """Rotations around one of the axes."""
    parts = [wnp.zeros_like(angle)] * 3 + [wnp.cos(angle / 2)]
    parts[axis] = wnp.sin(angle / 2)
    return wnp.stack(parts, axis=-1)


@register_pytree_node_class
class Rotation:
    """One rotation, or an array of them; a tree of one array, the quaternions.

    Args:
        quat: quaternions ``(..., 4)``, floating, the real part last.
        normalize: make them of length 1; else they are.

    Example:
        >>> from weft.scipy.spatial.transform import Rotation
        >>> quarter = Rotation.from_euler("z", 90, degrees=True)
        >>> (quarter * quarter).apply([1.0, 0.0, 0.0]).round(6).tolist()
        [-1.0, 0.0, 0.0]
    """

    __slots__ = ("quat",)

    def __init__(self, quat: Any, normalize: bool = True):
        self.quat = _last("Rotation", quat, 4)
        if normalize:
            self.quat = _unit(self.quat)

    def tree_flatten(self) -> tuple[tuple[Any], None]:
        """The quaternions."""
        return (self.quat,), None

    @classmethod
    def tree_unflatten(cls, _: None, children: Sequence[Any]) -> Rotation:
        """The rotations of quaternions."""
        found = object.__new__(cls)
        (found.quat,) = children
        return found

    # Made from something

    @classmethod
    def from_quat(cls, quat: Any, *, scalar_first: bool = False) -> Rotation:
        """From quaternions ``(..., 4)`` of any length but 0; the real part is last, or first."""
        q = _last("Rotation.from_quat", quat, 4)
        return cls(wnp.roll(q, -1, axis=-1) if scalar_first else q)

    @classmethod
    def from_matrix(cls, matrix: Any) -> Rotation:
        """From orthogonal matrices ``(..., 3, 3)`` of determinant 1."""
        m = _last("Rotation.from_matrix", matrix, 3, 3)
        trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
        # Four times a component of the quaternion, times the quaternion: of the largest component, to divide by it.
        candidates = []
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            parts: list[Any] = [None] * 4
            parts[i] = 1 - trace + 2 * m[..., i, i]
            parts[j] = m[..., j, i] + m[..., i, j]
            parts[k] = m[..., k, i] + m[..., i, k]
            parts[3] = m[..., k, j] - m[..., j, k]
            candidates.append(wnp.stack(parts, axis=-1))
        differences = [m[..., (i + 2) % 3, (i + 1) % 3] - m[..., (i + 1) % 3, (i + 2) % 3] for i in range(3)]
        candidates.append(wnp.stack([*differences, 1 + trace], axis=-1))
        sizes = wnp.stack([m[..., 0, 0], m[..., 1, 1], m[..., 2, 2], trace], axis=-1)
        chosen = wnp.argmax(stop_gradient(sizes), axis=-1)[..., None, None]
        return cls(wnp.take_along_axis(wnp.stack(candidates, axis=-2), chosen, axis=-2)[..., 0, :])

    @classmethod
    def from_rotvec(cls, rotvec: Any, degrees: bool = False) -> Rotation:
        """From vectors ``(..., 3)`` along the axes, as long as the angles."""
        v = _last("Rotation.from_rotvec", rotvec, 3)
        v = wnp.deg2rad(v) if degrees else v
        square = _squared(v)
        small = square < _SMALL
        angle = wnp.sqrt(wnp.where(small, 1, square))
        scale = wnp.where(small, 0.5 - square / 48 + square * square / 3840, wnp.sin(angle / 2) / angle)
        real = wnp.where(small, 1 - square / 8 + square * square / 384, wnp.cos(angle / 2))
        return cls(wnp.concatenate([scale * v, real], axis=-1), normalize=False)

    @classmethod
    def from_mrp(cls, mrp: Any) -> Rotation:
        """From modified Rodrigues parameters ``(..., 3)``: along the axes, as long as tangents of a quarter of the angles."""
        v = _last("Rotation.from_mrp", mrp, 3)
        square = _squared(v)
        return cls(wnp.concatenate([2 * v, 1 - square], axis=-1) / (1 + square), normalize=False)

    @classmethod
    def from_euler(cls, seq: str, angles: Any, degrees: bool = False) -> Rotation:
        """From angles around up to three axes, one rotation after the other.

        Args:
            seq: the axes: of space ("xyz"), or of what is rotated ("XYZ").
            angles: ``(..., len(seq))``; of one axis, any shape too.
            degrees: they are not in radians.
        """
        axes, moving = _axes("Rotation.from_euler", seq, (1, 2, 3))
        (given,) = floating("Rotation.from_euler", angles)
        if len(axes) == 1 and (given.ndim < 2 or given.shape[-1] != 1):
            given = given[..., None]
        given = _last("Rotation.from_euler", given, len(axes))
        given = wnp.deg2rad(given) if degrees else given
        q = _elementary(given[..., 0], axes[0])
        for n, axis in enumerate(axes[1:], 1):
            following = _elementary(given[..., n], axis)
            q = _product(q, following) if moving else _product(following, q)
        return cls(q, normalize=False)

    @classmethod
    def identity(cls, num: int | None = None, dtype: Any = float) -> Rotation:
        """The rotation that does nothing, or ``num`` of them."""
        return cls(
            wnp.asarray(np.tile([0, 0, 0, 1], (num or 1, 1))[... if num is not None else 0], dtype=dtype),
            False,
        )

    @classmethod
    def random(cls, random_key: Any, num: int | None = None) -> Rotation:
        """A rotation drawn uniformly with a key of `weft.random`, or ``num`` of them."""
        from weft.random import normal

        return cls(normal(random_key, (4,) if num is None else (num, 4)))

    @classmethod
    def concatenate(cls, rotations: Sequence[Rotation]) -> Rotation:
        """Rotations one after the other in one array."""
        return cls(wnp.concatenate([wnp.atleast_2d(r.quat) for r in rotations]), normalize=False)

    # Turned into something

    def as_quat(self, canonical: bool = False, *, scalar_first: bool = False) -> Any:
        """Quaternions ``(..., 4)``; ``canonical`` ones begin, from the real part on, with a positive component."""
        q = self.quat
        if canonical:
            x, y, z, w = (q[..., i] for i in range(4))
            negative = wnp.where(w != 0, w < 0, wnp.where(x != 0, x < 0, wnp.where(y != 0, y < 0, z < 0)))
            q = wnp.where(negative[..., None], -q, q)
        return wnp.roll(q, 1, axis=-1) if scalar_first else q

    def as_matrix(self) -> Any:
        """Orthogonal matrices ``(..., 3, 3)``."""
        x, y, z, w = (self.quat[..., i] for i in range(4))
        rows = (
            (x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)),
            (2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)),
            (2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w),
        )
        return wnp.stack([wnp.stack(row, axis=-1) for row in rows], axis=-2)

    def as_rotvec(self, degrees: bool = False) -> Any:
        """Vectors ``(..., 3)`` along the axes, as long as the angles, which are pi at most."""
        q = wnp.where(self.quat[..., 3:] < 0, -self.quat, self.quat)
        v, w = q[..., :3], q[..., 3:]
        square = _squared(v)
        small = square < _SMALL
        length = wnp.sqrt(wnp.where(small, 1, square))
        scale = wnp.where(
            small, 2 + square / 3 + 3 * square * square / 20, 2 * wnp.arctan2(length, w) / length
        )
        return wnp.rad2deg(scale * v) if degrees else scale * v

    def as_mrp(self) -> Any:
        """Modified Rodrigues parameters ``(..., 3)``, of a length of 1 at most."""
        q = wnp.where(self.quat[..., 3:] < 0, -self.quat, self.quat)
        return q[..., :3] / (1 + q[..., 3:])

    def as_euler(self, seq: str, degrees: bool = False) -> Any:
        """Angles ``(..., 3)`` around three axes; see `from_euler`. Where the first and the last axis coincide, the last is 0.

        Source: Bernardes & Viollet, "Quaternion to Euler angles conversion", PLoS ONE 17 (2022),
        doi:10.1371/journal.pone.0276302.
        """
        axes, moving = _axes("Rotation.as_euler", seq, (3,))
        i, j, k = axes[::-1] if moving else axes
        symmetric = i == k
        k = 3 - i - j if symmetric else k
        sign = (i - j) * (j - k) * (k - i) // 2
        q = [self.quat[..., n] for n in range(4)]
        if symmetric:
            a, b, c, d = q[3], q[i], q[j], q[k] * sign
        else:
            a, b, c, d = q[3] - q[j], q[i] + q[k] * sign, q[j] + q[3], q[k] * sign - q[i]
        middle = 2 * wnp.arctan2(wnp.hypot(c, d), wnp.hypot(a, b))
        half_sum, half_difference = wnp.arctan2(b, a), wnp.arctan2(d, c)
        at_zero, at_pi = wnp.abs(middle) <= 1e-7, wnp.abs(middle - np.pi) <= 1e-7
        locked = at_zero | at_pi
        turned = half_difference if moving else -half_difference
        lone = 2 * wnp.where(at_zero, half_sum, turned)  # where only a sum of two is known
        outer = [half_sum - half_difference, half_sum + half_difference]
        if not symmetric:
            outer[1] = outer[1] * sign
            middle = middle - np.pi / 2
        first, last = outer[::-1] if moving else outer
        if not symmetric and moving:
            lone = lone * sign
        first, last = wnp.where(locked, lone, first), wnp.where(locked, 0, last)
        angles = wnp.stack([first, middle, last], axis=-1)
        angles = wnp.where(angles < -np.pi, angles + 2 * np.pi, angles)
        angles = wnp.where(angles > np.pi, angles - 2 * np.pi, angles)
        return wnp.rad2deg(angles) if degrees else angles

    # Used

    @property
    def single(self) -> bool:
        """Whether it is one rotation and no array of them."""
        return self.quat.ndim == 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array of rotations."""
        return tuple(self.quat.shape[:-1])

    def __len__(self) -> int:
        if self.single:
            raise ArgumentError("a single Rotation has no length.")
        return self.quat.shape[0]

    def __getitem__(self, index: Any) -> Rotation:
        if self.single:
            raise ArgumentError("a single Rotation has no items.")
        return Rotation(self.quat[index], normalize=False)

    def __mul__(self, other: Rotation) -> Rotation:
        """This rotation after the other."""
        if not isinstance(other, Rotation):
            return NotImplemented
        return Rotation(_product(*wnp.broadcast_arrays(self.quat, other.quat)))

    def __pow__(self, n: Any) -> Rotation:
        """``n`` times the angle, which may be a fraction."""
        return Rotation.from_rotvec(n * self.as_rotvec())

    def __repr__(self) -> str:
        return f"Rotation({self.quat!r})"

    def inv(self) -> Rotation:
        """The rotation back."""
        return Rotation(self.quat * np.array([-1, -1, -1, 1], self.quat.dtype), normalize=False)

    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        """Vectors ``(..., 3)`` rotated, or rotated back; those and the rotations broadcast."""
        v = _last("Rotation.apply", vectors, 3)
        matrix = self.as_matrix()
        matrix = wnp.matrix_transpose(matrix) if inverse else matrix
        return wnp.sum(matrix * v[..., None, :], axis=-1)

    def magnitude(self) -> Any:
        """Angles, from 0 to pi."""
        square = wnp.sum(self.quat[..., :3] ** 2, axis=-1)
        none = square == 0
        length = wnp.where(none, 0, wnp.sqrt(wnp.where(none, 1, square)))
        return 2 * wnp.arctan2(length, wnp.abs(self.quat[..., 3]))

    def mean(self, weights: Any = None) -> Rotation:
        """The rotation from which those of an array ``(n,)`` are least far, in the squares of sines of half angles.

        Args:
            weights: how much each counts, ``(n,)``, not negative.
        """
        if self.quat.ndim != 2:
            raise ShapeError(f"Rotation.mean takes an array (n,) of rotations, got shape {self.shape}.")
        weighted = self.quat
        if weights is not None:
            (w,) = floating("Rotation.mean", weights)
            if w.shape != self.shape:
                raise ShapeError(f"Rotation.mean got weights of shape {w.shape} for {len(self)} rotations.")
            weighted = w[:, None] * self.quat
        _, vectors = wnp.linalg.eigh(weighted.T @ self.quat)
        return Rotation(vectors[:, -1], normalize=False)


@register_pytree_node_class
class Slerp:
    """Rotations between given ones, turning at a constant speed from each to the next.

    Args:
        times: rising times of the given rotations, a vector of two or more.
        rotations: an array of as many rotations.
    """

    __slots__ = ("rotations", "rotvecs", "times")

    def __init__(self, times: Any, rotations: Rotation):
        if not isinstance(rotations, Rotation) or rotations.quat.ndim != 2 or len(rotations) < 2:
            raise ArgumentError(f"Slerp takes an array of two rotations or more, got {rotations!r}.")
        (t,) = floating("Slerp", times)
        if t.shape != rotations.shape:
            raise ShapeError(f"Slerp got times of shape {t.shape} for {len(rotations)} rotations.")
        if not is_traced(t) and not np.all(np.diff(np.asarray(t)) > 0):
            raise ArgumentError("Slerp: times must rise.")
        self.times, self.rotations = t, rotations
        self.rotvecs = (rotations[:-1].inv() * rotations[1:]).as_rotvec()

    @classmethod
    def init(cls, times: Any, rotations: Rotation) -> Slerp:
        """JAX's name of the constructor."""
        return cls(times, rotations)

    def tree_flatten(self) -> tuple[tuple[Any, ...], None]:
        """The arrays."""
        return (self.times, self.rotations, self.rotvecs), None

    @classmethod
    def tree_unflatten(cls, _: None, children: Sequence[Any]) -> Slerp:
        """The interpolation of arrays."""
        found = object.__new__(cls)
        found.times, found.rotations, found.rotvecs = children
        return found

    def __call__(self, times: Any) -> Rotation:
        """The rotations at times of any shape; before the first and after the last they turn on."""
        (t,) = floating("Slerp", times)
        low = wnp.searchsorted(stop_gradient(self.times), stop_gradient(t)) - 1
        low = wnp.clip(low, 0, self.rotvecs.shape[0] - 1)
        share = (t - self.times[low]) / (self.times[low + 1] - self.times[low])
        return self.rotations[low] * Rotation.from_rotvec(self.rotvecs[low] * share[..., None])
