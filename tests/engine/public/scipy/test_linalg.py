"""`weft.scipy.linalg` against SciPy (values), differences and JAX (derivatives), eagerly, under jit and vmap; errors."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import pytest
import scipy.linalg as sl

import weft
import weft.numpy as wnp
import weft.scipy.linalg as wl
from tests.engine.public.scipy.laws import Case, check, close
from weft.errors import ArgumentError, GradientError, ShapeError

jl = jax.scipy.linalg
rng = np.random.default_rng(2)
N = 4
REAL = rng.normal(size=(N, N)) + np.diag(np.arange(2.0, 2 + 2 * N, 2))
COMPLEX = REAL + 1j * rng.normal(size=(N, N))
OTHER, OTHER_COMPLEX = rng.normal(size=(N, N)), rng.normal(size=(N, N)) + 1j * rng.normal(size=(N, N))
TALL, WIDE = rng.normal(size=(5, 3)), rng.normal(size=(3, 5))
TALL_COMPLEX = TALL + 1j * rng.normal(size=(5, 3))
B, B_COMPLEX, COLUMNS = (
    rng.normal(size=N),
    rng.normal(size=N) + 1j * rng.normal(size=N),
    rng.normal(size=(N, 2)),
)
D, E = rng.normal(size=5), rng.normal(size=4)


def both(call: Any, *args: np.ndarray, with_jax: bool = False, **facts: Any) -> Case:
    """A case of one call of the module."""
    ours, theirs = (lambda *xs: call(wl, *xs)), (lambda *xs: call(sl, *xs))
    return Case(ours, theirs, args, jax=(lambda *xs: call(jl, *xs)) if with_jax else None, **facts)


def definite(x: Any) -> Any:
    """Hermitian positive definite matrices, as a function of any."""
    return x @ x.conj().T + 2 * np.eye(x.shape[-1])


def phaseless(vectors: Any) -> Any:
    """What is determined of vectors that are so up to a phase."""
    return abs(vectors)


def factored(call: Any) -> Any:
    """Of the definite matrix of the argument."""
    return lambda m, x, *rest: call(m, definite(x), *rest)


def as_complex(x: Any) -> Any:
    """SciPy's result in the dtype that ours always has."""
    return x + 0j if x.dtype.kind != "c" else x


def always_complex(name: str, x: np.ndarray, *rest: Any, **facts: Any) -> Case:
    ours, theirs = getattr(wl, name), getattr(sl, name)
    return Case(lambda x: ours(x, *rest), lambda x: as_complex(theirs(x, *rest)), (x,), **facts)


