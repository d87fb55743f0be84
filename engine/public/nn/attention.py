"""Attention: values weighted by how well their keys go with queries.

The one idea: heads of queries that share a head of keys and values are a group, an axis of their own, so that one pair of
batched products serves one head, many, and groups; masks of all kinds are one boolean array over queries and keys.

`jax.nn.scaled_matmul` and `scaled_dot_general` are left out: they multiply matrices of 8-bit and 4-bit floats (MXFP8, NVFP4)
with scales for blocks of them. These are dtypes of tensor cores, which Weft does not have, and nothing that a CPU does faster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import weft.numpy as wnp
from weft.engine.transforms.custom import stop_gradient
from weft.ir.errors import ArgumentError, DTypeError, ShapeError
from weft.ir.types import is_floating
from weft.nn.normalization import logsumexp, softmax

# What a masked logit becomes: it vanishes beside others, and where all are masked, all count alike instead of giving NaN.
_MASKED = -0.7 * float(np.finfo(np.float32).max)


def _as_four(x: Any) -> Any:
    """An array with leading axes of length 1 up to rank 4."""
    x = wnp.asarray(x)
    return wnp.expand_dims(x, tuple(range(4 - x.ndim))) if x.ndim < 4 else x


def _checked(query: Any, key: Any, value: Any) -> None:
    given = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if query.ndim != 4 or key.ndim != 4 or key.shape != value.shape:
        raise ShapeError(
            f"nn.dot_product_attention takes a query (B, T, N, H) or (T, N, H), and key and value (B, S, K, H) or (S, K, H); "
            f"got {given}."
        )
    if (query.shape[0], query.shape[3]) != (key.shape[0], key.shape[3]) or 0 in key.shape[1:3]:
        raise ShapeError(
            f"nn.dot_product_attention needs equal batches and lengths of heads, and a key at least; got {given}."
        )
    if query.shape[2] % key.shape[2]:
        raise ShapeError(
            f"nn.dot_product_attention needs a number of heads of queries that is a multiple of that of keys; got {given}."
        )
    if not (query.dtype == key.dtype == value.dtype and is_floating(query.dtype)):
        raise DTypeError(
            f"nn.dot_product_attention needs query, key and value of one floating dtype; got {query.dtype}, {key.dtype} and "
            f"{value.dtype}."
        )


def _grouped(x: Any, name: str, shape: tuple[int, ...]) -> Any:
    """A bias or mask that broadcasts to ``(B, N, T, S)`` as one that does to ``shape``, ``(B, K, G, T, S)``."""
    x = _as_four(x)
    whole = (shape[0], shape[1] * shape[2], *shape[3:])
    if x.ndim != 4 or any(n not in (1, m) for n, m in zip(x.shape, whole, strict=True)):
        raise ShapeError(
            f"nn.dot_product_attention got {name} of shape {tuple(x.shape)}: it must broadcast to {whole}."
        )
    heads = (1, 1) if x.shape[1] == 1 else shape[1:3]
    return wnp.reshape(x, (x.shape[0], *heads, *x.shape[2:]))


def _lengths(x: Any, name: str, batch: int) -> Any:
    """Lengths of sequences as an array of rank 5."""
    x = wnp.asarray(x)
    if x.shape != (batch,) or x.dtype.kind not in "iu":
        raise ShapeError(
            f"nn.dot_product_attention takes {name} as integers of shape ({batch},), got {x.dtype}{list(x.shape)}."
        )
    return wnp.reshape(x, (batch, 1, 1, 1, 1))


def _window(size: Any) -> tuple[int, int]:
    pair = (size, size) if isinstance(size, int) else tuple(size)
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) for n in pair):
        raise ArgumentError(
            f"nn.dot_product_attention takes local_window_size as an integer or two, got {size!r}."
        )
    return int(pair[0]), int(pair[1])


def dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    bias: Any = None,
    mask: Any = None,
    *,
    scale: float | None = None,
    is_causal: bool = False,
    query_seq_lengths: Any = None,
    key_value_seq_lengths: Any = None,
    local_window_size: int | tuple[int, int] | None = None,
    implementation: str | None = None,
    return_residual: bool = False,
) -> Any:
    """``softmax(scale * query @ key.T + bias) @ value`` for each head.

    Args:
        query: ``(B, T, N, H)`` or ``(T, N, H)``: batch, positions, heads, elements of a head.
        key: ``(B, S, K, H)`` or ``(S, K, H)``. ``N`` is a multiple of ``K``: a head of keys is for ``N // K`` heads of queries
            in a row.
        value: of the shape of ``key``.
        bias: what is added to the logits; broadcasts to ``(B, N, T, S)``.
        mask: boolean, broadcasts to ``(B, N, T, S)``: what takes part.
        scale: factor of the logits; by default ``1 / sqrt(H)``.
        is_causal: a query takes no part in keys of later positions.
        query_seq_lengths: integers ``(B,)``: how many positions of each query count; the others give 0.
        key_value_seq_lengths: integers ``(B,)``: how many positions of each key count.
        local_window_size: how many positions before a query's own and after it take part, as two integers or one for both.
        implementation: "xla" or "cudnn", accepted for JAX's sake: there is one here.
        return_residual: return the logarithms of the softmax's sums too, ``(B, T, N)``, as constants of differentiation.

    Returns:
        Array of the shape and dtype of ``query``. float16 and bfloat16 have logits in float32, the others in their own dtype
        (where JAX takes a softmax in float32 of float64 too). Where all keys are masked, it is the mean of the values.

    Source: Vaswani et al. (2017), arXiv:1706.03762; Ainslie et al. (2023) for groups, arXiv:2305.13245.
    """
    if implementation not in (None, "xla", "cudnn"):
        raise ArgumentError(
            f"nn.dot_product_attention knows the implementations 'xla' and 'cudnn', got {implementation!r}."
        )
    shape = np.shape(query)
    query, key, value = _as_four(query), _as_four(key), _as_four(value)
    _checked(query, key, value)
    (batch, t, n, h), (s, k) = query.shape, key.shape[1:3]
    wide = np.promote_types(np.float32, query.dtype) if query.dtype.itemsize > 2 else np.dtype(np.float32)
    heads = wnp.reshape(query, (batch, t, k, n // k, h))
    logits = wnp.einsum("btkgh,bskh->bkgts", heads, key, preferred_element_type=wide)
    logits = logits * np.asarray(1 / math.sqrt(h) if scale is None else scale, wide)
    full = tuple(logits.shape)
    if bias is not None:
        logits = (logits + _grouped(bias, "bias", full)).astype(wide)

    parts = []  # of the mask
    if mask is not None:
        mask = wnp.asarray(mask)
        if mask.dtype != bool:
            raise DTypeError(
                f"nn.dot_product_attention takes a boolean mask, got dtype {mask.dtype}; numbers are a bias."
            )
        parts.append(_grouped(mask, "mask", full))
    to, of = np.arange(t)[:, None], np.arange(s)
    if is_causal:
        parts.append(wnp.asarray(of <= to))
    if local_window_size is not None:
        before, after = _window(local_window_size)
        parts.append(wnp.asarray((to <= of + before) & (to >= of - after)))
    counted = None
    if query_seq_lengths is not None:
        counted = to < _lengths(query_seq_lengths, "query_seq_lengths", batch)
        parts.append(counted)
    if key_value_seq_lengths is not None:
        parts.append(of < _lengths(key_value_seq_lengths, "key_value_seq_lengths", batch))
    if parts:
        taken = parts[0]
        for part in parts[1:]:
            taken = taken & part
        logits = wnp.where(taken, logits, np.asarray(_MASKED, wide))

    encoded = wnp.einsum("bkgts,bskh->btkgh", softmax(logits).astype(query.dtype), value)
    if counted is not None:
        encoded = wnp.where(wnp.transpose(counted, (0, 3, 1, 2, 4)), encoded, 0)
    encoded = wnp.reshape(encoded, shape).astype(query.dtype)
    if not return_residual:
        return encoded
    sums = wnp.transpose(logsumexp(logits, axis=-1), (0, 3, 1, 2)).astype(query.dtype)
    return encoded, stop_gradient(wnp.reshape(sums, shape[:-1]))
