"""`weft.experimental`: names that JAX keeps in a module of this name."""

from weft.engine.transforms.callbacks import io_callback

__all__ = ["io_callback"]
