"""``numpy.asarray(x)`` of a traced array ``x``: the conversions that NumPy's protocols do not cover.

Almost every function written for NumPy begins with ``x = np.asarray(x)``, which asks ``x`` for its elements and for nothing
else. The one idea: while a function is being traced, and only then, the names of `CONVERSIONS` in NumPy's module stand for
functions that pass traced arrays to their counterparts in `weft.numpy`, and all other calls to NumPy's own functions.

Code in C, and code that took a conversion under another name, still asks for the elements. They are given where they are
known and no derivative would be lost on the way.
"""

from __future__ import annotations

import operator
import sys
import threading
from typing import Any

import numpy as np

from weft.engine.dispatch import is_traced
from weft.engine.methods import numpy_face
from weft.ir.builder import Recorder, Value, concrete, state
from weft.ir.errors import ConcretizationError
from weft.ir.graph import Var
from weft.ir.rules import no_tangent
from weft.ir.types import is_inexact

# NumPy's name -> the name in weft.numpy. Those that take shapes would say less clearly that these must be known.
CONVERSIONS = {
    "array": "array", "asarray": "asarray", "asanyarray": "asarray", "ascontiguousarray": "asarray",
    "asfortranarray": "asarray", "asarray_chkfinite": "asarray", "require": "asarray",
    "full": "full", "zeros": "zeros", "ones": "ones", "empty": "empty", "eye": "eye", "identity": "identity", "tri": "tri",
    "arange": "arange", "r_": "r_", "c_": "c_",
    # NumPy asks arrays whether the function is theirs, but not arrays in a list: np.sum([a, b]).
    **{name: name for name in (
        "sum", "prod", "mean", "std", "var", "median", "max", "min", "amax", "amin", "any", "all", "cumsum", "cumprod",
        "argmax", "argmin", "argsort", "sort", "diag", "ravel", "reshape", "transpose", "polyval", "interp",
    )},
}  # fmt: skip
_NO_MEANING = (
    "like",
    "subok",
    "requirements",
)  # of subclasses and layouts; to reshape and ravel, ``order`` is one of elements


class Conversion:
    """A function of NumPy that passes traced arrays on to `weft.numpy`; equal to it, since others look functions up."""

    def __init__(self, numpys: Any, name: str) -> None:
        self.numpys, self.name = numpys, name
        self.__doc__, self.__module__ = numpys.__doc__, numpys.__module__  # where pickle looks it up

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Convert a traced array, or call NumPy's function."""
        if not state.ambient or not (is_traced(args) or (kwargs and is_traced((*kwargs.values(),)))):
            return self.numpys(*args, **kwargs)
        if "out" in kwargs or sys._getframe(1).f_globals.get("__name__", "").startswith("weft."):
            return self.numpys(*args, **kwargs)  # which asks the arrays; and we mean NumPy when we say so
        for name in _NO_MEANING:
            kwargs.pop(name, None)
        args = args[:2] if CONVERSIONS[self.name] == "asarray" else args
        x = getattr(numpy_face(), CONVERSIONS[self.name])(*args, **kwargs)
        return x.reshape(1) if self.name == "ascontiguousarray" and x.ndim == 0 else x

    def __getitem__(self, key: Any) -> Any:
        """``numpy.r_[a, b]`` and ``numpy.c_[a, b]``."""
        return (getattr(numpy_face(), self.name) if state.ambient and is_traced(key) else self.numpys)[key]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.numpys, name)

    def __eq__(self, other: object) -> bool:
        return other is self or other is self.numpys

    def __hash__(self) -> int:
        return hash(self.numpys)

    def __reduce__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return repr(self.numpys)


_all_of = operator.itemgetter(*CONVERSIONS)


class _Passing:
    """A context in which NumPy's conversions pass traced arrays on; any number of threads may be in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._numpys: dict[str, Any] = {}
        self._ours: dict[str, Conversion] = {}
        # The same as tuples: what is found is compared with them at one go.
        self._before: tuple[Any, ...] = ()
        self._while: tuple[Conversion, ...] = ()

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                names = vars(np)
                if _all_of(names) != self._before:  # the first time, or others have put theirs there
                    self._numpys = {name: names[name] for name in CONVERSIONS}
                    self._ours = {name: Conversion(f, name) for name, f in self._numpys.items()}
                    self._before, self._while = tuple(self._numpys.values()), tuple(self._ours.values())
                names.update(self._ours)

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                names = vars(np)
                back = self._numpys
                if _all_of(names) != self._while:  # somebody has put theirs there meanwhile: it stays
                    back = {name: f for name, f in back.items() if names[name] is self._ours[name]}
                names.update(back)


passing_traced = _Passing()
"""``with passing_traced:`` around the run of a function that is traced."""


def elements(x: Value, dtype: Any, copy: bool | None) -> np.ndarray:
    """What NumPy gets that asks a traced array for its elements.

    Raises:
        ConcretizationError: they are not known, or a derivative goes through them.
    """
    data = concrete(
        x,
        "NumPy needs the values of an array",
        "Give it to functions, not to methods of NumPy's arrays and not in lists: numpy.dot(a, x) for a.dot(x), "
        "weft.numpy.asarray(a)[x] for a[x], x.astype(dtype) for numpy.float32(x); or call the function of weft.numpy.",
    )
    if carries_derivative(x):
        raise ConcretizationError(
            f"NumPy needs the values of an array, but a derivative goes through {x.type}, traced by {x.builder.name}, and "
            f"would be lost.\nCall the function of weft.numpy, or say that no derivative is wanted: weft.stop_gradient(x)."
        )
    return np.array(data, dtype) if copy else np.asarray(data, dtype)


def carries_derivative(x: Any) -> bool:
    """Whether a value is computed from what a transformation differentiates by, steps without derivative left out."""
    while isinstance(x, Value) and isinstance(x.builder, Recorder):
        if _reaches(x.builder, x.variable):
            return True
        x = x.builder.force(x.variable)
    return False


def _reaches(builder: Recorder, var: Var) -> bool:
    """Whether ``var`` is computed from a floating input of its graph."""
    needed = {var} if is_inexact(var.type.dtype) else set()
    for eqn in reversed(builder.eqns):
        if not needed.isdisjoint(eqn.outs) and eqn.prim.jvp is not no_tangent:
            needed.update(a for a in eqn.ins if isinstance(a, Var) and is_inexact(a.type.dtype))
    return not needed.isdisjoint(builder.ins)
