"""Passes over the float graph: each takes a graph and returns a new one that computes the same."""
