"""Solutions of equations by a method of the user's: `custom_root`, `custom_linear_solve`.

The one idea: the derivative of a solution follows from the equation that it solves (implicit differentiation), whatever the
method does; the method itself is never differentiated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weft.engine import tree
from weft.engine.array import wrap_value
from weft.engine.transforms.flow import Body, Leaves, describe, is_staged, read_leaves, structure, trace_body
from weft.ir.errors import ArgumentError
from weft.ir.graph import Graph
from weft.ir.interpret import evaluate
from weft.ir.ops.elementwise import neg
from weft.ir.ops.flow.bodies import instantiated, spread
from weft.ir.ops.flow.linear_solve import linear_solve
from weft.ir.ops.flow.root import root
from weft.ir.passes.linearize import linearize
from weft.ir.passes.transpose import transpose
from weft.ir.rules import zeros_like


def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Callable[[Callable[[Any], Any], Any], Any],
    has_aux: bool = False,
) -> Any:
    """A root of a function, found by any method, with the derivatives of the implicit function theorem.

    Args:
        f: function of a tree, gives a tree of the same structure and shapes; derivatives are by what it closes over.
        initial_guess: where ``solve`` begins; the root does not depend on it differentiably.
        solve: ``solve(f, initial_guess)`` gives ``x`` with ``f(x) = 0`` (with ``has_aux`` a pair of that and more). It is not
            differentiated.
        tangent_solve: ``tangent_solve(g, y)`` gives ``x`` with ``g(x) = y`` for a linear ``g``, the derivative of ``f`` at the
            root. For scalars ``lambda g, y: y / g(1.0)``.
        has_aux: whether ``solve`` gives more than the root.

    Returns:
        What ``solve`` returned.

    Raises:
        ArgumentError: ``f`` or ``solve`` changes structure, shapes or dtypes.
    """
    guess = read_leaves(initial_guess, "initial_guess")
    if not is_staged(guess.values):
        return solve(f, initial_guess)
    equation = trace_body(f, (initial_guess,), guess.types, guess.weak, "custom_root")
    _check_like("custom_root", f, guess, equation)

    def solved(x: Any) -> Any:
        return solve(f, x)

    method = trace_body(solved, (initial_guess,), guess.types, guess.weak, "custom_root")
    n, types = len(guess.values), method.graph.out_types
    root_tree = method.out_tree.children()[0] if has_aux else method.out_tree
    if root_tree != guess.tree or list(types[:n]) != guess.types:
        raise ArgumentError(
            f"custom_root: {describe(solve)} must return a root like the initial guess, {structure(guess.tree)} of "
            f"{guess.types}, but returned {structure(root_tree)} of {list(types[:n])}."
        )
    by_x = linearize(equation.graph, (*[True] * n, *[False] * len(equation.captured)))
    by_params = linearize(equation.graph, (*[False] * n, *[True] * len(equation.captured)))

    # The derivative: g(x_dot) = -df, where df is what f changes by through what it closes over.
    def rule(x: list[Any], params: list[Any], params_dot: list[Any]) -> list[Any]:
        residuals = evaluate(by_x.primal, *_values(x), *_values(params))[n:]

        def g(v: Any) -> Any:
            found = evaluate(by_x.linear, *_values(tree.leaves(v)), *residuals)
            return guess.rebuilt(instantiated(spread(found, by_x.out_active), guess.types))

        residuals_of_params = evaluate(by_params.primal, *_values(x), *_values(params))[n:]
        found = evaluate(by_params.linear, *_values(params_dot), *residuals_of_params)
        change = instantiated(spread(found, by_params.out_active), guess.types)
        return tree.leaves(tangent_solve(g, guess.rebuilt([neg(c) for c in change])))

    param_types = list(equation.graph.in_types[n:])
    args = (
        [wrap_value(zeros_like(t)) for t in guess.types],
        *[[wrap_value(zeros_like(t)) for t in param_types]] * 2,
    )
    derivative = trace_body(
        rule, args, [*guess.types, *param_types * 2], [False] * (n + 2 * len(param_types)), "custom_root"
    )
    outs = root(
        equation.captured,
        (method.graph, [*guess.values, *method.captured]),
        (derivative.graph, derivative.captured),
    )
    return tree.unflatten(method.out_tree, [wrap_value(x) for x in outs])


def _values(xs: Sequence[Any]) -> list[Any]:
    return read_leaves(list(xs), "x").values


def _check_like(kind: str, fun: Callable[..., Any], given: Leaves, body: Body) -> None:
    if body.out_tree != given.tree or list(body.graph.out_types) != given.types:
        raise ArgumentError(
            f"{kind}: {describe(fun)} must return what it is given, {structure(given.tree)} of {given.types}, but returned "
            f"{structure(body.out_tree)} of {list(body.graph.out_types)}."
        )


def custom_linear_solve(
    matvec: Callable[[Any], Any],
    b: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    transpose_solve: Callable[[Callable[[Any], Any], Any], Any] | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """The solution of a linear system, found by any method, with exact derivatives in both modes.

    Args:
        matvec: linear function of a tree like ``b``; derivatives are by ``b`` and by what it closes over.
        b: the right-hand side, a tree of arrays.
        solve: ``solve(matvec, b)`` gives ``x`` with ``matvec(x) = b`` (with ``has_aux`` a pair of that and more). It is not
            differentiated.
        transpose_solve: the same for the transposed system; reverse mode needs it.
        symmetric: the matrix is symmetric, so that ``solve`` solves the transposed system too.
        has_aux: whether the solves give more than the solution.

    Returns:
        What ``solve`` returned.

    Raises:
        ArgumentError: ``matvec`` or a solve changes structure, shapes or dtypes.
    """
    right = read_leaves(b, "b")
    right = right._replace(weak=[False] * len(right.values))
    product = trace_body(matvec, (b,), right.types, right.weak, "custom_linear_solve")
    if not is_staged(right.values, product.captured):
        return solve(matvec, b)
    _check_like("custom_linear_solve", matvec, right, product)
    forward = _traced_solve(solve, matvec, b, right, has_aux)
    backward: tuple[Graph, Sequence[Any]] | None = None
    if symmetric:
        backward = (forward.consts_first(), forward.captured)
    elif transpose_solve is not None:
        n = len(right.values)
        turned = transpose(product.graph, (*[True] * n, *[False] * len(product.captured)))

        def vecmat(x: Any) -> Any:
            return right.rebuilt(evaluate(turned, *product.captured, *_values(tree.leaves(x))))

        other = _traced_solve(transpose_solve, vecmat, b, right, has_aux)
        backward = (other.consts_first(), other.captured)
    outs = linear_solve(
        (product.consts_first(), product.captured),
        (forward.consts_first(), forward.captured),
        backward,
        right.values,
    )
    return tree.unflatten(forward.out_tree, [wrap_value(x) for x in outs])


def _traced_solve(
    solve: Callable[..., Any], matvec: Callable[..., Any], b: Any, right: Leaves, has_aux: bool
) -> Body:
    def solved(b: Any) -> Any:
        return solve(matvec, b)

    body = trace_body(solved, (b,), right.types, right.weak, "custom_linear_solve")
    n = len(right.values)
    found = body.out_tree.children()[0] if has_aux else body.out_tree
    if found != right.tree or list(body.graph.out_types[:n]) != right.types:
        raise ArgumentError(
            f"custom_linear_solve: {describe(solve)} must return a solution like b, {structure(right.tree)} of {right.types}, "
            f"but returned {structure(found)} of {list(body.graph.out_types[:n])}."
        )
    return body