FACTORS = {
    "cholesky": both(factored(lambda m, x: m.cholesky(x)), REAL, with_jax=True),
    "cholesky lower": both(factored(lambda m, x: m.cholesky(x, lower=True)), COMPLEX, with_jax=True),
    "cho_solve": both(factored(lambda m, x, b: m.cho_solve(m.cho_factor(x), b)), REAL, B, with_jax=True),
    "cho_solve lower": both(
        factored(lambda m, x, b: m.cho_solve(m.cho_factor(x, lower=True), b)),
        COMPLEX,
        B_COMPLEX,
        with_jax=True,
    ),
    "lu": both(lambda m, x: m.lu(x), REAL, with_jax=True),
    "lu complex": both(lambda m, x: m.lu(x), COMPLEX, with_jax=True),
    "lu tall": both(lambda m, x: m.lu(x), TALL),
    "lu wide": both(lambda m, x: m.lu(x), WIDE),
    "lu permute_l": both(lambda m, x: m.lu(x, permute_l=True), TALL),
    "lu p_indices": Case(
        lambda x: wl.lu(x, p_indices=True)[1:], lambda x: sl.lu(x, p_indices=True)[1:], (WIDE,)
    ),
    "lu_factor": Case(
        lambda x: wl.lu_factor(x),
        lambda x: tuple(a.astype("i4") if a.ndim == 1 else a for a in sl.lu_factor(x)),
        (REAL,),
    ),
    **{
        f"lu_solve {t}": both(
            lambda m, x, b, t=t: m.lu_solve(m.lu_factor(x), b, trans=t), x, b, with_jax=True
        )
        for t, x, b in ((0, REAL, B), (1, REAL, COLUMNS), (2, COMPLEX, B_COMPLEX))
    },
    "qr economic": both(lambda m, x: m.qr(x, mode="economic"), TALL, with_jax=True),
    "qr full": both(lambda m, x: m.qr(x), TALL, active=()),
    "qr r": both(lambda m, x: m.qr(x, mode="r"), TALL),
    "qr wide": both(lambda m, x: m.qr(x), WIDE),
    "qr complex": both(lambda m, x: m.qr(x), COMPLEX),
    "qr pivoting": both(lambda m, x: m.qr(x, mode="economic", pivoting=True), TALL),
    "qr_multiply right": both(lambda m, x, c: m.qr_multiply(x, c), TALL, WIDE),
    "qr_multiply left": both(lambda m, x, c: m.qr_multiply(x, c, mode="left"), TALL, TALL[:3]),
    "qr_multiply vector": both(lambda m, x, c: m.qr_multiply(x, c), COMPLEX, B_COMPLEX),
    "svd values": both(lambda m, x: m.svd(x, compute_uv=False), TALL, with_jax=True),
    "svdvals": both(lambda m, x: m.svdvals(x), COMPLEX),
    "svd": both(lambda m, x: tuple(map(phaseless, m.svd(x, full_matrices=False))), WIDE, with_jax=True),
    "polar": both(lambda m, x: m.polar(x), TALL),
    "polar complex": both(lambda m, x: m.polar(x), TALL_COMPLEX),
    "polar left": both(lambda m, x: m.polar(x, side="left"), WIDE),
    "polar wide": both(lambda m, x: m.polar(x), WIDE, active=()),
    "schur": both(lambda m, x: (lambda t, z: z @ t @ z.conj().T)(*m.schur(x)), REAL, active=()),
    "schur complex": both(
        lambda m, x: (lambda t, z: z @ t @ z.conj().T)(*m.schur(x, output="complex")), OTHER, active=()
    ),
    "rsf2csf": both(
        lambda m, x: (lambda t, z: z @ t @ z.conj().T)(*m.rsf2csf(*m.schur(x))), OTHER, active=()
    ),
    "hessenberg": both(lambda m, x: m.hessenberg(x), REAL, active=()),
    "hessenberg with q": both(lambda m, x: m.hessenberg(x, calc_q=True), COMPLEX, active=()),
}

