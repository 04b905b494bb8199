"""Deep generative models from scratch: plain array code that reads like its derivation, on NumPy and on CuPy."""
from pathlib import Path

import backends

if Path(backends.__file__).resolve().parent.parent != Path(__file__).resolve().parent.parent:
    raise ImportError(f"scratch stands in {Path(__file__).parent.parent} but `backends` was imported from "
                      f"{Path(backends.__file__).parent}: another package hides ours; rename it or put ours first.")
