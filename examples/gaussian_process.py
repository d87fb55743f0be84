"""Gaussian-process regression, its hyper-parameters found by the gradient of the marginal likelihood.

A length scale for each of ten measurements says how much it matters for the course of diabetes (automatic
relevance determination). The gradient passes through the Cholesky factorisation; SciPy's L-BFGS descends.
"""

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy.optimize import minimize
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

import weft
import weft.numpy as wnp


def kernel(theta, a, b):
    """Squared-exponential covariance; theta = log of (amplitude, noise, length scales...)."""
    a, b = a / wnp.exp(theta[2:]), b / wnp.exp(theta[2:])
    squares = wnp.sum(a**2, axis=1)[:, None] + wnp.sum(b**2, axis=1) - 2 * a @ b.T
    return wnp.exp(2 * theta[0] - 0.5 * wnp.maximum(squares, 0))


def noisy_kernel(theta, x):
    return kernel(theta, x, x) + wnp.exp(2 * theta[1]) * wnp.eye(x.shape[0])


def negative_log_likelihood(theta, x, y):
    """-log p(y | x, theta), y of mean zero: quadratic term, log-determinant, constant."""
    covariance = noisy_kernel(theta, x)
    log_det = 2 * wnp.sum(wnp.log(wnp.diagonal(wnp.linalg.cholesky(covariance))))
    return 0.5 * (wnp.dot(y, wnp.linalg.solve(covariance, y)) + log_det + len(y) * np.log(2 * np.pi))


@weft.jit
def predict(theta, x, y, x_new):
    """Mean and standard deviation of new observations."""
    across = kernel(theta, x, x_new)
    weights = wnp.linalg.solve(noisy_kernel(theta, x), wnp.column_stack([y, across]))
    variance = wnp.exp(2 * theta[0]) + wnp.exp(2 * theta[1]) - wnp.sum(across * weights[:, 1:], axis=0)
    return across.T @ weights[:, 0], wnp.sqrt(variance)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="half of the patients, for tests")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of the picture")
    args = parser.parse_args(argv)

    data = load_diabetes()
    x = (data.data - data.data.mean(axis=0)) / data.data.std(axis=0)
    y = (data.target - data.target.mean()) / data.target.std()
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, random_state=0)
    if args.small:
        x, y = x[::2], y[::2]

    objective = weft.jit(weft.value_and_grad(negative_log_likelihood))

    def value_and_gradient(theta):
        value, gradient = objective(theta, x, y)
        return float(value), np.asarray(gradient)

    start = np.concatenate([[0.0, -0.5], np.full(x.shape[1], 1.5)])
    fit = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=[(-5, 5)] * len(start))
    mean, deviation = map(np.asarray, predict(fit.x, x, y, x_test))
    r2 = float(1 - np.mean((mean - y_test) ** 2) / np.var(y_test))
    coverage = float(np.mean(np.abs(mean - y_test) < 1.96 * deviation))
    before = value_and_gradient(start)[0]
    print(f"-log likelihood {before:.2f} -> {fit.fun:.2f} in {fit.nfev} evaluations")
    print(f"test R2 {r2:.2f}; the 95 % intervals hold {coverage:.0%} of the test patients")
    relevance = np.exp(-fit.x[2:])
    for i in np.argsort(relevance)[::-1][:4]:
        print(f"  {data.feature_names[i]:4s} 1 / length scale {relevance[i]:.2f}")

    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.errorbar(y_test, mean, 1.96 * deviation, fmt=".", alpha=0.5)
    axes.axline((0, 0), slope=1, color="black", linewidth=0.8)
    axes.set(xlabel="measured", ylabel="predicted, 95 % interval")
    args.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.out / "gaussian_process.png", dpi=120)
    print(f"picture: {args.out / 'gaussian_process.png'}")
    return {"before": before, "after": fit.fun, "r2": r2, "coverage": coverage, "gradient": fit.jac}


if __name__ == "__main__":
    main()
