from __future__ import annotations

from tests.ir.passes.texts import changed, unchanged
from weft.ir.passes.dce import dce


def test_scan_loses_unread_results_carries_rows_and_constants() -> None:
    """``d`` is needed by ``c`` alone, ``e`` by itself alone."""
    assert changed(
        dce,
        """
        graph(a: f64[], b: f64[], x: f64[4], y: f64[4]) {
          f: f64[], g: f64[], h: f64[], i: f64[4], j: f64[4] = scan[body=graph(
            a: f64[], b: f64[], c: f64[], d: f64[], e: f64[], x: f64[], y: f64[]) {
            f: f64[] = mul c d
            g: f64[] = add d x
            h: f64[] = mul e b
            i: f64[] = mul c a
            j: f64[] = mul e y
            return f, g, h, i, j
          }, length=4, n_carry=3, n_consts=2, reverse=False] a b 1.0:f64 2.0:f64 3.0:f64 x y
          return f
        }
        """,
    ) == (
        "graph(a: f64[], b: f64[], c: f64[4], d: f64[4]) {\n"
        "  e: f64[], f: f64[] = scan[body=graph(a: f64[], b: f64[], c: f64[]) {\n"
        "    d: f64[] = mul a b\n"
        "    e: f64[] = add b c\n"
        "    return d, e\n"
        "  }, length=4, n_carry=2, n_consts=0, reverse=False] 1.0:f64 2.0:f64 c\n"
        "  return e\n"
        "}"
    )


def test_while_loop_keeps_what_its_condition_reads() -> None:
    assert changed(
        dce,
        """
        graph(a: f64[], b: f64[], n: i64[]) {
          i: i64[], x: f64[], y: f64[] = while_loop[body=graph(a: f64[], b: f64[], i: i64[], x: f64[], y: f64[]) {
            j: i64[] = add i 1:i64
            z: f64[] = mul x a
            w: f64[] = mul y b
            return j, z, w
          }, checkpoints=None, cond=graph(n: i64[], i: i64[], x: f64[], y: f64[]) {
            c: bool[] = lt i n
            return c
          }, n_body=2, n_cond=1] n a b 0:i64 a b
          return y
        }
        """,
    ) == (
        "graph(a: f64[], b: f64[], c: i64[]) {\n"
        "  d: i64[], e: f64[] = while_loop[body=graph(a: f64[], b: i64[], c: f64[]) {\n"
        "    d: i64[] = add b 1:i64\n"
        "    e: f64[] = mul c a\n"
        "    return d, e\n"
        "  }, checkpoints=None, cond=graph(a: i64[], b: i64[], c: f64[]) {\n"
        "    d: bool[] = lt b a\n"
        "    return d\n"
        "  }, n_body=1, n_cond=1] c b 0:i64 b\n"
        "  return e\n"
        "}"
    )


def test_cond_loses_results_and_operands_that_no_branch_needs() -> None:
    assert changed(
        dce,
        """
        graph(i: i32[], a: f64[], b: f64[], c: f64[]) {
          d: f64[], e: f64[] = cond[branches=(graph(a: f64[], b: f64[], c: f64[]) {
            d: f64[] = mul a b
            return d, c
          }, graph(a: f64[], b: f64[], c: f64[]) {
            d: f64[] = neg a
            return d, c
          })] i a b c
          return d
        }
        """,
    ) == (
        "graph(a: i32[], b: f64[], c: f64[], d: f64[]) {\n"
        "  e: f64[] = cond[branches=(\n"
        "    graph(a: f64[], b: f64[]) {\n"
        "      c: f64[] = mul a b\n"
        "      return c\n"
        "    },\n"
        "    graph(a: f64[], b: f64[]) {\n"
        "      c: f64[] = neg a\n"
        "      return c\n"
        "    },\n"
        "  )] a b c\n"
        "  return e\n"
        "}"
    )


def test_fold_back_keeps_the_states_that_it_reads() -> None:
    """``y`` does not reach what is folded."""
    assert changed(
        dce,
        """
        graph(n: i64[], a: f64[], x: f64[], y: f64[], s: f64[], t: f64[]) {
          u: f64[], v: f64[] = fold_back[advance=graph(a: f64[], x: f64[], y: f64[]) {
            p: f64[] = sin x
            q: f64[] = mul y a
            return p, q
          }, backward=graph(a: f64[], x: f64[], y: f64[], s: f64[], t: f64[]) {
            p: f64[] = mul s x
            q: f64[] = mul t y
            return p, q
          }, checkpoints=3, n_consts=1] n a x y s t
          return u
        }
        """,
    ) == (
        "graph(a: i64[], b: f64[], c: f64[], d: f64[], e: f64[], f: f64[]) {\n"
        "  g: f64[] = fold_back[advance=graph(a: f64[]) {\n"
        "    b: f64[] = sin a\n"
        "    return b\n"
        "  }, backward=graph(a: f64[], b: f64[]) {\n"
        "    c: f64[] = mul b a\n"
        "    return c\n"
        "  }, checkpoints=3, n_consts=0] a c e\n"
        "  return g\n"
        "}"
    )


def test_what_needs_everything_stays_the_same_object() -> None:
    unchanged(
        dce,
        """
        graph(a: f64[], x: f64[4]) {
          b: f64[], y: f64[4] = scan[body=graph(a: f64[], x: f64[]) {
            b: f64[] = mul a x
            return b, a
          }, length=4, n_carry=1, n_consts=0, reverse=True] a x
          return b, y
        }
        """,
    )
