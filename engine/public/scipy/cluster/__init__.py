"""`weft.scipy.cluster`: vector quantisation, in `vq`."""

from weft.scipy.cluster import vq

__all__ = ["vq"]
