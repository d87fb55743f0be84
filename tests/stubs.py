"""Writes the stubs: what type checkers and editors read of the public functions, instead of how those are made.

The one idea: names, parameters and defaults come from the functions themselves; what is said here are types, by the name of a
parameter (``axis``, ``dtype``, ``x``) and by that of a function where its result is no array. So a stub cannot say what is not
there, and `tests/test_stubs.py` finds one that is not as it would be written today.

    python -m tests.stubs           write all stubs (make stubs)
"""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import weft.scipy.stats as stats
from weft.engine.methods import BINARY, COMPARISONS, METHODS, UNARY

ROOT = Path(__file__).resolve().parent.parent
# Modules of functions of arrays alone.
DISTRIBUTIONS = {
    f"weft.scipy.stats.{name}": f"scipy/stats/{name}.pyi"
    for name in stats.__all__
    if inspect.ismodule(getattr(stats, name))
}
STUBS = {
    "weft.image": "image/__init__.pyi",
    "weft.numpy": "numpy/__init__.pyi",
    "weft.numpy.fft": "numpy/fft.pyi",
    "weft.numpy.linalg": "numpy/linalg.pyi",
    "weft.lax": "lax/__init__.pyi",
    "weft.nn": "nn/__init__.pyi",
    "weft.ops": "ops/__init__.pyi",
    "weft.random": "random/__init__.pyi",
    "weft.scipy.linalg": "scipy/linalg/__init__.pyi",
    "weft.scipy.optimize": "scipy/optimize/__init__.pyi",
    "weft.scipy.signal": "scipy/signal/__init__.pyi",
    "weft.scipy.special": "scipy/special/__init__.pyi",
    "weft.scipy.stats": "scipy/stats/__init__.pyi",
    **DISTRIBUTIONS,
}
FACE = "engine/array_face.pyi"
HEAD = '''"""What type checkers read of `{name}`; written by `make stubs`, from its functions."""

import builtins
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, Literal, Protocol, overload

import numpy as np

from weft.typing import Array, ArrayLike, DTypeLike, Shape

__all__: list[str]
'''
UFUNC = '''
class _Ufunc(Protocol):
    """A function of elements, and what it does along axes."""

    __name__: builtins.str
    nin: builtins.int
    nout: builtins.int
    identity: Any
    def __call__(
        self, x: ArrayLike, /, *args: ArrayLike, dtype: DTypeLike | None = ..., out: Any = ..., where: Any = ...
    ) -> Array: ...
    def reduce(self, a: ArrayLike, axis: Any = ..., dtype: DTypeLike | None = ..., **options: Any) -> Array: ...
    def accumulate(self, a: ArrayLike, axis: builtins.int = ..., dtype: DTypeLike | None = ...) -> Array: ...
    def reduceat(self, a: ArrayLike, indices: ArrayLike, axis: builtins.int = ...) -> Array: ...
    def outer(self, a: ArrayLike, b: ArrayLike, /) -> Array: ...
    def at(self, a: ArrayLike, indices: Any, b: ArrayLike | None = ..., /, **options: Any) -> Array: ...
'''

