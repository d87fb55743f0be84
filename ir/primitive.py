"""A primitive: an operation of the IR, with everything the compiler knows of it in one object.

The one idea: every rule is a required keyword, and ``None`` is said aloud, so that a forgotten rule is an error when the
module is imported, not when a user first needs it. rules.py has the families of rules that most primitives take.

Rules work on *values*: NumPy arrays, or the `Value`s of a graph under construction (builder.py). Calling a primitive inside
a rule computes at once or records an equation, whichever its arguments are; one definition serves eager and staged use.

    type_rule(*types, **params) -> type or tuple of types     raises the user's error
    reference(*arrays, **params) -> array or tuple            the meaning, in NumPy
    jvp(prim, primals, tangents, params, answer)              -> (outs, out tangents); a tangent None is zero;
                                                              ``answer()`` gives the primitive's own outputs
    transpose(prim, cts, ins, params) -> a cotangent, `Addition`, `Boxed` or None per input; linear inputs come as `Linear`,
                                              zero cts as None
    batch(prim, args, axes, size, params) -> (outs, out axes); NOT_MAPPED for an argument without the batch axis
    lower: Lowering                                           how the compiler takes it (below)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from weft.ir.errors import InternalError
from weft.ir.records import dataclass
from weft.ir.types import ArrayType

NOT_MAPPED = None


@dataclass(frozen=True, slots=True)
class Linear:
    """Stands for an input in which a transposed equation is linear: only its type is known."""

    type: ArrayType

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the value it stands for."""
        return self.type.shape

    @property
    def dtype(self) -> Any:
        """Dtype of the value it stands for."""
        return self.type.dtype


@dataclass(frozen=True, slots=True)
class Addition:
    """A cotangent that is zero but for a part: the transpose of reading a part of an array.

    ``into(x)`` is ``x`` plus the cotangent. So a loop that reads one element a step adds one element a step to the cotangent
    that it hands on, instead of an array of zeros with one element that is not.
    """

    type: ArrayType
    into: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Boxed:
    """A cotangent that is ``value`` in a box, from ``start`` to before ``limit``, and zero elsewhere: that of a slice."""

    type: ArrayType
    start: tuple[int, ...]
    limit: tuple[int, ...]
    value: Any


@dataclass(frozen=True, slots=True)
class Lowering:
    """How the compiler takes a primitive.

    ``kind`` is one of
      "scalar"    elementwise: ``rule`` names a scalar operation of the loop nests, or is a function
                  ``(ops, *scalars, **params) -> scalar`` that composes them
      "index"     moves elements: ``rule`` names an index map that schedules fold into loads
      "reduce"    folds axes (``params["axes"]``) with the scalar operation ``rule``
      "library"   ``rule`` names a routine of `weft.kernels.library`: BLAS, or loops of its own (a sort ...);
                  what a routine does not take, a dtype say, runs as "host"
      "inline"    replaced by the graph in ``params["graph"]``
      "host"      runs the NumPy reference between two native stretches
      "callback"  so too, and that calls a function of the user's: ``rule`` is "pure", or "effect" where the call is not
                  dropped, doubled or moved past another
    """

    kind: str
    rule: Any = None


HOST = Lowering("host")
INLINE = Lowering("inline")
EFFECT = Lowering("callback", "effect")
PURE = Lowering("callback", "pure")


def scalar(rule: str | Callable[..., Any]) -> Lowering:
    """Lower elementwise, by a scalar operation of the loop nests or a function composing them."""
    return Lowering("scalar", rule)


def index(rule: str) -> Lowering:
    """Lower by an index map."""
    return Lowering("index", rule)


def reduce(rule: str) -> Lowering:
    """Lower by folding axes with a scalar operation."""
    return Lowering("reduce", rule)


def library(rule: str) -> Lowering:
    """Lower to a routine of the backend."""
    return Lowering("library", rule)


class Primitive:
    """An operation of the IR. See the module docstring for its rules; compare and hash by identity."""

    __slots__ = ("batch", "jvp", "lower", "multiple", "name", "reference", "transpose", "type_rule")

    def __init__(
        self,
        name: str,
        *,
        type_rule: Callable[..., Any],
        reference: Callable[..., Any],
        jvp: Callable[..., Any] | None,
        transpose: Callable[..., Any] | None,
        batch: Callable[..., Any],
        lower: Lowering,
        multiple: bool = False,
    ):
        """Declare a primitive and enter it in the registry.

        Args:
            name: unique, a Python identifier; it is what the text form writes.
            type_rule: output types from input types and params.
            reference: the meaning, on NumPy arrays.
            jvp: derivative rule; ``None`` where no derivative is defined (an error when asked for).
            transpose: transposition rule; ``None`` where the primitive is not linear.
            batch: batching rule.
            lower: how the compiler takes it.
            multiple: the primitive gives a tuple of results.
        """
        if name in REGISTRY:
            raise InternalError(f"the primitive {name} is declared twice.")
        self.name, self.multiple = name, multiple
        self.type_rule, self.reference = type_rule, reference
        self.jvp, self.transpose, self.batch, self.lower = jvp, transpose, batch, lower
        REGISTRY[name] = self

    def out_types(self, types: tuple[ArrayType, ...], params: Mapping[str, Any]) -> tuple[ArrayType, ...]:
        """Types of the outputs, always as a tuple."""
        result = self.type_rule(*types, **params)
        return tuple(result) if self.multiple else (result,)

    def bind(self, *args: Any, **params: Any) -> Any:
        """Apply to values: compute with NumPy, or record in the deepest graph among the arguments."""
        from weft.ir.builder import bind

        return bind(self, args, params)

    def __repr__(self) -> str:
        return self.name


REGISTRY: dict[str, Primitive] = {}
