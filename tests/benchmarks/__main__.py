import datetime
import os
import platform
import statistics
import subprocess
import sys

from tests.benchmarks.cases import CASES

TURNS = 5


def seconds(case, side):
    """One process's figure, or None where the peer is not installed."""
    run = subprocess.run([sys.executable, "-m", "tests.benchmarks.cases", case, side], capture_output=True, text=True)
    if "ModuleNotFoundError" in run.stderr:
        return None
    if run.returncode:
        sys.exit(run.stderr)
    return float(run.stdout)


def main(names):
    print(f"{datetime.date.today()}, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
          f"load {os.getloadavg()[0]:.1f}\n")
    print("| what | ours | peer | ratio (least to most) | aimed at |\n|---|---|---|---|---|")
    for name in names:
        what, _, peers, target = CASES[name]
        turns = [{side: seconds(name, side) for side in ("ours", *peers)} for _ in range(TURNS + 1)][1:]
        for peer in peers:
            if turns[0][peer] is None:
                print(f"| {what} | | {peer} is not installed | | {target} |")
                continue
            ratios = [turn["ours"] / turn[peer] for turn in turns]
            ours, theirs = (statistics.median(turn[side] for turn in turns) for side in ("ours", peer))
            print(f"| {what} | {_unit(ours)} | {peer} {_unit(theirs)} | {statistics.median(ratios):.3f} "
                  f"({min(ratios):.3f} to {max(ratios):.3f}) | {target} |", flush=True)


def _unit(s):
    return f"{s * 1e6:.1f} us" if s < 1e-3 else f"{s * 1e3:.1f} ms"


if __name__ == "__main__":
    main(sys.argv[1:] or CASES)
