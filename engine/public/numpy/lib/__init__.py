"""`weft.numpy.lib`: what NumPy keeps in ``numpy.lib`` and arrays of Weft have: `stride_tricks`."""

from weft.numpy.lib import stride_tricks

__all__ = ["stride_tricks"]
