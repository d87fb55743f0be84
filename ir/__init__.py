"""The language: what a program is and what it means. Imports only the standard library, NumPy and `weft.ir`."""
