"""`weft.scipy.ndimage` against SciPy and JAX: values of every mode, derivatives, errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.ndimage as sn
from jax.scipy.ndimage import map_coordinates as jax_map

import weft
import weft.numpy as wnp
import weft.scipy.ndimage as wn
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, ShapeError

rng = np.random.default_rng(8)
IMAGE = rng.normal(size=(5, 7))
PLACES = [rng.uniform(-9, 14, (4, 6)), rng.uniform(-9, 16, (4, 6))]
MODES = ["constant", "nearest", "wrap", "mirror", "reflect"]
FILTER_MODES = [*MODES, "grid-constant", "grid-wrap", "grid-mirror"]


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("mode", MODES)
def test_map_coordinates(mode: str, order: int) -> None:
    images = [IMAGE, IMAGE.astype("f4"), IMAGE + 1j * IMAGE[::-1], (9 * IMAGE).astype(int), IMAGE[:1, :1]]
    for image, value in itertools.product(images, (0, 2.0)):
        wanted = jax_map(image, PLACES, order, mode, value)
        tol = 1e-5 if image.dtype == np.float32 else 1e-9
        for f in (wn.map_coordinates, weft.jit(wn.map_coordinates, static_argnums=(2, 3))):
            close(f(image, PLACES, order, mode, value), wanted, tol)
    theirs = {"constant": "grid-constant", "wrap": "grid-wrap"}.get(mode, mode)
    close(
        wn.map_coordinates(IMAGE, PLACES, order, mode),
        sn.map_coordinates(IMAGE, PLACES, order=order, mode=theirs),
        1e-9,
    )


@pytest.mark.parametrize("mode", MODES)
def test_laws_of_sampling(mode: str) -> None:
    def call(f: Any) -> Any:
        return lambda x, a, b: f(x, [a, b], order=1, mode=mode)

    check(Case(call(wn.map_coordinates), call(jax_map), (IMAGE, *PLACES), jax=call(jax_map)))


FILTERS = {
    "correlate": lambda m, x, mode: m.correlate(x, np.arange(6.0).reshape(2, 3), mode=mode, cval=1.5),
    "convolve": lambda m, x, mode: m.convolve(x, np.arange(12.0).reshape(4, 3), mode=mode, cval=1.5),
    "correlate moved": lambda m, x, mode: m.correlate(
        x, np.arange(9.0).reshape(3, 3), mode=mode, origin=(1, -1)
    ),
    "convolve moved": lambda m, x, mode: m.convolve(
        x, np.arange(8.0).reshape(4, 2), mode=mode, origin=(-1, 0)
    ),
    "correlate1d": lambda m, x, mode: m.correlate1d(x, np.arange(4.0), axis=0, mode=mode, cval=2.0, origin=1),
    "convolve1d": lambda m, x, mode: m.convolve1d(x, np.arange(5.0), mode=mode, cval=2.0),
    "convolve1d even": lambda m, x, mode: m.convolve1d(x, np.arange(4.0), mode=mode),
    "gaussian_filter1d": lambda m, x, mode: m.gaussian_filter1d(x, 0.8, mode=mode, order=1, cval=1.0),
    "gaussian_filter": lambda m, x, mode: m.gaussian_filter(x, (0.7, 1.1), mode=mode, order=(0, 2)),
    "gaussian_filter radius": lambda m, x, mode: m.gaussian_filter(x, 1.3, mode=mode, radius=2, axes=0),
    "uniform_filter": lambda m, x, mode: m.uniform_filter(x, (3, 2), mode=mode),
    "uniform_filter1d": lambda m, x, mode: m.uniform_filter1d(x, 4, axis=0, mode=mode, cval=3.0),
}


@pytest.mark.parametrize("mode", FILTER_MODES)
@pytest.mark.parametrize("name", FILTERS)
def test_filters(name: str, mode: str) -> None:
    for x in (IMAGE, IMAGE[:2]):
        wanted = FILTERS[name](sn, x, mode)
        close(FILTERS[name](wn, x, mode), wanted, 1e-9)
    close(weft.jit(lambda x: FILTERS[name](wn, x, mode))(IMAGE), FILTERS[name](sn, IMAGE, mode), 1e-9)


def test_dtypes_of_filters() -> None:
    for dtype in ("f4", "c16", "i8"):
        x = (4 * IMAGE).astype(dtype)
        for name in ("correlate", "gaussian_filter"):
            close(
                FILTERS[name](wn, x, "reflect"),
                FILTERS[name](sn, x, "reflect"),
                1e-5 if dtype == "f4" else 1e-9,
            )


@pytest.mark.parametrize("mode", ["reflect", "constant"])
@pytest.mark.parametrize("name", ["convolve", "gaussian_filter", "uniform_filter"])
def test_laws_of_filters(name: str, mode: str) -> None:
    check(Case(lambda x: FILTERS[name](wn, x, mode), lambda x: FILTERS[name](sn, x, mode), (IMAGE,)))


def test_derivatives_by_weights_and_widths() -> None:
    check(Case(wn.convolve, sn.convolve, (IMAGE, IMAGE[:2, :3].copy())))
    call = lambda m: lambda s: m.gaussian_filter1d(IMAGE, s[()], radius=3, order=2)  # noqa: E731
    check(Case(call(wn), call(sn), (np.array(1.2),)))


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (
            lambda x: wn.map_coordinates(x, PLACES, 3),
            ArgumentError,
            "order=3: it interpolates with order 0 or 1",
        ),
        (lambda x: wn.map_coordinates(x, PLACES, 1, "glass"), ArgumentError, "mode='glass'"),
        (lambda x: wn.map_coordinates(x, PLACES[:1], 1), ShapeError, "each of 2 axes, got 1"),
        (lambda x: wn.map_coordinates(x[:0], PLACES, 1), ShapeError, "an array with elements"),
        (lambda x: wn.correlate(x, x[0]), ShapeError, "weights of as many axes"),
        (lambda x: wn.convolve(x, x[:3, :3], origin=2), ArgumentError, "origin=2"),
        (lambda x: wn.gaussian_filter(x, (1.0, 2.0, 3.0)), ArgumentError, "for 2 axes"),
        (lambda x: wn.gaussian_filter1d(x, 1.0, order=-1), ArgumentError, "order=-1"),
        (lambda x: wn.uniform_filter(x, 0), ArgumentError, "size=0"),
    ],
)
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.asarray(IMAGE))