# Types of parameters that have none in the sources, by name. What is in neither list may be anything.
ARRAYS = (
    "a a1 a2 ar ar1 ar2 args arr array arrays arys ary b condition data element fp indices inputs key left lhs logits m mask "
    "maxval minval obj on_false on_true operand operands p pred q rhs right scatter_indices segment_ids start_indices tensor "
    "test_elements tup update updates v values weights x x1 x2 xi xp y z"
).split()
PARAMETERS = {
    **dict.fromkeys(ARRAYS, "ArrayLike"),
    "axis": "int | Sequence[int] | None",
    "dtype": "DTypeLike | None",
    "fill_value": "ArrayLike | None",
    "initial": "ArrayLike | None",
    "preferred_element_type": "DTypeLike | None",
    "shape": "Shape",
    "where": "ArrayLike | None",
}
# Parameters that are other things than their names say.
OTHERS = {
    ("weft.numpy", "einsum"): {"operands": "Any"},
    ("weft.numpy", "einsum_path"): {"operands": "Any"},
    ("weft.numpy", "take_along_axis"): {"axis": "int | None"},
    **{("weft.scipy.optimize", name): {"args": "Any"} for name in ("bisect", "newton", "root")},
}
# Types of results that are no array, where the sources do not say so.
RESULTS = {
    "weft.numpy": {
        "Any": "average choose common_type copyto einsum_path fromfunction genfromtxt gradient load loadtxt piecewise place "
        "polyfit put putmask require unique where linspace intersect1d apply_over_axes fill_diagonal put_along_axis nditer",
        "bool": "can_cast isdtype issubdtype isscalar iterable",
        "dict[str, Any]": "get_printoptions",
        "list[Array]": "array_split broadcast_arrays dsplit hsplit meshgrid split vsplit",
        "None": "printoptions save savetxt savez savez_compressed set_printoptions",
        "str": "array2string array_repr array_str base_repr binary_repr format_float_positional format_float_scientific "
        "mintypecode typename",
        "tuple[Array, Array]": "divmod frexp histogram modf polydiv",
        "tuple[Array, ...]": "diag_indices diag_indices_from ix_ mask_indices nonzero tril_indices tril_indices_from "
        "triu_indices triu_indices_from unravel_index unstack",
    },
    "weft.numpy.fft": {},
    "weft.numpy.linalg": {"Any": "eig eigh lstsq qr slogdet svd"},
    "weft.lax": {
        "Any": "all_gather all_to_all associative_scan composite cond custom_linear_solve custom_root fori_loop map "
        "optimization_barrier pbroadcast platform_dependent pmax pmean pmin ppermute pshuffle psum psum_scatter pswapaxes "
        "reduce shape_as_value sort stage stop_gradient switch while_loop",
        "tuple[Array, Array]": "approx_max_k approx_min_k sort_key_val top_k",
    },
    "weft.image": {},
    "weft.nn": {},
    "weft.ops": {},
    "weft.random": {},
    "weft.scipy.linalg": {
        "Any": "cho_factor eig eigh eigh_tridiagonal expm_frechet funm hessenberg lstsq lu matmul_toeplitz pinv pinvh qr "
        "qr_multiply sqrtm svd",
    },
    "weft.scipy.optimize": {},
    "weft.scipy.stats": {},
    **{module: {} for module in DISTRIBUTIONS},
    "weft.scipy.signal": {"Any": "choose_conv_method lfilter sosfilt"},
    "weft.scipy.special": {"Any": "logsumexp wofz", "tuple[Array, Array]": "fresnel sici"},
}
# Functions whose result depends on their arguments.
OVERLOADS = {
    "weft.numpy": {
        "average": """
@overload
def average(
    a: ArrayLike, axis: Any = ..., weights: ArrayLike | None = ..., returned: Literal[False] = ..., *, keepdims: Any = ...
) -> Array: ...
@overload
def average(
    a: ArrayLike, axis: Any = ..., weights: ArrayLike | None = ..., *, returned: Literal[True], keepdims: Any = ...
) -> builtins.tuple[Array, Array]: ...
""",
        "intersect1d": """
@overload
def intersect1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: builtins.bool = ...,
    return_indices: Literal[False] = ...,
    **options: Any,
) -> Array: ...
@overload
def intersect1d(
    ar1: ArrayLike,
    ar2: ArrayLike,
    assume_unique: builtins.bool = ...,
    *,
    return_indices: Literal[True],
    **options: Any,
) -> builtins.tuple[Array, Array, Array]: ...
""",
        "linspace": """
@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: builtins.int = ...,
    endpoint: builtins.bool = ...,
    retstep: Literal[False] = ...,
    dtype: DTypeLike | None = ...,
    axis: builtins.int = ...,
    **options: Any,
) -> Array: ...
@overload
def linspace(
    start: ArrayLike,
    stop: ArrayLike,
    num: builtins.int = ...,
    endpoint: builtins.bool = ...,
    *,
    retstep: Literal[True],
    dtype: DTypeLike | None = ...,
    axis: builtins.int = ...,
    **options: Any,
) -> builtins.tuple[Array, Array]: ...
""",
        "unique": """
@overload
def unique(
    ar: ArrayLike,
    return_index: Literal[False] = ...,
    return_inverse: Literal[False] = ...,
    return_counts: Literal[False] = ...,
    axis: builtins.int | None = ...,
    **options: Any,
) -> Array: ...
@overload
def unique(
    ar: ArrayLike,
    return_index: Literal[False] = ...,
    return_inverse: Literal[False] = ...,
    *,
    return_counts: Literal[True],
    axis: builtins.int | None = ...,
    **options: Any,
) -> builtins.tuple[Array, Array]: ...
@overload
def unique(
    ar: ArrayLike,
    return_index: Literal[False] = ...,
    *,
    return_inverse: Literal[True],
    return_counts: Literal[False] = ...,
    axis: builtins.int | None = ...,
    **options: Any,
) -> builtins.tuple[Array, Array]: ...
@overload
def unique(
    ar: ArrayLike,
    return_index: Literal[True],
    return_inverse: Literal[False] = ...,
    return_counts: Literal[False] = ...,
    axis: builtins.int | None = ...,
    **options: Any,
) -> builtins.tuple[Array, Array]: ...
@overload
def unique(
    ar: ArrayLike,
    return_index: builtins.bool = ...,
    return_inverse: builtins.bool = ...,
    return_counts: builtins.bool = ...,
    axis: builtins.int | None = ...,
    **options: Any,
) -> Any: ...
""",
        "where": """
@overload
def where(
    condition: ArrayLike, x: ArrayLike, y: ArrayLike, *, size: None = ..., fill_value: None = ...
) -> Array: ...
@overload
def where(
    condition: ArrayLike, x: None = ..., y: None = ..., *, size: builtins.int | None = ..., fill_value: Any = ...
) -> builtins.tuple[Array, ...]: ...
""",
    },
}
KNOWN = set(
    "Any Array ArrayLike Callable DTypeLike Hashable Iterable Iterator Literal None Sequence Shape np numpy".split()
)
BUILTINS = set("bool bytes complex dict float int list object range set slice str tuple type".split())


