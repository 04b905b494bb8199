"""The derivative rules, one row an operation: importing them puts them behind `xp`."""
from scratch.autodiff.rules import (convolution, elementwise, indexing, linalg, products,  # noqa: F401
                                    reductions, shapes, special)
