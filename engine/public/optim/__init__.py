"""`weft.optim`: optimizers of trees of parameters, schedules of the size of their steps, clipping, decay.

An optimizer is a pair of pure functions, ``init(params) -> state`` and ``update(grads, state, params) -> (updates, state)``;
``step`` applies the updates, too. States are trees of arrays, so a step can be jitted, donated, scanned, vmapped and pickled:

    optimizer = optim.adam(1e-3)
    state = optimizer.init(params)

    @partial(weft.jit, donate_argnums=(0, 1))
    def step(params, state, x, y):
        grads = weft.grad(loss)(params, x, y)
        return optimizer.step(params, state, grads)
"""

from weft.optim.first_order import (
    adagrad,
    adam,
    adamw,
    lamb,
    momentum,
    nesterov,
    rmsprop,
    scale_by_adam,
    scale_by_rms,
    scale_by_rss,
    sgd,
    trace,
)
from weft.optim.quasi_newton import lbfgs
from weft.optim.schedules import (
    constant,
    cosine_decay,
    exponential_decay,
    inverse_time_decay,
    make_schedule,
    piecewise_constant,
    polynomial_decay,
    warmup_cosine_decay,
)
from weft.optim.transformations import (
    Optimizer,
    Schedule,
    add_decayed_weights,
    apply_updates,
    chain,
    clip_by_global_norm,
    clip_by_value,
    clip_grads,
    l2_norm,
    scale,
    scale_by_step_size,
    scale_by_trust_ratio,
    stateless,
)

__all__ = [
    "Optimizer",
    "Schedule",
    "adagrad",
    "adam",
    "adamw",
    "add_decayed_weights",
    "apply_updates",
    "chain",
    "clip_by_global_norm",
    "clip_by_value",
    "clip_grads",
    "constant",
    "cosine_decay",
    "exponential_decay",
    "inverse_time_decay",
    "l2_norm",
    "lamb",
    "lbfgs",
    "make_schedule",
    "momentum",
    "nesterov",
    "piecewise_constant",
    "polynomial_decay",
    "rmsprop",
    "scale",
    "scale_by_adam",
    "scale_by_rms",
    "scale_by_rss",
    "scale_by_step_size",
    "scale_by_trust_ratio",
    "sgd",
    "stateless",
    "trace",
    "warmup_cosine_decay",
]
