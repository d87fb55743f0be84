"""Density estimation by sums of normal densities: `gaussian_kde`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import weft.numpy as wnp
from weft.engine.tree import register_pytree_node
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.types import is_complex
from weft.nn.normalization import logsumexp
from weft.scipy.arguments import array, inexact
from weft.scipy.linalg import solve_triangular
from weft.scipy.special import ndtr

__all__ = ["gaussian_kde"]


class gaussian_kde:
    """An estimate of the density that a sample was drawn from: a normal density around each of its points.

    An estimate is a tree of arrays, so it goes in and out of `weft.jit` and may be differentiated by its sample.

    Args:
        dataset: the sample, of shape ``(n,)`` or ``(d, n)``, real.
        bw_method: how wide the densities are: ``"scott"`` (also ``None``), ``"silverman"``, a number that multiplies the
            standard deviations of the sample, or a function of the estimate that gives one.
        weights: how much each point counts, of shape ``(n,)``.

    Attributes:
        dataset: the sample, of shape ``(d, n)``.
        weights: the weights, with sum 1.
        neff: how many points of equal weight it would take.
        covariance: of the densities, of shape ``(d, d)``.
        inv_cov: its inverse.
    """

    def __init__(
        self,
        dataset: Any,
        bw_method: str | float | Callable[[gaussian_kde], Any] | None = None,
        weights: Any = None,
    ) -> None:
        name = "scipy.stats.gaussian_kde"
        points, *given = inexact(name, *([dataset] if weights is None else [dataset, weights]))
        if is_complex(points.dtype):
            raise DTypeError(f"{name}: the sample is real, got {points.dtype}.")
        points = wnp.atleast_2d(points)
        if points.ndim != 2 or points.size < 2:
            raise ShapeError(
                f"{name}: the sample has shape (n,) or (d, n) and two elements or more, got {points.shape}."
            )
        d, n = points.shape
        if given and given[0].shape != (n,):
            raise ShapeError(f"{name}: for {n} points there are {n} weights, got shape {given[0].shape}.")
        self.dataset = points
        self.weights = given[0] / wnp.sum(given[0]) if given else wnp.full(n, 1 / n, points.dtype)
        self.neff = 1 / wnp.sum(self.weights**2)
        factor = self._factor("scott" if bw_method is None else bw_method, d)
        centered = points - wnp.sum(self.weights * points, axis=1, keepdims=True)
        spread = (self.weights * centered) @ centered.T / (1 - wnp.sum(self.weights**2))
        self.covariance = spread * factor**2
        self.inv_cov = wnp.linalg.inv(spread) / factor**2

    def _factor(self, method: Any, d: int) -> Any:
        if isinstance(method, str):
            if method == "scott":
                return self.neff ** (-1 / (d + 4))
            if method == "silverman":
                return (self.neff * (d + 2) / 4) ** (-1 / (d + 4))
        elif callable(method):
            return method(self)
        elif wnp.ndim(method) == 0:
            return method
        raise ArgumentError(
            f'scipy.stats.gaussian_kde: bw_method is "scott", "silverman", a number or a function, got {method!r}.'
        )

    @property
    def d(self) -> int:
        """How many coordinates a point has."""
        return int(self.dataset.shape[0])

    @property
    def n(self) -> int:
        """How many points the sample has."""
        return int(self.dataset.shape[1])

    def _points(self, points: Any) -> Any:
        found = wnp.atleast_2d(array("scipy.stats.gaussian_kde", points))
        if is_complex(found.dtype):
            raise DTypeError(f"scipy.stats.gaussian_kde: points are real, got {found.dtype}.")
        if found.ndim == 2 and found.shape[0] != self.d and found.shape == (1, self.d):
            found = wnp.reshape(found, (self.d, 1))
        if found.ndim != 2 or found.shape[0] != self.d:
            raise ShapeError(
                f"scipy.stats.gaussian_kde: points have {self.d} coordinates along the first axis, got shape {found.shape}."
            )
        return found

    def _squares(self, points: Any, factor: Any) -> Any:
        """Squared distances of points from those of the sample, by the Cholesky factor of a covariance."""
        ours, theirs = (solve_triangular(factor, x, lower=True) for x in (self.dataset, points))
        return wnp.sum((theirs[:, :, None] - ours[:, None, :]) ** 2, axis=0)

    def logpdf(self, x: Any) -> Any:
        """Logarithm of the density at points of shape ``(m,)`` or ``(d, m)``."""
        factor = wnp.linalg.cholesky(self.covariance)
        exponents = -0.5 * self._squares(self._points(x), factor)
        return logsumexp(exponents, axis=1, b=self.weights) + _log_norm(factor)

    def evaluate(self, points: Any) -> Any:
        """The density at points of shape ``(m,)`` or ``(d, m)``."""
        factor = wnp.linalg.cholesky(self.covariance)
        exponents = -0.5 * self._squares(self._points(points), factor)
        return wnp.sum(self.weights * wnp.exp(exponents), axis=1) * wnp.exp(_log_norm(factor))

    __call__ = pdf = evaluate

    def integrate_gaussian(self, mean: Any, cov: Any) -> Any:
        """The integral of the density times a normal one."""
        mean = wnp.atleast_1d(wnp.squeeze(array("scipy.stats.gaussian_kde", mean)))
        cov = wnp.atleast_2d(array("scipy.stats.gaussian_kde", cov))
        if mean.shape != (self.d,) or cov.shape != (self.d, self.d):
            raise ShapeError(
                f"scipy.stats.gaussian_kde: the mean has shape ({self.d},) and the covariance ({self.d}, {self.d}), got "
                f"{mean.shape} and {cov.shape}."
            )
        return wnp.sum(self._products(mean[:, None], self.covariance + cov) * self.weights)

    def integrate_box_1d(self, low: Any, high: Any) -> Any:
        """The integral of a density of numbers between two bounds."""
        if self.d != 1:
            raise ShapeError(
                f"scipy.stats.gaussian_kde: integrate_box_1d is for one coordinate, there are {self.d}."
            )
        if wnp.ndim(low) or wnp.ndim(high):
            raise ShapeError("scipy.stats.gaussian_kde: the bounds of integrate_box_1d are numbers.")
        sigma = wnp.sqrt(self.covariance[0, 0])
        above, below = ((bound - self.dataset[0]) / sigma for bound in (high, low))
        return wnp.sum(self.weights * (ndtr(above) - ndtr(below)))

    def integrate_kde(self, other: gaussian_kde) -> Any:
        """The integral of the product of two densities."""
        if other.d != self.d:
            raise ShapeError(
                f"scipy.stats.gaussian_kde: both estimates have as many coordinates, got {self.d} and {other.d}."
            )
        products = self._products(other.dataset, self.covariance + other.covariance)
        return wnp.sum(products * self.weights * other.weights[:, None])

    def _products(self, points: Any, covariance: Any) -> Any:
        """Integrals of products of normal densities around points with those around points of the sample."""
        factor = wnp.linalg.cholesky(covariance)
        return wnp.exp(-0.5 * self._squares(points, factor) + _log_norm(factor))

    def resample(self, key: Any, shape: tuple[int, ...] = ()) -> Any:
        """New points drawn from the density, of shape ``(d, *shape)``.

        Args:
            key: a key of `weft.random`.
            shape: how many.
        """
        from weft import random

        for_points, for_noise = random.split(key)
        places = random.choice(for_points, self.n, shape=shape, p=self.weights)
        noise = random.normal(for_noise, (self.d, *shape), self.dataset.dtype)
        factor = wnp.linalg.cholesky(self.covariance)
        return self.dataset[:, places] + wnp.tensordot(factor, noise, axes=1)


_FIELDS = ("dataset", "weights", "neff", "covariance", "inv_cov")


def _of_fields(_: None, fields: Any) -> gaussian_kde:
    estimate = object.__new__(gaussian_kde)
    for name, field in zip(_FIELDS, fields, strict=True):
        setattr(estimate, name, field)
    return estimate


register_pytree_node(
    gaussian_kde, lambda estimate: ([getattr(estimate, name) for name in _FIELDS], None), _of_fields
)


def _log_norm(factor: Any) -> Any:
    """Logarithm of the largest value of a normal density, by the Cholesky factor of its covariance."""
    return -wnp.sum(wnp.log(wnp.diagonal(factor))) - 0.5 * factor.shape[0] * math.log(2 * math.pi)