SYSTEMS = {
    "solve": both(lambda m, a, b: m.solve(a, b), REAL, B, with_jax=True),
    "solve columns": both(lambda m, a, b: m.solve(a, b), COMPLEX, COLUMNS),
    **{
        f"solve {kind} {lower}": Case(
            lambda a, b, k=kind, w=lower: wl.solve(definite(a), b, lower=w, assume_a=k),
            lambda a, b: sl.solve(definite(a), b),
            (x, b),
        )
        for kind, x, b in (("pos", REAL, B), ("her", COMPLEX, B_COMPLEX), ("sym", REAL, COLUMNS))
        for lower in (False, True)
    },
    "solve triangle": both(lambda m, a, b: m.solve(a, b, assume_a="lower triangular"), REAL, B),
    "solve transposed triangle": Case(
        lambda a, b: wl.solve(a, b, assume_a="upper triangular", transposed=True),
        lambda a, b: sl.solve(np.triu(a).T, b),
        (REAL, B),
    ),
    "solve diagonal": Case(
        lambda a, b: wl.solve(a, b, assume_a="diagonal"),
        lambda a, b: sl.solve(np.diag(np.diag(a)), b),
        (REAL, COLUMNS),
    ),
    "solve transposed": both(lambda m, a, b: m.solve(a, b, transposed=True), REAL, B),
    **{
        f"solve_triangular {trans} {lower} {unit}": both(
            lambda m, a, b, t=trans, w=lower, u=unit: m.solve_triangular(
                a, b, trans=t, lower=w, unit_diagonal=u
            ),
            a,
            b,
            with_jax=True,
        )
        for trans, lower, unit, a, b in (
            (0, False, False, REAL, B),
            ("T", True, False, REAL, COLUMNS),
            ("C", False, True, COMPLEX, B_COMPLEX),
        )
    },
    "inv": both(lambda m, a: m.inv(a), COMPLEX, with_jax=True),
    "det": both(lambda m, a: m.det(a), REAL, with_jax=True),
    "pinv": both(lambda m, a: m.pinv(a), TALL_COMPLEX),
    "pinv atol": both(lambda m, a: m.pinv(a, atol=0.1, return_rank=True), WIDE),
    "pinvh": both(factored(lambda m, a: m.pinvh(a)), COMPLEX),
    "pinvh upper": both(factored(lambda m, a: m.pinvh(a, lower=False)), REAL),
    "lstsq": Case(lambda a, b: wl.lstsq(a, b)[0], lambda a, b: sl.lstsq(a, b)[0], (TALL, np.arange(5.0))),
    "solve_sylvester": both(
        lambda m, a, b, c: m.solve_sylvester(a, b, c), REAL, TALL[:3] @ TALL[:3].T, rng.normal(size=(N, 3))
    ),
    "solve_sylvester complex": both(
        lambda m, a, b, c: m.solve_sylvester(a, b, c), COMPLEX, OTHER_COMPLEX, COMPLEX.T
    ),
    "solve_continuous_lyapunov": both(
        lambda m, a, q: m.solve_continuous_lyapunov(a, q), COMPLEX, OTHER_COMPLEX
    ),
    "solve_discrete_lyapunov": both(
        lambda m, a, q: m.solve_discrete_lyapunov(a / 9, q, method="direct"), COMPLEX, OTHER_COMPLEX
    ),
    "solve_discrete_lyapunov bilinear": both(
        lambda m, a, q: m.solve_discrete_lyapunov(a / 9, q, method="bilinear"), REAL, OTHER
    ),
    "matmul_toeplitz": both(lambda m, c, r, x: m.matmul_toeplitz((c, r), x), D, B, COLUMNS),
    "matmul_toeplitz complex": both(lambda m, c, x: m.matmul_toeplitz(c, x), B_COMPLEX, B),
    "solve_toeplitz": both(lambda m, c, r, x: m.solve_toeplitz((c, r), x), B, B[::-1].copy(), COLUMNS),
    "solve_circulant": both(lambda m, c, x: m.solve_circulant(c, x), B, COLUMNS),
    "solve_circulant lstsq": both(lambda m, c, x: m.solve_circulant(c, x, singular="lstsq"), B_COMPLEX, B),
    "orthogonal_procrustes": both(lambda m, a, b: m.orthogonal_procrustes(a, b), TALL, TALL[::-1].copy()),
    "khatri_rao": both(lambda m, a, b: m.khatri_rao(a, b), TALL, WIDE[:, :3].copy()),
}

