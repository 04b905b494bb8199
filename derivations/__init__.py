"""Derivations: chains of lines, each a piece of LaTeX and the function that evaluates it."""
