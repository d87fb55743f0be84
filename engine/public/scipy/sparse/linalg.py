"""Systems of linear equations by iteration: cg, bicgstab, gmres, as `jax.scipy.sparse.linalg`.

The one idea: a matrix is a function that multiplies with it, on trees of arrays; the methods work on all elements as one
vector. The solution's derivatives are those of the equation, by the same method on the transposed system, whatever path the
iteration took (`weft.lax.custom_linear_solve`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import weft.numpy as wnp
from weft import lax
from weft.engine import tree
from weft.engine.array import Array
from weft.engine.transforms.differentiate import linear_transpose
from weft.engine.transforms.inspect import eval_shape
from weft.flatten_util import ravel_pytree
from weft.ir.errors import ArgumentError, ShapeError
from weft.ir.types import is_complex
from weft.numpy.staging import static_int
from weft.scipy.arguments import array, compute_dtype, one_of

__all__ = ["bicgstab", "cg", "gmres"]

Product = Callable[[Any], Any]


class _Options(NamedTuple):
    """When to stop: relative and absolute tolerance of the residual, and after how many iterations."""

    tol: Any
    atol: Any
    maxiter: int

    def bound(self, b: Any) -> Any:
        """Up to which length a residual is small."""
        return wnp.maximum(self.tol * wnp.linalg.norm(b), self.atol)


# A method on vectors: (matvec, b, x0, options, M) -> (x, iterations or 0 where it converged).
Method = Callable[[Product, Any, Any, _Options, Product], tuple[Any, Any]]


def _dot(x: Any, y: Any) -> Any:
    return wnp.vdot(x, y)


def _length(x: Any) -> Any:
    return wnp.sqrt(wnp.real(_dot(x, x)))


def _info(residual: Any, bound: Any, iterations: Any) -> Any:
    """0 where the residual is small, else how many iterations were not enough."""
    return wnp.where(residual <= bound, 0, wnp.maximum(iterations, 1)).astype(np.int32)


def _operator(name: str, argument: str, a: Any) -> Product:
    if callable(a):
        return a
    matrix = array(name, a)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ShapeError(
            f"{name}: {argument} is a square matrix or a function, got an array of shape {matrix.shape}."
        )
    matrix = matrix.astype(compute_dtype(matrix.dtype))

    def product(x: Any) -> Any:
        if not isinstance(x, Array) or x.shape != matrix.shape[1:]:
            raise ShapeError(
                f"{name}: {argument} is a matrix of shape {matrix.shape}, so b is a vector ({matrix.shape[1]},); got {x!r}."
            )
        return matrix @ x

    return product


def _inexact_tree(name: str, x: Any) -> Any:
    def convert(leaf: Any) -> Any:
        found = array(name, leaf)
        return found.astype(compute_dtype(found.dtype))

    return tree.map(convert, x)


def _types(x: Any) -> list[tuple[Any, Any]]:
    return [(tuple(leaf.shape), leaf.dtype) for leaf in tree.leaves(x)]


def _solve(
    name: str,
    method: Method,
    A: Any,
    b: Any,
    x0: Any,
    tol: Any,
    atol: Any,
    maxiter: Any,
    M: Any,
    symmetric: bool,
) -> tuple[Any, Any]:
    """Solve by a method on vectors, with the derivatives of the equation."""
    product = _operator(name, "A", A)
    precondition = _operator(name, "M", M) if M is not None else None
    b = _inexact_tree(name, b)
    x0 = tree.map(wnp.zeros_like, b) if x0 is None else _inexact_tree(name, x0)
    if tree.structure(x0) != tree.structure(b) or [t[0] for t in _types(x0)] != [t[0] for t in _types(b)]:
        raise ArgumentError(
            f"{name}: x0 must have the structure and shapes of b, got {_types(x0)} and {_types(b)}."
        )
    # A complex matrix has complex solutions for real right-hand sides.
    out = eval_shape(product, b)
    if tree.structure(out) != tree.structure(b) or [t[0] for t in _types(out)] != [t[0] for t in _types(b)]:
        raise ArgumentError(f"{name}: A must give what it is given, {_types(b)}, but gave {_types(out)}.")
    dtypes = tree.map(lambda *xs: compute_dtype(wnp.result_type(*[x.dtype for x in xs])), b, x0, out)
    b, x0 = (tree.map(lambda x, d: x.astype(d), x, dtypes) for x in (b, x0))
    n = sum(x.size for x in tree.leaves(b))
    options = _Options(tol, atol, 10 * n if maxiter is None else static_int(maxiter, name, "maxiter"))

    def solver(start: Any, precondition: Product | None) -> Callable[[Product, Any], tuple[Any, Any]]:
        def run(matvec: Product, right: Any) -> tuple[Any, Any]:
            vector, unravel = ravel_pytree(right)

            def on_vectors(fun: Product | None) -> Product:
                if fun is None:
                    return lambda v: v
                return lambda v: ravel_pytree(fun(unravel(v)))[0].astype(vector.dtype)

            first = wnp.zeros_like(vector) if start is None else ravel_pytree(start)[0]
            x, info = method(on_vectors(matvec), vector, first, options, on_vectors(precondition))
            return unravel(x), info

        return run

    back = solver(None, None if precondition is None else _transposed(precondition, b))
    return lax.custom_linear_solve(
        product, b, solver(x0, precondition), back, symmetric=symmetric, has_aux=True
    )


def _transposed(fun: Product, like: Any) -> Product:
    """The transpose of a linear function of trees."""
    return lambda v: linear_transpose(fun, like)(v)[0]


# Methods


def _conjugate_gradients(matvec: Product, b: Any, x0: Any, options: _Options, M: Product) -> tuple[Any, Any]:
    bound = options.bound(b)

    def going(state: Any) -> Any:
        _, r, _, _, k = state
        return (_length(r) > bound) & (k < options.maxiter)

    def step(state: Any) -> Any:
        x, r, gamma, p, k = state
        ap = matvec(p)
        alpha = gamma / _dot(p, ap)
        x, r = x + alpha * p, r - alpha * ap
        z = M(r)
        following = _dot(r, z)
        return x, r, following, z + (following / gamma) * p, k + 1

    r0 = b - matvec(x0)
    z0 = M(r0)
    x, r, _, _, k = lax.while_loop(going, step, (x0, r0, _dot(r0, z0), z0, 0))
    return x, _info(_length(r), bound, k)


def _stabilized(matvec: Product, b: Any, x0: Any, options: _Options, M: Product) -> tuple[Any, Any]:
    # H. van der Vorst, "Bi-CGSTAB", SIAM J. Sci. Stat. Comput. 13 (1992).
    bound = options.bound(b)
    r0 = b - matvec(x0)
    one = wnp.ones((), b.dtype)

    def going(state: Any) -> Any:
        r, rho, omega, k = state["r"], state["rho"], state["omega"], state["k"]
        return (_length(r) > bound) & (k < options.maxiter) & (rho != 0) & (omega != 0)

    def step(state: Any) -> Any:
        r = state["r"]
        rho = _dot(r0, r)
        beta = rho / state["rho"] * state["alpha"] / state["omega"]
        p = r + beta * (state["p"] - state["omega"] * state["q"])
        p_hat = M(p)
        q = matvec(p_hat)
        alpha = rho / _dot(r0, q)
        s = r - alpha * q
        early = _length(s) <= bound
        s_hat = M(s)
        t = matvec(s_hat)
        length = _dot(t, t)
        omega = wnp.where(early | (length == 0), one, _dot(t, s) / wnp.where(length == 0, one, length))
        x = state["x"] + alpha * p_hat
        return {
            "x": wnp.where(early, x, x + omega * s_hat),
            "r": wnp.where(early, s, s - omega * t),
            "p": p,
            "q": q,
            "rho": rho,
            "alpha": alpha,
            "omega": omega,
            "k": state["k"] + 1,
        }

    zero = wnp.zeros_like(b)
    start = {"x": x0, "r": r0, "p": zero, "q": zero, "rho": one, "alpha": one, "omega": one, "k": 0}
    end = lax.while_loop(going, step, start)
    return end["x"], _info(_length(end["r"]), bound, end["k"])


def _orthogonalized(basis: Any, w: Any) -> tuple[Any, Any]:
    """``w`` less its parts along the rows of ``basis``, and those parts; done twice, which is enough."""
    parts = wnp.conj(basis) @ w
    w = w - parts @ basis
    again = wnp.conj(basis) @ w
    return w - again @ basis, parts + again


def _next_direction(product: Product, basis: Any, k: Any) -> tuple[Any, Any]:
    """The basis with row ``k + 1``, and the product of row ``k`` in that basis: a column of the Hessenberg matrix."""
    w = product(lax.dynamic_index_in_dim(basis, k, 0, keepdims=False))
    before = _length(w)
    w, column = _orthogonalized(basis, w)
    length = _length(w)
    new = length > before * np.finfo(w.dtype).eps  # else the basis holds the solution
    w = wnp.where(new, w / wnp.where(new, length, 1), 0)
    column = column.at[k + 1].add(wnp.where(new, length, 0).astype(column.dtype))
    return lax.dynamic_update_index_in_dim(basis, w, k + 1, 0), column


def _all_at_once(product: Product, basis: Any, length: Any, bound: Any, restart: int) -> Any:
    """The coefficients of the best correction in a basis of ``restart`` directions, by least squares."""

    def step(k: Any, state: Any) -> Any:
        basis, columns = state
        basis, column = _next_direction(product, basis, k)
        return basis, lax.dynamic_update_index_in_dim(columns, column, k, 0)

    columns = wnp.zeros((restart, restart + 1), basis.dtype)
    basis, columns = lax.fori_loop(0, restart, step, (basis, columns))
    right = wnp.zeros(restart + 1, basis.dtype).at[0].set(length.astype(basis.dtype))
    return (wnp.linalg.pinv(columns.T) @ right) @ basis[:-1]


def _one_by_one(product: Product, basis: Any, length: Any, bound: Any, restart: int) -> Any:
    """The same, with the residual known after each direction by Givens rotations, so that it can stop before the last."""
    dtype = basis.dtype

    def going(state: Any) -> Any:
        k, _, _, _, right = state
        return (k < restart) & (wnp.abs(right[k]) > bound)

    def step(state: Any) -> Any:
        k, basis, triangle, turns, right = state
        basis, column = _next_direction(product, basis, k)

        def turn(i: Any, column: Any) -> Any:
            return _turned(column, i, turns[i])

        column = lax.fori_loop(0, k, turn, column)
        here, below = column[k], column[k + 1]
        size = wnp.sqrt(wnp.abs(here) ** 2 + wnp.abs(below) ** 2)
        zero = size == 0
        one = wnp.stack([here, below]) / wnp.where(zero, 1, size)
        one = wnp.where(zero, wnp.asarray([1, 0], dtype), one)
        triangle = triangle.at[k].set(_turned(column, k, one))
        return k + 1, basis, triangle, turns.at[k].set(one), _turned(right, k, one)

    start = (
        wnp.asarray(0),
        basis,
        wnp.eye(restart, restart + 1, dtype=dtype),  # rows that are not reached ask for nothing
        wnp.zeros((restart, 2), dtype),
        wnp.zeros(restart + 1, dtype).at[0].set(length.astype(dtype)),
    )
    k, basis, triangle, _, right = lax.while_loop(going, step, start)
    wanted = wnp.where(np.arange(restart) < k, right[:-1], 0)
    upper = triangle[:, :-1].T
    lost = wnp.linalg.diagonal(upper) == 0
    upper = upper + wnp.diag(lost.astype(dtype))
    return wnp.linalg.solve(wnp.triu(upper), wnp.where(lost, 0, wanted)) @ basis[:-1]


def _turned(x: Any, i: Any, turn: Any) -> Any:
    """Elements i and i + 1 of a vector, rotated."""
    c, s = turn[0], turn[1]
    first, second = x[i], x[i + 1]
    x = x.at[i].set(wnp.conj(c) * first + wnp.conj(s) * second)
    return x.at[i + 1].set(c * second - s * first)


_CORRECTIONS = {"batched": _all_at_once, "incremental": _one_by_one}


def _minimal_residual(restart: int, solve_method: str) -> Method:
    correction = _CORRECTIONS[solve_method]

    def run(matvec: Product, b: Any, x0: Any, options: _Options, M: Product) -> tuple[Any, Any]:
        size = min(restart, b.shape[0])
        bound = options.bound(M(b))

        def product(v: Any) -> Any:
            return M(matvec(v))

        def going(state: Any) -> Any:
            _, _, length, k = state
            return (length > bound) & (k < options.maxiter)

        def step(state: Any) -> Any:
            x, r, length, k = state
            basis = (
                wnp.zeros((size + 1, b.shape[0]), b.dtype).at[0].set(r / wnp.where(length == 0, 1, length))
            )
            x = x + correction(product, basis, length, bound, size)
            r = M(b - matvec(x))
            return x, r, _length(r), k + 1

        r0 = M(b - matvec(x0))
        x, _, length, k = lax.while_loop(going, step, (x0, r0, _length(r0), 0))
        return x, _info(length, bound, k)

    return run


# The functions


def cg(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: Any = 1e-5,
    atol: Any = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    rtol: Any = None,
) -> tuple[Any, Any]:
    """Solve ``A(x) == b`` for a Hermitian positive definite matrix by conjugate gradients.

    Args:
        A: matrix ``(n, n)``, or a linear function of trees like ``b``.
        b: right-hand side: a vector ``(n,)``, or a tree of arrays of any shapes.
        x0: where to begin, like ``b``; zeros by default. The solution does not depend on it differentiably.
        tol: stop where the residual is no longer than ``max(tol * norm(b), atol)``.
        atol: see ``tol``.
        maxiter: stop after so many iterations; ten times the number of elements by default.
        M: about the inverse of ``A``, a matrix or a linear function, Hermitian positive definite.
        rtol: SciPy's name of ``tol``.

    Returns:
        ``(x, info)``: the solution like ``b``; 0 where the residual is small, else the number of iterations that were not
        enough, int32.

    Raises:
        ArgumentError, ShapeError: ``A``, ``x0`` or ``M`` do not go with ``b``.
    """
    return _solve(
        "cg",
        _conjugate_gradients,
        A,
        b,
        x0,
        tol if rtol is None else rtol,
        atol,
        maxiter,
        M,
        symmetric=_is_symmetric(A, b),
    )


def _is_symmetric(A: Any, b: Any) -> bool:
    """Whether a Hermitian matrix is its own transpose: one that is real."""
    parts = [*tree.leaves(b), *([] if callable(A) else [A])]
    return not callable(A) and not any(is_complex(array("cg", x).dtype) for x in parts)


def bicgstab(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: Any = 1e-5,
    atol: Any = 0.0,
    maxiter: int | None = None,
    M: Any = None,
    rtol: Any = None,
) -> tuple[Any, Any]:
    """Solve ``A(x) == b`` by stabilized biconjugate gradients, for any matrix; arguments and results are those of `cg`."""
    return _solve(
        "bicgstab", _stabilized, A, b, x0, tol if rtol is None else rtol, atol, maxiter, M, symmetric=False
    )


def gmres(
    A: Any,
    b: Any,
    x0: Any = None,
    *,
    tol: Any = 1e-5,
    atol: Any = 0.0,
    restart: int = 20,
    maxiter: int | None = None,
    M: Any = None,
    solve_method: str = "batched",
    rtol: Any = None,
) -> tuple[Any, Any]:
    """Solve ``A(x) == b`` by the generalised minimal residual method, for any matrix.

    Args:
        A: see `cg`; any regular matrix.
        b: see `cg`.
        x0: see `cg`.
        tol: see `cg`; residuals are those of the preconditioned system.
        atol: see `cg`.
        restart: how many directions are kept before it begins anew.
        maxiter: stop after so many restarts; ten times the number of elements by default.
        M: see `cg`; any matrix.
        solve_method: "batched" finds all directions and then the best correction; "incremental" knows the residual after each
            one and stops when it is small.
        rtol: SciPy's name of ``tol``.

    Returns:
        ``(x, info)``, see `cg`.
    """
    one_of("gmres", "solve_method", solve_method, tuple(_CORRECTIONS))
    size = static_int(restart, "gmres", "restart")
    if size < 1:
        raise ArgumentError(f"gmres got restart={restart}: at least one direction is needed.")
    return _solve(
        "gmres",
        _minimal_residual(size, solve_method),
        A,
        b,
        x0,
        tol if rtol is None else rtol,
        atol,
        maxiter,
        M,
        symmetric=False,
    )