SPECTRA = {
    "eigh": both(factored(lambda m, a: (lambda w, v: (w, phaseless(v)))(*m.eigh(a))), COMPLEX),
    "eigh upper": both(factored(lambda m, a: m.eigh(a, lower=False, eigvals_only=True)), REAL),
    "eigh some": both(factored(lambda m, a: m.eigh(a, subset_by_index=(1, 2))[0]), REAL),
    **{
        f"eigh type {t} {lower}": both(
            factored(
                lambda m, a, b, t=t, lower=lower: (lambda w, v: (w, phaseless(v)))(
                    *m.eigh(a, b @ b.T + 3 * np.eye(N), lower=lower, type=t)
                )
            ),
            REAL,
            OTHER,
        )
        for t, lower in ((1, True), (1, False), (2, True), (3, True))
    },
    "eigvalsh": both(factored(lambda m, a, b: m.eigvalsh(a, b @ b.T + 3 * np.eye(N))), REAL, OTHER),
    "eigh_tridiagonal": both(
        lambda m, d, e: (lambda w, v: (w, phaseless(v)))(*m.eigh_tridiagonal(d, e)), D, E
    ),
    "eigh_tridiagonal values": both(lambda m, d, e: m.eigh_tridiagonal(d, e, eigvals_only=True), D, E),
    "eigh_tridiagonal some": both(
        lambda m, d, e: m.eigvalsh_tridiagonal(d, e, select="i", select_range=(1, 3)), D, E
    ),
    "eigvals": Case(
        lambda a: wnp.sort(wl.eigvals(a)), lambda a: np.sort(sl.eigvals(a)), (COMPLEX,), slope_tol=1e-4
    ),
    "eig": both(lambda m, a: (lambda w, v: (w, phaseless(v)))(*m.eig(a)), COMPLEX, slope_tol=1e-4),
    "eig left": both(
        lambda m, a: (lambda w, u, v: (w, phaseless(u), phaseless(v)))(*m.eig(a, left=True)),
        COMPLEX,
        slope_tol=1e-4,
    ),
    "eig two": Case(
        lambda a, b: wl.eig(a, b, left=True, right=False)[0],
        lambda a, b: sl.eigvals(np.linalg.solve(b, a)),
        (COMPLEX, OTHER_COMPLEX),
    ),
}

SMALL = REAL / 8
FUNCTIONS = {
    "expm": both(lambda m, a: m.expm(a), SMALL, with_jax=True),
    "expm of large": both(lambda m, a: m.expm(a), REAL, tol=1e-8, slope_tol=1e-4, with_jax=True),
    "expm complex": both(lambda m, a: m.expm(a), COMPLEX / 3, with_jax=True),
    "expm zero": both(lambda m, a: m.expm(a), np.zeros((3, 3)), with_jax=True),
    "expm_frechet": both(lambda m, a, e: m.expm_frechet(a, e), SMALL, OTHER, with_jax=True),
    "expm_frechet alone": both(lambda m, a, e: m.expm_frechet(a, e, compute_expm=False), SMALL, OTHER),
    **{
        f"{name} {kind}": both(lambda m, a, name=name: getattr(m, name)(a), a)
        for name in ("sinm", "cosm", "tanm", "sinhm", "coshm", "tanhm")
        for kind, a in (("real", SMALL), ("complex", COMPLEX / 8))
    },
    "logm": always_complex("logm", REAL),
    "logm complex": always_complex("logm", COMPLEX),
    "logm of equal eigenvalues": always_complex("logm", 2 * np.eye(3)),
    "sqrtm": always_complex("sqrtm", REAL),
    "sqrtm complex": always_complex("sqrtm", COMPLEX),
    "sqrtm of a block": always_complex("sqrtm", np.array([[4.0, 1], [0, 4]]), tol=1e-8),
    "fractional_matrix_power": always_complex("fractional_matrix_power", REAL, 0.3),
    "fractional_matrix_power negative": always_complex("fractional_matrix_power", COMPLEX, -1.5),
    "fractional_matrix_power integer": both(lambda m, a: m.fractional_matrix_power(a, -2), REAL),
    "signm": both(lambda m, a: m.signm(a - 5 * np.eye(N)), REAL),
    "signm complex": both(lambda m, a: m.signm(a - 5 * np.eye(N)), COMPLEX),
    "funm": Case(lambda a: wl.funm(a, wnp.exp), lambda a: as_complex(sl.expm(a)), (SMALL,)),
    "funm complex": Case(lambda a: wl.funm(a, lambda x: x**3), lambda a: a @ a @ a, (COMPLEX,)),
}

