"""`weft.interop`: what other packages need to know of Weft.

`weft.interop.einops` and `weft.interop.opt_einsum` are imported by themselves when those packages are;
`weft.interop.hypothesis` has strategies for property-based tests.
"""
