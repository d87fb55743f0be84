"""Every exception Weft raises on purpose.

One base class, `WeftError`, and one class per kind of mistake, so that a user can catch a kind and look it up. Each class
also derives from the built-in exception that NumPy or JAX would raise there, so that existing handlers keep working.
`InternalError` alone means that Weft, not its user, is wrong.
"""

from __future__ import annotations


class WeftError(Exception):
    """Base of all errors that Weft raises on purpose. The text ends with the command that prints the page on its class.

    Attributes:
        message: the text without that.
    """

    def __init__(self, message: str = ""):
        """Say what is wrong."""
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        page = next(cls.__name__ for cls in type(self).__mro__ if cls.__module__ == __name__)
        return f"{self._located()}\nMore: python -m weft explain {page}"

    def _located(self) -> str:
        return self.message


class UserError(WeftError):
    """Base of the errors that a program using Weft makes. The text names the user's file and line.

    Attributes:
        message: the text without them.
        source: the file and line; ``None`` where no code of a user is running.
    """

    def __init__(self, message: str = ""):
        """Say what is wrong; the line is added."""
        from weft.ir.source import user_source

        super().__init__(message)
        self.source = user_source()

    def _located(self) -> str:
        if self.source is None:
            return self.message
        return f"{self.message}\nAt {self.source}, in {self.source.function}."


class ShapeError(UserError, ValueError):
    """Shapes of the arguments do not go together.

    ``weft.numpy.add(zeros(3), zeros(4))`` fails inside a traced function; reshape or slice one of the two.
    """


class DTypeError(UserError, TypeError):
    """A dtype is not accepted by an operation."""


class ArgumentError(UserError, TypeError, ValueError):
    """An argument is not an array, scalar or tree of them, has the wrong structure, or none of the values that are allowed."""


class NestingError(UserError, ValueError, RecursionError):
    """Containers contain one another too many times: Python's recursion ends before they do, or one contains itself."""


class CopyError(UserError, ValueError, BufferError):
    """``copy=False`` was asked for where the data cannot be shared. Leave it out, or pass ``copy=None``."""


class AxisError(UserError, ValueError, IndexError):
    """An axis is out of range or given twice."""


class IndexingError(UserError, IndexError, TypeError):
    """An index is not possible with static shapes, or is out of range."""


class ConcretizationError(UserError, TypeError):
    """A Python ``if``, ``while``, ``int()`` or the like needs the value of a traced array.

    Under `jit` and `vmap` only shapes and dtypes are known while the function is traced. Use ``weft.numpy.where`` or
    ``weft.lax.select``, or make the argument static with ``static_argnums``.
    """


class LeakedTracerError(UserError, RuntimeError):
    """A traced value outlived the transformation that made it.

    It was stored in a global, an attribute or a list by a traced function. Return it from the function instead.
    """


class StaticArgumentError(UserError, ValueError, TypeError):
    """A static argument is not hashable, so calls cannot be told apart by it."""


class GradientError(UserError, TypeError):
    """A derivative is not defined: the output is not a real scalar, or an input is not floating."""


class ImmutableError(UserError, TypeError):
    """An array was assigned to in place. Write ``x = x.at[index].set(value)``."""


class DeletedError(UserError, RuntimeError):
    """An array was used after its memory was given to a jitted function (``donate_argnums``) or freed (``delete()``)."""


class VerificationError(WeftError):
    """A graph breaks a rule of the IR: a pass or a hand-written text is wrong."""


class ParseError(WeftError, ValueError):
    """A text is not a graph."""


class InternalError(WeftError):
    """Weft broke one of its own rules. Please report it with the program."""
