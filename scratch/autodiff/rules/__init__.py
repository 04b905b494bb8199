"""The derivative rules, one row an operation: importing them puts them behind `xp`."""
from scratch.autodiff.rules import elementwise, indexing, linalg, products, reductions, shapes, special  # noqa: F401
