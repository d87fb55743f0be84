"""`weft.scipy.special`: SciPy's values and edges, derivatives by every argument, JAX's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax.scipy.special
import numpy as np
import pytest
import scipy.special

import weft
import weft.scipy.special as special
from tests.engine.public.scipy.laws import Case, check, check_batch
from weft.errors import ArgumentError, DTypeError
from weft.ir.primitive import REGISTRY

# A range for each argument.
AWAY, UNIT, SIGNED = (0.2, 4.0), (0.05, 0.95), (-4.0, 4.0)
SMOOTH: dict[str, tuple[tuple[float, float], ...]] = {
    "beta": (AWAY, AWAY),
    "betainc": (AWAY, AWAY, UNIT),
    "betaincc": (AWAY, AWAY, UNIT),
    "betaln": (AWAY, AWAY),
    "boxcox": (AWAY, SIGNED),
    "boxcox1p": (AWAY, SIGNED),
    "comb": ((5.1, 9.0), (1.1, 4.0)),
    "dawsn": (SIGNED,),
    "digamma": ((2.0, 5.0),),
    "entr": (AWAY,),
    "erf": (SIGNED,),
    "erfc": (SIGNED,),
    "erfcx": ((-2.0, 9.0),),
    "erfinv": ((-0.9, 0.9),),
    "exp1": (AWAY,),
    "expi": (AWAY,),
    "expit": (SIGNED,),
    "factorial": (AWAY,),
    "gamma": (AWAY,),
    "gammainc": (AWAY, AWAY),
    "gammaincc": (AWAY, AWAY),
    "gammaln": ((2.5, 6.0),),
    "hyp1f1": (AWAY, (1.0, 4.0), SIGNED),
    "hyp2f1": (AWAY, AWAY, (1.0, 4.0), (-3.0, 0.9)),
    "i0": (SIGNED,),
    "i0e": (AWAY,),
    "i1": (SIGNED,),
    "i1e": (AWAY,),
    "kl_div": (AWAY, AWAY),
    "log_ndtr": ((-30.0, 6.0),),
    "logit": (UNIT,),
    "ndtr": (SIGNED,),
    "ndtri": (UNIT,),
    "owens_t": (SIGNED, SIGNED),
    "poch": (AWAY, AWAY),
    "rel_entr": (AWAY, AWAY),
    "rgamma": (AWAY,),
    "spence": (AWAY,),
    "xlog1py": (AWAY, AWAY),
    "xlogy": (AWAY, AWAY),
    "zeta": ((1.5, 6.0), AWAY),
}
# JAX has no derivative by these, or one with fewer digits than ours.
UNLIKE_JAX = {"beta", "betainc", "betaln", "log_ndtr", "spence", "poch", "comb", "hyp1f1", "hyp2f1"}


def _points(name: str, size: int = 7) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(len(name))
    return tuple(rng.uniform(low, high, size) for low, high in SMOOTH[name])


@pytest.mark.parametrize("name", SMOOTH)
def test_values_and_derivatives(name: str) -> None:
    theirs = None if name in UNLIKE_JAX else getattr(jax.scipy.special, name, None)
    check(
        Case(
            getattr(special, name),
            getattr(scipy.special, name),
            _points(name),
            jax=theirs,
            tol=1e-13,
            slope_tol=1e-4,
        )
    )


PAIRS: dict[str, tuple[Callable[..., Any], Callable[..., Any], tuple[np.ndarray, ...]]] = {
    "fresnel": (special.fresnel, scipy.special.fresnel, (np.linspace(-4.0, 5.0, 9),)),
    "sici": (special.sici, scipy.special.sici, (np.linspace(0.1, 20.0, 9),)),
    "bessel_jn": (
        lambda z: special.bessel_jn(z, v=3),
        lambda z: np.stack([scipy.special.jv(k, z) for k in range(4)]),
        (np.linspace(-9.0, 20.0, 8),),
    ),
    "multigammaln": (
        lambda a: special.multigammaln(a, 3),
        lambda a: np.array([scipy.special.multigammaln(v, 3) for v in a]),
        (np.linspace(1.2, 9.0, 5),),
    ),
    "polygamma": (
        lambda x: special.polygamma(2, x),
        lambda x: scipy.special.polygamma(2, x),
        (np.linspace(0.5, 9.0, 5),),
    ),
    "polygamma of negative numbers": (
        lambda x: special.polygamma(1, x),
        lambda x: scipy.special.polygamma(1, x),
        (np.array([-0.5, -1.3, -7.7]),),
    ),
    "wofz": (
        special.wofz,
        scipy.special.wofz,
        (np.array([0.3 + 0.2j, -2 + 1e-3j, 5.9 + 0j, 13 + 4j, 1.5 - 0.7j]),),
    ),
    "loggamma": (
        special.loggamma,
        scipy.special.loggamma,
        (np.array([0.3 + 0.2j, -2.5 + 0.5j, 5.9 + 0j, 13 - 40j, -1.5 - 0.7j]),),
    ),
    "sph_harm_y": (
        lambda theta, phi: special.sph_harm_y(np.array([0, 3, 5, 5, 2]), np.array([0, -2, 5, -4, 1]), theta, phi),
        lambda theta, phi: scipy.special.sph_harm_y(
            np.array([0, 3, 5, 5, 2]), np.array([0, -2, 5, -4, 1]), theta, phi
        ),
        (np.linspace(0.3, 2.9, 5), np.linspace(-3.0, 6.0, 5)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_values_and_derivatives_of_others(name: str) -> None:
    ours, theirs, args = PAIRS[name]
    check(Case(ours, theirs, args, tol=1e-12, slope_tol=1e-4))


# Where functions are not finite or not smooth, and far out.
EDGE = [0.0, -0.0, 1.0, -1.0, 2.0, -2.5, 1e-300, 1e300, -1e300, math.inf, -math.inf, math.nan]
FAR = [1e-10, 1e-3, 0.1, 0.37, 0.5, 3.0, 3.9, 4.1, 9.0, 25.0, 90.0, 700.0, -1e-3, -0.7, -9.0, -25.5, -37.0]
ONE = [
    "dawsn", "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "exp1", "expi", "expit", "factorial", "gamma",
    "gammasgn", "i0", "i0e", "i1", "i1e", "log_ndtr", "logit", "ndtr", "ndtri", "rgamma",
]  # fmt: skip
# Left out: where SciPy's value is the real part of a complex one, or an error.
OURS = {
    "exp1": {-math.inf, -1.0, -2.5, -1e300, -1e-3, -0.7, -9.0, -25.5, -37.0},
    "digamma": {-1e300, -math.inf},
}


@pytest.mark.parametrize("name", ONE)
def test_edges_of_functions_of_one_argument(name: str) -> None:
    """SciPy's values at zeros, poles, infinities and NaN, and far out; the same under jit."""
    x = np.array([v for v in EDGE + FAR if v not in OURS.get(name, set())])
    ours, theirs = getattr(special, name), getattr(scipy.special, name)
    with np.errstate(all="ignore"):
        want = theirs(x)
        for how, got in (("eager", ours(x)), ("jit", weft.jit(ours)(x))):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-300, err_msg=how)


