"""Weft: a JIT-compiled array engine for Python, with JAX's names and semantics.

``import weft`` gives the transformations; arrays are made by `weft.numpy`. Start with `jit`, `grad` and `vmap`.
The modules that a program may do without (`weft.random`, `weft.nn` and more) are imported when they are first named.
"""

import contextlib
import gc
import importlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any


@contextlib.contextmanager
def _keeping_all() -> Iterator[None]:
    """No search for garbage: of what modules make when they are imported, nothing is. It takes a tenth of the time.

    Nor is the first search after that to go through all of it: it counts as old, as after a search that found nothing.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled and not gc.get_freeze_count():  # what a program has set aside stays there
            gc.freeze()
            gc.unfreeze()
        if enabled:
            gc.enable()


with _keeping_all():
    from weft import config, errors, numpy, tree
    from weft.engine.after_import import after_import as _after_import
    from weft.engine.array import Array
    from weft.engine.config import disable_jit
    from weft.engine.trace import float0
    from weft.engine.transforms.callbacks import io_callback, pure_callback
    from weft.engine.transforms.custom import checkpoint, custom_jvp, custom_vjp, remat, stop_gradient
    from weft.engine.transforms.differentiate import jvp, linear_transpose, linearize, vjp
    from weft.engine.transforms.grad import grad, value_and_grad
    from weft.engine.transforms.inspect import ShapeDtypeStruct, eval_shape, make_graph
    from weft.engine.transforms.jacobian import hessian, hvp, jacfwd, jacobian, jacrev
    from weft.engine.transforms.jit import jit
    from weft.engine.transforms.policies import checkpoint_policies
    from weft.engine.transforms.ready import block_until_ready, device_get, device_put
    from weft.engine.transforms.vmap import vmap

if TYPE_CHECKING:
    from weft import (
        ad_checkpoint,
        custom_batching,
        debug,
        experimental,
        fft,
        flatten_util,
        image,
        interop,
        lax,
        nn,
        ops,
        optim,
        random,
        scipy,
        stax,
        test_util,
        tree_util,
        typing,
    )
    from weft.engine.environment import (
        clear_caches,
        default_backend,
        default_matmul_precision,
        device_count,
        devices,
        effects_barrier,
        ensure_compile_time_eval,
        local_device_count,
        local_devices,
        named_call,
        named_scope,
        print_environment_info,
        process_count,
        process_index,
        typeof,
    )
    from weft.engine.transforms.closures import closure_convert, custom_gradient

__version__ = "0.1.0"

make_jaxpr = make_graph
"""JAX's name of `make_graph`."""

__all__ = [
    "Array",
    "ShapeDtypeStruct",
    "__version__",
    "ad_checkpoint",
    "block_until_ready",
    "checkpoint",
    "checkpoint_policies",
    "clear_caches",
    "closure_convert",
    "config",
    "custom_batching",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "debug",
    "default_backend",
    "default_matmul_precision",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "disable_jit",
    "effects_barrier",
    "ensure_compile_time_eval",
    "errors",
    "eval_shape",
    "experimental",
    "fft",
    "flatten_util",
    "float0",
    "grad",
    "hessian",
    "hvp",
    "image",
    "interop",
    "io_callback",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "linear_transpose",
    "linearize",
    "local_device_count",
    "local_devices",
    "make_graph",
    "make_jaxpr",
    "named_call",
    "named_scope",
    "nn",
    "numpy",
    "ops",
    "optim",
    "print_environment_info",
    "process_count",
    "process_index",
    "pure_callback",
    "random",
    "remat",
    "scipy",
    "stax",
    "stop_gradient",
    "test_util",
    "tree",
    "tree_util",
    "typeof",
    "typing",
    "value_and_grad",
    "vjp",
    "vmap",
]

_WHEN_NAMED = frozenset(
    (
        "ad_checkpoint",
        "custom_batching",
        "debug",
        "experimental",
        "fft",
        "flatten_util",
        "image",
        "interop",
        "lax",
        "nn",
        "ops",
        "optim",
        "random",
        "scipy",
        "stax",
        "test_util",
        "tree_util",
        "typing",
    )
)

_FOUND_IN = {
    "closure_convert": "weft.engine.transforms.closures",
    "custom_gradient": "weft.engine.transforms.closures",
    **dict.fromkeys(
        (
            "clear_caches",
            "default_backend",
            "default_matmul_precision",
            "device_count",
            "devices",
            "effects_barrier",
            "ensure_compile_time_eval",
            "local_device_count",
            "local_devices",
            "named_call",
            "named_scope",
            "print_environment_info",
            "process_count",
            "process_index",
            "typeof",
        ),
        "weft.engine.environment",
    ),
}


for _name in ("einops", "opt_einsum"):
    _after_import(_name, f"weft.interop.{_name}")


def __getattr__(name: str) -> Any:
    if name in _WHEN_NAMED:
        return importlib.import_module(f"weft.{name}")  # which makes it an attribute
    if name in _FOUND_IN:
        found = globals()[name] = getattr(importlib.import_module(_FOUND_IN[name]), name)
        return found
    raise AttributeError(f"module 'weft' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
