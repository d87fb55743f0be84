"""`weft.image`: images of other sizes, with the methods and results of `jax.image`."""

from weft.image.resampling import ResizeMethod, resize, scale_and_translate

__all__ = ["ResizeMethod", "resize", "scale_and_translate"]
