"""Formal proofs: ``python -m formal.<name>`` runs one file of them."""
