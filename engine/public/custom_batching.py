"""`weft.custom_batching`: functions that say themselves how `vmap` batches them."""

from weft.engine.transforms.custom_batching import custom_vmap

__all__ = ["custom_vmap"]
