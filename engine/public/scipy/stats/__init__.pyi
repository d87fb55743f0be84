"""What type checkers read of `weft.scipy.stats`; written by `make stubs`, from its functions."""

import builtins
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np

from weft.typing import Array, ArrayLike, DTypeLike, Shape

__all__: list[str]

from weft.scipy.stats import bernoulli as bernoulli
from weft.scipy.stats import beta as beta
from weft.scipy.stats import betabinom as betabinom
from weft.scipy.stats import binom as binom
from weft.scipy.stats import cauchy as cauchy
from weft.scipy.stats import chi2 as chi2
from weft.scipy.stats import dirichlet as dirichlet
from weft.scipy.stats import expon as expon
from weft.scipy.stats import gamma as gamma
from weft.scipy.stats.kde import gaussian_kde as gaussian_kde
from weft.scipy.stats import gennorm as gennorm
from weft.scipy.stats import geom as geom
from weft.scipy.stats import gumbel_l as gumbel_l
from weft.scipy.stats import gumbel_r as gumbel_r
from weft.scipy.stats import laplace as laplace
from weft.scipy.stats import logistic as logistic
from weft.scipy.stats import lognorm as lognorm
from weft.scipy.stats import multinomial as multinomial
from weft.scipy.stats import multivariate_normal as multivariate_normal
from weft.scipy.stats import nbinom as nbinom
from weft.scipy.stats import norm as norm
from weft.scipy.stats import pareto as pareto
from weft.scipy.stats import poisson as poisson
from weft.scipy.stats import t as t
from weft.scipy.stats import truncnorm as truncnorm
from weft.scipy.stats import uniform as uniform
from weft.scipy.stats import vonmises as vonmises
from weft.scipy.stats import wrapcauchy as wrapcauchy
def mode(a: ArrayLike, axis: builtins.int | None = ..., nan_policy: builtins.str = ..., keepdims: builtins.bool = ...) -> Any: ...
def rankdata(a: ArrayLike, method: builtins.str = ..., *, axis: builtins.int | None = ..., nan_policy: builtins.str = ...) -> Array: ...
def sem(a: ArrayLike, axis: builtins.int | None = ..., ddof: builtins.int = ..., nan_policy: builtins.str = ..., *, keepdims: builtins.bool = ...) -> Array: ...
