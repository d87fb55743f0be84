"""The primitives, one file a family. Importing this package declares them all."""

from weft.ir.ops import collective, control, elementwise, reduce, shape

__all__ = ["collective", "control", "elementwise", "reduce", "shape"]
