"""Products in loops that build a matrix line by line: what is left out is what is zero, or what nobody wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import weft
import weft.numpy as wnp
from weft.ir.graph import Eqn, Graph
from weft.ir.ops.flow import scan_p
from weft.ir.ops.part import ALL, AT, BEFORE, BEHIND, bounds
from weft.ir.passes.pipeline import run_pipeline
from weft.ir.passes.triangles import trim_products
from weft.ir.verify import verify

N = 70


def line() -> Any:
    return wnp.arange(N)


def parts(
    step: Callable[..., Any], start: Any = 0, zeros: bool = True, length: int = N
) -> list[tuple[int, int, int]]:
    """The axis, the kept and the summed regions of each product of a part in the body of a loop."""

    def fun(a: Any, b: Any) -> Any:
        return weft.lax.fori_loop(
            start, start + length, lambda k, x: step(k, x, a, b), wnp.zeros_like(a) if zeros else b
        )

    graph = weft.make_graph(fun)(np.ones((N, N)), np.ones((N, N)))
    done = run_pipeline(graph, verify=True)
    assert trim_products(done) is done
    (loop,) = (eqn for eqn in done.eqns if eqn.prim is scan_p)
    body: Graph = loop.params["body"]
    verify(body)
    found: list[Eqn] = [eqn for eqn in body.eqns if eqn.prim.name == "part_product"]
    return [(eqn.params["axis"], eqn.params["kept"], eqn.params["summed"]) for eqn in found]


def column(k: Any, x: Any, a: Any, b: Any) -> Any:
    return x.at[:, k].set(a[:, k] - x @ wnp.where(line() < k, b[k], 0.0))


def test_terms_that_are_zero_times_zero_are_left_out() -> None:
    assert parts(column) == [(1, ALL, BEFORE)]


def test_numbers_of_steps_may_be_scanned() -> None:
    def found(numbers: Callable[[], Any], reverse: bool = False) -> list[str]:
        def fun(a: Any, b: Any) -> Any:
            step = lambda x, k: (column(k, x, a, b), None)  # noqa: E731
            return weft.lax.scan(step, wnp.zeros_like(a), numbers(), reverse=reverse)[0]

        graph = run_pipeline(weft.make_graph(fun)(np.ones((N, N)), np.ones((N, N))), verify=True)
        (loop,) = (eqn for eqn in graph.eqns if eqn.prim is scan_p)
        return [eqn.prim.name for eqn in loop.params["body"].eqns if "product" in eqn.prim.name]

    assert found(lambda: wnp.arange(N)) == ["part_product"]
    assert found(lambda: wnp.arange(3, N)) == ["part_product"]
    assert found(lambda: wnp.arange(N), reverse=True) == []
    assert found(lambda: N - 1 - wnp.arange(N)) == []
    assert found(lambda: 2 * wnp.arange(N // 2)) == []
    assert found(lambda: N - 1 - wnp.arange(N), reverse=True) == ["part_product"]


def test_lines_may_be_rows() -> None:
    assert parts(lambda k, x, a, b: x.at[k].set(a[k] - wnp.where(line() >= k, 0.0, b[k]) @ x)) == [
        (0, ALL, BEFORE)
    ]


def test_a_line_of_the_matrix_itself_is_zero_where_that_is() -> None:
    assert parts(lambda k, x, a, b: x.at[:, k].set(a[:, k] - x @ x[k])) == [(1, ALL, BEFORE)]
    assert parts(lambda k, x, a, b: x.at[:, k].set(a[:, k] - x @ x[(3 * k) % N])) == [(1, ALL, BEFORE)]
    assert parts(lambda k, x, a, b: x.at[k].set(a[k] - x[:, k] @ x)) == [(0, ALL, BEFORE)]
    assert parts(lambda k, x, a, b: x.at[:, k].set(a[:, k] - x @ x[:, k])) == []
    assert parts(lambda k, x, a, b: x.at[:, k].set(a[:, k] - x @ b[k])) == []


def test_masks_may_be_put_together() -> None:
    def step(k: Any, x: Any, a: Any, b: Any) -> Any:
        return x.at[:, k].set(x @ wnp.where((line() < k) & ~(line() == k), b[k], 0.0))

    assert parts(step) == [(1, ALL, BEFORE)]


@pytest.mark.parametrize(
    ("mask", "regions"),
    [
        (lambda k: line() < k, BEFORE),
        (lambda k: line() <= k, BEFORE | AT),
        (lambda k: k < line(), BEHIND),
        (lambda k: k <= line(), AT | BEHIND),
        (lambda k: line() == k, AT),
        (lambda k: line() != k, ALL),
    ],
)
def test_results_that_no_mask_lets_through_are_left_out(mask: Callable[..., Any], regions: int) -> None:
    def step(k: Any, x: Any, a: Any, b: Any) -> Any:
        return x + wnp.where(mask(k), a @ b[k], 1.0)

    assert parts(step) == ([(1, regions, ALL)] if regions != ALL else [])


def test_an_element_is_wanted_too() -> None:
    def step(k: Any, x: Any, a: Any, b: Any) -> Any:
        v = a @ b[k]
        return x + wnp.where(line() < k, v / v[k], 1.0)

    assert parts(step) == [(1, BEFORE | AT, ALL)]
    assert parts(step, start=1) == []  # the last k is out of bounds, and moved inside


@pytest.mark.parametrize(
    "step",
    [
        lambda k, x, a, b: x.at[:, k].set(x @ wnp.where(line() <= k, b[k], 0.0)),
        lambda k, x, a, b: x.at[:, k].set(x @ wnp.where(line() < k, b[k], -0.0)),
        lambda k, x, a, b: x.at[:, k].set(x @ wnp.where(line() < k + 1, b[k], 0.0)),
        lambda k, x, a, b: x.at[:, (k + 1) % N].set(x @ wnp.where(line() < k, b[k], 0.0)),
        lambda k, x, a, b: x.at[:, k].set(wnp.where(line() < k, b[k], 0.0) @ x),
        lambda k, x, a, b: (x + 0.0).at[:, k].set(x @ wnp.where(line() < k, b[k], 0.0)),
        lambda k, x, a, b: x.at[:, k].set(x @ b[k]),
    ],
    ids=["at k", "minus zero", "not k", "another line", "another axis", "more than a line", "no mask"],
)
def test_what_may_be_infinite_or_wanted_stays(step: Callable[..., Any]) -> None:
    assert (1, ALL, BEFORE) not in parts(step)


def test_a_carry_that_does_not_begin_as_zeros_stays() -> None:
    assert parts(column, zeros=False) == []


@pytest.mark.parametrize("k", [-(2**63), -1, 0, 3, 5, 2**63 - 1])
def test_regions_are_what_they_say(k: int) -> None:
    for regions in (BEFORE, AT, BEHIND, BEFORE | AT, AT | BEHIND, ALL):
        first, last = bounds(regions, k, 5)
        wanted = [i for i in range(5) if regions & (BEFORE if i < k else AT if i == k else BEHIND)]
        assert list(range(first, last)) == wanted