def _grid(*axes: list[float]) -> list[np.ndarray]:
    return [a.ravel() for a in np.meshgrid(*axes, indexing="ij")]


TWO = {
    "betaln": _grid([1e-3, 0.4, 2.0, 9.0, 300.0], [1e-3, 0.4, 2.0, 9.0, 300.0]),
    "gammainc": _grid([0.0, 1e-5, 0.3, 1.0, 4.0, 90.0, 1e4], [0.0, 1e-5, 0.2, 0.99, 1.01, 5.0, 80.0, 1.01e4, math.inf]),
    "gammaincc": _grid([1e-5, 0.3, 1.0, 4.0, 90.0, 1e4], [0.0, 1e-5, 0.2, 0.99, 1.01, 5.0, 80.0, 1.01e4, math.inf]),
    "xlogy": _grid([0.0, 1.0, -2.0, math.nan], [0.0, 1.0, 3.0, -1.0, math.inf, math.nan]),
    "xlog1py": _grid([0.0, 1.0, -2.0, math.nan], [0.0, -1.0, 3.0, -2.0, math.inf, math.nan]),
    "rel_entr": _grid([0.0, 1.0, 1.0000001, -1.0, math.nan], [0.0, 1.0, 3.0, -1.0, math.nan]),
    "kl_div": _grid([0.0, 1.0, -1.0, math.nan], [0.0, 1.0, 3.0, -1.0, math.nan]),
    "boxcox": _grid([0.0, 1e-3, 1.0, 7.0], [-1.0, 0.0, 1e-9, 0.5, 2.0]),
    "owens_t": _grid([0.0, 0.3, -2.0, 9.0, 30.0, math.inf], [0.0, 0.5, 1.0, -3.0, 1e5, math.inf, -math.inf]),
    "expn": _grid([0.0, 1.0, 2.0, 5.0, 40.0], [0.0, 1e-4, 0.5, 1.0, 1.5, 7.0, 300.0, math.inf]),
    "zeta": _grid([1.01, 2.0, 7.5, 60.0], [0.01, 1.0, 2.5, 500.0]),
    "comb": _grid([0.0, 4.0, 30.0, -1.0], [0.0, 1.0, 4.0, 5.0, -1.0]),
}  # fmt: skip


