"""The Fourier transform of one long line of complex numbers."""

from __future__ import annotations

from . import Programs, normal


def fft(backend, x):
    return backend.np.fft.fft(x)


class Fourier(Programs):
    programs = (fft,)
    sizes = (1_000_000,)

    def data(self, program, n):
        return (normal(n) + 1j * normal(n, 1)[:, 0],)
