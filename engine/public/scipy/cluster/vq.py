"""Vector quantisation: the nearest of some vectors, as `jax.scipy.cluster.vq`."""

from __future__ import annotations

from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.ir.errors import ShapeError
from weft.scipy.arguments import floating

__all__ = ["vq", "whiten"]


def vq(obs: Any, code_book: Any, check_finite: bool = True) -> tuple[Any, Any]:
    """Which vector of a code book is the nearest to each observation, and how far.

    Args:
        obs: observations ``(m, n)``, or ``(m,)`` of one feature.
        code_book: the vectors ``(k, n)``, or ``(k,)``.
        check_finite: accepted for compatibility.

    Returns:
        ``(code, distance)``, both ``(m,)``: int32 numbers of vectors (the first of those that are as near), and Euclidean
        distances.

    Raises:
        ShapeError: the shapes do not go together.
    """
    obs, codes = floating("vq", obs, code_book)
    if obs.ndim != codes.ndim or obs.ndim not in (1, 2) or (obs.ndim == 2 and obs.shape[1] != codes.shape[1]):
        raise ShapeError(
            f"vq takes (m, n) and (k, n), or (m,) and (k,), got shapes {obs.shape} and {codes.shape}."
        )
    if not codes.shape[0]:
        raise ShapeError("vq got a code book without vectors.")
    if obs.ndim == 1:
        obs, codes = obs[:, None], codes[:, None]
    distances = wnp.linalg.norm(obs[:, None, :] - codes[None], axis=-1)
    code = wnp.argmin(distances, axis=-1)
    return code.astype(np.int32), wnp.min(distances, axis=-1)


def whiten(obs: Any, check_finite: bool = True) -> Any:
    """Features ``(m, n)`` divided by their standard deviations; those that do not vary stay as they are."""
    (obs,) = floating("whiten", obs)
    deviations = wnp.std(obs, axis=0)
    return obs / wnp.where(deviations == 0, 1, deviations)
