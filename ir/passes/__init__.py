"""Passes: each file holds one function from graph to graph, named after its verb."""