@pytest.mark.parametrize("name", TWO)
def test_edges_of_functions_of_two_arguments(name: str) -> None:
    ours, theirs = getattr(special, name), getattr(scipy.special, name)
    with np.errstate(all="ignore"):
        want = theirs(*TWO[name])
        for how, got in (("eager", ours(*TWO[name])), ("jit", weft.jit(ours)(*TWO[name]))):
            np.testing.assert_allclose(got, want, rtol=3e-12, atol=1e-16, err_msg=how)


def test_incomplete_beta_far_out() -> None:
    a, b, x = _grid(
        [1e-3, 0.7, 3.0, 60.0, 3e3], [1e-3, 0.7, 3.0, 60.0, 3e3], [0.0, 1e-6, 0.3, 0.51, 0.98, 1.0]
    )
    want = scipy.special.betainc(a, b, x)
    np.testing.assert_allclose(special.betainc(a, b, x), want, rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(weft.jit(special.betainc)(a, b, x), want, rtol=2e-11, atol=1e-290)


def test_hypergeometric_functions_far_out() -> None:
    """Next to the singular point, at it and beyond; large arguments of both signs; polynomials."""
    a, b, c = np.array([0.7, 2.5, -1.3, -4.0]), 1.9, np.array([3.1, 5.2, 0.8, 2.5])
    for x in (-1e3, -7.0, -0.5, 0.51, 0.9, 1 - 1e-9):
        want = scipy.special.hyp2f1(a, b, c, x)
        np.testing.assert_allclose(weft.jit(special.hyp2f1)(a, b, c, x), want, rtol=1e-11, err_msg=str(x))
    at_one = [special.hyp2f1(0.7, 1.9, 3.1, 1.0), weft.jit(special.hyp2f1)(0.7, 1.9, 3.1, 1.0)]
    np.testing.assert_allclose(at_one, scipy.special.hyp2f1(0.7, 1.9, 3.1, 1.0), rtol=1e-13)
    assert weft.jit(special.hyp2f1)(0.7, 1.9, 3.1, 1.5) == math.inf
    np.testing.assert_allclose(
        weft.jit(special.hyp2f1)(-4.0, 1.9, 2.5, 3.0), scipy.special.hyp2f1(-4.0, 1.9, 2.5, 3.0), rtol=1e-13
    )
    for x in (-600.0, -90.0, -3.0, 60.0, 101.0, 600.0):
        want = scipy.special.hyp1f1(a, c, x)
        np.testing.assert_allclose(weft.jit(special.hyp1f1)(a, c, x), want, rtol=3e-11, err_msg=str(x))


@pytest.mark.parametrize("name", ["gammainc", "gammaincc"])
def test_slopes_by_the_shape_far_from_the_mean(name: str) -> None:
    """Against differences of mpmath's function: small shapes and large ones, both tails."""
    import mpmath as mp

    a = np.array([1e-3, 0.3, 2.5, 30.0, 200.0, 200.0])
    x = np.array([1e-4, 2.0, 0.1, 28.0, 160.0, 260.0])

    def exact(a: float, x: float) -> float:
        ends = (0, x) if name == "gammainc" else (x, mp.inf)
        return float(mp.diff(lambda s: mp.gammainc(s, *ends, regularized=True), mp.mpf(a)))

    with mp.workdps(40):
        want = [exact(*point) for point in zip(a, x, strict=True)]
    got = weft.jit(weft.vmap(weft.grad(getattr(special, name))))(a, x)
    np.testing.assert_allclose(got, want, rtol=1e-11)


def test_slopes_are_finite_at_the_edge_of_the_domain() -> None:
    at_zero = (
        (special.gammainc, (2.0, 0.0)),
        (special.betainc, (2.0, 3.0, 0.0)),
        (special.betainc, (2.0, 3.0, 1.0)),
        (special.rel_entr, (0.0, 1.0)),
        (special.boxcox, (2.0, 0.0)),
        (special.i1, (0.0,)),
        (special.sici, (1e-300,)),
    )
    for function, args in at_zero:
        for i in range(len(args)):

            def first(x: Any, i: int = i, function: Any = function, args: Any = args) -> Any:
                out = function(*args[:i], x, *args[i + 1 :])
                return out[0] if isinstance(out, tuple) else out

            assert math.isfinite(float(weft.grad(first)(args[i]))), (function.__name__, i)
    assert float(weft.grad(special.i1)(0.0)) == pytest.approx(0.5, rel=1e-15)
    assert float(weft.grad(weft.grad(special.i0))(0.0)) == pytest.approx(0.5, rel=1e-15)


def test_compiled_programs_do_not_call_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and derivatives by every argument come from kernels alone."""
    for prim in REGISTRY.values():
        if prim.lower.kind == "scalar" and prim.reference.__module__ == "weft.ir.ops.special":
            monkeypatch.setattr(prim, "reference", _fails)
    with pytest.raises(AssertionError, match="SciPy"):
        special.gammainc(2.0, 1.0)
    for name in ("gammainc", "betainc", "zeta", "betaln", "expi", "log_ndtr", "ndtri", "i1e", "dawsn"):
        args = _points(name) if name in SMOOTH else ()
        function = getattr(special, name)
        slopes = weft.vmap(weft.value_and_grad(function, tuple(range(len(args)))))
        assert np.isfinite(weft.jit(slopes)(*args)[0]).all()


def _fails(*args: Any, **params: Any) -> Any:
    raise AssertionError("SciPy is called")


def test_every_name_of_jax_is_there() -> None:
    theirs = {name for name in dir(jax.scipy.special) if not name.startswith("_")}
    assert theirs <= set(special.__all__)


def test_dtypes() -> None:
    """Integers count as float64, 16-bit floats are computed in 32 bits, Python scalars give way, results broadcast."""
    assert special.gammaln(3).dtype == special.gammaln(np.int8(3)).dtype == np.float64
    for dtype in (np.float16, np.float32, weft.numpy.bfloat16):
        assert special.betainc(weft.numpy.asarray(2, dtype), 3, 0.5).dtype == dtype
    half = special.ndtri(np.float16(0.3))
    assert half.dtype == np.float16
    np.testing.assert_allclose(float(half), scipy.special.ndtri(np.float64(np.float16(0.3))), rtol=1e-3)
    assert special.wofz(np.float16(0.5)).dtype == np.complex64
    np.testing.assert_allclose(special.wofz(np.float16(0.5)), scipy.special.wofz(0.5), rtol=1e-6)
    assert special.zeta(np.ones((3, 1)) * 2, np.ones(4)).shape == (3, 4)
    single = weft.jit(special.gammainc)(np.float32(2.5), np.float32([0.1, 2.0, 9.0]))
    np.testing.assert_allclose(single, scipy.special.gammainc(2.5, [0.1, 2.0, 9.0]), rtol=2e-7)


def test_keywords_and_softmax() -> None:
    np.testing.assert_array_equal(special.betainc(1.0, x=0.5, b=2.0), special.betainc(1.0, 2.0, 0.5))
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    np.testing.assert_allclose(special.softmax(x), scipy.special.softmax(x), rtol=1e-15)
    np.testing.assert_allclose(
        special.log_softmax(x, axis=1), scipy.special.log_softmax(x, axis=1), rtol=1e-15
    )
    np.testing.assert_allclose(special.logsumexp(x, axis=0), scipy.special.logsumexp(x, axis=0), rtol=1e-15)
    np.testing.assert_allclose(special.zeta(3.0), scipy.special.zeta(3.0), rtol=1e-15)


def test_counts_are_whole() -> None:
    np.testing.assert_array_equal(
        special.comb([5, 40, 10], [2, 17, 3]), scipy.special.comb([5, 40, 10], [2, 17, 3])
    )
    assert float(special.comb(5, 2, repetition=True)) == 15
    np.testing.assert_array_equal(np.isnan(special.expn([0.5, 2.0], 1.0)), [True, False])
    np.testing.assert_array_equal(special.factorial([0, 5, -1]), [1, 120, 0])
    np.testing.assert_array_equal(special.bernoulli(6), scipy.special.bernoulli(6))
    orders = np.array([0, 1, 4])
    np.testing.assert_allclose(
        special.polygamma(orders, 2.5), scipy.special.polygamma(orders, 2.5), rtol=1e-14
    )
    check_batch(lambda x: special.polygamma(orders, x), [np.full(3, 2.5)], 1e-13)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: special.gamma(1j), DTypeError, "scipy.special.gamma takes real arguments, got complex128"),
        (lambda: special.polygamma(-1, 2.0), ArgumentError, "order n is not negative, got -1"),
        (lambda: special.multigammaln(2.0, 0), ArgumentError, "dimension d is positive, got 0"),
        (lambda: special.factorial(3, exact=True), ArgumentError, "math.factorial"),
        (lambda: special.bernoulli(-1), ArgumentError, "n is not negative"),
        (lambda: special.bessel_jn(1.0, v=-1), ArgumentError, "v is not negative"),
        (lambda: special.sph_harm_y(1, 0, 0.5, 0.5, diff_n=1), ArgumentError, "weft.grad"),
        (lambda: special.erf("x"), ArgumentError, "scipy.special.erf takes arrays"),
    ],
)
def test_errors(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize("name", ["sici", "spence", "expi", "exp1", "gammaln"])
def test_compiled_and_eager_agree_where_it_ends(name: str) -> None:
    # gammaln: C's and Python's value at minus infinity, not SciPy's
    x = np.array([0.0, np.inf, np.nan, 1.0, -1.0, 2.5, -2.5, 40.0, -40.0, 1e300, -1e300, -np.inf])
    fun, peer = getattr(special, name), getattr(scipy.special, name)
    x = x[:-1] if name == "gammaln" else x
    for found in (fun(x), weft.jit(fun)(x)):
        for ours, theirs in zip(np.atleast_2d(found), np.atleast_2d(peer(x)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
