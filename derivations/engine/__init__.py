"""What makes a derivation run: worlds, lines, relations; the mutation of both, and the comparison of LaTeX with code."""
