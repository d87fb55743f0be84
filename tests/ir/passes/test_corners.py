"""Corners: what is added to a part of what a loop has made."""

from __future__ import annotations

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from tests.ir.passes.texts import changed, unchanged
from weft.ir.passes.corners import add_corners


def graph(
    size: str = "f64[1,9]",
    low: str = "(0, 0)",
    high: str = "(8, 0)",
    interior: str = "(0, 0)",
    zero: str = "-0.0:f64",
    operands: str = "l p",
    maker: str = "scan",
    outs: str = "s",
) -> str:
    """A sum of what a loop made and of a padded array."""
    if maker == "scan":
        made = """scan[body=graph(a: f64[9,9]) {
        b: f64[9,9] = sin a
        return b
      }, length=6, n_carry=1, n_consts=0, reverse=False] x"""
    else:
        made = f"{maker} x"
    return f"""
    graph(x: f64[9,9], y: {size}) {{
      l: f64[9,9] = {made}
      p: f64[9,9] = pad[high={high}, interior={interior}, low={low}] y {zero}
      s: f64[9,9] = add {operands}
      return {outs}
    }}"""


@pytest.mark.parametrize(
    "options",
    [{}, {"operands": "p l"}, {"size": "f64[2,3]", "low": "(3, 6)", "high": "(4, 0)"}],
    ids=["first row", "the other way round", "a box"],
)
def test_it_is_added_in_its_place(options: dict[str, str]) -> None:
    text = changed(add_corners, graph(**options))
    assert "dynamic_update_slice" in text
    assert "s: f64[9,9] = add" not in text


@pytest.mark.parametrize(
    "options",
    [
        {"zero": "0.0:f64"},  # which makes 0.0 of -0.0
        {"zero": "1.0:f64"},
        {"maker": "sin"},  # which the sum is fused with
        {"outs": "s, l"},  # a copy would have to be made
        {"operands": "l l"},
        {"size": "f64[5,9]", "high": "(4, 0)"},  # so much that it is no corner
        {"size": "f64[2,9]", "high": "(6, 0)", "interior": "(1, 0)"},
    ],
)
def test_others_stay(options: dict[str, str]) -> None:
    unchanged(add_corners, graph(**options))


def test_gradients_with_respect_to_where_a_loop_begins() -> None:
    """Rows that are set before a loop: the sum of their cotangents, and signs of zeros as without compilation."""
    x = np.random.default_rng(0).standard_normal((40, 30))

    def loss(x: wnp.ndarray) -> wnp.ndarray:
        u = wnp.zeros_like(x).at[0].set(x[0]).at[:, 0].set(2 * x[:, 0])
        u = weft.lax.fori_loop(1, 40, lambda i, u: u.at[i].set(0.5 * u[i - 1] + x[i] * u[i]), u)
        return wnp.sum(u[-1] * u[7] + x[0])

    expected = np.asarray(weft.grad(loss)(x))
    found = np.asarray(weft.jit(weft.grad(loss))(x))
    np.testing.assert_allclose(found, expected, rtol=1e-13)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(expected))
