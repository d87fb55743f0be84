"""`weft.fft`: the discrete Fourier transforms of `weft.numpy.fft` by a shorter name."""

from weft.numpy.fft import *  # noqa: F403
from weft.numpy.fft import __all__ as __all__
