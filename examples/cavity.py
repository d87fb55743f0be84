"""Flow in a cavity whose lid moves: the Navier-Stokes equations in two dimensions, all steps in one compiled loop.

Vorticity w is carried along and diffuses, w_t + u w_x + v w_y = lap w / Re; the stream function solves lap psi = -w. In
the eigenvectors of the second difference, which are sines, that is a division; they come by four matrix products a step.
The walls make the vorticity that keeps the fluid on them (Thom's formula). The main vortex is compared with the published
one: Ghia, Ghia & Shin (1982), doi:10.1016/0021-9991(82)90058-4.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import weft
import weft.numpy as wnp
from weft import lax

# Reynolds number -> psi in the centre of the main vortex, its place x, y.
PUBLISHED = {100: (-0.103423, 0.6172, 0.7344), 400: (-0.113909, 0.5547, 0.6055)}


def poisson(n):
    """What is needed to solve lap psi = -w inside: eigenvectors of the second difference, sums of its eigenvalues."""
    k = np.arange(1, n)
    sines = np.sqrt(2 / n) * np.sin(np.pi * np.outer(k, k) / n)
    values = (2 * n * np.sin(np.pi * k / (2 * n))) ** 2
    return sines, values[:, None] + values[None, :]


def centred(f, n):
    """f_x and f_y inside; rows are y, columns x."""
    return 0.5 * n * (f[1:-1, 2:] - f[1:-1, :-2]), 0.5 * n * (f[2:, 1:-1] - f[:-2, 1:-1])


def step(w, reynolds, dt, sines, values):
    """One step of Euler's method for the vorticity; also gives the stream function before it."""
    n = w.shape[0] - 1
    psi = wnp.zeros_like(w).at[1:-1, 1:-1].set(sines @ ((sines @ w[1:-1, 1:-1] @ sines) / values) @ sines)
    w = w.at[0, :].set(-2 * n**2 * psi[1, :]).at[-1, :].set(-2 * n**2 * psi[-2, :] - 2 * n)  # bottom, lid
    w = w.at[:, 0].set(-2 * n**2 * psi[:, 1]).at[:, -1].set(-2 * n**2 * psi[:, -2])
    psi_x, psi_y = centred(psi, n)
    w_x, w_y = centred(w, n)
    around = w[1:-1, 2:] + w[1:-1, :-2] + w[2:, 1:-1] + w[:-2, 1:-1] - 4 * w[1:-1, 1:-1]
    return w.at[1:-1, 1:-1].add(dt * (psi_x * w_y - psi_y * w_x + n**2 / reynolds * around)), psi


@partial(weft.jit, static_argnums=(0, 1))
def simulate(n, steps, reynolds, dt):
    """The flow after so many steps from rest: vorticity, stream function, how far the last step has moved the first."""
    sines, values = map(wnp.asarray, poisson(n))

    def body(_, w):
        return step(w, reynolds, dt, sines, values)[0]

    w = lax.fori_loop(0, steps, body, wnp.zeros((n + 1, n + 1)), progress="flow in a cavity")
    after, psi = step(w, reynolds, dt, sines, values)
    return w, psi, wnp.max(wnp.abs(after - w)[1:-1, 1:-1]) / dt


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a coarse grid and a slow flow, for tests")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    args = parser.parse_args(argv)
    n, reynolds, until = (40, 100, 16.0) if args.small else (128, 400, 40.0)

    # Diffusion and central differences with Euler's method are stable for steps below both of these.
    dt = 0.8 * min(0.25 * reynolds / n**2, 2 / reynolds)
    steps = int(until / dt)
    start = time.perf_counter()
    w, psi, change = (np.asarray(x) for x in simulate(n, steps, float(reynolds), dt))
    seconds = time.perf_counter() - start
    print(
        f"{steps} steps on {n} x {n} cells in {seconds:.1f} s, compilation included; still moving by {change:.1e}"
    )

    row, column = np.unravel_index(psi.argmin(), psi.shape)
    centre = {"psi": psi.min(), "x": column / n, "y": row / n}
    published = dict(zip(centre, PUBLISHED[reynolds], strict=True))
    for name, value in centre.items():
        print(f"centre of the vortex, {name:>3}: {value:8.4f}, published {published[name]:8.4f}")

    axes = (figure := Figure(figsize=(5, 5), layout="constrained")).subplots()
    at = np.linspace(0, 1, n + 1)
    axes.contourf(at, at, np.clip(w, -5, 5), levels=41, cmap="RdBu_r")
    main_vortex = np.linspace(psi.min(), 0, 12)[:-1]
    corners = np.geomspace(1e-6, max(psi.max(), 2e-6), 6)  # turn the other way, and a thousand times slower
    axes.contour(at, at, psi, levels=[*main_vortex, *corners], colors="black", linewidths=0.7)
    axes.set(title=f"vorticity and streamlines, Re = {reynolds}", xticks=[], yticks=[], aspect="equal")
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "cavity.png", dpi=120)
    print(f"picture: {args.out / 'cavity.png'}")
    return {"centre": centre, "published": published, "w": w, "psi": psi, "change": float(change)}


if __name__ == "__main__":
    main()
