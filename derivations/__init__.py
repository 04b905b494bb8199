"""Derivations: chains of lines, each a piece of LaTeX and the function that evaluates it, checked on exact worlds."""
from derivations.engine.line import Derivation
from derivations.engine.worlds import (World, counts, index, invertible, let, positive, real, simplex, size, tex,
                                       unit)
