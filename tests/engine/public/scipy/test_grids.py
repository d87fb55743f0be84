"""`weft.scipy.integrate`, `interpolate` and `cluster.vq` against SciPy and JAX."""

from __future__ import annotations

from typing import Any

import jax
import jax.scipy.cluster.vq
import jax.scipy.interpolate
import numpy as np
import pytest
import scipy.cluster.vq as sv
import scipy.integrate as si
import scipy.interpolate as sp

import weft
import weft.numpy as wnp
import weft.scipy.cluster.vq as wv
import weft.scipy.integrate as wi
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, DTypeError, ShapeError
from weft.scipy.interpolate import RegularGridInterpolator, interpn

rng = np.random.default_rng(9)
Y = rng.normal(size=(3, 6))
X = np.cumsum(rng.uniform(0.1, 1, 6))
XS = np.cumsum(rng.uniform(0.1, 1, (3, 6)), axis=1)

INTEGRALS = {
    **{
        f"{name} {n} {kind}": (lambda m, y, x, f=name: getattr(m, f)(y, x, axis=1), (Y[:, :n].copy(), x))
        for name in ("trapezoid", "cumulative_trapezoid", "simpson")
        for n in (2, 3, 4, 5, 6)
        for kind, x in (("vector", X[:n].copy()), ("array", XS[:, :n].copy()))
    },
    "trapezoid dx": (lambda m, y: m.trapezoid(y, dx=0.3, axis=0), (Y + 1j * Y[::-1],)),
    "cumulative_trapezoid dx": (
        lambda m, y: m.cumulative_trapezoid(y, dx=0.3, axis=0, initial=0),
        (Y + 1j * Y[::-1],),
    ),
    "simpson dx": (lambda m, y: m.simpson(y, dx=0.3, axis=0), (Y + 1j * Y[::-1],)),
    "simpson even dx": (lambda m, y: m.simpson(y, dx=0.3), (Y,)),
}


@pytest.mark.parametrize("name", INTEGRALS)
def test_integrals(name: str) -> None:
    call, args = INTEGRALS[name]
    known = jax.scipy.integrate.trapezoid if name.startswith("trapezoid") else None
    of_jax = None if known is None else lambda *xs: call(jax.scipy.integrate, *xs)
    if "6" in name or "5 vector" in name or "dx" in name:
        check(Case(lambda *xs: call(wi, *xs), lambda *xs: call(si, *xs), args, jax=of_jax))
    else:
        close(call(wi, *args), call(si, *args), 1e-10)


def test_integrals_of_samples_at_one_place() -> None:
    x = np.array([0.0, 1, 1, 2, 3])
    close(wi.simpson(Y[:, :5], x), si.simpson(Y[:, :5], x), 1e-10)
    close(wi.simpson(Y[:, :1]), np.zeros(3), 0)
    assert wi.simpson([1, 2, 3]) == 4


GRID = (np.array([0.0, 1, 2.5]), np.array([-1.0, 0, 1, 3]))
VALUES = rng.normal(size=(3, 4))
INSIDE = rng.uniform([0, -1], [2.5, 3], (2, 5, 2))
OUTSIDE = rng.uniform(-3, 5, (7, 2))


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_interpolation(method: str) -> None:
    for values in (VALUES, VALUES + 1j, rng.normal(size=(3, 4, 2)), rng.integers(0, 9, (3, 4))):
        for fill in (np.nan, 0.0, None):
            options = {"method": method, "bounds_error": False, "fill_value": fill}
            ours, theirs = (
                f(GRID, values, **options) for f in (RegularGridInterpolator, sp.RegularGridInterpolator)
            )
            for xi in (INSIDE, OUTSIDE, np.array([1.0, 0.5]), tuple(INSIDE.transpose(2, 0, 1))):
                wanted = theirs(xi)
                if np.ndim(xi) == 1 and not isinstance(xi, tuple):
                    wanted = wanted[0]
                close(ours(xi), wanted, 1e-9)
            close(weft.jit(ours)(OUTSIDE), theirs(OUTSIDE), 1e-9)


def test_other_grids() -> None:
    falling = (GRID[0][::-1], GRID[1])
    wanted = RegularGridInterpolator(GRID, VALUES)(INSIDE)
    close(RegularGridInterpolator(falling, VALUES[::-1])(INSIDE), wanted, 1e-12)
    close(interpn(GRID, VALUES, INSIDE), sp.interpn(GRID, VALUES, INSIDE), 1e-12)
    line = RegularGridInterpolator((GRID[1],), VALUES[0])
    close(line(np.array([0.5, 2.0])), np.interp([0.5, 2.0], GRID[1], VALUES[0]), 1e-12)
    place = np.array([[np.nan, 0.5]])
    assert np.isnan(RegularGridInterpolator(GRID, VALUES, fill_value=None)(place)).all()
    assert RegularGridInterpolator(GRID, VALUES.astype("f4"))(INSIDE).dtype == np.float32


def test_laws_of_interpolation() -> None:
    def call(f: Any) -> Any:
        return lambda a, b, v, x: f((a, b), v)(x)

    theirs = lambda a, b, v, x: sp.interpn((a, b), v, x)  # noqa: E731
    of_jax = call(jax.scipy.interpolate.RegularGridInterpolator)
    args = (*GRID, VALUES, 0.2 + 0.5 * INSIDE)
    check(Case(call(RegularGridInterpolator), theirs, args, jax=of_jax, batch=False))
    f = RegularGridInterpolator(GRID, VALUES)
    check(Case(f, sp.RegularGridInterpolator(GRID, VALUES), (0.2 + 0.5 * INSIDE,)))


def test_nearest_vectors() -> None:
    obs, codes = rng.normal(size=(9, 3)), rng.normal(size=(4, 3))
    for f in (wv.vq, weft.jit(wv.vq)):
        close(f(obs, codes), sv.vq(obs, codes), 1e-10)
        close(f(obs[:, 0], codes[:, 0]), sv.vq(obs[:, 0], codes[:, 0]), 1e-10)
    check(Case(wv.vq, lambda a, b: sv.vq(a, b), (obs, codes), jax=lambda a, b: jax.scipy.cluster.vq.vq(a, b)))
    close(wv.whiten(obs), sv.whiten(obs), 1e-12)
    assert np.all(wv.whiten(np.ones((3, 2))) == 1)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda y: wi.simpson(y, y[0, :3]), ShapeError, "one place a sample"),
        (lambda y: wi.cumulative_trapezoid(y[:, :0]), ShapeError, "takes samples"),
        (lambda y: RegularGridInterpolator(GRID, y), ShapeError, "4 points for axis 1"),
        (lambda y: RegularGridInterpolator(GRID, y[0]), ShapeError, "2 vectors of points"),
        (
            lambda y: RegularGridInterpolator((np.array([0.0, 2, 1]),), y[0, :3]),
            ArgumentError,
            "must rise, or fall",
        ),
        (lambda y: RegularGridInterpolator(GRID, y, "cubic"), ArgumentError, "method='cubic'"),
        (
            lambda y: RegularGridInterpolator(GRID, y, bounds_error=True),
            ArgumentError,
            "bounds_error must be False",
        ),
        (lambda y: RegularGridInterpolator(GRID, VALUES)(y), ShapeError, "6 coordinates for a grid of 2"),
        (lambda y: wv.vq(y, y[:, :2]), ShapeError, "vq takes"),
        (lambda y: wv.vq(y, y[:0]), ShapeError, "without vectors"),
        (lambda y: wv.vq(y * 1j, y), DTypeError, "takes real arrays"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.asarray(Y))
