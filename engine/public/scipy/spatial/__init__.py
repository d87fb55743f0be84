"""`weft.scipy.spatial`: rotations, in `transform`."""

from weft.scipy.spatial import transform

__all__ = ["transform"]
