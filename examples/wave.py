"""Waves through two slits: the 2-D wave equation by finite differences, written with slices.

The leapfrog scheme keeps a discrete energy exactly (up to rounding), walls included, which is what is checked
at the end. The picture shows the interference behind the slits.
"""

import argparse
import time
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import weft
import weft.numpy as wnp

COURANT = 0.5  # c dt / dx, stable below 1 / sqrt(2)


def laplacian(u):
    """The five-point stencil in the interior, zero on the border (times dx squared)."""
    inner = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:] - 4 * u[1:-1, 1:-1]
    return wnp.zeros_like(u).at[1:-1, 1:-1].set(inner)


@weft.jit
def step(u, u_before, is_open):
    """u(t), u(t - dt) -> u(t + dt), u(t); where `is_open` is 0 there is a wall and u stays 0."""
    return is_open * (2 * u - u_before + COURANT**2 * laplacian(u)), u


@weft.jit
def energy(u, u_before):
    """Kinetic plus potential energy of two steps in a row: the quantity that leapfrog conserves."""
    return 0.5 * wnp.sum((u - u_before) ** 2) - 0.5 * COURANT**2 * wnp.sum(u * laplacian(u_before))


def two_slits(n, width, distance):
    """1 where waves go, 0 on the border and on the wall in the middle but for its two slits."""
    is_open = np.zeros((n, n))
    is_open[1:-1, 1:-1] = 1
    is_open[:, n // 2] = 0
    for centre in (n // 2 - distance // 2, n // 2 + distance // 2):
        is_open[centre - width // 2 : centre + width // 2 + 1, n // 2] = 1
    return is_open


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a small grid, for tests")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    args = parser.parse_args(argv)
    n = 96 if args.small else 400

    is_open = two_slits(n, width=n // 40, distance=n // 6)
    row, column = np.mgrid[:n, :n] / n
    wavelength = 0.05
    # A plane wave packet on the left; one step back in time it was COURANT / n further to the left.
    packet = [
        is_open * np.exp(-(((column - at) / 0.07) ** 2)) * np.cos(2 * np.pi * (column - at) / wavelength)
        for at in (0.25, 0.25 - COURANT / n)
    ]
    u, u_before = (wnp.asarray(p * (np.abs(row - 0.5) < 0.45)) for p in packet)

    energy_before = float(energy(u, u_before))
    steps = int(0.5 * n / COURANT)
    start = time.perf_counter()
    for _ in range(steps):
        u, u_before = step(u, u_before, is_open)
    seconds = time.perf_counter() - start
    drift = abs(float(energy(u, u_before)) / energy_before - 1)
    heights = np.asarray(u)
    print(f"{steps} steps on {n} x {n} points, {1e9 * seconds / steps / n**2:.2f} ns a point and step")
    print(f"energy drift {drift:.1e}")

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.subplots()
    limit = np.abs(heights[:, n // 2 + 1 :]).max()
    axes.imshow(np.where(is_open, heights, np.nan), cmap="RdBu", vmin=-limit, vmax=limit)
    axes.set_axis_off()
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "wave.png", dpi=120)
    print(f"picture: {args.out / 'wave.png'}")
    return {"u": heights, "is_open": is_open, "drift": drift}


if __name__ == "__main__":
    main()