SPECIAL = {
    "toeplitz": both(lambda m, c: m.toeplitz(c), B_COMPLEX, with_jax=True),
    "toeplitz row": both(lambda m, c, r: m.toeplitz(c, r), B, D, with_jax=True),
    "toeplitz integers": both(lambda m, c: m.toeplitz(c), np.arange(3)),
    "hankel": both(lambda m, c: m.hankel(c), B),
    "hankel row": both(lambda m, c, r: m.hankel(c, r), B, D, with_jax=True),
    "circulant": both(lambda m, c: m.circulant(c), D, with_jax=True),
    "companion": both(lambda m, c: m.companion(c), D, with_jax=True),
    "fiedler": both(lambda m, c: m.fiedler(c), D, with_jax=True),
    **{
        f"fiedler_companion {n}": both(lambda m, c: m.fiedler_companion(c), np.arange(1.0, n + 1))
        for n in (2, 3, 5, 6)
    },
    "leslie": both(lambda m, f, s: m.leslie(f, s), D, E, with_jax=True),
    **{
        f"convolution_matrix {o}": both(lambda m, c, o=o: m.convolution_matrix(c, 3, o), D)
        for o in ("full", "same", "valid")
    },
    "block_diag": both(lambda m, *xs: m.block_diag(*xs), TALL, B, REAL, with_jax=True),
    "block_diag of nothing": both(lambda m: m.block_diag()),
    "diagsvd": both(lambda m, s: m.diagsvd(s, 5, 7), D),
    "kron": Case(wl.kron, np.kron, (TALL, WIDE)),
    "norm": both(lambda m, a: m.norm(a, 2), TALL),
}
CASES = {**FACTORS, **SYSTEMS, **SPECTRA, **FUNCTIONS, **SPECIAL}


@pytest.mark.parametrize("name", CASES)
def test_laws(name: str) -> None:
    check(CASES[name])


@pytest.mark.parametrize("n", [1, 2, 4, 8])
def test_matrices_of_a_size(n: int) -> None:
    for call in (
        lambda m: m.hadamard(n),
        lambda m: m.hadamard(n, "f4"),
        lambda m: m.hilbert(n),
        lambda m: m.invhilbert(n),
        lambda m: m.pascal(n),
        lambda m: m.pascal(n, "lower"),
        lambda m: m.invpascal(n),
        lambda m: m.helmert(n + 1, full=True),
        lambda m: m.dft(n, "sqrtn"),
    ):
        close(call(wl), call(sl), 1e-12)
    assert wl.pascal(40).dtype == np.float64


@pytest.mark.parametrize("dtype", ["f4", "c8", "i4", "f2"])
def test_dtypes(dtype: str) -> None:
    a = (8 * SMALL).astype(dtype) + np.eye(N, dtype=dtype) * np.dtype(dtype).type(4)
    wide = np.dtype({"f2": "f4", "i4": "f8"}.get(dtype, dtype))
    for call in (
        lambda m, a: m.solve(a, a[0]),
        lambda m, a: m.lu(a)[1],
        lambda m, a: m.expm(a / 16),
        lambda m, a: m.solve_sylvester(a, a, a),
    ):
        found = call(wl, a)
        assert found.dtype == wide
        close(
            found,
            call(sl, a.astype(wide)),
            1e-4 if wide.itemsize < 8 or wide.kind == "c" else 1e-9,
            dtypes=False,
        )
    assert wl.sqrtm(a).dtype == np.result_type(wide, np.complex64)


def test_stacks_of_matrices() -> None:
    stack = np.stack([REAL, OTHER, REAL @ OTHER])
    for name in ("lu", "expm", "schur", "hessenberg", "sqrtm", "logm", "cosm", "inv", "svdvals"):
        found = getattr(wl, name)(stack)
        each = [getattr(wl, name)(a) for a in stack]
        if isinstance(found, tuple):
            for i, part in enumerate(found):
                close(part, np.stack([np.asarray(e[i]) for e in each]), 1e-8)
        else:
            close(found, np.stack(each), 1e-8)
    b = rng.normal(size=(3, N, 2))
    close(wl.lu_solve(wl.lu_factor(stack), b), np.linalg.solve(stack, b), 1e-9)
    close(wl.solve(REAL, b), np.linalg.solve(REAL, b), 1e-9)


def test_funm_says_how_exact_it_is() -> None:
    _, error = wl.funm(REAL, wnp.exp, disp=False)
    assert 0 < error < 1e-10


