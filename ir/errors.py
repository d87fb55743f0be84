"""Every exception Weft raises on purpose.

One base class, `WeftError`, and one class per kind of mistake, so that a user can catch a kind and look it up. Each class
also derives from the built-in exception that NumPy or JAX would raise there, so that existing handlers keep working.
`InternalError` alone means that Weft, not its user, is wrong.
"""

from __future__ import annotations


class WeftError(Exception):
    """Base of all errors that Weft raises on purpose."""


class ShapeError(WeftError, ValueError):
    """Shapes of the arguments do not go together.

    ``weft.numpy.add(zeros(3), zeros(4))`` fails inside a traced function; reshape or slice one of the two.
    """


class DTypeError(WeftError, TypeError):
    """A dtype is not accepted by an operation."""


class ArgumentError(WeftError, TypeError):
    """An argument is not an array, scalar or tree of them, or has the wrong structure."""


class AxisError(WeftError, ValueError, IndexError):
    """An axis is out of range or given twice."""


class IndexingError(WeftError, IndexError, TypeError):
    """An index is not possible with static shapes, or is out of range."""


class ConcretizationError(WeftError, TypeError):
    """A Python ``if``, ``while``, ``int()`` or the like needs the value of a traced array.

    Under `jit` and `vmap` only shapes and dtypes are known while the function is traced. Use ``weft.numpy.where`` or
    ``weft.lax.select``, or make the argument static with ``static_argnums``.
    """


class LeakedTracerError(WeftError, RuntimeError):
    """A traced value outlived the transformation that made it.

    It was stored in a global, an attribute or a list by a traced function. Return it from the function instead.
    """


class StaticArgumentError(WeftError, ValueError, TypeError):
    """A static argument is not hashable, so calls cannot be told apart by it."""


class GradientError(WeftError, TypeError):
    """A derivative is not defined: the output is not a real scalar, or an input is not floating."""


class ImmutableError(WeftError, TypeError):
    """An array was assigned to in place. Write ``x = x.at[index].set(value)``."""


class VerificationError(WeftError):
    """A graph breaks a rule of the IR: a pass or a hand-written text is wrong."""


class ParseError(WeftError, ValueError):
    """A text is not a graph."""


class InternalError(WeftError):
    """Weft broke one of its own rules. Please report it with the program."""
