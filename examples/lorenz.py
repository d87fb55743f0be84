"""Lorenz's equations: gradients through a chaotic system, and its parameters found from noisy data.

A derivative of the state after time t grows like exp(0.9 t), which is what chaos is: through long stretches of it gradients
are exact and useless. So the data are cut into short windows, each with an unknown start of its own; the parameters are
those with which the windows fit best. Everything is a loop in a loop: Adam's steps are a scan over the gradient of a batch
of scans over the steps of Runge and Kutta.
"""

import argparse
import time
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import weft
import weft.numpy as wnp
from weft import lax, tree

DT = 0.01
EVERY = 5  # steps from one observation to the next
TRUE = {"sigma": 10.0, "rho": 28.0, "beta": 8 / 3}
GUESS = {"sigma": 6.0, "rho": 20.0, "beta": 1.5}


def velocity(p, s):
    x, y, z = s
    return wnp.stack([p["sigma"] * (y - x), x * (p["rho"] - z) - y, x * y - p["beta"] * z])


def trajectory(p, start, steps):
    """States 1 to `steps`, DT apart, by Runge and Kutta's method of fourth order."""

    def step(s, _):
        k1 = velocity(p, s)
        k2 = velocity(p, s + DT / 2 * k1)
        k3 = velocity(p, s + DT / 2 * k2)
        k4 = velocity(p, s + DT * k3)
        s = s + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return s, s

    return lax.scan(step, start, None, length=steps)[1]


def misfit(unknown, windows):
    """Mean square of what the windows, arrays of observations in rows, are away from their trajectories."""
    p, starts = unknown
    steps = EVERY * (windows.shape[1] - 1)
    states = weft.vmap(lambda start: trajectory(p, start, steps))(starts)
    seen = wnp.concatenate([starts[:, None], states[:, EVERY - 1 :: EVERY]], axis=1)
    return wnp.mean((seen - windows) ** 2)


@partial(weft.jit, static_argnums=2)
def fit(unknown, windows, steps):
    """Adam, with steps that become smaller; also the misfit and the parameters on the way."""

    def adam(carry, i):
        unknown, mean, square = carry
        value, slope = weft.value_and_grad(misfit)(unknown, windows)
        mean = tree.map(lambda m, g: 0.9 * m + 0.1 * g, mean, slope)
        square = tree.map(lambda s, g: 0.99 * s + 0.01 * g * g, square, slope)
        rate = 0.2 * (1 - i / steps) * wnp.sqrt(1 - 0.99 ** (i + 1)) / (1 - 0.9 ** (i + 1))
        unknown = tree.map(lambda u, m, s: u - rate * m / (wnp.sqrt(s) + 1e-12), unknown, mean, square)
        return (unknown, mean, square), (value, unknown[0])

    zero = tree.map(wnp.zeros_like, unknown)
    (unknown, _, _), way = lax.scan(adam, (unknown, zero, zero), wnp.arange(float(steps)))
    return unknown, way


@partial(weft.jit, static_argnums=2)
def sensitivity(p, start, steps):
    """How fast x moves with rho after 1 to `steps` steps: all of them in one sweep of forward mode."""
    moved = {"sigma": 0.0, "rho": 1.0, "beta": 0.0}
    return weft.jvp(lambda p: trajectory(p, start, steps)[:, 0], (p,), (moved,))[1]


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="fewer data, for tests")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    args = parser.parse_args(argv)
    count, length, noise = (40 if args.small else 200), 9, 0.5

    start = np.array([-5.8, -5.3, 24.5])  # on the attractor
    steps = EVERY * count * length
    states = np.asarray(weft.jit(trajectory, static_argnums=2)(TRUE, start, steps))
    clean = states[EVERY - 1 :: EVERY].reshape(count, length, 3)
    windows = clean + noise * np.random.default_rng(0).normal(size=clean.shape)

    begin = time.perf_counter()
    unknown = (tree.map(wnp.asarray, GUESS), wnp.asarray(windows[:, 0]))
    (found, _), (misfits, way) = fit(unknown, wnp.asarray(windows), 600)
    misfits, way = np.asarray(misfits), {name: np.asarray(values) for name, values in way.items()}
    print(
        f"600 steps on {count} windows of {EVERY * (length - 1)} steps: {time.perf_counter() - begin:.1f} s"
    )
    found = {name: float(value) for name, value in found.items()}
    for name, value in found.items():
        print(f"{name:>5}: {value:7.4f}, true {TRUE[name]:7.4f}, at first {GUESS[name]:7.4f}")

    slopes = np.abs(np.asarray(sensitivity(TRUE, start, 2_000)))
    times = DT * np.arange(1, len(slopes) + 1)
    # Over the attractor a distance grows by 0.906 in a unit of time; the state swings, so the highest so far is fitted.
    growth = np.polyfit(times[200:], np.log(np.maximum.accumulate(slopes))[200:], 1)[0]
    gradient = weft.jit(weft.grad(lambda p: trajectory(p, start, 1_000)[-1, 0]))(TRUE)
    print(f"d x / d rho after t = 10: {float(gradient['rho']):.4g}; it grows like exp({growth:.2f} t)")

    left, middle, right = (figure := Figure(figsize=(12, 3.5), layout="constrained")).subplots(1, 3)
    left.plot(states[:, 0], states[:, 2], linewidth=0.5)
    left.plot(windows[..., 0].ravel(), windows[..., 2].ravel(), ".", markersize=1)
    left.set(title="the attractor, and the data", xlabel="x", ylabel="z")
    for name, values in way.items():
        (drawn,) = middle.plot(values / TRUE[name], label=name)
        middle.axhline(1, color="grey", linewidth=0.5)
        drawn.set_linewidth(1.2)
    middle.set(title="parameters over their true values", xlabel="step")
    middle.legend()
    right.semilogy(times, slopes, linewidth=0.8)
    right.set(title="| d x(t) / d rho |", xlabel="t")
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "lorenz.png", dpi=120)
    print(f"picture: {args.out / 'lorenz.png'}")
    return {
        "found": found,
        "misfits": misfits,
        "noise": noise,
        "growth": growth,
        "gradient": float(gradient["rho"]),
        "slope": float(sensitivity(TRUE, start, 1_000)[-1]),
    }


if __name__ == "__main__":
    main()
