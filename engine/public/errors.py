"""`weft.errors`: the classes of errors that Weft raises on purpose, `WeftError` the base of all.

Each also derives from the built-in exception that NumPy or JAX raises for the same mistake, so existing handlers keep working.
"""

from weft.ir.errors import (
    ArgumentError,
    AxisError,
    ConcretizationError,
    CopyError,
    DeletedError,
    DTypeError,
    GradientError,
    ImmutableError,
    IndexingError,
    InternalError,
    LeakedTracerError,
    NestingError,
    ParseError,
    ShapeError,
    StaticArgumentError,
    UserError,
    VerificationError,
    WeftError,
)

__all__ = [
    "ArgumentError",
    "AxisError",
    "ConcretizationError",
    "CopyError",
    "DTypeError",
    "DeletedError",
    "GradientError",
    "ImmutableError",
    "IndexingError",
    "InternalError",
    "LeakedTracerError",
    "NestingError",
    "ParseError",
    "ShapeError",
    "StaticArgumentError",
    "UserError",
    "VerificationError",
    "WeftError",
]