def text(name: str) -> str:
    """The stub of a module."""
    module = importlib.import_module(name)
    public = list(module.__all__)
    lines = [HEAD.format(name=name)]
    if any(_is_ufunc(getattr(module, one)) for one in public):
        lines.append(UFUNC)
    lines += [_constant(module, one) for one in public if not _is_function(getattr(module, one))]
    for one in public:
        fun = getattr(module, one)
        if one in OVERLOADS.get(name, {}):
            lines.append(OVERLOADS[name][one].strip())
        elif _is_ufunc(fun):
            lines.append(f"{one}: _Ufunc")
        elif _is_function(fun):
            lines.append(_function(module, one, fun))
    return "\n".join(lines) + "\n"


def array_face() -> str:
    """What type checkers read of the operators and methods that `weft.engine.methods` makes of tables."""
    numpy = importlib.import_module("weft.numpy")
    lines = [HEAD.format(name="weft.engine.array_face"), "class ArrayFace:"]
    lines += [f"    def __{one}__(self) -> Array: ..." for one in UNARY]
    for one in BINARY:
        lines += [f"    def __{r}{one}__(self, other: ArrayLike, /) -> Array: ..." for r in ("", "r")]
    for one in COMPARISONS:
        ignored = "  # type: ignore[override]" if one in ("eq", "ne") else ""
        lines.append(f"    def __{one}__(self, other: ArrayLike, /) -> Array: ...{ignored}")
    for one in METHODS:
        head, _, rest = _function(numpy, one, getattr(numpy, one)).partition("(")
        others = rest.partition(", " if ", " in rest.partition(")")[0] else ")")
        rest = others[2].removeprefix("/, ") if others[1] == ", " else f"){others[2]}"
        lines.append(f"    {head}(self{', ' if others[1] == ', ' else ''}{rest}")
    return "\n".join(lines) + "\n"


def _is_ufunc(x: Any) -> bool:
    return hasattr(x, "ufunc") and hasattr(x, "reduce") and x.ufunc.nout == 1


def _is_function(x: Any) -> bool:
    return callable(x) and not inspect.isclass(x) and hasattr(x, "__name__") and not _is_alias(x)


