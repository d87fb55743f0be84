"""`weft.random`: random numbers from keys, with JAX's names and, bit for bit, JAX's numbers.

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
    multivariate_normal,
    normal,
    pareto,
    rayleigh,
    truncated_normal,
    uniform,
    weibull_min,
)
from weft.random.discrete import bernoulli, categorical, choice, permutation, rademacher, randint
from weft.random.keys import PRNGKey, bits, fold_in, key, key_data, split, wrap_key_data

__all__ = [
    "PRNGKey",
    "bernoulli",
    "bits",
    "categorical",
    "cauchy",
    "choice",
    "exponential",
    "fold_in",
    "gumbel",
    "key",
    "key_data",
    "laplace",
    "logistic",
    "multivariate_normal",
    "normal",
    "pareto",
    "permutation",
    "rademacher",
    "randint",
    "rayleigh",
    "split",
    "truncated_normal",
    "uniform",
    "weibull_min",
    "wrap_key_data",
]
