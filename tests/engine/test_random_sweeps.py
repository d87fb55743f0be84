"""Random programs that sweep over matrices, as solvers do: masks, triangles, windows, rows and columns in place.

A program is text, a function of a matrix ``a`` and a vector ``x``, so that a failing one can be pasted into a session.
Its loops count with traced numbers, known or not, and as Python loops that tracing writes out; statements change the
matrix or the vector in ways that the compiler has a special way for. Eager execution, which is NumPy's, is the judge of
what is compiled; where that moves when its arguments do by a rounding error, results may be as far apart.
"""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import weft
import weft.numpy as wnp
from weft import lax

# Places, and masks over the elements of a row; {k} is a counter, {n} the size.
PLACES = (
    "{k} % {n}",
    "{n} - 1 - {k} % {n}",
    "({k} + 1) % {n}",
    "-1 - {k} % {n}",
    "np.minimum({k}, {n} - 1)",
    "0",
    "-1",
)
BORDERS = ("{k}", "{k} + 1", "{n} - 1 - {k}", "{k} // 2", "2", "{k} - 2", "2 * {k}", "np.maximum({k} - 1, 1)")
INDICES = ("i", "i + 1", "{n} - 1 - i", "2 * i", "(i - 1)", "-i", "i.astype(np.int32)")
COMPARISONS = ("<", "<=", ">", ">=", "==", "!=")
VECTORS = (
    "a[{p}]", "a[:, {p}]", "x", "x[::-1]", "np.roll(x, 1)", "x[({k} - 1 - i) % {n}]", "x[np.clip({k} - i, 0, {n} - 1)]",
    "np.cumsum(x) * 0.1", "a @ x", "x @ a", "a @ np.where({m}, x, 0.0)", "np.where({m}, a[{p}], 0.0) @ a",
    "np.sum(np.where({m}[None, :], a, 0.0), axis=1)", "np.diagonal(a)", "b", "a[{p}, ::-1]", "np.where({m}, a[{p}], x)",
    "np.max(np.where({m}, a, -9.0), axis=1)", "np.pad(x[1:-1], 1, mode='edge')", "a[i, (i + {k}) % {n}]",
)  # fmt: skip
SCALARS = (
    "x[{p}]", "a[{p}, {p}]", "np.sum(np.where({m}, x, 0.0))", "a[{p}] @ np.where({m}, x, 0.0)", "np.mean(a[:, {p}])",
    "np.sum(np.where({m}, a[{p}] * x, 0.0))", "np.where({k} % 2 == 0, x[0], 0.5)", "0.5",
)  # fmt: skip
STATEMENTS = (
    "x = x.at[{p}].set(np.sin({s}))",
    "x = x.at[{p}].add(0.3 * np.sin({s}))",
    "x = np.where({m}, 0.7 * x + 0.2 * np.sin({v}), x)",
    "x = 0.8 * x - np.where({m}, 0.2 * np.sin({v}), 0.0)",
    "x = x.at[:{p1}].set(0.5 * x[-{p1}:] + 0.1)",
    "x = lax.dynamic_update_slice(x, 0.5 * lax.dynamic_slice(x, ({p},), (2,)), ({p},))",
    "x = x.at[np.array([0, 1, 0])].add(0.1 * np.sin({s}))",
    "x = np.tanh({v})",
    "a = a.at[{p}].set(np.sin({v}))",
    "a = a.at[:, {p}].set(np.sin({v}))",
    "a = a.at[{p}].add(np.where({m}, 0.2 * np.sin({v}), 0.0))",
    "a = a.at[{p}, {p}].set(np.cos({s}))",
    "a = a.at[{p}].set(np.where({m}, a[{p}], 0.5 * a[{p}] + 0.1 * x))",
    "a = a - np.where({m}[:, None] & {m}[None, :], 0.1 * np.outer(np.sin(a[:, {p}]), np.sin(a[{p}])), 0.0)",
    "a = np.minimum(a, a[:, {p}][:, None] + a[{p}][None, :] + 1.0)",
    "a = np.where({mm}, 0.6 * a + 0.2, a)",
    "a = np.where({mm}, 0.9 * a, 0.5 * a[::-1])",
    "a = a.at[1:-1, 1:-1].set(0.2 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:]))",
    "a = a.at[1:, :].add(-0.2 * (a[1:, :] - a[:-1, :]))",
    "a = a.at[:, :-1].add(0.1 * np.sin(a[:, 1:]))",
    "a = 0.5 * a + 0.2 * np.roll(a, 1, 0) + 0.2 * np.roll(a, -1, 1)",
    "a = a.at[1 + {k} % ({n} - 2), 1:-1].set(0.3 * (a[{k} % ({n} - 2), 1:-1] + a[2 + {k} % ({n} - 2), 1:-1]))",
    "a = a.at[{p}, 1:].set(0.5 * a[{p}, :-1])",
    "a, x = a.at[:, {p}].set(0.5 * x), a[:, {p}]",
    "a = np.sin(a.T + 0.1 * x)",
    "a = a.at[i, {p}].multiply(0.5)",
    "a = 0.5 * a[(i + {k}) % {n}] + 0.1",
    "a = 0.7 * a + 0.1 * np.where({mm}, np.sin(a @ a.T), 0.0)",
    "a = lax.scan(lambda c, r: (0.5 * c + r, 0.5 * c + 0.4 * r), x, a)[1]",
    "a = np.moveaxis(lax.scan(lambda c, r: (0.5 * c + 0.4 * r,) * 2, x, a.T, reverse=True)[1], 0, 1)",
)  # fmt: skip
LOOPS = (
    "lax.fori_loop(0, {t}, {f}, (a, x))",
    "lax.fori_loop(1, {t}, {f}, (a, x))",
    "lax.fori_loop(0, {k} % {n}, {f}, (a, x))",
    "lax.scan(lambda c, k: ({f}(k, c), None), (a, x), np.arange({t}))[0]",
    "lax.scan(lambda c, k: ({f}(k, c), None), (a, x), np.arange({t})[::-1])[0]",
    "lax.while_loop(lambda c: c[0] < {t}, lambda c: (c[0] + 1, {f}(c[0], c[1])), (0, (a, x)))[1]",
    "lax.cond({k} % 2 == 0, lambda c: {f}({k}, c), lambda c: c, (a, x))",
)


