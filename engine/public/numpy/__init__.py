"""NumPy's functions on arrays of Weft: `weft.numpy`, usually imported as ``wnp``.

Outside of traced functions a call runs the NumPy function itself; inside of `jit`, `grad` and `vmap` it is recorded. Names,
signatures and results are those of NumPy 2; keywords that JAX added (``size=``, ``fill_value=``, ``mode=``) are taken too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weft.engine.array import Array
from weft.engine.left_out import advice
from weft.numpy import (
    creation,
    dtypes,
    elementwise,
    functional,
    joining,
    numerics,
    products,
    reductions,
    searching,
    shapes,
    sorting,
    ufunc_methods,
    ufuncs,
)
from weft.numpy.creation import *  # noqa: F403
from weft.numpy.dtypes import *  # noqa: F403
from weft.numpy.elementwise import *  # noqa: F403
from weft.numpy.functional import *  # noqa: F403
from weft.numpy.inspection import __array_api_version__, __array_namespace_info__  # noqa: F401
from weft.numpy.joining import *  # noqa: F403
from weft.numpy.numerics import *  # noqa: F403
from weft.numpy.products import *  # noqa: F403
from weft.numpy.reductions import *  # noqa: F403
from weft.numpy.searching import *  # noqa: F403
from weft.numpy.shapes import *  # noqa: F403
from weft.numpy.sorting import *  # noqa: F403
from weft.numpy.ufunc_methods import *  # noqa: F403
from weft.numpy.ufuncs import *  # noqa: F403

ndarray = Array
_PARTS = (
    creation,
    dtypes,
    elementwise,
    functional,
    joining,
    numerics,
    products,
    reductions,
    searching,
    shapes,
    sorting,
    ufunc_methods,
    ufuncs,
)
# Modules that are imported when one of their functions is first named, as most programs do without them.
_LATER = {
    "files": "fromfile fromiter fromstring genfromtxt load loadtxt save savetxt savez savez_compressed",
    "histograms": "bincount histogram histogram2d histogram_bin_edges histogramdd",
    "meshes": "broadcast c_ mgrid ndenumerate ndindex ogrid r_",
    "nans": "nanargmax nanargmin nancumprod nancumsum nanmax nanmean nanmin nanprod nanstd nansum nanvar",
    "packing": "packbits unpackbits",
    "padding": "pad",
    "placing": "fill_diagonal place put put_along_axis putmask",
    "polynomials": "poly polyadd polyder polydiv polyfit polyint polymul polysub roots",
    "sets": "intersect1d isin setdiff1d setxor1d union1d unique unique_all unique_counts unique_inverse unique_values",
    "text": "array2string array_repr array_str base_repr binary_repr format_float_positional format_float_scientific "
    "get_printoptions printoptions set_printoptions",
    "windows": "bartlett blackman hamming hanning kaiser",
}
_PART_OF = {name: part for part, names in _LATER.items() for name in names.split()}
__all__ = sorted({"fft", "linalg", "ndarray", *_PART_OF}.union(*[part.__all__ for part in _PARTS]))


def __getattr__(name: str) -> Any:
    if name in _PART_OF:
        found = getattr(importlib.import_module(f"weft.numpy.{_PART_OF[name]}"), name)
        globals()[name] = found
        return found
    if name in ("fft", "lib", "linalg"):  # when they are first named
        return importlib.import_module(f"weft.numpy.{name}")
    raise AttributeError(f"module 'weft.numpy' has no attribute {name!r}. {advice(name, __all__)}".rstrip())


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if TYPE_CHECKING:
    from weft.numpy import fft, lib, linalg  # noqa: F401

if TYPE_CHECKING:  # what `ufuncs` makes from a table, in which checkers do not look
    # fmt: off
    abs = absolute = acos = acosh = add = arccos = arccosh = arcsin = arcsinh = arctan = arctan2 = arctanh = asin = asinh \
    = atan = atan2 = atanh = bitwise_and = bitwise_count = bitwise_invert = bitwise_left_shift = bitwise_not = bitwise_or \
    = bitwise_right_shift = bitwise_xor = cbrt = ceil = conj = conjugate = copysign = cos = cosh = deg2rad = degrees = \
    divide = divmod = equal = exp = exp2 = expm1 = fabs = float_power = floor = floor_divide = fmax = fmin = fmod = frexp \
    = gcd = greater = greater_equal = heaviside = hypot = invert = isfinite = isinf = isnan = lcm = ldexp = left_shift = \
    less = less_equal = log = log10 = log1p = log2 = logaddexp = logaddexp2 = logical_and = logical_not = logical_or = \
    logical_xor = maximum = minimum = mod = modf = multiply = negative = nextafter = not_equal = positive = pow = power = \
    rad2deg = radians = reciprocal = remainder = right_shift = rint = sign = signbit = sin = sinh = spacing = sqrt = \
    square = subtract = tan = tanh = true_divide = trunc = ufuncs.FUNCTIONS["add"]
    # fmt: on
