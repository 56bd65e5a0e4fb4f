"""Bitstreams and projects for boards: what `neuflow build` does."""
