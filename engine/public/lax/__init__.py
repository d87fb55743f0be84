"""`weft.lax`: the operations that `weft.numpy` is made of, under JAX's names.

Unlike `weft.numpy`, these do not promote: arguments of an operation have one dtype (Python scalars take it) and one shape
(scalars are repeated). They work on arrays and on traced arrays alike.

The one idea: a file is imported when the first of its names is asked for. A program has use for one or two of them, and all
take as long to import as a small loop to compile.
"""

import importlib
from typing import Any

_NAMES = {
    "weft.lax.branches": "cond switch",
    "weft.lax.collectives": (
        "all_gather all_to_all axis_index pbroadcast pmax pmean pmin ppermute pshuffle psum psum_scatter "
        "pswapaxes"
    ),
    "weft.lax.convolution": (
        "ConvDimensionNumbers conv conv_dimension_numbers conv_general_dilated conv_general_dilated_local "
        "conv_general_dilated_patches conv_general_permutations conv_general_shape_tuple conv_shape_tuple "
        "conv_transpose conv_transpose_shape_tuple conv_with_general_padding padtype_to_pads"
    ),
    "weft.lax.elementwise": (
        "abs acos acosh add asin asinh atan atan2 atanh bessel_i0e bessel_i1e betainc bitcast_convert_type "
        "bitwise_and bitwise_not bitwise_or bitwise_xor cbrt ceil clamp clz complex conj convert_element_type "
        "cos cosh digamma div eq erf erf_inv erfc exp exp2 expm1 floor ge gt igamma igamma_grad_a igammac "
        "imag integer_pow is_finite le lgamma log log1p logistic lt max min mul mulhi ne neg nextafter "
        "optimization_barrier polygamma population_count pow random_gamma_grad real reciprocal "
        "reduce_precision rem round rsqrt select select_n shift_left shift_right_arithmetic "
        "shift_right_logical sign sin sinh sqrt square sub tan tanh zeta"
    ),
    "weft.lax.folds": "reduce reduce_xor",
    "weft.lax.fourier": "FftType fft",
    "weft.lax.gathers": (
        "GatherDimensionNumbers GatherScatterMode ScatterDimensionNumbers gather index_take scatter "
        "scatter_add scatter_apply scatter_max scatter_min scatter_mul scatter_sub"
    ),
    "weft.lax.generators": "RandomAlgorithm rng_bit_generator",
    "weft.lax.loops": "fori_loop scan while_loop",
    "weft.lax.mapping": "associative_scan map",
    "weft.lax.options": (
        "AccuracyMode ConvGeneralDilatedDimensionNumbers DotDimensionNumbers Precision PrecisionLike "
        "RoundingMethod Tolerance"
    ),
    "weft.lax.ragged": "RaggedDotDimensionNumbers ragged_dot ragged_dot_general",
    "weft.lax.reductions": (
        "approx_max_k approx_min_k argmax argmin batch_matmul cumlogsumexp cummax cummin cumprod cumsum dot "
        "dot_general reduce_and reduce_max reduce_min reduce_or reduce_prod reduce_sum sort sort_key_val "
        "top_k"
    ),
    "weft.lax.shapes": (
        "broadcast broadcast_in_dim broadcast_like broadcast_shapes broadcast_to_rank broadcasted_iota "
        "collapse concatenate dtype empty expand_dims full full_like iota pad reshape rev shape_as_value "
        "split squeeze stack tile transpose unstack"
    ),
    "weft.lax.slices": (
        "dynamic_index_in_dim dynamic_slice dynamic_slice_in_dim dynamic_update_index_in_dim "
        "dynamic_update_slice dynamic_update_slice_in_dim index_in_dim slice slice_in_dim"
    ),
    "weft.lax.solves": "custom_linear_solve custom_root",
    "weft.lax.staging": "composite platform_dependent stage",
    "weft.lax.windows": "reduce_window reduce_window_shape_tuple select_and_scatter_add",
    "weft.engine.transforms.custom": "stop_gradient",
    "weft.engine.transforms.vmap": "axis_size",
}
_HOME = {name: module for module, names in _NAMES.items() for name in names.split()}
_MODULES = ("linalg",)

__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
        return value
    if name in _MODULES:
        return importlib.import_module(f"weft.lax.{name}")  # which makes it an attribute
    raise AttributeError(f"module 'weft.lax' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
