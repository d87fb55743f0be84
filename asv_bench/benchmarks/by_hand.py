"""The programs of `loops` as loop nests written by hand for Numba, with IEEE arithmetic (fastmath=False).

They do what a careful programmer would do: nothing outside a triangle, in place where the algorithm allows it, on several
threads where a step has many independent rows. Arguments are left as they are.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

serial = njit(fastmath=False, error_model="numpy")
parallel = njit(fastmath=False, error_model="numpy", parallel=True)


@serial
def scan_scalars(a, b):
    a, b = a.item(), b.item()
    for _ in range(100_000):
        a, b = a + 0.01 * math.sin(b), b - 0.01 * a
    return a, b


@parallel
def jacobi(u):
    u, new = u.copy(), u.copy()
    m, n = u.shape
    for _ in range(100):
        for i in prange(1, m - 1):
            for j in range(1, n - 1):
                new[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
        u, new = new, u
    return u


@parallel
def heat(u):
    u, new = u.copy(), u.copy()
    layers, m, n = u.shape
    for _ in range(50):
        for i in prange(1, layers - 1):
            for j in range(1, m - 1):
                for k in range(1, n - 1):
                    around = u[i - 1, j, k] + u[i + 1, j, k] + (u[i, j - 1, k] + u[i, j + 1, k])
                    around = around + (u[i, j, k - 1] + u[i, j, k + 1])
                    new[i, j, k] = u[i, j, k] + 0.1 * (around - 6.0 * u[i, j, k])
        u, new = new, u
    return u


@parallel
def fdtd(ex, ey, h):
    ex, ey, h = ex.copy(), ey.copy(), h.copy()
    m, n = h.shape
    for _ in range(100):
        for i in prange(m):
            if i > 0:
                for j in range(n):
                    ey[i, j] += -0.5 * (h[i, j] - h[i - 1, j])
            for j in range(1, n):
                ex[i, j] += -0.5 * (h[i, j] - h[i, j - 1])
        for i in prange(m - 1):
            for j in range(n - 1):
                h[i, j] += -0.7 * (ex[i, j + 1] - ex[i, j] + ey[i + 1, j] - ey[i, j])
    return ex, ey, h


@serial
def gauss_seidel(u):
    u = u.copy()
    m, n = u.shape
    row = np.empty(n)
    for _ in range(20):
        for i in range(1, m - 1):
            for j in range(1, n - 1):
                row[j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
            for j in range(1, n - 1):
                u[i, j] = row[j]
    return u


@parallel
def thomas(b, d):
    x, c = np.empty_like(d), np.empty_like(b)
    layers, m, n = b.shape
    for i in prange(layers):
        for j in range(m):
            c[i, j, 0] = 1.0 / b[i, j, 0]
            x[i, j, 0] = d[i, j, 0] / b[i, j, 0]
            for k in range(1, n):
                q = 1.0 / (b[i, j, k] - c[i, j, k - 1])
                c[i, j, k] = q
                x[i, j, k] = (d[i, j, k] + x[i, j, k - 1]) * q
            for k in range(n - 2, -1, -1):
                x[i, j, k] += c[i, j, k] * x[i, j, k + 1]
    return x


@serial
def lu(a):
    a = a.copy()
    n = a.shape[0]
    for k in range(n):
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            for j in range(k + 1, n):
                a[i, j] -= a[i, k] * a[k, j]
    return a


@serial
def cholesky(a):
    n = a.shape[0]
    low = np.zeros_like(a)
    for k in range(n):
        for i in range(k, n):
            s = a[i, k]
            for j in range(k):
                s -= low[i, j] * low[k, j]
            low[i, k] = math.sqrt(s) if i == k else s / low[k, k]
    return low


@serial
def gram_schmidt(a):
    m, n = a.shape
    q, v, along = np.zeros_like(a), np.empty(m), np.empty(n)
    for k in range(n):
        along[:k] = 0.0
        for i in range(m):
            v[i] = a[i, k]
            for j in range(k):
                along[j] += q[i, j] * v[i]
        square = 0.0
        for i in range(m):
            for j in range(k):
                v[i] -= q[i, j] * along[j]
            square += v[i] * v[i]
        for i in range(m):
            q[i, k] = v[i] / math.sqrt(square)
    return q


@serial
def durbin(r):
    n = r.shape[0]
    y, new = np.zeros(n), np.empty(n)
    y[0] = alpha = -r[0]
    beta = 1.0
    for k in range(1, n):
        beta = (1.0 - alpha * alpha) * beta
        total = r[k]
        for i in range(k):
            total += r[k - 1 - i] * y[i]
        alpha = -total / beta
        for i in range(k):
            new[i] = y[i] + alpha * y[k - 1 - i]
        for i in range(k):
            y[i] = new[i]
        y[k] = alpha
    return y


@serial
def triangular_solve(low, b):
    n = b.shape[0]
    x = np.zeros(n)
    for k in range(n):
        s = 0.0
        for i in range(k):
            s += low[k, i] * x[i]
        x[k] = (b[k] - s) / low[k, k]
    return x
