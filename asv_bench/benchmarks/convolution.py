"""A convolution of images, and its gradients by images and kernel. NumPy has none."""

from __future__ import annotations

from . import Programs, normal


def forward(backend, images, kernel):
    return backend.api.lax.conv_general_dilated(
        images, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def gradients(backend, images, kernel):
    loss = lambda images, kernel: backend.np.sum(forward(backend, images, kernel) ** 2)  # noqa: E731
    return backend.api.grad(loss, argnums=(0, 1))(images, kernel)


class Convolution(Programs):
    """`n` images of 28 x 28 with 16 channels, a kernel of 3 x 3 to 32 channels."""

    programs = (forward, gradients)
    sizes = (32,)
    transforms = True
    dtype = "float32"

    def data(self, program, n):
        return normal(n, 28, 28, 16), normal(3, 3, 16, 32)
