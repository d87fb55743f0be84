"""opt_einsum is told that the functions for arrays of Weft are those of `weft.numpy`. Imported with opt_einsum."""

from __future__ import annotations

from opt_einsum.backends import dispatch

if hasattr(
    dispatch, "_aliases"
):  # without it, opt_einsum calls NumPy's functions, which give the work to ours
    dispatch._aliases.setdefault("weft", "weft.numpy")
