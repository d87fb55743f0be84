from __future__ import annotations

import numpy as np

from tests.ir.passes.texts import changed, unchanged
from weft.ir.interpret import evaluate
from weft.ir.parser import parse_graph
from weft.ir.passes.dce import dce
from weft.ir.passes.hoist import hoist
from weft.ir.passes.pipeline import BEFORE_FUSION

SCAN = """
graph(a: f64[3], b: f64[3], c: f64[4,3]) {
  d: f64[3], e: f64[3], f: f64[4,3] = scan[body=graph(a: f64[3], b: f64[3], c: f64[3], d: f64[3]) {
    e: f64[3] = exp a
    f: f64[3] = mul e c
    g: f64[3] = mul f d
    h: f64[3] = add b g
    return h, c, g
  }, length=4, n_carry=2, n_consts=1, reverse=False] a b a c
  return d, e, f
}
"""


def test_is_part_of_the_pipeline() -> None:
    assert ("hoist", hoist) in BEFORE_FUSION


def test_constants_of_a_scan_are_computed_before_it() -> None:
    """``c`` is handed on unchanged: it is a constant, and what is computed from it moves."""
    assert changed(lambda g: dce(hoist(g)), SCAN) == (
        "graph(a: f64[3], b: f64[3], c: f64[4,3]) {\n"
        "  d: f64[3] = exp a\n"
        "  e: f64[3] = mul d a\n"
        "  f: f64[3], g: f64[4,3] = scan[body=graph(a: f64[3], b: f64[3], c: f64[3]) {\n"
        "    d: f64[3] = mul a c\n"
        "    e: f64[3] = add b d\n"
        "    return e, d\n"
        "  }, length=4, n_carry=1, n_consts=1, reverse=False] e b c\n"
        "  return f, a, g\n"
        "}"
    )


def test_keeps_the_meaning() -> None:
    graph = parse_graph(SCAN)
    rng = np.random.default_rng(0)
    args = [rng.normal(size=t.shape) for t in graph.in_types]
    for before, after in zip(evaluate(graph, *args), evaluate(hoist(graph), *args), strict=True):
        np.testing.assert_array_equal(before, after)


def test_literals_are_written_into_bodies_and_conditions() -> None:
    assert changed(
        lambda g: dce(hoist(g)),
        """
        graph(a: f64[]) {
          b: f64[] = while_loop[body=graph(a: f64[], b: f64[]) {
            c: f64[] = mul a b
            return c
          }, checkpoints=None, cond=graph(a: f64[], b: f64[]) {
            c: bool[] = gt b a
            return c
          }, n_body=1, n_cond=1] 3.0:f64 0.5:f64 a
          return b
        }
        """,
    ) == (
        "graph(a: f64[]) {\n"
        "  b: f64[] = while_loop[body=graph(a: f64[]) {\n"
        "    b: f64[] = mul 0.5:f64 a\n"
        "    return b\n"
        "  }, checkpoints=None, cond=graph(a: f64[]) {\n"
        "    b: bool[] = gt a 3.0:f64\n"
        "    return b\n"
        "  }, n_body=0, n_cond=0] a\n"
        "  return b\n"
        "}"
    )


def test_what_is_cheap_and_larger_than_what_it_is_made_from_stays() -> None:
    """An outer sum would be read from memory at every step."""
    unchanged(
        hoist,
        """
        graph(a: f64[3], b: f64[3,3]) {
          c: f64[3,3] = scan[body=graph(a: f64[3], b: f64[3,3]) {
            c: f64[3,3] = broadcast[dims=(0,), shape=(3, 3)] a
            d: f64[3,3] = broadcast[dims=(1,), shape=(3, 3)] a
            e: f64[3,3] = add c d
            f: f64[3,3] = mul b e
            return f
          }, length=4, n_carry=1, n_consts=1, reverse=False] a b
          return c
        }
        """,
    )


def test_a_loop_of_unknown_length_stays() -> None:
    """The outer loop may not run at all, and then the inner one might never end."""
    unchanged(
        hoist,
        """
        graph(a: f64[], b: f64[]) {
          c: f64[] = scan[body=graph(a: f64[], b: f64[]) {
            c: f64[] = while_loop[body=graph(a: f64[]) {
              b: f64[] = neg a
              return b
            }, checkpoints=None, cond=graph(a: f64[]) {
              b: bool[] = gt a 0.0:f64
              return b
            }, n_body=0, n_cond=0] a
            d: f64[] = mul b c
            return d
          }, length=0, n_carry=1, n_consts=1, reverse=False] a b
          return c
        }
        """,
    )


def test_moves_out_of_nested_loops() -> None:
    """What is constant in both loops goes before both."""
    inner = """
      b: f64[] = scan[body=graph(a: f64[], b: f64[]) {
        c: f64[] = scan[body=graph(a: f64[], b: f64[]) {
          c: f64[] = exp a
          d: f64[] = mul c b
          return d
        }, length=2, n_carry=1, n_consts=1, reverse=False] a b
        return c
      }, length=3, n_carry=1, n_consts=1, reverse=False] a 1.0:f64
    """
    found = changed(lambda g: dce(hoist(g)), f"graph(a: f64[]) {{ {inner} return b }}")
    assert found.startswith("graph(a: f64[]) {\n  b: f64[] = exp a\n  c: f64[] = scan[")
    assert found.count("exp") == 1
