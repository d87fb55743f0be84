"""`weft.random`: random numbers from keys, with JAX's names and JAX's numbers.

They are the same bit for bit where they are made of bits by arithmetic, and to a few units in the last place where logarithms
and the like are taken. Half precisions of gamma numbers and what is made of them are drawn in float32, and are others.

The one idea: there is no hidden state. A key, an array ``uint32[2]``, and a shape determine the numbers. Never use a key
twice: `split` it, or `fold_in` a counter.

Every distribution is written once, on primitives, and run as a jitted function whose shape and dtype are static: kernels do
not depend on lengths, so a new shape compiles nothing, and a draw of a million numbers is one pass over memory. (NumPy would
make eighty passes for the twenty rounds of the cipher.) Inside of traced functions the same definition is recorded.
"""

from weft.random.continuous import (
    cauchy,
    exponential,
    gumbel,
    laplace,
    logistic,
    pareto,
    rayleigh,
    triangular,
    uniform,
    weibull_min,
)
from weft.random.counts import binomial, geometric, multinomial, poisson
from weft.random.discrete import bernoulli, categorical, choice, permutation, rademacher, randint
from weft.random.gammas import ball, beta, chisquare, dirichlet, f, gamma, generalized_normal, loggamma, t
from weft.random.keys import (
    PRNGKey,
    bits,
    clone,
    fold_in,
    key,
    key_data,
    key_dtype,
    key_impl,
    split,
    wrap_key_data,
)
from weft.random.normals import (
    double_sided_maxwell,
    lognormal,
    maxwell,
    multivariate_normal,
    normal,
    orthogonal,
    truncated_normal,
    wald,
)

__all__ = [
    "PRNGKey",
    "ball",
    "bernoulli",
    "beta",
    "binomial",
    "bits",
    "categorical",
    "cauchy",
    "chisquare",
    "choice",
    "clone",
    "dirichlet",
    "double_sided_maxwell",
    "exponential",
    "f",
    "fold_in",
    "gamma",
    "generalized_normal",
    "geometric",
    "gumbel",
    "key",
    "key_data",
    "key_dtype",
    "key_impl",
    "laplace",
    "loggamma",
    "logistic",
    "lognormal",
    "maxwell",
    "multinomial",
    "multivariate_normal",
    "normal",
    "orthogonal",
    "pareto",
    "permutation",
    "poisson",
    "rademacher",
    "randint",
    "rayleigh",
    "split",
    "t",
    "triangular",
    "truncated_normal",
    "uniform",
    "wald",
    "weibull_min",
    "wrap_key_data",
]