def test_expm_that_needs_too_many_squarings() -> None:
    assert np.isnan(wl.expm(REAL * 1e4, max_squarings=3)).all()
    assert np.isnan(weft.jit(wl.expm)(np.full((2, 2), np.nan))).all()
    large = np.array([[-1e6, 1e6], [0, -1e6]])
    close(wl.expm(large), sl.expm(large), 1e-12)


def test_what_is_not_finite_gives_nan() -> None:
    bad = REAL.copy()
    bad[1, 2] = np.inf
    for call in (wl.schur, wl.hessenberg, wl.sqrtm, wl.logm, lambda a: wl.solve_sylvester(a, a, a)):
        for f in (call, weft.jit(call)):
            assert all(np.isnan(x).all() for x in jax.tree.leaves(jax.tree.map(np.asarray, f(bad))))


def test_empty_matrices() -> None:
    none = np.zeros((0, 0))
    for name in ("schur", "hessenberg", "sqrtm", "logm", "expm", "inv"):
        for x in jax.tree.leaves(jax.tree.map(np.asarray, getattr(wl, name)(none))):
            assert x.shape == (0, 0)


def test_eigenvalues_of_an_interval() -> None:
    found = wl.eigh_tridiagonal(D, E, eigvals_only=True, select="v", select_range=(-1.0, 1.0))
    close(found, sl.eigh_tridiagonal(D, E, eigvals_only=True, select="v", select_range=(-1.0, 1.0)), 1e-10)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: wl.cholesky(x[:3]), ShapeError, r"cholesky takes square matrices .* shape \(3, 4\)"),
        (lambda x: wl.expm(x[0]), ShapeError, r"expm takes matrices"),
        (lambda x: wl.solve(x, x[0, :3]), ShapeError, r"do not go together: \(4, 4\) and \(3,\)"),
        (lambda x: wl.solve(x, x, assume_a="posh"), ArgumentError, "assume_a='posh'; it is one of"),
        (lambda x: wl.solve_triangular(x, x, trans="H"), ArgumentError, "trans='H'"),
        (lambda x: wl.lu_solve((x, np.zeros(3, int)), x), ShapeError, "one for each row"),
        (lambda x: wl.qr(x, mode="thin"), ArgumentError, "mode='thin'"),
        (lambda x: wl.qr_multiply(x, x[0, :3]), ShapeError, "qr_multiply got shapes"),
        (lambda x: wl.schur(x, output="imaginary"), ArgumentError, "output='imaginary'"),
        (lambda x: wl.solve_sylvester(x, x, x[0]), ShapeError, "solve_sylvester takes"),
        (lambda x: wl.eigh_tridiagonal(x[0], x[0]), ShapeError, "diagonals"),
        (lambda x: wl.eigh_tridiagonal(x[0], x[0, 1:], select="i"), ArgumentError, "needs select_range"),
        (lambda x: wl.fractional_matrix_power(x, x[0, 0]), ArgumentError, "a number for t"),
        (lambda x: wl.leslie(x[0], x[0]), ShapeError, "leslie takes"),
        (lambda x: wl.companion(x[0, 0]), ShapeError, "two coefficients"),
        (lambda x: wl.block_diag(x[None]), ShapeError, "block_diag takes matrices"),
        (lambda x: wl.hadamard(3), ArgumentError, "n=3"),
        (lambda x: wl.khatri_rao(x, x[:, :3]), ShapeError, "khatri_rao"),
        (lambda x: wl.solve_circulant(x[0], x[:3]), ShapeError, "lengths that differ"),
        (lambda x: weft.grad(lambda x: wnp.sum(wl.schur(x)[0]))(x), GradientError, "schur.* has no derivative"),
        (lambda x: weft.grad(lambda x: wnp.sum(wl.qr(x[:, :2])[0]))(x), GradientError, "full_matrices=True"),
    ],
)  # fmt: skip
def test_errors(call: Any, error: Any, says: str) -> None:
    for f in (call, weft.jit(call)):
        with pytest.raises(error, match=says):
            f(wnp.asarray(REAL))


def test_jax_has_nothing_that_is_missing_here() -> None:
    names = {n for n in dir(jl) if not n.startswith("_")}
    assert names <= set(wl.__all__)
