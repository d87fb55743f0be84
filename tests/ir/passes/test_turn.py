"""Turn: small matrices that every step multiplies by are transposed before the loop."""

from __future__ import annotations

import pytest

from tests.ir.passes.texts import changed, unchanged
from weft.ir.passes.turn import turn_matrices


def scan(
    dims: str = "(((1,), (0,)), ((), ()))",
    operands: str = "a x",
    matrix: str = "f64[9,9]",
    vector: str = "f64[9]",
    n_consts: int = 1,
) -> str:
    """A loop whose steps multiply by a matrix, which is a constant or goes from step to step."""
    more = "" if n_consts else "a, "
    outs = "y: f64[9]" if n_consts else f"b: {matrix}, y: {vector}"
    return f"""
    graph(a: {matrix}, x: {vector}) {{
      {outs.replace("f64[9]", vector)} = scan[body=graph(a: {matrix}, x: {vector}) {{
        z: {vector} = dot_general[dims={dims}] {operands}
        return {more}z
      }}, length=6, n_carry={2 - n_consts}, n_consts={n_consts}, reverse=False] a x
      return y
    }}"""


@pytest.mark.parametrize(
    "options", [{}, {"dims": "(((0,), (1,)), ((), ()))", "operands": "x a"}], ids=["left", "right"]
)
def test_it_is_transposed_before_the_loop(options: dict[str, str]) -> None:
    text = changed(turn_matrices, scan(**options))
    before, _, inside = text.partition("scan")
    assert "transpose[perm=(1, 0)] a" in before
    assert "dims=(((0,), (0,)), ((), ()))" in inside
    assert "n_consts=2" in inside


@pytest.mark.parametrize(
    "options",
    [
        {"dims": "(((0,), (0,)), ((), ()))"},  # columns are side by side
        {"dims": "(((0,), (0,)), ((), ()))", "operands": "x a"},
        {"n_consts": 0},  # the matrix changes from step to step
        {"matrix": "f64[3,3]", "vector": "f64[3]"},  # written out
        {"matrix": "f64[33,33]", "vector": "f64[33]"},  # for BLAS
        {"vector": "f64[9,9]"},  # a product of matrices
        {"matrix": "f16[9,9]", "vector": "f16[9]"},
    ],
)
def test_others_stay(options: dict[str, str]) -> None:
    unchanged(turn_matrices, scan(**options))


def test_a_matrix_that_two_products_read_is_transposed_once() -> None:
    text = changed(
        turn_matrices,
        """
    graph(a: f64[9,9], x: f64[9]) {
      y: f64[9] = scan[body=graph(a: f64[9,9], x: f64[9]) {
        z: f64[9] = dot_general[dims=(((1,), (0,)), ((), ()))] a x
        w: f64[9] = dot_general[dims=(((1,), (0,)), ((), ()))] a z
        return w
      }, length=6, n_carry=1, n_consts=1, reverse=False] a x
      return y
    }""",
    )
    assert text.count("transpose") == 1
