"""What is not fused: routines with loops of their own (routines.py), and BLAS (blas.py)."""