@st.composite
def sources(draw: Any) -> tuple[int, str]:
    """The size, and the text of a program."""
    n = draw(st.sampled_from((3, 5, 18)))
    names = iter(range(100))

    def pick(table: Any) -> str:
        return draw(st.sampled_from(table))

    def mask(k: str) -> str:
        one = f"({pick(INDICES)} {pick(COMPARISONS)} {pick(BORDERS)})"
        if draw(st.integers(0, 3)) == 0:
            one = (
                f"({one} {pick('&|')} {pick(('', '~'))}({pick(INDICES)} {pick(COMPARISONS)} {pick(BORDERS)}))"
            )
        return one.format(k=k, n=n)

    def filled(text: str, k: str) -> str:
        """A template with its holes filled, each in its own way but for places, which are read and written."""
        place = pick(PLACES).format(k=k, n=n)
        while "{" in text:
            parts = {
                "k": k, "n": n, "p": place, "p1": draw(st.integers(1, n - 1)), "t": pick((n, n + 1, n - 1, 2)),
                "m": mask(k), "mm": f"(i[:, None] {pick(COMPARISONS)} i[None, :] + {pick(BORDERS)})", "v": pick(VECTORS),
                "s": pick(SCALARS), "f": "{f}",
            }  # fmt: skip
            text = text.format(**parts)
            if "{f}" in text:
                break
        return text

    def block(k: str, depth: int) -> list[str]:
        lines = []
        for _ in range(draw(st.integers(1, 3))):
            if not depth or draw(st.integers(0, 2)):
                lines.append(filled(pick(STATEMENTS), k))
                continue
            name = f"{next(names)}"
            if draw(st.integers(0, 2)) == 0:
                inner = block(f"k{name}", depth - 1)
                lines += [f"for k{name} in range({draw(st.integers(2, 9))}):", *indented(inner)]
                continue
            inner = ["a, x = c", *block(f"k{name}", depth - 1), "return a, x"]
            lines += [f"def f{name}(k{name}, c):", *indented(inner)]
            lines.append("a, x = " + filled(pick(LOOPS), k).format(f=f"f{name}"))
        return lines

    lines = ["i = np.arange(x.shape[0])", *block("1", 2), "return np.tanh(a), np.tanh(x)"]
    return n, "\n".join(["def program(a, x, b):", *indented(lines)])


