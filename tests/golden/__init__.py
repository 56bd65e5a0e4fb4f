"""Golden models, straight from docs/arithmetic.md, on Python integers."""
