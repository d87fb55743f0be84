"""Random chains of reads and updates by any index NumPy has, in all modes: values, derivatives, batches and loops.

A step reads ``x[index]``, or replaces ``x`` by ``x.at[index].op(value)``. Where its elements are is looked up in an array of
all positions, by NumPy's indexing; for positions outside, that array has one row more. On these flat positions
`numpy.ufunc.at` is the oracle of values, and differences of it are the oracle of derivatives.
``HYPOTHESIS_PROFILE=thorough`` looks at many more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import weft
import weft.numpy as wnp
from weft import lax

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
FILL = 0.25
UFUNCS = {
    "add": np.add,
    "multiply": np.multiply,
    "min": np.minimum,
    "max": np.maximum,
    "subtract": np.subtract,
}


@dataclass
class Place:
    """An index, and the positions of its elements in the array laid out flat: -1 where there is none."""

    items: tuple[Any, ...]
    traced: tuple[int, ...]  # which items a compiled function gets as arguments
    mode: str | None
    flat: np.ndarray

    def index(self, given: Iterator[Any]) -> tuple[Any, ...]:
        """The index, with its traced items replaced by what is given for them."""
        items = list(self.items)
        for k in self.traced:
            items[k] = next(given)
        return tuple(items)

    @property
    def options(self) -> dict[str, Any]:
        return {} if self.mode is None else {"mode": self.mode}


@dataclass
class Step:
    """``get``, or a method of ``x.at``; ``value`` says what kind of value it takes."""

    op: str
    place: Place
    value: str


def _item(draw: Callable[[Any], Any], kind: str, n: int, shape: tuple[int, ...], outside: bool) -> Any:
    """A slice, an integer, an array of integers that broadcasts to ``shape``, or a mask with as many elements."""
    if kind == "mask":
        mask = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
        kind = "mask" if len(shape) == 1 and mask.sum() in (1, shape[0]) else "slice"
        if kind == "mask":
            return mask
    if kind == "slice" or n == 0:
        bound = st.none() | st.integers(-n - 2, n + 2)
        return slice(draw(bound), draw(bound), draw(st.sampled_from([None, 1, 2, -1, -2, 3])))
    low, high = (-2 * n - 1, 2 * n + 1) if outside else (-n, n - 1)
    dtype = draw(st.sampled_from(["int64", "int32"]))
    if kind == "integer":
        return np.asarray(draw(st.integers(low, high)), dtype)
    dims = tuple(d if draw(st.booleans()) else 1 for d in shape[draw(st.integers(0, len(shape))) :])
    size = int(np.prod(dims))
    return np.array(draw(st.lists(st.integers(low, high), min_size=size, max_size=size)), dtype).reshape(dims)


def _settled(position: np.ndarray, n: int, mode: str | None) -> np.ndarray:
    """Positions along an axis of ``n``, with what is outside brought inside, or ``n``."""
    counted = np.where(position < 0, position.astype(int) + n, position)
    if mode == "clip":
        return np.clip(counted, 0, n - 1)
    return np.where((counted < 0) | (counted >= n), n, counted)


def _place(draw: Callable[[Any], Any], shape: tuple[int, ...]) -> Place:
    mode = draw(st.sampled_from([None, None, "clip", "fill", "promise_in_bounds"]))
    outside = mode in ("clip", "fill")
    together = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    indexed = draw(st.integers(0, len(shape)))
    rest = draw(st.none() | st.integers(0, indexed))  # where an ellipsis stands
    kinds = ["slice", "integer"] if draw(st.booleans()) else ["slice", "integer", "array", "mask"]
    items: list[Any] = []
    found: list[Any] = []
    traced = []
    positions = np.arange(int(np.prod(shape))).reshape(shape)
    has_mask = False
    for j in range(indexed + 1):
        if draw(st.integers(0, 5)) == 0:
            items.append(None)
            found.append(None)
        if rest == j:
            items.append(...)
            found.append(...)
        if j == indexed:
            break
        axis = j if rest is None or j < rest else len(shape) - indexed + j
        item = _item(draw, draw(st.sampled_from(kinds)), shape[axis], together, outside)
        is_mask = isinstance(item, np.ndarray) and item.dtype == bool
        if is_mask and has_mask:  # those would have to fit one another
            item = slice(None)
        has_mask = has_mask or is_mask
        if isinstance(item, np.ndarray) and item.dtype != bool:
            found.append(_settled(item, shape[axis], mode))
            if mode == "fill":
                pad = [(0, int(k == axis)) for k in range(len(shape))]
                positions = np.pad(positions, pad, constant_values=-1)
            if draw(st.booleans()):
                traced.append(len(items))
            elif item.shape == () and draw(st.booleans()):
                item = int(item)
        else:
            found.append(item)
        items.append(item)
    return Place(tuple(items), tuple(traced), mode, positions[tuple(found)])


@st.composite
def chains(draw: Callable[[Any], Any]) -> tuple[tuple[int, ...], list[Step]]:
    """A shape, and steps on an array of that shape."""
    least = 0 if draw(st.integers(0, 9)) == 0 else 1
    shape = tuple(draw(st.lists(st.integers(least, 4), max_size=3)))
    steps = []
    for _ in range(draw(st.integers(1, 4))):
        place = _place(draw, shape)
        op = draw(st.sampled_from(["get", "set", "apply", *UFUNCS]))
        inside = place.flat[place.flat >= 0]
        if op == "set" and np.unique(inside).size < inside.size:
            op = "add"  # which of several values stays would be tested elsewhere
        steps.append(Step(op, place, draw(st.sampled_from(["traced", "known", "row", "full", "itself"]))))
    return shape, steps


def _value(np_: Any, kind: str, shape: tuple[int, ...], v: Any, read: Callable[[], Any]) -> Any:
    match kind:
        case "traced":
            return v[0]
        case "known":
            return 0.7
        case "row":
            return v[1] * np.linspace(0.5, 1.5, shape[-1]) if shape else v[1]
        case "full":
            return v[2] * np.cos(np.arange(float(np.prod(shape)))).reshape(shape)
    return np_.cos(read()) * v[0]


def by_weft(steps: Sequence[Step], x: Any, v: Any, places: Sequence[Any]) -> tuple[Any, Any]:
    """A sum over what was read, and the array."""
    total, given_places = 0.0, iter(places)
    for step in steps:
        place = step.place
        at = x.at[place.index(given_places)]
        fill = {"fill_value": FILL} if place.mode == "fill" else {}
        read = lambda at=at, place=place, fill=fill: at.get(**place.options, **fill)  # noqa: E731
        if step.op == "get":
            total = total + wnp.sum(wnp.sin(read()) * read())
        elif step.op == "apply":
            x = at.apply(lambda t: wnp.sin(t) * 1.5, **place.options)
        else:
            value = _value(wnp, step.value, place.flat.shape, v, read)
            x = getattr(at, step.op)(value, **place.options)
    return total, x


def by_numpy(steps: Sequence[Step], x: np.ndarray, v: np.ndarray) -> tuple[Any, np.ndarray]:
    """The same, element by element."""
    total = 0.0
    for step in steps:
        flat = step.place.flat
        values = x.reshape(-1)
        there = np.where(flat >= 0, values[flat], FILL) if values.size else np.zeros(flat.shape)
        if step.op == "get":
            total = total + np.sum(np.sin(there) * there)
            continue
        inside = flat[flat >= 0]
        value = _value(np, step.value, flat.shape, v, lambda there=there: there)
        new = np.broadcast_to(value, flat.shape)[flat >= 0]
        values = values.copy()
        if step.op == "set":
            values[inside] = new
        elif step.op == "apply":
            for k in inside:
                values[k] = np.sin(values[k]) * 1.5
        else:
            UFUNCS[step.op].at(values, inside, new)
        x = values.reshape(x.shape)
    return total, x


def close(found: Any, wanted: Any, what: str, within: float = 1e-9) -> None:
    for a, b in zip(weft.tree.leaves(found), weft.tree.leaves(wanted), strict=True):
        assert np.shape(a) == np.shape(b), what
        np.testing.assert_allclose(a, b, rtol=within, atol=within, err_msg=what)


class Case:
    """A chain of steps, and the arguments it is tried on."""

    def __init__(self, shape: tuple[int, ...], steps: list[Step]) -> None:
        rng = np.random.default_rng(0)
        self.steps = steps
        self.x, self.v = rng.uniform(0.3, 1.7, shape), rng.uniform(0.4, 1.2, 3)
        self.dx, self.dv, self.w = rng.normal(size=shape), rng.normal(size=3), rng.normal(size=shape)
        self.places = [step.place.items[k] for step in steps for k in step.place.traced]
        self.args = (self.x, self.v, *self.places)

    def run(self, x: Any, v: Any, *places: Any) -> tuple[Any, Any]:
        return by_weft(self.steps, x, v, places)

    def loss(self, x: Any, v: Any, *places: Any) -> Any:
        total, x = self.run(x, v, *places)
        return total + wnp.sum(x * self.w) + 0.3 * wnp.sum(x**2)

    def slope(self, h: float) -> float:
        """The derivative of the loss along ``(dx, dv)``, by differences."""

        def at(h: float) -> Any:
            total, x = by_numpy(self.steps, self.x + h * self.dx, self.v + h * self.dv)
            return total + np.sum(x * self.w) + 0.3 * np.sum(x**2)

        return (at(h) - at(-h)) / (2 * h)

    def along(self, x: Any, v: Any, *places: Any) -> tuple[Any, Any]:
        """The loss and its derivative along ``(dx, dv)``, forwards."""
        return weft.jvp(lambda x, v: self.loss(x, v, *places), (x, v), (self.dx, self.dv))

    def gradient(self, x: Any, v: Any, *places: Any) -> tuple[Any, Any]:
        return weft.grad(self.loss, (0, 1))(x, v, *places)

    def part(self, gradient: tuple[Any, Any]) -> Any:
        """What a gradient says of the derivative along ``(dx, dv)``."""
        return wnp.sum(gradient[0] * self.dx) + wnp.sum(gradient[1] * self.dv)

    def looped(self, x: Any, v: Any, *places: Any) -> tuple[Any, Any]:
        """Three rounds of the chain, as a loop."""

        def body(x: Any, _: Any) -> tuple[Any, Any]:
            total, x = self.run(x, v, *places)
            return x, total

        return lax.scan(body, x, None, length=3)


@settings(max_examples=600 if THOROUGH else 15, deadline=None, suppress_health_check=list(HealthCheck))
@given(chains())
def test_chains_of_reads_and_updates(chain: tuple[tuple[int, ...], list[Step]]) -> None:
    case = Case(*chain)
    wanted = by_numpy(case.steps, case.x, case.v)
    close(case.run(*map(wnp.asarray, case.args)), wanted, "eager")
    close(weft.jit(case.run)(*case.args), wanted, "compiled")

    slope = case.slope(1e-5)
    gradient = case.gradient(*case.args)
    if abs(slope - case.slope(5e-6)) < 1e-6 * (1 + abs(slope)):  # no kink is near
        close(weft.jit(case.along)(*case.args)[1], slope, "forward mode", 1e-6)
    close(case.along(*case.args)[1], case.part(gradient), "both modes")
    close(weft.jit(case.gradient)(*case.args), gradient, "compiled gradient")

    def second(x: Any, v: Any, *places: Any) -> tuple[Any, Any]:
        forwards = weft.jvp(lambda x, v: case.gradient(x, v, *places), (x, v), (case.dx, case.dv))[1]
        return forwards, weft.grad(lambda x, v: case.part(case.gradient(x, v, *places)), (0, 1))(x, v)

    forwards, backwards = weft.jit(second)(*case.args)
    close(forwards, backwards, "second derivatives", 1e-8)

    many = [np.stack([a, a]) for a in (case.x, *case.places)]
    axes = (0, None, *[0] * len(case.places))
    batch = weft.jit(weft.vmap(case.run, in_axes=axes))(many[0], case.v, *many[1:])
    close(batch, [np.stack([t, t]) for t in wanted], "a batch")
    batch = weft.jit(weft.vmap(case.gradient, in_axes=axes))(many[0], case.v, *many[1:])
    close(batch, [np.stack([g, g]) for g in gradient], "a batch of gradients")


@settings(max_examples=600 if THOROUGH else 15, deadline=None, suppress_health_check=list(HealthCheck))
@given(chains())
def test_chains_in_a_loop(chain: tuple[tuple[int, ...], list[Step]]) -> None:
    case = Case(*chain)
    x, totals = case.x, []
    for _ in range(3):
        total, x = by_numpy(case.steps, x, case.v)
        totals.append(total)
    close(weft.jit(case.looped)(*case.args), (x, np.array(totals)), "a loop")

    def of_a_loop(x: Any, v: Any, *places: Any) -> Any:
        x, totals = case.looped(x, v, *places)
        return wnp.sum(totals) + wnp.sum(x * case.w)

    def written_out(x: Any, v: Any, *places: Any) -> Any:
        total = 0.0
        for _ in range(3):
            part, x = case.run(x, v, *places)
            total = total + part
        return total + wnp.sum(x * case.w)

    found = weft.jit(weft.grad(of_a_loop, (0, 1)))(*case.args)
    close(found, weft.grad(written_out, (0, 1))(*case.args), "the gradient of a loop", 1e-8)
