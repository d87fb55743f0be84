"""The part of the run-time that is machine code: Python functions of integers, which Numba compiles once."""
