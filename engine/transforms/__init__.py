"""Transformations: from a Python function to a graph, through passes, and back to a function."""
