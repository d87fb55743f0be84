"""`weft.ad_checkpoint`: names of values, for the policies of `weft.checkpoint`.

Example::

    from weft.ad_checkpoint import checkpoint_name

    @functools.partial(weft.checkpoint, policy=weft.checkpoint_policies.save_only_these_names("hidden"))
    def layer(w, x):
        return np.tanh(checkpoint_name(x @ w, "hidden"))
"""

from weft.engine.transforms.custom import checkpoint
from weft.engine.transforms.policies import checkpoint_name, checkpoint_policies

__all__ = ["checkpoint", "checkpoint_name", "checkpoint_policies"]
