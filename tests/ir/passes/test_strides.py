"""Strides: choices between a carry and a pad with gaps become updates of the carry."""

from __future__ import annotations

import numpy
import pytest

import weft
import weft.numpy as np
from tests.ir.passes.texts import changed, unchanged
from weft import lax
from weft.ir.passes.dce import dce
from weft.ir.passes.strides import update_in_strides

MASK = "m: bool[9] = full[dtype=bool, shape=(9,), value=True]"
GAPS = "high=(1,), interior=(1,), low=(0,)"


def scan(
    old: str = "x", mask: str = MASK, where: str = GAPS, what: str = GAPS, outside: str = "False:bool[]"
) -> str:
    """A loop that writes ``y`` to every second element."""
    return f"""
    graph(y: f64[9], z: f64[18], s: f64[18]) {{
      k: f64[18] = scan[body=graph(y: f64[9], z: f64[18], x: f64[18]) {{
        {mask}
        w: bool[18] = pad[{where}] m {outside}
        p: f64[18] = pad[{what}] y 0.0:f64[]
        r: f64[18] = select w p {old}
        return r
      }}, length=5, n_carry=1, n_consts=2, reverse=False] y z s
      return k
    }}""".replace("[]", "")


def test_every_second_element_of_a_carry() -> None:
    text = changed(lambda graph: dce(update_in_strides(graph)), scan())
    assert "update_slice[start=(0,), strides=(2,)]" in text
    assert "pad" not in text and "select" not in text


@pytest.mark.parametrize(
    "options",
    [
        {"old": "z"},  # no carry: it would be copied
        {"mask": MASK.replace("True", "False")},
        {"where": "high=(0,), interior=(1,), low=(1,)"},  # other elements than those that are written
        {"outside": "True:bool[]"},
        {
            "mask": MASK.replace("9", "18"),
            "where": "high=(0,), interior=(0,), low=(0,)",
        },
    ],
)
def test_what_is_something_else(options: dict[str, str]) -> None:
    unchanged(update_in_strides, scan(**options))


def test_other_loops_are_let_alone() -> None:
    def short(x):  # code knows which elements of short rows it writes
        return lax.fori_loop(0, 5, lambda _, x: x.at[:, ::2].set(x[:, 1::2]), x)

    def adjoining(x):
        return lax.fori_loop(0, 5, lambda _, x: x.at[1:-1].set(2.0 * x[1:-1]), x)

    unchanged(update_in_strides, str(weft.make_graph(short)(np.zeros((30, 8)))))
    unchanged(update_in_strides, str(weft.make_graph(adjoining)(np.zeros(30))))


def neighbours(u, f, a, b):
    """New values of every second point of every second line, of those around them."""
    n, m = u.shape
    i, j = slice(a, n - 1, 2), slice(b, m - 1, 2)
    around = u[slice(a - 1, n - 2, 2), j] + u[slice(a + 1, n, 2), j]
    around = around + u[i, slice(b - 1, m - 2, 2)] + u[i, slice(b + 1, m, 2)]
    return (i, j), 0.25 * (around - f[i, j])


POINTS = [(1, 1), (2, 2), (1, 2), (2, 1)]


def chequerboard(u, f):
    def sweep(_, u):
        for a, b in POINTS:
            place, new = neighbours(u, f, a, b)
            u = u.at[place].set(new)
        return u

    return lax.fori_loop(0, 4, sweep, u)


@pytest.mark.parametrize("shape", [(12, 12), (13, 40), (33, 17), (100, 101), (4, 60)])
def test_a_chequerboard_is_that_of_numpy(shape) -> None:
    u, f = numpy.random.default_rng(0).normal(size=(2, *shape))
    compiled = weft.jit(chequerboard)
    found, expected = compiled(u, f), u.copy()
    for _ in range(4):
        for a, b in POINTS:
            place, new = neighbours(expected, f, a, b)
            expected[place] = new
    assert numpy.asarray(found).tobytes() == expected.tobytes()


def test_points_are_written_where_they_are() -> None:
    """One copy: that of the argument, before the loop."""
    u = np.zeros((100, 101))
    tape = weft.jit(chequerboard).lower(u, u).program.tape.disassemble()
    assert tape.count(" copy ") == 1
    assert "first carry" in tape


def joined(x, a):
    def step(_, c):
        x, before = c
        x = x.at[1::3].set(x[::3] + a).at[::3].add(before[::3])
        return x.at[::-2].multiply(0.5), before.at[2:50:4].set(x[1:25:2])

    return lax.fori_loop(0, 6, step, (x, x))


def begun(x, a):
    """Arrays that a step begins anew, of even and odd elements."""

    def step(x, _):
        even, odd = x[::2] + x[1::2], x[::2] * a[:30] - x[1::2]
        x = np.zeros(60).at[::2].set(even).at[1::2].set(odd)
        return x, np.full(60, 7.0).at[::4].set(x[::4]).at[1::4].set(1.0)

    return lax.scan(step, x, None, length=6)


def kept(x, a):
    """The old array is wanted as well."""

    def step(x, _):
        new = x.at[1::2].set(0.5 * x[::2] + a[:30])
        return new - 0.1 * x, x[::-1]

    return lax.scan(step, x, None, length=6)


def until(x, a):
    def body(c):
        x, n = c
        return x.at[::2].set(0.5 * x[1::2]).at[1::2].add(0.25 * x[::2]), n + 1

    return lax.while_loop(lambda c: (np.max(np.abs(c[0])) > 0.1) & (c[1] < 40), body, (x, 0))[0]


@pytest.mark.parametrize("program", [joined, begun, kept, until])
def test_loops_mean_what_they_mean_step_by_step(program) -> None:
    x = numpy.random.default_rng(1).normal(size=60)
    a = 0.3 if program is joined else x[::-1].copy()

    def flat(tree):
        return [numpy.asarray(y) for y in (tree if isinstance(tree, tuple | list) else [tree])]

    for run in (program, lambda x, a: weft.vmap(lambda x: program(x, a))(np.stack([x, 2 * x]))):
        for one, other in zip(flat(weft.jit(run)(x, a)), flat(run(x, a)), strict=True):
            assert one.tobytes() == other.tobytes()

    def total(x):
        return sum(np.sum(np.sin(y)) for y in flat_values(program(x, a)))

    def flat_values(tree):
        return tree if isinstance(tree, tuple | list) else [tree]

    eager, compiled = weft.grad(total)(x), weft.jit(weft.grad(total))(x)
    numpy.testing.assert_allclose(numpy.asarray(compiled), numpy.asarray(eager), rtol=1e-12, atol=1e-14)
