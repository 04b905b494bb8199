"""What makes a derivation run: worlds, lines, relations; their mutation; and the comparison of LaTeX with code."""
