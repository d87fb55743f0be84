"""Random NumPy-style programs over `weft.numpy`, and how far their results may be from one another.

A program is text: one expression a line, each naming earlier values, so that a failing one can be pasted into a session.
`programs()` draws each line by trying it on the values at hand; `Program.__call__` runs it on arrays or traced arrays.

What rounding may change is not guessed but measured: `tolerances` runs the program again with every result moved by an ulp or
two. A result may differ by a few times what that does to it, and where it changes a branch, anything goes.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

import weft.numpy as wnp
from weft.ir.types import bfloat16

FLOATS = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16), bfloat16)
COMPLEX = (np.dtype(np.complex128), np.dtype(np.complex64))
INTEGERS = tuple(np.dtype(t) for t in (np.int64, np.int32, np.int16, np.int8, np.uint8, np.uint32))
BOOL = np.dtype(bool)
ALL = (*FLOATS, *COMPLEX, *INTEGERS, BOOL)
LARGEST = 300  # elements of a value


@functools.cache
def compiled(line: str) -> Any:
    """The code of an expression."""
    return compile(line, "<random program>", "eval")


@dataclass(frozen=True)
class Line:
    """``name = text``. ``kind`` says what rounding does: "exact" nothing, "each" moves results, "sums" operands too."""

    name: str
    text: str
    kind: str


@dataclass(frozen=True)
class Program:
    """A function of arrays. ``constants`` are closed over."""

    lines: tuple[Line, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    args: tuple[np.ndarray, ...]
    constants: tuple[tuple[str, Any], ...]

    def __call__(self, *args: Any) -> Any:
        env = {"np": wnp, **dict(self.constants), **dict(zip(self.inputs, args, strict=True))}
        with np.errstate(all="ignore"):  # for constants that are NumPy's
            for line in self.lines:
                env[line.name] = eval(compiled(line.text), env)
        return tuple([env[name] for name in self.outputs])

    def moved(self, rng: np.random.Generator, *args: Any) -> list[np.ndarray]:
        """The outputs when each result is moved by a little."""
        env = {"np": wnp, **dict(self.constants), **dict(zip(self.inputs, args, strict=True))}
        for line in self.lines:
            if line.kind == "sums":
                scope = {k: _move(v, rng) if isinstance(v, wnp.ndarray) else v for k, v in env.items()}
            else:
                scope = env
            with np.errstate(all="ignore"):
                result = eval(compiled(line.text), scope)
            env[line.name] = result if line.kind == "exact" else _move(result, rng)
        return [np.asarray(env[name]) for name in self.outputs]

    @property
    def __name__(self) -> str:
        return "program"

    def __repr__(self) -> str:
        given = [
            f"{n} = {x.dtype}{list(x.shape)} {x.tolist()}"
            for n, x in zip(self.inputs, self.args, strict=True)
        ]
        known = [f"{n} = {np.asarray(x)!r}" for n, x in self.constants]
        lines = [f"{line.name} = {line.text}" for line in self.lines]
        return "\n".join(["", *given, *known, *lines, f"return {', '.join(self.outputs)}"])


def _move(x: Any, rng: np.random.Generator) -> Any:
    """An array with each element moved by up to two units in the last place."""
    data = np.asarray(x)
    if data.dtype.kind == "c":
        parts = [np.asarray(_move(part, rng)) for part in (data.real, data.imag)]
        return wnp.asarray(np.stack(parts, -1).view(data.dtype)[..., 0])
    if data.dtype.kind not in "f" and data.dtype != bfloat16:
        return x
    eps = epsilon(data.dtype)
    with np.errstate(all="ignore"):
        wide = data.astype(np.float64) * (1 + eps * rng.uniform(-2, 2, data.shape))
        return wnp.asarray(np.asarray(wide).astype(data.dtype))


def epsilon(dtype: np.dtype) -> float:
    """The distance of 1 to the next number."""
    if dtype == bfloat16:
        return 2.0**-7
    return float(np.finfo(dtype).eps)


# What is drawn


Values = list[tuple[str, np.ndarray]]
Draw = Any


def is_float(x: np.ndarray) -> bool:
    return x.dtype.kind == "f" or x.dtype == bfloat16


def is_inexact(x: np.ndarray) -> bool:
    return is_float(x) or x.dtype.kind == "c"


UNARY = {
    "any": ("np.abs({x})", "np.square({x})", "np.logical_not({x})", "np.isfinite({x})", "np.conj({x})", "np.real({x})",
            "np.imag({x})", "np.zeros_like({x})", "np.ones_like({x})", "np.full_like({x}, 2)"),
    "number": ("-{x}", "np.sign({x})", "np.positive({x})"),
    "real": ("np.sin({x})", "np.cos({x})", "np.tanh({x})", "np.exp({x})", "np.sqrt({x})", "np.log1p({x})", "np.expm1({x})",
             "np.arctan({x})", "np.log({x})", "np.cbrt({x})", "np.exp2({x})", "np.log2({x})", "np.arcsinh({x})",
             "np.rad2deg({x})",
             "np.sinc({x})", "np.nan_to_num({x})", "np.isnan({x})", "np.sinh({x})", "np.log10({x})", "np.tan({x})",
             "np.arccos({x})"),
    "float": ("np.floor({x})", "np.ceil({x})", "np.trunc({x})", "np.rint({x})", "np.reciprocal({x})",
    "np.signbit({x})", "np.round({x}, 1)"),
    "complex": ("np.exp({x})", "np.sin({x})", "np.cos({x})", "np.reciprocal({x})", "np.tanh({x})"),
    "bits": ("~{x}", "np.invert({x})"),
}  # fmt: skip
BINARY = {
    "any": ("np.add({x}, {y})", "{x} * {y}", "np.true_divide({x}, {y})", "np.equal({x}, {y})", "{x} != {y}",
            "np.logical_and({x}, {y})", "np.logical_xor({x}, {y})", "np.where({x} == {y}, {x}, {y})"),
    "number": ("{x} - {y}",),
    "real": ("np.maximum({x}, {y})", "np.minimum({x}, {y})", "{x} < {y}", "{x} >= {y}", "np.fmax({x}, {y})",
             "np.floor_divide({x}, {y})", "np.remainder({x}, {y})", "np.fmod({x}, {y})", "np.clip({x}, -1, {y})",
             "np.arctan2({x}, {y})", "np.hypot({x}, {y})", "np.logaddexp({x}, {y})", "np.copysign({x}, {y})",
             "np.heaviside({x}, {y})", "np.where({x} > {y}, {x}, 0)"),
    "bits": ("{x} & {y}", "{x} | {y}", "np.bitwise_xor({x}, {y})"),
    "integer": ("{x} >> np.abs({y} % 5)", "np.left_shift({x}, np.abs({y} % 9))", "np.gcd({x}, {y})"),
}  # fmt: skip
SCALARS = {
    "any": ("{x} * 2", "{x} + 1", "3 * {x}", "{x} / 2", "{x} * 1.5", "0.25 + {x}", "{x} == 1", "{x} + True", "{x} * 1j"),
    "number": ("{x} - 1", "1 - {x}", "{x} ** 2", "{x} ** 3"),
    "real": ("{x} // 2", "{x} % 3", "{x} > 0", "{x} // -2.5", "{x} % -1.5", "np.maximum({x}, 0)", "np.clip({x}, -1, 2)",
             "np.power(np.abs({x}), 0.5)", "2.0 ** {x}"),
    "float": ("{x} ** -1", "{x} ** -0.5"),
    "integer": ("{x} << 2", "{x} >> 1", "{x} & 3"),
}  # fmt: skip
SMOOTH_UNARY = ("np.sin({x})", "np.cos({x})", "np.tanh({x})", "np.exp(np.tanh({x}))", "np.sqrt({x} * {x} + 1)",
"np.log(2 + np.sin({x}))",
                "np.square({x})", "-{x}", "np.arctan({x})", "1 / (1 + {x} * {x})", "{x} ** 3 * 0.1",
                "np.where(np.isfinite({x}), {x}, 0)",
                "np.logaddexp({x}, 0.5)", "0.5 * {x} + 1", "np.expm1(np.sin({x}))", "np.abs({x} * {x} + 0.1)")  # fmt: skip
SMOOTH_BINARY = ("{x} + {y}", "{x} - {y}", "np.sin({x}) * {y}", "{x} / (2 + np.cos({y}))", "np.hypot({x}, {y} * {y} + 1)",
                 "np.logaddexp({x}, {y})", "np.arctan2({x}, {y} * {y} + 1)", "np.power({x} * {x} + 0.5, np.sin({y}))",
                 "np.where(np.arange({x}.size).reshape({x}.shape) % 2 == 0, {x}, {y})")  # fmt: skip
REDUCTIONS = {
    "any": ("sum", "mean", "any", "all", "prod", "count_nonzero"),
    "real": (
        "max",
        "min",
        "argmax",
        "argmin",
        "ptp",
        "var",
        "std",
        "nansum",
        "nanmax",
        "median",
        "cumsum",
        "cumprod",
    ),
}
SMOOTH_REDUCTIONS = ("sum", "mean", "var", "cumsum")


def kinds(x: np.ndarray) -> list[str]:
    """The tables that apply to a dtype."""
    kind = "f" if x.dtype == bfloat16 else x.dtype.kind
    more = {
        "f": ["number", "real", "float"], "c": ["number", "complex"], "i": ["number", "real", "bits", "integer"],
        "u": ["number", "real", "bits", "integer"], "b": ["bits"],
    }  # fmt: skip
    return ["any", *more[kind]]


def _templates(table: dict[str, tuple[str, ...]], x: np.ndarray) -> list[str]:
    found = [t for kind in kinds(x) for t in table.get(kind, ())]
    return [t for t in found if not (x.dtype.itemsize == 1 and "* 1j" in t)]


def _pick(draw: Draw, values: Values) -> tuple[str, np.ndarray]:
    """A value, late ones more often."""
    return values[-1] if draw(st.booleans()) else draw(st.sampled_from(values))


def unary(draw: Draw, values: Values, smooth: bool) -> tuple[str, str]:
    name, x = _pick(draw, values)
    return draw(st.sampled_from(SMOOTH_UNARY if smooth else _templates(UNARY, x))).format(x=name), "each"


def scalar(draw: Draw, values: Values, smooth: bool) -> tuple[str, str]:
    name, x = _pick(draw, values)
    if smooth:
        return draw(st.sampled_from(("{x} * 2", "1.5 - {x}", "0.25 * {x} * {x}"))).format(x=name), "each"
    return draw(st.sampled_from(_templates(SCALARS, x))).format(x=name), "each"


def binary(draw: Draw, values: Values, smooth: bool) -> tuple[str, str]:
    name, x = _pick(draw, values)
    fitting = [(n, y) for n, y in values if _broadcasts(x, y)]
    other, y = draw(st.sampled_from(fitting))
    if smooth:
        template = draw(st.sampled_from(SMOOTH_BINARY[:-1] if x.shape != y.shape else SMOOTH_BINARY))
    else:
        both = [t for t in kinds(x) if t in kinds(y)]
        template = draw(st.sampled_from([t for kind in both for t in BINARY.get(kind, ())]))
    return template.format(x=name, y=other), "each"


def _broadcasts(x: np.ndarray, y: np.ndarray) -> bool:
    try:
        return int(np.prod(np.broadcast_shapes(x.shape, y.shape))) <= LARGEST
    except ValueError:
        return False


def reduction(draw: Draw, values: Values, smooth: bool) -> tuple[str, str]:
    name, x = _pick(draw, values)
    table = SMOOTH_REDUCTIONS if smooth else [n for kind in kinds(x) for n in REDUCTIONS.get(kind, ())]
    function = draw(st.sampled_from(table))
    one = st.integers(-x.ndim, x.ndim - 1) if x.ndim else st.none()
    if function.startswith(("cum", "arg")):
        return f"np.{function}({name}, axis={draw(one)})", "sums"
    several = st.lists(st.integers(0, x.ndim - 1), unique=True).map(tuple) if x.ndim else st.none()
    axis = draw(st.one_of(st.none(), one, several))
    keep = ", keepdims=True" if draw(st.booleans()) else ""
    return f"np.{function}({name}, axis={axis}{keep})", "sums"


def movement(draw: Draw, values: Values, smooth: bool) -> tuple[str, str]:
    name, x = _pick(draw, values)
    n = x.ndim
    axis = draw(st.integers(-n, n - 1)) if n else 0
    same = [m for m, y in values if y.shape == x.shape and y.dtype == x.dtype]
    other = draw(st.sampled_from(same))
    integer = draw(st.integers(-3, 4))
    size = x.shape[axis] if n else 1
    choices = [
        f"{name}.reshape(-1)", f"{name}[None]", f"np.expand_dims({name}, -1)", f"{name}[..., None] + {name}[..., None]",
        f"np.stack([{name}, {other}], axis={axis})", f"np.tile({name}, 2)", f"np.ravel({name})", f"{name}.T",
        f"np.squeeze({name})",
        f"np.broadcast_to({name}, (2, *{name}.shape))", f"np.atleast_2d({name})",
    ]  # fmt: skip
    if n:
        perm = tuple(draw(st.permutations(range(n))))
        edge = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        widths = tuple(edge if i == axis % n else (0, 0) for i in range(n))
        mode = draw(st.sampled_from(("constant", "edge", "wrap", "reflect", "symmetric")))
        k = draw(st.integers(1, 3))
        choices += [
            f"np.transpose({name}, {perm})", f"np.swapaxes({name}, 0, {axis})",
            f"np.concatenate([{name}, {other}], axis={axis})",
            f"np.roll({name}, {integer}, axis={axis})", f"np.roll({name}, {integer})", f"np.flip({name}, {axis})",
            f"np.pad({name}, {widths}, mode={mode!r})", f"np.repeat({name}, 2, axis={axis})", f"{name}{_index(draw, x)}",
            f"{name}{_index(draw, x)}", f"{name}{_index(draw, x)}", f"np.take({name}, np.array([0, -1, 0]), axis={axis})",
            f"np.reshape({name}, (-1, {size}))", f"np.reshape({name}, (1, -1))", f"np.diff({name}, axis={axis})",
            f"np.pad({name}, 1)", f"np.delete({name}, 0, axis={axis})", f"np.array_split({name}, {k}, axis={axis})[0]",
            f"np.asarray({name}).at{_index(draw, x)}.add({name}{_index(draw, x)}.sum())",
            f"np.asarray({name}).at[0].set(2)", f"np.moveaxis({name}, 0, {axis})",
            f"np.asarray({name}).at[..., -1].multiply(3)", f"np.asarray({name}).at[np.array([0, 0, -1])].add(1)",
        ]  # fmt: skip
    if n > 1:
        choices += [f"np.diagonal({name})", f"np.tril({name}, {integer})", f"np.triu({name})", f"np.rot90({name}, {integer})",
                    f"np.trace({name})", f"{name}[np.array([0, -1]), np.array([[0], [-1]])]"]  # fmt: skip
    if not smooth and n and not x.dtype.kind == "c":
        choices += [f"np.sort({name}, axis={axis})", f"np.argsort({name}, axis={axis}, stable=True)",
                    f"np.searchsorted(np.sort({name}.reshape(-1)), {name})",
                    f"np.take_along_axis({name}, np.argsort({name}, axis={axis}), {axis})"]  # fmt: skip
    return draw(st.sampled_from(choices)), "each"


def _index(draw: Draw, x: np.ndarray) -> str:
    """Slices with any step, positions, new axes, an ellipsis."""
    items = []
    for n in x.shape:
        if draw(st.integers(0, 5)) == 0:
            items.append("None")
        bound = st.one_of(st.none(), st.integers(-n - 1, n + 1))
        step = draw(st.sampled_from((None, None, 1, 2, -1, -2)))
        written = ["" if v is None else str(v) for v in (draw(bound), draw(bound), step)]
        positions = [str(draw(st.integers(-n, n - 1)))] if n else []
        items.append(draw(st.sampled_from([":", ":".join(written), ":".join(written), "::-1", *positions])))
    cut = draw(st.integers(0, len(items)))
    if draw(st.booleans()):
        items = [*items[:cut], "..."]
    return f"[{', '.join(items)}]" if items else "[...]"


def product(draw: Draw, values: Values, smooth: bool) -> tuple[str, str]:
    name, x = _pick(draw, values)
    other, y = draw(st.sampled_from(values))
    choices = [f"np.outer({name}, {other})", f"np.vdot({name}, {name})", f"np.sum({name} * {name})"]
    if x.ndim:
        last = x.shape[-1]
        choices += [f"np.inner({name}, {name})", f"np.matmul({name}, {name}.T)", f"np.einsum('...i,...i->...', {name}, {name})",
                    f"np.tensordot({name}, {name}, axes=[[0], [0]])", f"np.einsum('...i->i...', {name})"]  # fmt: skip
        if y.ndim and y.shape[-min(2, y.ndim)] == last:
            choices += [f"{name} @ {other}", f"np.dot({name}, {other})"]
    if x.ndim == 2:
        choices += [f"np.einsum('ij,kj->ik', {name}, {name})", f"np.einsum('ij,ij->j', {name}, {name})",
        f"np.einsum('ij->', {name})",
                    f"np.kron({name}, np.array([[1, 2]]))"]  # fmt: skip
    return draw(st.sampled_from(choices)), "sums"


def conversion(draw: Draw, values: Values, smooth: bool) -> tuple[str, str]:
    name, x = _pick(draw, values)
    dtype = draw(st.sampled_from(FLOATS[:1] if smooth else ALL))
    if x.dtype.kind == "c" and dtype.kind != "c":
        name, x = f"np.real({name})", x.real
    if is_inexact(x) and dtype.kind in "iu":
        # Outside of the range of integers the result is the processor's, so programs stay inside.
        name = f"np.clip(np.nan_to_num({name}), {0 if dtype.kind == 'u' else -100}, 100)"
    return f"np.astype({name}, np.{'bool_' if dtype == BOOL else dtype.name})", "each"


FAMILIES: tuple[Callable[[Draw, Values, bool], tuple[str, str]], ...] = (
    unary, unary, binary, binary, binary, scalar, reduction, reduction, movement, movement, movement, product, conversion,
)  # fmt: skip


SHAPES = ((), (1,), (2,), (5,), (17,), (0,), (2, 3), (3, 1), (1, 3), (3, 3), (0, 3), (2, 1, 3), (2, 2, 3, 1))
SMOOTH_SHAPES = tuple(shape for shape in SHAPES if 0 not in shape)


def array(dtype: np.dtype, shape: Sequence[int], seed: int, special: bool) -> np.ndarray:
    """Small numbers, with zeros of both signs, infinities and NaN among them if ``special``."""
    rng = np.random.default_rng(seed)
    if dtype == BOOL:
        return np.asarray(rng.random(shape) < 0.5)
    if dtype.kind in "iu":
        return np.asarray(rng.integers(0 if dtype.kind == "u" else -6, 7, shape)).astype(dtype)
    x = rng.normal(size=shape) * 1.5
    if dtype.kind == "c":
        return np.asarray(x + 1j * rng.normal(size=shape)).astype(dtype)
    if special:
        x = np.where(
            rng.random(shape) < 0.25, rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -2.0], shape), x
        )
    return np.asarray(x).astype(dtype)


@st.composite
def programs(
    draw: Draw, *, smooth: bool = False, max_lines: int = 8, dtypes: Sequence[np.dtype] = ALL
) -> Program:
    """Programs; ``smooth`` ones are of float64, differentiable everywhere, and bounded."""
    env: dict[str, Any] = {"np": wnp}
    values: Values = []
    constants = []
    n_inputs, n_constants = draw(st.integers(1, 3)), draw(st.integers(0, 1))
    chosen = draw(st.lists(st.sampled_from(FLOATS[:1] if smooth else dtypes), min_size=1, max_size=2))
    for i in range(n_inputs + n_constants):
        shape = draw(st.sampled_from(SMOOTH_SHAPES if smooth else SHAPES))
        special = not smooth and draw(st.integers(0, 3)) == 0
        x = array(draw(st.sampled_from(chosen)), shape, draw(st.integers(0, 99)), special)
        name = f"x{i}" if i < n_inputs else f"c{i}"
        env[name] = wnp.asarray(x)
        if i >= n_inputs:
            constants.append((name, x if draw(st.booleans()) else env[name]))
        values.append((name, x))
    inputs = tuple(name for name, _ in values[:n_inputs])
    args = tuple(x for _, x in values[:n_inputs])
    lines = []
    for i in range(draw(st.integers(1, max_lines))):
        text, kind = draw(st.sampled_from(FAMILIES))(draw, values, smooth)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                result = eval(compiled(text), env)
        except (ValueError, IndexError, TypeError, OverflowError):
            continue  # not for these shapes or dtypes; the messages have tests of their own
        data = np.asarray(result)
        if data.size > LARGEST or data.ndim > 5 or (smooth and (data.dtype != np.float64 or 0 in data.shape)):
            continue
        if smooth and data.size and np.abs(data).max() > 30:
            text, data = f"np.tanh(0.1 * {text})", np.tanh(0.1 * data)
            result = wnp.asarray(data)
        env[f"v{i}"] = result
        values.append((f"v{i}", data))
        lines.append(Line(f"v{i}", text, kind))
    outputs = (*draw(st.lists(st.sampled_from([n for n, _ in values]), max_size=2)), values[-1][0])
    return Program(tuple(lines), inputs, outputs, args, tuple(constants))


# What may differ


def assert_close(found: Sequence[Any], program: Program, *args: Any) -> None:
    """Assert that ``found`` is what ``program`` gives on ``args``, up to what rounding may change."""
    wanted = [np.asarray(x) for x in program(*args)]
    rng = np.random.default_rng(0)
    others = [program.moved(rng, *args) for _ in range(6)]
    assert len(found) == len(wanted)
    for i, (a, b) in enumerate(zip(map(np.asarray, found), wanted, strict=True)):
        assert (a.shape, a.dtype) == (b.shape, b.dtype), f"{a.dtype}{a.shape} instead of {b.dtype}{b.shape}"
        assert_close_array(a, b, [other[i] for other in others])


def assert_close_array(a: np.ndarray, b: np.ndarray, others: Sequence[np.ndarray]) -> None:
    """Assert that ``a`` is ``b``, where ``others`` are results moved by rounding."""
    if b.dtype.kind == "c":
        # An infinite or undefined part says little about the other one.
        finite = np.isfinite(b)
        for part in ("real", "imag"):
            a_part, b_part, *rest = (np.where(finite, getattr(x, part), 0) for x in (a, b, *others))
            size = np.abs(np.where(finite, b, 0)).astype(np.float64)
            _assert_near(a_part, b_part, rest, size)
        return
    if b.dtype.kind in "biu":
        stable = np.logical_and.reduce([other == b for other in others])
        np.testing.assert_array_equal(np.where(stable, a, b), b)
        return
    _assert_near(
        *(x.astype(np.float64) for x in (a, b)),
        [o.astype(np.float64) for o in others],
        np.abs(b.astype(np.float64)),
        epsilon(b.dtype),
    )


def _assert_near(
    a: np.ndarray, b: np.ndarray, others: Sequence[np.ndarray], size: np.ndarray, eps: float | None = None
) -> None:
    eps = epsilon(b.dtype) if eps is None else eps
    with np.errstate(all="ignore"):
        stable = np.logical_and.reduce(
            [(np.isnan(o) == np.isnan(b)) & (np.isinf(o) == np.isinf(b)) for o in others]
        )
        finite = stable & np.isfinite(b)
        spread = np.max([np.abs(o - b) for o in others], axis=0)
        limit = np.where(finite, 6 * spread + 6 * eps * size + 1e-300, np.inf)
        near = np.abs(a - b) <= limit
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    wrong = np.where(finite, ~near, stable & ~same)
    assert not wrong.any(), f"{a[wrong]} instead of {b[wrong]}, limit {limit[wrong]}"