def indented(lines: list[str]) -> list[str]:
    return textwrap.indent("\n".join(lines), "    ").split("\n")


def function(source: str) -> Any:
    scope: dict[str, Any] = {"np": wnp, "lax": lax}
    exec(compile(source, "<random sweep>", "exec"), scope)
    return scope["program"]


def arguments(n: int, seed: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(seed)
    return tuple(wnp.asarray(rng.normal(size=shape)) for shape in ((n, n), (n,), (n,)))


def close(found: Any, wanted: Any, moved: Any) -> None:
    """Assert that results are ``wanted``, but for ten times as much as ``moved``, from arguments next to these, is away."""
    found, wanted, moved = ([np.asarray(x) for x in weft.tree.leaves(t)] for t in (found, wanted, moved))
    for a, b, c in zip(found, wanted, moved, strict=True):
        spread = np.nanmax(np.abs(c - b), initial=0.0)
        np.testing.assert_allclose(
            a, b, rtol=1e-8, atol=1e-8 * np.nanmax(np.abs(b), initial=1.0) + 10 * spread
        )


def nearby(args: Any) -> tuple[Any, ...]:
    """The same arguments, up to a few hundred units in the last place."""
    rng = np.random.default_rng(0)
    return tuple(x * (1 + 1e-13 * rng.normal(size=x.shape)) for x in args)


def with_threads(count: int, fun: Any, *args: Any) -> list[bytes]:
    before = weft.config.threads
    try:
        weft.config.update(threads=count)
        return [np.asarray(leaf).tobytes() for leaf in weft.tree.leaves(fun(*args))]
    finally:
        weft.config.update(threads=before)


@settings(max_examples=40, deadline=None)
@given(sources(), st.integers(0, 9))
def test_compiled_sweeps_are_eager_ones(program: tuple[int, str], seed: int) -> None:
    """Also in batches, and the same bits by any number of threads."""
    n, source = program
    fun, jitted = function(source), weft.jit(function(source))
    each = [arguments(n, seed + i) for i in range(3)]
    wanted, moved = [fun(*args) for args in each], [fun(*nearby(args)) for args in each]
    close(jitted(*each[0]), wanted[0], moved[0])
    assert with_threads(1, jitted, *each[0]) == with_threads(3, jitted, *each[0])
    many = [wnp.stack(parts) for parts in zip(*each, strict=True)]
    close(
        weft.jit(weft.vmap(fun))(*many),
        *([wnp.stack(parts) for parts in zip(*runs, strict=True)] for runs in (wanted, moved)),
    )


@settings(max_examples=25, deadline=None)
@given(sources(), st.integers(0, 9))
def test_gradients_of_sweeps(program: tuple[int, str], seed: int) -> None:
    """Backwards and forwards, eager and compiled, and the same bits by any number of threads."""
    n, source = program
    fun, args = function(source), arguments(n, seed)
    rng = np.random.default_rng(seed)
    weights = [rng.normal(size=shape) for shape in ((n, n), (n,))]
    ways = tuple(wnp.asarray(rng.normal(size=x.shape)) for x in args)

    def loss(*args: Any) -> Any:
        return sum(wnp.sum(w * out) for w, out in zip(weights, fun(*args), strict=True))

    eager, gradient = weft.grad(loss, (0, 1, 2)), weft.jit(weft.grad(loss, (0, 1, 2)))
    found, wanted, moved = gradient(*args), eager(*args), eager(*nearby(args))
    close(found, wanted, moved)
    assert with_threads(1, gradient, *args) == with_threads(3, gradient, *args)

    def slope(*args: Any) -> Any:
        return weft.jvp(loss, args, ways)[1]

    along, beside = slope(*args), slope(*nearby(args))
    close(weft.jit(slope)(*args), along, beside)
    terms = [np.asarray(g) * np.asarray(t) for g, t in zip(wanted, ways, strict=True)]
    size = sum(np.abs(term).sum() for term in terms) + 10 * abs(np.asarray(along) - np.asarray(beside)) / 1e-8
    np.testing.assert_allclose(
        sum(term.sum() for term in terms), np.asarray(along), rtol=1e-8, atol=1e-8 * (1 + size)
    )