def _is_alias(x: Any) -> bool:
    return type(x).__module__ in ("typing", "types") and type(x).__name__ != "FunctionType"


def _constant(module: ModuleType, name: str) -> str:
    """A module, a class, a dtype or a value."""
    x = getattr(module, name)
    if inspect.ismodule(x):
        return f"from {module.__name__} import {name} as {name}"
    if inspect.isclass(x):
        # A type of `weft.numpy.scalars`: checkers see the one of NumPy that it is equal to.
        if isinstance(vars(x).get("dtype"), np.dtype):
            x = x.dtype.type
        home = "numpy" if getattr(np, x.__name__, None) is x else x.__module__
        found = getattr(importlib.import_module(home), x.__name__, None) if home != module.__name__ else None
        if found is x and not isinstance(x, type(Any)):
            return f"from {home} import {x.__name__} as {name}"
        return f"{name}: Any"
    if isinstance(x, np.bool_):
        return f"{name}: np.bool_"
    if x is None or isinstance(x, bool | int | float | str):
        return f"{name}: {'None' if x is None else f'builtins.{type(x).__name__}'}"
    return f"{name}: Any"


def _function(module: ModuleType, name: str, fun: Any) -> str:
    signature = inspect.signature(fun)
    written, kind = [], None
    for p in signature.parameters.values():
        if kind is p.POSITIONAL_ONLY and p.kind is not p.POSITIONAL_ONLY:
            written.append("/")
        if p.kind is p.KEYWORD_ONLY and kind not in (p.KEYWORD_ONLY, p.VAR_POSITIONAL):
            written.append("*")
        kind = p.kind
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        kind_of = _parameter(module, name, p)
        written.append(f"{star}{p.name}: {kind_of}{'' if p.default is p.empty else ' = ...'}")
    if kind is inspect.Parameter.POSITIONAL_ONLY:
        written.append("/")
    return f"def {name}({', '.join(written)}) -> {_result(module, name, signature)}: ..."


def _parameter(module: ModuleType, name: str, p: inspect.Parameter) -> str:
    said = _annotation(module, p.annotation)
    takes_trees = module.__name__ == "weft.lax" and name in RESULTS["weft.lax"]["Any"].split()
    if said == "Any" and not takes_trees:
        others = OTHERS.get((module.__name__, name), {})
        usual = "ArrayLike" if module.__name__ in DISTRIBUTIONS else "Any"
        said = _names(module, others.get(p.name, PARAMETERS.get(p.name, usual)))
        if p.default is None and said != "Any" and "None" not in said:
            said += " | None"
    return said


def _result(module: ModuleType, name: str, signature: inspect.Signature) -> str:
    said = signature.return_annotation
    if said not in ("Any", Any, signature.empty):
        return _annotation(module, said)
    for kind, names in RESULTS[module.__name__].items():
        if name in names.split():
            return _names(module, kind)
    return "Array"


def _annotation(module: ModuleType, said: Any) -> str:
    """An annotation as it stands in the sources; ``Any`` where it names what a stub does not know."""
    if said is inspect.Parameter.empty:
        return "Any"
    said = said if isinstance(said, str) else inspect.formatannotation(said).replace("typing.", "")
    used = set(re.findall(r"(?<![.'\"\w])[A-Za-z_]\w*", re.sub(r"(['\"]).*?\1", "", said)))
    classes = {one for one in module.__all__ if inspect.isclass(getattr(module, one))}
    return _names(module, said) if used <= KNOWN | BUILTINS | classes else "Any"


def _names(module: ModuleType, said: str) -> str:
    """Built-in classes under their full names: a module may have others of the same names."""

    def full(match: re.Match[str]) -> str:
        word = match[0]
        return f"builtins.{word}" if word in BUILTINS and hasattr(builtins, word) else word

    return re.sub(r"(?<![.'\"\w])[A-Za-z_]\w*", full, said)


def stubs() -> Iterator[tuple[Path, str]]:
    """Each stub's path and text."""
    for name, path in STUBS.items():
        yield ROOT / "engine" / "public" / path, text(name)
    yield ROOT / FACE, array_face()


def main() -> None:
    """Write all stubs."""
    for path, content in stubs():
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
